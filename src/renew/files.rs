//! The files of a renewal: read within bounds, replaced as a whole.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ring::digest;
use rustix::fs::{self as sys, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::domain::layout::as_known;
use crate::domain::renewal::Fault;
use crate::domain::text::safe;

/// Most bytes of one file: kubeadm's largest, a kubeconfig, has 6 kB.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// Before the name of a file that is about to be replaced.
const TEMPORARY: &str = ".certwatch-";

/// Whose a file is, and who may do what with it.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Owner {
    /// Of a file that is there.
    pub(super) fn of(stat: &Stat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o777 }
    }

    /// This process, and nobody else.
    pub(super) fn private() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { uid: uid.as_raw(), gid: gid.as_raw(), mode: 0o600 }
    }
}

/// Puts a copy of `from` in the place of `to`, all of it or nothing, and on disk when this returns.
///
/// Owner and mode are those of the old `to`, or of `from` where there is none. If `to` is a symbolic
/// link, what it leads to is replaced. Where the system does not let an owner be given, the old
/// inode is written anew instead, which a crash can cut short.
///
/// # Errors
/// `from` is missing, no regular file or larger than 1 MiB, or `to` cannot be written.
pub fn replace(from: &Path, to: &Path) -> Result<(), Fault> {
    Prepared::new(from, to)?.put()?.for_good()
}

/// A copy that lies beside the file whose place it takes, all of it on disk. It goes when this is dropped.
pub(super) struct Prepared {
    to: PathBuf,
    dir: OwnedFd,
    /// In the old inode, because the system does not let an owner be given.
    instead: Option<Vec<u8>>,
}

impl Prepared {
    /// A copy of `from` beside `to`, for [`put`](Self::put), by the rules of [`replace`].
    ///
    /// # Errors
    /// As of [`replace`].
    pub(super) fn new(from: &Path, to: &Path) -> Result<Self, Fault> {
        let (bytes, stat) = open_read(CWD, from, OFlags::empty()).map_err(failed("read", from))?;
        let to = real(to)?;
        let old = sys::stat(&to).ok();
        let owner = Owner::of(old.as_ref().unwrap_or(&stat));
        let dir = dir_of(&to).map_err(|error| failed("write", &to)(error.into()))?;
        let mut prepared = Self { to, dir, instead: None };
        match create(&prepared.dir, &temporary(prepared.name()), &bytes, owner, old.is_none()) {
            Ok(()) => {}
            Err(error) if old.is_some() && error.kind() == io::ErrorKind::PermissionDenied => {
                prepared.instead = Some(bytes);
            }
            Err(error) => return Err(failed("write", &prepared.to)(error)),
        }
        Ok(prepared)
    }

    /// Puts it in its place, by nothing but a rename. [`Put::for_good`] makes that outlast a power cut.
    ///
    /// # Errors
    /// `to` cannot be written.
    pub(super) fn put(self) -> Result<Put, Fault> {
        let (dir, name) = (&self.dir, self.name());
        let put = match &self.instead {
            Some(bytes) => overwrite(dir, name, bytes),
            None => sys::renameat(dir, temporary(name), dir, name).map_err(io::Error::from),
        };
        put.map_err(failed("write", &self.to))?;
        Ok(Put(self))
    }

    fn name(&self) -> &Path {
        Path::new(self.to.file_name().unwrap_or_default())
    }
}

/// Nothing is left outside of what it belongs to.
impl Drop for Prepared {
    fn drop(&mut self) {
        sys::unlinkat(&self.dir, temporary(self.name()), AtFlags::empty()).unwrap_or_default();
    }
}

/// A file in its place, which a power cut may still undo.
pub(super) struct Put(Prepared);

impl Put {
    /// On disk when this returns.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn for_good(self) -> Result<(), Fault> {
        let Self(Prepared { dir, to, .. }) = &self;
        sys::fsync(dir).map_err(|error| failed("write", to)(error.into()))
    }
}

/// SHA-256 of the content in hexadecimal; `None` where there is no file.
///
/// # Errors
/// It is no regular file, larger than 1 MiB, or cannot be read.
pub fn sha256(path: &Path) -> Result<Option<String>, Fault> {
    Ok(read(path)?.map(|bytes| hex_sha256(&bytes)))
}

/// SHA-256 of `bytes` in hexadecimal.
pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA256, bytes);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes from these directories what a run that was killed had begun to write: it may be a key.
///
/// # Errors
/// A directory that exists cannot be read, or a file in it not be removed.
pub fn remove_temporaries(dirs: &[PathBuf]) -> Result<(), Fault> {
    dirs.iter().try_for_each(|dir| remove_temporaries_in(dir).map_err(failed("clear", dir)))
}

fn remove_temporaries_in(path: &Path) -> io::Result<()> {
    let dir = match open_dir(path) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if entry.file_name().to_bytes().starts_with(TEMPORARY.as_bytes()) {
            sys::unlinkat(&dir, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

/// The content; `None` where there is no file.
///
/// # Errors
/// As of [`sha256`].
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match open_read(CWD, path, OFlags::empty()) {
        Ok((bytes, _)) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// A file that somebody else wrote since it was looked at: theirs may be the better one.
pub(super) fn changed_by_others(path: &Path) -> Fault {
    Fault::failed(format!(
        "somebody else changed {} meanwhile; nothing of it was replaced, so look at it and renew again",
        shown(path)
    ))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a regular file and reads all of it.
pub(super) fn open_read(dir: impl AsFd, path: &Path, flags: OFlags) -> io::Result<(Vec<u8>, Stat)> {
    let follow =
        if flags.contains(OFlags::NOFOLLOW) { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
    // Looked at before it is opened: opening a device can do anything.
    must_be_regular(&sys::statat(&dir, path, follow)?)?;
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = sys::openat(&dir, path, flags, Mode::empty())?;
    let stat = sys::fstat(&fd)?;
    must_be_regular(&stat)?;
    let mut bytes = Vec::new();
    File::from(fd).take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok((bytes, stat))
}

fn must_be_regular(stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

/// Puts `bytes` in the place of `path`, which is no symbolic link.
pub(super) fn write(path: &Path, bytes: &[u8], owner: Owner) -> Result<(), Fault> {
    let name = Path::new(path.file_name().unwrap_or_default());
    dir_of(path)
        .map_err(io::Error::from)
        .and_then(|dir| write_at(&dir, name, bytes, owner))
        .map_err(failed("write", path))
}

/// Puts `bytes` in the place of the file `name` of `dir`.
pub(super) fn write_at(dir: impl AsFd, name: &Path, bytes: &[u8], owner: Owner) -> io::Result<()> {
    let temporary = temporary(name);
    let is_new = sys::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_err();
    let written = create(&dir, &temporary, bytes, owner, is_new)
        .and_then(|()| Ok(sys::renameat(&dir, &temporary, &dir, name)?));
    match written {
        Ok(()) => return Ok(sys::fsync(&dir)?),
        // Nothing is left outside of what it belongs to.
        Err(_) => sys::unlinkat(&dir, &temporary, AtFlags::empty()).unwrap_or_default(),
    }
    match written {
        Err(error) if !is_new && error.kind() == io::ErrorKind::PermissionDenied => {
            overwrite(&dir, name, bytes)
        }
        written => written,
    }
}

fn temporary(name: &Path) -> PathBuf {
    let mut temporary = std::ffi::OsString::from(TEMPORARY);
    temporary.push(name);
    temporary.into()
}

/// A new file with an owner; where the system refuses that, `may_own` lets it be this process's.
fn create(
    dir: impl AsFd,
    name: &Path,
    bytes: &[u8],
    owner: Owner,
    may_own: bool,
) -> io::Result<()> {
    match sys::unlinkat(&dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(sys::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(bytes)?;
    match give(&file, owner) {
        Err(Errno::PERM) if may_own => {}
        given => given?,
    }
    sys::fchmod(&file, Mode::from_raw_mode(owner.mode))?;
    file.sync_all()
}

/// Where there is nothing to give, nothing is asked: a sandbox forbids even that.
fn give(file: &File, owner: Owner) -> Result<(), Errno> {
    let stat = sys::fstat(file)?;
    if (stat.st_uid, stat.st_gid) == (owner.uid, owner.gid) {
        return Ok(());
    }
    let (uid, gid) = (sys::Uid::from_raw(owner.uid), sys::Gid::from_raw(owner.gid));
    sys::fchown(file, Some(uid), Some(gid))
}

fn overwrite(dir: impl AsFd, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = sys::openat(dir, name, flags, Mode::empty())?;
    must_be_regular(&sys::fstat(&fd)?)?;
    let mut file = File::from(fd);
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes `below` and what is above it, down from `base`, for this process's user alone.
pub(super) fn create_dirs(base: &Path, below: &Path) -> Result<(), Fault> {
    let mut path = base.to_owned();
    for part in std::iter::once(Path::new("")).chain(below.iter().map(Path::new)) {
        path.push(part);
        create_dir(&path).map_err(failed("create the directory", &path))?;
    }
    Ok(())
}

fn create_dir(path: &Path) -> io::Result<()> {
    match sys::mkdir(path, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made.and_then(|()| sync_dir(path.parent().unwrap_or(path)))?),
    }
}

/// Removes a file, if it is there, for good.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    let removed = match sys::unlink(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        removed => removed.and_then(|()| sync_dir(path.parent().unwrap_or(path))),
    };
    removed.map_err(|error| failed("remove", path)(error.into()))
}

fn sync_dir(path: &Path) -> Result<(), Errno> {
    sys::fsync(open_dir(path)?)
}

fn dir_of(path: &Path) -> Result<OwnedFd, Errno> {
    open_dir(path.parent().unwrap_or(Path::new("/")))
}

fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    sys::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Where a link leads; any other path as it is.
fn real(path: &Path) -> Result<PathBuf, Fault> {
    if path.is_symlink() {
        return std::fs::canonicalize(path).map_err(failed("follow the link", path));
    }
    Ok(path.to_owned())
}

/// Makes a fault of what the system said about a path.
pub(super) fn failed(doing: &str, path: &Path) -> impl Fn(io::Error) -> Fault {
    let what = format!("cannot {doing} {}", shown(path));
    move |error| Fault::failed(format!("{what}: {error}"))
}

/// A path as it may be printed.
pub(super) fn shown(path: &Path) -> String {
    safe(&as_known(path).to_string_lossy()).into_owned()
}

#[cfg(test)]
#[path = "tests/files.rs"]
mod tests;
