//! How a component of the control plane is made to use new files, and proved to.

mod activation;
pub(crate) mod other_pod;
mod parked_manifest;
mod restart;
mod termination;
#[cfg(test)]
mod tests;
mod wait;

pub use parked_manifest::put_manifests_back;
