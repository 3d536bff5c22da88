//! A clock that was wrong: nothing that was told in "the future" silences an alert.
//!
//! faketime sets the clock of one process. That the daemon hears of a clock that is set while it
//! runs is tested where its timer is; that no order of clocks silences an alert, by the properties
//! of the ledger.

use std::process::Command;

use super::common::node::YEAR;
use super::common::pki::Days;
use super::common::run::finish;
use super::common::stage::{SOON, Stage};

/// `check --notify` with the clock moved; its exit code.
fn check_at(stage: &Stage, offset: &str) -> i32 {
    let certwatch = stage.command(&["check", "--notify"]);
    let mut command = Command::new("faketime");
    command.args(["-f", offset]).arg(certwatch.get_program()).args(certwatch.get_args());
    finish(&mut command).code
}

#[test]
fn after_a_time_in_the_future_the_present_is_told_as_ever() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    // Three years ahead everything but the CAs has expired.
    assert_eq!(check_at(&stage, "+1100d"), 2);
    let told = stage.receiver.messages();
    assert_eq!(told.len(), 1, "{:?}", stage.receiver.headlines());
    assert!(told[0].to_string().contains("has expired") || told[0].to_string().contains("expired"));

    // Back: nearly all of that is over, and apiserver still fires.
    assert_eq!(check_at(&stage, "+0"), 2);
    let told = stage.receiver.messages();
    assert_eq!(told.len(), 2, "{:?}", stage.receiver.headlines());
    let open: Vec<_> = told[1]["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["status"] == "firing")
        .collect();
    assert_eq!(open.len(), 1, "{:#}", told[1]);

    // Something new, and something worse: told, though all was "told" in the future.
    stage.renew("etcd-server", SOON);
    assert_eq!(check_at(&stage, "+0"), 2);
    assert_eq!(
        stage.receiver.headlines()[2],
        "etcd-server expires in 5 d (1 earlier alert is still open)"
    );
    stage.renew("apiserver", Days(-400, -2));
    assert_eq!(check_at(&stage, "+0"), 2);
    assert!(
        stage.receiver.headlines()[3].contains("apiserver expired"),
        "{:?}",
        stage.receiver.headlines()
    );

    // It is repeated after six hours of the present, not of the future.
    assert_eq!(check_at(&stage, "+7h"), 2);
    assert!(
        stage.receiver.headlines()[4].starts_with("still: "),
        "{:?}",
        stage.receiver.headlines()
    );

    for name in ["apiserver", "etcd-server"] {
        stage.renew(name, YEAR);
    }
    assert_eq!(check_at(&stage, "+0"), 0);
    assert_eq!(stage.receiver.messages()[5]["certwatch"]["kind"], "resolved");
}

/// A failure in the future does not put off the next attempt to then.
#[test]
fn after_a_failure_in_the_future_it_is_tried_at_once() {
    let mut stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.goes_down();
    assert_eq!(check_at(&stage, "+800d"), 2);
    stage.receiver.comes_back();
    assert_eq!(check_at(&stage, "+0"), 2);
    assert_eq!(stage.receiver.messages().len(), 1);
}

/// With the clock far back, nothing is told to be over that is not.
#[test]
fn a_clock_far_back_ends_nothing_for_good() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    assert_eq!(check_at(&stage, "+0"), 2);
    // Before any of these certificates began: all of them are wrong now, and told so.
    assert!(check_at(&stage, "-4000d") >= 2);
    assert_eq!(check_at(&stage, "+0"), 2);
    let last = stage.receiver.messages().pop().unwrap();
    let open: Vec<_> =
        last["alerts"].as_array().unwrap().iter().filter(|it| it["status"] == "firing").collect();
    assert_eq!(open.len(), 1, "{last:#}");
}
