//! The files of a kubeadm control-plane node, below any directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::pki::{Authority, Days, Pair, kubeconfig};

pub const SERVER: &str = "https://10.0.0.11:6443";

/// A fresh leaf, and a CA of ten years.
pub const YEAR: Days = Days(-1, 364);
pub const TEN_YEARS: Days = Days(-1, 3649);

/// A node's root directory, and the CAs that sign there.
pub struct Node {
    pub root: PathBuf,
    pub ca: Authority,
    pub etcd_ca: Authority,
    pub front_proxy_ca: Authority,
}

impl Node {
    /// A healthy control plane with stacked etcd, one day after `kubeadm init`.
    pub fn healthy(root: &Path) -> Self {
        let node = Self {
            root: root.to_owned(),
            ca: Authority::new("kubernetes", TEN_YEARS),
            etcd_ca: Authority::new("etcd-ca", TEN_YEARS),
            front_proxy_ca: Authority::new("front-proxy-ca", TEN_YEARS),
        };
        node.write_cas();
        for name in LEAVES {
            node.leaf(name, YEAR);
        }
        for (name, user, organisation) in CONFS {
            node.conf(name, &node.ca.leaf(user, organisation, &[], YEAR));
        }
        node.kubelet();
        node.write("root/.kube/config", &node.read("etc/kubernetes/admin.conf"));
        node.manifests("/etc/kubernetes/pki");
        node
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    pub fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    /// Writes kubeadm's leaf NAME, signed by its CA.
    pub fn leaf(&self, name: &str, days: Days) {
        let (below, pair) = self.new_leaf(name, days);
        self.write_pair(&below, &pair);
    }

    /// Kubeadm's leaf NAME, signed by its CA, and where it belongs.
    pub fn new_leaf(&self, name: &str, days: Days) -> (String, Pair) {
        let (ca, sans): (&Authority, &[&str]) = match name {
            "apiserver" => (&self.ca, &["cp1", "kubernetes.default.svc", "10.0.0.11"]),
            "apiserver-kubelet-client" => (&self.ca, &[]),
            "front-proxy-client" => (&self.front_proxy_ca, &[]),
            "apiserver-etcd-client" => (&self.etcd_ca, &[]),
            _ => (&self.etcd_ca, &["cp1", "localhost", "127.0.0.1"]),
        };
        let below =
            name.strip_prefix("etcd-").map_or(name.to_owned(), |name| format!("etcd/{name}"));
        (format!("etc/kubernetes/pki/{below}"), ca.leaf(name, "", sans, days))
    }

    /// Writes the kubeconfig NAME for a user's pair.
    pub fn conf(&self, name: &str, pair: &Pair) {
        let user =
            CONFS.iter().find(|(conf, ..)| *conf == name).map_or("user", |(_, user, _)| user);
        let text = kubeconfig(SERVER, &self.ca.pair.certificate, user, pair);
        self.write(&format!("etc/kubernetes/{name}"), &text);
    }

    pub fn write_pair(&self, below: &str, pair: &Pair) {
        self.write(&format!("{below}.crt"), &pair.certificate);
        self.write(&format!("{below}.key"), &pair.key);
    }

    pub fn write_cas(&self) {
        for (below, ca) in
            [("ca", &self.ca), ("etcd/ca", &self.etcd_ca), ("front-proxy-ca", &self.front_proxy_ca)]
        {
            self.write_pair(&format!("etc/kubernetes/pki/{below}"), &ca.pair);
        }
    }

    /// The kubelet's rotated certificate behind its link, an older one, and its serving pair.
    fn kubelet(&self) {
        self.kubelet_client(YEAR);
        let old = self.ca.leaf("system:node:cp1", "system:nodes", &[], Days(-700, -335));
        self.write(
            "var/lib/kubelet/pki/kubelet-client-2024-12-01-10-00-00.pem",
            &(old.certificate + &old.key),
        );
        let own_ca = Authority::new("cp1-ca@1700000000", YEAR);
        let serving = own_ca.leaf("cp1@1700000000", "", &["cp1"], YEAR);
        self.write(
            "var/lib/kubelet/pki/kubelet.crt",
            &(serving.certificate.clone() + &own_ca.pair.certificate),
        );
        self.write("var/lib/kubelet/pki/kubelet.key", &serving.key);
        let by_path = kubeconfig(SERVER, &self.ca.pair.certificate, "system:node:cp1", &serving);
        let by_path: Vec<&str> = by_path.lines().filter(|line| !line.contains("client-")).collect();
        let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
        let user = format!("    client-certificate: {current}\n    client-key: {current}\n");
        self.write("etc/kubernetes/kubelet.conf", &(by_path.join("\n") + "\n" + &user));
    }

    /// A kubelet client certificate, and the link to it.
    pub fn kubelet_client(&self, days: Days) {
        let pair = self.ca.leaf("system:node:cp1", "system:nodes", &[], days);
        let target = "/var/lib/kubelet/pki/kubelet-client-2026-11-01-10-00-00.pem";
        self.write(target.trim_start_matches('/'), &(pair.certificate + &pair.key));
        let link = self.path("var/lib/kubelet/pki/kubelet-client-current.pem");
        let _ = fs::remove_file(&link);
        symlink(target, link).unwrap();
    }
}

const LEAVES: [&str; 7] = [
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
    "front-proxy-client",
];

const CONFS: [(&str, &str, &str); 3] = [
    ("admin.conf", "kubernetes-admin", "system:masters"),
    ("controller-manager.conf", "system:kube-controller-manager", ""),
    ("scheduler.conf", "system:kube-scheduler", ""),
];
