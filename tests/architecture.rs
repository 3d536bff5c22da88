//! What the sources have to keep to, read from the sources themselves.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Type names that stand for more than one thing, each with the reason. An `Error` of a module is
/// idiomatic Rust, and free. There may be fewer than ten.
const SHARED_NAMES: [(&str, &str); 0] = [];

/// A line of production code, with the file that it is from.
type Line = (PathBuf, String);

/// Every production file below `src`: without the modules, and the ends of files, that are tests.
fn production() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = Vec::new();
    for file in sources(&root.join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        // An inline module of tests is the end of its file.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let path = file.strip_prefix(root).unwrap();
        lines.extend(code.lines().map(|line| (path.to_owned(), line.to_owned())));
    }
    assert!(lines.len() > 10_000, "only {} lines were found", lines.len());
    lines
}

/// The Rust files below a directory that are no tests, by how this crate names those.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let is_test = |path: &Path| {
        let name = path.file_stem().unwrap_or_default();
        ["tests", "testing", "sample"].into_iter().any(|test| name == test)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if is_test(&path) => {}
            _ if path.is_dir() => files.extend(sources(&path)),
            Some(extension) if extension == "rs" => files.push(path),
            _ => {}
        }
    }
    files
}

/// The name of the type that a line defines, outside of any function and `impl`.
fn type_name(line: &str) -> Option<&str> {
    if line.starts_with(' ') {
        return None;
    }
    let rest = match line.strip_prefix("pub") {
        Some(rest) => rest.strip_prefix('(').map_or(rest, |rest| rest.split_once(')').unwrap().1),
        None => line,
    };
    let (word, rest) = rest.trim_start().split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "type", "union"].contains(&word);
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    is_type.then(|| &rest[..end])
}

#[test]
fn one_name_is_one_type() {
    let lines = production();
    let mut types: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for (path, line) in &lines {
        if let Some(name) = type_name(line) {
            types.entry(name).or_default().insert(path);
        }
    }
    assert!(types.len() > 200, "only {} types were found", types.len());
    types.retain(|name, files| files.len() > 1 && *name != "Error");
    let found: BTreeSet<&str> = types.keys().copied().collect();
    let allowed: BTreeSet<&str> = SHARED_NAMES.iter().map(|(name, _)| *name).collect();
    assert!(allowed.len() < 10, "too many names stand for several things");
    assert_eq!(found, allowed, "give each thing a name of its own: {types:#?}");
}
