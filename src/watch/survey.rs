//! A look at what is there to watch: each directory gets its watch.
//!
//! Directories alone are watched: a watch on a file is blind after the first renewal that replaces
//! it. A directory that is itself moved or removed says so; the directory above is watched for a
//! place that is a file or a link, and of one that is missing the nearest that exists. Each is watched before it is listed, so that what is created meanwhile is heard or seen.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::layout::{Search, Watched};
use crate::hangs::{Claim, Hangs};

use super::Coverage;
use super::inotify::{Inotify, Interest, Watch, Watches};

/// How deep below a place directories are watched.
const MAX_DEPTH: u32 = 3;

/// The most directories that are watched. A kubeadm node has about 10.
const MAX_DIRECTORIES: usize = 2000;

/// Where to look.
pub(super) struct WatchTargets {
    /// A directory to leave alone.
    pub(super) own: Option<PathBuf>,
    pub(super) places: Vec<Watched>,
    pub(super) hangs: Arc<Hangs>,
}

/// What a look found.
#[derive(Default)]
pub(super) struct Survey {
    /// `None` where the kernel gives no instance.
    pub(super) inotify: Option<Arc<Inotify>>,
    /// Other directories are watched than before.
    pub(super) is_other: bool,
    pub(super) coverage: Coverage,
    /// There are more directories than are ever watched.
    pub(super) is_cut: bool,
}

/// Sets the watches, to those that are set already or to new ones.
pub(super) fn survey(places: &WatchTargets, old: Option<Arc<Inotify>>) -> Survey {
    let inotify = match old.map_or_else(|| Inotify::new().map(Arc::new), Ok) {
        Ok(inotify) => inotify,
        Err(why) => {
            let coverage = Coverage { refusal: Some(why), ..Coverage::default() };
            return Survey { coverage, ..Survey::default() };
        }
    };
    let mut walk = SurveyWalk::new(&inotify, places);
    walk.at(&places.places);
    let SurveyWalk { watches, is_cut, silent, refusal, .. } = walk;
    let silent = silent.into_iter().collect();
    let coverage = Coverage { directories: watches.len(), refusal, silent };
    let is_other = inotify.keep(watches);
    Survey { inotify: Some(inotify), is_other, coverage, is_cut }
}

struct SurveyWalk<'a> {
    inotify: &'a Inotify,
    own: Option<&'a Path>,
    hangs: &'a Hangs,
    silent: BTreeSet<PathBuf>,
    watches: Watches,
    /// Why the kernel gave no watch to one of them.
    refusal: Option<String>,
    directories: usize,
    is_cut: bool,
    queue: VecDeque<(PathBuf, u32)>,
}

impl<'a> SurveyWalk<'a> {
    fn new(inotify: &'a Inotify, places: &'a WatchTargets) -> Self {
        Self {
            inotify,
            own: places.own.as_deref(),
            hangs: &places.hangs,
            silent: BTreeSet::new(),
            watches: Watches::new(),
            refusal: None,
            directories: 0,
            is_cut: false,
            queue: VecDeque::new(),
        }
    }

    /// Breadth first, so that a vast place takes nothing from the others.
    fn at(&mut self, places: &[Watched]) {
        for Watched { path, search, is_awaited, is_named } in places {
            if *is_named && self.hangs.room(Claim::Named) == 0 {
                self.silent.insert(path.clone());
                continue;
            }
            let is_watched = *is_awaited || self.may_enter(path) && path.exists();
            if !is_watched {
                continue;
            }
            self.above(path);
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
            if self.is_dir(&path) && self.watch(&path, Interest::everything()) {
                self.directories += 1;
                self.list(&path, depth);
            }
        }
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
    fn above(&mut self, path: &Path) {
        let says_so_itself = self.is_dir(path) && !path.is_symlink();
        for directory in path.ancestors().skip(1) {
            let below = path.strip_prefix(directory).ok().and_then(|it| it.components().next());
            let Some(name) = below.map(|it| it.as_os_str().to_owned()) else { continue };
            if !self.is_dir(directory) {
                continue;
            }
            if says_so_itself || self.watch(directory, Interest::name(name)) {
                break;
            }
        }
    }

    /// False if it cannot be watched: it just went, is not for us to read, or one too many.
    fn watch(&mut self, directory: &Path, interest: Interest) -> bool {
        if !self.may_enter(directory) {
            return false;
        }
        let Ok(metadata) = fs::metadata(directory) else { return false };
        let (device, inode) = (metadata.dev(), metadata.ino());
        if let Some(known) = self.watches.get_mut(directory) {
            known.interest.add(interest);
            return true;
        }
        if !self.inotify.has(directory, device, inode) {
            match self.inotify.watch(directory) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(why) => {
                    self.refusal = Some(why);
                    return false;
                }
            }
        }
        self.watches.insert(directory.to_owned(), Watch { device, inode, interest });
        true
    }

    fn list(&mut self, directory: &Path, depth: u32) {
        if !self.may_enter(directory) {
            return;
        }
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            // `..2026_01_01` is the past or the next content of a mounted Secret.
            let is_swapped = entry.file_name().as_bytes().starts_with(b"..");
            let is_file = entry.file_type().is_ok_and(|it| it.is_file());
            if depth > 0 && !is_swapped && !is_file && self.is_dir(&path) {
                self.queue.push_back((path, depth - 1));
            }
        }
    }
}
