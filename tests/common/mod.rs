//! What several tests share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses its part of it"
)]

#[cfg(test)]
pub mod dice;
#[cfg(test)]
pub mod endpoint;
#[cfg(test)]
pub mod events;
#[cfg(test)]
pub mod kubeadm;
#[cfg(test)]
pub mod made;
#[cfg(test)]
pub mod manager;
pub mod manifests;
#[cfg(test)]
pub mod message;
pub mod node;
#[cfg(test)]
pub mod parity;
pub mod pki;
#[cfg(test)]
pub mod plain;
#[cfg(test)]
pub mod port;
#[cfg(test)]
pub mod proxy;
#[cfg(test)]
pub mod receiver;
#[cfg(test)]
pub mod run;
#[cfg(test)]
pub mod server;
#[cfg(test)]
pub mod slack;
#[cfg(test)]
pub mod smtp;
#[cfg(test)]
pub mod stage;
#[cfg(test)]
pub mod wait;
