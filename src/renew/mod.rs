//! Renewal on a real node: facts, steps, proofs. What is to be done is decided in
//! `domain::renewal`; here it is done, bounded in time and size, and its outcome reported.

pub mod backup;
pub mod copies;
mod credential;
pub mod files;
pub mod inspect;
pub mod install;
pub mod kubeadm;
mod manifests;
pub mod places;
pub mod preflight;
mod program;
pub mod stage;
#[cfg(test)]
mod testing;

pub use places::Places;
