//! Renewal on a real node: facts, steps, proofs. What is to be done is decided in
//! `domain::renewal`; here it is done, bounded in time and size, and its outcome reported.

pub mod control_plane;
pub(crate) mod engine;
pub mod facts;
pub(crate) mod hook;
pub mod kubeadm;
mod kubelet;
pub(crate) mod memory;
mod program;
pub(crate) mod shutdown;
#[cfg(test)]
mod testing;
pub mod tree;

pub use engine::Renewer;
pub use memory::RenewerState;
