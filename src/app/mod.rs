//! The verbs.

pub mod config;
