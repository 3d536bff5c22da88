//! The files: backed up, staged, inspected, installed, and put back.

pub mod backup;
pub(super) mod blockers;
pub(super) mod ca_bundle;
pub mod copies;
pub mod copy;
pub mod files;
pub mod inspect;
pub mod install;
pub(crate) mod pairs;
pub mod stage;
