//! PagerDuty, Events API v2:
//! <https://developer.pagerduty.com/docs/send-alert-event>.

use serde_json::{Value, json};

use super::http::{self, Endpoint, HttpRequest, HttpResponse};
use super::{Failure, Network, labels, secret};
use crate::config::channels::PagerDutyConfig;
use crate::domain::message::{Firing, Message, MessageKind};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;

/// Most characters of a summary.
const MAX_SUMMARY: usize = 1024;

/// Most bytes of an event.
const MAX_EVENT: usize = 512_000;

/// Sends what `message` says: of alerts, the one that it carries.
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
        MessageKind::Alert | MessageKind::Resolved => {
            let firing = message.firing.iter().map(|it| trigger(message, it));
            firing
                .chain(message.resolved.iter().map(|it| resolve(&it.id.on(&message.node))))
                .collect()
        }
    }
}

fn trigger(message: &Message, it: &Firing) -> Value {
    let text = &it.text;
    let remedies: Vec<String> = text.remedies.iter().map(ToString::to_string).collect();
    let details = json!({
        "what": text.title,
        "where": text.place,
        "findings": text.lines,
        "automatic": text.automatic,
        "remedy": remedies,
        "expires": text.expires.map(labels::moment),
        "since": labels::moment(it.since),
    });
    let summary = format!("{}: {} {}", message.node, text.name, text.summary);
    let mut event =
        event(message, &it.id.on(&message.node), &summary, severity(it.level.severity), &details);
    event["payload"]["component"] = json!(text.name);
    event["payload"]["class"] = json!(it.level.codes.first());
    event
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
            "source": message.node,
            "severity": severity,
            "timestamp": labels::moment(message.at),
            "group": message.node,
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
