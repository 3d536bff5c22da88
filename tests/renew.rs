//! `certwatch renew` and `restore` from the command line, as far as they need no root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use certwatch::domain::renewal::plan::{Plan, RestartPolicy};
use certwatch::domain::renewal::{Journal, Outcome, Step, Task};
use certwatch::domain::time::UnixTime;
use certwatch::renew::Memory;
use certwatch::store::{Store, peek};
use common::run::{Run, certwatch};
use tempfile::TempDir;

/// A configuration with these keys of `[renew]`, and a state directory of its own.
fn config(keys: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.toml");
    let state = dir.path().join("renew");
    let text = format!("[renew]\nstate-dir = \"{}\"\n{keys}", state.display());
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn renew(keys: &str, arguments: &[&str]) -> (TempDir, Run) {
    let (dir, path) = config(keys);
    let common = ["renew", "--config", path.to_str().unwrap()];
    let run = certwatch(common.iter().chain(arguments));
    (dir, run)
}

#[test]
fn help_says_what_there_is_and_not_what_the_service_uses() {
    for (verb, words) in [
        ("renew", &["--all", "--force", "--dry-run", "--rescue", "--cluster-config", "NAME"][..]),
        ("restore", &["--list", "BACKUP"][..]),
    ] {
        let run = certwatch([verb, "--help"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(words.iter().all(|word| run.stdout.contains(word)), "{run:?}");
        assert!(!run.stdout.contains("--auto") && !run.stdout.contains("--staged"), "{run:?}");
        assert!(run.stdout.contains("Exit status:"), "{run:?}");
    }
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        &["renew", "apiserver", "--all"][..],
        &["renew", "--auto", "--force"],
        &["renew", "--auto", "apiserver"],
        &["renew", "--no-such-option"],
        &["renew", "-o", "nagios"],
        &["restore", "--list", "2026-11-23T12-00-00Z"],
        &["restore", "one", "two"],
    ] {
        let run = certwatch(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
    }
}

#[test]
fn a_name_that_is_none_is_told_with_what_was_meant() {
    let (_dir, run) = renew("", &["apiserver", "etcd-pear"]);
    assert_eq!((run.code, run.stdout.as_str()), (64, ""));
    let expected = "certwatch: there is no certificate etcd-pear: did you mean etcd-peer?\n";
    assert_eq!(run.stderr, expected);
    let (_dir, run) = renew("", &["\u{1b}[2Jxyz"]);
    assert_eq!(run.code, 64);
    assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
}

#[test]
fn a_mistake_in_the_configuration_is_78() {
    for verb in ["renew", "restore"] {
        let (_dir, path) = config("before = '5d'\nwindows = ['at night']\n");
        let run = certwatch([verb, "--config", path.to_str().unwrap()]);
        assert_eq!((run.code, run.stdout.as_str()), (78, ""));
        assert!(run.stderr.contains("renew.deadline (its default) is not below renew.before"));
        assert!(run.stderr.contains("renew.windows, entry 1, is not a window"), "{run:?}");
        assert!(!run.stderr.contains("at night"), "{run:?}");
    }
}

#[test]
fn the_service_does_nothing_unless_it_is_enabled() {
    let (dir, run) = renew("", &["--auto"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    assert!(!dir.path().join("renew").exists());
}

/// A renewal whose process died before its last step.
fn interrupt(state_dir: &Path) {
    let now = UnixTime::new(1_800_000_000);
    let begun = Journal::begin(Task::Renew, &Plan::default(), RestartPolicy::None, now);
    let step = Step::CleanUp(Outcome::Unchanged);
    let memory = Memory { current: Some(Journal { step, ..begun }), ..Memory::default() };
    Store::open(state_dir).unwrap().save(&memory).unwrap();
}

/// A person began it, and may have gone home.
#[test]
fn what_a_person_began_is_ended_also_where_the_service_begins_nothing() {
    let (dir, path) = config("");
    let state_dir = dir.path().join("renew");
    interrupt(&state_dir);
    let run = certwatch(["renew", "--auto", "--config", path.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run:?}");
    let memory = peek::<Memory>(&state_dir).unwrap().unwrap();
    assert_eq!((memory.current, memory.history.len()), (None, 1));
}

/// A script reads one object, whatever happened on the way to it.
#[test]
fn an_interrupted_renewal_is_no_second_object() {
    // Nothing is renewed without it, also where this test runs as root on a control plane.
    let (dir, path) = config("kubeadm = '/nowhere/kubeadm'\n");
    interrupt(&dir.path().join("renew"));
    let run = certwatch(["renew", "-o", "json", "--config", path.to_str().unwrap()]);
    assert!(run.stderr.contains("an interrupted renewal has been brought to its end"), "{run:?}");
    let object: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(object["outcome"], serde_json::Value::Null);
}

#[test]
fn without_a_name_restore_lists_the_backups() {
    let (_dir, path) = config("");
    let path = path.to_str().unwrap();
    for arguments in [&["restore", "--config", path][..], &["restore", "--list", "--config", path]]
    {
        let run = certwatch(arguments);
        assert!(run.code == 0 && run.stdout.starts_with("There is no backup in "), "{run:?}");
    }
    let run = certwatch(["restore", "-o", "json", "--config", path]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "[]\n"));
}
