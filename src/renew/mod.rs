//! Renewal on a real node: facts, steps, proofs. What is to be done is decided in
//! `domain::renewal`; here it is done, bounded in time and size, and its outcome reported.

pub mod backup;
pub mod cluster_config;
pub mod control_plane;
pub mod copies;
pub mod copy;
mod credential;
pub(crate) mod engine;
pub(crate) mod facts;
pub mod files;
pub mod inspect;
pub mod install;
pub mod kubeadm;
pub(crate) mod kubelet;
pub(crate) mod manifests;
pub(crate) mod memory;
pub(crate) mod node_paths;
pub(crate) mod pairs;
pub mod preflight;
mod present;
mod program;
pub(crate) mod shutdown;
pub mod stage;
#[cfg(test)]
mod testing;
mod tree_blockers;
mod trusted_file;

pub use engine::Renewer;
pub use memory::RenewerState;
pub use node_paths::NodePaths;
