//! SIGHUP.

use std::fs;

use rustix::process::Signal;

use super::common::stage::{SOON, Stage};
use super::common::wait;

#[test]
fn a_new_receiver_is_told_all_that_fires() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    stage.configure(&(stage.webhook() + &stage.slack()));
    daemon.signal(Signal::HUP);
    let slack = &stage.receiver.wait_for_posts("/slack/chat.postMessage", 1)[0];
    assert!(slack.body.contains("apiserver expires in 5 d"), "{slack:?}");
    daemon.wait_for_log("the configuration was read again");
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "the other one knows it");
}

#[test]
fn a_bad_configuration_is_refused_and_told_and_the_old_one_stays() {
    let stage = Stage::new();
    let daemon = stage.started();
    let good = fs::read_to_string(stage.path("config.toml")).unwrap();
    stage.configure("interval = \"soon\"\n[wehook]\n");
    daemon.signal(Signal::HUP);

    let message = &stage.receiver.wait_for_messages(1)[0];
    let text = message.to_string();
    assert!(text.contains("still works with its old configuration"), "{message:#}");
    assert!(text.contains("config.toml"), "it says which file: {message:#}");
    assert_eq!(message["alerts"][0]["labels"]["severity"], "warning");
    // All that is wrong is in the log, not the first alone.
    let log = daemon.read_log();
    for words in
        ["interval", "wehook", "the new configuration is refused; the old one stays in effect"]
    {
        assert!(log.contains(words), "no {words:?} in {log}");
    }
    let status = wait::until("a firing alert in the status", || {
        let status = stage.status_by(&good);
        if status.contains("old configuration") { Ok(status) } else { Err(status) }
    });
    assert!(status.contains("WARNING"), "{status}");

    // The old one is in effect: what is new is still told.
    stage.renew("apiserver", SOON);
    stage.receiver.wait_for_messages(2);

    fs::write(stage.path("config.toml"), good).unwrap();
    daemon.signal(Signal::HUP);
    let message = &stage.receiver.wait_for_messages(3)[2];
    assert_eq!(message["certwatch"]["kind"], "resolved", "{message:#}");
}
