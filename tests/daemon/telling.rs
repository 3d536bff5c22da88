//! Who is told what, and that nobody is told twice.

use std::thread::sleep;
use std::time::Duration;

use super::common::node::YEAR;
use super::common::stage::{LATER, SOON, Stage};

/// A time in which nothing more comes: longer than the debounce and a scan.
const QUIET: Duration = Duration::from_secs(4);

#[test]
fn each_thing_is_told_once_over_changes_and_restarts() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.node.leaf("front-proxy-client", LATER);
    let mut daemon = stage.start();

    let first = &stage.receiver.wait_for_messages(1)[0];
    let told: Vec<_> = first["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["labels"]["severity"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["critical", "warning"], "the worst first: {first:#}");
    assert_eq!(first["certwatch"]["headline"], "apiserver expires in 5 d, and 1 other problem");
    assert_eq!(first["certwatch"]["severity"], "critical");
    sleep(QUIET);
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "nothing has changed");

    assert_eq!(daemon.stop().0, Some(0));
    let mut daemon = stage.started_again();
    sleep(QUIET);
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "a restart is no news");

    stage.renew("apiserver", YEAR);
    let messages = stage.receiver.wait_for_messages(2);
    assert_eq!(messages[1]["certwatch"]["kind"], "resolved", "{:#}", messages[1]);
    assert_eq!(messages[1]["certwatch"]["headline"], "apiserver is fine again (1 still open)");

    stage.renew("etcd-server", SOON);
    let messages = stage.receiver.wait_for_messages(3);
    assert_eq!(
        messages[2]["certwatch"]["headline"],
        "etcd-server expires in 5 d (1 earlier alert is still open)"
    );
    sleep(QUIET);
    assert_eq!(stage.receiver.posts("/hook").len(), 3, "{:?}", stage.receiver.headlines());

    let ids: std::collections::BTreeSet<_> =
        messages.iter().map(|it| it["certwatch"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "an id of its own for each");
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn what_gets_worse_is_told_again_and_what_is_removed_is_over() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", LATER);
    let _daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    stage.renew("apiserver", SOON);
    let worse = &stage.receiver.wait_for_messages(2)[1];
    assert_eq!(worse["certwatch"]["severity"], "critical");
    assert_eq!(worse["alerts"].as_array().unwrap().len(), 1);
}

#[test]
fn the_heartbeat_comes_after_a_scan_but_not_with_each_change() {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.heartbeat()));
    let _daemon = stage.start();
    let beat = &stage.receiver.wait_for_posts("/beat", 1)[0];
    assert!(!beat.path.ends_with("/fail"), "{beat:?}");
    assert!(beat.body.contains("certificates"), "{beat:?}");
    stage.renew("apiserver", SOON);
    stage.receiver.wait_for_messages(1);
    // Certificates are no trouble of certwatch itself, and a minute is not over.
    assert_eq!(stage.receiver.posts("/beat").len(), 1);
}
