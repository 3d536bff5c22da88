//! End-to-end tests on a real kubeadm control plane. `make test-lab` runs them; see docs/lab.md.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests, their helpers included"
)]

#[path = "../common/mod.rs"]
mod common;
mod harness;

mod ageing;
mod check;
mod control_plane;
mod daemon;
mod in_use;
mod itself;
mod kubelet;
mod odd_clusters;
mod other_places;
mod other_pods;
mod package;
mod remedies;
mod renew_crash;
mod renew_faults;
mod renew_pairs;
mod renew_strangers;
mod renewal;
mod rescue;
mod strangers;
mod upgrade;
