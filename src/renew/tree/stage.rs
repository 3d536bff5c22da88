//! The stage: a copy of the live tree for kubeadm to work on, so that the live one is never half new.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::symlinkat;

use crate::domain::layout::{KUBERNETES, PKI_NAMES, in_copy, shown};
use crate::domain::renewal::Fault;
use crate::fs::error::failed;
use crate::fs::{FileError, dir, read, replace};
use crate::node::NodePaths;
use crate::node::paths::pki_name;

use super::backup;

/// Far above any node: kubeadm makes 22 files of certificates and keys.
const MAX_FILES: usize = 1000;

/// kubeadm's own files lie two directories deep.
const MAX_DEPTH: usize = 4;

/// Copies the certificates, keys and kubeconfigs of the live tree to a stage that was emptied
/// before. Links to files become files; owners and modes are kept where the system allows.
///
/// # Errors
/// The live tree has no pki directory or too many files, or something cannot be read or written.
pub fn stage(paths: &NodePaths) -> Result<(), Fault> {
    clean(paths)?;
    for file in tree_files(&paths.kubernetes)? {
        copy(&paths.kubernetes.join(&file), paths, &file)?;
    }
    PKI_NAMES.iter().try_for_each(|name| copy_link(paths, name))
}

/// Lays the files of a backup over the stage.
///
/// # Errors
/// The backup is damaged, or something cannot be written.
pub(crate) fn lay_over(paths: &NodePaths, id: &str) -> Result<(), Fault> {
    let kept = backup::read(paths, id)?.files;
    let pki = paths.pki();
    let is_of_tree = |path: &Path| path.is_relative() || path.starts_with(&pki);
    let here = kept.iter().filter(|file| file.sha256.is_some() && is_of_tree(&file.path));
    here.map(|file| &file.path).try_for_each(|path| {
        let from = in_copy(&backup::tree(paths, id), path);
        copy(&from, paths, path)
    })
}

/// Lays files of another copy of the tree over the stage.
///
/// # Errors
/// One cannot be read or written.
pub(crate) fn lay(paths: &NodePaths, from: &Path, files: &[PathBuf]) -> Result<(), Fault> {
    files.iter().try_for_each(|file| copy(&in_copy(from, file), paths, file))
}

/// Empties the stage. The directory itself stays: it may be shown elsewhere as /etc/kubernetes.
///
/// # Errors
/// Something in it cannot be removed.
pub fn clean(paths: &NodePaths) -> Result<(), Fault> {
    let stage = paths.stage();
    dir::create_all(&paths.work, Path::new("stage"))?;
    dir::remove_all(&paths.work.join("root"))?;
    for entry in entries(&stage)? {
        dir::remove_all(&entry.path())?;
    }
    Ok(())
}

/// Removes what a run that was killed had begun to write among the live files.
///
/// # Errors
/// A directory cannot be read, or a file in it not be removed.
pub(crate) fn remove_temporaries(paths: &NodePaths) -> Result<(), Fault> {
    let pki = paths.pki();
    Ok(replace::remove_temporaries(&[paths.kubernetes.clone(), pki.join("etcd"), pki])?)
}

/// What belongs on a stage, below a directory that stands for `/etc/kubernetes`: the pki directory
/// and the kubeconfigs. Only regular files of at most 1 MiB: kubeadm has no others.
///
/// # Errors
/// A directory cannot be read, or there are more than 1,000 files.
pub(crate) fn tree_files(kubernetes: &Path) -> Result<Vec<PathBuf>, Fault> {
    files_of(kubernetes, |path| kubernetes.join(path), &pki_name(kubernetes)?)
}

/// What is on the stage, under the names of the live tree.
///
/// # Errors
/// As [`tree_files`].
pub(crate) fn staged_files(paths: &NodePaths) -> Result<Vec<PathBuf>, Fault> {
    let stage = paths.stage();
    files_of(&stage, |path| in_copy(&stage, path), &pki_name(&paths.kubernetes)?)
}

/// The kubeconfigs of `kubernetes`, and what is below `pki`, which lies where `at` says.
fn files_of(
    kubernetes: &Path,
    at: impl Fn(&Path) -> PathBuf,
    pki: &Path,
) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for entry in entries(kubernetes)? {
        let path = entry.path();
        if path.extension().is_some_and(|it| it == "conf") && is_small_file(&path)? {
            found.push(path);
        }
    }
    let dir = at(pki);
    walk(&dir, MAX_DEPTH, &mut found)?;
    found.sort();
    let named = |path: &PathBuf| match path.strip_prefix(&dir) {
        Ok(below) => Some(pki.join(below)),
        Err(_) => path.strip_prefix(kubernetes).map(Path::to_owned).ok(),
    };
    Ok(found.iter().filter_map(named).collect())
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Fault> {
    for entry in entries(dir)? {
        let path = entry.path();
        if path.is_dir() && depth > 1 {
            walk(&path, depth - 1, found)?;
        } else if is_small_file(&path)? {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(Fault::failed(format!(
                "{} holds more than {MAX_FILES} files; move away what does not belong there",
                shown(dir)
            )));
        }
    }
    Ok(())
}

/// What a run that was killed has left is no part of the tree, and has the names that copying needs.
///
/// # Errors
/// A link leads nowhere, or nothing can be said of the file.
fn is_small_file(path: &Path) -> Result<bool, Fault> {
    if replace::is_temporary(path) {
        return Ok(false);
    }
    let metadata = fs::metadata(path).map_err(failed("look at", path))?;
    Ok(metadata.is_file() && metadata.len() <= read::MAX_BYTES)
}

fn copy(from: &Path, paths: &NodePaths, file: &Path) -> Result<(), Fault> {
    let below = in_copy(Path::new("stage"), file);
    dir::create_all(&paths.work, below.parent().unwrap_or(&below))?;
    Ok(replace::copy(from, &paths.work.join(below))?)
}

/// kubespray's `pki -> ssl`, made relative: the stage is read under other names too.
fn copy_link(paths: &NodePaths, name: &str) -> Result<(), Fault> {
    let Ok(target) = fs::read_link(paths.kubernetes.join(name)) else { return Ok(()) };
    let target = target.strip_prefix(KUBERNETES).unwrap_or(&target);
    let link = paths.stage().join(name);
    if !PKI_NAMES.iter().any(|known| target == Path::new(known)) || link.exists() {
        return Ok(());
    }
    let created = dir::above(&link).and_then(|(dir, name)| Ok(symlinkat(target, dir, name)?));
    Ok(created.map_err(failed("create the link", &link))?)
}

fn entries(dir: &Path) -> Result<Vec<DirEntry>, FileError> {
    fs::read_dir(dir)
        .and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>)
        .map_err(failed("read the directory", dir))
}

#[cfg(test)]
#[path = "tests/stage.rs"]
mod tests;
