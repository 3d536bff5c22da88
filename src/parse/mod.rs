//! Pure parsing: bytes in, observations out. Private keys are stepped over, never decoded.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod algorithm;
mod cgroup;
pub(crate) mod chain;
pub(crate) mod cluster_config;
pub(crate) mod components;
pub(crate) mod container_log;
pub(crate) mod credential;
mod defects;
pub mod der;
pub(crate) mod duration;
pub(crate) mod etcd;
mod form;
pub mod kubeconfig;
pub(crate) mod kubeconfig_document;
pub(crate) mod kubelet;
pub(crate) mod kubelet_settings;
pub(crate) mod listeners;
pub(crate) mod mailbox;
pub mod manifest;
pub(crate) mod mountinfo;
pub mod pem;
pub mod pem_header;
pub mod process;
pub mod public_key;
mod rustcrypto;
pub(crate) mod secret;
mod signature;
pub mod strict_pem;
mod text;
pub mod x509;
pub(crate) mod yaml;

pub use form::{Form, form};

/// True if `needle` occurs in `haystack`.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
