//! `certwatch run` and what shares its memory, against the real binary, a node that is laid out, and
//! a receiver on this host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;

mod check_notify;
mod clock;
mod cluster;
mod endpoint;
mod notify_failure;
mod notify_test;
mod outage;
mod reload;
mod renewals;
mod secrets;
mod state;
mod status;
mod stop;
mod systemd;
mod telling;
mod transient;
