//! Paths and globs. A path without `*`, `?` and `[` is a glob that matches itself.

use std::path::{Component, Path, PathBuf};

use toml::de::DeValue;

use super::error::Problem;
use super::value::{text, wrong};

/// A file, a directory or a glob to look at: absolute.
pub(super) fn absolute(value: &DeValue<'_>) -> Result<String, Problem> {
    let pattern = text(value)?;
    if !pattern.starts_with('/') {
        return Err(wrong(
            "is not an absolute path",
            "one that begins with /: a service has its own working directory and home",
        ));
    }
    glob(pattern)
}

/// A file or directory by name: absolute.
pub(super) fn file(value: &DeValue<'_>) -> Result<PathBuf, Problem> {
    let name = text(value)?;
    let path = Path::new(name);
    let (found, expected) = if !path.is_absolute() {
        ("is not an absolute path", "one that begins with /")
    } else if name.chars().any(char::is_control) {
        ("contains a control character", "a path of printable characters")
    } else if path.components().any(|part| part == Component::ParentDir) {
        ("contains ..", "the path without ..: symbolic links could lead elsewhere")
    } else if name.ends_with('/') {
        ("ends with a slash", "the same path without it")
    } else {
        return Ok(path.to_owned());
    };
    Err(wrong(found, expected))
}

/// A glob to leave out: absolute, or anywhere.
pub(super) fn exclude(value: &DeValue<'_>) -> Result<String, Problem> {
    let pattern = text(value)?;
    if !pattern.starts_with('/') && !pattern.starts_with("**/") {
        let expected = "one that begins with / or **/: it is compared with whole paths";
        return Err(wrong("cannot match anything", expected));
    }
    glob(pattern)
}

fn glob(pattern: &str) -> Result<String, Problem> {
    if pattern.chars().any(char::is_control) {
        return Err(wrong("contains a control character", "a path of printable characters"));
    }
    if Path::new(pattern).components().any(|part| part == Component::ParentDir) {
        return Err(wrong("contains ..", "the path without ..: paths are compared as text"));
    }
    match glob::Pattern::new(pattern) {
        Ok(_) => Ok(pattern.to_owned()),
        Err(error) => Err(at_fault(&error)),
    }
}

fn at_fault(error: &glob::PatternError) -> Problem {
    let expected = match error.msg {
        message if message.contains("range") => "[…] around some characters, and [[] for a plain [",
        _ => "* within a name, or ** alone between two /",
    };
    wrong(&format!("is a bad glob at its character {}", error.pos + 1), expected)
}
