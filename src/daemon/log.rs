//! What the daemon logs: each thing once, in words, with fields for machines.

use crate::domain::ledger::{Body, Delivery, Notice, OpenAlert};
use crate::domain::message::{AlertChange, Message};
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;
use crate::monitor::{Evaluation, Monitor};
use crate::notify::{Failure, FailureKind, Receipt, route};

pub(super) fn started(monitor: &Monitor) {
    let receivers: Vec<_> = monitor.specs.iter().map(|spec| spec.id.shown()).collect();
    let told = if receivers.is_empty() {
        "none, this log is all there is".to_owned()
    } else {
        receivers.join(", ")
    };
    tracing::info!(node = %monitor.node.name, version = env!("CARGO_PKG_VERSION"), "started; notifications go to: {told}");
}

pub(super) fn ready(monitor: &Monitor, now: UnixTime) {
    let watch = &monitor.memory().writer.watch;
    tracing::info!(node = %monitor.node.name, watch, "{}", monitor.summary(now));
}

pub(super) fn seen(monitor: &Monitor, evaluation: &Evaluation, now: UnixTime) {
    for open in &evaluation.opened {
        opened(&monitor.node.name, open);
    }
    for open in &evaluation.closed {
        let name = &open.text.name;
        tracing::info!(node = %monitor.node.name, place = %open.text.place, "{name}: resolved");
    }
    if let Some(then) = evaluation.scan_again {
        tracing::debug!("next scan in {}", then - now);
    }
}

fn opened(node: &str, open: &OpenAlert) {
    let text = &open.text;
    let (name, summary, place) = (&text.name, &text.summary, &text.place);
    let code = open.level.codes.first().map(String::as_str).unwrap_or_default();
    match open.level.severity {
        Severity::Critical => tracing::error!(node, place, code, "CRITICAL: {name} {summary}"),
        Severity::Unknown => tracing::error!(node, place, code, "UNKNOWN: {name} {summary}"),
        Severity::Warning | Severity::Ok => {
            tracing::warn!(node, place, code, "WARNING: {name} {summary}");
        }
    }
}

/// How a renewal ended; with the details, since the renewer's own words may be elsewhere.
pub(super) fn renewal(node: &str, notice: &Notice) {
    let Notice { headline, text, .. } = notice;
    let text = text.join(" ");
    match notice.severity {
        Severity::Critical | Severity::Unknown => tracing::error!(node, "{headline}. {text}"),
        Severity::Warning => tracing::warn!(node, "{headline}. {text}"),
        Severity::Ok => tracing::info!(node, "{headline}. {text}"),
    }
}

pub(super) fn delivered(delivery: &Delivery, result: &Result<Receipt, Failure>) {
    let to = delivery.receiver.shown();
    let id = &delivery.id;
    match (&delivery.body, result) {
        (Body::Message(message), Ok(_)) if is_refresh(delivery, message) => {
            let count = message.firing.len();
            tracing::debug!(receiver = %delivery.receiver.0, id, count, "notified {to}: no change");
        }
        (Body::Message(message), Ok(_)) => {
            let what = format!("{} {}", message.tag(), message.headline);
            tracing::info!(receiver = %delivery.receiver.0, id, "notified {to}: {what}");
        }
        (Body::Heartbeat { is_well, .. }, Ok(_)) => {
            tracing::debug!(receiver = %delivery.receiver.0, is_well, "heartbeat");
        }
        (_, Err(Failure { reason, kind: FailureKind::Permanent })) => {
            tracing::error!(receiver = %delivery.receiver.0, id, "{to} rejects messages: {reason}");
        }
        (_, Err(Failure { reason, .. })) => {
            tracing::warn!(receiver = %delivery.receiver.0, id, "{to} failed, retrying: {reason}");
        }
    }
}

/// True for what an Alertmanager is sent every few minutes only because it forgets.
fn is_refresh(delivery: &Delivery, message: &Message) -> bool {
    route::channel(&delivery.receiver) == "alertmanager"
        && message.resolved.is_empty()
        && message.firing.iter().all(|it| it.change == AlertChange::Still)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{AlertId, AlertText, Level};
    use crate::domain::cluster::NodeIdentity;
    use crate::domain::ledger::ReceiverId;
    use crate::domain::message::{Firing, MessageKind};

    fn message(changes: &[AlertChange]) -> Message {
        let text = AlertText {
            name: "apiserver".to_owned(),
            title: String::new(),
            place: String::new(),
            summary: "expires in 5 d".to_owned(),
            expires: None,
            lines: Vec::new(),
            automatic: String::new(),
            remedies: Vec::new(),
        };
        let level = Level { severity: Severity::Warning, threshold: None, codes: Vec::new() };
        let firing = |change: &AlertChange| Firing {
            id: AlertId(String::new()),
            change: *change,
            level: level.clone(),
            since: UnixTime::new(0),
            text: text.clone(),
        };
        Message {
            id: String::new(),
            thread: String::new(),
            kind: MessageKind::Alert,
            node: NodeIdentity::of_node("cp1"),
            former: None,
            at: UnixTime::new(0),
            severity: Severity::Warning,
            headline: String::new(),
            text: Vec::new(),
            firing: changes.iter().map(firing).collect(),
            resolved: Vec::new(),
            next: String::new(),
        }
    }

    #[test]
    fn only_an_alertmanager_is_refreshed_with_what_it_knows() {
        let is_it = |receiver: &str, changes: &[AlertChange]| {
            let message = message(changes);
            let receiver = ReceiverId(receiver.to_owned());
            let body = Body::Message(Box::new(message.clone()));
            is_refresh(&Delivery::message(&receiver, body, String::new()), &message)
        };
        let known = [AlertChange::Still, AlertChange::Still];
        assert!(is_it("alertmanager:http://127.0.0.1:9093", &known));
        assert!(!is_it(
            "alertmanager:http://127.0.0.1:9093",
            &[AlertChange::Still, AlertChange::New]
        ));
        assert!(!is_it("slack", &known), "there it is a reminder for people");
    }
}
