//! Taking settings out of the file.
//!
//! A new section is a function from [`Section`] to its struct, and one line in
//! [`Config::read`](super::Config::read). It asks for every key it knows, always, whatever the
//! values are: what was asked for is how the reader learns which keys exist.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigErrors, Problem};
use super::sources::Sources;
use super::unknown::{Key, KeyKind, KnownKeys, Unknown};
use super::value;

/// One configuration, while it is read. Neither this nor the types below are `Debug`: they hold values.
pub(super) struct Reader<'t> {
    sources: &'t Sources,
    problems: Vec<(usize, Problem)>,
    known: KnownKeys,
    unknown: Vec<Unknown>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(sources: &'t Sources) -> Self {
        Self { sources, problems: Vec::new(), known: KnownKeys::default(), unknown: Vec::new() }
    }

    /// All of it, read by `read`. With a mistake in the TOML it is read as if it were empty.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        let (table, mistakes) = self.sources.merged();
        let table = if mistakes.is_empty() { table } else { DeTable::new() };
        self.problems.extend(mistakes);
        Section { name: String::new(), at: Some(0), table, reader: self }.read_with(read)
    }

    /// All that was found to be wrong.
    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
        let explained =
            self.unknown.iter().map(|unknown| (unknown.at, self.known.explain(unknown)));
        self.problems.extend(explained);
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigErrors::of(self.problems, |at| self.sources.place(at)))
    }

    /// Where `second` is for a reader who looks at `first`.
    fn beside(&self, first: usize, second: usize) -> String {
        let [first, second] = [first, second].map(|at| self.sources.place(at));
        let Some(place) = second else { return String::new() };
        let file = first.filter(|first| first.file != place.file).map(|_| &place.file);
        let words = place.position.map(|position| position.to_string()).unwrap_or_default();
        file.map_or(words.clone(), |file| format!("{file}, {words}"))
    }

    /// The keys that were asked for, each section before its own.
    pub(super) fn known(&self) -> &[Key] {
        self.known.keys()
    }
}

/// One table of the file. Keys that nobody takes are refused.
pub(super) struct Section<'r, 't> {
    /// As in the header; empty at the top of the file.
    name: String,
    /// Where it begins, if anything is in it.
    at: Option<usize>,
    table: DeTable<'t>,
    reader: &'r mut Reader<'t>,
}

/// A setting, with where it comes from.
pub(super) struct Setting<T> {
    /// What the file says; the default if it says nothing, or nothing usable.
    pub(super) value: T,
    path: String,
    origin: ValueOrigin,
}

#[derive(Clone, Copy)]
enum ValueOrigin {
    Default,
    /// At this byte.
    File(usize),
    /// In the file, but wrong, which has been said.
    Unusable,
}

impl<T> Setting<T> {
    /// True if the file says something of it that cannot be used.
    pub(super) fn is_unusable(&self) -> bool {
        matches!(self.origin, ValueOrigin::Unusable)
    }

    /// The same setting, its value made into another.
    pub(super) fn map<U>(self, into: impl FnOnce(T) -> U) -> Setting<U> {
        Setting { value: into(self.value), path: self.path, origin: self.origin }
    }
}

impl<'t> Section<'_, 't> {
    /// The setting `key`, as `read` understands it.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, Problem>,
    ) -> Setting<T> {
        let Some((path, value)) = self.remove(key, KeyKind::Value) else {
            return self.absent(key, default);
        };
        let at = value.span().start;
        match read(value.get_ref()) {
            Ok(value) => Setting { value, path, origin: ValueOrigin::File(at) },
            Err(problem) => {
                self.reader.problems.push((at, problem.of(&path)));
                Setting { value: default, path, origin: ValueOrigin::Unusable }
            }
        }
    }

    /// The setting `key`, which has no default.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, Problem>,
    ) -> Setting<Option<T>> {
        self.take(key, None, |value| read(value).map(Some))
    }

    /// The list `key`, each entry as `read` understands it; each wrong entry is a problem.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        read: impl Fn(&DeValue<'t>) -> Result<T, Problem>,
    ) -> Setting<Vec<T>> {
        let Some((path, value)) = self.remove(key, KeyKind::Value) else {
            return self.absent(key, default);
        };
        let at = value.span().start;
        let DeValue::Array(entries) = value.get_ref() else {
            self.reader.problems.push((at, value::wrong_kind(value.get_ref(), "a list").of(&path)));
            return Setting { value: default, path, origin: ValueOrigin::Unusable };
        };
        let mut list = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match read(entry.get_ref()) {
                Ok(value) => list.push(value),
                Err(problem) => {
                    let problem = problem.of(&format!("{path}, entry {},", index + 1));
                    self.reader.problems.push((entry.span().start, problem));
                }
            }
        }
        let sound = list.len() == entries.len();
        Setting {
            value: list,
            path,
            origin: if sound { ValueOrigin::File(at) } else { ValueOrigin::Unusable },
        }
    }

    /// The section `[key]`, read by `read`; an absent one is read as an empty one.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> T {
        let name = self.path(key);
        let (at, table) = match self
            .remove(key, KeyKind::Section)
            .map(|(_, value)| (value.span(), value.into_inner()))
        {
            None => (None, DeTable::new()),
            Some((span, DeValue::Table(table))) => (Some(span.start), table),
            Some((span, value)) => {
                let problem = value::wrong_kind(&value, &format!("a section, [{name}]"));
                self.reader.problems.push((span.start, problem.of(&name)));
                (None, DeTable::new())
            }
        };
        let at = at.filter(|_| !table.is_empty());
        Section { name, at, table, reader: self.reader }.read_with(read)
    }

    /// The sections `[[key]]`, each read by `read`. Without any an empty one is read, for its keys alone.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 't>) -> Option<T>,
    ) -> Setting<Vec<T>> {
        let name = self.path(key);
        let found = self
            .remove(key, KeyKind::Sections)
            .map(|(_, value)| (value.span(), value.into_inner()));
        let (origin, tables) = match found {
            None => (ValueOrigin::Default, Vec::new()),
            Some((span, DeValue::Array(tables))) => {
                (ValueOrigin::File(span.start), tables.into_iter().collect())
            }
            Some((span, value)) => {
                let problem =
                    value::wrong_kind(&value, &format!("[[{name}]], each with two brackets"));
                self.reader.problems.push((span.start, problem.of(&name)));
                (ValueOrigin::Unusable, Vec::new())
            }
        };
        let mut section = |at, table, reader: &mut Reader<'t>| {
            Section { name: name.clone(), at, table, reader }.read_with(&mut read)
        };
        section(None, DeTable::new(), self.reader);
        let mut list = Vec::with_capacity(tables.len());
        for entry in tables {
            let at = entry.span().start;
            match entry.into_inner() {
                DeValue::Table(table) => list.extend(section(Some(at), table, self.reader)),
                value => {
                    let problem = value::wrong_kind(&value, &format!("[[{name}]]"));
                    self.reader.problems.push((at, problem.of(&name)));
                }
            }
        }
        Setting { value: list, path: name, origin }
    }

    /// Says of a setting that must be there, if its section is: it is missing.
    pub(super) fn require<T>(&mut self, setting: &Setting<Option<T>>, expected: &str) {
        if setting.value.is_none() {
            self.miss(setting, expected);
        }
    }

    /// Says of a list that may not be empty: it is, or it is missing.
    pub(super) fn refuse_or_require<T>(
        &mut self,
        setting: &Setting<Vec<T>>,
        what: &str,
        expected: &str,
    ) {
        self.refuse(setting, what, expected);
        self.miss(setting, expected);
    }

    fn miss<T>(&mut self, setting: &Setting<T>, expected: &str) {
        if let (Some(at), ValueOrigin::Default) = (self.at, setting.origin) {
            let problem = Problem::new("is missing", format!("expected {expected}"));
            self.reader.problems.push((at, problem.of(&setting.path)));
        }
    }

    /// Says of a setting that is usable by itself: it is wrong.
    pub(super) fn refuse<T>(&mut self, setting: &Setting<T>, what: &str, expected: &str) {
        if let ValueOrigin::File(at) = setting.origin {
            let problem = Problem::new(what, format!("expected {expected}"));
            self.reader.problems.push((at, problem.of(&setting.path)));
        }
    }

    /// Says of two settings, each usable by itself, that they do not go together.
    pub(super) fn refuse_both<A, B>(
        &mut self,
        one: &Setting<A>,
        relation: &str,
        other: &Setting<B>,
        expected: &str,
    ) {
        let (at, what) = match (one.origin, other.origin) {
            (ValueOrigin::File(at), ValueOrigin::File(second)) => {
                let place = self.reader.beside(at, second);
                (at, format!("{} {relation} {} ({place})", one.path, other.path))
            }
            (ValueOrigin::File(at), ValueOrigin::Default) => {
                (at, format!("{} {relation} {} (its default)", one.path, other.path))
            }
            (ValueOrigin::Default, ValueOrigin::File(at)) => {
                (at, format!("{} (its default) {relation} {}", one.path, other.path))
            }
            _ => return,
        };
        self.reader.problems.push((at, Problem::new(what, format!("expected {expected}"))));
    }

    fn absent<T>(&self, key: &'static str, default: T) -> Setting<T> {
        Setting { value: default, path: self.path(key), origin: ValueOrigin::Default }
    }

    fn remove(
        &mut self,
        key: &'static str,
        kind: KeyKind,
    ) -> Option<(String, Spanned<DeValue<'t>>)> {
        self.reader.known.add(Key { section: self.name.clone(), name: key, kind });
        Some((self.path(key), self.table.remove(key)?))
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn read_with<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let read = read(&mut self);
        let left = self.table.into_iter().map(|(key, value)| Unknown {
            section: self.name.clone(),
            is_section: value.get_ref().is_table(),
            at: key.span().start,
            name: key.into_inner().into_owned(),
        });
        self.reader.unknown.extend(left);
        read
    }
}
