//! The channels: one module each, and what they have in common.
//!
//! A channel makes one attempt, bounded in time and size, and says how it ended. When to try again
//! is the ledger's decision.

pub mod alertmanager;
pub mod email;
pub mod heartbeat;
pub mod http;
mod labels;
pub mod pagerduty;
pub(crate) mod route;
pub(crate) mod secret;
pub mod slack;
pub(crate) mod tls;
pub mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, HttpConfig};
use crate::hangs::Hangs;

/// Longest time for one attempt on any channel, connecting and name lookup included.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(30);

/// How the other side is reached: what holds for all channels.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// More CAs to trust: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// How HTTP goes out.
    pub http: HttpConfig,
    /// Where threads hang that have gone to read a file.
    pub hangs: Arc<Hangs>,
}

impl Network {
    /// What `config` says of it.
    pub fn of(config: &Config, hangs: &Arc<Hangs>) -> Self {
        Self {
            ca_file: config.alerts.ca_file.clone(),
            http: config.http.clone(),
            hangs: hangs.clone(),
        }
    }
}

/// What the other side gave back for a message that it has taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    /// Where later messages of the same thread go: Slack's `ts` of the first.
    pub thread: Option<String>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What went wrong and what to do, one line, safe to print. No secret is in it, and no URL that
    /// is one.
    pub reason: String,
    /// Whether trying again can help.
    pub kind: FailureKind,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// It can; not before this long, if the other side said so (1 s to 1 h).
    Transient(Option<Duration>),
    /// Somebody has to change something first.
    Permanent,
}

impl Failure {
    /// One that may go away by itself.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: FailureKind::Transient(None) }
    }

    /// One that somebody has to mend.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: FailureKind::Permanent }
    }
}
