//! A POST in the shape of Alertmanager's webhook, version 4, so that what understands that
//! understands certwatch:
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use ring::hmac;
use serde_json::{Value, json};

use super::http::{self, Endpoint, HttpRequest};
use super::{Failure, Network, labels, secret};
use crate::config::channels::WebhookConfig;
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::{Firing, MOST_SHOWN, Message, Resolved};
use crate::domain::policy::Severity;

/// Posts `message`.
///
/// # Errors
/// The other side did not take it.
pub async fn send(
    settings: &WebhookConfig,
    network: &Network,
    message: &Message,
) -> Result<(), Failure> {
    let url = secret::reveal(&settings.url, network).await?;
    let endpoint = Endpoint::in_clear_too("webhook", url.expose())?;
    let mut request = HttpRequest::json(endpoint.clone(), &payload(message))
        .with("Idempotency-Key", message.id.clone());
    request.client.clone_from(&settings.client);
    if let Some(key) = &settings.key {
        let signature = signature(&secret::reveal(key, network).await?, &request.body);
        request = request.with("X-Certwatch-Signature", signature);
    }
    let answer = http::send(request, network).await?;
    if answer.is_success() {
        return Ok(());
    }
    Err(answer.failure(&endpoint, &format!("returned HTTP {}", answer.status)))
}

/// `sha256=` and the HMAC of the very bytes of the body.
fn signature(key: &secret::Revealed, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={}", hex.concat())
}

/// The JSON to post. What Alertmanager's shape has no place for is in `certwatch`.
pub fn payload(message: &Message) -> Value {
    let node = &message.node;
    let total = message.firing.len() + message.resolved.len();
    let firing = message.firing.iter().map(|it| firing(node, it));
    let resolved = message.resolved.iter().map(|it| resolved(node, it));
    let alerts: Vec<Value> = firing.chain(resolved).take(2 * MOST_SHOWN).collect();
    json!({
        "version": "4",
        "receiver": "certwatch",
        "status": if is_firing(message) { "firing" } else { "resolved" },
        "groupKey": format!("certwatch/{node}/{}", message.thread),
        "groupLabels": labels::of_node(node),
        "commonLabels": labels::of_node(node),
        "commonAnnotations": {},
        "externalURL": "",
        "truncatedAlerts": total - alerts.len(),
        "alerts": alerts,
        "certwatch": {
            "id": message.id,
            "kind": message.kind,
            "cluster": node.cluster,
            "node": node.name,
            "severity": message.severity,
            "at": labels::moment(message.at),
            "headline": message.headline,
            "text": message.text,
            "next": message.next,
        },
    })
}

fn is_firing(message: &Message) -> bool {
    !message.firing.is_empty() || (message.resolved.is_empty() && message.severity > Severity::Ok)
}

fn firing(node: &NodeIdentity, it: &Firing) -> Value {
    json!({
        "status": "firing",
        "labels": labels::of_alert(node, &it.id, &it.text, it.level.severity),
        "annotations": labels::annotations(node, &it.text),
        "startsAt": labels::moment(it.since),
        // So Alertmanager writes that there is no end yet.
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": it.id.on(node),
    })
}

fn resolved(node: &NodeIdentity, it: &Resolved) -> Value {
    let mut annotations = labels::annotations(node, &it.text);
    annotations["resolution"] = json!(it.how);
    json!({
        "status": "resolved",
        "labels": labels::of_alert(node, &it.id, &it.text, it.level.severity),
        "annotations": annotations,
        "startsAt": labels::moment(it.since),
        "endsAt": labels::moment(it.at),
        "generatorURL": "",
        "fingerprint": it.id.on(node),
    })
}
