//! A node for tests: a live tree of rcgen's, laid out as kubeadm lays it out.

pub(super) use crate::fs::testing::{mode, set_mode};

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, SanType,
};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::domain::time::UnixTime;
use crate::node::NodePaths;

/// The moment that all dates are counted from.
pub(super) const NOW: UnixTime = UnixTime::new(1_800_000_000);

/// A directory of its own, with a CA.
pub(super) struct Node {
    dir: TempDir,
    pub(super) paths: NodePaths,
    pub(super) ca: Authority,
}

/// A CA that signs.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

/// What a leaf says.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) san: &'static str,
    pub(super) days: i64,
    pub(super) age: i64,
    pub(super) is_ca: bool,
    /// The extended key usage; empty for none.
    pub(super) usages: &'static [ExtendedKeyUsagePurpose],
}

impl Leaf {
    pub(super) fn new(name: &'static str, days: i64) -> Self {
        Self {
            name,
            group: "system:masters",
            san: "kubernetes",
            days,
            age: 10,
            is_ca: false,
            usages: &[],
        }
    }
}

/// Certificate and key in PEM.
pub(super) struct Pair(pub(super) String, pub(super) String);

impl Authority {
    /// Each has the same name and the same key id, and its own key.
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&Leaf::new("kubernetes", 3650));
        params.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A leaf of this CA's that signs others, which it must not.
    pub(super) fn leaf_that_signs(&self, leaf: &Leaf) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params(leaf);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn sign(&self, leaf: &Leaf) -> Pair {
        let key = KeyPair::generate().unwrap();
        let pem = params(leaf).signed_by(&key, &self.issuer).unwrap().pem();
        Pair(pem, key.serialize_pem())
    }
}

fn params(leaf: &Leaf) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name.push(DnType::OrganizationName, leaf.group);
    params.distinguished_name.push(DnType::CommonName, leaf.name);
    params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(leaf.san).unwrap())];
    let now = OffsetDateTime::from_unix_timestamp(NOW.seconds()).unwrap();
    params.not_before = now - Duration::days(leaf.age);
    params.not_after = now + Duration::days(leaf.days);
    params.extended_key_usages = leaf.usages.to_vec();
    if leaf.is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Node {
    /// With apiserver and admin.conf, both of five days more.
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let paths = NodePaths {
            kubernetes: dir.path().join("kubernetes"),
            kubelet: dir.path().join("kubelet"),
            work: dir.path().join("work"),
            kubeadm: dir.path().join("kubeadm"),
            is_stage_shown: false,
        };
        let node = Self { dir, paths, ca: Authority::new() };
        fs::create_dir_all(node.live("pki/etcd")).unwrap();
        fs::create_dir_all(node.live("manifests")).unwrap();
        fs::write(node.live("pki/ca.crt"), &node.ca.pem).unwrap();
        let tree = node.paths.kubernetes.clone();
        node.put_pair(&tree, &node.ca.sign(&Leaf::new("kube-apiserver", 5)));
        node.put_conf(&tree, &node.ca.sign(&Leaf::new("kubernetes-admin", 5)));
        node
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(super) fn live(&self, below: &str) -> PathBuf {
        self.paths.kubernetes.join(below)
    }

    pub(super) fn staged(&self, below: &str) -> PathBuf {
        self.paths.stage().join(below)
    }

    pub(super) fn put_pair(&self, tree: &Path, Pair(certificate, key): &Pair) {
        fs::write(tree.join("pki/apiserver.crt"), certificate).unwrap();
        fs::write(tree.join("pki/apiserver.key"), key).unwrap();
        set_mode(&tree.join("pki/apiserver.key"), 0o600);
    }

    pub(super) fn put_conf(&self, tree: &Path, pair: &Pair) {
        fs::write(tree.join("admin.conf"), self.conf(pair)).unwrap();
        set_mode(&tree.join("admin.conf"), 0o600);
    }

    /// As kubeadm writes it.
    pub(super) fn conf(&self, Pair(certificate, key): &Pair) -> String {
        let [ca, certificate, key] = [&self.ca.pem, certificate, key].map(|it| STANDARD.encode(it));
        format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: https://10.0.0.1:6443\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: kubernetes-admin\n  name: kubernetes-admin@kubernetes\ncurrent-context: kubernetes-admin@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n"
        )
    }
}

pub(super) fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
