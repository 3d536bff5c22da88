//! The state directory: what the daemon must remember, safe from crashes, full disks and its twin.
//!
//! `state.json` is replaced as a whole (`dir.rs`), so that a reader never sees half of it. One that
//! cannot be understood is set aside and never deleted at once: a person may want to know why an
//! alert came twice. `lock` is held for the life of a [`Store`].

mod dir;
mod error;
#[cfg(test)]
mod tests;

pub use error::StoreError;

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use dir::{Directory, FileContent, MAX_BYTES, errno, refused};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::time::UnixTime;
use crate::fs::read;

/// The version of the file that this program writes, and the only one it reads.
const VERSION: u32 = 1;

const STATE: &str = "state.json";
const LOCK: &str = "lock";

/// After the name of a state that was set aside, before the time of it.
const SET_ASIDE: &str = ".set-aside-";

/// How many states that were set aside are kept.
const KEPT: usize = 5;

/// [`is_in_use`] holds the lock for a moment; that must not keep a daemon from starting.
const LOCK_ATTEMPTS: usize = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The state directory, locked.
pub struct Store {
    dir: Directory,
    /// Closing it unlocks.
    _lock: File,
}

/// What was remembered.
#[derive(Debug)]
pub enum Loaded<S> {
    /// Nothing: this is the first start.
    Fresh,
    /// The state as it was saved last.
    Found(S),
    /// What was there is no state; it now lies elsewhere, and the daemon begins anew.
    SetAside {
        /// Where it lies now.
        to: PathBuf,
        /// What was wrong with it, as the rest of a sentence.
        why: String,
    },
}

impl<S: Default> Loaded<S> {
    /// The state to go on with.
    pub fn into_state(self) -> S {
        match self {
            Self::Found(state) => state,
            Self::Fresh | Self::SetAside { .. } => S::default(),
        }
    }
}

#[derive(Serialize)]
struct StateFileRef<'a, S> {
    version: u32,
    state: &'a S,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize)]
struct StateFile<S> {
    state: S,
}

impl Store {
    /// Opens and locks `dir`; it is created for its owner alone if it is missing and the directory
    /// above it exists.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process holds it, or what the operating system refused.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let dir = Directory::open_or_create(dir)?;
        let mut lock = dir.open_lock(LOCK, true)?;
        take(&mut lock, &dir)?;
        // For the message to a second one; it is not worth failing for.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        dir.remove_temporary(STATE);
        Ok(Self { dir, _lock: lock })
    }

    /// The state that was saved last. What is no state is set aside, with `now` in its new name.
    ///
    /// # Errors
    /// It cannot be read, or not be set aside.
    pub fn load<S: DeserializeOwned>(&self, now: UnixTime) -> Result<Loaded<S>, StoreError> {
        match understood(self.dir.read(STATE)?) {
            Ok(None) => Ok(Loaded::Fresh),
            Ok(Some(state)) => Ok(Loaded::Found(state)),
            Err(why) => Ok(Loaded::SetAside { to: self.set_aside(now)?, why }),
        }
    }

    /// Saves the state. When this returns `Ok`, it is on the disk.
    ///
    /// # Errors
    /// What the operating system refused; the state that was saved before is still there.
    pub fn save<S: Serialize>(&mut self, state: &S) -> Result<(), StoreError> {
        let unwritable = |why: String| StoreError::Unwritable { path: self.dir.at(STATE), why };
        let mut bytes = serde_json::to_vec(&StateFileRef { version: VERSION, state })
            .map_err(|error| unwritable(format!("is not JSON: {error}")))?;
        bytes.push(b'\n');
        if bytes.len() as u64 > MAX_BYTES {
            return Err(unwritable("is larger than 16 MiB".to_owned()));
        }
        self.dir.replace(STATE, &bytes)
    }

    fn set_aside(&self, now: UnixTime) -> Result<PathBuf, StoreError> {
        let first = format!("{STATE}{SET_ASIDE}{}", now.seconds());
        let more = (1..).map(|n| format!("{first}.{n}"));
        let free = std::iter::once(first.clone()).chain(more).find(|name| !self.dir.has(name));
        let to = free.unwrap_or(first);
        self.dir.rename(STATE, &to)?;
        self.forget_oldest();
        Ok(self.dir.at(&to))
    }

    fn forget_oldest(&self) {
        let names = self.dir.names().into_iter();
        let mut kept: Vec<_> = names.filter_map(|name| Some((age(&name)?, name))).collect();
        kept.sort();
        for (_, name) in kept.iter().rev().skip(KEPT) {
            self.dir.remove(name);
        }
    }
}

/// Looks at the state without the lock: what another process saved last, if it did.
///
/// # Errors
/// It cannot be read, or is no state of this version.
pub fn peek<S: DeserializeOwned>(dir: &Path) -> Result<Option<S>, StoreError> {
    let dir = match Directory::open(dir) {
        Err(StoreError::Refused { source: Errno::NOENT, .. }) => return Ok(None),
        dir => dir.map_err(StoreError::for_reader)?,
    };
    let content = dir.read(STATE).map_err(StoreError::for_reader)?;
    understood(content).map_err(|why| StoreError::Unusable { path: dir.at(STATE), why })
}

/// True if a process works with `dir`. False also if that cannot be told.
pub fn is_in_use(dir: &Path) -> bool {
    let lock = Directory::open(dir).and_then(|dir| dir.open_lock(LOCK, false));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn take(lock: &mut File, dir: &Directory) -> Result<(), StoreError> {
    for _ in 0..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => {
                return Err(refused("lock", dir.at(LOCK), errno(&error)));
            }
        }
    }
    let text = read::start_of(lock, 20).ok().and_then(|text| String::from_utf8(text).ok());
    let pid = text.and_then(|text| text.trim().parse().ok());
    Err(StoreError::Busy { dir: dir.path().to_owned(), pid })
}

/// The state in the file, or what is wrong with it.
fn understood<S: DeserializeOwned>(content: FileContent) -> Result<Option<S>, String> {
    let bytes = match content {
        FileContent::Absent => return Ok(None),
        FileContent::Unusable(why) => return Err(why.to_owned()),
        FileContent::Bytes(bytes) if bytes.is_empty() => return Err("is empty".to_owned()),
        FileContent::Bytes(bytes) => bytes,
    };
    // The version by itself first: the rest of another one can be anything.
    let Header { version } = serde_json::from_slice(&bytes)
        .map_err(|error| format!("is damaged ({})", place(&error)))?;
    if version != VERSION {
        return Err(format!("has version {version}; this certwatch knows version {VERSION}"));
    }
    let StateFile { state } = serde_json::from_slice(&bytes)
        .map_err(|error| format!("is not a valid state of this version ({})", place(&error)))?;
    Ok(Some(state))
}

/// Where and what, without the file's own words: the library quotes values.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it is truncated",
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Data => "unexpected content",
        serde_json::error::Category::Io => "unreadable",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// When a file was set aside, and the how manieth of that second; `None` for other files.
fn age(name: &str) -> Option<(i64, u32)> {
    let rest = name.strip_prefix(STATE)?.strip_prefix(SET_ASIDE)?;
    let (seconds, count) = rest.split_once('.').unwrap_or((rest, "0"));
    Some((seconds.parse().ok()?, count.parse().ok()?))
}
