//! What the daemon logs: each thing once, in words, with fields for machines.

use crate::domain::ledger::{Body, Delivery, Open};
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;
use crate::keeper::{Keeper, Seen};
use crate::notify::{Failure, FailureKind, Receipt};

pub(super) fn started(keeper: &Keeper) {
    let receivers: Vec<_> = keeper.specs.iter().map(|spec| spec.id.shown()).collect();
    let told = if receivers.is_empty() {
        "nobody: no channel is configured, so this log is all there is".to_owned()
    } else {
        receivers.join(", ")
    };
    tracing::info!(node = %keeper.node, version = env!("CARGO_PKG_VERSION"), "started; told is {told}");
}

/// Without inotify certwatch works, but later than people expect.
pub(super) fn polling(why: &str, seconds: u64) {
    tracing::warn!("changes of files are noticed every {seconds} s, not at once: {why}");
}

pub(super) fn ready(keeper: &Keeper, now: UnixTime) {
    let watch = &keeper.memory().writer.watch;
    tracing::info!(node = %keeper.node, watch, "{}", keeper.summary(now));
}

pub(super) fn seen(keeper: &Keeper, seen: &Seen, now: UnixTime) {
    for open in &seen.opened {
        opened(&keeper.node, open);
    }
    for open in &seen.closed {
        let name = &open.words.name;
        tracing::info!(node = %keeper.node, place = %open.words.place, "{name}: no longer wrong");
    }
    if let Some(then) = seen.scan_again {
        tracing::debug!("something has to be seen again in {}", then - now);
    }
}

fn opened(node: &str, open: &Open) {
    let words = &open.words;
    let (name, brief, place) = (&words.name, &words.brief, &words.place);
    let code = open.level.codes.first().map(String::as_str).unwrap_or_default();
    match open.level.severity {
        Severity::Critical => tracing::error!(node, place, code, "CRITICAL: {name} {brief}"),
        Severity::Unknown => tracing::error!(node, place, code, "UNKNOWN: {name} {brief}"),
        Severity::Warning | Severity::Ok => {
            tracing::warn!(node, place, code, "WARNING: {name} {brief}");
        }
    }
}

pub(super) fn delivered(delivery: &Delivery, result: &Result<Receipt, Failure>) {
    let to = delivery.receiver.shown();
    let id = &delivery.id;
    match (&delivery.body, result) {
        (Body::Message(message), Ok(_)) => {
            let what = format!("{} {}", message.tag(), message.headline);
            tracing::info!(receiver = %delivery.receiver.0, id, "told {to}: {what}");
        }
        (Body::Beat { is_well, .. }, Ok(_)) => {
            tracing::debug!(receiver = %delivery.receiver.0, is_well, "heartbeat");
        }
        (_, Err(Failure { reason, kind: FailureKind::Permanent })) => {
            tracing::error!(receiver = %delivery.receiver.0, id, "{to} refuses: {reason}");
        }
        (_, Err(Failure { reason, .. })) => {
            tracing::warn!(receiver = %delivery.receiver.0, id, "{to} is tried again: {reason}");
        }
    }
}
