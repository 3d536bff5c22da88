//! A file system that is away holds up nothing but itself.
//!
//! Needs root and /dev/fuse, to mount one that never answers: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::node::Node;
use common::pki::Days;
use common::run::{codes, rows};
use serde_json::Value;
use tempfile::TempDir;

/// A file system that never answers, until it is dropped.
struct Hanging(Child);

impl Hanging {
    fn at(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hangfs.py");
        let mut command = Command::new(script);
        let mut child =
            command.arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n");
        Self(child)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// The report of a node with an expired API server, while the directories hang.
fn check_with_hanging(directories: &[&str]) -> Value {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    node.leaf("apiserver", Days(-400, -35));
    let config = root.path().join("config.toml");
    fs::write(&config, "[scan]\ntimeout = \"12s\"\n").unwrap();
    let report = root.path().join("report.json");
    let hanging: Vec<Hanging> =
        directories.iter().map(|below| Hanging::at(&root.path().join(below))).collect();
    let mut certwatch = Command::new(env!("CARGO_BIN_EXE_certwatch"))
        .args(["check", "-o", "json", "--root"])
        .arg(root.path())
        .arg("--config")
        .arg(&config)
        .stdout(fs::File::create(&report).unwrap())
        .spawn()
        .unwrap();
    // The kernel lets the process end only when its file system answers; the report comes before.
    let deadline = Instant::now() + Duration::from_secs(120);
    let document = loop {
        match serde_json::from_slice(&fs::read(&report).unwrap()) {
            Ok(document) => break document,
            Err(_) => assert!(Instant::now() < deadline, "no report for {directories:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    drop(hanging);
    assert_eq!(certwatch.wait().unwrap().code(), Some(2));
    document
}

#[test]
fn a_directory_below_the_pki_costs_itself_alone() {
    let document = check_with_hanging(&["etc/kubernetes/pki/aaa", "etc/kubernetes/pki/zzz"]);
    assert_eq!(codes(&document, "pki/apiserver.crt"), ["expired"]);
    assert_eq!(codes(&document, "pki/aaa"), ["timeout"]);
    assert_eq!(codes(&document, "pki/zzz"), ["timeout"]);
    let ok = rows(&document).iter().filter(|row| row["severity"] == "ok").count();
    assert!(ok >= 15, "{document:#}");
}

#[test]
fn the_kubelet_s_directory_may_hang_too() {
    let document = check_with_hanging(&["var/lib/kubelet/pki"]);
    assert_eq!(codes(&document, "pki/apiserver.crt"), ["expired"]);
    assert!(
        codes(&document, "/var/lib/kubelet/pki").contains(&"timeout".to_owned()),
        "{document:#}"
    );
}
