//! Pure decisions: data in, data out.
//!
//! Nothing here asks the clock, the disk or the environment: `now` is an argument. The lint
//! below turns a slip into a compile error; its list is in `clippy.toml`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod advice;
pub mod alert;
pub mod cluster;
pub mod endpoint;
pub(crate) mod held;
pub mod hostname;
pub mod kubernetes;
pub mod layout;
pub(crate) mod ledger;
pub mod message;
pub mod model;
pub(crate) mod names;
pub mod policy;
pub(crate) mod proxy;
pub(crate) mod reference;
pub mod renewal;
pub mod role;
pub(crate) mod scans;
pub mod text;
pub mod time;
