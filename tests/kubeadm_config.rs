//! What kubeadm is given, against the real thing: a PKI that a kubeadm made itself, of which nothing is left but the
//! files, is renewed as it was made. On each kubeadm that was built.
//!
//! Needs root (kubeadm is shown the node by chroot, `--rootfs`) and what `tests/lab/kubernetes.sh` builds: part of
//! `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use certwatch::domain::kubernetes::{Feature, Version};
use certwatch::domain::layout::in_copy;
use certwatch::domain::renewal::kubeadm_config::{
    ApiVersion, ClusterConfig, Etcd, KeyAlgorithm, KubeadmConfigError, write,
};
use certwatch::domain::role;
use certwatch::domain::time::Span;
use certwatch::node::ControlPlane;
use certwatch::node::NodePaths;
use certwatch::parse::x509::{self, Authority, Issuers};
use certwatch::parse::{pem, public_key};
use certwatch::renew::facts::cluster_config::{ClusterConfigSource, Settled, hand_over, settle};
use certwatch::renew::kubeadm;
use certwatch::renew::tree::{inspect, stage};
use certwatch::sys;
use common::made::{FILES, MadeNode};

const ETCD: &str = "etcd:\n  external:\n    endpoints: ['https://10.0.0.9:2379', 'https://[fd00::9]:2379']\n    \
    caFile: /etc/etcd/ca.crt\n    certFile: /etc/etcd/client.crt\n    keyFile: /etc/etcd/client.key\n";

/// Where kubeadm finds what it needs to make a node.
const INIT: &str = "localAPIEndpoint:\n  advertiseAddress: 192.0.2.1\nnodeRegistration:\n  name: cp1\n  \
    criSocket: unix:///run/containerd/containerd.sock\n";

/// How a cluster is made.
#[derive(Clone, Copy, Debug)]
struct Made {
    keys: KeyAlgorithm,
    dir: &'static str,
    is_etcd_elsewhere: bool,
    hours: Option<i64>,
}

const PLAIN: Made = Made {
    keys: KeyAlgorithm::Rsa2048,
    dir: "/etc/kubernetes/pki",
    is_etcd_elsewhere: false,
    hours: None,
};

/// What every kubeadm can make.
const OF_ALL: [Made; 6] = [
    PLAIN,
    Made { dir: "/etc/k8s-certs", ..PLAIN },
    Made { dir: "/etc/kubernetes/certs", is_etcd_elsewhere: true, ..PLAIN },
    Made { keys: KeyAlgorithm::EcdsaP256, ..PLAIN },
    Made { is_etcd_elsewhere: true, ..PLAIN },
    Made {
        keys: KeyAlgorithm::EcdsaP256,
        dir: "/etc/kubernetes/ssl",
        is_etcd_elsewhere: true,
        ..PLAIN
    },
];

/// What it can make since v1beta4.
const OF_TODAY: [Made; 2] = [
    Made { keys: KeyAlgorithm::Rsa3072, dir: "/etc/kubernetes/ssl", ..PLAIN },
    Made { hours: Some(100), keys: KeyAlgorithm::EcdsaP384, ..PLAIN },
];

/// All that were built, one of each version: in `bin`, or in a directory of its own there.
fn kubeadms() -> Vec<PathBuf> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab/bin");
    let dirs = fs::read_dir(&bin).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = dirs.chain([bin]).map(|dir| dir.join("kubeadm")).collect();
    found.retain(|path| path.is_file());
    found.sort_by_key(|path| version(path));
    found.dedup_by_key(|path| version(path));
    assert!(!found.is_empty(), "build one first: tests/lab/kubernetes.sh kubeadm");
    found
}

fn version(program: &Path) -> Version {
    let output = Command::new(program).args(["version", "-o", "short"]).output().unwrap();
    Version::parse(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

impl Made {
    /// As a person writes it for `kubeadm init`.
    fn config(&self, kubeadm: Version) -> String {
        let api = ApiVersion::newest(kubeadm).unwrap();
        let mut fields = format!("kubernetesVersion: v{kubeadm}\ncertificatesDir: {}\n", self.dir);
        match api {
            ApiVersion::V1beta4 => {
                fields.push_str(&format!("encryptionAlgorithm: {}\n", self.keys.name()));
            }
            _ if self.keys == KeyAlgorithm::EcdsaP256 => {
                fields.push_str("featureGates: {PublicKeysECDSA: true}\n");
            }
            _ => {}
        }
        if let Some(hours) = self.hours {
            fields.push_str(&format!("certificateValidityPeriod: {hours}h\n"));
        }
        fields.push_str(if self.is_etcd_elsewhere { ETCD } else { "" });
        let head = format!("apiVersion: {}\nkind:", api.name());
        format!("{head} ClusterConfiguration\n{fields}---\n{head} InitConfiguration\n{INIT}")
    }
}

/// A node's files, and its kubeadm.
struct Node {
    made: MadeNode,
    kubeadm: Version,
}

impl Node {
    fn new(program: &Path, made: Made) -> Self {
        let kubeadm = version(program);
        let phases = [&FILES[..], &[["control-plane", "all"]]].concat();
        let node = Self { made: MadeNode::new(program, &made.config(kubeadm), &phases), kubeadm };
        if !made.is_etcd_elsewhere {
            node.made.kubeadm(&["init", "phase", "etcd", "local"]);
        }
        node.silence(made.dir);
        node
    }

    fn places(&self) -> &NodePaths {
        &self.made.paths
    }

    /// `path` of the node's as it is on this machine.
    fn here(&self, path: &str) -> PathBuf {
        self.made.root.path().join(path.trim_start_matches('/'))
    }

    /// Nobody answers at its API, and nobody else's is asked. What lies outside of /etc/kubernetes is where it is here.
    fn silence(&self, dir: &str) {
        let path = self.places().manifests().join("kube-apiserver.yaml");
        let mut text = fs::read_to_string(&path).unwrap();
        if !dir.starts_with("/etc/kubernetes/") {
            text = text.replace(dir, self.here(dir).to_str().unwrap());
        }
        let text = text.replace("--advertise-address=192.0.2.1", "--advertise-address=127.0.0.1");
        fs::write(path, text.replace("--secure-port=6443", "--secure-port=1")).unwrap();
    }

    fn settled(&self) -> Settled {
        let plane = ControlPlane::read(self.places()).unwrap();
        settle(self.places(), &plane, None, Some(self.kubeadm)).unwrap()
    }

    /// What kubeadm can renew here.
    fn names(&self) -> Vec<String> {
        let is_there = |name: &&str| {
            let paths = inspect::paths_of(&self.places().kubernetes, name).unwrap();
            paths.iter().all(|path| self.places().kubernetes.join(path).exists())
        };
        role::KUBEADM.iter().map(|role| role.id).filter(is_there).map(str::to_owned).collect()
    }

    /// Renews all on a copy by what is written of this configuration, and says which keys were made, and for how long.
    fn renew(&self, config: &ClusterConfig) -> Vec<(String, Option<KeyAlgorithm>, Span)> {
        // One that is made within the second of the old one ends no later.
        sleep(Duration::from_millis(1_100));
        let written = write(config, self.kubeadm).unwrap();
        assert_eq!(written.losses, []);
        let path = hand_over(self.places(), &written.text).unwrap();
        let (names, begun) = (self.names(), sys::now());
        stage::stage(self.places()).unwrap();
        kubeadm::renew(self.places(), &names, Some(&path)).unwrap();
        let changes =
            inspect::inspect(self.places(), &names, sys::now() + Span::seconds(1), true).unwrap();
        let pairs =
            changes.iter().filter(|change| change.path.extension().is_some_and(|it| it == "crt"));
        let made = |path: &Path| {
            let bytes = fs::read(in_copy(&self.places().stage(), path)).unwrap();
            let der = pem::certificates(&bytes).remove(0).unwrap().der;
            let read =
                x509::read(&der, false, Authority::Beside(&[]), &Issuers::default()).unwrap();
            (path.display().to_string(), public_key::algorithm(&der), read.not_after - begun)
        };
        assert!(names.len() >= 6, "{names:?}");
        pairs.map(|change| made(&change.path)).collect()
    }
}

fn assert_renewed_as_made(node: &Node, made: Made, config: &ClusterConfig) {
    let renewed = node.renew(config);
    assert_eq!(renewed.len(), if made.is_etcd_elsewhere { 3 } else { 7 }, "{renewed:?}");
    let expected = Span::hours(made.hours.unwrap_or(365 * 24)).as_seconds();
    for (path, keys, lives) in renewed {
        assert_eq!(keys, Some(made.keys), "{path}");
        assert!((lives.as_seconds() - expected).abs() < 600, "{path} lives {lives}");
    }
}

#[test]
fn what_is_left_on_a_node_is_enough_to_renew_it_as_it_was_made() {
    for program in kubeadms() {
        let version = version(&program);
        let makes = |keys| keys != KeyAlgorithm::EcdsaP384 || version.has(Feature::KeysOnP384);
        let is_today = |made: &&Made| {
            ApiVersion::newest(version) == Some(ApiVersion::V1beta4) && makes(made.keys)
        };
        let today = OF_TODAY.iter().filter(is_today);
        for made in OF_ALL.iter().chain(today).copied() {
            println!("kubeadm {version}: {made:?}");
            let node = Node::new(&program, made);
            let settled = node.settled();
            assert_eq!(settled.source, ClusterConfigSource::Node);
            let config = settled.config;
            assert_eq!(
                (config.algorithm, config.validity),
                (made.keys, made.hours.map(Span::hours))
            );
            let below = made.dir.strip_prefix("/etc/kubernetes/");
            let dir = below.map_or_else(|| node.here(made.dir), |_| made.dir.into());
            assert_eq!(config.certificates_dir, dir);
            assert_eq!(config.etcd != Etcd::Local, made.is_etcd_elsewhere);
            assert_renewed_as_made(&node, made, &config);
        }
    }
}

/// Now they begin on their own, in a kubeadm that lets them, and no longer with their CA.
#[test]
fn a_node_that_was_renewed_before_tells_the_same() {
    for program in kubeadms() {
        let is_today = ApiVersion::newest(version(&program)) == Some(ApiVersion::V1beta4);
        let hours = is_today.then_some(100);
        let made = Made { hours, ..PLAIN };
        let node = Node::new(&program, made);
        sleep(Duration::from_millis(1_100));
        node.made.kubeadm(&["certs", "renew", "all"]);
        let config = node.settled().config;
        assert_eq!(config.validity, hours.map(Span::hours));
        assert_renewed_as_made(&node, made, &config);
    }
}

/// Kept before an upgrade, in an API version that today's kubeadm does not read, of a version that it does not manage.
#[test]
fn a_copy_that_was_kept_long_ago_does_for_every_kubeadm() {
    let made = Made { keys: KeyAlgorithm::EcdsaP256, ..PLAIN };
    for program in kubeadms() {
        let node = Node::new(&program, made);
        let kept = "apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nkubernetesVersion: v1.16.3\n\
                    featureGates:\n  PublicKeysECDSA: true\nuseHyperKubeImage: true\n";
        fs::write(node.places().cluster_config(), kept).unwrap();
        let settled = node.settled();
        assert_eq!(settled.source, ClusterConfigSource::Kept);
        assert_renewed_as_made(&node, made, &settled.config);
    }
}

/// What is refused here would have become RSA-2048 without a word.
#[test]
fn keys_that_a_kubeadm_does_not_make_are_refused() {
    for program in kubeadms() {
        let node = Node::new(&program, PLAIN);
        let config = ClusterConfig { algorithm: KeyAlgorithm::EcdsaP384, ..node.settled().config };
        match write(&config, node.kubeadm) {
            Ok(_) => {
                let keys = node.renew(&config).into_iter().map(|(_, keys, _)| keys);
                assert!(
                    keys.clone().all(|keys| keys == Some(KeyAlgorithm::EcdsaP384)),
                    "{:?}",
                    node.kubeadm
                );
            }
            Err(refusal) => {
                assert_eq!(
                    refusal,
                    KubeadmConfigError::Algorithm(KeyAlgorithm::EcdsaP384, node.kubeadm)
                );
            }
        }
    }
}
