//! Sections, keys and values as TOML.

use std::fmt::Write as _;
use std::path::Path;

use crate::domain::policy::Severity;
use crate::domain::time::Span;

use super::channels::{ClientCertificate, Secret};
use super::read_channels::severity_word;
use super::span;

/// A section of the file.
pub(super) struct SectionWriter(pub(super) String);

impl SectionWriter {
    pub(super) fn new(name: &str) -> Self {
        Self(format!("\n[{name}]\n"))
    }

    pub(super) fn add(&mut self, key: &str, value: impl AsRef<str>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{key} = {}", value.as_ref());
    }

    /// The key that most channels end with.
    pub(super) fn min_severity(mut self, severity: Severity) -> String {
        self.add("min-severity", quote(severity_word(severity)));
        self.0
    }

    pub(super) fn client(&mut self, client: &ClientCertificate) {
        self.add("client-cert", path_text(&client.certificate));
        self.secret("client-key", &client.key);
    }

    pub(super) fn secret(&mut self, key: &str, secret: &Secret) {
        match secret {
            Secret::Credential(name) => self.add(&format!("{key}-credential"), quote(name)),
            Secret::File(path) => self.add(&format!("{key}-file"), path_text(path)),
        }
    }
}

pub(super) fn path_text(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

pub(super) fn list(entries: impl Iterator<Item = String>) -> String {
    format!("[{}]", entries.collect::<Vec<_>>().join(", "))
}

pub(super) fn time(length: Span) -> String {
    format!("\"{}\"", span::write(length))
}

/// A TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if crate::domain::text::is_unsafe(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
