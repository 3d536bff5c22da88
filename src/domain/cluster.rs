//! The name of a cluster, and of a node within it: many clusters have a node `cp1`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::layout;
use super::model::{Entry, Inventory, Item};
use super::text::escape_control;

/// Who a message is from: the same node name in another cluster is another node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct NodeIdentity {
    /// The cluster's name, where it has one that tells it from others.
    pub cluster: Option<String>,
    /// The node's name.
    pub name: String,
}

impl NodeIdentity {
    /// A node of which no cluster is known.
    pub fn of_node(name: &str) -> Self {
        Self { cluster: None, name: name.to_owned() }
    }

    /// [`Display`](fmt::Display), safe to print.
    pub(crate) fn shown(&self) -> String {
        escape_control(&self.to_string()).into_owned()
    }
}

/// `prod/cp1`, or `cp1` without a cluster.
impl fmt::Display for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cluster {
            Some(cluster) => write!(f, "{cluster}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Names that installers give to every cluster: kubeadm, kubespray, k3s and RKE2, k0s and RKE, MicroK8s, minikube.
const SHARED_NAMES: [&str; 6] =
    ["kubernetes", "cluster.local", "default", "local", "microk8s-cluster", "minikube"];

/// The name that kubespray has for the load balancer of every cluster.
const SHARED_HOST: &str = "lb-apiserver.kubernetes.local";

/// What a scan says of the cluster's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClusterName {
    /// There is no admin.conf to be read, so that nobody knows.
    Unknown,
    /// admin.conf has nothing that tells this cluster from others.
    Shared,
    /// The cluster's own.
    Own(String),
}

impl ClusterName {
    /// By admin.conf, where kubeadm writes its `clusterName`, and the host of its `controlPlaneEndpoint`. An address is
    /// no name: without an endpoint it is the node's, and the same private one is in use in many places.
    pub fn of(inventory: &Inventory) -> Self {
        let is_admin = |item: &&Item| {
            let is_cluster = matches!(item.place.entry, Entry::Cluster { .. });
            is_cluster && layout::locate(&item.place.path).role.id == "admin.conf"
        };
        let items = inventory.items.iter().chain(&inventory.context).filter(is_admin);
        let clusters: BTreeSet<_> = items
            .filter_map(|item| match &item.place.entry {
                Entry::Cluster { name, server, .. } => Some((&**name, &**server)),
                _ => None,
            })
            .collect();
        match clusters.iter().collect::<Vec<_>>()[..] {
            [] => Self::Unknown,
            [(name, server)] => {
                own(name).or_else(|| own_host(server)).map_or(Self::Shared, Self::Own)
            }
            // Which of them is this node's is not to be seen.
            _ => Self::Shared,
        }
    }
}

fn own(name: &str) -> Option<String> {
    let is_own = is_valid(name) && !SHARED_NAMES.contains(&name);
    is_own.then(|| name.to_owned())
}

/// The host of a URL, if it is a name of the DNS with a domain.
fn own_host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host).to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let is_local = host == "localhost" || host.starts_with("localhost.") || host == SHARED_HOST;
    let is_name = host.contains('.') && host.parse::<IpAddr>().is_err() && is_valid(host);
    (is_name && !is_local).then(|| host.to_owned())
}

/// What may be the name of a cluster or node: 1 to 253 letters, digits, `-`, `.` and `_`.
pub(crate) fn is_valid(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (1..=253).contains(&name.len()) && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{Content, Place, Reason};
    use crate::domain::role;

    /// As a scan makes it of the cluster in a kubeconfig.
    fn item(path: &str, name: &str, server: &str) -> Item {
        let entry = Entry::Cluster { name: name.into(), server: server.into(), index: 0 };
        let place = Place::new(std::path::Path::new("/etc/kubernetes").join(path), entry);
        Item::new(place, &role::CLUSTER_CA, Content::Problem(Reason::Missing))
    }

    fn named(name: &str, server: &str) -> ClusterName {
        let items = vec![item("admin.conf", name, server)];
        ClusterName::of(&Inventory { items, ..Inventory::default() })
    }

    fn own(name: &str) -> ClusterName {
        ClusterName::Own(name.to_owned())
    }

    #[test]
    fn the_name_that_somebody_gave_is_the_clusters() {
        assert_eq!(named("prod", "https://10.0.0.1:6443"), own("prod"));
        assert_eq!(named("prod", "https://api.example.org:6443"), own("prod"));
    }

    #[test]
    fn the_host_of_the_endpoint_stands_in_for_a_name_that_all_have() {
        for shared in SHARED_NAMES.into_iter().chain(["", "a b", "<b>"]) {
            assert_eq!(named(shared, "https://API.example.org.:6443"), own("api.example.org"));
            assert_eq!(named(shared, "https://10.0.0.1:6443"), ClusterName::Shared);
        }
    }

    /// Fifty clusters must not be one because each has what all have.
    #[test]
    fn what_many_clusters_have_is_no_name() {
        for server in [
            "https://10.0.0.1:6443",
            "https://[2001:db8::1]:6443",
            "https://127.0.0.1:6443",
            "https://localhost:6443",
            "https://localhost.localdomain:6443",
            "https://lb-apiserver.kubernetes.local:6443",
            "https://k8s-api:6443",
            "http://api.example.org:6443",
            "",
        ] {
            assert_eq!(named("kubernetes", server), ClusterName::Shared, "{server}");
        }
    }

    #[test]
    fn only_admin_conf_says_it_and_only_with_one_voice() {
        let of = |items| ClusterName::of(&Inventory { items, ..Inventory::default() });
        assert_eq!(of(Vec::new()), ClusterName::Unknown);
        for path in ["scheduler.conf", "/root/.kube/config", "/home/anna/admin.conf"] {
            assert_eq!(of(vec![item(path, "prod", "")]), ClusterName::Unknown, "{path}");
        }
        let [a, b] = ["a", "b"].map(|name| item("admin.conf", name, "https://10.0.0.1:6443"));
        assert_eq!(of(vec![a.clone(), a.clone()]), own("a"));
        assert_eq!(of(vec![a.clone(), b]), ClusterName::Shared);
        let context = vec![a];
        assert_eq!(ClusterName::of(&Inventory { context, ..Inventory::default() }), own("a"));
    }

    #[test]
    fn a_node_is_shown_with_its_cluster() {
        let node = NodeIdentity::of_node("cp1");
        assert_eq!(node.to_string(), "cp1");
        let node = NodeIdentity { cluster: Some("prod".to_owned()), ..node };
        assert_eq!(node.to_string(), "prod/cp1");
    }
}
