//! Keys that do not exist, and what was probably meant.

use crate::domain::text::escape_control;

use super::error::Problem;

/// A key that exists.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Key {
    /// The section's name; empty at the top of the file.
    pub(super) section: String,
    pub(super) name: &'static str,
    pub(super) kind: KeyKind,
}

/// What a key is in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum KeyKind {
    /// `key = …`
    Value,
    /// `[key]`
    Section,
    /// `[[key]]`, as often as one likes.
    Sections,
}

/// A key of the file that nobody asked for.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) is_section: bool,
    /// Byte offset.
    pub(super) at: usize,
}

/// The keys that exist.
#[derive(Debug, Default)]
pub(super) struct KnownKeys(Vec<Key>);

impl KnownKeys {
    /// A section that may be there several times is read as often.
    pub(super) fn add(&mut self, key: Key) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.0
    }

    pub(super) fn explain(&self, unknown: &Unknown) -> Problem {
        let kind = if unknown.is_section { "section" } else { "key" };
        let what = format!(
            "unknown {kind} \"{}\"{}",
            escape_control(&unknown.name),
            within(&unknown.section)
        );
        Problem::new(what, self.suggestion(unknown))
    }

    /// The same name elsewhere comes first: a key below the wrong header is the commonest slip.
    fn suggestion(&self, unknown: &Unknown) -> String {
        let candidates = || self.0.iter().filter(|key| key.is_section() == unknown.is_section);
        if let Some(key) = candidates().find(|key| key.name == unknown.name) {
            return format!("expected it {}", key.place());
        }
        let is_beside = |key: &&Key| key.section == unknown.section;
        if let Some(key) = nearest(candidates().filter(is_beside), &unknown.name) {
            return format!("did you mean {}?", key.label());
        }
        if let Some(key) = nearest(candidates(), &unknown.name) {
            return format!("did you mean {} {}?", key.label(), key.place());
        }
        let labels: Vec<String> = candidates().filter(is_beside).map(Key::label).collect();
        if labels.is_empty() {
            return "expected none here".to_owned();
        }
        format!("expected {}", labels.join(", "))
    }
}

impl Key {
    /// As it is written in the file.
    fn label(&self) -> String {
        match (self.kind, self.section.as_str()) {
            (KeyKind::Value, _) => self.name.to_owned(),
            (KeyKind::Sections, _) => format!("[[{}]]", self.name),
            (KeyKind::Section, "") => format!("[{}]", self.name),
            (KeyKind::Section, section) => format!("[{section}.{}]", self.name),
        }
    }

    pub(super) fn is_section(&self) -> bool {
        self.kind != KeyKind::Value
    }

    fn place(&self) -> String {
        if self.section.is_empty() {
            "at the top of the file, before the first section".to_owned()
        } else {
            format!("in [{}]", self.section)
        }
    }
}

fn within(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in [{section}]") }
}

/// The key that `name` is but for the spelling.
fn nearest<'k>(keys: impl Iterator<Item = &'k Key>, name: &str) -> Option<&'k Key> {
    keys.filter_map(|key| Some((slips(key.name, name)?, key)))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, key)| key)
}

/// How many slips lead from `known` to `name`, if not more than one in three letters; case and
/// the kind of dash do not count.
fn slips(known: &str, name: &str) -> Option<usize> {
    // Also keeps the comparison, which takes the product of both lengths, cheap.
    if name.len() > 2 * known.len() {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let slips = strsim::osa_distance(&plain(known), &plain(name));
    (slips <= (known.len() / 3).max(1)).then_some(slips)
}
