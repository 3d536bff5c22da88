//! Nodes as people have reported them: what is right for each, and for the nodes like it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod advice;
mod anchors;
mod forms;
