//! Years of a node in minutes: the package on a node whose clock is moved, from one cluster that is as kubeadm left it.
//! `make lab-year` runs it; see docs/lab.md.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests, their helpers included"
)]

#[path = "../../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;

mod absence;
mod renewals;
mod warnings;
mod year;
