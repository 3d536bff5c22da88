//! What is remembered, when it is damaged or in use.

use std::fs;

use serde_json::json;

use super::common::node::YEAR;
use super::common::stage::{SOON, Stage};

/// Runs a daemon that has told one alert, spoils its state, and starts another.
fn spoilt(spoil: impl FnOnce(&[u8]) -> Vec<u8>, why: &str) {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let mut daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    assert_eq!(daemon.stop().0, Some(0));
    let path = stage.state().join("state.json");
    let spoilt = spoil(&fs::read(&path).unwrap());
    fs::write(&path, &spoilt).unwrap();

    let mut daemon = stage.started_again();
    let messages = stage.receiver.wait_for_messages(3);
    let news: Vec<_> = messages.iter().filter(|it| it["certwatch"]["kind"] == "news").collect();
    assert_eq!(news.len(), 1, "{:?}", stage.receiver.headlines());
    assert_eq!(news[0]["certwatch"]["headline"], "certwatch lost its state");
    let text = news[0]["certwatch"]["text"].to_string();
    assert!(text.contains(why) && text.contains("set-aside"), "{text}");
    // Nothing was forgotten that way: what fires is told, again rather than not at all.
    assert_eq!(messages.iter().filter(|it| it["certwatch"]["kind"] == "alert").count(), 2);

    let aside = fs::read_dir(stage.state()).unwrap().map(|entry| entry.unwrap());
    let aside = aside.filter(|it| it.file_name().to_string_lossy().contains("set-aside"));
    let aside: Vec<_> = aside.map(|it| fs::read(it.path()).unwrap()).collect();
    assert_eq!(aside, [spoilt], "kept as it was");

    // It goes on, and the news is no news after the next start.
    stage.renew("apiserver", YEAR);
    stage.receiver.wait_for_messages(4);
    assert_eq!(daemon.stop().0, Some(0));
    let mut daemon = stage.started_again();
    assert_eq!(daemon.stop().0, Some(0));
    assert_eq!(stage.receiver.posts("/hook").len(), 4, "{:?}", stage.receiver.headlines());
}

#[test]
fn a_state_that_is_cut_off_is_set_aside_and_told() {
    spoilt(|bytes| bytes[..bytes.len() / 2].to_vec(), "is damaged");
}

#[test]
fn a_state_of_zeros_is_set_aside_and_told() {
    spoilt(|bytes| vec![0; bytes.len()], "is damaged");
}

#[test]
fn an_empty_state_is_set_aside_and_told() {
    spoilt(|_| Vec::new(), "is empty");
}

#[test]
fn a_state_of_a_newer_version_is_set_aside_and_told() {
    spoilt(
        |_| json!({"version": 2, "state": {"other": true}}).to_string().into_bytes(),
        "has version 2; this certwatch knows version 1",
    );
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let stage = Stage::new();
    let daemon = stage.started();
    let second = super::common::run::finish(&mut stage.run_command());
    assert_eq!(second.code, 1, "{second:?}");
    let pid = daemon.child.id();
    for words in [format!("another certwatch (process {pid}) uses"), "stop it".to_owned()] {
        assert!(second.stderr.contains(&words), "{second:?}");
    }
    stage.renew("apiserver", SOON);
    stage.receiver.wait_for_messages(1);
}
