//! The receiver is away for a while.

use std::thread::sleep;
use std::time::Duration;

use super::common::node::YEAR;
use super::common::receiver::Manner;
use super::common::stage::{LATER, SOON, Stage};

/// Two restarts and several changes later, one message says how it is now.
#[test]
fn an_outage_ends_in_one_message_that_is_up_to_date() {
    let mut stage = Stage::new();
    stage.receiver.goes_down();
    stage.node.leaf("apiserver", LATER);
    let mut daemon = stage.started();
    daemon.wait_for_log("webhook failed, retrying");
    stage.renew("etcd-server", SOON);
    daemon.wait_for_log("CRITICAL: etcd-server");
    assert_eq!(daemon.stop().0, Some(0));

    stage.renew("apiserver", SOON);
    let mut daemon = stage.started_again();
    daemon.wait_for_log("webhook failed, retrying");
    stage.renew("etcd-server", YEAR);
    daemon.wait_for_log("etcd-server: resolved");
    assert_eq!(daemon.stop().0, Some(0));

    stage.renew("front-proxy-client", LATER);
    let _daemon = stage.started_again();
    stage.receiver.comes_back();
    let message = &stage.receiver.wait_for_messages(1)[0];
    assert_eq!(message["certwatch"]["headline"], "apiserver expires in 5 d, and 1 other problem");
    let names: Vec<_> =
        message["alerts"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(
        names,
        ["firing", "firing"],
        "what came and went meanwhile is not told: {message:#}"
    );
    sleep(Duration::from_secs(4));
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "{:?}", stage.receiver.headlines());
}

/// Nobody knows whether a message was taken whose answer is lost: it comes again, as the same.
#[test]
fn a_lost_answer_is_one_repeat_with_the_same_id() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.next(&[Manner::Closes]);
    let _daemon = stage.start();
    let posts = stage.receiver.wait_for_posts("/hook", 2);
    let id =
        |at: usize| posts[at].headers.iter().find(|(name, _)| name == "idempotency-key").cloned();
    assert!(id(0).is_some());
    assert_eq!(id(0), id(1));
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.next(&[Manner::Busy(12)]);
    let daemon = stage.start();
    stage.receiver.wait_for_posts("/hook", 1);
    daemon.wait_for_log("webhook failed, retrying");
    // Without the request it would be tried again after 2 to 8 seconds.
    sleep(Duration::from_secs(10));
    assert_eq!(stage.receiver.posts("/hook").len(), 1);
    stage.receiver.wait_for_messages(1);
}

/// One that will not take anything is told of through the others, and does not hold them up.
#[test]
fn a_refusal_is_told_through_the_other_channel() {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack() + &stage.heartbeat()));
    stage.node.leaf("apiserver", SOON);
    stage.receiver.on_path("/hook", Manner::Says(410));
    let daemon = stage.start();
    let posts = stage.receiver.wait_for_posts("/slack", 2);
    let all: String = posts.iter().map(|post| post.body.as_str()).collect();
    assert!(all.contains("apiserver expires in 5 d"), "{all}");
    assert!(all.contains("delivery is failing") && all.contains("HTTP 410"), "{all}");
    assert!(
        daemon
            .read_log()
            .contains("ERROR webhook rejects messages: webhook (127.0.0.1) returned HTTP 410")
    );
    sleep(Duration::from_secs(10));
    // The alert; the news about Slack or itself is not for it.
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "it is not tried again and again");
    stage.renew("etcd-server", SOON);
    stage.receiver.wait_for_posts("/beat", 2);
    let beats = stage.receiver.posts("/beat");
    assert!(beats.last().unwrap().path.ends_with("/fail"), "silence is noticed: {beats:?}");
}

#[test]
fn one_that_hangs_holds_up_nobody_else() {
    holds_up_nobody_else(Manner::Hangs);
}

#[test]
fn one_that_trickles_holds_up_nobody_else() {
    holds_up_nobody_else(Manner::Trickles);
}

fn holds_up_nobody_else(manner: Manner) {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack()));
    stage.node.leaf("apiserver", SOON);
    stage.receiver.on_path("/hook", manner);
    let daemon = stage.start();
    stage.receiver.wait_for_posts("/slack", 1);
    stage.renew("etcd-server", SOON);
    stage.receiver.wait_for_posts("/slack", 2);
    // The attempt ends by itself, after half a minute.
    daemon.wait_for_log("webhook failed, retrying");
}

/// A channel that refused and then cannot even be reached is not well again.
#[test]
fn a_refusal_is_over_only_when_something_was_taken() {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack()));
    stage.receiver.on_path("/slack", Manner::Says(404));
    stage.node.leaf("apiserver", SOON);
    let daemon = stage.start();
    daemon.wait_for_log("Slack delivery is failing");
    stage.receiver.wait_for_messages(2);
    // What is new is tried at once, even by one that has refused.
    stage.receiver.on_path("/slack", Manner::Closes);
    stage.renew("etcd-server", SOON);
    daemon.wait_for_log("Slack failed, retrying");
    stage.receiver.wait_for_messages(3);
    sleep(Duration::from_secs(2));
    assert!(!daemon.read_log().contains("Slack: resolved"), "{}", daemon.read_log());
    stage.receiver.on_path("/slack", Manner::Takes);
    daemon.wait_for_log("Slack: resolved");
    let last = stage.receiver.wait_for_messages(4).pop().unwrap();
    assert_eq!(last["certwatch"]["kind"], "resolved", "{last:#}");
}
