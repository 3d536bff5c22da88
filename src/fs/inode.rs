//! A new inode that takes the place of an old one, with all that the old one has but its content.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::extended::Extended;
use super::read::{self, ReadError};

/// Whose a file is, and who may do what with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ownership {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Ownership {
    /// Of a file that is there.
    pub(crate) fn of(stat: &Stat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o777 }
    }

    /// This process, and nobody else.
    pub(crate) fn private() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { uid: uid.as_raw(), gid: gid.as_raw(), mode: 0o600 }
    }
}

/// What a file has beside its content.
pub(crate) struct FileAttributes {
    /// Owner and mode; with an ACL, the bits of the group are its mask.
    pub owner: Ownership,
    /// ACL, labels and all others.
    pub extended: Extended,
}

impl FileAttributes {
    /// Of a file for this process, and for nobody else.
    pub(crate) fn private() -> Self {
        Self { owner: Ownership::private(), extended: Extended::default() }
    }

    /// Of an open file.
    ///
    /// # Errors
    /// Its extended attributes cannot be read.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self { owner: Ownership::of(&sys::fstat(file)?), extended: Extended::of(file)? })
    }
}

/// A file that is about to be replaced.
pub(crate) struct Old {
    /// What the new one has to have as well.
    pub look: FileAttributes,
    stat: Stat,
}

impl Old {
    /// `None` if there is none.
    ///
    /// # Errors
    /// It is no regular file, or has other names: which of them are meant to change with it, nobody knows.
    pub(crate) fn open(dir: impl AsFd, name: &Path) -> io::Result<Option<Self>> {
        let file = match read::open(&dir, name, OFlags::NOFOLLOW) {
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            opened => opened?,
        };
        let stat = sys::fstat(&file)?;
        if stat.st_nlink > 1 {
            return Err(io::Error::other(format!(
                "it has {} names (hard links), and only one of them would change",
                stat.st_nlink
            )));
        }
        Ok(Some(Self { look: FileAttributes::of(&file)?, stat }))
    }

    /// The same inode, to be written.
    ///
    /// # Errors
    /// It may not be written, or is there no more.
    pub(crate) fn to_write(&self, dir: impl AsFd, name: &Path) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = sys::openat(dir, name, flags, Mode::empty())?;
        let stat = sys::fstat(&fd)?;
        if (stat.st_dev, stat.st_ino, stat.st_nlink) != (self.stat.st_dev, self.stat.st_ino, 1) {
            return Err(io::Error::other("it was replaced by somebody else just now"));
        }
        Ok(fd.into())
    }
}

/// True if the system refuses a file with that owner, ACL or attribute, or any new file.
pub(crate) fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// A new file `name`, on disk, with an owner and all that goes with it. `is_copy` lets it be this
/// process's where the system refuses another, and then nobody else's. At no moment can anybody read it who may not in
/// the end.
///
/// # Errors
/// It cannot be made, or not with all of that; see [`is_refused`]. What is left of it is the caller's to remove.
pub(crate) fn create(
    dir: impl AsFd,
    name: &Path,
    bytes: &[u8],
    look: &FileAttributes,
    is_copy: bool,
) -> io::Result<()> {
    match sys::unlinkat(&dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(sys::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(bytes)?;
    let given = give(&file, look.owner);
    let mode = Mode::from_raw_mode(look.owner.mode);
    if is_copy {
        // The group's bits may be the mask of an ACL that is not there, or meant for another group: a directory can
        // give its own to what is made in it.
        let is_like = look.extended.give_some(&file).is_ok() && given.is_ok();
        let private = if is_like { Mode::RWXU | Mode::RWXG | Mode::RWXO } else { Mode::RWXU };
        if given != Err(Errno::PERM) {
            given?;
        }
        sys::fchmod(&file, mode & private)?;
    } else {
        given?;
        look.extended.give(&file)?;
        sys::fchmod(&file, mode)?;
    }
    file.sync_all()
}

/// Where there is nothing to give, nothing is asked: a sandbox forbids even that.
fn give(file: &File, owner: Ownership) -> Result<(), Errno> {
    let stat = sys::fstat(file)?;
    if (stat.st_uid, stat.st_gid) == (owner.uid, owner.gid) {
        return Ok(());
    }
    let (uid, gid) = (sys::Uid::from_raw(owner.uid), sys::Gid::from_raw(owner.gid));
    sys::fchown(file, Some(uid), Some(gid))
}

/// Writes an inode anew, on disk when this returns. A crash can cut it short.
///
/// # Errors
/// The disk is full, or fails.
pub(crate) fn overwrite(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()
}
