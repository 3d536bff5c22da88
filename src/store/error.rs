//! Why there is no state, in words.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::domain::text::escape_control;

/// Why the state cannot be had, kept or looked at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the lock.
    #[error(
        "another certwatch{} uses {}; stop it, or set another daemon.state-dir",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), shown(dir)
    )]
    Busy {
        /// The state directory.
        dir: PathBuf,
        /// The process, if it could be told.
        pid: Option<u32>,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {}", shown(path), reason(*source))]
    Refused {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: Errno,
    },
    /// Who only looks may not.
    #[error("cannot {what} {}: permission denied; run it as root", shown(path))]
    Forbidden {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// Others than root, or than the directory's owner, could lead root elsewhere; who and where, as a sentence.
    #[error(
        "{0}: root's state must not be writable by others; fix its permissions, or set another state-dir"
    )]
    Untrusted(String),
    /// What is there is no state of this version; only looked at, so it stays.
    #[error("{} {why}", shown(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        why: String,
    },
    /// What was remembered of renewals was no state, and was set aside: the next one begins anew.
    #[error(
        "the state of renewals {why} and was moved to {}: a renewal in progress can no longer be resumed. Check this \
         node with `certwatch renew --dry-run`, then run this command again",
        shown(path)
    )]
    Forgotten {
        /// Where it is now.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        why: String,
    },
    /// This state could not be read again, so it is not written.
    #[error("cannot write {}: the state {why}; please report it", shown(path))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the state, as the rest of a sentence.
        why: String,
    },
}

impl StoreError {
    /// The same for a command that only reads: the owner of the directory need not change for it.
    pub(super) fn for_reader(self) -> Self {
        match self {
            Self::Refused { what, path, source: Errno::ACCESS | Errno::PERM } => {
                Self::Forbidden { what, path }
            }
            other => other,
        }
    }
}

fn shown(path: &Path) -> String {
    escape_control(&path.to_string_lossy()).into_owned()
}

/// The reason, and what to do about it.
fn reason(error: Errno) -> String {
    let words = match error {
        Errno::NOSPC => "the disk is full; free some space (`df -h`, `df -i`)",
        Errno::DQUOT => "the disk quota is used up; raise it or free some space",
        Errno::FBIG => "the file size limit of this process is reached (LimitFSIZE=)",
        Errno::ROFS => {
            "the file system is read-only; mount it writable, or set another daemon.state-dir"
        }
        Errno::ACCESS | Errno::PERM => {
            "permission denied; it must belong to the user that certwatch runs as"
        }
        Errno::NOENT => "it does not exist; create it, and restart certwatch if it was removed",
        Errno::NOTDIR => "a part of the path is not a directory; set another daemon.state-dir",
        Errno::LOOP => "it is a symbolic link, and must not be one",
        Errno::IO => "the disk reports an error; see `dmesg`",
        Errno::STALE => {
            "stale file handle; mount the network file system again and restart certwatch"
        }
        other => return std::io::Error::from(other).to_string(),
    };
    words.to_owned()
}
