//! What is secret is seen nowhere, whatever happens.

use std::fs;

use rustix::process::Signal;

use super::common::receiver::Manner;
use super::common::stage::{BEAT_SECRET, HOOK_SECRET, SLACK_SECRET, SOON, Stage};

#[test]
fn no_secret_is_in_any_log_state_or_status() {
    let mut stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack() + &stage.heartbeat()));
    stage.node.leaf("apiserver", SOON);
    // Everything that can go wrong with a request, and what went well.
    stage.receiver.next(&[Manner::Says(500), Manner::Busy(1), Manner::Says(307), Manner::Closes]);
    let mut daemon = stage.start();
    stage.receiver.wait_for_posts("/", 6);
    stage.receiver.goes_down();
    stage.renew("etcd-server", SOON);
    daemon.wait_for_log("CRITICAL: etcd-server");
    daemon.wait_for_log("refuses the connection");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("configuration reloaded");
    let test = stage.certwatch(&["notify", "test"]);
    assert_eq!(test.code, 1, "{test:?}");
    let shown = stage.certwatch(&["config", "show"]);
    let status = [stage.certwatch(&["status"]), stage.certwatch(&["status", "-o", "json"])];
    assert_eq!(daemon.stop().0, Some(0));

    let log = daemon.read_log();
    assert!(log.contains("DEBUG"), "as much as there is: {log}");
    let state = fs::read_to_string(stage.state().join("state.json")).unwrap();
    let all = format!("{log}{state}{test:?}{shown:?}{status:?}");
    for secret in [HOOK_SECRET, SLACK_SECRET, BEAT_SECRET, "s3cr3t"] {
        let line = all.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
