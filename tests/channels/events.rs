//! PagerDuty, the generic webhook, the heartbeat, and how an Alertmanager refuses.

use certwatch::config::channels::{
    AlertmanagerConfig, HeartbeatConfig, PagerDutyConfig, WebhookConfig,
};
use certwatch::domain::message::{Message, MessageKind};
use certwatch::domain::policy::Severity;
use certwatch::notify::{Failure, alertmanager, heartbeat, pagerduty, webhook};
use serde_json::{Value, json};

use crate::common::events;
use crate::common::message::{NOW, hostile, message, over, renewal, sample, single, test};
use crate::common::server::{Reply, Server, say, say_with};
use crate::{PERMANENT, Safe, TRANSIENT, after, assert_fails, direct, run};

fn page(server: &Server, key: &str, message: &Message) -> Result<(), Failure> {
    let escape_control = Safe::new();
    let settings = PagerDutyConfig {
        routing_key: escape_control.keep("key", key),
        url: server.url("/v2/enqueue"),
        min_severity: Severity::Warning,
    };
    run(pagerduty::send(&settings, &direct(), message))
}

fn bodies(server: &Server) -> Vec<Value> {
    let parse = |body: Vec<u8>| serde_json::from_slice(&body).unwrap();
    server.received().into_iter().map(|it| parse(it.body)).collect()
}

#[test]
fn pagerduty_takes_every_event() {
    let server = events::pagerduty();
    let mut over = over();
    over.resolved.truncate(1);
    for message in [single(), over, test(), renewal(Severity::Critical), renewal(Severity::Ok)] {
        assert_eq!(page(&server, events::KEY, &message), Ok(()));
    }
    let sent = bodies(&server);
    let actions: Vec<_> = sent.iter().map(|it| it["event_action"].as_str().unwrap()).collect();
    // The test is ended at once, and a renewal that went well is no event.
    assert_eq!(actions, ["trigger", "resolve", "trigger", "resolve", "trigger"]);
    assert_eq!(sent[0]["dedup_key"], sent[1]["dedup_key"]);
    assert_eq!(sent[2]["dedup_key"], sent[3]["dedup_key"]);
    assert_eq!(sent[2]["payload"]["severity"], "info");
    assert!(sent[2]["payload"]["summary"].as_str().unwrap().starts_with("TEST "));
}

#[test]
fn pagerduty_takes_what_is_long_and_hostile() {
    let server = events::pagerduty();
    let mut message = hostile(9);
    message.resolved.clear();
    message.firing[0].text.summary = "x".repeat(5_000);
    message.firing[1].text.lines = vec!["<&>".repeat(300_000)];
    assert_eq!(page(&server, events::KEY, &message), Ok(()));
    let sent = bodies(&server);
    assert_eq!(sent.len(), 9);
    assert!(sent[1]["payload"].get("custom_details").is_none());
    assert!(sent[2]["payload"].get("custom_details").is_some());
}

#[test]
fn pagerduty_says_why_not() {
    let server = events::pagerduty();
    let result = page(&server, "SECRET-too-short", &single());
    assert_fails(result, PERMANENT, &["Length of 'routing_key'", "integration"]);
    let page_to =
        |reply: Reply| page(&Server::start(move |_| reply.clone()), "SECRETkey", &single());
    let quoting = json!({"errors": ["no such key: SECRETkey"]}).to_string();
    assert_fails(page_to(say(400, &quoting)), PERMANENT, &["no reason given"]);
    assert_fails(page_to(say(429, "")), TRANSIENT, &["too many events"]);
    assert_fails(page_to(say_with(429, ("Retry-After", "60"), "")), after(60), &[]);
    assert_fails(page_to(say(500, "SECRET")), TRANSIENT, &["HTTP 500"]);
    assert_fails(page_to(say(200, "SECRET")), PERMANENT, &["HTTP 200"]);
}

fn hook(url: &str, key: Option<&str>, message: &Message) -> Result<(), Failure> {
    let escape_control = Safe::new();
    let settings = WebhookConfig {
        url: escape_control.keep("url", url),
        key: key.map(|key| escape_control.keep("key", key)),
        client: None,
        min_severity: Severity::Warning,
    };
    run(webhook::send(&settings, &direct(), message))
}

#[test]
fn a_webhook_can_tell_who_it_is_and_what_is_a_repetition() {
    let server = events::webhook(Some(events::HMAC_KEY));
    let url = server.url("/hook?token=SECRET");
    for message in [sample(), over(), test(), renewal(Severity::Ok), hostile(500)] {
        assert_eq!(hook(&url, Some(events::HMAC_KEY), &message), Ok(()));
    }
    assert_fails(
        hook(&url, Some("another"), &sample()),
        PERMANENT,
        &["webhook (127.0.0.1)", "401"],
    );
    assert_fails(hook(&url, None, &sample()), PERMANENT, &["HTTP 401"]);
    let open = events::webhook(None);
    assert_eq!(hook(&open.url("/"), None, &sample()), Ok(()));
    let many = bodies(&server).pop().map(|_| bodies(&server)[4].clone()).unwrap();
    assert_eq!(many["alerts"].as_array().unwrap().len(), 60);
    assert_eq!(many["truncatedAlerts"], 940);
}

#[test]
fn a_webhook_is_tried_again_as_http_says() {
    let post =
        |reply: Reply| hook(&Server::start(move |_| reply.clone()).url("/SECRET"), None, &sample());
    for status in [200, 201, 202, 204] {
        assert_eq!(post(say(status, "")), Ok(()));
    }
    for status in [408, 500, 502, 503] {
        assert_fails(post(say(status, "SECRET")), TRANSIENT, &[&status.to_string()]);
    }
    assert_fails(post(say_with(429, ("Retry-After", "5"), "")), after(5), &["429"]);
    for status in [400, 401, 403, 404, 405, 410, 413, 422] {
        assert_fails(post(say(status, "SECRET")), PERMANENT, &[&status.to_string()]);
    }
    // It was taken; how the answer ends does not matter.
    assert_eq!(post(Reply::Half), Ok(()));
    assert_eq!(post(Reply::Endless), Ok(()));
}

#[test]
fn a_renewal_that_went_well_is_no_alarm() {
    let ok = message(MessageKind::Renewal, Severity::Ok, "renewed");
    assert_eq!(webhook::payload(&ok)["status"], "resolved");
    assert_eq!(webhook::payload(&renewal(Severity::Critical))["status"], "firing");
}

fn tell(url: &str, token: Option<&str>) -> Result<(), Failure> {
    let escape_control = Safe::new();
    let settings = AlertmanagerConfig {
        urls: vec![url.to_owned()],
        token: token.map(|token| escape_control.keep("token", token)),
        client: None,
        min_severity: Severity::Warning,
    };
    run(alertmanager::send(&settings, &direct(), url, &sample(), NOW))
}

#[test]
fn an_alertmanager_says_why_not() {
    let tell_to = |reply: Reply| tell(&Server::start(move |_| reply.clone()).url(""), None);
    // These two are what Alertmanager 0.25 answers.
    let refusal = r#""start time must be before end time""#;
    assert_fails(tell_to(say(400, refusal)), PERMANENT, &["start time must be before end time"]);
    let refusal = r#"{"code":400,"message":"parsing alerts body failed"}"#;
    assert_fails(tell_to(say(400, refusal)), PERMANENT, &["parsing alerts body failed"]);
    assert_fails(tell_to(say(400, "<html>SECRET")), PERMANENT, &["no reason given"]);
    assert_fails(tell_to(say(401, "")), PERMANENT, &["alertmanager.token"]);
    assert_fails(tell_to(say(404, "")), PERMANENT, &["0.16"]);
    assert_fails(tell_to(say(503, "")), TRANSIENT, &["503"]);
    assert_fails(tell_to(say_with(429, ("Retry-After", "9"), "")), after(9), &[]);
}

#[test]
fn a_token_is_sent_to_who_may_see_it_only() {
    let server = Server::start(|_| say(200, ""));
    assert_eq!(tell(&server.url("/prefix/"), Some("SECRET")), Ok(()));
    let received = server.received().remove(0);
    assert_eq!(received.path, "/prefix/api/v2/alerts");
    assert_eq!(received.header("authorization"), Some("Bearer SECRET"));
    let far = tell("http://alertmanager.invalid:9093", Some("SECRET"));
    assert_fails(far, PERMANENT, &["must be reached by https://"]);
    // Without one, plain HTTP is what most Alertmanagers speak.
    let far = tell("http://alertmanager.invalid:9093", None);
    assert_fails(far, TRANSIENT, &["cannot be resolved"]);
}

fn beat(url: &str, is_well: bool, text: &str) -> Result<(), Failure> {
    let escape_control = Safe::new();
    run(heartbeat::send(
        &HeartbeatConfig { url: escape_control.keep("url", url) },
        &direct(),
        is_well,
        text,
    ))
}

#[test]
fn a_heartbeat_says_how_it_is() {
    let server = events::healthchecks();
    let url = server.url(events::CHECK);
    assert_eq!(beat(&url, true, "14 certificates"), Ok(()));
    assert_eq!(beat(&format!("{url}/"), false, &"ä".repeat(20_000)), Ok(()));
    let paths: Vec<_> = server.received().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, [events::CHECK.to_owned(), format!("{}/fail", events::CHECK)]);
    let unknown = server.url("/SECRET-0000");
    assert_fails(beat(&unknown, true, ""), PERMANENT, &["has no check"]);
}

#[test]
fn a_heartbeat_never_waits_long() {
    let beat = |reply: Reply| beat(&Server::start(move |_| reply.clone()).url("/SECRET"), true, "");
    assert_fails(beat(say(404, "")), PERMANENT, &["has no check"]);
    assert_fails(beat(say(410, "")), PERMANENT, &["has no check"]);
    assert_fails(beat(say(503, "")), TRANSIENT, &["503"]);
    let begin = std::time::Instant::now();
    assert_fails(beat(Reply::Hang), TRANSIENT, &["heartbeat (127.0.0.1) timed out"]);
    assert!((9..13).contains(&begin.elapsed().as_secs()));
}
