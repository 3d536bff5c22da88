//! A file in the place of another: written beside it, on disk, and renamed, so that there is the old content or the new
//! one, and never half of either.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, CWD, Dir, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::{FileError, failed, is_absent};
use super::extended::Extended;
use super::inode::{FileAttributes, Old, Ownership, create, is_refused, overwrite};
use super::{dir, read};

/// Before the name of a file that is about to be replaced.
const TEMPORARY: &str = ".certwatch-";

/// Puts a copy of `from` in the place of `to`, all of it or nothing, and on disk when this returns.
///
/// Owner, mode, ACL and extended attributes are those of the old `to`, or of `from` where there is none. If `to` is a
/// symbolic link that can be trusted, what it leads to is replaced. Where the system does not let a new file have all
/// of that, the old inode is written anew instead, which a crash can cut short.
///
/// # Errors
/// `from` is missing, no regular file or larger than 1 MiB; the path of `to` is not trusted, `to` has other names, or
/// it cannot be written.
pub fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    Prepared::new(from, to)?.put()?.for_good()
}

/// A copy that lies beside the file whose place it takes, all of it on disk. It goes when this is dropped.
pub(crate) struct Prepared {
    to: PathBuf,
    dir: OwnedFd,
    /// What is there, for where it cannot be exchanged; nothing if there is no file.
    old: Option<(Vec<u8>, Ownership)>,
    /// The old inode and what is to be in it, because a new one cannot have all that it has.
    instead: Option<(File, Vec<u8>)>,
}

impl Prepared {
    /// A copy of `from` beside `to`, for [`put`](Self::put), by the rules of [`copy`].
    ///
    /// # Errors
    /// As of [`copy`].
    pub(crate) fn new(from: &Path, to: &Path) -> Result<Self, FileError> {
        let (bytes, source) = read::open(CWD, from, OFlags::empty())
            .and_then(|file| Ok((read::all(&file, read::MAX_BYTES)?, FileAttributes::of(&file)?)))
            .map_err(|error| failed("read", from)(error.into()))?;
        let entry = dir::entry(to).map_err(|error| failed("write", to)(error.into()))?;
        let failed = failed("write", &entry.path);
        let name = Path::new(&entry.name);
        let was = match read::file_at(&entry.dir, name, OFlags::NOFOLLOW).map_err(io::Error::from) {
            Ok((bytes, stat)) => Some((bytes, Ownership::of(&stat))),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(failed(error)),
        };
        let instead = match Old::open(&entry.dir, name).map_err(&failed)? {
            None => create(&entry.dir, &temporary(name), &bytes, &source, true).map(|()| None),
            Some(old) => match create(&entry.dir, &temporary(name), &bytes, &old.look, false) {
                Err(error) if is_refused(&error) => {
                    old.to_write(&entry.dir, name).map(|file| Some((file, bytes)))
                }
                created => created.map(|()| None),
            },
        };
        let instead = instead.inspect_err(|_| discard(&entry.dir, name)).map_err(&failed)?;
        Ok(Self { to: entry.path, dir: entry.dir, old: was, instead })
    }

    /// Puts it in its place, by nothing but a rename, which leaves what was there under the temporary name.
    /// [`Put::for_good`] makes that outlast a power cut.
    ///
    /// # Errors
    /// `to` cannot be written; it is what it was.
    pub(crate) fn put(mut self) -> Result<Put, FileError> {
        let instead = self.instead.take();
        let is_exchange = instead.is_none();
        let put = match instead {
            Some((file, bytes)) => overwrite(file, &bytes).map(|()| false),
            None => self.exchange(),
        };
        match put {
            Ok(is_exchanged) => Ok(Put { prepared: self, is_exchanged }),
            Err(error) => {
                if !is_exchange {
                    // It may be cut short, and this is the same way again: there is no other.
                    let _ = self.write_old();
                }
                Err(failed("write", &self.to)(error))
            }
        }
    }

    /// True if what was there lies under the temporary name now: some file systems know only how to replace.
    fn exchange(&self) -> io::Result<bool> {
        let (dir, name) = (&self.dir, self.name());
        let temporary = temporary(name);
        if self.old.is_none() {
            sys::renameat(dir, &temporary, dir, name)?;
            return Ok(false);
        }
        // A directory would be exchanged as well.
        match read::open(dir, name, OFlags::NOFOLLOW).map_err(io::Error::from) {
            Err(error) if !is_absent(&error) => return Err(error),
            _ => {}
        }
        match sys::renameat_with(dir, &temporary, dir, name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                sys::renameat(dir, &temporary, dir, name)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_old(&self) -> io::Result<()> {
        match &self.old {
            Some((bytes, owner)) => write_at(&self.dir, self.name(), bytes, *owner),
            None => Ok(sys::unlinkat(&self.dir, self.name(), AtFlags::empty())?),
        }
    }

    fn name(&self) -> &Path {
        Path::new(self.to.file_name().unwrap_or_default())
    }
}

/// Nothing is left outside of what it belongs to.
impl Drop for Prepared {
    fn drop(&mut self) {
        discard(&self.dir, self.name());
    }
}

/// A file in its place, which a power cut may still undo.
pub(crate) struct Put {
    prepared: Prepared,
    is_exchanged: bool,
}

impl Put {
    /// On disk when this returns.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn for_good(&self) -> Result<(), FileError> {
        let Prepared { dir, to, .. } = &self.prepared;
        sys::fsync(dir).map_err(|error| failed("write", to)(error.into()))
    }

    /// Puts back what was there before, on disk when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn take_back(self) -> Result<(), FileError> {
        let Self { prepared, is_exchanged } = &self;
        let back = if *is_exchanged { prepared.exchange().map(drop) } else { prepared.write_old() };
        back.map_err(failed("put back", &prepared.to))?;
        self.for_good()
    }
}

/// Puts `bytes` in the place of `path`, which is no symbolic link.
///
/// # Errors
/// The path is not trusted, or it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8], owner: Ownership) -> Result<(), FileError> {
    let written = dir::entry(path)
        .map_err(io::Error::from)
        .and_then(|entry| write_at(&entry.dir, Path::new(&entry.name), bytes, owner));
    written.map_err(failed("write", path))
}

/// Puts `bytes` in the place of the file `name` of `dir`, whose extended attributes stay; its ACL too, if `owner` is
/// what it has now.
///
/// # Errors
/// It has other names, or cannot be written.
pub(crate) fn write_at(
    dir: impl AsFd,
    name: &Path,
    bytes: &[u8],
    owner: Ownership,
) -> io::Result<()> {
    let old = Old::open(&dir, name)?;
    let mut look = FileAttributes { owner, extended: Extended::default() };
    if let Some(Old { look: old, .. }) = &old {
        let extended = old.extended.clone();
        look.extended = if old.owner == owner { extended } else { extended.without_acl() };
    }
    match (put_new(&dir, name, bytes, &look, old.is_none()), old) {
        (Err(error), Some(old)) if is_refused(&error) => {
            overwrite(old.to_write(&dir, name)?, bytes)
        }
        (put, _) => put,
    }
}

/// Puts a new file in the place of the file `name` of `dir`, whatever that had, by the rules of [`create`].
///
/// # Errors
/// It cannot be written. The old one is there then, and nothing else.
pub(crate) fn put_new(
    dir: impl AsFd,
    name: &Path,
    bytes: &[u8],
    look: &FileAttributes,
    is_copy: bool,
) -> io::Result<()> {
    let put = create(&dir, &temporary(name), bytes, look, is_copy)
        .and_then(|()| Ok(sys::renameat(&dir, temporary(name), &dir, name)?));
    // Nothing is left outside of what it belongs to.
    put.inspect_err(|_| discard(&dir, name))?;
    Ok(sys::fsync(&dir)?)
}

/// The name that what is about to take the place of `name` has until then.
pub(crate) fn temporary(name: &Path) -> PathBuf {
    let mut temporary = std::ffi::OsString::from(TEMPORARY);
    temporary.push(name);
    temporary.into()
}

/// Removes what was to take the place of `name`, if it is there.
pub(crate) fn discard(dir: impl AsFd, name: &Path) {
    sys::unlinkat(dir, temporary(name), AtFlags::empty()).unwrap_or_default();
}

/// True for what a run that was killed has left.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
}

/// Removes from these directories what a run that was killed had begun to write: it may be a key.
///
/// # Errors
/// A directory that exists cannot be read, or a file in it not be removed.
pub fn remove_temporaries(dirs: &[PathBuf]) -> Result<(), FileError> {
    dirs.iter().try_for_each(|dir| remove_temporaries_in(dir).map_err(failed("clear", dir)))
}

fn remove_temporaries_in(path: &Path) -> io::Result<()> {
    let dir = match dir::open(path) {
        Err(error) if error.is_absent() => return Ok(()),
        opened => opened?,
    };
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if !entry.file_name().to_bytes().starts_with(TEMPORARY.as_bytes()) {
            continue;
        }
        match sys::unlinkat(&dir, entry.file_name(), AtFlags::empty()) {
            // Not ours: manifests that are moved away have a directory there.
            Ok(()) | Err(Errno::ISDIR | Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/replace.rs"]
mod tests;
