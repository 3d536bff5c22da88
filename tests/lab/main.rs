//! End-to-end tests on a real kubeadm control plane. `make test-lab` runs them; see docs/lab.md.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

#[path = "../common/mod.rs"]
mod common;
mod harness;

mod ageing;
mod check;
mod daemon;
mod itself;
mod renew_crash;
mod renewal;
mod rescue;
