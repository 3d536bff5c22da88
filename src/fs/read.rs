//! Reads with a bound: regular files as a whole, and the beginning of what has no size.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, CWD, FileType, Mode, OFlags, Stat};

use super::error::{FileError, failed, is_absent};

/// Most bytes of a file of the node's: a kubeconfig has 6 kB, a bundle of all public CAs 220 kB.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// What a certificate, a kubeconfig or a file of /proc fits in, so that it is read at once.
const USUAL: usize = 8 << 10;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory, a device, a FIFO or a socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has more bytes than this.
    #[error("it is larger than {}", size(*.0))]
    TooLarge(u64),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            // Its kind is what callers go by.
            ReadError::Io(error) => error,
            error => Self::other(error),
        }
    }
}

/// A regular file of at most [`MAX_BYTES`].
///
/// # Errors
/// It is no such file, or cannot be read.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, ReadError> {
    Ok(file_at(CWD, path, OFlags::empty())?.0)
}

/// The same, opened as by [`open`], with what is known of it.
///
/// # Errors
/// As of [`file()`].
pub(crate) fn file_at(
    dir: impl AsFd,
    path: &Path,
    flags: OFlags,
) -> Result<(Vec<u8>, Stat), ReadError> {
    let file = open(dir, path, flags)?;
    Ok((all(&file, MAX_BYTES)?, sys::fstat(&file).map_err(io::Error::from)?))
}

/// The same as [`file()`]; `None` where there is none.
///
/// # Errors
/// As of [`file()`].
pub(crate) fn optional(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match file(path).map_err(io::Error::from) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Opens a regular file to read it; a link is followed unless `flags` have [`OFlags::NOFOLLOW`].
///
/// # Errors
/// It is another kind of file, or cannot be opened.
pub(crate) fn open(dir: impl AsFd, path: &Path, flags: OFlags) -> Result<File, ReadError> {
    let follow =
        if flags.contains(OFlags::NOFOLLOW) { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
    // Looked at before it is opened: opening a device can do anything.
    must_be_regular(&sys::statat(&dir, path, follow).map_err(io::Error::from)?)?;
    // NONBLOCK: should a FIFO have taken its place, the open returns at once.
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = sys::openat(&dir, path, flags, Mode::empty()).map_err(io::Error::from)?;
    must_be_regular(&sys::fstat(&file).map_err(io::Error::from)?)?;
    Ok(file.into())
}

/// All of an open file.
///
/// # Errors
/// It has more than `max` bytes, or cannot be read.
pub(crate) fn all(file: impl Read, max: u64) -> Result<Vec<u8>, ReadError> {
    let bytes = start_of(file, max + 1)?;
    if bytes.len() as u64 > max { Err(ReadError::TooLarge(max)) } else { Ok(bytes) }
}

/// A file of /proc, whose size says nothing: at most [`MAX_BYTES`] of it.
pub(crate) fn proc(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    start(path, MAX_BYTES).ok()
}

/// The first `max` bytes of a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn start(path: impl AsRef<Path>, max: u64) -> io::Result<Vec<u8>> {
    start_of(File::open(path)?, max)
}

/// The last `max` bytes of a file.
///
/// # Errors
/// It is no regular file, or cannot be read.
pub(crate) fn end(path: &Path, max: u64) -> Result<Vec<u8>, ReadError> {
    let mut file = open(CWD, path, OFlags::empty())?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
    Ok(start_of(file, max)?)
}

/// The first `max` bytes of an open file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn start_of(file: impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn must_be_regular(stat: &Stat) -> Result<(), ReadError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(ReadError::NotRegular),
    }
}

/// A limit in words.
fn size(bytes: u64) -> String {
    match bytes >> 10 {
        kib if kib >= 1 << 10 => format!("{} MiB", kib >> 10),
        kib => format!("{kib} KiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_no_further() {
        assert_eq!(all(&[7; 2048][..], 2048).unwrap().len(), 2048);
        let said = |max| all(&[7; 3 << 20][..], max).unwrap_err().to_string();
        assert_eq!(said(2048), "it is larger than 2 KiB");
        assert_eq!(said(MAX_BYTES), "it is larger than 1 MiB");
        assert_eq!(start_of(&[7; 2048][..], 5).unwrap(), [7; 5]);
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        assert!(matches!(file(Path::new("/dev/null")), Err(ReadError::NotRegular)));
        assert!(matches!(file(Path::new("/")), Err(ReadError::NotRegular)));
        let absent = io::Error::from(file(Path::new("/nonexistent")).unwrap_err());
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }

    /// Its size is 0.
    #[test]
    fn a_file_of_proc_has_content() {
        assert!(!proc("/proc/self/stat").unwrap().is_empty());
        assert_eq!(proc("/proc/self/absent"), None);
    }
}
