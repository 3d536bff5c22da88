//! What the service manager is told, seen from its end of the socket.

use std::time::Duration;

use rustix::process::Signal;

use super::common::manager::Manager;
use super::common::stage::{Daemon, SOON, Stage};
use super::common::wait;

fn start(stage: &Stage, watchdog: Option<&str>) -> Daemon {
    let mut command = stage.run_command();
    command.env("NOTIFY_SOCKET", stage.path("notify"));
    if let Some(usec) = watchdog {
        command.env("WATCHDOG_USEC", usec);
    }
    Daemon::start(&mut command, stage.path("log"))
}

#[test]
fn ready_comes_after_the_first_scan_and_the_status_is_in_plain_words() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let mut manager = Manager::of(&stage);
    let mut daemon = start(&stage, None);
    let ready = manager.wait_for("READY=1", 0);
    // The scan is saved before anybody hears of it.
    assert!(
        stage.memory()["state"]["scan"]["at"].is_number()
            || stage.memory()["state"]["scan"]["at"].is_string()
    );
    let status = manager.wait_for("STATUS=", 0);
    assert!(status > ready, "{:?}", manager.heard);
    let words = manager.heard[status].clone();
    let scanned = "certificates; 1 critical; next: apiserver in 5 d; webhook ";
    assert!(words.contains(scanned), "{words}");
    // Before anything was sent nobody knows.
    daemon.wait_for_log(&format!("{scanned}not tried yet"));
    wait::until("a status that says that it was told", || {
        manager.hear();
        let is_it = |line: &String| line.starts_with("STATUS=") && line.contains("webhook ok");
        if manager.heard.iter().any(is_it) { Ok(()) } else { Err(manager.heard.clone()) }
    });

    let from = manager.heard.len();
    daemon.signal(Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1", from);
    assert!(manager.heard[reloading + 1].starts_with("MONOTONIC_USEC="), "{:?}", manager.heard);
    manager.wait_for("READY=1", reloading);

    // A configuration that is refused is in the line too.
    let from = manager.heard.len();
    stage.configure("interval = \"soon\"\n");
    daemon.signal(Signal::HUP);
    manager.wait_for("READY=1", from);
    wait::until("a status that says so", || {
        manager.hear();
        let last = manager.heard.iter().rev().find(|line| line.starts_with("STATUS=")).cloned();
        last.filter(|line| line.contains("configuration invalid")).ok_or(manager.heard.clone())
    });

    assert_eq!(daemon.stop().0, Some(0));
    manager.wait_for("STOPPING=1", from);
    assert!(!manager.heard.iter().any(|line| line.starts_with("WATCHDOG")), "nobody asked for it");
}

#[test]
fn the_watchdog_is_fed_as_often_as_it_wants() {
    let stage = Stage::new();
    let mut manager = Manager::of(&stage);
    let _daemon = start(&stage, Some("500000"));
    let mut at = 0;
    for _ in 0..6 {
        at = manager.wait_for("WATCHDOG=1", at) + 1;
    }
}

#[test]
fn a_manager_that_is_not_there_is_said_once() {
    let stage = Stage::new();
    let mut command = stage.run_command();
    command.env("NOTIFY_SOCKET", stage.path("nobody")).env("WATCHDOG_USEC", "200000");
    let mut daemon = Daemon::start(&mut command, stage.path("log"));
    daemon.wait_for_log("DEBUG scanned");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.stop().0, Some(0));
    let log = daemon.read_log();
    assert_eq!(log.matches("cannot notify the service manager").count(), 1, "{log}");
}

#[test]
fn a_refused_start_never_says_ready() {
    let stage = Stage::new();
    stage.configure("interval = \"soon\"\n");
    let mut manager = Manager::of(&stage);
    let mut daemon = start(&stage, None);
    assert_eq!(daemon.end().code(), Some(78));
    manager.hear();
    assert_eq!(manager.heard, Vec::<String>::new());
    assert!(daemon.read_log().contains("interval"), "{}", daemon.read_log());
}

/// Its queue is full in no time, and then everything that is told waits.
#[test]
fn a_manager_that_does_not_listen_stops_nobody() {
    let stage = Stage::new();
    let _deaf = Manager::of(&stage);
    let mut daemon = start(&stage, Some("2000"));
    daemon.wait_for_log("cannot notify the service manager");
    stage.renew("apiserver", SOON);
    stage.receiver.wait_for_messages(1);
    assert_eq!(daemon.stop().0, Some(0));
}
