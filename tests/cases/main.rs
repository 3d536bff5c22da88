//! Nodes from public reports, each of a kind that a monitor can misjudge.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod advice;
mod anchors;
mod forms;
mod named;
mod refused;
