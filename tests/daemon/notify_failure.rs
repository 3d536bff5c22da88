//! `certwatch notify failure`, as systemd calls it.

use std::fs;

use super::common::receiver::Manner;
use super::common::run::{Run, finish};
use super::common::stage::{HOOK_SECRET, Stage};

fn failed(stage: &Stage, unit: &str, monitor: &[(&str, &str)]) -> Run {
    let mut command = stage.command(&["notify", "failure", "--unit", unit]);
    for name in ["MONITOR_SERVICE_RESULT", "MONITOR_EXIT_STATUS"] {
        command.env_remove(name);
    }
    finish(command.envs(monitor.iter().copied()))
}

#[test]
fn it_says_which_unit_how_and_what_to_do() {
    let stage = Stage::new();
    let monitor = [("MONITOR_SERVICE_RESULT", "signal"), ("MONITOR_EXIT_STATUS", "KILL")];
    let run = failed(&stage, "certwatch.service", &monitor);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let messages = stage.receiver.messages();
    assert_eq!(messages.len(), 1);
    let said = messages[0].to_string();
    for words in [
        "certwatch.service has failed",
        "certwatch.service of cp1 has failed: it was killed by SIGKILL.",
        "nobody is notified about the certificates of this node",
        "journalctl -u certwatch.service.",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(messages[0]["certwatch"]["kind"], "news");
    // It needs no state, and leaves none.
    assert!(!stage.state().exists());
}

#[test]
fn what_a_unit_is_called_attacks_nobody() {
    let stage = Stage::new();
    let monitor = [("MONITOR_SERVICE_RESULT", "\u{1b}[2J")];
    assert_eq!(failed(&stage, "a\u{202e}\n; reboot", &monitor).code, 0);
    let said = stage.receiver.messages()[0].to_string();
    assert!(said.contains(r"systemd calls it \\u{1b}[2J."), "{said}");
    assert!(said.contains(r"journalctl -u 'a\\u{202e}\\u{a}; reboot'."), "{said}");
    assert!(!said.contains("nobody is notified about the certificates"), "{said}");
}

#[test]
fn what_passes_is_tried_again() {
    let stage = Stage::new();
    stage.receiver.next(&[Manner::Says(503)]);
    let run = failed(&stage, "certwatch.service", &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("webhook was not notified: "), "{run:?}");
    assert!(!run.stderr.contains(HOOK_SECRET), "{run:?}");
    assert_eq!(stage.receiver.posts("/hook").len(), 2);
}

#[test]
fn what_stays_is_not() {
    let stage = Stage::new();
    stage.receiver.on_path("/hook", Manner::Says(404));
    let run = failed(&stage, "certwatch.service", &[]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("returned HTTP 404"), "{run:?}");
    assert_eq!(stage.receiver.posts("/hook").len(), 1);
}

#[test]
fn a_wrong_configuration_does_not_silence_it() {
    let stage = Stage::new();
    let text = fs::read_to_string(stage.path("config.toml")).unwrap();
    fs::write(stage.path("config.toml"), format!("{text}\n[scan]\ntimeout = \"soon\"\n")).unwrap();
    let run = failed(&stage, "certwatch.service", &[("MONITOR_EXIT_STATUS", "78")]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("scan.timeout"), "{run:?}");
    assert_eq!(stage.receiver.messages().len(), 1);
}

#[test]
fn without_a_channel_it_fails_too() {
    let stage = Stage::new();
    stage.configure("");
    let run = failed(&stage, "certwatch.service", &[]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("no notification channel is configured"), "{run:?}");
}
