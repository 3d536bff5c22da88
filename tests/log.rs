//! The log in a process of its own: where it goes by itself, and what a journal gets.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use certwatch::log::{LogFormat, LogLevel, init};
use tempfile::TempDir;

/// This program, to run a test that is ignored otherwise, with standard error in this file.
fn child(test: &str, stderr: &Path, journal: bool) -> Command {
    let stderr = File::create(stderr).unwrap();
    let stat = stderr.metadata().unwrap();
    let stream = if journal { format!("{}:{}", stat.dev(), stat.ino()) } else { "1:1".to_owned() };
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("JOURNAL_STREAM", stream)
        .stderr(stderr);
    command
}

#[test]
#[ignore = "the child of the next one"]
fn child_logs_by_itself() {
    init(LogFormat::Auto, LogLevel::Info).unwrap();
    tracing::info!(target: "certwatch", receiver = "mail", "sent\u{1b}");
    tracing::debug!(target: "certwatch", "too much");
    tracing::info!(target: "ureq", "POST https://example/secret");
    assert!(init(LogFormat::Auto, LogLevel::Info).is_err(), "once");
}

#[test]
fn without_a_journal_lines_go_to_standard_error() {
    let dir = TempDir::new().unwrap();
    let stderr = dir.path().join("stderr");
    assert!(child("child_logs_by_itself", &stderr, false).status().unwrap().success());
    let text = fs::read_to_string(&stderr).unwrap();
    let (time, line) = text.split_once(' ').unwrap();
    assert!(time.ends_with('Z'), "{text}");
    assert_eq!(line, "INFO  sent\\u{1b} receiver=mail\n");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let full = Path::new("/dev/full");
    assert!(child("child_logs_by_itself", full, false).status().unwrap().success());
}

/// With a journal's socket in a mount namespace of its own.
#[cfg(feature = "lab")]
mod journal {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;

    #[test]
    #[ignore = "the child of the next one"]
    fn child_logs_to_its_journal() {
        let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
        journal.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        init(LogFormat::Auto, LogLevel::Info).unwrap();
        tracing::warn!(target: "certwatch", receiver = "mail", left = 3, "not\nsent");
        let mut bytes = [0; 4096];
        let entry = loop {
            // The first one is empty, to see whether there is a journal.
            let length = journal.recv(&mut bytes).unwrap();
            if length > 0 {
                break String::from_utf8_lossy(&bytes[..length]).into_owned();
            }
        };
        for field in [
            "PRIORITY\n\u{1}\0\0\0\0\0\0\x004\n",
            "SYSLOG_IDENTIFIER\n\t\0\0\0\0\0\0\0certwatch\n",
            "CERTWATCH_RECEIVER\n\u{4}\0\0\0\0\0\0\0mail\n",
            "CERTWATCH_LEFT\n\u{1}\0\0\0\0\0\0\x003\n",
            "MESSAGE\n\u{8}\0\0\0\0\0\0\0not\nsent\n",
        ] {
            assert!(entry.contains(field), "{field:?} in {entry:?}");
        }
    }

    #[test]
    fn a_journal_gets_fields() {
        let dir = TempDir::new().unwrap();
        let stderr = dir.path().join("stderr");
        let command = child("journal::child_logs_to_its_journal", &stderr, true);
        let stat = fs::metadata(&stderr).unwrap();
        let setup = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec \"$@\"";
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", setup, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .env("JOURNAL_STREAM", format!("{}:{}", stat.dev(), stat.ino()))
            .stderr(File::options().append(true).open(&stderr).unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{}", fs::read_to_string(&stderr).unwrap());
        assert_eq!(fs::read_to_string(&stderr).unwrap(), "", "nothing is said twice");
    }
}
