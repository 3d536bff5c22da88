use std::fs;

use super::*;
use crate::renew::testing::{Leaf as SignedLeaf, Node};

fn manifest(flags: &str) -> String {
    format!(
        "spec:\n  containers:\n  - image: r/kube-apiserver:v1.37.2\n    command: [kube-apiserver, --secure-port=1, {flags}]\n"
    )
}

fn node(flags: &str) -> Node {
    let node = Node::new();
    fs::write(node.live("manifests/kube-apiserver.yaml"), manifest(flags)).unwrap();
    fs::write(node.live("pki/ca.key"), "").unwrap();
    node
}

fn present(node: &Node) -> Present {
    let kubeadm = Version::parse("v1.37.2");
    config(&node.paths, &ControlPlane::read(&node.paths).unwrap(), kubeadm).unwrap()
}

#[test]
fn an_etcd_elsewhere_is_where_the_api_server_asks_it() {
    let node = node(
        "'--etcd-servers=https://10.0.0.8:2379, https://10.0.0.9:2379', --etcd-cafile=/etc/etcd/ca.crt, \
         --etcd-certfile=/c, --etcd-keyfile=/k",
    );
    let Etcd::External(etcd) = present(&node).config.etcd else { panic!() };
    assert_eq!(etcd.endpoints, ["https://10.0.0.8:2379", "https://10.0.0.9:2379"]);
    let files = [etcd.ca_file, etcd.cert_file, etcd.key_file].map(Option::unwrap);
    assert_eq!(files, ["/etc/etcd/ca.crt", "/c", "/k"]);
    let Etcd::External(unknown) = present(&self::node("--v=1")).config.etcd else { panic!() };
    assert_eq!(unknown.endpoints, [""; 0], "which the writer refuses");
}

/// Somebody has moved its manifest away, and its certificates would not be renewed.
#[test]
fn an_etcd_that_is_asked_here_is_not_elsewhere() {
    let node = node("--etcd-servers=https://127.0.0.1:2379");
    assert!(matches!(present(&node).config.etcd, Etcd::External(_)), "a host's own");
    fs::write(node.live("pki/etcd/server.crt"), "").unwrap();
    let why = config(&node.paths, &ControlPlane::read(&node.paths).unwrap(), None).err().unwrap();
    assert!(why.contains("etcd.yaml is missing"), "{why}");
}

#[test]
fn the_flags_tell_where_the_pki_is() {
    for (flags, dir) in [
        ("--client-ca-file=/etc/kubernetes/ssl/ca.crt", "/etc/kubernetes/ssl"),
        (
            "--client-ca-file=/srv/bundle.crt, --tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
            "/etc/kubernetes/pki",
        ),
        ("--client-ca-file=/srv/pki/ca.crt", "/etc/kubernetes/pki"),
        (
            "--client-ca-file=/srv/bundle.crt, --tls-cert-file=/srv/pki/apiserver.crt, \
             --kubelet-client-certificate=/srv/pki/apiserver-kubelet-client.crt",
            "/srv/pki",
        ),
        (
            "--client-ca-file=/srv/a/ca.crt, --tls-cert-file=/srv/b/apiserver.crt",
            "/etc/kubernetes/pki",
        ),
        ("--v=1", "/etc/kubernetes/pki"),
    ] {
        let node = node(flags);
        let plane = ControlPlane::read(&node.paths).unwrap();
        assert_eq!(certificates_dir(&node.paths, &plane), Path::new(dir), "{flags}");
    }
}

#[test]
fn what_a_certificate_was_made_for_is_asked_again_or_told_that_it_is_not_known() {
    let node = node("--v=1");
    let tree = node.paths.kubernetes.clone();
    let put = |age, days| {
        let leaf = SignedLeaf { age, ..SignedLeaf::new("kube-apiserver", days) };
        node.put_pair(&tree, &node.ca.sign(&leaf));
        present(&node)
    };
    // The CA is ten days old.
    let own = put(3, 27).config.validity.unwrap();
    assert_eq!(own, Span::minutes(30 * 24 * 60 - 5));
    assert_eq!(put(10, 355).config.validity, None);
    let unsure = put(10, 800);
    assert_eq!((unsure.config.validity, unsure.notes.len()), (None, 2));
    assert!(unsure.notes[1].contains("cannot be determined"), "{:?}", unsure.notes);
    let old = Version::parse("v1.30.1");
    let plane = ControlPlane::read(&node.paths).unwrap();
    assert_eq!(
        config(&node.paths, &plane, old).unwrap().notes.len(),
        1,
        "which knows of a year alone"
    );
}

#[test]
fn what_another_ca_has_signed_tells_nothing_of_kubeadm() {
    let node = node("--v=1");
    fs::remove_file(node.live("pki/ca.key")).unwrap();
    let why = config(&node.paths, &ControlPlane::read(&node.paths).unwrap(), None).err().unwrap();
    assert!(why.contains("encryptionAlgorithm is missing"), "{why}");
}
