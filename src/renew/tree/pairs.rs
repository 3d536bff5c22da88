//! Pairs of the live tree whose key is not their certificate's, and where a half that is may still lie: what a crash has
//! left while nothing else is known of it any more.

use std::path::{Path, PathBuf};

use crate::domain::layout::{in_copy, shown};
use crate::domain::model::Certificate;
use crate::domain::renewal::Fault;
use crate::domain::renewal::acceptance::{is_same_subject, is_signed};
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::fs::{dir, read, replace};
use crate::node::NodePaths;
use crate::parse::credential::KeyPair;

use super::inspect::{self, paths_of};
use super::{backup, ca_bundle};

/// Below `renew.state-dir`: what was found, until it is in its place.
const FOUND: &str = "found";

/// A pair that was found for one that does not match.
struct MatchingPair {
    name: &'static str,
    /// Below /etc/kubernetes or absolute, and where it was found: the key and the certificate.
    files: [(PathBuf, PathBuf); 2],
}

/// kubeadm's NAMEs whose certificate is there and has not its key beside it. Kubeconfigs are replaced as a whole, and of
/// a kind of key that is not known nobody can say whose it is.
pub(crate) fn mismatched(paths: &NodePaths) -> Vec<&'static str> {
    let names = role::KUBEADM.iter().map(|role| role.id);
    names.filter(|name| is_mismatched(paths, name, |path| paths.kubernetes.join(path))).collect()
}

/// True if a pair does not match.
pub(crate) fn are_broken(paths: &NodePaths) -> bool {
    !mismatched(paths).is_empty()
}

/// The same of one NAME in a copy of the tree, such as a backup's.
pub(crate) fn is_mismatched_in(tree: &Path, paths: &NodePaths, name: &str) -> bool {
    is_mismatched(paths, name, |path| in_copy(tree, path))
}

fn is_mismatched(paths: &NodePaths, name: &str, at: impl Fn(&Path) -> PathBuf) -> bool {
    let Some([key, certificate]) = pair_of(&paths.kubernetes, name) else { return false };
    let read = |path: &Path| read::optional(&at(path));
    match (read(&key), read(&certificate)) {
        (Ok(key), Ok(Some(certificate))) => {
            KeyPair { certificate, key: key.unwrap_or_default() }.fits() == Some(false)
        }
        _ => false,
    }
}

fn pair_of(kubernetes: &Path, name: &str) -> Option<[PathBuf; 2]> {
    paths_of(kubernetes, name).ok()?.try_into().ok()
}

/// What a renewal would make whole first, as sentences. Nothing is copied.
pub(crate) fn repairable(paths: &NodePaths, now: UnixTime) -> Vec<String> {
    search(paths, now).iter().map(MatchingPair::words).collect()
}

/// Looks for a pair that matches for each that does not: the halves here, those under a temporary name beside them, on
/// the stage, and in the backups. What is found is copied to where nothing clears it away, and told as sentences with
/// its NAME.
///
/// # Errors
/// It cannot be copied.
pub(crate) fn find(
    paths: &NodePaths,
    now: UnixTime,
) -> Result<(Vec<&'static str>, Vec<String>), Fault> {
    let found = search(paths, now);
    found.iter().try_for_each(|found| keep(paths, found))?;
    Ok(found.iter().map(|found| (found.name, found.words())).unzip())
}

fn search(paths: &NodePaths, now: UnixTime) -> Vec<MatchingPair> {
    mismatched(paths).into_iter().filter_map(|name| find_one(paths, name, now)).collect()
}

impl MatchingPair {
    fn words(&self) -> String {
        let Self { name, files: [(_, key), (_, certificate)] } = self;
        format!(
            "the key of {name} did not match its certificate; a pair that matches is in {} and {}",
            shown(key),
            shown(certificate)
        )
    }
}

/// The directory that stands for /etc/kubernetes, with what was found.
pub(crate) fn tree(paths: &NodePaths) -> PathBuf {
    paths.work.join(FOUND)
}

/// Removes what was found.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn forget(paths: &NodePaths) -> Result<(), Fault> {
    Ok(dir::remove_all(&tree(paths))?)
}

fn keep(paths: &NodePaths, MatchingPair { files, .. }: &MatchingPair) -> Result<(), Fault> {
    files.iter().try_for_each(|(below, from)| {
        let to = in_copy(Path::new(FOUND), below);
        dir::create_all(&paths.work, to.parent().unwrap_or(&to))?;
        Ok(replace::copy(from, &paths.work.join(&to))?)
    })
}

/// The newest that is valid; of two as new as each other, the one of which more is in its place.
fn find_one(paths: &NodePaths, name: &'static str, now: UnixTime) -> Option<MatchingPair> {
    let role = role::kubeadm(name)?;
    let [key, certificate] = pair_of(&paths.kubernetes, name)?;
    let ca = inspect::ca(paths, role).ok()?;
    let [keys, certificates] = [&key, &certificate].map(|path| halves(paths, path));
    // The first of them is the live one, if there is one.
    let live = read::optional(&paths.kubernetes.join(&certificate)).ok().flatten();
    let live = live.and_then(|it| ca_bundle::certificate(&it, &ca)).filter(is_signed);
    let mut best: Option<(UnixTime, bool, MatchingPair)> = None;
    for (from, bytes) in &certificates {
        let read = ca_bundle::certificate(bytes, &ca);
        let Some(read) = read.filter(|it| is_sound(it, role, live.as_ref(), now)) else { continue };
        let fits = |(_, key): &&(PathBuf, Vec<u8>)| {
            KeyPair { certificate: bytes.clone(), key: key.clone() }.is_pair()
        };
        let Some((key_from, _)) = keys.iter().find(fits) else { continue };
        let is_half_there = [key_from, from].iter().any(|path| path.starts_with(paths.pki()));
        if best
            .as_ref()
            .is_none_or(|(end, half, _)| (*end, *half) < (read.not_after, is_half_there))
        {
            let files = [(key.clone(), key_from.clone()), (certificate.clone(), from.clone())];
            best = Some((read.not_after, is_half_there, MatchingPair { name, files }));
        }
    }
    best.map(|(.., found)| found)
}

fn is_sound(new: &Certificate, role: &Role, live: Option<&Certificate>, now: UnixTime) -> bool {
    let is_valid = new.not_before <= now && now <= new.not_after;
    let is_same = live.is_none_or(|live| is_same_subject(live, new));
    is_signed(new) && is_valid && !new.is_ca && role.ca.is_some() && is_same
}

/// All that `path` may be, where each lies: the live file first, then the newest.
fn halves(paths: &NodePaths, path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let live = paths.kubernetes.join(path);
    let unfinished =
        live.with_file_name(replace::temporary(Path::new(path.file_name().unwrap_or_default())));
    let copies = [paths.stage(), tree(paths)].map(|tree| in_copy(&tree, path));
    let mut all = vec![live, unfinished];
    all.extend(copies);
    let backups = backup::list(paths).unwrap_or_default();
    all.extend(backups.iter().map(|it| in_copy(&backup::tree(paths, &it.id), path)));
    let mut found: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for path in all {
        let Ok(Some(bytes)) = read::optional(&path) else { continue };
        if found.iter().all(|(_, known)| *known != bytes) {
            found.push((path, bytes));
        }
    }
    found
}

#[cfg(test)]
#[path = "tests/pairs.rs"]
mod tests;
