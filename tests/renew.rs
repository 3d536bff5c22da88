//! `certwatch renew` and `restore` from the command line, as far as they need no root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use certwatch::domain::renewal::plan::{Plan, RestartPolicy};
use certwatch::domain::renewal::{Journal, Outcome, Step, Task};
use certwatch::domain::time::UnixTime;
use certwatch::renew::RenewerState;
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
        assert!(
            run.stderr.contains("renew.windows, entry 1, is not a maintenance window"),
            "{run:?}"
        );
        assert!(!run.stderr.contains("at night"), "{run:?}");
    }
}

/// What it names is run as root.
#[test]
fn hooks_need_a_configuration_of_roots() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, path) = config("[[renew.hook]]\ncommand = ['/bin/true']\n");
    let code = || certwatch(["restore", "--list", "--config", path.to_str().unwrap()]);
    assert_eq!(code().code, 0, "{:?}", code());
    let more = dir.path().join("conf.d");
    fs::create_dir(&more).unwrap();
    fs::write(more.join("a.toml"), "").unwrap();
    assert_eq!(code().code, 0, "{:?}", code());
    for open in [path.clone(), more.join("a.toml"), more] {
        let mode = fs::metadata(&open).unwrap().permissions();
        fs::set_permissions(&open, fs::Permissions::from_mode(mode.mode() | 0o002)).unwrap();
        let run = code();
        assert_eq!(run.code, 78, "{run:?}");
        assert!(run.stderr.contains("hooks are run only if root alone"), "{run:?}");
        fs::set_permissions(&open, mode).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(code().code, 0, "without hooks it is as before");
}

#[test]
fn the_service_renews_nothing_unless_it_is_enabled() {
    let (dir, run) = renew("", &["--auto"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    let told = "certwatch: no cluster configuration is saved for a rescue: ";
    assert!(run.stderr.starts_with(told) && run.stderr.lines().count() == 1, "{run:?}");
    let memory = peek::<RenewerState>(&dir.path().join("renew")).unwrap().unwrap();
    assert_eq!((memory.current, memory.history), (None, Vec::new()));
}

/// A renewal whose process died before its last step.
fn interrupt(state_dir: &Path) {
    let now = UnixTime::new(1_800_000_000);
    let begun = Journal::begin(Task::Renew, &Plan::default(), RestartPolicy::None, now);
    let step = Step::CleanUp(Outcome::Unchanged);
    let memory =
        RenewerState { current: Some(Journal { step, ..begun }), ..RenewerState::default() };
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
    let memory = peek::<RenewerState>(&state_dir).unwrap().unwrap();
    assert_eq!((memory.current, memory.history.len()), (None, 1));
}

/// It may be one that was interrupted.
#[test]
fn what_cannot_be_read_is_moved_aside_also_where_the_service_begins_nothing() {
    let (dir, path) = config("");
    let state_dir = dir.path().join("renew");
    interrupt(&state_dir);
    fs::write(state_dir.join("state.json"), "no JSON").unwrap();
    let run = certwatch(["renew", "--auto", "--config", path.to_str().unwrap()]);
    assert!(run.code == 0 && run.stderr.contains("can no longer be resumed"), "{run:?}");
    assert!(peek::<RenewerState>(&state_dir).is_ok());
}

/// Nobody would run it again.
#[test]
fn without_a_person_a_look_follows_what_was_moved_aside() {
    let (dir, path) = config("enabled = true\nkubeadm = '/nowhere/kubeadm'\n");
    let state_dir = dir.path().join("renew");
    interrupt(&state_dir);
    fs::write(state_dir.join("state.json"), "no JSON").unwrap();
    let run = certwatch(["renew", "--auto", "--config", path.to_str().unwrap()]);
    assert!(run.stderr.contains("can no longer be resumed"), "{run:?}");
    assert!(peek::<RenewerState>(&state_dir).unwrap().unwrap().last_run.is_some(), "{run:?}");
}

fn leftovers(path: &Path) -> (i32, Vec<serde_json::Value>) {
    let path = path.to_str().unwrap();
    let run = certwatch(["renew", "--dry-run", "-o", "json", "--config", path]);
    let object: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    (run.code, object["plan"]["leftovers"].as_array().unwrap().clone())
}

#[test]
fn a_dry_run_tells_what_an_earlier_run_has_left_and_changes_nothing() {
    let (dir, path) = config("kubeadm = '/nowhere/kubeadm'\n");
    let file = dir.path().join("renew/state.json");
    assert_eq!(leftovers(&path).1, [serde_json::Value::Null; 0]);
    interrupt(file.parent().unwrap());
    let before = fs::read(&file).unwrap();
    let (_, left) = leftovers(&path);
    assert_eq!(left[0]["code"], "interrupted");
    let message = left[0]["message"].as_str().unwrap();
    assert!(message.contains("was interrupted while cleaning up"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::write(&file, "no JSON").unwrap();
    let (code, left) = leftovers(&path);
    assert_eq!((code, &left[0]["code"]), (1, &"unreadable".into()));
    let message = left[0]["message"].as_str().unwrap();
    assert!(message.contains("state.json is damaged"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), b"no JSON");
    let run = certwatch(["renew", "--dry-run", "--config", path.to_str().unwrap()]);
    assert!(run.stdout.contains("First, left by an earlier run"), "{run:?}");
}

/// A script reads one object, whatever happened on the way to it.
#[test]
fn an_interrupted_renewal_is_no_second_object() {
    // Nothing is renewed without it, also where this test runs as root on a control plane.
    let (dir, path) = config("kubeadm = '/nowhere/kubeadm'\n");
    interrupt(&dir.path().join("renew"));
    let run = certwatch(["renew", "-o", "json", "--config", path.to_str().unwrap()]);
    assert!(run.stderr.contains("an interrupted renewal was completed"), "{run:?}");
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
        assert!(run.code == 0 && run.stdout.starts_with("No backups in "), "{run:?}");
    }
    let run = certwatch(["restore", "-o", "json", "--config", path]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "[]\n"));
}

/// Whoever has become the daemon's user can ask without end, and each look costs the node something.
#[test]
fn one_that_is_asked_too_often_looks_at_nothing() {
    let (dir, path) = config("enabled = true\n");
    let state_dir = dir.path().join("renew");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = UnixTime::new(now.as_secs().try_into().unwrap());
    let asked = RenewerState { looks: vec![now; 12], ..RenewerState::default() };
    Store::open(&state_dir).unwrap().save(&asked).unwrap();
    let mut renewer = Command::new(env!("CARGO_BIN_EXE_certwatch"))
        .args(["renew", "--auto", "--config", path.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(renewer.stderr.take().unwrap()).read_line(&mut said).unwrap();
    // It stays, so that the next request starts nobody.
    assert!(renewer.try_wait().unwrap().is_none(), "{said}");
    renewer.kill().and_then(|()| renewer.wait()).unwrap();
    assert!(said.contains("too many requests"), "{said}");
    assert_eq!(peek::<RenewerState>(&state_dir).unwrap().unwrap(), asked, "nothing was looked at");
    drop(Store::open(&state_dir).unwrap());
}
