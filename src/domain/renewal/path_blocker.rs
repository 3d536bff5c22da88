//! What a file system has against a renewal, path by path, each with the way out.

use std::path::{Path, PathBuf};

use crate::domain::layout::{as_known, shown};
use crate::domain::text::{escape_control, shell_word};

/// A path that a renewal would fail at, or must not trust.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathBlocker {
    /// Others than root, or than the owner of the tree, could change where it leads or what is there.
    Untrusted {
        /// What would be written.
        path: PathBuf,
        /// The part of it that is open to others.
        component: PathBuf,
        /// Why, as a sentence that names the component.
        why: String,
    },
    /// A user has mounted a file system (FUSE) there, which can call any file root's.
    UsersMount {
        /// What would be run or written.
        path: PathBuf,
        /// Where it is mounted.
        component: PathBuf,
        /// Why, as a sentence that names the component.
        why: String,
    },
    /// A file with other names: by a rename only one of them would change.
    HardLinked {
        /// One name.
        path: PathBuf,
        /// How many there are.
        names: u64,
    },
    /// A file or directory with a flag of `chattr` that forbids to replace it.
    Flagged {
        /// The file or directory.
        path: PathBuf,
        /// The flag in a word, `immutable` or `append-only`.
        flag: &'static str,
    },
    /// A file that is mounted by itself: nothing can take its place.
    MountPoint(PathBuf),
    /// A link that leads to nothing, or not to a file of this renewal; why, as a sentence.
    BadLink {
        /// The link.
        path: PathBuf,
        /// Why, as the rest of a sentence.
        why: String,
    },
    /// A file of another user that can be neither replaced nor written.
    NotOurs(PathBuf),
}

impl PathBlocker {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Untrusted { .. } | Self::UsersMount { .. } => "untrusted_path",
            Self::HardLinked { .. } => "hard_link",
            Self::Flagged { .. } => "immutable",
            Self::MountPoint(_) => "mount_point",
            Self::BadLink { .. } => "bad_link",
            Self::NotOurs(_) => "not_writable",
        }
    }

    /// What is wrong, one sentence.
    pub fn what(&self) -> String {
        match self {
            Self::Untrusted { path, component, why }
            | Self::UsersMount { path, component, why }
                if path == component =>
            {
                why.clone()
            }
            Self::Untrusted { path, why, .. } | Self::UsersMount { path, why, .. } => {
                format!("{}: {why}", shown(path))
            }
            Self::HardLinked { path, names } => format!(
                "{} has {names} hard links, and only one of them would get the new content",
                shown(path)
            ),
            Self::Flagged { path, flag } => format!("{} is {flag} (`lsattr -d`)", shown(path)),
            Self::MountPoint(path) => {
                format!("{} is a mount point, so that no new file can replace it", shown(path))
            }
            Self::BadLink { path, why } => format!("the link {} {why}", shown(path)),
            Self::NotOurs(path) => {
                format!("{} belongs to another user, and cannot be written", shown(path))
            }
        }
    }

    /// What to do about it, one sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::Untrusted { component, .. } => give_to_root(component),
            Self::UsersMount { component, .. } => {
                format!("unmount it (`umount {}`), or mount it as root", word(component))
            }
            Self::HardLinked { path, .. } => {
                let word = word(path);
                format!(
                    "find the others with `find / -xdev -samefile {word}`; to separate it from them: `cp -a \
                     {word} {word}.new && mv {word}.new {word}`"
                )
            }
            Self::Flagged { path, .. } => format!("`chattr -i -a {}`", word(path)),
            Self::MountPoint(path) => {
                format!("unmount it, or mount its directory instead: `findmnt {}`", word(path))
            }
            Self::BadLink { .. } => {
                "replace it with the file, make the link relative, or remove it".to_owned()
            }
            Self::NotOurs(_) => {
                "change its owner to root, or add a drop-in for the service (/usr/share/doc/certwatch/service.md)"
                    .to_owned()
            }
        }
    }
}

/// The commands that close a component to others than root.
pub(crate) fn give_to_root(component: &Path) -> String {
    let word = word(component);
    format!(
        "make it owned by root, and writable by nobody else: `chown -h root {word}`, `chmod go-w {word}`"
    )
}

fn word(path: &Path) -> String {
    escape_control(&shell_word(&as_known(path).to_string_lossy())).into_owned()
}
