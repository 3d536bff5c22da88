use std::time::SystemTime;

use super::*;
use crate::domain::renewal::kubeadm_config::{Etcd, KeyAlgorithm, write};
use crate::fs::dir;
use crate::renew::testing::{Node, mode};

const MANIFEST: &str = "spec:\n  containers:\n  - image: r/kube-apiserver:v1.37.2\n    command:\n    - kube-apiserver\n    \
    - --client-ca-file=/etc/kubernetes/pki/ca.crt\n    - --secure-port=1\n    - --advertise-address=127.0.0.1\n";

fn kubeadm() -> Option<Version> {
    Version::parse("v1.37.2")
}

/// Nobody answers at its API, and there is an etcd of its own.
fn node() -> Node {
    let node = Node::new();
    dir::create_all(&node.paths.work, Path::new("")).unwrap();
    fs::write(node.live("manifests/kube-apiserver.yaml"), MANIFEST).unwrap();
    fs::write(node.live("manifests/etcd.yaml"), MANIFEST).unwrap();
    fs::write(node.live("pki/ca.key"), "").unwrap();
    node
}

fn settled(node: &Node, given: Option<&Path>) -> Result<Settled, Fault> {
    settle(&node.paths, &ControlPlane::read(&node.paths).unwrap(), given, kubeadm())
}

fn text(version: &str, fields: &str) -> String {
    format!("apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\n{fields}\n")
}

#[test]
fn a_node_on_which_nothing_was_kept_tells_by_itself() {
    let node = node();
    let Settled { config, source, notes } = settled(&node, None).unwrap();
    assert_eq!((source, config.etcd, notes.len()), (ClusterConfigSource::Node, Etcd::Local, 1));
    assert!(notes[0].contains("(ECDSA-P256 keys, valid for 14 d, etcd here)"), "{notes:?}");
    assert_eq!(config.algorithm, KeyAlgorithm::EcdsaP256);
    assert!(!node.paths.cluster_config().exists(), "what was made up is not kept");
}

/// A node that was upgraded has an old one, and this kubeadm reads none of its API.
#[test]
fn a_kept_copy_of_any_api_version_does() {
    let node = node();
    for version in ["v1beta2", "v1beta3", "v1beta4"] {
        let fields = "kubernetesVersion: v1.20.2\nfeatureGates: {PublicKeysECDSA: true}";
        fs::write(node.paths.cluster_config(), text(version, fields)).unwrap();
        let Settled { config, source, .. } = settled(&node, None).unwrap();
        assert_eq!(source, ClusterConfigSource::Kept);
        let written = write(&config, kubeadm().unwrap()).unwrap().text;
        for line in [
            "apiVersion: kubeadm.k8s.io/v1beta4",
            "kubernetesVersion: v1.37.2",
            "encryptionAlgorithm: ECDSA-P256",
        ] {
            assert!(written.lines().any(|it| it == line), "{line}: {written}");
        }
    }
}

#[test]
fn a_kept_copy_that_is_damaged_is_told_and_not_used() {
    let node = node();
    fs::write(node.paths.cluster_config(), text("v9", "")).unwrap();
    let Settled { source, notes, .. } = settled(&node, None).unwrap();
    assert_eq!(source, ClusterConfigSource::Node);
    assert!(
        notes[1].contains("the saved copy cannot be used") && notes[1].contains("v9"),
        "{notes:?}"
    );
}

#[test]
fn what_a_person_gives_comes_first_and_is_understood_or_refused() {
    let node = node();
    fs::write(node.paths.cluster_config(), text("v1beta4", "")).unwrap();
    let given = node.path("given.yaml");
    fs::write(&given, text("v1beta3", "")).unwrap();
    let by_hand = settled(&node, Some(&given)).unwrap();
    assert_eq!(
        (by_hand.source, by_hand.config.algorithm),
        (ClusterConfigSource::Given, KeyAlgorithm::Rsa2048)
    );
    for (fields, why) in [
        (
            "certificatesDir: /srv/pki",
            "its certificatesDir is /srv/pki, and that is not the pki directory of this node",
        ),
        (
            "certificatesDir: /etc/kubernetes/../../srv/pki",
            "its certificatesDir is /etc/kubernetes/../../srv/pki, and only a dedicated directory",
        ),
        (
            "certificatesDir: /etc/kubernetes/ssl",
            "/etc/kubernetes/ssl, and that is not the pki directory",
        ),
        ("encryptionAlgorithm: ROT13", "its encryptionAlgorithm is `ROT13`"),
    ] {
        fs::write(&given, text("v1beta4", fields)).unwrap();
        let fault = settled(&node, Some(&given)).unwrap_err();
        assert!(fault.what.contains(why), "{fault}");
    }
    fs::remove_file(&given).unwrap();
    assert!(settled(&node, Some(&given)).unwrap_err().what.starts_with("there is no "));
}

#[test]
fn what_cannot_be_told_is_named() {
    let node = node();
    fs::remove_file(node.live("pki/ca.key")).unwrap();
    let fault = settled(&node, None).unwrap_err();
    for part in
        ["cannot be read from the API", "no copy was kept", "encryptionAlgorithm is missing"]
    {
        assert!(fault.what.contains(part), "{fault}");
    }
}

/// By its age it is told when the API has to be asked for it again.
#[test]
fn a_kept_copy_grows_old() {
    let node = node();
    let mut settled = settled(&node, None).unwrap();
    let mut keep = |source| {
        settled.source = source;
        super::keep(&node.paths, &settled).unwrap();
    };
    let path = node.paths.cluster_config();
    keep(ClusterConfigSource::Node);
    assert!(!path.exists());
    keep(ClusterConfigSource::Api);
    let now = sys::now();
    assert!(is_recent(&node.paths.work, now) && !is_recent(&node.paths.work, now + KEPT_AGE));
    let old = SystemTime::UNIX_EPOCH;
    fs::File::open(&path).unwrap().set_modified(old).unwrap();
    let written = || fs::metadata(&path).unwrap().modified().unwrap();
    keep(ClusterConfigSource::Kept);
    assert_eq!(written(), old);
    assert!(!is_recent(&node.paths.work, now));
    keep(ClusterConfigSource::Given);
    assert_ne!(written(), old);
    assert_eq!(mode(&path), 0o600);
}

/// The API's text can have anything in it, such as a flag with a password.
#[test]
fn nothing_is_kept_and_given_but_what_a_renewal_needs() {
    let node = node();
    let fields =
        "apiServer: {extraArgs: {secret: hunter2}}\netcd: {local: {extraArgs: {secret: hunter2}}}";
    let settled = from_api(&text("v1beta3", fields)).unwrap();
    super::keep(&node.paths, &settled).unwrap();
    let given = write(&settled.config, kubeadm().unwrap()).unwrap().text;
    let path = hand_over(&node.paths, &given).unwrap();
    for path in [path, node.paths.cluster_config()] {
        assert!(!fs::read_to_string(&path).unwrap().contains("hunter2"), "{path:?}");
        assert_eq!(mode(&path), 0o600);
    }
}
