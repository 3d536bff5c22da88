//! Puts checked files into the live tree, and back again.

use std::path::Path;

use crate::domain::renewal::{Change, Fault, FaultKind};

use super::files::{self, shown};

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
/// # Errors
/// A file of `from` is not the one that was checked; or, going forward, one of the live tree is
/// neither the old nor the new one: somebody else wrote it. Or a file cannot be written. It is
/// [`FaultKind::Untouched`] if, going forward, no file of the live tree is a new one.
pub fn install(
    from: &Path,
    kubernetes: &Path,
    changes: &[Change],
    direction: Direction,
) -> Result<(), Fault> {
    replace_all(from, kubernetes, changes, direction).map_err(|fault| match direction {
        Direction::Forward if !changes.iter().any(|change| is_begun(kubernetes, change)) => {
            Fault { kind: FaultKind::Untouched, ..fault }
        }
        _ => fault,
    })
}

/// True if the live file is the new one, or may be what a crash has left of it.
fn is_begun(kubernetes: &Path, change: &Change) -> bool {
    let is_cut = |bytes: &[u8]| bytes.last() != Some(&b'\n');
    let is_ours = |bytes: Vec<u8>| match files::hex_sha256(&bytes) {
        sum if sum == change.after => true,
        sum => Some(sum) != change.before && is_cut(&bytes),
    };
    files::read(&kubernetes.join(&change.path)).map_or(true, |found| found.is_some_and(is_ours))
}

fn replace_all(
    from: &Path,
    kubernetes: &Path,
    changes: &[Change],
    direction: Direction,
) -> Result<(), Fault> {
    let mut todo = Vec::new();
    for change in changes {
        if is_needed(kubernetes, change, direction)? {
            check_source(from, change, direction)?;
            todo.push(change);
        }
    }
    todo.into_iter().try_for_each(|change| put(from, kubernetes, change, direction))
}

/// What a file is to be.
fn wanted(change: &Change, direction: Direction) -> Option<&String> {
    match direction {
        Direction::Forward => Some(&change.after),
        Direction::Back => change.before.as_ref(),
    }
}

fn is_needed(kubernetes: &Path, change: &Change, direction: Direction) -> Result<bool, Fault> {
    let path = kubernetes.join(&change.path);
    let live = files::sha256(&path)?;
    if live.as_ref() == wanted(change, direction) {
        return Ok(false);
    }
    if direction == Direction::Forward && live != change.before {
        return Err(Fault::failed(format!(
            "somebody else changed {} meanwhile; nothing of it was replaced, so look at it and renew again",
            shown(&path)
        )));
    }
    Ok(true)
}

fn check_source(from: &Path, change: &Change, direction: Direction) -> Result<(), Fault> {
    let path = from.join(&change.path);
    match wanted(change, direction) {
        Some(wanted) if files::sha256(&path)?.as_ref() != Some(wanted) => {
            Err(Fault::failed(format!("{} is not the file that was checked", shown(&path))))
        }
        _ => Ok(()),
    }
}

fn put(from: &Path, kubernetes: &Path, change: &Change, direction: Direction) -> Result<(), Fault> {
    let path = kubernetes.join(&change.path);
    let wanted = wanted(change, direction);
    if wanted.is_some() {
        files::replace(&from.join(&change.path), &path)?;
    } else {
        files::remove(&path)?;
    }
    if files::sha256(&path)?.as_ref() != wanted {
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
