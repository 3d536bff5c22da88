//! SIGTERM: the daemon ends at once, with all it knows on disk.

use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::common::receiver::Manner;
use super::common::stage::{SOON, Stage};

/// It promises one second; a busy machine gets more.
const SOME_SECONDS: Duration = Duration::from_secs(5);

#[test]
fn it_ends_with_its_state_on_disk() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let mut daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    let (code, took) = daemon.stop();
    println!("idle: {took:?}");
    assert_eq!(code, Some(0));
    assert!(took < SOME_SECONDS, "{took:?}");
    let receiver = &stage.memory()["state"]["ledger"]["receivers"]["webhook"];
    assert_eq!(receiver["count"], 1, "{receiver:#}");
}

#[test]
fn a_delivery_that_hangs_does_not_hold_it_up_and_is_made_after_the_restart() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.next(&[Manner::Hangs]);
    let mut daemon = stage.start();
    let hung = stage.receiver.wait_for_posts("/hook", 1).remove(0);
    let (code, took) = daemon.stop();
    println!("with a delivery that hangs: {took:?}");
    assert_eq!(code, Some(0));
    assert!(took < SOME_SECONDS, "{took:?}");

    let _daemon = stage.started_again();
    stage.receiver.wait_for_messages(1);
    let again = stage.receiver.posts("/hook").remove(1);
    let id = |post: &super::common::receiver::Post| {
        post.headers.iter().find(|(name, _)| name == "idempotency-key").cloned().unwrap()
    };
    assert_eq!(id(&hung), id(&again), "the same message");
}

/// What a delivery ends with while the daemon stops is not lost: else it would be told twice.
#[test]
fn a_delivery_that_ends_within_the_last_moment_counts() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.on(|_| std::thread::sleep(Duration::from_millis(100)));
    let mut daemon = stage.start();
    stage.receiver.wait_for_posts("/hook", 1);
    assert_eq!(daemon.stop().0, Some(0));
    let mut daemon = stage.started_again();
    assert_eq!(daemon.stop().0, Some(0));
    assert_eq!(stage.receiver.posts("/hook").len(), 1);
}

#[test]
fn ctrl_c_is_as_good() {
    let stage = Stage::new();
    let mut daemon = stage.started();
    daemon.signal(Signal::INT);
    assert_eq!(daemon.end().code(), Some(0));
}

/// A pipe that nobody writes to, and one in the place of the state: neither holds anything up.
#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hold_it_up() {
    let stage = Stage::new();
    let path = stage.node.path("etc/kubernetes/pki/apiserver.crt");
    std::fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut daemon = stage.started();
    let (code, took) = daemon.stop();
    println!("with a pipe: {took:?}");
    assert_eq!(code, Some(0));
    assert!(took < SOME_SECONDS, "{took:?}");
}
