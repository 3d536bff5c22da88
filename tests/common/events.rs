//! The rules of PagerDuty's Events API v2, of a webhook that checks signatures, and of
//! healthchecks.io.

use std::sync::Mutex;

use ring::hmac;
use serde_json::{Value, json};

use super::server::{Received, Reply, Server, say};

/// The only routing key.
pub const KEY: &str = "SECRET00000000000000000000000000";

/// The key that the webhook knows.
pub const HMAC_KEY: &str = "SECRET of both sides";

/// The path of the only check.
pub const CHECK: &str = "/SECRET-1111-2222-3333-444444444444";

/// PagerDuty.
pub fn pagerduty() -> Server {
    Server::start(|request| {
        if request.path != "/v2/enqueue" {
            return say(404, "");
        }
        let errors = event_errors(request);
        if errors.is_empty() {
            let key = serde_json::from_slice::<Value>(&request.body).unwrap()["dedup_key"].clone();
            let body = json!({"status": "success", "message": "Event processed", "dedup_key": key});
            return say(202, &body.to_string());
        }
        let body = json!({
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": errors,
        });
        say(400, &body.to_string())
    })
}

fn event_errors(request: &Received) -> Vec<String> {
    if request.body.len() > 512 << 10 {
        return vec!["Event is too large".to_owned()];
    }
    let Ok(event) = serde_json::from_slice::<Value>(&request.body) else {
        return vec!["Event is no JSON".to_owned()];
    };
    let mut errors = Vec::new();
    let mut demand = |is_met: bool, what: &str| {
        if !is_met {
            errors.push(what.to_owned());
        }
    };
    let length = |field: &Value| field.as_str().map_or(0, |it| it.chars().count());
    demand(
        length(&event["routing_key"]) == 32,
        "Length of 'routing_key' is incorrect (should be 32 characters)",
    );
    demand((1..=255).contains(&length(&event["dedup_key"])), "'dedup_key' is invalid");
    match event["event_action"].as_str() {
        Some("acknowledge" | "resolve") => return errors,
        Some("trigger") => {}
        _ => demand(false, "'event_action' is invalid"),
    }
    let payload = &event["payload"];
    demand((1..=1024).contains(&length(&payload["summary"])), "'payload.summary' is invalid");
    demand(length(&payload["source"]) > 0, "'payload.source' is missing or blank");
    let severities = ["critical", "error", "warning", "info"].map(Value::from);
    demand(severities.contains(&payload["severity"]), "'payload.severity' is invalid");
    let at = payload["timestamp"].as_str().unwrap_or_default();
    demand(certwatch::domain::time::UnixTime::parse(at).is_ok(), "'payload.timestamp' is invalid");
    for name in ["component", "group", "class"] {
        let is_text = payload.get(name).is_none_or(|it| it.is_null() || it.is_string());
        demand(is_text, &format!("'payload.{name}' is invalid"));
    }
    errors
}

/// What understands Alertmanager's webhooks, and refuses what its peer has not signed.
pub fn webhook(key: Option<&'static str>) -> Server {
    Server::start(move |request| {
        let is_signed = key.is_none_or(|key| is_signed(request, key));
        if !is_signed {
            return say(401, "SECRET");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if request.header("idempotency-key").is_none_or(|key| body["certwatch"]["id"] != *key) {
            return say(400, "no idempotency key");
        }
        if is_of_alertmanager(&body) { say(204, "") } else { say(422, "no webhook of version 4") }
    })
}

fn is_signed(request: &Received, key: &str) -> bool {
    let Some(hex) =
        request.header("x-certwatch-signature").and_then(|it| it.strip_prefix("sha256="))
    else {
        return false;
    };
    let tag: Vec<u8> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::verify(&key, &request.body, &tag).is_ok()
}

fn is_of_alertmanager(body: &Value) -> bool {
    let is_moment = |it: &Value| {
        it.as_str().is_some_and(|it| certwatch::domain::time::UnixTime::parse(it).is_ok())
    };
    let is_alert = |alert: &Value| {
        ["firing", "resolved"].map(Value::from).contains(&alert["status"])
            && alert["labels"]["alertname"].is_string()
            && alert["labels"].as_object().unwrap().values().all(Value::is_string)
            && alert["annotations"].as_object().unwrap().values().all(Value::is_string)
            && is_moment(&alert["startsAt"])
            && is_moment(&alert["endsAt"])
            && alert["fingerprint"].is_string()
            && alert["generatorURL"].is_string()
    };
    body["version"] == "4"
        && ["firing", "resolved"].map(Value::from).contains(&body["status"])
        && ["groupLabels", "commonLabels", "commonAnnotations"]
            .iter()
            .all(|it| body[it].is_object())
        && ["receiver", "externalURL", "groupKey"].iter().all(|it| body[it].is_string())
        && body["truncatedAlerts"].is_u64()
        && body["alerts"].as_array().unwrap().iter().all(is_alert)
}

/// healthchecks.io, which says yes even to what it does not know.
pub fn healthchecks() -> Server {
    let beats = Mutex::new(0);
    Server::start(move |request| {
        if request.body.len() > 10_000 || std::str::from_utf8(&request.body).is_err() {
            return say(400, "body");
        }
        *beats.lock().unwrap() += 1;
        let is_known = [CHECK.to_owned(), format!("{CHECK}/fail")].contains(&request.path);
        answer(is_known)
    })
}

fn answer(is_known: bool) -> Reply {
    say(200, if is_known { "OK" } else { "OK (not found)" })
}
