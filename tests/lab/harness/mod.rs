//! What the tests drive the lab with.
#![allow(
    dead_code,
    unused_imports,
    reason = "the lab's tests, the matrix and the year use their part of it"
)]

mod campaign;
mod cluster;
mod control_plane;
mod expired;
mod node;
mod outage;
mod package;
mod renewer;
mod wait;
mod watch;

pub(crate) use campaign::{Campaign, Wish, certwatch, piped, traced};
pub(crate) use cluster::{Cluster, LAB, kubernetes};
pub(crate) use control_plane::{
    COMPONENTS, CONTROLLER_MANAGER, ETCD, Fingerprint, KUBELET_CLIENT, READY, SCHEDULER,
};
pub(crate) use expired::YEAR;
pub(crate) use node::Node;
pub(crate) use outage::{Outage, Poll};
pub(crate) use package::{
    bring, follow, install, mail_server, package, property, readme, wait_for_mail,
};
pub(crate) use renewer::{CERTWATCH, Run, STAND_IN, WORK};
pub(crate) use wait::wait_for;
pub(crate) use watch::Watch;
