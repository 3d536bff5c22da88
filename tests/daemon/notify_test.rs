//! `certwatch notify test`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::common::receiver::Manner;
use super::common::stage::Stage;

const VERB: &[&str] = &["notify", "test"];

fn with_three() -> Stage {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack() + &stage.heartbeat()));
    stage
}

#[test]
fn each_channel_takes_one_marked_message() {
    let stage = with_three();
    let run = stage.certwatch(VERB);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let said: Vec<_> = run.stdout.lines().map(|line| line.split(" (").next().unwrap()).collect();
    assert_eq!(said[..2], ["ok      Slack", "ok      webhook"]);
    assert!(said[2].starts_with("skipped: heartbeat, because "), "{run:?}");
    assert!(said[2].ends_with("certwatch notify test heartbeat"), "{run:?}");
    assert_eq!(stage.receiver.messages()[0]["certwatch"]["kind"], "test");
    assert_eq!(stage.receiver.posts("/slack").len(), 1);
    assert_eq!(stage.receiver.posts("/beat").len(), 0, "the daemon's own sign of life");
    // It needs no state, and leaves none.
    assert!(!stage.state().exists());
}

#[test]
fn one_that_fails_is_reported_with_a_reason_and_the_others_are_tried() {
    let stage = with_three();
    stage.receiver.on_path("/hook", Manner::Says(404));
    stage.receiver.on_path("/slack", Manner::Says(503));
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("FAILED  webhook ("), "{run:?}");
    assert!(run.stdout.contains("        webhook (127.0.0.1) returned HTTP 404\n"), "{run:?}");
    assert!(run.stdout.contains("This may be temporary: the daemon would retry."), "{run:?}");
}

#[test]
fn only_what_is_named_is_tried() {
    let stage = with_three();
    let run = stage.certwatch(&["notify", "test", "heartbeat"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("ok      heartbeat (") && !run.stdout.contains("skipped"));
    assert_eq!(stage.receiver.posts("/").len(), 1);
    let run = stage.certwatch(&["notify", "test", "pigeon"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stderr,
        "certwatch: channel pigeon is not configured; configured channels: slack, webhook, heartbeat\n"
    );
}

#[test]
fn no_channel_is_a_failure_with_advice() {
    let stage = Stage::new();
    stage.configure("");
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("no notification channel is configured. Fill in"), "{run:?}");
}

#[test]
fn a_heartbeat_tells_no_people() {
    let stage = Stage::new();
    stage.configure(&stage.heartbeat());
    let run = stage.certwatch(VERB);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("only the heartbeat is configured"), "{run:?}");
    assert_eq!(stage.receiver.posts("/").len(), 0);
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let stage = Stage::new();
    fs::set_permissions(stage.path("hook"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("has mode 0644"), "{run:?}");
    assert!(run.stdout.contains("`chmod 0600`"), "{run:?}");
    assert_eq!(stage.receiver.posts("/").len(), 0, "nothing was sent");
}
