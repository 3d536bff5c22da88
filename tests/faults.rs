//! Faults of the host that only root can bring about: rows of docs/reliability.md.
//!
//! Each daemon runs in namespaces of its own, so nothing of the host is touched: part of
//! `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::node::YEAR;
use common::stage::{Daemon, LATER, SOON, Stage};
use common::wait;
use rustix::process::Signal;
use serde_json::Value;

/// A daemon that begins with this shell command, in namespaces of its own.
fn start(stage: &Stage, namespaces: &[&str], first: &str) -> Daemon {
    let run = stage.run_command();
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-ec", &format!("{first}; exec \"$@\""), "sh"]);
    command.arg(run.get_program()).args(run.get_args());
    Daemon::start(&mut command, stage.path("log"))
}

/// The state directory as the daemon sees it.
fn its_state(stage: &Stage, daemon: &Daemon) -> PathBuf {
    let inside = stage.state();
    let inside = inside.strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{}/root", daemon.child.id())).join(inside)
}

const MOUNTS: &[&str] = &["--mount", "--propagation", "private"];

fn mount(stage: &Stage, options: &str) -> String {
    fs::create_dir_all(stage.state()).unwrap();
    // Root uses no state that others can write.
    format!("mount -t tmpfs -o mode=0700,{options} tmpfs '{}'", stage.state().display())
}

fn about_itself(message: &Value) -> Option<&Value> {
    let alerts = message["alerts"].as_array().unwrap();
    alerts.iter().find(|alert| alert["labels"]["alertname"] == "CertwatchSelf")
}

#[test]
fn a_full_disk_is_told_and_alerts_go_on_and_it_is_over_when_there_is_room() {
    let stage = Stage::new();
    let mut daemon = start(&stage, MOUNTS, &mount(&stage, "size=64k"));
    daemon.wait_for_log("DEBUG scanned");
    let filler = its_state(&stage, &daemon).join("filler");
    let mut size = 64 << 10;
    while fs::write(&filler, vec![0; size]).is_err() {
        size -= 4096;
    }

    stage.renew("apiserver", SOON);
    let both = wait::until("the alert and that the disk is full", || {
        let text = stage.receiver.messages().iter().map(Value::to_string).collect::<String>();
        let is_told = text.contains("apiserver expires in 5 d") && text.contains("disk is full");
        if is_told { Ok(text) } else { Err(stage.receiver.headlines()) }
    });
    assert!(both.contains("cannot save the notification state"), "{both}");
    assert!(
        daemon.read_log().contains("the disk is full; free some space"),
        "{}",
        daemon.read_log()
    );
    let before = stage.receiver.messages().len();

    // It remembers without the disk: nothing is told twice while it runs.
    stage.renew("etcd-server", LATER);
    let messages = stage.receiver.wait_for_messages(before + 1);
    assert_eq!(messages.len(), before + 1, "{:?}", stage.receiver.headlines());
    assert_eq!(daemon.child.try_wait().unwrap(), None);

    fs::remove_file(filler).unwrap();
    stage.renew("etcd-server", YEAR);
    wait::until("that it is over", || {
        let messages = stage.receiver.messages();
        let own = messages.iter().filter_map(about_itself);
        own.into_iter()
            .find(|it| it["status"] == "resolved")
            .cloned()
            .ok_or(stage.receiver.headlines())
    });
    assert!(daemon.read_log().contains("no longer: cannot save the notification state"));
    let state = fs::read_to_string(its_state(&stage, &daemon).join("state.json")).unwrap();
    assert!(state.contains("apiserver"), "all that it has told meanwhile is on disk: {state}");
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn a_disk_that_fills_up_is_told_though_nothing_else_is_wrong() {
    let stage = Stage::new();
    let daemon = start(&stage, MOUNTS, &mount(&stage, "size=64k"));
    daemon.wait_for_log("DEBUG scanned");
    let filler = its_state(&stage, &daemon).join("filler");
    let mut size = 64 << 10;
    while fs::write(&filler, vec![0; size]).is_err() {
        size -= 4096;
    }
    // Any change leads to a scan, and that to a write.
    stage.renew("apiserver", YEAR);
    let message = stage.receiver.wait_for_messages(1).remove(0);
    assert!(message.to_string().contains("the disk is full"), "{message:#}");
}

#[test]
fn a_read_only_state_directory_is_told_and_alerts_go_on() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let mut daemon = start(&stage, MOUNTS, &mount(&stage, "ro"));
    let messages = wait::until("the alert and that it cannot write", || {
        let messages = stage.receiver.messages();
        let text = messages.iter().map(Value::to_string).collect::<String>();
        let is_told =
            text.contains("apiserver expires in 5 d") && text.contains("file system is read-only");
        if is_told { Ok(messages) } else { Err(messages) }
    });
    stage.renew("etcd-server", SOON);
    let messages = stage.receiver.wait_for_messages(messages.len() + 1);
    let headline = &messages.last().unwrap()["certwatch"]["headline"];
    assert!(headline.as_str().unwrap().starts_with("etcd-server expires in 5 d"), "{headline}");
    let log = daemon.read_log();
    assert!(log.contains("the file system is read-only; mount it writable"), "{log}");
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn without_inotify_the_regular_scans_notice_changes_and_it_says_so() {
    let stage = Stage::new();
    let first = "echo 0 >/proc/sys/user/max_inotify_instances";
    let mut daemon = start(&stage, &["--user", "--map-root-user"], first);
    daemon.wait_for_log("DEBUG scanned");
    let status = stage.certwatch(&["status"]).stdout;
    let limit = "the limit LimitNOFILE or fs.inotify.max_user_instances is reached; raise it";
    assert!(
        status.contains(&format!("file changes: only the regular scans ({limit})")),
        "{status}"
    );
    let log = daemon.read_log();
    let warning = format!("WARN  file changes are only noticed by the regular scans: {limit}");
    assert!(log.contains(&warning), "{log}");
    stage.renew("apiserver", SOON);
    daemon.signal(Signal::HUP);
    let message = stage.receiver.wait_for_messages(1).remove(0);
    assert_eq!(message["certwatch"]["headline"], "apiserver expires in 5 d");
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn too_few_watches_are_used_and_it_says_where_there_are_none() {
    let stage = Stage::new();
    let first = "echo 2 >/proc/sys/user/max_inotify_watches";
    let daemon = start(&stage, &["--user", "--map-root-user"], first);
    daemon.wait_for_log("DEBUG scanned");
    let status = stage.certwatch(&["status"]).stdout;
    let limit = "the limit fs.inotify.max_user_watches is reached; raise it";
    let watch = format!("inotify on 2 directories, elsewhere only the regular scans ({limit})");
    assert!(status.contains(&watch), "{status}");
    let log = daemon.read_log();
    let warning = format!("WARN  some file changes are only noticed by the regular scans: {limit}");
    assert!(log.contains(&warning), "{log}");
}
