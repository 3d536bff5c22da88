//! A file of somebody else's, held by its directory: what is moved meanwhile is not written to.

use std::io;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, OFlags, Stat};
use rustix::io::Errno;

use crate::domain::renewal::copy::Standing;

use super::inode::Ownership;
use super::trusted::{self, ResolvedPath, Untrusted};
use super::{read, replace};

/// Why a file is not used.
pub(crate) enum Untrustworthy {
    /// The system says no.
    Io(io::Error),
    /// It belongs to this user, and not to the one that was named.
    Owner(u32),
    /// It is not to be trusted: the rest of a sentence.
    Place(String),
    /// A user has mounted what it lies on: the rest of a sentence.
    Mount(String),
}

impl From<io::Error> for Untrustworthy {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Untrusted> for Untrustworthy {
    fn from(error: Untrusted) -> Self {
        match error {
            error if error.is_of_the_system() => Self::Io(error.into()),
            error if error.is_of_a_mount() => Self::Mount(error.to_string()),
            error => Self::Place(error.to_string()),
        }
    }
}

/// A regular file that nobody but root and its owner can change or replace.
pub(crate) struct TrustedFile {
    entry: ResolvedPath,
    stat: Stat,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

impl TrustedFile {
    /// Opens the file `path` of the user `owner`, on a way that is root's or `owner`'s: see [`trusted::entry`].
    ///
    /// # Errors
    /// It is not there, or is not to be trusted.
    pub(crate) fn open(path: &Path, owner: u32) -> Result<Self, Untrustworthy> {
        let entry = trusted::entry(path, owner)?;
        let Some(looked_at) = entry.stat else {
            return Err(Untrustworthy::Io(Errno::NOENT.into()));
        };
        if looked_at.st_uid != owner {
            return Err(Untrustworthy::Owner(looked_at.st_uid));
        }
        let (bytes, stat) = read::file_at(&entry.dir, Path::new(&entry.name), OFlags::NOFOLLOW)
            .map_err(io::Error::from)?;
        let held = Self { entry, stat, bytes };
        // What was looked at lies on a file system that is believed.
        if identity(&looked_at)[..2] != identity(&held.stat)[..2] {
            return Err(Untrustworthy::Io(changed()));
        }
        if held.standing().is_closed_file(owner) {
            return Ok(held);
        }
        Err(Untrustworthy::Place(
            "others can write to it, or it has more than one hard link; see `ls -l`".to_owned(),
        ))
    }

    pub(crate) fn standing(&self) -> Standing {
        standing(&self.stat)
    }

    /// Puts `bytes` in its place, with its owner and mode.
    ///
    /// # Errors
    /// Another file lies there now, or it was written or given to somebody since it was opened; or it
    /// cannot be written.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let ResolvedPath { dir, name, .. } = &self.entry;
        let now = sys::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if identity(&now) != identity(&self.stat) {
            return Err(changed());
        }
        replace::write_at(dir, Path::new(name), bytes, Ownership::of(&self.stat))
    }
}

fn changed() -> io::Error {
    io::Error::other("it was changed just now; try again")
}

fn standing(stat: &Stat) -> Standing {
    Standing { uid: stat.st_uid, mode: stat.st_mode, has_other_names: stat.st_nlink > 1 }
}

/// The inode, and when anything of it last changed: content, owner, mode or number of names.
fn identity(stat: &Stat) -> [i128; 5] {
    [
        stat.st_dev.into(),
        stat.st_ino.into(),
        stat.st_uid.into(),
        stat.st_ctime.into(),
        stat.st_ctime_nsec.into(),
    ]
}

#[cfg(test)]
#[path = "tests/trusted_file.rs"]
mod tests;
