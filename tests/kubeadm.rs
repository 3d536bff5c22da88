//! Parity with the real kubeadm: on a PKI and kubeconfigs that it wrote itself, `certwatch check`
//! says what `kubeadm certs check-expiration` says, and more.
//!
//! Needs root (kubeadm is shown the node by chroot, `--rootfs`) and the kubeadm that
//! `tests/lab/kubernetes.sh` builds: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::kubeadm;
use common::parity::{certwatch_rows, kubeadm_rows};
use common::run::{Run, check_json, codes, finish, rows};
use serde_json::Value;
use tempfile::TempDir;

/// A directory that kubeadm takes for the root of a control-plane node.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        let node = Self(TempDir::new().unwrap());
        fs::create_dir_all(node.path("etc/kubernetes")).unwrap();
        fs::create_dir(node.path("tmp")).unwrap();
        fs::write(node.path("tmp/config.yaml"), kubeadm::config()).unwrap();
        for phase in [["certs", "all"], ["kubeconfig", "all"]] {
            node.kubeadm(&[&["init", "phase"], &phase[..]].concat());
        }
        node
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.0.path().join(below)
    }

    fn try_kubeadm(&self, words: &[&str]) -> Run {
        let mut command = Command::new(kubeadm::program());
        finish(
            command
                .arg("--rootfs")
                .arg(self.0.path())
                .args(words)
                .args(["--config", "/tmp/config.yaml"]),
        )
    }

    fn kubeadm(&self, words: &[&str]) -> String {
        let run = self.try_kubeadm(words);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    }
}

/// Both tables of one node, compared row by row; returns certwatch's document.
fn assert_parity(node: &Node) -> Value {
    let expected = kubeadm_rows(&node.kubeadm(&["certs", "check-expiration"]));
    assert_eq!(expected.len(), kubeadm::certificates() + 3, "and 3 CAs: {expected:?}");
    let (document, _) = check_json(node.0.path(), &[]);
    assert_eq!(certwatch_rows(&document, &expected), expected);
    document
}

#[test]
fn every_row_of_kubeadm_is_there_with_its_date_ca_and_verdict() {
    let node = Node::new();
    let before = assert_parity(&node);
    assert_eq!(before["severity"], "ok", "{before:#}");

    node.kubeadm(&["certs", "renew", "all"]);
    let after = assert_parity(&node);
    let serial = |document: &Value, role: &str| {
        rows(document).iter().find(|row| row["role"] == role).unwrap()["serial"].clone()
    };
    for role in ["apiserver", "etcd-server", "admin.conf"] {
        assert_ne!(serial(&before, role), serial(&after, role), "{role} was renewed");
    }
    assert_eq!(after["severity"], "ok", "{after:#}");
}

#[test]
fn an_external_front_proxy_ca_gets_the_same_verdict() {
    let node = Node::new();
    fs::remove_file(node.path("etc/kubernetes/pki/front-proxy-ca.key")).unwrap();
    let document = assert_parity(&node);
    let external: Vec<&str> = rows(&document)
        .iter()
        .filter(|row| row["externally_managed"] == true)
        .map(|row| row["role"].as_str().unwrap())
        .collect();
    assert_eq!(external, ["front-proxy-client", "front-proxy-ca"]);
}

/// `check-expiration` of 1.20.2 fails without ca.key (kubernetes/kubernetes#106854), so `renew` is
/// asked what it calls external.
#[test]
fn an_external_ca_is_what_kubeadm_refuses_to_renew() {
    let node = Node::new();
    fs::remove_file(node.path("etc/kubernetes/pki/ca.key")).unwrap();
    let (document, code) = check_json(node.0.path(), &[]);
    assert_eq!(code, 0, "certwatch is not troubled: {document:#}");

    let said = node.kubeadm(&["certs", "renew", "all"]);
    let refused = said.lines().filter(|line| line.starts_with("Detected external ca,")).count();
    let external = rows(&document)
        .iter()
        .filter(|row| row["externally_managed"] == true && row["role"] != "ca")
        .map(|row| row["role"].as_str().unwrap());
    let external: Vec<&str> = external.collect();
    assert_eq!(external.len(), refused, "{external:?}\n{said}");
    for role in [
        "admin.conf",
        "apiserver",
        "apiserver-kubelet-client",
        "controller-manager.conf",
        "scheduler.conf",
    ] {
        assert!(external.contains(&role), "{role}: {external:?}");
    }
}

#[test]
fn what_kubeadm_calls_missing_is_missing() {
    let node = Node::new();
    fs::remove_file(node.path("etc/kubernetes/pki/etcd/peer.crt")).unwrap();
    fs::remove_file(node.path("etc/kubernetes/scheduler.conf")).unwrap();
    let table = node.kubeadm(&["certs", "check-expiration"]);
    assert_eq!(table.matches("!MISSING!").count(), 2, "{table}");
    let (document, code) = check_json(node.0.path(), &[]);
    assert_eq!(code, 2);
    assert_eq!(codes(&document, "etcd/peer.crt"), ["not_found"]);
    assert_eq!(codes(&document, "/scheduler.conf"), ["not_found"]);
}

/// kubeadm prints no table at all when one file is damaged, and looks at no signature.
#[test]
fn certwatch_sees_what_kubeadm_does_not() {
    let node = Node::new();
    let peer = node.path("etc/kubernetes/pki/etcd/peer.crt");
    let whole = fs::read_to_string(&peer).unwrap();
    fs::write(&peer, &whole[..400]).unwrap();
    assert_eq!(node.try_kubeadm(&["certs", "check-expiration"]).code, 1);
    let (document, _) = check_json(node.0.path(), &[]);
    assert_eq!(codes(&document, "etcd/peer.crt"), ["bad_pem"]);
    assert_eq!(rows(&document).iter().filter(|row| row["severity"] != "ok").count(), 1);
    fs::write(&peer, whole).unwrap();

    // A new CA in place of the old: kubeadm's table says nothing of it.
    let fresh = Node::new();
    for name in ["ca.crt", "ca.key"] {
        let name = Path::new("etc/kubernetes/pki").join(name);
        fs::copy(fresh.0.path().join(&name), node.0.path().join(&name)).unwrap();
    }
    let table = node.kubeadm(&["certs", "check-expiration"]);
    assert_eq!(kubeadm_rows(&table).len(), kubeadm::certificates() + 3, "{table}");
    let (document, code) = check_json(node.0.path(), &[]);
    assert_eq!((code, codes(&document, "pki/apiserver.crt")), (2, vec!["wrong_signer".to_owned()]));
    assert_eq!(codes(&document, "/kubelet.conf"), ["wrong_signer", "foreign_ca"]);
}

#[test]
fn certwatch_sees_the_copies_and_the_kubelet() {
    let node = Node::new();
    fs::create_dir_all(node.path("root/.kube")).unwrap();
    fs::copy(node.path("etc/kubernetes/admin.conf"), node.path("root/.kube/config")).unwrap();
    let roles = |document: &Value| {
        let roles = rows(document).iter().map(|row| row["role"].as_str().unwrap().to_owned());
        roles.collect::<Vec<_>>()
    };
    let (document, code) = check_json(node.0.path(), &[]);
    assert_eq!(code, 0, "{document:#}");
    for role in ["kubelet.conf", "user-kubeconfig"] {
        assert!(roles(&document).contains(&role.to_owned()), "{document:#}");
    }
    // Renewed within the second in which it was made it ends no later, so again until it does.
    for _ in 0..10 {
        node.kubeadm(&["certs", "renew", "admin.conf"]);
        let (document, _) = check_json(node.0.path(), &[]);
        if codes(&document, ".kube/config") == ["stale_copy"] {
            return;
        }
    }
    panic!("root's copy is stale, and nothing says so");
}

/// The words or the command of the first finding of a row.
fn remedy(document: &Value, tail: &str) -> String {
    let row =
        rows(document).iter().find(|row| row["path"].as_str().unwrap().ends_with(tail)).unwrap();
    row["findings"][0]["remedy"].as_str().unwrap().to_owned()
}

/// What is said to do is done, by the real kubeadm, and mends it.
#[test]
fn the_advice_for_a_lost_certificate_works() {
    let node = Node::new();
    for (name, phase) in [("apiserver", "apiserver"), ("etcd/peer", "etcd-peer")] {
        let [certificate, key] =
            ["crt", "key"].map(|end| node.path(&format!("etc/kubernetes/pki/{name}.{end}")));
        fs::remove_file(&certificate).unwrap();
        let (document, _) = check_json(node.0.path(), &[]);
        let advice = remedy(&document, &format!("{name}.crt"));
        assert!(
            advice.contains(&format!(
                "and of its .key if it has one, and run `kubeadm init phase certs {phase} --config FILE`"
            )),
            "{advice}"
        );
        fs::remove_file(&key).unwrap();
        node.kubeadm(&["init", "phase", "certs", phase]);

        fs::remove_file(&key).unwrap();
        let (document, _) = check_json(node.0.path(), &[]);
        assert_eq!(
            remedy(&document, &format!("{name}.key")),
            format!("run: kubeadm certs renew {phase}")
        );
        node.kubeadm(&["certs", "renew", phase]);
    }
    fs::remove_file(node.path("etc/kubernetes/scheduler.conf")).unwrap();
    let (document, _) = check_json(node.0.path(), &[]);
    assert!(
        remedy(&document, "/scheduler.conf")
            .contains("kubeadm init phase kubeconfig scheduler --config FILE")
    );
    node.kubeadm(&["init", "phase", "kubeconfig", "scheduler"]);
    assert_eq!(check_json(node.0.path(), &[]).1, 0);
}

#[test]
fn the_advice_for_an_external_ca_works() {
    let node = Node::new();
    fs::remove_file(node.path("etc/kubernetes/pki/ca.key")).unwrap();
    let (document, _) = check_json(node.0.path(), &["--in", "360d"]);
    let advice = remedy(&document, "pki/apiserver.crt");
    let command = advice.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    fs::create_dir(node.path("root")).unwrap();
    node.kubeadm(&words);
    assert!(node.path("root/csr/apiserver.csr").exists());
}

/// The kubelet's certificate has expired: the name in it, the server of its kubelet.conf and the
/// cluster's CA are those of the new kubeconfig.
#[test]
fn the_advice_for_an_expired_kubelet_works() {
    let node = Node::new();
    let conf = fs::read_to_string(node.path("etc/kubernetes/kubelet.conf")).unwrap();
    let conf = conf.replace("server: https://", "server: https://lb.example:8443#was-");
    fs::write(node.path("etc/kubernetes/kubelet.conf"), conf.replace("#was-", "\n    # ")).unwrap();
    // A rotated certificate of another name than the host's, as the kubelet keeps it.
    let pki = node.path("var/lib/kubelet/pki");
    fs::create_dir_all(&pki).unwrap();
    let openssl = |words: &str| {
        let run = finish(Command::new("openssl").current_dir(node.0.path()).args(words.split(' ')));
        assert_eq!(run.code, 0, "{run:?}");
    };
    openssl(
        "req -new -newkey rsa:2048 -nodes -keyout tmp/k -out tmp/r -subj /O=system:nodes/CN=system:node:cp7",
    );
    openssl(
        "x509 -req -in tmp/r -CA etc/kubernetes/pki/ca.crt -CAkey etc/kubernetes/pki/ca.key -days 365 -CAcreateserial -CAserial tmp/s -out tmp/c",
    );
    fs::copy(node.path("tmp/c"), pki.join("kubelet-client-current.pem")).unwrap();

    let (document, _) = check_json(node.0.path(), &["--in", "400d"]);
    let advice = remedy(&document, "kubelet-client-current.pem");
    let command = advice.strip_prefix("run: ").unwrap();
    // In a chroot there is no shell and no systemd, so kubeadm and the files are shown their places.
    let root = node.0.path().to_str().unwrap();
    let script = command
        .replace("/etc/", &format!("{root}/etc/"))
        .replace("/root/", &format!("{root}/root/"))
        .replace("systemctl restart kubelet", "true")
        .replace(
            "--kubeconfig-dir",
            &format!(
                "--cert-dir {root}/etc/kubernetes/pki --kubernetes-version v{} --kubeconfig-dir",
                kubeadm::version()
            ),
        );
    let program = kubeadm::program();
    fs::create_dir(node.path("root")).unwrap();
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = finish(Command::new("sh").args(["-ec", &script]).env("PATH", path));
    assert_eq!(run.code, 0, "{script}\n{run:?}");

    let new = fs::read_to_string(node.path("etc/kubernetes/kubelet.conf")).unwrap();
    assert!(new.contains("server: https://lb.example:8443\n"), "{new}");
    let (document, _) = check_json(node.0.path(), &["/etc/kubernetes/kubelet.conf"]);
    let user = rows(&document).iter().find(|row| row["entry"]["kind"] == "user").unwrap();
    assert_eq!(user["subject"], "O = system:nodes, CN = system:node:cp7");
}
