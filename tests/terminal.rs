//! The table on a real terminal: colours, width.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::process::Command;

use common::node::Node;
use common::pki::Days;
use common::run::finish;
use tempfile::TempDir;

/// What a terminal of so many columns shows of `check` on a node with something of everything.
fn on_terminal(columns: usize, environment: &[(&str, &str)]) -> String {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    node.leaf("apiserver", Days(-360, 5));
    node.remove("etc/kubernetes/pki/etcd/peer.crt");
    let binary = env!("CARGO_BIN_EXE_certwatch");
    let line = format!("stty cols {columns}; {binary} check --root {}", root.path().display());
    // script(1) gives the command a terminal of its own.
    let mut script = Command::new("script");
    script.args(["-qc", &line, "/dev/null"]).env("TERM", "xterm");
    finish(script.envs(environment.iter().copied())).stdout.replace('\r', "")
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    assert!(on_terminal(80, &[]).contains("\u{1b}["));
    for no_colour in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = on_terminal(80, &[no_colour]);
        assert!(shown.contains("CRITICAL") && !shown.contains('\u{1b}'), "{no_colour:?}: {shown}");
    }
    // An empty NO_COLOR is none (no-color.org).
    assert!(on_terminal(80, &[("NO_COLOR", "")]).contains("\u{1b}["));
}

#[test]
fn rows_fit_the_width_and_use_it() {
    for columns in [80, 120] {
        let shown = on_terminal(columns, &[("NO_COLOR", "1")]);
        let rows = shown.lines().filter(|line| !line.starts_with(' '));
        let widest = rows.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{widest} of {columns}: {shown}");
        assert_eq!(shown.contains("RENEWED BY"), columns == 120, "{shown}");
        assert!(
            shown.trim_end().lines().last().unwrap().starts_with("certwatch: CRITICAL"),
            "{shown}"
        );
    }
}
