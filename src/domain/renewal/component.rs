//! The four static pods of a control plane, and which certificates each of them uses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::kubernetes::{Feature, Version};
use crate::domain::time::Span;

/// A static pod of the control plane, in the order in which they are activated: each relies on those
/// before it (`cmd/kubeadm/app/phases/upgrade/staticpods.go` goes the same way).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// etcd, where it runs on this node.
    Etcd,
    /// kube-apiserver.
    Apiserver,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
}

impl Component {
    /// All of them, in order.
    pub const ALL: [Self; 4] =
        [Self::Etcd, Self::Apiserver, Self::ControllerManager, Self::Scheduler];

    /// Name of its program, of its container, and of its manifest without `.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// The name, if it is that of one of them.
    pub(crate) fn name_of(name: &str) -> Option<&'static str> {
        Self::ALL.map(Self::name).into_iter().find(|it| *it == name)
    }

    /// The certificates that it uses, by kubeadm's NAME
    /// (`renewCertsByComponent` in kubeadm's `phases/upgrade/staticpods.go`).
    pub const fn uses(self) -> &'static [&'static str] {
        match self {
            Self::Etcd => &["etcd-server", "etcd-peer", "etcd-healthcheck-client"],
            Self::Apiserver => &[
                "apiserver",
                "apiserver-etcd-client",
                "apiserver-kubelet-client",
                "front-proxy-client",
            ],
            Self::ControllerManager => &["controller-manager.conf"],
            Self::Scheduler => &["scheduler.conf"],
        }
    }

    /// Whether it reads renewed files by itself, without a restart.
    ///
    /// etcd reads its pairs at each handshake since 3.2, so any that kubeadm installs. kube-apiserver
    /// reads its serving pair and its front-proxy pair again each minute and its other client pairs
    /// at new connections, from the version on that the table of versions says. The other two hold what
    /// their kubeconfig said when they started.
    pub fn reloads(self, version: Option<Version>) -> bool {
        match self {
            Self::Etcd => true,
            Self::Apiserver => version.is_some_and(|it| it.has(Feature::ReloadsCertificates)),
            Self::ControllerManager | Self::Scheduler => false,
        }
    }

    /// How long the API is away while the API server or etcd is restarted, on a single control plane, and how long
    /// nobody leads while one of the other two is. Measured in the lab on 1.20 and 1.37 (docs/performance.md): an etcd
    /// waits 7 s for the watches of an API server that runs on.
    pub fn outage(self, version: Option<Version>) -> Span {
        Span::seconds(match self {
            Self::Apiserver if version.is_some_and(|it| it.has(Feature::StartsQuickly)) => 10,
            Self::Apiserver => 15,
            Self::Etcd => 10,
            Self::ControllerManager | Self::Scheduler => 17,
        })
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
