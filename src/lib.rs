//! certwatch keeps a kubeadm control plane from dying of expired certificates.

pub mod app;
pub mod config;
pub mod domain;
pub mod exit;
pub mod parse;
pub mod report;
pub mod scan;
