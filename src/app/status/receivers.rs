//! What is known of receivers: how each was reached, and what it has still to be told.

use serde::Serialize;

use crate::domain::ledger::ReceiverSpec;
use crate::domain::time::UnixTime;
use crate::monitor::MonitorState;
use crate::report::lines::{columns, line};

use super::{ago, rfc3339};

/// How it was reached last.
#[derive(Clone, Copy, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReceiverState {
    Ok,
    /// Nothing has been due to it.
    Untried,
    /// This may go away without anybody's help.
    Failing,
    /// It refuses what it gets: somebody has to fix that.
    Rejected,
}

/// What is printed; the names of the fields are those of the JSON.
#[derive(Serialize)]
pub(super) struct ReceiverStatus {
    receiver: String,
    #[serde(skip)]
    shown: String,
    state: ReceiverState,
    #[serde(serialize_with = "rfc3339")]
    last_success: Option<UnixTime>,
    #[serde(serialize_with = "rfc3339")]
    last_failure: Option<UnixTime>,
    last_error: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    next_attempt: Option<UnixTime>,
    delivered: u64,
    pending: usize,
}

/// A row for each, and why the last attempt failed.
pub(super) fn table(receivers: &[ReceiverStatus], out: &mut String, now: UnixTime) {
    if receivers.is_empty() {
        out.push_str("No notification channel is configured.\n");
        return;
    }
    let when = |at: Option<UnixTime>| at.map_or("never".to_owned(), |at| ago(at, now));
    let rows = receivers.iter().map(|it| {
        let pending = it.pending.to_string();
        let state = it.state.shown().to_owned();
        [it.shown.clone(), state, when(it.last_success), when(it.last_failure), pending]
    });
    columns(out, ["CHANNEL", "STATE", "LAST SUCCESS", "LAST FAILURE", "PENDING"], rows, None);
    for receiver in receivers.iter().filter(|it| it.state != ReceiverState::Ok) {
        if let Some(failure) = &receiver.last_error {
            line(out, &format!("{}: {failure}", receiver.shown));
        }
    }
}

impl ReceiverState {
    fn shown(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Untried => "not tried yet",
            Self::Failing => "FAILING",
            Self::Rejected => "REJECTED",
        }
    }
}

impl ReceiverStatus {
    pub(super) fn of(spec: &ReceiverSpec, memory: &MonitorState, now: UnixTime) -> Self {
        let known = memory.ledger.receivers.get(&spec.id);
        let health = known.map(|it| it.health.clone()).unwrap_or_default();
        let state = match health.failing_since {
            None if health.last_success.is_none() => ReceiverState::Untried,
            None => ReceiverState::Ok,
            Some(_) if health.is_refused => ReceiverState::Rejected,
            Some(_) => ReceiverState::Failing,
        };
        Self {
            receiver: spec.id.0.clone(),
            shown: spec.id.shown(),
            state,
            next_attempt: health.next_attempt(now),
            last_success: health.last_success,
            last_failure: health.last_failure,
            last_error: health.reason,
            delivered: known.map_or(0, |it| it.count),
            pending: memory.ledger.queue(spec),
        }
    }
}
