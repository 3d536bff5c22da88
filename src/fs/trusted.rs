//! Paths that lead only where root wants: what root executes or writes is opened component by
//! component, and each of them is one that nobody but root, or an owner that is named, can change.
//!
//! Each component is opened by its name alone, without following it, from the directory before it,
//! which stays open: no rename, link or mount in between leads elsewhere than to what was looked at.
//! (One name without a slash, opened so, is all that `openat2` with `RESOLVE_NO_SYMLINKS` and
//! `RESOLVE_NO_MAGICLINKS` would let through, and old kernels know it too.)
//!
//! Owners are believed only where root stands behind the file system. What a user has mounted by FUSE, and
//! opened to others, can call any file root's; it is refused before it is asked anything. A network file
//! system is root's to mount, so its server is believed as a disk is.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::{fmt, io};

use rustix::fs::{self as sys, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::domain::layout::shown;
use crate::parse::mountinfo::MountOwner;

use super::mount;

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A name in a directory that is held open.
pub struct ResolvedPath {
    /// The directory.
    pub dir: OwnedFd,
    /// The name in it, which is no link.
    pub name: OsString,
    /// Both as a path without any link.
    pub path: PathBuf,
    /// What has that name; `None` if nothing has.
    pub stat: Option<Stat>,
}

/// Why a path is not trusted, or leads nowhere: a whole sentence.
#[derive(Debug, Eq, PartialEq)]
pub struct Untrusted {
    /// The part of the path, links followed up to there.
    pub component: PathBuf,
    why: Why,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// It belongs to this user.
    Owner(u32),
    /// Its group or all others can write to it.
    Writable,
    /// A link that others can change.
    Link,
    /// A FUSE file system that this user has mounted, or nobody knows who.
    Mounted(Option<u32>),
    /// Which mount it is on cannot be told.
    NoMount(Errno),
    /// The system says so.
    System(Errno),
}

impl Untrusted {
    /// True if something is missing on the way, or the last link leads to nothing.
    pub(crate) fn is_absent(&self) -> bool {
        self.why == Why::System(Errno::NOENT)
    }

    /// True if the path was not even read to its end: nothing is known of its trust.
    pub(crate) fn is_of_the_system(&self) -> bool {
        matches!(self.why, Why::System(_))
    }

    /// True if it is not the component that is to be closed, but the file system that is to be unmounted.
    pub(crate) fn is_of_a_mount(&self) -> bool {
        matches!(self.why, Why::Mounted(_))
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let component = shown(&self.component);
        match self.why {
            Why::Owner(uid) => write!(out, "{component} belongs to user {uid}"),
            Why::Writable => write!(out, "users other than its owner can write to {component}"),
            Why::Link => write!(
                out,
                "{component} is a symbolic link, and users other than root can change it or its directory"
            ),
            Why::Mounted(Some(uid)) => write!(
                out,
                "user {uid} has mounted {component} (FUSE), so what it says of owners proves nothing"
            ),
            Why::Mounted(None) => {
                write!(out, "{component} is mounted by FUSE, and it is not known by whom")
            }
            Why::NoMount(error) => {
                write!(
                    out,
                    "{component}: its mount cannot be determined: {}",
                    io::Error::from(error)
                )
            }
            Why::System(error) => write!(out, "{component}: {}", io::Error::from(error)),
        }
    }
}

impl From<Untrusted> for io::Error {
    fn from(error: Untrusted) -> Self {
        match error.why {
            // Its kind is what callers go by.
            Why::System(errno) => errno.into(),
            Why::Owner(_) | Why::Writable | Why::Link | Why::Mounted(_) | Why::NoMount(_) => {
                Self::other(error.to_string())
            }
        }
    }
}

/// Opens a directory for its content. All of its path, itself included, belongs to root or `owner`, and nobody else
/// can write there; in a sticky directory on the way others can, since they cannot move what is not theirs.
///
/// Links are followed that are root's, or this process's own user's, in a directory that is theirs alone.
///
/// # Errors
/// A component is not like that, or cannot be opened; which, and why.
pub fn open_dir(path: &Path, owner: u32) -> Result<OwnedFd, Untrusted> {
    let way = WalkedPath::existing(path, owner)?;
    way.end_is(way.end().judge(&[0, owner], false))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    way.end_is(sys::openat(&way.end().fd, ".", flags, Mode::empty()).map_err(Why::System))
}

/// The place of a file to be written, links followed by the rule of [`open_dir`]. The file may be missing, and may
/// belong to anybody: in a directory of root's it was root who let it. Only in a sticky one, where all can make files,
/// it must belong to root or `owner`.
///
/// # Errors
/// A directory on the way is not trusted, or cannot be opened; which, and why.
pub fn entry(path: &Path, owner: u32) -> Result<ResolvedPath, Untrusted> {
    let mut way = WalkedPath::find(path, owner)?;
    let (name, stat) = match way.missing.take() {
        Some(name) => (name, None),
        None if way.steps.len() > 1 => {
            let dir = &way.steps[way.steps.len() - 2];
            if can_others_write(&dir.stat) && ![0, owner].contains(&way.end().stat.st_uid) {
                return way.end_is(Err(Why::Owner(way.end().stat.st_uid)));
            }
            let step = way.steps.remove(way.steps.len() - 1);
            (step.name, Some(step.stat))
        }
        None => return way.end_is(Err(Why::System(Errno::ISDIR))),
    };
    way.end_is(way.end().judge(&[0, owner], true))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = sys::openat(&way.end().fd, ".", flags, Mode::empty()).map_err(Why::System);
    Ok(ResolvedPath { dir: way.end_is(dir)?, path: way.path().join(&name), name, stat })
}

/// A program, to be run by the path that is given back: there is no link in it, and nobody but root, and this
/// process's own user, can change a component of it or what it leads to.
///
/// # Errors
/// A component is not like that, is missing or no regular file; which, and why.
pub fn executable(path: &Path) -> Result<PathBuf, Untrusted> {
    let own = geteuid().as_raw();
    let way = WalkedPath::existing(path, own)?;
    for (index, step) in way.steps.iter().enumerate().rev().take(2) {
        let judged = step.judge(&[0, own], false);
        judged.map_err(|why| Untrusted { component: way.path_to(index), why })?;
    }
    if FileType::from_raw_mode(way.end().stat.st_mode) == FileType::RegularFile {
        return Ok(way.path());
    }
    way.end_is(Err(Why::System(Errno::ACCESS)))
}

/// A path that was walked, each directory of it judged before anything below it was looked at. The end is not.
struct WalkedPath {
    /// `/` first.
    steps: Vec<PathStep>,
    /// The last name, if nothing has it.
    missing: Option<OsString>,
}

struct PathStep {
    name: OsString,
    fd: OwnedFd,
    stat: Stat,
    /// The number of the mount that it lies on.
    mount: u64,
}

/// What is still to be walked, in the order of a path.
enum PathPart {
    Root,
    Up,
    Down(OsString),
}

impl WalkedPath {
    fn find(path: &Path, owner: u32) -> Result<Self, Untrusted> {
        let fail = |why| Untrusted { component: path.to_owned(), why };
        if !path.is_absolute() {
            return Err(fail(Why::System(Errno::INVAL)));
        }
        let root = PathStep::open(CWD, OsStr::new("/"), None).map_err(fail)?;
        let mut way = Self { steps: vec![root], missing: None };
        let mut todo: Vec<PathPart> = parts(path);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part {
                PathPart::Root => way.steps.truncate(1),
                // What is above is a directory that was walked through; `/..` is `/`.
                PathPart::Up if way.steps.len() > 1 => way.steps.truncate(way.steps.len() - 1),
                PathPart::Up => {}
                PathPart::Down(name) => {
                    way.end_is(way.end().judge(&[0, owner], true))?;
                    let step = match PathStep::open(&way.end().fd, &name, Some(way.end().mount)) {
                        Err(Why::System(Errno::NOENT)) if todo.is_empty() => {
                            way.missing = Some(name);
                            break;
                        }
                        opened => opened.map_err(|why| way.below(&name, why))?,
                    };
                    if step.is(FileType::Symlink) {
                        links += 1;
                        let target = way.follow(&step, links);
                        todo.extend(parts(&target.map_err(|why| way.below(&name, why))?));
                    } else {
                        way.steps.push(step);
                    }
                }
            }
        }
        Ok(way)
    }

    fn existing(path: &Path, owner: u32) -> Result<Self, Untrusted> {
        let way = Self::find(path, owner)?;
        match &way.missing {
            Some(name) => Err(way.below(name, Why::System(Errno::NOENT))),
            None => Ok(way),
        }
    }

    /// Where a link in the directory at the end leads, if root, or this process's user, made it.
    fn follow(&self, link: &PathStep, links: usize) -> Result<PathBuf, Why> {
        let own = [0, geteuid().as_raw()];
        let is_ours = own.contains(&link.stat.st_uid) && self.end().judge(&own, false).is_ok();
        if !is_ours {
            return Err(Why::Link);
        }
        if links > MAX_LINKS {
            return Err(Why::System(Errno::LOOP));
        }
        let target = sys::readlinkat(&link.fd, "", Vec::new()).map_err(Why::System)?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    fn end(&self) -> &PathStep {
        // It begins with `/`, which nothing takes away.
        &self.steps[self.steps.len() - 1]
    }

    /// Gives a reason its place: the end.
    fn end_is<T>(&self, judged: Result<T, Why>) -> Result<T, Untrusted> {
        judged.map_err(|why| Untrusted { component: self.path(), why })
    }

    fn below(&self, name: &OsStr, why: Why) -> Untrusted {
        Untrusted { component: self.path().join(name), why }
    }

    fn path(&self) -> PathBuf {
        self.path_to(self.steps.len() - 1)
    }

    fn path_to(&self, index: usize) -> PathBuf {
        self.steps[..=index].iter().map(|step| &step.name).collect()
    }
}

impl PathStep {
    /// `above` is the mount of `dir`; nothing for `/`, which is what root made it.
    fn open(dir: impl AsFd, name: &OsStr, above: Option<u64>) -> Result<Self, Why> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(dir, name, flags, Mode::empty()).map_err(Why::System)?;
        let mount = believed(&fd, above)?;
        let stat = sys::fstat(&fd).map_err(Why::System)?;
        Ok(Self { name: name.to_owned(), fd, stat, mount })
    }

    fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }

    /// Whether it belongs to one of `owners`, and nobody else can write to it. An ACL that lets somebody is seen too:
    /// its mask stands in the bits of the group.
    fn judge(&self, owners: &[u32], may_be_sticky: bool) -> Result<(), Why> {
        if !owners.contains(&self.stat.st_uid) {
            return Err(Why::Owner(self.stat.st_uid));
        }
        let is_sticky = self.is(FileType::Directory) && self.stat.st_mode & 0o1000 != 0;
        if can_others_write(&self.stat) && !(may_be_sticky && is_sticky) {
            return Err(Why::Writable);
        }
        Ok(())
    }
}

/// The mount of `fd`, if what that says of owners is to be believed.
fn believed(fd: &OwnedFd, above: Option<u64>) -> Result<u64, Why> {
    let mount = match mount::id(fd) {
        // Old kernels tell nobody but root; without root's rights there is nothing to be won.
        Err(Errno::ACCESS) if !geteuid().is_root() => return Ok(0),
        id => id.map_err(Why::NoMount)?,
    };
    if above.is_none_or(|above| above == mount) {
        return Ok(mount);
    }
    match mount::origin(mount).map_err(Why::NoMount)? {
        MountOwner::Root => Ok(mount),
        MountOwner::User(uid) => Err(Why::Mounted(Some(uid))),
        MountOwner::Unknown => Err(Why::Mounted(None)),
    }
}

fn can_others_write(stat: &Stat) -> bool {
    stat.st_mode & 0o022 != 0
}

/// The last first.
fn parts(path: &Path) -> Vec<PathPart> {
    let part = |part| match part {
        Component::RootDir => Some(PathPart::Root),
        Component::ParentDir => Some(PathPart::Up),
        Component::Normal(name) => Some(PathPart::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
#[path = "tests/trusted.rs"]
mod tests;
