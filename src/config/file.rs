//! The file's bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::error::{ConfigErrors, ErrorLocation, Position, Problem};
use crate::domain::text::escape_control;

/// Far above any configuration, far below what would hurt.
const MAX_BYTES: u64 = 1 << 20;

/// The text of `path`; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigErrors> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(refusal) => return Err(refusal.of(path)),
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

enum ReadError {
    Io(io::Error),
    NotRegular,
    TooLarge,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl ReadError {
    fn of(self, path: &Path) -> ConfigErrors {
        match self {
            Self::Io(error) => {
                let what = format!("cannot be read, {}", error.kind());
                ConfigErrors::of_file(path, what, "a file that this user can read")
            }
            Self::NotRegular => {
                ConfigErrors::of_file(path, "is not a regular file", "a file with TOML in it")
            }
            Self::TooLarge => ConfigErrors::of_file(path, "is too large", "at most 1 MiB"),
        }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    // Without NONBLOCK the open of a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let mode = rustix::fs::fstat(&fd).map_err(io::Error::from)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Err(ReadError::NotRegular);
    }
    let mut bytes = Vec::new();
    let length = File::from(fd).take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if length as u64 > MAX_BYTES { Err(ReadError::TooLarge) } else { Ok(bytes) }
}
