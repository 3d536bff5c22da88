//! A node that was off for too long, and how it is once it is back.

use std::time::Duration;

use super::{COMPONENTS, Cluster, KUBELET_CLIENT, Node, READY};

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// Less than kubeadm and the controller-manager give.
pub(crate) const YEAR: Duration = Duration::from_secs(360 * 86_400);

impl Cluster {
    /// All has expired, and then the power was cut.
    pub(crate) fn expire(&self, node: Node<'_>) {
        node.age_all("13 months ago", "1 month ago");
        node.age(KUBELET_CLIENT, "13 months ago", "1 month ago");
        self.script(&["boot", "cp1"]);
        node.wait_until_the_kubelet_refuses();
        assert_eq!(node.pids(), [None; 4], "{COMPONENTS:?}");
        assert!(!node.output(&["curl", "-ksf", READY]).status.success());
        assert!(!node.output(&["kubectl", "get", "nodes"]).status.success());
    }
}

impl Node<'_> {
    /// As the node was when it was new, with other certificates.
    #[track_caller]
    pub(crate) fn assert_rescued(&self) {
        self.wait_until_healthy();
        self.run(&["kubectl", "get", "nodes"]);
        for (_, file) in self.names() {
            let path = format!("/etc/kubernetes/{file}");
            assert!(self.is_valid_for(&path, YEAR), "{path}");
        }
        assert!(self.is_valid_for(KUBELET_CLIENT, YEAR));
        let conf = String::from_utf8(self.read(KUBELET_CONF)).unwrap();
        for key in ["client-certificate", "client-key"] {
            assert!(conf.contains(&format!("    {key}: {KUBELET_CLIENT}\n")), "{key}");
        }
        assert!(!conf.contains("client-key-data"), "a key is left in it");
        assert_eq!(self.run(&["stat", "-c", "%a %U", KUBELET_CONF]), "600 root\n");
        self.assert_served();
        self.wait_for_leaders();
    }
}
