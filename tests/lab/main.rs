//! End-to-end tests on a real kubeadm control plane. `make test-lab` runs them; see docs/lab.md.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests, their helpers included")]

mod harness;

mod ageing;
mod itself;
