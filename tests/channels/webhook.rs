//! Slack's incoming webhook.

use std::time::{Duration, Instant};

use certwatch::config::channels::{SlackBy, SlackConfig};
use certwatch::domain::message::Message;
use certwatch::domain::policy::Severity;
use certwatch::notify::{Failure, Receipt, slack};

use crate::common::message::{hostile, over, renewal, sample, test};
use crate::common::server::{Reply, Server, say, say_with};
use crate::common::slack as stand_in;
use crate::{PERMANENT, Safe, TRANSIENT, after, assert_fails, direct, run};

fn post(url: &str, message: &Message) -> Result<Receipt, Failure> {
    let escape_control = Safe::new();
    let by = SlackBy::Webhook(escape_control.keep("url", url));
    let settings = SlackConfig { by, min_severity: Severity::Warning };
    run(slack::send(&settings, &direct(), Some("1.2"), message))
}

fn post_to(reply: Reply) -> Result<Receipt, Failure> {
    let server = Server::start(move |_| reply.clone());
    post(&server.url("/services/SECRET"), &test())
}

#[test]
fn all_kinds_of_messages_are_taken_one_a_second() {
    let slack = stand_in::slack();
    let url = slack.url(stand_in::HOOK);
    let begin = Instant::now();
    for message in [sample(), over(), test(), renewal(Severity::Critical), hostile(50)] {
        // A webhook knows no threads, and gets none.
        assert_eq!(post(&url, &message), Ok(Receipt::default()));
    }
    assert!(begin.elapsed() >= Duration::from_millis(4_400));
    for request in slack.received() {
        let agent = concat!("certwatch/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        assert!(!String::from_utf8(request.body).unwrap().contains("thread_ts"));
    }
}

#[test]
fn a_webhook_that_is_gone_is_final() {
    let slack = stand_in::slack();
    let result = post(&slack.url("/services/T/B/SECRET"), &sample());
    assert_fails(result, PERMANENT, &["Slack (127.0.0.1) answered no_service", "create a new one"]);
}

#[test]
fn refusals_say_what_to_do() {
    for (status, body, advice) in [
        (403, "invalid_token", "create a new one"),
        (410, "channel_is_archived", "unarchive"),
        (404, "<html>SECRET</html>", "create a new one"),
        (200, "ok\n", "is it Slack's URL?"),
    ] {
        assert_fails(post_to(say(status, body)), PERMANENT, &[advice]);
    }
}

#[test]
fn what_may_go_away_is_tried_again() {
    assert_fails(post_to(say(500, "rollup_error")), TRANSIENT, &["certwatch retries"]);
    let limited = |after| say_with(429, ("Retry-After", after), "rate_limited");
    assert_fails(post_to(limited("30")), after(30), &["too many messages"]);
    assert_fails(post_to(limited("86400")), after(3600), &["too many messages"]);
    assert_fails(post_to(Reply::Half), TRANSIENT, &["within its answer"]);
    assert_fails(post_to(Reply::Endless), PERMANENT, &["is it Slack's URL?"]);
}
