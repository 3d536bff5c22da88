//! A look at what is there to watch: each directory gets its watch, or its files are compared.
//!
//! Directories alone are watched: a watch on a file is blind after the first renewal that replaces
//! it. A directory that is itself moved or removed says so; the directory above is watched for a
//! place that is a file or a link, and of one that is missing the nearest that exists. It is not
//! watched for all: `notify` asks for every opening of a file too, and in `/etc` that is all the
//! time. Each is watched before it is listed, so that what is created meanwhile is heard or seen.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::layout::{Search, Watched};
use crate::hangs::{Claim, Hangs};

use super::inotify::{Inotify, Interest, Watch, Watches};

/// How deep below a place directories are watched.
const MAX_DEPTH: u32 = 3;

/// The most directories that are watched, and the most files whose state is compared. A kubeadm
/// node has about 10 and 60.
const MAX_DIRECTORIES: usize = 2000;
const MAX_FILES: usize = 20_000;

/// Where to look.
pub(super) struct WatchTargets {
    /// A directory to leave alone.
    pub(super) own: Option<PathBuf>,
    pub(super) places: Vec<Watched>,
    pub(super) hangs: Arc<Hangs>,
}

/// What a look found.
pub(super) enum SurveyResult {
    Watched {
        inotify: Arc<Inotify>,
        /// Other directories than before.
        is_other: bool,
    },
    /// What the kernel refused, and what stands for the state of all files.
    Compared { why: String, fingerprint: u64 },
}

/// What a look found, and whether it is all there is.
pub(super) struct Survey {
    pub(super) found: SurveyResult,
    pub(super) is_cut: bool,
    /// What was left out because it does not answer, in order.
    pub(super) silent: Vec<PathBuf>,
}

/// How a look is done.
#[derive(Clone)]
pub(super) enum Means {
    /// With these watches, or new ones.
    Inotify(Option<Arc<Inotify>>),
    /// Without, because of this.
    Compare(String),
}

pub(super) fn survey(places: &WatchTargets, means: Means) -> Survey {
    let why = match means {
        Means::Compare(why) => why,
        Means::Inotify(old) => match watch(places, old) {
            Ok(survey) => return survey,
            Err(why) => why,
        },
    };
    let mut look = SurveyWalk::new(None, places);
    // Without watches nothing can be refused.
    let _ = look.at(&places.places);
    let found = SurveyResult::Compared { why, fingerprint: look.fingerprint };
    Survey { found, is_cut: look.is_cut, silent: look.silent.into_iter().collect() }
}

fn watch(places: &WatchTargets, old: Option<Arc<Inotify>>) -> Result<Survey, String> {
    let inotify = match old {
        Some(inotify) => inotify,
        None => Arc::new(Inotify::new()?),
    };
    let mut look = SurveyWalk::new(Some(&inotify), places);
    look.at(&places.places)?;
    let SurveyWalk { watches, is_cut, silent, .. } = look;
    let is_other = inotify.keep(watches);
    let silent = silent.into_iter().collect();
    Ok(Survey { found: SurveyResult::Watched { inotify, is_other }, is_cut, silent })
}

struct SurveyWalk<'a> {
    inotify: Option<&'a Inotify>,
    own: Option<&'a Path>,
    hangs: &'a Hangs,
    silent: BTreeSet<PathBuf>,
    watches: Watches,
    directories: usize,
    files: usize,
    fingerprint: u64,
    is_cut: bool,
    queue: VecDeque<(PathBuf, u32)>,
}

impl<'a> SurveyWalk<'a> {
    fn new(inotify: Option<&'a Inotify>, places: &'a WatchTargets) -> Self {
        Self {
            inotify,
            own: places.own.as_deref(),
            hangs: &places.hangs,
            silent: BTreeSet::new(),
            watches: Watches::new(),
            directories: 0,
            files: 0,
            fingerprint: 0,
            is_cut: false,
            queue: VecDeque::new(),
        }
    }

    /// Breadth first, so that a vast place takes nothing from the others.
    fn at(&mut self, places: &[Watched]) -> Result<(), String> {
        for Watched { path, search, is_awaited, is_named } in places {
            if *is_named && self.hangs.room(Claim::Named) == 0 {
                self.silent.insert(path.clone());
                continue;
            }
            let is_watched = *is_awaited || self.may_enter(path) && path.exists();
            if !is_watched {
                continue;
            }
            self.above(path)?;
            let depth = if *search == Search::Below { MAX_DEPTH } else { 0 };
            self.queue.push_back((path.clone(), depth));
        }
        while let Some((path, depth)) = self.queue.pop_front() {
            if Some(&*path) == self.own {
                continue;
            }
            if self.directories == MAX_DIRECTORIES {
                self.is_cut = true;
                break;
            }
            // Where the place is a file, the directory above has it.
            if self.is_dir(&path) && self.watch(&path, Interest::everything())? {
                self.directories += 1;
                self.list(&path, depth);
            }
        }
        Ok(())
    }

    /// For before each call that may hang at `path`; false where one does.
    fn may_enter(&mut self, path: &Path) -> bool {
        let may = self.hangs.enter(path).is_ok();
        if !may {
            self.silent.insert(path.to_owned());
        }
        may
    }

    fn is_dir(&mut self, path: &Path) -> bool {
        self.may_enter(path) && path.is_dir()
    }

    /// The nearest directory above `path` that exists, for what becomes of the way to it.
    fn above(&mut self, path: &Path) -> Result<(), String> {
        let says_so_itself = self.is_dir(path) && !path.is_symlink();
        for directory in path.ancestors().skip(1) {
            let below = path.strip_prefix(directory).ok().and_then(|it| it.components().next());
            let Some(name) = below.map(|it| it.as_os_str().to_owned()) else { continue };
            let next = directory.join(&name);
            if !self.is_dir(directory) {
                continue;
            }
            self.compare(&next);
            if says_so_itself || self.watch(directory, Interest::name(name))? {
                break;
            }
        }
        Ok(())
    }

    /// False if it cannot be watched: it just went, or is not for us to read.
    fn watch(&mut self, directory: &Path, interest: Interest) -> Result<bool, String> {
        let Some(inotify) = self.inotify else { return Ok(true) };
        if !self.may_enter(directory) {
            return Ok(false);
        }
        let Ok(metadata) = fs::metadata(directory) else { return Ok(false) };
        let (device, inode) = (metadata.dev(), metadata.ino());
        if let Some(known) = self.watches.get_mut(directory) {
            known.interest.add(interest);
            return Ok(true);
        }
        if !inotify.has(directory, device, inode) && !inotify.watch(directory)? {
            return Ok(false);
        }
        self.watches.insert(directory.to_owned(), Watch { device, inode, interest });
        Ok(true)
    }

    fn list(&mut self, directory: &Path, depth: u32) {
        if !self.may_enter(directory) {
            return;
        }
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            self.compare(&path);
            // `..2026_01_01` is the past or the next content of a mounted Secret.
            let is_swapped = entry.file_name().as_bytes().starts_with(b"..");
            let is_file = entry.file_type().is_ok_and(|it| it.is_file());
            // No certificate is there, and the kubelet opens every file of it each 20 seconds.
            let is_manifests = entry.file_name() == "manifests";
            if depth > 0 && !is_swapped && !is_manifests && !is_file && self.is_dir(&path) {
                self.queue.push_back((path, depth - 1));
            }
        }
    }

    /// Adds a file to the fingerprint: a sum, for the order of a directory is no matter.
    fn compare(&mut self, path: &Path) {
        if self.inotify.is_some() || !self.may_enter(path) {
            return;
        }
        if self.files == MAX_FILES {
            self.is_cut = true;
            return;
        }
        self.files += 1;
        let state = |it: Metadata| {
            let times = (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec());
            (it.dev(), it.ino(), it.mode(), it.size(), times)
        };
        let itself = fs::symlink_metadata(path).ok();
        let is_link = itself.as_ref().is_some_and(Metadata::is_symlink);
        let target = if is_link { fs::metadata(path).ok() } else { None };
        let mut hasher = DefaultHasher::new();
        (path, itself.map(state), target.map(state)).hash(&mut hasher);
        self.fingerprint = self.fingerprint.wrapping_add(hasher.finish());
    }
}
