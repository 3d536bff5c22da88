//! The state of things in one line, for `systemctl status` and heartbeats.

use super::Monitor;
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;
use crate::notify::route;

/// `14 certificates; 1 critical; next: apiserver in 27 d; email ok; slack fails since …`.
pub(super) fn line(monitor: &Monitor, now: UnixTime) -> String {
    let mut parts = vec![scan(monitor)];
    parts.extend(monitor.self_alerts.briefs().map(ToOwned::to_owned));
    let count = |severity| {
        monitor.memory.ledger.open.values().filter(|open| open.level.severity == severity).count()
    };
    for severity in [Severity::Critical, Severity::Unknown, Severity::Warning] {
        if count(severity) > 0 {
            parts.push(format!("{} {}", count(severity), severity.name()));
        }
    }
    if let Some((name, at)) = monitor.memory.scan.as_ref().and_then(|scan| scan.next.as_ref()) {
        parts.push(format!("next: {name} in {}", *at - now));
    }
    parts.extend(channels(monitor));
    parts.join("; ")
}

fn scan(monitor: &Monitor) -> String {
    match &monitor.memory.scan {
        None => "the first scan has not finished".to_owned(),
        Some(scan) if scan.failure.is_some() => "cannot scan this node".to_owned(),
        Some(scan) => format!("{} certificates", scan.judged),
    }
}

/// How each channel is.
fn channels(monitor: &Monitor) -> Vec<String> {
    if monitor.specs.is_empty() {
        return vec!["no notification channel is configured".to_owned()];
    }
    let mut channels: Vec<_> = monitor.specs.iter().map(|spec| route::channel(&spec.id)).collect();
    channels.dedup();
    channels.into_iter().map(|it| format!("{it} {}", state(monitor, it))).collect()
}

/// One receiver that fails makes its channel fail; one that was reached makes it work.
fn state(monitor: &Monitor, channel: &str) -> &'static str {
    let specs = monitor.specs.iter().filter(|spec| route::channel(&spec.id) == channel);
    let receivers = specs.filter_map(|spec| monitor.memory.ledger.receivers.get(&spec.id));
    let health: Vec<_> = receivers.map(|receiver| &receiver.health).collect();
    if health.iter().any(|it| it.failing_since.is_some()) {
        "failing"
    } else if health.iter().any(|it| it.last_success.is_some()) {
        "ok"
    } else {
        "not tried yet"
    }
}
