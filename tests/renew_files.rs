//! The files of a renewal with the real kubeadm: backed up, staged, renewed, looked at, installed and
//! put back, on a PKI that it made itself.
//!
//! Needs root and the kubeadm that `tests/lab/kubernetes.sh` builds: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;
use std::process::Command;

use certwatch::domain::renewal::{Fault, FileChange};
use certwatch::domain::time::Span;
use certwatch::fs::replace;
use certwatch::node::NodePaths;
use certwatch::renew::kubeadm;
use certwatch::renew::tree::copy::Copy;
use certwatch::renew::tree::install::{Direction, install};
use certwatch::renew::tree::{backup, files, inspect, stage};
use certwatch::sys;
use common::made::{FILES, MadeNode};
use tempfile::TempDir;

const ALL: [&str; 10] = [
    "admin.conf",
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "controller-manager.conf",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
    "front-proxy-client",
    "scheduler.conf",
];

/// A node's files, and its kubeadm.
struct Node {
    made: MadeNode,
    places: NodePaths,
}

impl Node {
    fn new() -> Self {
        let config = common::kubeadm::config();
        let made = MadeNode::new(&common::kubeadm::program(), &config, &FILES);
        Self { places: made.paths.clone(), made }
    }

    fn live(&self, below: &str) -> PathBuf {
        self.places.kubernetes.join(below)
    }

    fn sum(&self, below: &str) -> Option<String> {
        files::sha256(&self.live(below)).unwrap()
    }

    /// As the unit's `BindPaths=` does, in this process's own mount namespace.
    fn show_stage(&mut self) {
        stage::clean(&self.places).unwrap();
        let mut mount = Command::new("mount");
        mount.arg("--bind").arg(self.places.stage()).arg("/etc/kubernetes");
        assert!(mount.status().unwrap().success());
        self.places.is_stage_shown = true;
    }

    /// From the stage to what would change.
    fn renew(&self, names: &[&str]) -> Result<Vec<FileChange>, Fault> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        stage::stage(&self.places)?;
        kubeadm::renew(&self.places, &names, Some(&self.made.config()))?;
        // kubeadm's new certificates may begin with this second.
        inspect::inspect(&self.places, &names, sys::now() + Span::seconds(1), true)
    }
}

/// Runs one of the ignored tests below by way of `script`, which ends in it.
fn again(test: &str, view: &str, script: &str) {
    let script = format!("{script} \"$0\" --exact {test} --ignored");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    let output = command.arg(std::env::current_exe().unwrap()).env("VIEW", view).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn in_a_mount_namespace() {
    again(
        "the_whole_way",
        "namespace",
        "mount -t tmpfs none /etc && mkdir /etc/kubernetes && exec",
    );
}

/// Without a place to mount it at, the other way is taken.
#[test]
fn in_a_root_of_its_own() {
    again("the_whole_way", "root", "mount -t tmpfs none /etc && exec");
}

#[test]
fn where_the_unit_shows_the_stage() {
    again("the_whole_way", "unit", "mount -t tmpfs none /etc && mkdir /etc/kubernetes && exec");
}

/// As in a unit without capabilities.
#[test]
fn where_no_owner_can_be_given() {
    let dir = TempDir::new().unwrap();
    let strange = dir.path().join("to");
    fs::write(&strange, "old and longer").unwrap();
    chown(&strange, Some(7), Some(8)).unwrap();
    let before = fs::metadata(&strange).unwrap();
    let script = format!("cd {} && exec setpriv --bounding-set -chown", dir.path().display());
    again("the_old_inode_is_written_anew", "", &script);
    let after = fs::metadata(&strange).unwrap();
    assert_eq!((after.ino(), after.uid(), after.gid()), (before.ino(), 7, 8));
    assert_eq!(fs::read(&strange).unwrap(), b"new");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
}

#[test]
#[ignore = "run by the one before it, without CAP_CHOWN"]
fn the_old_inode_is_written_anew() {
    let dir = std::env::current_dir().unwrap();
    fs::write(dir.join("from"), "new").unwrap();
    replace::copy(&dir.join("from"), &dir.join("to")).unwrap();
}

#[test]
#[ignore = "run by the tests before it, each in surroundings of its own"]
fn the_whole_way() {
    let view = std::env::var("VIEW").unwrap();
    let mut node = Node::new();
    if view == "unit" {
        node.show_stage();
    }
    let places = &node.places;
    let paths: Vec<PathBuf> =
        ALL.iter().flat_map(|name| inspect::paths_of(&places.kubernetes, name).unwrap()).collect();
    let copy = node.made.root.path().join("config");
    fs::copy(node.live("admin.conf"), &copy).unwrap();
    let before: Vec<Option<String>> = paths
        .iter()
        .map(|path| files::sha256(&node.live(path.to_str().unwrap())).unwrap())
        .collect();
    backup::back_up(places, "a", &paths, sys::now()).unwrap();

    // So that a new one ends later, in whole seconds.
    let changes = later(&node);
    assert_eq!(changes.len(), 17, "7 pairs and 3 kubeconfigs: {changes:?}");
    let calls = fs::read_to_string(node.made.calls()).unwrap();
    assert_eq!(calls.contains("--rootfs"), view == "root", "{calls}");
    assert!(!places.stage().join(".certwatch-config.yaml").exists());
    assert_eq!(sums(&node, &paths), before, "the live tree is untouched");

    install(&places.stage(), &places.kubernetes, &changes, Direction::Forward).unwrap();
    let after: Vec<Option<String>> = changes.iter().map(|it| Some(it.after.clone())).collect();
    let changed: Vec<PathBuf> = changes.iter().map(|it| it.path.clone()).collect();
    assert_eq!(sums(&node, &changed), after);
    let kubernetes = &places.kubernetes;
    let of_root = Copy { kubernetes, path: &copy, owner: 0, now: sys::now() };
    assert!(of_root.look(false).is_stale);
    of_root.refresh(None).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), fs::read(node.live("admin.conf")).unwrap());

    let tree = backup::tree(places, "a");
    install(&tree, &places.kubernetes, &changes, Direction::Back).unwrap();
    assert_eq!(sums(&node, &paths), before);
}

/// Renews until each ends later than the one it replaces: they live for a year to the second.
fn later(node: &Node) -> Vec<FileChange> {
    let mut renewed = node.renew(&ALL);
    for _ in 0..10 {
        match renewed {
            Err(fault) if fault.what.contains("expires no later") => renewed = node.renew(&ALL),
            _ => break,
        }
    }
    renewed.unwrap()
}

fn sums(node: &Node, paths: &[PathBuf]) -> Vec<Option<String>> {
    paths.iter().map(|path| files::sha256(&node.places.kubernetes.join(path)).unwrap()).collect()
}

/// What is spoilt, the certificate that is asked for, how it is spoilt, and what is told.
type Row = (&'static str, &'static str, fn(&Node), &'static str);

/// Of each row the live tree stays what it is, and the reason is told.
#[test]
fn what_kubeadm_fails_at_or_passes_over_is_told() {
    let rows: [Row; 6] = [
        (
            "a certificate that is missing",
            "apiserver",
            |node| {
                fs::remove_file(node.live("pki/apiserver.crt")).unwrap();
            },
            "the staged apiserver has no certificate",
        ),
        (
            "a certificate that is corrupt",
            "apiserver",
            |node| {
                fs::write(node.live("pki/apiserver.crt"), "corrupt").unwrap();
            },
            "`kubeadm certs renew apiserver` failed on the copy",
        ),
        (
            "an external CA",
            "apiserver",
            |node| {
                fs::remove_file(node.live("pki/ca.key")).unwrap();
            },
            "expires no later than before",
        ),
        (
            "an external CA of etcd",
            "etcd-peer",
            |node| {
                fs::remove_file(node.live("pki/etcd/ca.key")).unwrap();
            },
            "etcd-peer", // kubeadm fails in 1.20, and passes it over in later ones
        ),
        (
            "no CA",
            "apiserver",
            |node| {
                fs::remove_file(node.live("pki/ca.crt")).unwrap();
            },
            "`kubeadm certs renew apiserver` failed on the copy",
        ),
        (
            "a kubeconfig that refers to files",
            "admin.conf",
            |node| {
                let text = fs::read_to_string(node.live("admin.conf")).unwrap();
                let text: Vec<&str> =
                    text.lines().filter(|line| !line.contains("client-")).collect();
                let user = "\n    client-certificate: /a.crt\n    client-key: /a.key\n";
                fs::write(node.live("admin.conf"), text.join("\n") + user).unwrap();
            },
            "admin.conf",
        ),
    ];
    for (what, name, spoil, expected) in rows {
        let node = Node::new();
        spoil(&node);
        let before = node.sum("pki/apiserver.key");
        let fault = node.renew(&[name]).expect_err(what);
        assert!(fault.what.contains(expected), "{what}: {fault}");
        assert!(!fault.what.contains("-----"), "{what}: {fault}");
        assert_eq!(node.sum("pki/apiserver.key"), before, "{what}");
    }
}

#[test]
fn a_key_that_is_missing_or_another_s_is_made_good() {
    for spoil in [
        |node: &Node| fs::remove_file(node.live("pki/apiserver.key")).unwrap(),
        |node: &Node| {
            fs::copy(node.live("pki/etcd/peer.key"), node.live("pki/apiserver.key")).unwrap();
        },
    ] {
        let node = Node::new();
        spoil(&node);
        let before = node.sum("pki/apiserver.key");
        let changes = (0..10).find_map(|_| node.renew(&["apiserver"]).ok()).unwrap();
        assert_eq!(changes[0].before, before);
        install(&node.places.stage(), &node.places.kubernetes, &changes, Direction::Forward)
            .unwrap();
        assert_eq!(node.sum("pki/apiserver.key").as_ref(), Some(&changes[0].after));
    }
}
