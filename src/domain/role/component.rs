//! The static pods of a control plane as a whole, and what they make for themselves.

use super::{CertificateKind, RenewedBy, Role};

/// A static pod as a whole, by its program.
const fn static_pod(id: &'static str, owner: &'static str, impact: &'static str) -> Role {
    Role {
        id,
        title: "static pod",
        owner,
        kind: CertificateKind::Process,
        renewer: RenewedBy::Restart,
        ca: None,
        impact,
        command: "",
    }
}

/// The static pods of a control plane.
static STATIC_PODS: [Role; 4] = [
    static_pod("etcd", "etcd", "the API server can neither read nor write: nothing works"),
    static_pod(
        "kube-apiserver",
        "kube-apiserver",
        "kubectl, nodes and controllers cannot reach this API server",
    ),
    static_pod(
        "kube-controller-manager",
        "controller-manager",
        "this node's controller manager handles no CronJobs, Deployments or node health",
    ),
    static_pod("kube-scheduler", "scheduler", "this node's scheduler schedules no new pods"),
];

/// That of a component of the control plane, by the name of its program.
pub(crate) fn component(name: &str) -> Option<&'static Role> {
    STATIC_PODS.iter().find(|role| role.id == name)
}

const fn self_made(owner: &'static str, command: &'static str) -> Role {
    Role {
        id: "self-made-serving",
        title: "serving, in memory",
        owner,
        kind: CertificateKind::MinorLeaf,
        renewer: RenewedBy::Restart,
        ca: None,
        impact: "metrics scrapers that check its expiry reject it; nothing else uses it",
        command,
    }
}

/// What kube-controller-manager and kube-scheduler make for themselves at each start, for a year
/// (`GenerateSelfSignedCertKey` in client-go's util/cert).
pub(crate) static SELF_MADE: [Role; 2] = [
    self_made("controller-manager", "pkill -x kube-controller"),
    self_made("scheduler", "pkill -x kube-scheduler"),
];
