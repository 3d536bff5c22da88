//! What is wrong with a file, and where.

use std::fmt;
use std::path::Path;

use crate::domain::text::escape_control;

/// How many problems are told: nobody mends more in one go, and a file of garbage has thousands.
const TOLD: usize = 100;

/// Everything that is wrong with a configuration, in the order of its files and lines.
///
/// Prints one problem a line, `file:line:col: what is wrong: what is expected`, at most 100 of
/// them; lines and columns count characters from 1. No value of the file is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors {
    told: Vec<(ErrorLocation, Problem)>,
    untold: usize,
}

/// Where something is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ErrorLocation {
    /// Its name, safe to print.
    pub(super) file: String,
    /// Without it, the file as a whole is meant.
    pub(super) position: Option<Position>,
}

/// Something wrong, with what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    /// What is wrong: ends the sentence that its subject begins.
    pub(super) what: String,
    /// What would be right: follows a colon. Empty if `what` says it.
    pub(super) expected: String,
}

/// A place in the text, in characters, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl ConfigErrors {
    /// A problem with the file as a whole.
    pub(super) fn of_file(file: &Path, what: impl Into<String>, expected: &str) -> Self {
        let place = ErrorLocation {
            file: escape_control(&file.to_string_lossy()).into_owned(),
            position: None,
        };
        Self::one(place, Problem::new(what, format!("expected {expected}")))
    }

    pub(super) fn one(place: ErrorLocation, problem: Problem) -> Self {
        Self { told: vec![(place, problem)], untold: 0 }
    }

    /// Problems at offsets, of which `place` says where they are. It is asked for those that are told
    /// alone: to count lines takes time.
    pub(super) fn of(
        mut problems: Vec<(usize, Problem)>,
        place: impl Fn(usize) -> Option<ErrorLocation>,
    ) -> Self {
        problems.sort_by_key(|(at, _)| *at);
        let untold = problems.len().saturating_sub(TOLD);
        let placed = |(at, problem)| Some((place(at)?, problem));
        Self { told: problems.into_iter().take(TOLD).filter_map(placed).collect(), untold }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (place, problem)) in self.told.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{place} {problem}")?;
        }
        match self.told.last() {
            Some((place, _)) if self.untold > 0 => {
                write!(f, "\n{}: … and {} more", place.file, self.untold)
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ErrorLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            None => write!(f, "{}:", self.file),
            Some(Position { line, column }) => write!(f, "{}:{line}:{column}:", self.file),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl Problem {
    pub(super) fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into() }
    }

    /// The same, of `subject`.
    pub(super) fn of(self, subject: &str) -> Self {
        Self { what: format!("{subject} {}", self.what), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.expected.is_empty() {
            write!(f, ": {}", self.expected)?;
        }
        Ok(())
    }
}

impl Position {
    /// The place of the byte at `at`; bytes need not be UTF-8 from there on.
    pub(super) fn of(text: &[u8], at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let (lines, line) = before.split_at(start);
        let is_first_byte = |byte: &&u8| **byte & 0xc0 != 0x80;
        Self {
            line: 1 + lines.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + line.iter().filter(is_first_byte).count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "a = 1\nö = \"ü\"".as_bytes();
        let place = |at| Position::of(text, at).to_string();
        assert_eq!(place(0), "line 1, column 1");
        assert_eq!(place(6), "line 2, column 1");
        assert_eq!(place(8), "line 2, column 2");
        assert_eq!(place(text.len()), "line 2, column 8");
        assert_eq!(place(1_000), "line 2, column 8");
    }

    #[test]
    fn a_file_of_garbage_does_not_flood() {
        let position = |at| Some(Position::of(&[b' '; 250], at));
        let place = |at| Some(ErrorLocation { file: "f".into(), position: position(at) });
        let problems = (0..250).map(|at| (at, Problem::new("is bad", ""))).collect();
        let errors = ConfigErrors::of(problems, place).to_string();
        assert_eq!(errors.lines().count(), 101);
        assert!(errors.ends_with("f:1:100: is bad\nf: … and 150 more"), "{errors}");
    }
}
