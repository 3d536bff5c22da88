//! `certwatch status`.

use serde_json::Value;

use super::common::receiver::Manner;
use super::common::stage::{LATER, SOON, Stage};
use super::common::wait;

/// The text with all that differs from run to run replaced.
fn redacted(stage: &Stage, text: &str) -> String {
    let mut text = text.replace(&*stage.dir.path().to_string_lossy(), "DIR");
    for (pattern, word) in [("0000-00-00T00:00:00Z", "TIME"), ("0000-00-00", "DAY")] {
        text = replaced(&text, pattern, word);
    }
    for (before, after) in [
        ("(process ", ","),
        ("\"pid\": ", ","),
        ("\"duration_ms\": ", ","),
        ("certificates in ", " ms"),
        ("(process N, version ", ")"),
        ("\"version\": \"", "\""),
    ] {
        text = between(&text, before, after);
    }
    // A busy machine takes its time.
    text.lines()
        .map(|line| between(line, "since ", " s ago").replace("N s ago", "just now") + "\n")
        .collect()
}

/// The text with what matches `pattern`, in which 0 stands for any digit, replaced.
fn replaced(text: &str, pattern: &str, word: &str) -> String {
    let is_it = |part: &str| {
        let same = |(at, like): (char, char)| at == like || like == '0' && at.is_ascii_digit();
        part.len() == pattern.len() && part.chars().zip(pattern.chars()).all(same)
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if rest.get(..pattern.len()).is_some_and(is_it) {
            out += word;
            rest = &rest[pattern.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The text with what lies between the first `before` and the next `after` replaced.
fn between(text: &str, before: &str, after: &str) -> String {
    let Some(begin) = text.find(before).map(|at| at + before.len()) else { return text.to_owned() };
    match text[begin..].find(after) {
        Some(length) => format!("{}N{}", &text[..begin], &text[begin + length..]),
        None => text.to_owned(),
    }
}

/// Prints the JSON, which keeps to its published schema.
fn json(stage: &Stage) -> (String, Value) {
    let run = stage.certwatch(&["status", "-o", "json"]);
    assert_eq!(run.stderr, "");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let daemon = &document["daemon"];
    let has_gone = !daemon["started_at"].is_null() && daemon["running"] == false;
    assert_eq!(run.code, i32::from(has_gone), "{run:?}");
    let schema = include_str!("../../docs/status.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {document:#}");
    (run.stdout, document)
}

/// A daemon with one receiver that takes all and one that takes nothing.
fn troubled() -> (Stage, super::common::stage::Daemon) {
    let stage = Stage::new();
    stage.configure(&(stage.webhook() + &stage.slack() + &stage.heartbeat()));
    stage.node.leaf("apiserver", SOON);
    stage.node.leaf("front-proxy-client", LATER);
    stage.receiver.on_path("/slack", Manner::Says(403));
    let daemon = stage.start();
    // The alert, and that Slack refuses.
    stage.receiver.wait_for_messages(2);
    wait::until("a state that says so", || {
        let receivers = stage.memory()["state"]["ledger"]["receivers"].clone();
        if receivers["webhook"]["count"] == 2 { Ok(()) } else { Err(receivers) }
    });
    (stage, daemon)
}

#[test]
fn it_says_how_the_daemon_is_and_what_fires_and_who_is_told() {
    let (stage, mut daemon) = troubled();
    let running = stage.certwatch(&["status"]);
    assert_eq!((running.code, running.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("running", redacted(&stage, &running.stdout));
    let (text, document) = json(&stage);
    insta::assert_snapshot!("running_json", redacted(&stage, &text));
    assert_eq!(document["daemon"]["pid"], daemon.child.id());
    assert!(document["daemon"]["running"].as_bool().unwrap());

    assert_eq!(daemon.stop().0, Some(0));
    let stopped = stage.certwatch(&["status"]);
    assert_eq!((stopped.code, stopped.stderr.as_str()), (1, ""));
    let line = "certwatch on cp1: NOT RUNNING: nobody is notified. Start it with `systemctl start certwatch`\n";
    assert!(stopped.stdout.starts_with(line), "{stopped:?}");
    assert!(!json(&stage).1["daemon"]["running"].as_bool().unwrap());
}

#[test]
fn a_daemon_that_was_killed_does_not_run() {
    let (stage, mut daemon) = troubled();
    daemon.kill();
    let run = stage.certwatch(&["status"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("NOT RUNNING"), "{run:?}");
}

#[test]
fn with_a_configuration_that_is_refused_it_shows_whom_the_old_one_tells() {
    let (stage, daemon) = troubled();
    stage.configure("interval = \"soon\"\n");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("daemon.interval");
    let run = stage.certwatch(&["status"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("certwatch on cp1: running"), "{run:?}");
    let line = "\nThe configuration file is invalid (see `certwatch config check`)";
    assert!(run.stdout.contains(line), "{run:?}");
    assert!(run.stdout.contains("\nSlack      REJECTED "), "{run:?}");
    let (_, document) = json(&stage);
    assert_eq!(document["config_invalid"], true);
    let names: Vec<_> =
        document["receivers"].as_array().unwrap().iter().map(|it| &it["receiver"]).collect();
    assert_eq!(names, ["heartbeat", "slack", "webhook"]);
}

#[test]
fn without_a_status_a_configuration_that_is_refused_is_said() {
    let stage = Stage::new();
    stage.configure("interval = \"soon\"\n");
    let run = stage.certwatch(&["status"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("daemon.interval"), "{run:?}");
    assert!(run.stderr.contains("no status yet"), "{run:?}");
}

#[test]
fn a_healthy_node_without_a_channel() {
    let stage = Stage::new();
    stage.configure("");
    let _daemon = stage.started();
    let run = stage.certwatch(&["status"]);
    assert!(run.stdout.contains("\nNothing is wrong.\n"), "{run:?}");
    assert!(run.stdout.contains("\nNo notification channel is configured.\n"), "{run:?}");
    json(&stage);
}

#[test]
fn what_cron_left_is_called_so() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    assert_eq!(stage.certwatch(&["check", "--notify"]).code, 2);
    let run = stage.certwatch(&["status"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("no daemon; as of the last `certwatch check --notify`"), "{run:?}");
    json(&stage);
}

#[test]
fn never_run_is_a_failure_with_words() {
    let stage = Stage::new();
    let run = stage.certwatch(&["status"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("no status yet"), "{run:?}");
}

#[test]
fn a_state_that_is_damaged_is_a_failure_with_words_and_stays() {
    let stage = Stage::new();
    std::fs::create_dir(stage.state()).unwrap();
    std::fs::write(stage.state().join("state.json"), "{").unwrap();
    let run = stage.certwatch(&["status"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("is damaged"), "{run:?}");
    assert!(stage.state().join("state.json").exists(), "only the daemon sets it aside");
}

/// Only root can become somebody else.
#[test]
fn another_user_is_told_why_there_is_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stage = Stage::new();
    let _daemon = stage.started();
    std::fs::set_permissions(stage.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The program may lie where nobody else can reach it.
    let copy = stage.path("certwatch");
    std::fs::copy(env!("CARGO_BIN_EXE_certwatch"), &copy).unwrap();
    let mut command = std::process::Command::new(copy);
    command.args(["status", "--config"]).arg(stage.path("config.toml")).uid(65534).gid(65534);
    let run = super::common::run::finish(&mut command);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.ends_with(": permission denied; run it as root\n"), "{run:?}");
}
