//! `certwatch check` on a live control plane.

use std::time::Duration;

use serde_json::Value;

use crate::common::parity::{certwatch_rows, kubeadm_rows};
use crate::common::run::{codes, rows};
use crate::harness::{Cluster, Node, wait_for};

const CERTWATCH: &str = "/usr/local/bin/certwatch";

fn install(node: Node<'_>) {
    node.install(env!("CARGO_BIN_EXE_certwatch"), CERTWATCH);
}

fn check(node: Node<'_>) -> (Value, Option<i32>) {
    let output = node.output(&[CERTWATCH, "check", "--offline", "-o", "json"]);
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// The row of the certificate in this file.
fn row<'a>(document: &'a Value, path: &str) -> &'a Value {
    let in_file = |row: &&Value| row["path"] == path && row["entry"]["kind"] != "cluster";
    rows(document).iter().find(in_file).unwrap_or_else(|| panic!("no {path}: {document:#}"))
}

/// The same serial number as `openssl x509 -serial` writes it.
fn serial(row: &Value) -> String {
    row["serial"].as_str().unwrap().to_uppercase()
}

#[test]
fn it_says_what_kubeadm_says() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let compare = || {
        let table = node.run(&["kubeadm", "certs", "check-expiration"]);
        let expected = kubeadm_rows(&table);
        assert_eq!(expected.len(), node.names().len() + 3, "and the CAs: {table}");
        let (document, code) = check(node);
        assert_eq!(certwatch_rows(&document, &expected), expected);
        (document, code)
    };
    let (document, code) = compare();
    assert_eq!(code, Some(0), "a new cluster is all well: {document:#}");

    node.age("/etc/kubernetes/pki/apiserver.crt", "360 days ago", "5 days");
    node.age("/etc/kubernetes/pki/etcd/peer.crt", "2 years ago", "1 year ago");
    node.age("/etc/kubernetes/scheduler.conf", "300 days ago", "20 days");
    let (_, code) = compare();
    assert_eq!(code, Some(2));
}

#[test]
fn every_state_of_age_shows() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let leaves = [
        "/etc/kubernetes/pki/apiserver.crt",
        "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "/etc/kubernetes/pki/front-proxy-client.crt",
        "/etc/kubernetes/controller-manager.conf",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ];
    for (not_before, not_after, severity, code) in [
        ("200 days ago", "165 days", "ok", None),
        ("345 days ago", "20 days", "warning", Some("expires")),
        ("360 days ago", "5 days", "critical", Some("expires")),
        ("1 year ago", "90 seconds", "critical", Some("expires")),
        ("13 months ago", "1 month ago", "critical", Some("expired")),
        ("1 day", "1 year", "critical", Some("not_yet_valid")),
    ] {
        for leaf in leaves {
            node.age(leaf, not_before, not_after);
        }
        let (document, _) = check(node);
        for leaf in leaves {
            let state = format!("{leaf} from {not_before} to {not_after}: {document:#}");
            assert_eq!(row(&document, leaf)["severity"], severity, "{state}");
            let said = codes(&document, leaf);
            assert!(code.is_none_or(|code| said.iter().any(|said| said == code)), "{state}");
        }
    }
}

/// What it reads from the disk is what the components present, before and after they read it again.
#[test]
fn it_sees_what_the_api_server_and_etcd_use() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let used = [
        ("/etc/kubernetes/pki/apiserver.crt", "10.77.0.1:6443"),
        ("/etc/kubernetes/pki/etcd/server.crt", "10.77.0.1:2379"),
        ("/var/lib/kubelet/pki/kubelet.crt", "10.77.0.1:10250"),
    ];
    let (document, _) = check(node);
    for (path, address) in used {
        let served = node.served(address).unwrap_or_else(|| panic!("{address} serves nothing"));
        assert_eq!(serial(row(&document, path)), served.serial, "{path}");
    }
    for (path, address) in &used[..2] {
        node.age(path, "345 days ago", "20 days");
        let (document, _) = check(node);
        let serial = serial(row(&document, path));
        wait_for(&format!("{address} to serve {path}"), Duration::from_secs(90), || {
            node.served(address).filter(|served| served.serial == serial)
        });
    }
    let (document, _) = check(node);
    let process = row(&document, "kube-apiserver");
    assert_eq!(process["entry"]["pid"].as_u64(), node.pid("kube-apiserver").map(u64::from));
}
