//! What could not be done with a file, as a sentence.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::layout::shown;

/// What could not be done with which file, and why: a whole sentence, safe to print.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", shown(path))]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes an error of what the system said about a path.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> FileError + use<> {
    let path = path.to_owned();
    move |source| FileError { doing, path: path.clone(), source }
}

/// True if there is no such file, or no directory where it would be.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
