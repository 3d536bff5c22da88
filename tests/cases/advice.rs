//! What certwatch says to run is run here, and helps.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::common::node::{Node, SERVER, TEN_YEARS, YEAR};
use super::common::pki::{Authority, Days, kubeconfig};
use super::common::run::{check_json, codes, rows};

const EXPIRED: Days = Days(-400, -5);

/// The first finding with this code at a path with this end.
fn finding(document: &Value, tail: &str, code: &str) -> Value {
    let of_path = rows(document).iter().filter(|row| row["path"].as_str().unwrap().ends_with(tail));
    let mut findings = of_path.flat_map(|row| row["findings"].as_array().unwrap());
    findings.find(|it| it["code"] == code).unwrap_or_else(|| panic!("{tail}: {code}")).clone()
}

/// Runs a command on the node below `root`: its `places` are there, and services are none of ours.
fn run(root: &Path, command: &str, places: &[&str]) {
    let stubs = root.join("stubs");
    fs::create_dir_all(&stubs).unwrap();
    for name in ["pkill", "systemctl"] {
        let script = "#!/bin/sh\nexit 0\n";
        fs::write(stubs.join(name), script).unwrap();
        let mode = Command::new("chmod").arg("+x").arg(stubs.join(name)).status().unwrap();
        assert!(mode.success());
    }
    let shown = root.display();
    let command = places.iter().fold(command.to_owned(), |command, place| {
        command.replace(place, &format!("{shown}{place}"))
    });
    let path = format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap());
    let run = Command::new("sh").args(["-ec", &command]).env("PATH", path).output().unwrap();
    assert!(run.status.success(), "{command}: {run:?}");
}

fn is_ok(document: &Value) {
    let wrong: Vec<_> = rows(document).iter().filter(|row| row["severity"] != "ok").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_merged_kubeconfig_keeps_its_other_contexts() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let old = node.ca.leaf("kubernetes-admin", "", &[], EXPIRED);
    let admin = node.ca.leaf("kubernetes-admin", "", &[], YEAR);
    node.conf("admin.conf", &admin);
    let stale = kubeconfig(SERVER, &node.ca.pair.certificate, "kubernetes-admin", &old);
    let other = "- name: other\n  user:\n    token: t\n- name: another\n  user:\n    client-certificate-data: ";
    let another = node.ca.leaf("another", "", &[], YEAR);
    let [another, key] = [&another.certificate, &another.key].map(|it| STANDARD.encode(it));
    let merged =
        stale.replace("current-context: kubernetes-admin", "current-context: other").replace(
            "clusters:\n",
            "clusters:\n- cluster:\n    server: https://192.0.2.9\n  name: other\n",
        ) + other
            + &another
            + &format!("\n    client-key-data: {key}\n");
    node.write("root/.kube/config", &merged);
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(
        (code, codes(&document, ".kube/config")),
        (2, vec!["expired".into(), "stale_copy".to_owned()])
    );
    let finding = finding(&document, ".kube/config", "stale_copy");
    run(root.path(), finding["command"].as_str().unwrap(), &["/etc/kubernetes/", "/root/"]);
    is_ok(&check_json(root.path(), &[]).0);
    let [old, new] = [&old, &admin].map(|pair| STANDARD.encode(&pair.certificate));
    let [old_key, new_key] =
        [&old_pair_key(&merged), &STANDARD.encode(&admin.key)].map(Clone::clone);
    let expected = merged.replace(&old, &new).replace(&old_key, &new_key);
    assert_eq!(node.read("root/.kube/config"), expected);
    assert_eq!(node.read("root/.kube/config.old"), merged);
}

/// The first key in a kubeconfig.
fn old_pair_key(kubeconfig: &str) -> String {
    kubeconfig.split("client-key-data: ").nth(1).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_ca_that_was_signed_again_is_written_into_the_kubeconfigs() {
    let root = TempDir::new().unwrap();
    let mut node = Node::healthy(root.path());
    let new = node.ca.pair.certificate.clone();
    let old = node.ca.reissued("kubernetes", Days(-3650, -3)).pair.certificate;
    for name in ["admin.conf", "kubelet.conf", "scheduler.conf"] {
        let path = format!("etc/kubernetes/{name}");
        let text = node.read(&path).replace(&STANDARD.encode(&new), &STANDARD.encode(&old));
        node.write(&path, &text);
    }
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    for (name, command) in [
        ("kubernetes/admin.conf", "kubeadm certs renew admin.conf"),
        (
            "kubernetes/scheduler.conf",
            "kubeadm certs renew scheduler.conf && pkill -x kube-scheduler",
        ),
    ] {
        assert_eq!(finding(&document, name, "stale_ca")["command"], command);
    }
    let finding = finding(&document, "kubelet.conf", "stale_ca");
    run(root.path(), finding["command"].as_str().unwrap(), &["/etc/kubernetes/", "/root/"]);
    assert!(codes(&check_json(root.path(), &[]).0, "kubelet.conf").is_empty());
    assert!(node.read("root/kubelet.conf.old").contains(&STANDARD.encode(&old)));
    // Where the CA itself has ended, nothing can be written in.
    node.ca.pair.certificate = old;
    node.write_cas();
    assert!(!codes(&check_json(root.path(), &[]).0, "admin.conf").contains(&"stale_ca".to_owned()));
}

#[test]
fn a_replaced_ca_is_never_doubled_in_the_file_that_signs() {
    let root = TempDir::new().unwrap();
    let mut node = Node::healthy(root.path());
    node.ca = Authority::new("kubernetes", TEN_YEARS);
    node.write_cas();
    let document = check_json(root.path(), &[]).0;
    let remedy = finding(&document, "pki/apiserver.crt", "wrong_signer")["remedy"].to_string();
    assert!(
        remedy.contains("ca-bundle.crt") && remedy.contains("--cluster-signing-cert-file"),
        "{remedy}"
    );
    assert!(!remedy.contains("ca.crt must hold"), "{remedy}");
}

/// Named by path, or embedded; in both the kubelet's own is newer.
#[test]
fn kubelet_conf_is_pointed_at_the_rotated_certificate() {
    for is_embedded in [true, false] {
        let root = TempDir::new().unwrap();
        let node = Node::healthy(root.path());
        let pair = node.ca.leaf("system:node:cp1", "system:nodes", &[], EXPIRED);
        let dir = "/var/lib/kubelet/pki";
        let healthy = node.read("etc/kubernetes/kubelet.conf");
        if is_embedded {
            node.conf("kubelet.conf", &pair);
        } else {
            node.write_pair("var/lib/kubelet/pki/kubelet-client", &pair);
            let current = format!("{dir}/kubelet-client-current.pem");
            let conf = healthy
                .replace(
                    &format!("client-certificate: {current}"),
                    &format!("client-certificate: {dir}/kubelet-client.crt"),
                )
                .replace(
                    &format!("client-key: {current}"),
                    &format!("client-key: {dir}/kubelet-client.key"),
                );
            node.write("etc/kubernetes/kubelet.conf", &conf);
        }
        let document = check_json(root.path(), &[]).0;
        let finding = finding(&document, "kubelet.conf", "expired");
        let command = finding["command"].as_str().unwrap();
        let (condition, rest) = command.split_once("; then ").unwrap();
        let (point, recover) = rest.split_once("; else ").unwrap();
        assert!(condition.contains("openssl x509 -checkend"), "{command}");
        assert!(
            recover.contains("kubeadm init phase kubeconfig kubelet --node-name cp1"),
            "{command}"
        );
        run(root.path(), point, &["/etc/kubernetes/", "/root/"]);
        assert!(codes(&check_json(root.path(), &[]).0, "kubelet.conf").is_empty(), "{is_embedded}");
        let conf = node.read("etc/kubernetes/kubelet.conf");
        assert_eq!(conf.matches("kubelet-client-current.pem").count(), 2, "{conf}");
    }
}

#[test]
fn a_regular_file_instead_of_the_kubelets_link_is_told_at_once() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let current = node.path("var/lib/kubelet/pki/kubelet-client-current.pem");
    let target = node.root.join(fs::read_link(&current).unwrap().strip_prefix("/").unwrap());
    let content = fs::read(&target).unwrap();
    fs::remove_file(&current).unwrap();
    fs::rename(&target, &current).unwrap();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "current.pem")), (1, vec!["not_a_symlink".to_owned()]));
    let finding = finding(&document, "current.pem", "not_a_symlink");
    assert_eq!(finding["severity"], "warning");
    run(root.path(), finding["command"].as_str().unwrap(), &["/var/lib/kubelet/"]);
    assert_eq!(fs::read(&current).unwrap(), content);
    assert!(fs::symlink_metadata(&current).unwrap().is_symlink());
}

#[test]
fn a_link_to_nothing_is_one_row() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let current = node.path("var/lib/kubelet/pki/kubelet-client-current.pem");
    let target = node.root.join(fs::read_link(&current).unwrap().strip_prefix("/").unwrap());
    fs::remove_file(target).unwrap();
    assert_eq!(codes(&check_json(root.path(), &[]).0, "current.pem"), ["broken_symlink"]);
    fs::remove_file(current).unwrap();
    assert_eq!(codes(&check_json(root.path(), &[]).0, "current.pem"), ["not_found"]);
}

#[test]
fn what_rke2_does_not_renew_is_deleted_and_made_anew() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let own = Authority::new("localhost-ca", EXPIRED);
    let mut pair = own.leaf("localhost", "", &["localhost"], EXPIRED);
    pair.certificate += &own.pair.certificate;
    let tls = "var/lib/rancher/rke2/server/tls";
    for name in ["kube-scheduler", "kube-controller-manager"] {
        node.write_pair(&format!("{tls}/{name}/{name}"), &pair);
    }
    node.write_pair(&format!("{tls}/client-scheduler"), &pair);
    let document = check_json(root.path(), &[]).0;
    let command =
        |name: &str| finding(&document, name, "expired")["command"].as_str().unwrap().to_owned();
    assert!(command("client-scheduler.crt").contains("try-restart rke2-server"));
    for name in ["kube-scheduler", "kube-controller-manager"] {
        run(root.path(), &command(&format!("{name}.crt")), &["/var/lib/"]);
    }
    fs::remove_file(node.path(&format!("{tls}/client-scheduler.crt"))).unwrap();
    is_ok(&check_json(root.path(), &[]).0);
}

#[test]
fn microk8s_is_asked_only_for_what_it_can_do() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let pair = node.ca.leaf("x", "", &[], EXPIRED);
    let names = ["ca", "server", "front-proxy-client", "kubelet", "client"];
    for name in names {
        node.write_pair(&format!("var/snap/microk8s/current/certs/{name}"), &pair);
    }
    let document = check_json(root.path(), &[]).0;
    for name in names {
        let finding = finding(&document, &format!("certs/{name}.crt"), "expired");
        let command = format!("microk8s refresh-certs --cert {name}.crt");
        let expected = (!["kubelet", "client"].contains(&name)).then_some(&*command);
        assert_eq!(finding["command"].as_str(), expected, "{finding}");
    }
}
