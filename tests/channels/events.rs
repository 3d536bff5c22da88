//! PagerDuty, the generic webhook, the heartbeat, and how an Alertmanager refuses.

use std::collections::BTreeSet;

use certwatch::config::channels::{
    AlertmanagerConfig, HeartbeatConfig, PagerDutyConfig, WebhookConfig,
};
use certwatch::domain::cluster::NodeIdentity;
use certwatch::domain::message::{Message, MessageKind};
use certwatch::domain::policy::Severity;
use certwatch::notify::{Failure, alertmanager, heartbeat, pagerduty, webhook};
use serde_json::{Value, json};

use crate::common::events;
use crate::common::message::{NOW, firing, hostile, message, over, renewal, sample, single, test};
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
    for message in [single(), over(), test(), renewal(Severity::Critical), renewal(Severity::Ok)] {
        assert_eq!(page(&server, events::KEY, &message), Ok(()));
    }
    let sent = bodies(&server);
    let triggers: Vec<_> = sent.iter().filter(|it| it["event_action"] == "trigger").collect();
    // A renewal that went well is no event.
    assert_eq!(triggers.len(), 3);
    assert_eq!(triggers[1]["payload"]["severity"], "info");
    assert!(triggers[1]["payload"]["summary"].as_str().unwrap().starts_with("TEST "));
    // The test is ended at once, and only a renewal that failed is still open.
    let open = Incidents::after(&sent).open;
    assert_eq!(open, [triggers[2]["dedup_key"].as_str().unwrap().to_owned()].into());
}

/// What PagerDuty makes of events: a trigger pages if no incident with its key is open, a resolve ends it whoever has
/// sent it, and of a key that is not open nothing happens.
#[derive(Debug, Default)]
struct Incidents {
    open: BTreeSet<String>,
    pages: Vec<String>,
}

impl Incidents {
    fn after(events: &[Value]) -> Self {
        let mut all = Self::default();
        for event in events {
            let key = event["dedup_key"].as_str().unwrap().to_owned();
            match event["event_action"].as_str().unwrap() {
                "trigger" if all.open.insert(key.clone()) => {
                    all.pages.push(event["payload"]["summary"].as_str().unwrap().to_owned());
                }
                "trigger" => {}
                _ => drop(all.open.remove(&key)),
            }
        }
        all
    }
}

/// `count` certificates of a node, `days` from their end.
fn ending(cluster: Option<&str>, node: &str, count: usize, days: i64) -> Message {
    let mut message = message(MessageKind::Alert, Severity::Critical, "");
    message.node = NodeIdentity { cluster: cluster.map(str::to_owned), name: node.to_owned() };
    let severity = if days > 7 { Severity::Warning } else { Severity::Critical };
    message.firing =
        (0..count).map(|it| firing(it, severity, &format!("leaf-{it}"), "", days)).collect();
    message
}

/// Each cluster has its own group, and each node its own incident: that of one node does not end because another is well.
#[test]
fn three_nodes_with_ten_certificates_are_three_incidents_of_one_group() {
    let server = events::pagerduty();
    let page = |message| assert_eq!(page(&server, events::KEY, &message), Ok(()));
    for node in ["cp1", "cp2", "cp3"] {
        page(ending(Some("prod"), node, 10, 5));
    }
    let sent = bodies(&server);
    let groups: BTreeSet<_> =
        sent.iter().filter_map(|it| it["payload"]["group"].as_str()).collect();
    assert_eq!(groups, ["prod"].into());
    assert_eq!(
        Incidents::after(&sent).pages,
        ["cp1", "cp2", "cp3"].map(|it| format!("prod/{it}: leaf-0 expires in 5 d, and 9 more"))
    );
    // One is renewed, and the others are not; the same node of another cluster has never been of it.
    page(ending(Some("prod"), "cp1", 0, 5));
    page(ending(Some("staging"), "cp2", 0, 5));
    assert_eq!(Incidents::after(&bodies(&server)).open.len(), 2);
    page(ending(Some("prod"), "cp3", 9, 5));
    page(ending(Some("prod"), "cp2", 0, 5));
    let all = Incidents::after(&bodies(&server));
    assert_eq!((all.open.len(), all.pages.len()), (1, 3));
}

/// Nobody hears of what is added to an incident that is open.
#[test]
fn what_is_worse_in_kind_pages_again_and_ends_what_was() {
    let server = events::pagerduty();
    let page = |message| assert_eq!(page(&server, events::KEY, &message), Ok(()));
    for (days, pages) in [(20, 1), (14, 1), (5, 2), (1, 2), (-1, 3), (20, 4)] {
        page(ending(None, "cp1", 13, days));
        let all = Incidents::after(&bodies(&server));
        assert_eq!((all.open.len(), all.pages.len()), (1, pages), "{days}");
    }
    page(ending(None, "cp1", 0, 5));
    assert_eq!(Incidents::after(&bodies(&server)).open.len(), 0);
    // Without a cluster the node is a group of its own.
    assert_eq!(bodies(&server)[0]["payload"]["group"], "cp1");
}

/// The name of the cluster becomes known, or somebody changes it.
#[test]
fn an_incident_of_another_name_is_ended() {
    let server = events::pagerduty();
    let page = |message| assert_eq!(page(&server, events::KEY, &message), Ok(()));
    page(ending(None, "cp1", 3, 5));
    let mut renamed = ending(Some("prod"), "cp1", 3, 5);
    renamed.former = Some(NodeIdentity::of_node("cp1"));
    page(renamed);
    page(ending(Some("prod"), "cp1", 0, 5));
    let all = Incidents::after(&bodies(&server));
    assert_eq!((all.open.len(), all.pages.len()), (0, 2));
}

#[test]
fn pagerduty_takes_what_is_long_and_hostile() {
    let server = events::pagerduty();
    let mut message = hostile(9);
    message.resolved.clear();
    message.firing[0].text.summary = "x".repeat(5_000);
    message.firing[1].text.lines = vec!["<&>".repeat(300_000)];
    assert_eq!(page(&server, events::KEY, &message), Ok(()));
    assert!(bodies(&server)[0]["payload"].get("custom_details").is_none());
    let server = events::pagerduty();
    message.firing[1].text.lines.clear();
    assert_eq!(page(&server, events::KEY, &message), Ok(()));
    assert_eq!(
        bodies(&server)[0]["payload"]["custom_details"]["alerts"].as_array().unwrap().len(),
        9
    );
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
