//! The channels: one module each, and what they have in common.
//!
//! A channel makes one attempt, bounded in time and size, and says how it ended. When to try again
//! is the ledger's decision.

pub mod email;
pub mod secret;
pub mod tls;

use std::time::Duration;

/// Longest time for one attempt on any channel, connecting and name lookup included.
pub const ATTEMPT: Duration = Duration::from_secs(30);

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
