//! The texts that make up one configuration: the file, and those of the directory beside it.

use std::borrow::Borrow as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigErrors, ErrorLocation, Position, Problem};
use super::{file, value};
use crate::domain::text::escape_control;

/// Where more files are, beside the file.
const DIRECTORY: &str = "conf.d";

/// The end of their names: an editor's copies have another.
const EXTENSION: &str = "toml";

/// Far above what anybody keeps apart.
const MAX_FILES: usize = 100;

/// All texts, in the order in which they count. Not `Debug`: they hold values.
#[derive(Default)]
pub(super) struct Sources(Vec<ConfigText>);

/// One text. Before it is as much white space as all before it are long, so that an offset says of
/// which file it is.
struct ConfigText {
    file: String,
    padded: String,
    begin: usize,
}

impl Sources {
    /// A text by itself.
    pub(super) fn of(text: &str, file: &Path) -> Self {
        let mut sources = Self::default();
        sources.add(text, file);
        sources
    }

    /// What is there to read, the file first; without any, it is empty.
    ///
    /// # Errors
    /// A file or the directory cannot be read, or holds more than 100 files.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let mut sources = Self::default();
        for path in [vec![path.to_owned()], beside(path)?].concat() {
            // One that has gone in the meantime was taken away.
            if let Some(text) = file::read(&path)? {
                sources.add(&text, &path);
            }
        }
        Ok(sources)
    }

    /// As much of it as can be read.
    pub(super) fn readable(path: &Path) -> Self {
        let mut sources = Self::default();
        for path in [vec![path.to_owned()], beside(path).unwrap_or_default()].concat() {
            if let Ok(Some(text)) = file::read(&path) {
                sources.add(&text, &path);
            }
        }
        sources
    }

    fn add(&mut self, text: &str, file: &Path) {
        // Editors do not count a byte order mark as a column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // One more, so that the end of a text is not the beginning of the next.
        let begin = self.0.last().map_or(0, |last| last.padded.len() + 1);
        let file = escape_control(&file.to_string_lossy()).into_owned();
        self.0.push(ConfigText { file, padded: " ".repeat(begin) + text, begin });
    }

    /// All tables in one, and the mistakes in the TOML. What comes later wins, key by key.
    pub(super) fn merged(&self) -> (DeTable<'_>, Vec<(usize, Problem)>) {
        let mut all = DeTable::new();
        let mut problems = Vec::new();
        for source in &self.0 {
            let (table, mistakes) = DeTable::parse_recoverable(&source.padded);
            for mistake in mistakes {
                // Only the message: the error's Display quotes the line, and with it the value.
                let at = mistake.span().map_or(source.begin, |span| span.start);
                let (what, expected) = value::mistake(mistake.message());
                problems.push((at, Problem::new(what, expected)));
            }
            merge(&mut all, table.into_inner(), true);
        }
        (all, problems)
    }

    /// Where the byte at `at` is.
    pub(super) fn place(&self, at: usize) -> Option<ErrorLocation> {
        let source = self.0.iter().rev().find(|source| source.begin <= at)?;
        let position = Position::of(&source.padded.as_bytes()[source.begin..], at - source.begin);
        Some(ErrorLocation { file: source.file.clone(), position: Some(position) })
    }
}

/// Of what is there several times, as `[[endpoint]]`, each file adds its own.
fn merge<'t>(into: &mut DeTable<'t>, from: DeTable<'t>, is_top: bool) {
    for (key, value) in from {
        let name: &str = key.borrow();
        let both = (into.remove(name).map(Spanned::into_inner), value.span(), value.into_inner());
        let value = match both {
            (Some(DeValue::Table(mut known)), span, DeValue::Table(more)) => {
                merge(&mut known, more, false);
                Spanned::new(span, DeValue::Table(known))
            }
            (Some(DeValue::Array(mut known)), span, DeValue::Array(more)) if is_top => {
                for entry in more {
                    known.push(entry);
                }
                Spanned::new(span, DeValue::Array(known))
            }
            (_, span, value) => Spanned::new(span, value),
        };
        into.insert(key, value);
    }
}

/// The files of the directory, by name.
fn beside(path: &Path) -> Result<Vec<PathBuf>, ConfigErrors> {
    let dir = path.with_file_name(DIRECTORY);
    let listed = fs::read_dir(&dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut files = match listed {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let what = format!("cannot be read, {}", error.kind());
            return Err(ConfigErrors::of_file(&dir, what, "a directory that this user can read"));
        }
    };
    files.retain(|file| is_meant(file));
    if files.len() > MAX_FILES {
        return Err(ConfigErrors::of_file(&dir, "contains too many files", "at most 100"));
    }
    files.sort();
    Ok(files)
}

fn is_meant(file: &Path) -> bool {
    let is_hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !is_hidden && file.extension().is_some_and(|it| it == EXTENSION)
}
