//! The file system of the node: every read bounded, nothing but regular files opened for reading.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{self as sys, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::domain::layout::lexical;
use crate::domain::model::Reason;
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::hangs::{Hangs, Silent};

/// A file that changes while it is read, or is empty, is read again this often, after a pause.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// The node: this machine, or one whose root directory is mounted here.
#[derive(Debug)]
pub(super) struct Host {
    /// `None` for this machine's own root.
    root: Option<OwnedFd>,
    watch: HangGuard,
}

/// How long places are waited for, and which of them do not answer.
#[derive(Clone, Debug)]
pub(super) struct HangGuard {
    /// Where the root directory is seen from here.
    pub(super) root: PathBuf,
    pub(super) hangs: Arc<Hangs>,
    /// When this scan began, and after how many seconds it gives a place up.
    pub(super) begun: UnixTime,
    pub(super) limit: u64,
}

/// What a path leads to, links followed; also the identity that ends loops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FileKind {
    Directory(Identity),
    File,
    /// Neither; its name in words.
    Other(&'static str),
}

/// Device and inode number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Identity(u64, u64);

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct DirEntry {
    pub(super) name: OsString,
    /// Known to be a regular file, without a further look.
    pub(super) is_file: bool,
}

impl Host {
    /// # Errors
    /// The root is no directory that can be opened.
    pub(super) fn new(watch: HangGuard) -> io::Result<Self> {
        if watch.root == Path::new("/") {
            return Ok(Self { root: None, watch });
        }
        watch.hangs.enter(&watch.root).map_err(|_| io::ErrorKind::TimedOut)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: Some(sys::open(&watch.root, flags, Mode::empty())?), watch })
    }

    /// True if what runs here runs on this machine, and can be asked.
    pub(super) fn is_this_machine(&self) -> bool {
        self.root.is_none()
    }

    /// For before each call that may hang at `path`: one that hangs already is left alone.
    fn enter(&self, path: &Path) -> Result<(), Reason> {
        let path = match &self.root {
            None => Cow::Borrowed(path),
            Some(_) => self.watch.root.join(path.strip_prefix("/").unwrap_or(path)).into(),
        };
        self.watch.hangs.enter(&path).map_err(|Silent(since)| {
            // In the scan in which it was found, nobody has to be told since when.
            if since < self.watch.begun {
                Reason::Hangs(since)
            } else {
                Reason::TimedOut(self.watch.limit)
            }
        })
    }

    /// Why nobody goes to `path`, if it is known to hang.
    pub(super) fn known_to_hang(&self, path: &Path) -> Option<Reason> {
        self.enter(path).err()
    }

    /// What `path` leads to.
    pub(super) fn kind(&self, path: &Path) -> Result<FileKind, Reason> {
        self.enter(path)?;
        Ok(kind(&self.stat(path).map_err(|error| self.reason(path, error))?))
    }

    /// True if there is anything at `path`, even a link to nothing, or if that cannot be told.
    pub(super) fn exists(&self, path: &Path) -> bool {
        self.enter(path).is_err()
            || !matches!(self.stat(path), Err(Errno::NOENT | Errno::NOTDIR))
            || self.is_link(path)
    }

    /// Which file `path` leads to.
    pub(super) fn identity(&self, path: &Path) -> Option<Identity> {
        self.enter(path).ok()?;
        self.stat(path).ok().map(|stat| identity(&stat))
    }

    /// The entries of a directory, sorted by name.
    pub(super) fn list(&self, path: &Path) -> Result<Vec<DirEntry>, Reason> {
        self.enter(path)?;
        let read = || -> Result<Vec<DirEntry>, Errno> {
            let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let mut entries = Vec::new();
            for entry in Dir::read_from(&directory)? {
                let entry = entry?;
                let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
                if name != "." && name != ".." {
                    entries.push(DirEntry {
                        name,
                        is_file: entry.file_type() == FileType::RegularFile,
                    });
                }
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        };
        read().map_err(|error| self.reason(path, error))
    }

    /// The whole of a regular file.
    ///
    /// `is_file` saves a look at a path that is known to be one. Other paths are looked at before
    /// they are opened: opening a FIFO can block, and opening a device can do anything.
    pub(super) fn read(&self, path: &Path, is_file: bool) -> Result<Vec<u8>, Reason> {
        if !is_file {
            match self.kind(path)? {
                FileKind::File => {}
                FileKind::Directory(_) => return Err(Reason::NotAFile("directory")),
                FileKind::Other(name) => return Err(Reason::NotAFile(name)),
            }
        }
        let mut last = Err(Reason::Changed);
        for _ in 0..ATTEMPTS {
            self.enter(path)?;
            match self.read_once(path)? {
                Some(bytes) if bytes.is_empty() => last = Ok(bytes),
                Some(bytes) => return Ok(bytes),
                None => {}
            }
            // kubeadm cuts a file to nothing before it writes it anew.
            std::thread::sleep(PAUSE);
        }
        last
    }

    /// A file of /proc, whose size says nothing.
    pub(super) fn read_proc(&self, path: &Path) -> Option<Vec<u8>> {
        self.enter(path).ok()?;
        let file = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
        read::start_of(File::from(file), read::MAX_BYTES).ok()
    }

    /// Where `path` leads to, links resolved; known for this machine's own root only.
    pub(super) fn real_path(&self, path: &Path) -> Option<PathBuf> {
        if self.root.is_some() || self.enter(path).is_err() {
            return None;
        }
        std::fs::canonicalize(path).ok()
    }

    /// Where the symbolic link at `path` leads, by its text alone; `None` if it is none.
    pub(super) fn link_target(&self, path: &Path) -> Option<PathBuf> {
        self.enter(path).ok()?;
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = sys::readlinkat(&link, "", Vec::new()).ok()?;
        let target = OsString::from_vec(target.into_bytes());
        Some(lexical(&path.parent().unwrap_or(path).join(target)))
    }

    /// `None` if the file changed meanwhile.
    fn read_once(&self, path: &Path) -> Result<Option<Vec<u8>>, Reason> {
        let failed = |error: Errno| self.reason(path, error);
        // NONBLOCK: should a FIFO have taken its place, the open returns at once.
        let file =
            self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(failed)?;
        let before = sys::fstat(&file).map_err(failed)?;
        if let FileKind::Other(name) = kind(&before) {
            return Err(Reason::NotAFile(name));
        }
        let size = u64::try_from(before.st_size).unwrap_or(u64::MAX);
        if size == 0 && is_of_the_kernel(&file) {
            return Err(Reason::NotAFile("file of the kernel"));
        }
        if size > read::MAX_BYTES {
            return Err(Reason::TooLarge { size, limit: read::MAX_BYTES });
        }
        let file = File::from(file);
        let bytes =
            read::start_of(&file, read::MAX_BYTES + 1).map_err(|error| read_failed(&error))?;
        let after = sys::fstat(&file).map_err(failed)?;
        let is_whole = same_version(&before, &after) && bytes.len() as u64 == size;
        Ok(is_whole.then_some(bytes))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match &self.root {
            None => sys::open(path, flags, Mode::empty()),
            // Links in there, absolute ones too, lead to places below that root.
            Some(root) => {
                let below = path.strip_prefix("/").unwrap_or(path);
                let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
                sys::openat2(root, below, flags, Mode::empty(), ResolveFlags::IN_ROOT)
            }
        }
    }

    fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        match &self.root {
            None => sys::stat(path),
            Some(_) => sys::fstat(self.open(path, OFlags::PATH)?),
        }
    }

    /// True for a regular file that is no link to one.
    pub(super) fn is_regular(&self, path: &Path) -> bool {
        self.enter(path).is_ok() && self.own_type(path) == Some(FileType::RegularFile)
    }

    fn is_link(&self, path: &Path) -> bool {
        self.own_type(path) == Some(FileType::Symlink)
    }

    /// What is at `path` itself, links not followed.
    fn own_type(&self, path: &Path) -> Option<FileType> {
        let file = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        sys::fstat(&file).ok().map(|stat| FileType::from_raw_mode(stat.st_mode))
    }

    fn reason(&self, path: &Path, error: Errno) -> Reason {
        match error {
            Errno::NOENT | Errno::NOTDIR if self.is_link(path) => Reason::BrokenLink,
            Errno::NOENT | Errno::NOTDIR => Reason::Missing,
            Errno::LOOP => Reason::LinkLoop,
            Errno::ACCESS | Errno::PERM => Reason::PermissionDenied,
            Errno::NXIO => Reason::NotAFile("socket"),
            _ => read_failed(&error.into()),
        }
    }
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory(identity(stat)),
        FileType::Fifo => FileKind::Other("FIFO"),
        FileType::Socket => FileKind::Other("socket"),
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Other("device"),
        FileType::Symlink => FileKind::Other("symbolic link"),
        FileType::Unknown => FileKind::Other("file of unknown kind"),
    }
}

fn identity(stat: &Stat) -> Identity {
    Identity(stat.st_dev, stat.st_ino)
}

/// /proc and /sys look like files, but to read there can do anything: /proc/kmsg takes the messages
/// it gives.
fn is_of_the_kernel(file: &OwnedFd) -> bool {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    sys::fstatfs(file).is_ok_and(|stat| [PROC, SYSFS].contains(&stat.f_type))
}

fn same_version(a: &Stat, b: &Stat) -> bool {
    let version = |s: &Stat| (s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec);
    version(a) == version(b)
}

fn read_failed(error: &io::Error) -> Reason {
    Reason::ReadFailed(error.kind().to_string().into())
}
