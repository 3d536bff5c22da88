//! certwatch keeps a kubeadm control plane from dying of expired certificates.
pub mod domain;
pub mod report;
