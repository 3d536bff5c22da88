//! Renewal on a real node: facts, steps, proofs. What is to be done is decided in
//! `domain::renewal`; here it is done, bounded in time and size, and its outcome reported.

pub mod control_plane;
pub mod kubelet;
pub mod memory;
pub mod places;

pub use memory::Memory;
pub use places::Places;
