//! Backups: what a renewal is about to replace, kept until it is known to be of no more use.
//!
//! `ID/kubernetes/` has the files below /etc/kubernetes, and in `elsewhere/` there those outside of it under
//! their whole paths. `ID/backup.json` is written last, so a backup is whole or it is none.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::layout::{in_copy, shown};
use crate::domain::renewal::Fault;
use crate::domain::time::UnixTime;
use crate::fs::error::failed;
use crate::fs::inode::Ownership;
use crate::fs::{dir, read, replace};
use crate::node::NodePaths;

use super::files;

const VERSION: u32 = 1;
const LIST: &str = "backup.json";

/// A backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Backup {
    version: u32,
    /// Its name, and that of the renewal it was made for.
    pub id: String,
    /// When it was made.
    pub at: UnixTime,
    /// What is in it.
    pub files: Vec<BackedUpFile>,
}

/// A file of a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackedUpFile {
    /// Below /etc/kubernetes, or absolute for one that lies elsewhere.
    pub path: PathBuf,
    /// SHA-256 of its content in hexadecimal; `None` if it was not there.
    pub sha256: Option<String>,
}

/// Copies files to the backup `id`: those with relative paths from the live tree, others from where
/// they are. One that is whole already is left as it is, because after a crash the live tree may
/// have changed; one that is not is begun anew.
///
/// # Errors
/// `id` is no plain name, a path leads upwards, or a file cannot be read or written.
pub fn back_up(
    paths: &NodePaths,
    id: &str,
    file_paths: &[PathBuf],
    now: UnixTime,
) -> Result<Backup, Fault> {
    let dir = directory(paths, id)?;
    if dir.join(LIST).exists() {
        return read(paths, id);
    }
    remove(&dir)?;
    let files = file_paths
        .iter()
        .map(|path| keep(paths, &dir, path))
        .collect::<Result<Vec<BackedUpFile>, Fault>>()?;
    let backup = Backup { version: VERSION, id: id.to_owned(), at: now, files };
    dir::create_all(&paths.work, &Path::new("backups").join(id))?;
    let list = serde_json::to_vec_pretty(&backup)
        .map_err(|_| Fault::failed("cannot write backup.json: a path is not UTF-8"))?;
    replace::write(&dir.join(LIST), &list, Ownership::private())?;
    Ok(backup)
}

impl Backup {
    /// The files in it, below /etc/kubernetes or absolute.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }
}

/// Removes a backup, whole or not.
///
/// # Errors
/// `id` is no plain name, or it cannot be removed.
pub fn forget(paths: &NodePaths, id: &str) -> Result<(), Fault> {
    remove(&directory(paths, id)?)
}

/// All whole backups, the newest first. Those that cannot be read are left out.
///
/// # Errors
/// Their directory is there and cannot be read.
pub fn list(paths: &NodePaths) -> Result<Vec<Backup>, Fault> {
    let mut found: Vec<Backup> =
        names(paths)?.iter().filter_map(|id| read_list(paths, id).ok()).collect();
    found.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    Ok(found)
}

/// Reads a backup, and every file of it again.
///
/// # Errors
/// It is not there, not whole, of another version, or a file of it is damaged.
pub fn read(paths: &NodePaths, id: &str) -> Result<Backup, Fault> {
    let backup = read_list(paths, id)?;
    for file in &backup.files {
        let copy = copy_of(&directory(paths, id)?, &file.path)?;
        if files::sha256(&copy)? != file.sha256 {
            return Err(Fault::failed(format!("{} is damaged; use another backup", shown(&copy))));
        }
    }
    Ok(backup)
}

/// Whether every file is still what it was when the backup was made: otherwise it holds not what is about to be
/// replaced.
///
/// # Errors
/// Somebody else changed one, or it cannot be read.
pub fn is_current(paths: &NodePaths, id: &str) -> Result<(), Fault> {
    read_list(paths, id)?.files.iter().try_for_each(|file| {
        let path = paths.kubernetes.join(&file.path);
        if files::sha256(&path)? == file.sha256 {
            Ok(())
        } else {
            Err(files::changed_by_others(&path))
        }
    })
}

/// Removes all backups but the newest `keep` and `except`, and what was left of unfinished ones.
///
/// # Errors
/// One cannot be removed.
pub(crate) fn prune(paths: &NodePaths, keep: usize, except: &str) -> Result<(), Fault> {
    let old = list(paths)?.into_iter().skip(keep).map(|backup| backup.id);
    let mut ids = old.chain(unfinished(paths)?).filter(|id| id != except);
    ids.try_for_each(|id| remove(&paths.backups().join(id)))
}

/// Removes what was left of unfinished ones.
///
/// # Errors
/// One cannot be removed.
pub(crate) fn remove_unfinished(paths: &NodePaths) -> Result<(), Fault> {
    unfinished(paths)?.try_for_each(|id| remove(&paths.backups().join(id)))
}

fn unfinished(paths: &NodePaths) -> Result<impl Iterator<Item = String>, Fault> {
    let backups = paths.backups();
    Ok(names(paths)?.into_iter().filter(move |id| !backups.join(id).join(LIST).exists()))
}

/// The directory of a backup that stands for `/etc/kubernetes`.
pub fn tree(paths: &NodePaths, id: &str) -> PathBuf {
    paths.backups().join(id).join("kubernetes")
}

/// Where a backup has its copy of `path`.
///
/// # Errors
/// `id` is no plain name, or the path leads upwards.
pub fn copy(paths: &NodePaths, id: &str, path: &Path) -> Result<PathBuf, Fault> {
    copy_of(&directory(paths, id)?, path)
}

fn keep(paths: &NodePaths, dir: &Path, path: &Path) -> Result<BackedUpFile, Fault> {
    // An absolute path stays what it is.
    let original = paths.kubernetes.join(path);
    let copy = copy_of(dir, path)?;
    if files::sha256(&original)?.is_some() {
        let below = copy.strip_prefix(&paths.work).unwrap_or(&copy);
        dir::create_all(&paths.work, below.parent().unwrap_or(below))?;
        replace::copy(&original, &copy)?;
    }
    Ok(BackedUpFile { path: path.to_owned(), sha256: files::sha256(&copy)? })
}

fn copy_of(dir: &Path, path: &Path) -> Result<PathBuf, Fault> {
    let leads_upwards = path.components().any(|part| part == Component::ParentDir);
    if leads_upwards || path.file_name().is_none() {
        return Err(Fault::failed(format!("{} cannot be part of a backup", shown(path))));
    }
    Ok(in_copy(&dir.join("kubernetes"), path))
}

fn read_list(paths: &NodePaths, id: &str) -> Result<Backup, Fault> {
    let path = directory(paths, id)?.join(LIST);
    let bytes = read::optional(&path)?.ok_or_else(|| {
        Fault::failed(format!("no backup {id}; list the backups with `certwatch restore`"))
    })?;
    serde_json::from_slice(&bytes)
        .ok()
        .filter(|backup: &Backup| backup.version == VERSION && backup.id == id)
        .ok_or_else(|| {
            Fault::failed(format!("{} cannot be parsed; use another backup", shown(&path)))
        })
}

fn directory(paths: &NodePaths, id: &str) -> Result<PathBuf, Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.is_empty() || id.len() > 100 || id.starts_with('.') || !id.chars().all(is_plain) {
        return Err(Fault::failed(format!(
            "`{}` is not the name of a backup",
            crate::domain::text::escape_control(id)
        )));
    }
    Ok(paths.backups().join(id))
}

/// The names of all, whole or not.
fn names(paths: &NodePaths) -> Result<Vec<String>, Fault> {
    let dir = paths.backups();
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(failed("read the directory", &dir))?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|id| directory(paths, id).is_ok()).collect())
}

/// Its list goes first: what is half removed must not look whole.
fn remove(dir: &Path) -> Result<(), Fault> {
    dir::remove(&dir.join(LIST))?;
    Ok(dir::remove_all(dir)?)
}

#[cfg(test)]
#[path = "tests/backup.rs"]
mod tests;
