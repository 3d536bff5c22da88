//! Puts checked files into the live tree, and back again.

use std::path::{Path, PathBuf};

use crate::domain::renewal::{Change, Fault, FaultKind};
use crate::parse::kubeconfig;

use super::files::{self, Prepared, Put, shown};

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
    changes: &[Change],
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
pub fn is_installed(kubernetes: &Path, changes: &[Change]) -> Result<(), Fault> {
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
) -> Result<Vec<PathBuf>, Fault> {
    let (mut todo, mut others) = (Vec::new(), Vec::new());
    for change in changes {
        if direction == Direction::Back && is_somebody_elses(kubernetes, change)? {
            others.push(kubernetes.join(&change.path));
        } else if is_needed(kubernetes, change, direction)? {
            check_source(from, change, direction)?;
            todo.push(change);
        }
    }
    put_all(from, kubernetes, &todo, direction)?;
    Ok(others)
}

/// All is written before the first file takes its place, and from then on they follow each other without a pause: etcd
/// reads its pairs at each handshake, and a key without its certificate fails that.
fn put_all(
    from: &Path,
    kubernetes: &Path,
    todo: &[&Change],
    direction: Direction,
) -> Result<(), Fault> {
    let (wanted, unwanted): (Vec<&Change>, Vec<&Change>) =
        todo.iter().partition(|change| wanted(change, direction).is_some());
    let prepare =
        |change: &Change| Prepared::new(&from.join(&change.path), &kubernetes.join(&change.path));
    let prepared = wanted.into_iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    let put = prepared.into_iter().map(Prepared::put).collect::<Result<Vec<_>, _>>()?;
    put.into_iter().try_for_each(Put::for_good)?;
    unwanted.iter().try_for_each(|change| files::remove(&kubernetes.join(&change.path)))?;
    todo.iter().try_for_each(|change| check(kubernetes, change, direction))
}

/// True if the live file is neither the old nor the new one, and whole: what a crash has cut off is ours.
fn is_somebody_elses(kubernetes: &Path, change: &Change) -> Result<bool, Fault> {
    let Some(bytes) = files::read(&kubernetes.join(&change.path))? else { return Ok(false) };
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
        return Err(files::changed_by_others(&path));
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

fn check(kubernetes: &Path, change: &Change, direction: Direction) -> Result<(), Fault> {
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
