use std::os::unix::fs::{PermissionsExt as _, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;
use time::{Duration as Days, OffsetDateTime};

use super::*;
use crate::renew::testing::{Authority, Leaf, Pair};

/// A node's directories, with nothing in them.
struct Node {
    paths: NodePaths,
    _dir: TempDir,
}

impl Node {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.join("pki")).unwrap();
            path
        };
        let kubeadm = dir.path().join("kubeadm");
        let (kubernetes, kubelet, work) = (at("kubernetes"), at("kubelet"), at("work"));
        let paths = NodePaths { kubernetes, kubelet, work, kubeadm, is_stage_shown: false };
        Self { paths, _dir: dir }
    }

    fn conf(&self, certificate: &str, key: &str) {
        let text = format!(
            "users:\n- name: system:node:left\n  user:\n    client-certificate{certificate}\n    client-key{key}\n"
        );
        fs::write(conf_path(&self.paths), text).unwrap();
    }

    fn conf_with(&self, pair: &str) {
        let data = STANDARD.encode(pair);
        self.conf(&format!("-data: {data}"), &format!("-data: {data}"));
    }

    fn conf_by_name(&self) {
        let path = pki(&self.paths).join(CURRENT);
        self.conf(&format!(": {}", path.display()), &format!(": {}", path.display()));
    }

    /// A certificate as the kubelet keeps it, and the name that leads to it.
    fn rotated(&self, pair: &str) -> PathBuf {
        let path = pki(&self.paths).join("kubelet-client-2026-01-01-00-00-00.pem");
        fs::write(&path, pair).unwrap();
        symlink(&path, pki(&self.paths).join(CURRENT)).unwrap();
        path
    }

    /// A kubeadm of 1.20, which prints this pair.
    fn kubeadm_prints(&self, pair: &str) {
        let data = STANDARD.encode(pair);
        let text = format!(
            "#!/bin/sh\n[ \"$1 $2\" = 'alpha kubeconfig' ] || exit 1\n\
             echo '    client-certificate-data: {data}'\necho '    client-key-data: {data}'\n"
        );
        let source = self.paths.work.join("kubeadm.sh");
        fs::write(&source, text).unwrap();
        // Not by this process: a test beside it that starts a program holds what is open for writing.
        let mut install = std::process::Command::new("install");
        install.args(["-m", "755"]).arg(source).arg(&self.paths.kubeadm);
        assert!(install.status().unwrap().success());
    }
}

/// A certificate and its key, with so many days left.
fn pair(name: &str, days: i64) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - Days::days(400);
    params.not_after = OffsetDateTime::now_utc() + Days::days(days);
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_certificate_in_kubelet_conf_counts_and_else_the_rotated_one() {
    let node = Node::new();
    assert_eq!(client_not_after(&node.paths), None);
    node.rotated(&pair("system:node:a", -3));
    node.conf_by_name();
    assert!(client_not_after(&node.paths).unwrap() < sys::now());
    node.conf_with(&pair("system:node:a", 9));
    assert!(client_not_after(&node.paths).unwrap() > sys::now());
    assert!(client_not_after(&node.paths).is_some());
}

#[test]
fn the_node_is_called_what_its_certificate_says() {
    let node = Node::new();
    node.conf_by_name();
    assert_eq!(user(&node.paths).unwrap(), "system:node:left", "nothing else is there");
    node.rotated(&pair("system:node:old.name", -3));
    assert_eq!(user(&node.paths).unwrap(), "system:node:old.name");
    fs::write(conf_path(&node.paths), "users: []\n").unwrap();
    fs::remove_file(pki(&node.paths).join(CURRENT)).unwrap();
    assert!(user(&node.paths).unwrap_err().what.contains("name is unknown"));
}

#[test]
fn only_a_fresh_certificate_for_this_node_is_taken_from_kubeadm() {
    let node = Node::new();
    let ca = Authority::new();
    fs::write(node.paths.pki().join("ca.crt"), &ca.pem).unwrap();
    let pair = |name, days| {
        let Pair(certificate, key) = ca.sign(&Leaf::new(name, days));
        certificate + &key
    };
    let sign = |pair: &str| {
        node.kubeadm_prints(pair);
        sign(&node.paths, "/k.yaml".as_ref(), "system:node:a")
    };
    assert!(sign(&pair("system:node:a", 365)).is_ok());
    let foreign = Authority::new().sign(&Leaf::new("system:node:a", 365)).0;
    let ended = pair("system:node:a", -4000);
    for other in [pair("system:node:b", 365), ended, foreign, "nonsense".to_owned()] {
        let Err(fault) = sign(&other) else { panic!("{other}") };
        assert!(fault.what.contains("signed no certificate for system:node:a"), "{fault}");
        assert!(!fault.what.contains("nonsense"), "{fault}");
    }
}

/// One that never rotates gets its certificate while the old one is good.
#[test]
fn what_is_given_ends_later_than_what_was_there() {
    let node = Node::new();
    let ca = Authority::new();
    fs::write(node.paths.pki().join("ca.crt"), &ca.pem).unwrap();
    let old = pair("system:node:a", 20_000);
    node.conf_with(&old);
    let ends = client_not_after(&node.paths);
    assert!(has_newer_pair(&node.paths, None), "a rescue takes what is good");
    assert!(!has_newer_pair(&node.paths, ends));
    let Pair(certificate, key) = ca.sign(&Leaf::new("system:node:a", 7_000));
    node.kubeadm_prints(&(certificate + &key));
    let before = fs::read_to_string(conf_path(&node.paths)).unwrap();
    let fault = with_new_pair(&node.paths, "/k.yaml".as_ref(), ends).unwrap_err();
    assert!(fault.what.contains("no later than the present one"), "{fault}");
    let Pair(certificate, key) = ca.sign(&Leaf::new("system:node:a", 40_000));
    node.kubeadm_prints(&(certificate + &key));
    let new = with_new_pair(&node.paths, "/k.yaml".as_ref(), ends).unwrap();
    assert_eq!(
        fs::read_to_string(conf_path(&node.paths)).unwrap(),
        before,
        "nothing is written yet"
    );
    fs::write(conf_path(&node.paths), new).unwrap();
    assert!(has_newer_pair(&node.paths, ends), "and is not signed again");
}

#[test]
fn what_was_there_is_kept_for_root_alone_and_removed_once() {
    let node = Node::new();
    let old = pair("system:node:a", -3);
    let rotated = node.rotated(&old);
    node.conf_by_name();
    let aside = node.paths.work.join("kubelet-before");
    for _ in 0..2 {
        keep_aside(&node.paths).unwrap();
        assert_eq!(mode(&aside), 0o700);
        for name in [CURRENT, rotated.file_name().unwrap().to_str().unwrap()] {
            assert_eq!(fs::read_to_string(aside.join(name)).unwrap(), old);
            assert_eq!(mode(&aside.join(name)), 0o600);
        }
        assert!(aside.join("kubelet.conf").exists());
    }
    remove_clients(&node.paths).unwrap();
    assert!(clients(&node.paths).is_empty());
}

#[test]
fn a_file_is_written_whole_and_for_root_alone() {
    let node = Node::new();
    let path = conf_path(&node.paths);
    fs::write(path.with_file_name(".certwatch-kubelet.conf"), "left by a kill").unwrap();
    fs::write(&path, "old").unwrap();
    write(&path, "new").unwrap();
    assert_eq!((read(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
    let names = fs::read_dir(&node.paths.kubernetes).unwrap();
    assert_eq!(names.count(), 2, "pki and kubelet.conf");
}
