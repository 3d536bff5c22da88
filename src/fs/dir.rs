//! Names in directories: made, changed and removed, on ways that nobody else can bend.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::{fs, io};

use rustix::fs::{self as sys, AtFlags, Mode};
use rustix::io::Errno;

use super::error::{FileError, failed, is_absent};
use super::trusted::{self, ResolvedPath, Untrusted};

/// The place of a file that is about to be written. Nobody but root and those whose directory it is in, which root gave
/// them, may be able to lead elsewhere.
pub(super) fn entry(path: &Path) -> Result<ResolvedPath, Untrusted> {
    trusted::entry(path, owner_of(path.parent().unwrap_or(Path::new("/"))))
}

/// Opens a directory on a way that is root's, or its owner's.
pub(super) fn open(path: &Path) -> Result<OwnedFd, Untrusted> {
    trusted::open_dir(path, owner_of(path))
}

fn owner_of(dir: &Path) -> u32 {
    sys::stat(dir).map_or(0, |it| it.st_uid)
}

/// The directory above `path`, reached by a way that nobody else can bend, and the last name, which may be a link and is
/// not followed.
pub(crate) fn above(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    Ok((open(dir)?, name))
}

/// Makes `below` and what is above it, down from `base`, for this process's user alone.
pub(crate) fn create_all(base: &Path, below: &Path) -> Result<(), FileError> {
    let mut path = base.to_owned();
    for part in std::iter::once(Path::new("")).chain(below.iter().map(Path::new)) {
        path.push(part);
        create(&path).map_err(failed("create the directory", &path))?;
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<()> {
    let ResolvedPath { dir, name, stat: None, .. } = entry(path)? else { return Ok(()) };
    match sys::mkdirat(&dir, &name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made.and_then(|()| sys::fsync(&dir))?),
    }
}

/// Removes a file, if it is there, for good.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = above(path).and_then(|(dir, name)| {
        Ok(sys::unlinkat(&dir, name, AtFlags::empty()).and_then(|()| sys::fsync(&dir))?)
    });
    unless_absent(removed).map_err(failed("remove", path))
}

/// Removes a file, or a directory with all that is in it; of a link the link alone.
pub(crate) fn remove_all(path: &Path) -> Result<(), FileError> {
    let removed = above(path).and_then(|(dir, name)| {
        // The directory that is held, and not what its path leads to by now.
        let held = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        let is_dir = fs::symlink_metadata(&held)?.is_dir();
        if is_dir { fs::remove_dir_all(&held) } else { fs::remove_file(&held) }
    });
    unless_absent(removed).map_err(failed("remove", path))
}

fn unless_absent(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if is_absent(&error) { Ok(()) } else { Err(error) })
}

/// Gives a file or directory another name, for good.
///
/// # Errors
/// The system refuses; the name is what it was.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let ((old, from), (new, to)) = (above(from)?, above(to)?);
    sys::renameat(&old, from, &new, to)?;
    sys::fsync(&new)?;
    Ok(sys::fsync(&old)?)
}
