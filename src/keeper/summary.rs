//! The state of things in one line, for `systemctl status` and heartbeats.

use super::Keeper;
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;
use crate::notify::route;

/// `14 certificates; 1 critical; next: apiserver in 27 d; email ok; slack fails since …`.
pub(super) fn line(keeper: &Keeper, now: UnixTime) -> String {
    let mut parts = vec![scan(keeper)];
    parts.extend(keeper.troubles.briefs().map(ToOwned::to_owned));
    let count = |severity| {
        keeper.memory.ledger.open.values().filter(|open| open.level.severity == severity).count()
    };
    for severity in [Severity::Critical, Severity::Unknown, Severity::Warning] {
        if count(severity) > 0 {
            parts.push(format!("{} {}", count(severity), severity.name()));
        }
    }
    if let Some((name, at)) = keeper.memory.scan.as_ref().and_then(|scan| scan.next.as_ref()) {
        parts.push(format!("next: {name} in {}", *at - now));
    }
    parts.extend(channels(keeper));
    parts.join("; ")
}

fn scan(keeper: &Keeper) -> String {
    match &keeper.memory.scan {
        None => "the first scan has not ended".to_owned(),
        Some(scan) if scan.failure.is_some() => "cannot look at this node".to_owned(),
        Some(scan) => format!("{} certificates", scan.judged),
    }
}

/// How each channel is.
fn channels(keeper: &Keeper) -> Vec<String> {
    if keeper.specs.is_empty() {
        return vec!["nobody is told: no channel is configured".to_owned()];
    }
    let mut channels: Vec<_> = keeper.specs.iter().map(|spec| route::channel(&spec.id)).collect();
    channels.dedup();
    channels.into_iter().map(|it| format!("{it} {}", state(keeper, it))).collect()
}

/// One receiver that fails makes its channel fail; one that was reached makes it work.
fn state(keeper: &Keeper, channel: &str) -> &'static str {
    let specs = keeper.specs.iter().filter(|spec| route::channel(&spec.id) == channel);
    let receivers = specs.filter_map(|spec| keeper.memory.ledger.receivers.get(&spec.id));
    let health: Vec<_> = receivers.map(|receiver| &receiver.health).collect();
    if health.iter().any(|it| it.failing_since.is_some()) {
        "fails"
    } else if health.iter().any(|it| it.last_success.is_some()) {
        "ok"
    } else {
        "not tried yet"
    }
}
