//! The directory: files in it are read whole, replaced whole, or moved aside.
//!
//! Everything goes through the opened directory: should it be removed or moved while the daemon
//! runs, writing fails with words instead of going to a place that nobody holds the lock of.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::fs::inode::FileAttributes;
use crate::fs::read::{self, ReadError};
use crate::fs::{replace, trusted};

use super::StoreError;

/// Far above any state: 10,000 certificates take about 5 MB.
pub(super) const MAX_BYTES: u64 = 16 << 20;

pub(super) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

/// What a name stands for.
pub(super) enum FileContent {
    Absent,
    Bytes(Vec<u8>),
    /// No file that can hold a state; why, as the rest of a sentence.
    Unusable(&'static str),
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|source| refused("open", path.to_owned(), source))?;
        Ok(Self { path: path.to_owned(), fd })
    }

    /// Opens `path`, created for its owner alone if it is missing and the directory above exists. To root it must not
    /// be a path that somebody else can lead elsewhere.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        if rustix::process::geteuid().is_root() {
            check_trust(path)?;
        }
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(path),
            // On a read-only system it may well be there.
            Err(source) => Self::open(path)
                .map_err(|_| refused("create the directory", path.to_owned(), source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file for the lock; `create` also makes it writable.
    pub(super) fn open_lock(&self, name: &str, create: bool) -> Result<File, StoreError> {
        let access = if create { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|source| refused("open", self.at(name), source))?;
        Ok(file.into())
    }

    /// # Errors
    /// It is there and cannot be read: that is no reason to begin anew.
    pub(super) fn read(&self, name: &str) -> Result<FileContent, StoreError> {
        let read =
            || read::all(read::open(&self.fd, Path::new(name), OFlags::NOFOLLOW)?, MAX_BYTES);
        match read() {
            Ok(bytes) => Ok(FileContent::Bytes(bytes)),
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                Ok(FileContent::Absent)
            }
            Err(ReadError::Io(error)) => Err(refused("read", self.at(name), errno(&error))),
            Err(ReadError::NotRegular) => Ok(FileContent::Unusable("is not a regular file")),
            Err(ReadError::TooLarge(_)) => Ok(FileContent::Unusable("is larger than 16 MiB")),
        }
    }

    /// Puts `bytes` in the place of a file, all of them or none: after an error, and after a power
    /// cut, there is the old content or the new one.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        replace::put_new(&self.fd, Path::new(name), bytes, &FileAttributes::private(), true)
            .map_err(|error| refused("write", self.at(name), errno(&error)))
    }

    /// Gives a file the name `to`, which is free: nobody but the holder of the lock makes names.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .and_then(|()| rustix::fs::fsync(&self.fd))
            .map_err(|source| refused("set aside", self.at(from), source))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !matches!(rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }

    /// Removes what a process left that died while it wrote. Only for the holder of the lock.
    pub(super) fn remove_temporary(&self, name: &str) {
        replace::discard(&self.fd, Path::new(name));
    }

    /// Removes a file. To fail is no harm: it only takes room.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// The names in it that are UTF-8, as all of ours are.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = rustix::fs::Dir::read_from(&self.fd) else { return Vec::new() };
        let names = entries.flatten().filter_map(|it| it.file_name().to_str().ok().map(Into::into));
        names.collect()
    }
}

/// The daemon's directory belongs to its user, who may do anything in it but lead root somewhere else.
fn check_trust(path: &Path) -> Result<(), StoreError> {
    let stat = rustix::fs::stat(path);
    let checked = match &stat {
        Ok(stat) => trusted::open_dir(path, stat.st_uid),
        Err(_) => trusted::open_dir(path.parent().unwrap_or(path), 0),
    };
    match checked {
        Err(error) if !error.is_of_the_system() => Err(StoreError::Untrusted(error.to_string())),
        // Opening it says what is wrong.
        _ => Ok(()),
    }
}

pub(super) fn refused(what: &'static str, path: PathBuf, source: Errno) -> StoreError {
    StoreError::Refused { what, path, source }
}

/// The number of an error; those without one come from the standard library's own checks.
pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
