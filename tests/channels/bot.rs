//! Slack's `chat.postMessage`.

use certwatch::config::channels::{SlackBy, SlackConfig};
use certwatch::domain::policy::Severity;
use certwatch::notify::{Failure, Receipt, slack};

use crate::common::message::{hostile, sample};
use crate::common::server::{Server, say, say_with};
use crate::common::slack::{self as stand_in, CHANNEL, TOKEN};
use crate::{PERMANENT, Safe, TRANSIENT, after, assert_fails, direct, run};

struct Bot {
    token: &'static str,
    channel: &'static str,
    threads: bool,
}

const BOT: Bot = Bot { token: TOKEN, channel: CHANNEL, threads: true };

impl Bot {
    fn post(&self, server: &Server, thread: Option<&str>) -> Result<Receipt, Failure> {
        let escape_control = Safe::new();
        let by = SlackBy::Bot {
            token: escape_control.keep("token", self.token),
            channel: self.channel.to_owned(),
            threads: self.threads,
            api: server.url("/api/"),
        };
        let settings = SlackConfig { by, min_severity: Severity::Warning };
        let message = if thread.is_some() { hostile(20) } else { sample() };
        run(slack::send(&settings, &direct(), thread, &message))
    }
}

fn thread(ts: &str) -> Result<Receipt, Failure> {
    Ok(Receipt { thread: Some(ts.to_owned()) })
}

#[test]
fn later_messages_go_into_the_thread() {
    let slack = stand_in::slack();
    assert_eq!(BOT.post(&slack, None), thread("1795399200.000001"));
    assert_eq!(BOT.post(&slack, Some("1795399200.000001")), thread("1795399200.000001"));
    // Its first message was deleted: the next one begins another.
    assert_eq!(BOT.post(&slack, Some("1.000001")), thread("1795399200.000003"));
    let loner = Bot { threads: false, ..BOT };
    assert_eq!(loner.post(&slack, Some("1.000001")), Ok(Receipt::default()));
}

#[test]
fn refusals_come_with_http_200_and_say_what_to_do() {
    let slack = stand_in::slack();
    let wrong = Bot { token: "xoxb-SECRET-old", ..BOT };
    assert_fails(wrong.post(&slack, None), PERMANENT, &["invalid_auth", "install the app again"]);
    for (channel, advice) in
        [("C-not-in", "`/invite @`"), ("C-archived", "unarchive"), ("nowhere", "invite the bot")]
    {
        assert_fails(Bot { channel, ..BOT }.post(&slack, None), PERMANENT, &[advice]);
    }
}

#[test]
fn what_may_go_away_is_tried_again() {
    let post = |reply: crate::common::server::Reply| {
        BOT.post(&Server::start(move |_| reply.clone()), None)
    };
    let limited = r#"{"ok":false,"error":"ratelimited"}"#;
    assert_fails(post(say_with(429, ("Retry-After", "7"), limited)), after(7), &["ratelimited"]);
    assert_fails(post(say(200, r#"{"ok":false,"error":"fatal_error"}"#)), TRANSIENT, &[]);
    assert_fails(post(say(502, "<html>SECRET")), TRANSIENT, &["HTTP 502"]);
    let new = r#"{"ok":false,"error":"some_new_word"}"#;
    assert_fails(post(say(200, new)), PERMANENT, &["some_new_word"]);
    let quoting = format!(r#"{{"ok":false,"error":"{TOKEN}"}}"#);
    assert_fails(post(say(200, &quoting)), PERMANENT, &[]);
    assert_fails(post(say(200, "SECRET")), PERMANENT, &["is it Slack's URL?"]);
}
