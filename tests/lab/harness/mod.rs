//! What the tests drive the lab with.

mod cluster;
mod node;
mod outage;
mod wait;

pub(crate) use cluster::{Cluster, LAB, script};
pub(crate) use node::Node;
pub(crate) use outage::Poll;
pub(crate) use wait::wait_for;
