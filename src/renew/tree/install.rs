//! Puts checked files into the live tree, and back again.

use std::path::{Path, PathBuf};

use crate::domain::layout::{in_copy, shown};
use crate::domain::renewal::{Fault, FaultKind, FileChange};
use crate::fs::replace::{Prepared, Put};
use crate::fs::{dir, read};
use crate::parse::kubeconfig;

use super::files;

/// Which way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the stage: the new files.
    Forward,
    /// From a backup: the old ones.
    Back,
}

/// Makes the files of the live tree `kubernetes` what `changes` say, with those of `from`. Done
/// again after a crash, it goes on where it was.
///
/// All that is needed is looked at before the first file is replaced, so that what cannot be done as
/// a whole is not begun.
///
/// What somebody else wrote meanwhile is neither the old nor the new one. Going forward, nothing is
/// begun then; going back, it stays, and its paths are given.
///
/// # Errors
/// A file of `from` is not the one that was checked; or, going forward, somebody else wrote one of
/// the live tree. Or a file cannot be written. It is [`FaultKind::Untouched`] if, going forward, no
/// file of the live tree is a new one.
pub fn install(
    from: &Path,
    kubernetes: &Path,
    changes: &[FileChange],
    direction: Direction,
) -> Result<Vec<PathBuf>, Fault> {
    replace_all(from, kubernetes, changes, direction).map_err(|fault| match direction {
        Direction::Forward if !changes.iter().any(|change| is_begun(kubernetes, change)) => {
            Fault { kind: FaultKind::Untouched, ..fault }
        }
        _ => fault,
    })
}

/// Whether the live files are the new ones: what is served is compared with them, and somebody else may have
/// written others.
///
/// # Errors
/// One is not.
pub(crate) fn is_installed(kubernetes: &Path, changes: &[FileChange]) -> Result<(), Fault> {
    changes.iter().try_for_each(|change| {
        let path = kubernetes.join(&change.path);
        if files::sha256(&path)?.as_ref() == Some(&change.after) {
            return Ok(());
        }
        Err(Fault::failed(format!(
            "{} is not what was installed: somebody else changed it",
            shown(&path)
        )))
    })
}

/// Which of them are new and which are as they were, as a sentence: by their certificates, for a pair is one of the two.
/// `None` if all are the same.
pub(crate) fn state(kubernetes: &Path, changes: &[FileChange]) -> Option<String> {
    let is_key = |change: &&FileChange| change.path.extension().is_some_and(|it| it == "key");
    let is_new = |change: &&FileChange| {
        let live = files::sha256(&kubernetes.join(&change.path));
        live.is_ok_and(|live| live.as_ref() == Some(&change.after))
    };
    let (new, old): (Vec<_>, Vec<_>) = changes.iter().filter(|it| !is_key(it)).partition(is_new);
    if new.is_empty() || old.is_empty() {
        return None;
    }
    let list = |all: Vec<&FileChange>| {
        all.iter().map(|it| shown(&kubernetes.join(&it.path))).collect::<Vec<_>>().join(", ")
    };
    Some(format!("new, with their keys: {}; unchanged: {}", list(new), list(old)))
}

/// True if the live file is the new one, or may be what a crash has left of it.
fn is_begun(kubernetes: &Path, change: &FileChange) -> bool {
    let is_cut = |bytes: &[u8]| bytes.last() != Some(&b'\n');
    let is_ours = |bytes: Vec<u8>| match files::hex_sha256(&bytes) {
        sum if sum == change.after => true,
        sum => Some(sum) != change.before && is_cut(&bytes),
    };
    read::optional(&kubernetes.join(&change.path)).map_or(true, |found| found.is_some_and(is_ours))
}

fn replace_all(
    from: &Path,
    kubernetes: &Path,
    changes: &[FileChange],
    direction: Direction,
) -> Result<Vec<PathBuf>, Fault> {
    let (mut todo, mut others) = (Vec::new(), Vec::new());
    for pair in changes.chunk_by(|a, b| is_one_pair(&a.path, &b.path)) {
        let foreign = match direction {
            Direction::Forward => Vec::new(),
            Direction::Back => somebody_elses(kubernetes, pair)?,
        };
        if !foreign.is_empty() {
            // The other half is theirs to write, or is about to be.
            others.extend(foreign);
            continue;
        }
        for change in pair {
            if is_needed(kubernetes, change, direction)? {
                check_source(from, change, direction)?;
                todo.push(change);
            }
        }
    }
    put_all(from, kubernetes, &todo, direction)?;
    Ok(others)
}

/// All is written before the first file takes its place. A pair then changes by two renames that follow each other:
/// etcd reads its pairs at each handshake, and a key without its certificate fails that. One pair that cannot change
/// keeps no other from it; which go together in the end is for the journal to say.
fn put_all(
    from: &Path,
    kubernetes: &Path,
    todo: &[&FileChange],
    direction: Direction,
) -> Result<(), Fault> {
    let units = prepare(from, kubernetes, todo, direction)?;
    put(units)?;
    todo.iter().try_for_each(|change| check(kubernetes, change, direction))
}

/// The files of a pair, or a kubeconfig: all of it changes, or nothing.
#[derive(Default)]
struct Unit {
    prepared: Vec<Prepared>,
    unwanted: Vec<PathBuf>,
}

fn prepare(
    from: &Path,
    kubernetes: &Path,
    todo: &[&FileChange],
    direction: Direction,
) -> Result<Vec<Unit>, Fault> {
    let one = |mut unit: Unit, change: &&FileChange| {
        let path = kubernetes.join(&change.path);
        if wanted(change, direction).is_some() {
            unit.prepared.push(Prepared::new(&in_copy(from, &change.path), &path)?);
        } else {
            unit.unwanted.push(path);
        }
        Ok(unit)
    };
    let pairs = todo.chunk_by(|a, b| is_one_pair(&a.path, &b.path));
    pairs.map(|pair| pair.iter().try_fold(Unit::default(), one)).collect()
}

/// True for `server.key` and `server.crt` of one directory.
fn is_one_pair(a: &Path, b: &Path) -> bool {
    a.with_extension("") == b.with_extension("")
}

/// # Errors
/// What kept the first of those that are as they were.
fn put(units: Vec<Unit>) -> Result<(), Fault> {
    let mut fault = None;
    let mut done = Vec::new();
    for unit in units {
        match unit.put() {
            Ok(put) => done.extend(put),
            Err(why) => fault = fault.or(Some(why)),
        }
    }
    done.iter().try_for_each(Put::for_good)?;
    fault.map_or(Ok(()), Err)
}

impl Unit {
    /// # Errors
    /// One of its files cannot be put in its place; all are as they were.
    fn put(self) -> Result<Vec<Put>, Fault> {
        let mut done = Vec::new();
        for file in self.prepared {
            match file.put() {
                Ok(put) => done.push(put),
                Err(error) => return Err(take_back(done, error.into())),
            }
        }
        for path in &self.unwanted {
            if let Err(error) = dir::remove(path) {
                return Err(take_back(done, error.into()));
            }
        }
        Ok(done)
    }
}

/// The last one first. What cannot be taken back is told as well.
fn take_back(done: Vec<Put>, why: Fault) -> Fault {
    let backs = done.into_iter().rev().map(Put::take_back);
    backs.filter_map(Result::err).fold(why, |why, second| {
        Fault::failed(format!("{why}; its other half is new already, and {second}"))
    })
}

fn somebody_elses(kubernetes: &Path, pair: &[FileChange]) -> Result<Vec<PathBuf>, Fault> {
    let mut paths = Vec::new();
    for change in pair {
        if is_somebody_elses(kubernetes, change)? {
            paths.push(kubernetes.join(&change.path));
        }
    }
    Ok(paths)
}

/// True if the live file is neither the old nor the new one, and whole: what a crash has cut off is ours.
fn is_somebody_elses(kubernetes: &Path, change: &FileChange) -> Result<bool, Fault> {
    let Some(bytes) = read::optional(&kubernetes.join(&change.path))? else { return Ok(false) };
    let sum = files::hex_sha256(&bytes);
    let is_known = sum == change.after || Some(&sum) == change.before.as_ref();
    let is_whole_kubeconfig = || {
        let config = kubeconfig::read(&bytes);
        let has_key = |text: &str| text.contains("client-key");
        config.is_ok_and(|it| !it.users.is_empty())
            && std::str::from_utf8(&bytes).is_ok_and(has_key)
    };
    Ok(!is_known && (bytes.trim_ascii_end().ends_with(b"-----") || is_whole_kubeconfig()))
}

/// What a file is to be.
fn wanted(change: &FileChange, direction: Direction) -> Option<&String> {
    match direction {
        Direction::Forward => Some(&change.after),
        Direction::Back => change.before.as_ref(),
    }
}

fn is_needed(kubernetes: &Path, change: &FileChange, direction: Direction) -> Result<bool, Fault> {
    let path = kubernetes.join(&change.path);
    let live = files::sha256(&path)?;
    if live.as_ref() == wanted(change, direction) {
        return Ok(false);
    }
    if direction == Direction::Forward && live != change.before {
        return Err(files::changed_by_others(&path));
    }
    Ok(true)
}

fn check_source(from: &Path, change: &FileChange, direction: Direction) -> Result<(), Fault> {
    let path = in_copy(from, &change.path);
    match wanted(change, direction) {
        Some(wanted) if files::sha256(&path)?.as_ref() != Some(wanted) => {
            Err(Fault::failed(format!("{} is not the file that was checked", shown(&path))))
        }
        _ => Ok(()),
    }
}

fn check(kubernetes: &Path, change: &FileChange, direction: Direction) -> Result<(), Fault> {
    let path = kubernetes.join(&change.path);
    if files::sha256(&path)?.as_ref() != wanted(change, direction) {
        return Err(Fault::failed(format!(
            "{} is not what was just written there; look at the disk (`dmesg`)",
            shown(&path)
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/install.rs"]
mod tests;
