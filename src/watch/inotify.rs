//! The kernel's events, through `notify`: which of them are hints.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{
    Config, ErrorKind, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _,
};
use tokio::sync::Notify;

/// Too many open files and too many instances are the same error.
const INSTANCES: &str = "LimitNOFILE or fs.inotify.max_user_instances";

const WATCHES: &str = "fs.inotify.max_user_watches";

/// What counts in a directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Interest {
    everything: bool,
    /// Else these names alone.
    names: BTreeSet<OsString>,
}

/// A directory that is watched: which one it is, and what counts in it. Another directory under the
/// same path needs another watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Watch {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) interest: Interest,
}

/// The watches by path.
pub(super) type Watches = HashMap<PathBuf, Watch>;

/// The watches that are set, and whether one of them was touched.
pub(super) struct Inotify {
    watcher: Mutex<RecommendedWatcher>,
    /// A watch is being set. `notify` does that in the thread that takes the kernel's events.
    is_setting: AtomicBool,
    shared: Arc<SharedWatches>,
}

struct SharedWatches {
    watches: Mutex<Watches>,
    touched: Notify,
}

impl Interest {
    pub(super) fn everything() -> Self {
        Self { everything: true, names: BTreeSet::new() }
    }

    pub(super) fn name(name: OsString) -> Self {
        Self { everything: false, names: [name].into() }
    }

    /// True if an event counts, by the name in it.
    fn hears(&self, name: &OsStr) -> bool {
        self.everything || self.names.contains(name)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.everything |= other.everything;
        self.names.extend(other.names);
    }
}

impl Inotify {
    /// No watch yet.
    ///
    /// # Errors
    /// What the kernel refused, in words.
    pub(super) fn new() -> Result<Self, String> {
        let watches = Mutex::new(Watches::new());
        let shared = Arc::new(SharedWatches { watches, touched: Notify::new() });
        let hears = shared.clone();
        let handler = move |event: notify::Result<Event>| {
            if hears.counts(event) {
                hears.touched.notify_one();
            }
        };
        // Not the openings and readings: the kubelet and etcd open their files all the time.
        let changes = Config::default().with_event_kinds(EventKindMask::CORE);
        let watcher = RecommendedWatcher::new(handler, changes)
            .map_err(|error| refusal(&error, INSTANCES))?;
        Ok(Self { watcher: Mutex::new(watcher), is_setting: AtomicBool::new(false), shared })
    }

    /// Waits until something was touched that counts. Nothing is lost if this is dropped.
    pub(super) async fn touched(&self) {
        self.shared.touched.notified().await;
    }

    /// True while a watch is being set: if whoever does that hangs, nothing is heard any more.
    pub(super) fn is_setting(&self) -> bool {
        self.is_setting.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn hangs_while_setting(&self) {
        self.is_setting.store(true, Ordering::Relaxed);
    }

    /// True if `path` is watched, and is still the same directory.
    pub(super) fn has(&self, path: &Path, device: u64, inode: u64) -> bool {
        let watches = lock(&self.shared.watches);
        watches.get(path).is_some_and(|it| it.device == device && it.inode == inode)
    }

    /// Watches a directory, by itself. `Ok(false)`: it just went, or is not for us to read.
    ///
    /// # Errors
    /// A limit of the kernel, in words.
    pub(super) fn watch(&self, path: &Path) -> Result<bool, String> {
        let mut watcher = lock(&self.watcher);
        // The old watch of this path is on another directory, or there is none.
        let _ = watcher.unwatch(path);
        self.is_setting.store(true, Ordering::Relaxed);
        let set = watcher.watch(path, RecursiveMode::NonRecursive);
        self.is_setting.store(false, Ordering::Relaxed);
        match set {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                Err(refusal(&error, WATCHES))
            }
            Err(_) => Ok(false),
        }
    }

    /// Makes `wanted` all that is watched; true if that is other than before.
    pub(super) fn keep(&self, wanted: Watches) -> bool {
        let mut watches = lock(&self.shared.watches);
        let is_other = *watches != wanted;
        let gone = watches.keys().filter(|path| !wanted.contains_key(*path));
        let gone: Vec<_> = gone.cloned().collect();
        *watches = wanted;
        drop(watches);
        let mut watcher = lock(&self.watcher);
        for path in gone {
            // The kernel has removed it already if the directory is gone for good.
            let _ = watcher.unwatch(&path);
        }
        is_other
    }
}

impl SharedWatches {
    /// False for what nobody has to look at: other names beside a place.
    fn counts(&self, event: notify::Result<Event>) -> bool {
        // Lost watches are found by the next look, and it follows from this hint.
        let Ok(event) = event else { return true };
        if event.need_rescan() {
            return true;
        }
        let watches = lock(&self.watches);
        event.paths.iter().any(|path| is_heard(&watches, path))
    }
}

/// True too for what is in no directory we know: its watch has just been set.
fn is_heard(watches: &Watches, path: &Path) -> bool {
    let of_name = || {
        let (directory, name) = (path.parent()?, path.file_name()?);
        Some(watches.get(directory)?.interest.hears(name))
    };
    watches.contains_key(path) || of_name().unwrap_or(true)
}

fn refusal(error: &notify::Error, limit: &str) -> String {
    let is_limit = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => matches!(
            rustix::io::Errno::from_io_error(error),
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NOSPC)
        ),
        _ => false,
    };
    match &error.kind {
        _ if is_limit => format!("the limit {limit} is reached; raise it"),
        ErrorKind::Io(error) => format!("inotify: {error}"),
        _ => "inotify does not work".to_owned(),
    }
}

/// A panic of another thread has not left half a map.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
