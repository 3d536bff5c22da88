//! What both forms of a mail say alike.

use crate::domain::alert::AlertText;
use crate::domain::message::{AlertChange, Firing, MOST_SHOWN, Message, MessageKind, Resolved};
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;

/// The first line: `CRITICAL on cp1: apiserver expires in 5 d`.
pub(super) fn heading(message: &Message) -> String {
    format!("{} on {}: {}", message.tag(), message.node, message.headline)
}

/// How many of what: `2 critical, 1 warning, 1 resolved`; empty for one alone.
pub(super) fn counts(message: &Message) -> String {
    let of = |severity| message.firing.iter().filter(|it| it.level.severity == severity).count();
    let counts = [
        (of(Severity::Critical), "critical"),
        (of(Severity::Unknown), "unknown"),
        (of(Severity::Warning), "warning"),
        (message.resolved.len(), "resolved"),
    ];
    if message.firing.len() + message.resolved.len() < 2 {
        return String::new();
    }
    let some = counts.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// `2026-11-23 02:00 UTC`.
pub(super) fn moment(at: UnixTime) -> String {
    let text = at.to_string();
    match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
        Some((date, time)) => format!("{date} {} UTC", time.get(..5).unwrap_or(time)),
        None => text,
    }
}

/// `2026-11-28 02:00 UTC, in 5 d`.
pub(super) fn when(at: UnixTime, now: UnixTime) -> String {
    let distance = at - now;
    match distance.is_negative() {
        true => format!("{}, {distance} ago", moment(at)),
        false => format!("{}, in {distance}", moment(at)),
    }
}

/// The facts below the sentences: when it ends, since when it is known, what happens by itself.
pub(super) fn facts(firing: &Firing, now: UnixTime) -> Vec<String> {
    let text = &firing.text;
    let end = text.expires.map(|at| format!("Expires: {}", when(at, now)));
    let is_known = firing.change != AlertChange::New && firing.since < now;
    let since = is_known.then(|| format!("Known since: {}", when(firing.since, now)));
    let automatic = Some(text.automatic.clone()).filter(|text| !text.is_empty());
    [end, since, automatic].into_iter().flatten().collect()
}

/// Where it is, if its name does not say that.
pub(super) fn place(text: &AlertText) -> &str {
    if text.place == text.name { "" } else { &text.place }
}

/// What happened to an alert since it was told last.
pub(super) fn change(change: AlertChange) -> &'static str {
    match change {
        AlertChange::New => "NEW",
        AlertChange::Worse => "WORSE",
        AlertChange::Better => "BETTER",
        AlertChange::Still => "STILL",
    }
}

/// What precedes the sentences of a message that is no alert.
pub(super) fn lead(message: &Message) -> Option<&'static str> {
    match message.kind {
        MessageKind::Test => Some("This is a test. Nothing is wrong, and nothing has to be done."),
        MessageKind::Alert | MessageKind::News | MessageKind::Resolved | MessageKind::Renewal => {
            None
        }
    }
}

/// How bad it was and how long.
pub(super) fn was(resolved: &Resolved) -> String {
    let length = resolved.at - resolved.since;
    let severity = match resolved.level.severity {
        Severity::Warning => "a warning",
        severity => severity.name(),
    };
    format!("was {severity} for {length}, since {}", moment(resolved.since))
}

/// What stands for those beyond [`MOST_SHOWN`].
pub(super) fn beyond(count: usize, node: &str) -> Option<String> {
    let more = count.checked_sub(MOST_SHOWN).filter(|more| *more > 0)?;
    Some(format!("And {more} more: `certwatch check` on {node} shows all."))
}

/// Who sends this, and where to see more.
pub(super) fn footer(message: &Message) -> String {
    format!(
        "certwatch {} on {}. All certificates of the node: `certwatch check`",
        env!("CARGO_PKG_VERSION"),
        message.node
    )
}

/// With a capital letter, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
