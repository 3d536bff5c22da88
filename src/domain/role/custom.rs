//! Custom certificates: what a flag of a component names outside of kubeadm's own places. Nobody but their issuer renews
//! them.

use super::{CertificateKind, RenewedBy, Role};

const fn custom(
    id: &'static str,
    title: &'static str,
    owner: &'static str,
    kind: CertificateKind,
    impact: &'static str,
) -> Role {
    Role { id, title, owner, kind, renewer: RenewedBy::Hand, ca: None, impact, command: "" }
}

/// `--tls-cert-file` of kube-apiserver.
pub(crate) static APISERVER: Role = custom(
    "custom-apiserver",
    "serving certificate",
    "kube-apiserver",
    CertificateKind::Leaf,
    "kubectl, nodes and controllers reject this API server",
);

/// `--tls-sni-cert-key` of kube-apiserver.
pub(crate) static APISERVER_SNI: Role = custom(
    "custom-apiserver-sni",
    "certificate for SNI",
    "kube-apiserver",
    CertificateKind::Leaf,
    "clients that use one of its names reject this API server",
);

/// `--kubelet-client-certificate` of kube-apiserver.
pub(crate) static APISERVER_KUBELET_CLIENT: Role = custom(
    "custom-apiserver-kubelet-client",
    "client of kubelets",
    "kube-apiserver",
    CertificateKind::Leaf,
    "kubectl logs, exec and port-forward stop",
);

/// `--proxy-client-cert-file` of kube-apiserver.
pub(crate) static FRONT_PROXY_CLIENT: Role = custom(
    "custom-front-proxy-client",
    "front-proxy client",
    "kube-apiserver",
    CertificateKind::Leaf,
    "aggregated APIs such as metrics (kubectl top, autoscaling) stop",
);

/// `--client-ca-file` of kube-apiserver.
pub(crate) static CLIENT_CA: Role = custom(
    "custom-client-ca",
    "CA of clients",
    "kube-apiserver",
    CertificateKind::Ca,
    "this API server rejects every client whose certificate this CA signed",
);

/// `--requestheader-client-ca-file` of kube-apiserver.
pub(crate) static FRONT_PROXY_CA: Role = custom(
    "custom-front-proxy-ca",
    "front-proxy CA",
    "kube-apiserver",
    CertificateKind::Ca,
    "aggregated APIs such as metrics stop",
);

/// `--kubelet-certificate-authority` of kube-apiserver.
pub(crate) static KUBELET_CA: Role = custom(
    "custom-kubelet-ca",
    "CA of kubelets",
    "kube-apiserver",
    CertificateKind::Ca,
    "kubectl logs, exec and port-forward stop",
);

/// `--oidc-ca-file` of kube-apiserver.
pub(crate) static OIDC_CA: Role = custom(
    "custom-oidc-ca",
    "CA of the OIDC issuer",
    "kube-apiserver",
    CertificateKind::Ca,
    "nobody can log in through OIDC",
);

/// `--cluster-signing-cert-file` of kube-controller-manager, and those for single signers.
pub(crate) static SIGNING_CA: Role = custom(
    "custom-signing-ca",
    "CA that signs CSRs",
    "controller-manager",
    CertificateKind::Ca,
    "no CSR is signed: kubelets can neither rotate their certificates nor join",
);

/// `--root-ca-file` of kube-controller-manager.
pub(crate) static ROOT_CA: Role = custom(
    "custom-root-ca",
    "CA for pods",
    "controller-manager",
    CertificateKind::Ca,
    "pods no longer trust the API server",
);

/// `--kubeconfig` of kube-controller-manager.
pub(crate) static CONTROLLER_MANAGER_CONF: Role = custom(
    "custom-controller-manager.conf",
    "kubeconfig",
    "controller-manager",
    CertificateKind::Leaf,
    "CronJobs, Deployments and node health are no longer handled, without a message",
);

/// `--kubeconfig` of kube-scheduler.
pub(crate) static SCHEDULER_CONF: Role = custom(
    "custom-scheduler.conf",
    "kubeconfig",
    "scheduler",
    CertificateKind::Leaf,
    "no new pod is scheduled, without a message",
);

/// `--tls-cert-file` of kube-controller-manager.
pub(crate) static CONTROLLER_MANAGER: Role = custom(
    "custom-controller-manager",
    "serving certificate",
    "controller-manager",
    CertificateKind::Leaf,
    "scrapers that verify it lose its metrics",
);

/// `--tls-cert-file` of kube-scheduler.
pub(crate) static SCHEDULER: Role = custom(
    "custom-scheduler",
    "serving certificate",
    "scheduler",
    CertificateKind::Leaf,
    "scrapers that verify it lose its metrics",
);

/// `--cert-file` of etcd.
pub(crate) static ETCD_SERVER: Role = custom(
    "custom-etcd-server",
    "serving certificate",
    "etcd",
    CertificateKind::Leaf,
    "API servers reject this etcd member, and every request fails",
);

/// `--peer-cert-file` of etcd.
pub(crate) static ETCD_PEER: Role = custom(
    "custom-etcd-peer",
    "peer certificate",
    "etcd",
    CertificateKind::Leaf,
    "the other etcd members reject this one, and the cluster can lose its quorum",
);

/// `--trusted-ca-file` and `--peer-trusted-ca-file` of etcd.
pub(crate) static ETCD_CA: Role = custom(
    "custom-etcd-ca",
    "etcd CA",
    "etcd",
    CertificateKind::Ca,
    "etcd rejects its clients or its other members",
);

/// `tlsCertFile` of the kubelet.
pub(crate) static KUBELET_SERVING: Role = custom(
    "custom-kubelet-serving",
    "serving certificate",
    "kubelet",
    CertificateKind::MinorLeaf,
    "kubectl logs, metrics-server and scrapers that verify it lose this node",
);

/// `clientCAFile` of the kubelet.
pub(crate) static KUBELET_CLIENT_CA: Role = custom(
    "custom-kubelet-client-ca",
    "CA of clients",
    "kubelet",
    CertificateKind::Ca,
    "the kubelet rejects the API server: kubectl logs, exec and port-forward stop",
);

/// What lies among the files of the control plane, and nothing on the node names.
pub(crate) static LEFT_OVER: Role = Role {
    id: "left-over",
    title: "left over",
    owner: "nobody",
    kind: CertificateKind::LeftOver,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "nothing on this node names it",
    command: "",
};

#[cfg(test)]
pub(super) static ALL: [&Role; 20] = [
    &APISERVER,
    &APISERVER_SNI,
    &APISERVER_KUBELET_CLIENT,
    &FRONT_PROXY_CLIENT,
    &CLIENT_CA,
    &FRONT_PROXY_CA,
    &KUBELET_CA,
    &OIDC_CA,
    &SIGNING_CA,
    &ROOT_CA,
    &CONTROLLER_MANAGER_CONF,
    &SCHEDULER_CONF,
    &CONTROLLER_MANAGER,
    &SCHEDULER,
    &ETCD_SERVER,
    &ETCD_PEER,
    &ETCD_CA,
    &KUBELET_SERVING,
    &KUBELET_CLIENT_CA,
    &LEFT_OVER,
];
