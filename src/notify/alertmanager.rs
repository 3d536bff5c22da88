//! A Prometheus Alertmanager, API v2:
//! <https://prometheus.io/docs/alerting/latest/alerts_api/>.
//!
//! An alert lives until its `endsAt`, so what fires is posted again and again; what is not, ends by
//! itself. Its labels are its identity. The severity is among them, since people route by it: an
//! alert that becomes worse or better is another, and what it was has to be ended.

use serde_json::{Value, json};

use super::http::{self, Endpoint, HttpRequest, HttpResponse};
use super::{Failure, Network, labels, secret};
use crate::config::channels::AlertmanagerConfig;
use crate::domain::message::{AlertChange, Firing, Message, MessageKind, Resolved};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};

const NAME: &str = "Alertmanager";

/// All severities that an alert can have had.
const SEVERITIES: [Severity; 3] = [Severity::Warning, Severity::Unknown, Severity::Critical];

/// How long the alert of a test lasts.
const TEST: Span = Span::minutes(5);

/// How long it is told that a renewal or a unit has failed.
const FAILED: Span = Span::days(1);

/// Posts `message` to the Alertmanager at `url`, one of `settings.urls`. What fires ends at `until`
/// unless it is posted again before.
///
/// # Errors
/// It did not take the alerts.
pub async fn send(
    settings: &AlertmanagerConfig,
    network: &Network,
    url: &str,
    message: &Message,
    until: UnixTime,
) -> Result<(), Failure> {
    let alerts = alerts(message, until);
    if alerts.is_empty() {
        return Ok(());
    }
    let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
    let (endpoint, token) = match &settings.token {
        Some(token) => (Endpoint::new(NAME, &url)?, Some(secret::reveal(token, network).await?)),
        None => (Endpoint::in_clear_too(NAME, &url)?, None),
    };
    let mut request = HttpRequest::json(endpoint.clone(), &Value::Array(alerts));
    request.client.clone_from(&settings.client);
    if let Some(token) = token {
        request = request.with("Authorization", format!("Bearer {}", token.expose()));
    }
    let answer = http::send(request, network).await?;
    if answer.is_success() { Ok(()) } else { Err(refusal(&endpoint, &answer)) }
}

fn refusal(endpoint: &Endpoint, answer: &HttpResponse) -> Failure {
    let status = answer.status;
    let why = match status {
        400 => format!("returned HTTP 400: {}", reason(&answer.body)),
        401 | 403 => format!("returned HTTP {status}: set alertmanager.token, or another"),
        404 | 405 => format!("returned HTTP {status}: is its URL right, and is it 0.16 or later?"),
        _ => format!("returned HTTP {status}"),
    };
    answer.failure(endpoint, &why)
}

/// Why Alertmanager says it refuses: a JSON string, or an object with a message. Anything else is
/// of somebody between, and not repeated.
fn reason(body: &str) -> String {
    let told = match serde_json::from_str(body) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(object)) => {
            object.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    if told.is_empty() { "no reason given".to_owned() } else { escape_control(&told).into_owned() }
}

/// The JSON to post: one object for each alert, and for each that has to end.
pub fn alerts(message: &Message, until: UnixTime) -> Vec<Value> {
    match message.kind {
        MessageKind::Test => vec![about_certwatch(message, "CertwatchTest", TEST)],
        MessageKind::Renewal if message.severity > Severity::Ok => {
            vec![about_certwatch(message, "CertwatchRenewalFailed", FAILED)]
        }
        MessageKind::News if message.severity == Severity::Critical => {
            vec![about_certwatch(message, "CertwatchUnitFailed", FAILED)]
        }
        MessageKind::News | MessageKind::Renewal => Vec::new(),
        MessageKind::Alert | MessageKind::Resolved => {
            let firing = message.firing.iter().flat_map(|it| firing(message, it, until));
            firing.chain(message.resolved.iter().map(|it| resolved(message, it))).collect()
        }
    }
}

/// The alert as it is now, and the ends of what it may have been. Only when it has changed: an end
/// that comes again and again would be told to people again and again.
fn firing(message: &Message, it: &Firing, until: UnixTime) -> Vec<Value> {
    let alert = |severity: Severity, end: UnixTime| {
        json!({
            "labels": labels::of_alert(&message.node, &it.id, &it.text, severity),
            "annotations": labels::annotations(&message.node, &it.text),
            // An end before the start is refused, and clocks are set back.
            "startsAt": labels::moment(it.since.min(end)),
            "endsAt": labels::moment(end),
        })
    };
    let severity = it.level.severity;
    let others = SEVERITIES.into_iter().filter(|other| match it.change {
        AlertChange::Worse => *other < severity,
        AlertChange::Better => *other > severity,
        AlertChange::New | AlertChange::Still => false,
    });
    let ended = others.map(|other| alert(other, message.at));
    std::iter::once(alert(severity, until)).chain(ended).collect()
}

/// The end at the severity that it was told at; any other has ended when it changed.
fn resolved(message: &Message, it: &Resolved) -> Value {
    let mut annotations = labels::annotations(&message.node, &it.text);
    annotations["resolution"] = json!(it.how);
    json!({
        "labels": labels::of_alert(&message.node, &it.id, &it.text, it.level.severity),
        "annotations": annotations,
        "startsAt": labels::moment(it.since.min(it.at)),
        "endsAt": labels::moment(it.at),
    })
}

fn about_certwatch(message: &Message, alertname: &str, lasts: Span) -> Value {
    json!({
        "labels": labels::named(alertname, &message.node, message.severity),
        "annotations": {
            "summary": format!("{}: {}", message.node, message.headline),
            "description": message.text.join("\n"),
        },
        "startsAt": labels::moment(message.at),
        "endsAt": labels::moment(message.at + lasts),
    })
}
