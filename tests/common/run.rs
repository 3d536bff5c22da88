//! The binary, as a user runs it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What one run of certwatch said.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs certwatch with these arguments; nothing of the caller's environment changes what it prints.
pub fn certwatch<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwatch"));
    finish(command.args(arguments))
}

/// Runs a command that ends by itself.
pub fn finish(command: &mut Command) -> Run {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// `check --root ROOT -o json` with more arguments: the document, and the exit code.
pub fn check_json(root: &Path, more: &[&str]) -> (Value, i32) {
    let root = root.to_str().unwrap();
    let run = certwatch([&["check", "--root", root, "-o", "json"], more].concat());
    let document =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_valid(&document);
    (document, run.code)
}

/// The document keeps to its published schema.
fn assert_valid(document: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../docs/check.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// All certificate rows of a document.
pub fn rows(document: &Value) -> &Vec<Value> {
    document["certificates"].as_array().unwrap()
}

/// The codes of the findings of the rows whose path ends with `tail`.
pub fn codes(document: &Value, tail: &str) -> Vec<String> {
    let of_path = |row: &&Value| row["path"].as_str().unwrap().ends_with(tail);
    let findings =
        rows(document).iter().filter(of_path).flat_map(|row| row["findings"].as_array().unwrap());
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}
