//! The files of a renewal: read within bounds, replaced as a whole.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use ring::digest;
use rustix::fs::{self as sys, AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::domain::layout::shown;
use crate::domain::renewal::Fault;
use crate::fs::extended::Extended;
pub(crate) use crate::fs::inode::Ownership;
use crate::fs::inode::{self, FileAttributes, Old, create, is_refused, overwrite};
use crate::fs::trusted::{self, ResolvedPath, Untrusted};

/// Most bytes of one file: kubeadm's largest, a kubeconfig, has 6 kB.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

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
pub fn replace(from: &Path, to: &Path) -> Result<(), Fault> {
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
    /// A copy of `from` beside `to`, for [`put`](Self::put), by the rules of [`replace`].
    ///
    /// # Errors
    /// As of [`replace`].
    pub(crate) fn new(from: &Path, to: &Path) -> Result<Self, Fault> {
        let (bytes, source) = inode::open_regular(CWD, from, OFlags::empty())
            .and_then(|file| Ok((read_all(&file)?, FileAttributes::of(&file)?)))
            .map_err(failed("read", from))?;
        let entry = entry_of(to).map_err(|error| failed("write", to)(error.into()))?;
        let failed = failed("write", &entry.path);
        let name = Path::new(&entry.name);
        let was = match open_read(&entry.dir, name, OFlags::NOFOLLOW) {
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
    pub(crate) fn put(mut self) -> Result<Put, Fault> {
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
        match inode::open_regular(dir, name, OFlags::NOFOLLOW) {
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
    pub(crate) fn for_good(&self) -> Result<(), Fault> {
        let Prepared { dir, to, .. } = &self.prepared;
        sys::fsync(dir).map_err(|error| failed("write", to)(error.into()))
    }

    /// Puts back what was there before, on disk when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn take_back(self) -> Result<(), Fault> {
        let Self { prepared, is_exchanged } = &self;
        let back = if *is_exchanged { prepared.exchange().map(drop) } else { prepared.write_old() };
        back.map_err(failed("put back", &prepared.to))?;
        self.for_good()
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
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
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
    let dir = match trusted::open_dir(path, owner_of(path)) {
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

/// The content; `None` where there is no file.
///
/// # Errors
/// As of [`sha256`].
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match open_read(CWD, path, OFlags::empty()) {
        Ok((bytes, _)) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// A file that somebody else wrote since it was looked at: theirs may be the better one.
pub(crate) fn changed_by_others(path: &Path) -> Fault {
    Fault::failed(format!(
        "{} was changed by somebody else in the meantime; nothing was replaced, so check it and renew again",
        shown(path)
    ))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a regular file and reads all of it.
pub(crate) fn open_read(dir: impl AsFd, path: &Path, flags: OFlags) -> io::Result<(Vec<u8>, Stat)> {
    let file = inode::open_regular(dir, path, flags)?;
    Ok((read_all(&file)?, sys::fstat(&file)?))
}

fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// The place of a file that is about to be written. Nobody but root and those whose directory it is in, which root gave
/// them, may be able to lead elsewhere.
fn entry_of(path: &Path) -> Result<ResolvedPath, Untrusted> {
    trusted::entry(path, owner_of(path.parent().unwrap_or(Path::new("/"))))
}

fn owner_of(dir: &Path) -> u32 {
    sys::stat(dir).map_or(0, |it| it.st_uid)
}

/// Puts `bytes` in the place of `path`, which is no symbolic link.
pub(crate) fn write(path: &Path, bytes: &[u8], owner: Ownership) -> Result<(), Fault> {
    let written = entry_of(path)
        .map_err(io::Error::from)
        .and_then(|entry| write_at(&entry.dir, Path::new(&entry.name), bytes, owner));
    written.map_err(failed("write", path))
}

/// Puts `bytes` in the place of the file `name` of `dir`, whose extended attributes stay; its ACL too, if `owner` is
/// what it has now.
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
    let written = create(&dir, &temporary(name), bytes, &look, old.is_none())
        .and_then(|()| Ok(sys::renameat(&dir, temporary(name), &dir, name)?));
    match (written, old) {
        (Ok(()), _) => Ok(sys::fsync(&dir)?),
        (Err(error), old) => {
            // Nothing is left outside of what it belongs to.
            discard(&dir, name);
            match old.filter(|_| is_refused(&error)) {
                Some(old) => overwrite(old.to_write(&dir, name)?, bytes),
                None => Err(error),
            }
        }
    }
}

/// The name that what is about to take the place of `name` has until then.
pub(crate) fn temporary(name: &Path) -> PathBuf {
    let mut temporary = std::ffi::OsString::from(TEMPORARY);
    temporary.push(name);
    temporary.into()
}

fn discard(dir: impl AsFd, name: &Path) {
    sys::unlinkat(dir, temporary(name), AtFlags::empty()).unwrap_or_default();
}

/// True for what a run that was killed has left.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
}

/// The directory above `path`, reached by a way that nobody else can bend, and the last name, which may be a link and is
/// not followed.
pub(crate) fn above(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL.into());
    };
    Ok((trusted::open_dir(dir, owner_of(dir))?, name))
}

/// Makes `below` and what is above it, down from `base`, for this process's user alone.
pub(crate) fn create_dirs(base: &Path, below: &Path) -> Result<(), Fault> {
    let mut path = base.to_owned();
    for part in std::iter::once(Path::new("")).chain(below.iter().map(Path::new)) {
        path.push(part);
        create_dir(&path).map_err(failed("create the directory", &path))?;
    }
    Ok(())
}

fn create_dir(path: &Path) -> io::Result<()> {
    let ResolvedPath { dir, name, stat: None, .. } = entry_of(path)? else { return Ok(()) };
    match sys::mkdirat(&dir, &name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made.and_then(|()| sys::fsync(&dir))?),
    }
}

/// Removes a file, if it is there, for good.
pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
    let removed = above(path).and_then(|(dir, name)| {
        Ok(sys::unlinkat(&dir, name, AtFlags::empty()).and_then(|()| sys::fsync(&dir))?)
    });
    unless_absent(removed).map_err(failed("remove", path))
}

/// Removes a file, or a directory with all that is in it; of a link the link alone.
pub(crate) fn remove_all(path: &Path) -> Result<(), Fault> {
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

/// Gives a file or directory another name.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    let renamed = above(from).and_then(|(old, from)| {
        let (new, to) = above(to)?;
        Ok(sys::renameat(old, from, new, to)?)
    });
    renamed.map_err(failed("move", from))
}

/// Makes a fault of what the system said about a path.
pub(crate) fn failed(doing: &str, path: &Path) -> impl Fn(io::Error) -> Fault + use<> {
    let what = format!("cannot {doing} {}", shown(path));
    move |error| Fault::failed(format!("{what}: {error}"))
}

#[cfg(test)]
#[path = "tests/files.rs"]
mod tests;
