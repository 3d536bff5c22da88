//! What each certificate of a control plane is for, who renews it, and what stops when it expires.
//!
//! Source: kubeadm's own table (`cmd/kubeadm/app/phases/certs/renewal/manager.go`), the
//! components' flags in kubeadm's manifests, and the other distributions' documentation.

mod component;
pub(crate) mod custom;
mod endpoint;

use super::kubernetes::{Feature, Version};
pub(crate) use component::{SELF_MADE, component};
pub(crate) use endpoint::ENDPOINT;

/// One row of knowledge about a certificate.
#[derive(Debug, Eq, PartialEq)]
pub struct Role {
    /// Stable name for machines. For what kubeadm renews it is the NAME of `kubeadm certs renew`.
    pub id: &'static str,
    /// What it is, in at most 24 characters.
    pub title: &'static str,
    /// Who presents it or relies on it.
    pub owner: &'static str,
    /// Which rules judge it.
    pub kind: CertificateKind,
    /// Who renews it.
    pub renewer: RenewedBy,
    /// The CA that must have signed it: a file name below the pki directory.
    pub ca: Option<&'static str>,
    /// What stops working when it expires: completes "expires in 5 d, then …".
    pub impact: &'static str,
    /// The command that renews it; `{name}` stands for its file name. Empty where there is none.
    pub command: &'static str,
}

/// Which rules judge a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateKind {
    /// A certificate authority.
    Ca,
    /// A copy of a cluster's CA inside a kubeconfig.
    ClusterCa,
    /// Nothing is known but the file: CA or leaf by what the certificate says.
    File,
    /// The kubelet's client certificate, which the kubelet rotates.
    KubeletClient,
    /// A serving or client certificate, or the client certificate of a kubeconfig.
    Leaf,
    /// A file among the control plane's that nothing on the node names.
    LeftOver,
    /// A serving certificate nobody verifies by default: at worst a warning.
    MinorLeaf,
    /// A process with a certificate in its memory.
    Process,
    /// A user's own kubeconfig: an older copy of admin.conf is stale.
    UserKubeconfig,
}

/// Who renews a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RenewedBy {
    /// A person: no tool on the node does it.
    Hand,
    /// `kubeadm certs renew NAME`, with the role's id as NAME.
    Kubeadm,
    /// The kubelet, at 70 to 90 % of the lifetime.
    Kubelet,
    /// A restart of the process.
    Restart,
    /// Another distribution's own service.
    Service(&'static str),
}

const fn leaf(
    id: &'static str,
    ca: &'static str,
    title: &'static str,
    owner: &'static str,
    impact: &'static str,
    command: &'static str,
) -> Role {
    Role {
        id,
        title,
        owner,
        kind: CertificateKind::Leaf,
        renewer: RenewedBy::Kubeadm,
        ca: Some(ca),
        impact,
        command,
    }
}

const fn ca(
    id: &'static str,
    title: &'static str,
    owner: &'static str,
    impact: &'static str,
) -> Role {
    Role {
        id,
        title,
        owner,
        kind: CertificateKind::Ca,
        renewer: RenewedBy::Hand,
        ca: None,
        impact,
        command: "",
    }
}

const fn of_distribution(id: &'static str, name: &'static str, command: &'static str) -> Role {
    Role {
        id,
        title: "certificate",
        owner: name,
        kind: CertificateKind::File,
        renewer: RenewedBy::Service(name),
        ca: None,
        impact: "the components that use it reject each other",
        command,
    }
}

/// kubeadm's leaves and kubeconfigs, in kubeadm's order (alphabetical by NAME).
pub static KUBEADM: [Role; 11] = [
    leaf(
        "admin.conf",
        "ca.crt",
        "admin's kubeconfig",
        "kubectl, kubeadm",
        "kubectl and kubeadm are denied access with it",
        "kubeadm certs renew admin.conf",
    ),
    leaf(
        "apiserver",
        "ca.crt",
        "serving certificate",
        "kube-apiserver",
        "kubectl, nodes and controllers reject this API server",
        "kubeadm certs renew apiserver",
    ),
    leaf(
        "apiserver-etcd-client",
        "etcd/ca.crt",
        "client of etcd",
        "kube-apiserver",
        "etcd rejects this API server, which then fails every request",
        "kubeadm certs renew apiserver-etcd-client",
    ),
    leaf(
        "apiserver-kubelet-client",
        "ca.crt",
        "client of kubelets",
        "kube-apiserver",
        "kubectl logs, exec and port-forward stop",
        "kubeadm certs renew apiserver-kubelet-client",
    ),
    leaf(
        "controller-manager.conf",
        "ca.crt",
        "kubeconfig",
        "controller-manager",
        "CronJobs, Deployments and node health are no longer handled, without a message",
        // The kernel cuts a process name to 15 characters, and pkill -x compares that.
        "kubeadm certs renew controller-manager.conf && pkill -x kube-controller",
    ),
    leaf(
        "etcd-healthcheck-client",
        "etcd/ca.crt",
        "client of etcd",
        "etcdctl, probes",
        "etcdctl and health checks with it are rejected",
        "kubeadm certs renew etcd-healthcheck-client",
    ),
    leaf(
        "etcd-peer",
        "etcd/ca.crt",
        "peer certificate",
        "etcd",
        "the other etcd members reject this one, and the cluster can lose its quorum",
        "kubeadm certs renew etcd-peer",
    ),
    leaf(
        "etcd-server",
        "etcd/ca.crt",
        "serving certificate",
        "etcd",
        "API servers reject this etcd member, and every request fails",
        "kubeadm certs renew etcd-server",
    ),
    leaf(
        "front-proxy-client",
        "front-proxy-ca.crt",
        "front-proxy client",
        "kube-apiserver",
        "aggregated APIs such as metrics (kubectl top, autoscaling) stop",
        "kubeadm certs renew front-proxy-client",
    ),
    leaf(
        "scheduler.conf",
        "ca.crt",
        "kubeconfig",
        "scheduler",
        "no new pod is scheduled, without a message",
        "kubeadm certs renew scheduler.conf && pkill -x kube-scheduler",
    ),
    leaf(
        "super-admin.conf",
        "ca.crt",
        "break-glass access",
        "kubectl",
        "emergency access that bypasses RBAC is lost",
        "kubeadm certs renew super-admin.conf",
    ),
];

/// The three CAs of a kubeadm cluster.
pub(crate) static KUBEADM_CAS: [Role; 3] = [
    ca(
        "ca",
        "cluster CA",
        "cluster",
        "every certificate of the cluster is rejected: nothing works",
    ),
    ca("etcd-ca", "etcd CA", "etcd", "API servers and etcd reject each other: nothing works"),
    ca(
        "front-proxy-ca",
        "front-proxy CA",
        "kube-apiserver",
        "aggregated APIs such as metrics stop",
    ),
];

/// The CA that every kubeconfig carries.
pub(crate) static CLUSTER_CA: Role = Role {
    id: "cluster-ca",
    title: "CA in the kubeconfig",
    owner: "kubeconfig",
    kind: CertificateKind::ClusterCa,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "its user no longer trusts the API server",
    command: "",
};

/// The client certificate inside a kubelet.conf made before kubeadm 1.17.
pub static KUBELET_CONF: Role = Role {
    id: "kubelet.conf",
    title: "kubeconfig",
    owner: "kubelet",
    kind: CertificateKind::Leaf,
    renewer: RenewedBy::Hand,
    ca: Some("ca.crt"),
    impact: "the kubelet fails at its next restart",
    command: "",
};

/// The kubelet's client certificate.
pub static KUBELET_CLIENT: Role = Role {
    id: "kubelet-client",
    title: "client of the API",
    owner: "kubelet",
    kind: CertificateKind::KubeletClient,
    renewer: RenewedBy::Kubelet,
    ca: Some("ca.crt"),
    impact: "this node goes NotReady, and its kubelet fails at its next restart",
    command: "systemctl restart kubelet",
};

/// The kubelet's self-signed serving certificate.
pub(crate) static KUBELET_SERVING: Role = Role {
    id: "kubelet-serving",
    title: "serving certificate",
    owner: "kubelet",
    kind: CertificateKind::MinorLeaf,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "metrics-server and scrapers that verify it lose this node",
    command: "rm /var/lib/kubelet/pki/kubelet.crt /var/lib/kubelet/pki/kubelet.key && systemctl restart kubelet",
};

/// The kubelet's serving certificate where the cluster signs it (`serverTLSBootstrap`).
pub(crate) static KUBELET_SERVER: Role = Role {
    id: "kubelet-server",
    title: "serving certificate",
    owner: "kubelet",
    kind: CertificateKind::MinorLeaf,
    renewer: RenewedBy::Kubelet,
    ca: Some("ca.crt"),
    impact: "kubectl logs, metrics-server and scrapers that verify it lose this node",
    command: "kubectl get csr",
};

/// A person's kubeconfig, often a copy of admin.conf.
pub(crate) static USER_KUBECONFIG: Role = Role {
    id: "user-kubeconfig",
    title: "copy for kubectl",
    owner: "kubectl",
    kind: CertificateKind::UserKubeconfig,
    renewer: RenewedBy::Hand,
    ca: Some("ca.crt"),
    impact: "kubectl is denied access with it",
    command: "",
};

/// A running kube-apiserver and the certificate in its memory.
pub(crate) static LOOPBACK: Role = Role {
    id: "apiserver-loopback",
    title: "loopback, in memory",
    owner: "kube-apiserver",
    kind: CertificateKind::Process,
    renewer: RenewedBy::Restart,
    ca: None,
    impact: "this API server cannot talk to itself: creating objects fails",
    command: "pkill -x kube-apiserver  # the API is away for up to a minute",
};

/// The same of one that says of itself that it is no longer well, and is a static pod: the kubelet asks /livez.
static LOOPBACK_WITH_LIVEZ: Role = Role {
    impact: "its /livez fails, and the kubelet restarts this API server at an unplanned time",
    ..LOOPBACK
};

/// [`LOOPBACK`], with what this version does when it ends; an unknown one counts as an old one.
pub fn loopback(version: Option<Version>) -> &'static Role {
    let fails_livez = version.is_some_and(|it| it.has(Feature::LoopbackFailsLivez));
    if fails_livez { &LOOPBACK_WITH_LIVEZ } else { &LOOPBACK }
}

/// What this node's API server presents to an etcd that is not kubeadm's.
pub(crate) static ETCD_CLIENT: Role = Role {
    id: "etcd-client",
    title: "client of etcd",
    owner: "kube-apiserver",
    kind: CertificateKind::Leaf,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "etcd rejects this API server, which then fails every request",
    command: "",
};

/// The CA that it knows such an etcd by.
pub(crate) static EXTERNAL_ETCD_CA: Role = ca(
    "external-etcd-ca",
    "CA of external etcd",
    "kube-apiserver",
    "this API server no longer trusts etcd, and fails every request",
);

/// A certificate in a place nothing is known about.
pub static OTHER: Role = Role {
    id: "other",
    title: "certificate",
    owner: "unknown",
    kind: CertificateKind::File,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "whatever uses it is rejected",
    command: "",
};

/// What is in a file whose name promises no certificate, such as a backup: nothing is known to use it.
pub(crate) static STRAY: Role =
    Role { id: "stray", impact: "whatever uses it, if anything does, is rejected", ..OTHER };

/// A CA behind a leaf in the same file.
pub(crate) static CHAIN: Role = Role {
    id: "chain",
    title: "CA of a chain",
    owner: "chain",
    kind: CertificateKind::File,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "the certificate before it in the file is rejected",
    command: "",
};

/// k3s: renews at service start when less than 120 days are left (90 before May 2025).
/// `try-restart` restarts whichever of the two runs here.
pub(crate) static K3S: Role = of_distribution("k3s", "k3s", "systemctl try-restart k3s k3s-agent");
/// RKE2: renews at service start when less than 120 days are left (90 before May 2025).
pub(crate) static RKE2: Role =
    of_distribution("rke2", "rke2", "systemctl try-restart rke2-server rke2-agent");
/// k0s: makes its leaves anew at each start of the controller.
pub(crate) static K0S: Role =
    of_distribution("k0s", "k0s", "systemctl try-restart k0scontroller k0sworker");
/// MicroK8s: `microk8s refresh-certs` renews by hand, one file at a time.
pub(crate) static MICROK8S: Role =
    of_distribution("microk8s", "microk8s", "microk8s refresh-certs --cert {name}");

/// The role of kubeadm's certificate NAME (`apiserver`, `etcd-ca`, `admin.conf`, …).
pub fn kubeadm(name: &str) -> Option<&'static Role> {
    KUBEADM.iter().chain(&KUBEADM_CAS).find(|role| role.id == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_owners_fit_their_columns() {
        let others = [
            &CHAIN,
            &CLUSTER_CA,
            &ENDPOINT,
            &ETCD_CLIENT,
            &EXTERNAL_ETCD_CA,
            &KUBELET_CONF,
            &KUBELET_CLIENT,
            &KUBELET_SERVING,
            &KUBELET_SERVER,
            &USER_KUBECONFIG,
            &LOOPBACK,
            &OTHER,
            &STRAY,
            &K3S,
            &RKE2,
            &K0S,
            &MICROK8S,
        ];
        for role in KUBEADM.iter().chain(&KUBEADM_CAS).chain(others).chain(custom::ALL) {
            assert!(role.title.len() <= 24, "{}", role.id);
            assert!(role.owner.len() <= 18, "{}", role.id);
        }
    }

    #[test]
    fn what_the_end_of_a_loopback_certificate_does_depends_on_the_version() {
        let fails_livez = |text| loopback(Version::parse(text)).impact.contains("/livez");
        assert_eq!(["v1.35.9", "v1.36.0", "latest"].map(fails_livez), [false, true, false]);
        assert_eq!(loopback(Version::parse("v1.37.2")).id, LOOPBACK.id);
    }

    #[test]
    fn kubeadm_renews_by_the_role_s_own_name() {
        for role in &KUBEADM {
            assert!(
                role.command.starts_with(&format!("kubeadm certs renew {}", role.id)),
                "{}",
                role.id
            );
        }
    }
}
