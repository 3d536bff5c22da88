//! What the tests drive the lab with.

mod cluster;
mod control_plane;
mod node;
mod outage;
mod renewer;
mod wait;
mod watch;

pub(crate) use cluster::Cluster;
pub(crate) use control_plane::{
    COMPONENTS, CONTROLLER_MANAGER, ETCD, Fingerprint, KUBELET_CLIENT, READY, SCHEDULER,
};
pub(crate) use node::Node;
pub(crate) use outage::{Outage, Poll};
pub(crate) use renewer::{CERTWATCH, Run, STAND_IN, WORK};
pub(crate) use wait::wait_for;
pub(crate) use watch::Watch;
