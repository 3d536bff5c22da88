//! Alerts as Prometheus knows them: labels, which are the identity, and annotations, which are not.
//!
//! Nothing that changes by itself may be a label, no days and no dates; only the severity is one,
//! since people route by it.

use serde_json::{Map, Value, json};

use crate::domain::alert::{AlertId, AlertText};
use crate::domain::cluster::NodeIdentity;
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;

/// certwatch's own words, which are those that people route by; `info` for what is no trouble.
fn severity(severity: Severity) -> &'static str {
    if severity == Severity::Ok { "info" } else { severity.name() }
}

/// The labels of one alert. An empty label is the same as none, so `path` may be missing.
pub(super) fn of_alert(
    node: &NodeIdentity,
    id: &AlertId,
    text: &AlertText,
    worst: Severity,
) -> Value {
    let about = if text.place.is_empty() { "CertwatchSelf" } else { "CertwatchCertificate" };
    let mut labels = named(about, node, worst);
    labels["id"] = json!(id.on(node));
    labels["name"] = json!(text.name);
    if !text.place.is_empty() {
        labels["path"] = json!(text.place);
    }
    labels
}

/// The labels of what is about no certificate.
pub(super) fn named(alertname: &str, node: &NodeIdentity, worst: Severity) -> Value {
    let mut labels = of_node(node);
    labels["alertname"] = json!(alertname);
    labels["severity"] = json!(severity(worst));
    labels
}

/// The labels that all alerts of a node have. Where no cluster is known there is no such label: receivers then add one.
pub(super) fn of_node(node: &NodeIdentity) -> Value {
    let mut labels = json!({"node": node.name});
    if let Some(cluster) = &node.cluster {
        labels["cluster"] = json!(cluster);
    }
    labels
}

/// What people read. Like a label, an empty annotation is left out.
pub(super) fn annotations(node: &NodeIdentity, text: &AlertText) -> Value {
    let remedies: Vec<String> = text.remedies.iter().map(ToString::to_string).collect();
    let texts = [
        ("summary", format!("{node}: {} {}", text.name, text.summary)),
        ("title", text.title.clone()),
        ("description", text.lines.join("\n")),
        ("automatic", text.automatic.clone()),
        ("remedy", remedies.join("\n")),
        ("expires", text.expires.map(|at| at.to_string()).unwrap_or_default()),
    ];
    let told = texts.into_iter().filter(|(_, text)| !text.is_empty());
    Value::Object(told.map(|(name, text)| (name.to_owned(), json!(text))).collect::<Map<_, _>>())
}

/// RFC 3339, or the zero time of Go for a year that has none.
pub(super) fn moment(at: UnixTime) -> String {
    let text = at.to_string();
    if text.starts_with('@') { "0001-01-01T00:00:00Z".to_owned() } else { text }
}
