//! The file's bytes.

use std::io;
use std::path::Path;

use crate::domain::text::escape_control;
use crate::fs::read::{self, ReadError};

use super::error::{ConfigErrors, ErrorLocation, Position, Problem};

/// The text of `path`; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigErrors> {
    let bytes = match read::file(path) {
        Ok(bytes) => bytes,
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(refusal) => return Err(refused(&refusal, path)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let problem = Problem::new("is not UTF-8 from here", "expected UTF-8 text");
        let position = Some(Position::of(error.as_bytes(), at));
        let place =
            ErrorLocation { file: escape_control(&path.to_string_lossy()).into_owned(), position };
        ConfigErrors::one(place, problem)
    })
}

fn refused(refusal: &ReadError, path: &Path) -> ConfigErrors {
    match refusal {
        ReadError::Io(error) => {
            let what = format!("cannot be read, {}", error.kind());
            ConfigErrors::of_file(path, what, "a file that this user can read")
        }
        ReadError::NotRegular => {
            ConfigErrors::of_file(path, "is not a regular file", "a file with TOML in it")
        }
        ReadError::TooLarge(_) => ConfigErrors::of_file(path, "is too large", "at most 1 MiB"),
    }
}
