//! PagerDuty, Events API v2:
//! <https://developer.pagerduty.com/docs/send-alert-event>.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::http::{self, Endpoint, HttpRequest, HttpResponse};
use super::{Failure, Network, labels, secret};
use crate::config::channels::PagerDutyConfig;
use crate::domain::alert::{AlertId, Level};
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::{Firing, MOST_SHOWN, Message, MessageKind};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;

/// Most characters of a summary.
const MAX_SUMMARY: usize = 1024;

/// Most bytes of an event.
const MAX_EVENT: usize = 512_000;

/// Sends what `message` says: of alerts, the node's incident.
///
/// # Errors
/// PagerDuty did not take it.
pub async fn send(
    settings: &PagerDutyConfig,
    network: &Network,
    message: &Message,
) -> Result<(), Failure> {
    let endpoint = Endpoint::new("PagerDuty", &settings.url)?;
    let key = secret::reveal(&settings.routing_key, network).await?;
    for mut event in events(message) {
        event["routing_key"] = json!(key.expose());
        shrink(&mut event);
        let answer = http::send(HttpRequest::json(endpoint.clone(), &event), network).await?;
        if answer.status != 202 {
            return Err(refusal(&endpoint, &answer, key.expose()));
        }
    }
    Ok(())
}

fn refusal(endpoint: &Endpoint, answer: &HttpResponse, key: &str) -> Failure {
    let status = answer.status;
    match status {
        400 => {
            let why = format!("returned HTTP 400: {}", reasons(&answer.body, key));
            endpoint.permanent(&format!(
                "{why}; is pagerduty.routing-key that of an Events API v2 integration?"
            ))
        }
        429 => answer.transient(endpoint, "returned HTTP 429: too many events, certwatch waits"),
        _ => answer.failure(endpoint, &format!("returned HTTP {status}")),
    }
}

/// What PagerDuty says is wrong with the event, unless it quotes the key.
fn reasons(body: &str, key: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let errors = body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let told: Vec<&str> = errors.filter(|error| !error.contains(key)).take(3).collect();
    if told.is_empty() {
        "no reason given".to_owned()
    } else {
        escape_control(&told.join(", ")).into_owned()
    }
}

/// What is too long loses its details rather than being refused.
fn shrink(event: &mut Value) {
    if event.to_string().len() > MAX_EVENT
        && let Some(payload) = event["payload"].as_object_mut()
    {
        payload.remove("custom_details");
    }
}

/// The events to send in this order, without the routing key.
pub fn events(message: &Message) -> Vec<Value> {
    match message.kind {
        MessageKind::Test => vec![test(message), resolve(&message.id)],
        MessageKind::Renewal if message.severity > Severity::Ok => vec![failed(message, "error")],
        MessageKind::News if message.severity == Severity::Critical => {
            vec![failed(message, "critical")]
        }
        MessageKind::News | MessageKind::Renewal => Vec::new(),
        MessageKind::Alert | MessageKind::Resolved => incident(message),
    }
}

/// How bad it is for a node. Each is an incident of its own, since nobody is paged for what is added to an open one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Warning,
    Unknown,
    Critical,
    Expired,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Warning, Self::Unknown, Self::Critical, Self::Expired];

    fn of(level: &Level) -> Self {
        match level.severity {
            Severity::Critical if level.has_expired() => Self::Expired,
            Severity::Critical => Self::Critical,
            Severity::Unknown => Self::Unknown,
            Severity::Warning | Severity::Ok => Self::Warning,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
            Self::Expired => "expired",
        }
    }

    /// The key of the node's incident. PagerDuty does not count who has opened one: with a key that nodes share, the
    /// first of them to be well would end it for all.
    fn key(self, node: &NodeIdentity) -> String {
        AlertId::new(&node.to_string(), &[b"incident", self.name().as_bytes()]).0
    }
}

/// The one incident of the node as it is now, and the ends of those that it may have had. To end one that is not open
/// does nothing.
fn incident(message: &Message) -> Vec<Value> {
    let mut firing: Vec<_> = message.firing.iter().collect();
    firing.sort_by_key(|it| Reverse(Stage::of(&it.level)));
    let open = firing.first().map(|it| Stage::of(&it.level));
    let own = Stage::ALL.into_iter().filter(|stage| Some(*stage) != open);
    let own = own.map(|stage| stage.key(&message.node));
    let former = message.former.iter().flat_map(|node| Stage::ALL.map(|stage| stage.key(node)));
    let ended = own.chain(former).map(|key| resolve(&key));
    firing.first().map(|worst| trigger(message, worst, &firing)).into_iter().chain(ended).collect()
}

fn trigger(message: &Message, worst: &Firing, all: &[&Firing]) -> Value {
    let Firing { text, level, .. } = worst;
    let more = match all.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let details = json!({
        "cluster": message.node.cluster,
        "node": message.node.name,
        "open": all.len(),
        "alerts": all.iter().take(MOST_SHOWN).map(|it| details(it)).collect::<Vec<_>>(),
    });
    let key = Stage::of(level).key(&message.node);
    let summary = format!("{}: {} {}{more}", message.node, text.name, text.summary);
    let mut event = event(message, &key, &summary, severity(level.severity), &details);
    event["payload"]["component"] = json!(text.name);
    event["payload"]["class"] = json!(level.codes.first());
    event
}

fn details(it: &Firing) -> Value {
    let text = &it.text;
    let remedies: Vec<String> = text.remedies.iter().map(ToString::to_string).collect();
    json!({
        "name": text.name,
        "summary": text.summary,
        "severity": it.level.severity,
        "what": text.title,
        "where": text.place,
        "findings": text.lines,
        "automatic": text.automatic,
        "remedy": remedies,
        "expires": text.expires.map(labels::moment),
        "since": labels::moment(it.since),
    })
}

fn test(message: &Message) -> Value {
    let summary = format!("TEST of certwatch on {}: nothing is wrong", message.node);
    event(message, &message.id, &summary, "info", &json!({"text": message.text}))
}

fn failed(message: &Message, severity: &str) -> Value {
    let summary = format!("{}: {}", message.node, message.headline);
    event(message, &message.id, &summary, severity, &json!({"text": message.text}))
}

fn event(message: &Message, key: &str, summary: &str, severity: &str, details: &Value) -> Value {
    json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "certwatch",
        "payload": {
            "summary": cut(summary),
            "source": message.node.name,
            "severity": severity,
            "timestamp": labels::moment(message.at),
            // What a service groups by, so that the nodes of a cluster are one page.
            "group": message.node.cluster.as_ref().unwrap_or(&message.node.name),
            "custom_details": details,
        },
    })
}

fn resolve(key: &str) -> Value {
    json!({"event_action": "resolve", "dedup_key": key})
}

/// PagerDuty has no word for what could not be judged.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Unknown => "error",
        Severity::Warning => "warning",
        Severity::Ok => "info",
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_SUMMARY {
        return text.to_owned();
    }
    text.chars().take(MAX_SUMMARY - 1).chain(['…']).collect()
}
