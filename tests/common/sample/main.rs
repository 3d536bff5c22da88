//! Lays out a sample control-plane node with certificates in every state, for `make run`.
//!
//! Usage: `sample-node DIR`. DIR is replaced.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool of the tests")]

#[path = "../mod.rs"]
mod common;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::node::{Node, TEN_YEARS, YEAR};
use common::pki::{Authority, Days};

fn main() {
    let Some(directory) = std::env::args_os().nth(1) else { panic!("usage: sample-node DIR") };
    let directory = Path::new(&directory);
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
    let mut node = Node::healthy(directory);

    // The cluster's CA ends in ten months, and everything it signs for longer ends with it.
    let first = std::mem::replace(&mut node.ca, Authority::new("replaced", YEAR));
    node.ca = first.reissued("kubernetes", Days(-3350, 300));
    node.write_cas();
    for conf in ["controller-manager.conf", "kubelet.conf"] {
        let path = format!("etc/kubernetes/{conf}");
        let [old, new] = [&first, &node.ca].map(|ca| STANDARD.encode(&ca.pair.certificate));
        node.write(&path, &node.read(&path).replace(&old, &new));
    }
    // front-proxy-ca's key is kept elsewhere: kubeadm cannot renew what it signs.
    node.remove("etc/kubernetes/pki/front-proxy-ca.key");

    node.leaf("apiserver", Days(-360, 5));
    node.leaf("apiserver-kubelet-client", Days(-345, 20));
    node.leaf("front-proxy-client", Days(-368, -3));
    node.leaf("apiserver-etcd-client", Days(2, 364));
    node.remove("etc/kubernetes/pki/etcd/peer.crt");
    let whole = node.read("etc/kubernetes/pki/etcd/healthcheck-client.crt");
    node.write("etc/kubernetes/pki/etcd/healthcheck-client.crt", &whole[..whole.len() / 2]);

    // A CA rotation that stopped half-way: the scheduler still has a certificate of the old CA.
    let old_ca = Authority::new("kubernetes", TEN_YEARS);
    let scheduler = old_ca.leaf("system:kube-scheduler", "", &[], YEAR);
    node.conf("scheduler.conf", &scheduler);
    // admin.conf was renewed, root's copy was not.
    node.conf(
        "admin.conf",
        &node.ca.leaf("kubernetes-admin", "system:masters", &[], Days(-1, 299)),
    );
    let copy = node.ca.leaf("kubernetes-admin", "system:masters", &[], Days(-300, 65));
    node.conf("copy", &copy);
    fs::rename(node.path("etc/kubernetes/copy"), node.path("root/.kube/config")).unwrap();

    node.kubelet_client(Days(-340, 24));
    // Things that happen: a socket where a file should be.
    drop(UnixListener::bind(node.path("etc/kubernetes/pki/agent.pem")));
}
