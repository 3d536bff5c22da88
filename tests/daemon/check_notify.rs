//! `certwatch check --notify`: the daemon's engine for cron.

use std::time::{Duration, Instant};

use super::common::node::YEAR;
use super::common::receiver::Manner;
use super::common::stage::{LATER, SOON, Stage};

const VERB: &[&str] = &["check", "--notify"];

#[test]
fn several_runs_tell_once_and_the_exit_code_is_that_of_check() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    for _ in 0..3 {
        let run = stage.certwatch(VERB);
        assert_eq!((run.code, run.stderr.as_str()), (2, ""));
        assert!(run.stdout.contains("apiserver"), "the report is there as always: {run:?}");
    }
    assert_eq!(stage.receiver.headlines(), ["apiserver expires in 5 d"]);
    stage.renew("apiserver", LATER);
    assert_eq!(stage.certwatch(VERB).code, 1);
    stage.renew("apiserver", YEAR);
    assert_eq!(stage.certwatch(VERB).code, 0);
    assert_eq!(stage.certwatch(VERB).code, 0);
    let last = stage.receiver.messages().pop().unwrap();
    assert_eq!(last["certwatch"]["kind"], "resolved", "{last:#}");
    assert!(stage.receiver.messages().len() <= 3, "{:?}", stage.receiver.headlines());
}

#[test]
fn a_daemon_knows_what_check_has_told_and_the_other_way_round() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    assert_eq!(stage.certwatch(VERB).code, 2);
    let mut daemon = stage.started();
    stage.renew("etcd-server", SOON);
    let messages = stage.receiver.wait_for_messages(2);
    assert_eq!(
        messages[1]["certwatch"]["headline"],
        "etcd-server expires in 5 d (1 earlier alert is still open)"
    );
    assert_eq!(daemon.stop().0, Some(0));
    assert_eq!(stage.certwatch(VERB).code, 2);
    assert_eq!(stage.receiver.posts("/hook").len(), 2, "{:?}", stage.receiver.headlines());
}

#[test]
fn while_the_daemon_runs_it_leaves_the_telling_to_it() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let _daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 2, "check's own exit code: {run:?}");
    assert!(run.stderr.contains("nobody was notified: another certwatch (process "), "{run:?}");
    assert!(run.stderr.contains("If that is the daemon, it sends the notifications"), "{run:?}");
    assert_eq!(stage.receiver.posts("/hook").len(), 1);
}

#[test]
fn what_may_be_gone_in_a_moment_is_looked_at_until_it_is_certain() {
    let stage = Stage::new();
    let crt = "etc/kubernetes/pki/apiserver.crt";
    let whole = stage.node.read(crt);
    stage.node.write(crt, &whole[..whole.len() / 2]);
    let begin = Instant::now();
    let run = stage.certwatch(VERB);
    assert!(begin.elapsed() > Duration::from_secs(18), "{:?}", begin.elapsed());
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(stage.receiver.messages().len(), 1);

    // Mended while it waits: nobody is told.
    let stage = Stage::new();
    let whole = stage.node.read(crt);
    stage.node.write(crt, &whole[..whole.len() / 2]);
    let mut check = stage.command(VERB).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    stage.node.write(crt, &whole);
    assert_eq!(check.wait().unwrap().code(), Some(2), "what it saw at first");
    assert_eq!(stage.receiver.headlines(), Vec::<String>::new());
}

#[test]
fn a_delivery_that_fails_is_tried_again_and_a_refusal_is_said() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.next(&[Manner::Says(503)]);
    let run = stage.certwatch(VERB);
    assert_eq!((run.code, run.stderr.as_str()), (2, ""), "the second attempt was taken");
    assert_eq!(stage.receiver.posts("/hook").len(), 2);

    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    stage.receiver.henceforth(Manner::Says(403));
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("webhook was not notified: webhook (127.0.0.1) returned HTTP 403"),
        "{run:?}"
    );
}

#[test]
fn without_a_channel_it_says_so_and_keeps_the_exit_code() {
    let stage = Stage::new();
    stage.configure("");
    stage.node.leaf("apiserver", SOON);
    let run = stage.certwatch(VERB);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("nobody was notified: no notification channel is configured"),
        "{run:?}"
    );
}
