//! Renewal: what is due, what has to be restarted for it, in which order all of it happens, and what
//! follows a failure.
//!
//! Pure: the edge (`renew/`) gathers facts and carries out steps, one at a time; everything that is
//! decided is decided here.

pub(crate) mod acceptance;
pub(crate) mod back_off;
pub mod blocker;
pub(crate) mod clock;
pub(crate) mod component;
pub mod copy;
pub(crate) mod decide;
pub(crate) mod hook;
pub(crate) mod journal;
pub mod kubeadm_config;
pub(crate) mod kubelet;
pub(crate) mod kubelet_renewal;
pub(crate) mod leadership;
pub(crate) mod leftover;
pub(crate) mod machine;
pub(crate) mod maintenance_window;
pub(crate) mod organisation;
pub(crate) mod other_pod;
pub(crate) mod path_blocker;
pub mod plan;
pub(crate) mod present;
pub(crate) mod rate_limit;
pub mod restart;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod skew;
pub(crate) mod termination;
pub(crate) mod words;

use serde::{Deserialize, Serialize};

pub use component::Component;
pub use journal::{FileChange, Journal, Live, Outcome, Step, Task};
pub use machine::Done;
pub use maintenance_window::MaintenanceWindow;

/// Why a step did not do what it is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{what}")]
pub struct Fault {
    /// What follows from it.
    pub kind: FaultKind,
    /// What went wrong, where, and what to do: whole sentences without the last full stop, safe to
    /// print, without a byte of a key.
    pub what: String,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The step failed.
    Failed,
    /// A component did not take the new certificate in time, but is otherwise well: to restart it
    /// may help.
    NotTaken,
    /// The step failed before it changed anything.
    Untouched,
}

/// How something ended that follows the proof, and undoes no renewal.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SideResult {
    /// It was not its turn, or it has none.
    #[default]
    Pending,
    /// It is done.
    Done,
    /// It failed: a note says why.
    Failed,
}

impl Fault {
    /// A step that failed.
    pub fn failed(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Failed, what: what.into() }
    }

    /// A component that did not take the new certificate in time.
    pub(crate) fn not_taken(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::NotTaken, what: what.into() }
    }
}
