//! The manifests of the static pods: whether somebody works on them, and whether the kubelet would
//! take one for another.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::domain::renewal::Component;
use crate::domain::time::{Span, UnixTime};
use crate::fs::read;
use crate::node::NodePaths;
use crate::parse::manifest;
use crate::renew::memory::Manifests;
use crate::renew::tree::files;

/// A component that was changed has started, or failed to, within this time; kubeadm waits longer
/// only for its own upgrades, whose backups in /etc/kubernetes/tmp are then new.
const CALM: Span = Span::seconds(120);

/// A manifest of the control plane, or a file of an upgrade's, that changed within two minutes. One that was only
/// touched, and is `known` to have been the same before, has not.
pub(crate) fn changed(
    paths: &NodePaths,
    known: Option<&Manifests>,
    now: UnixTime,
) -> Option<PathBuf> {
    let is_calm = |known: &Manifests| now - known.since >= CALM && known.digest == digest(paths);
    if known.is_some_and(is_calm) {
        return None;
    }
    let manifests = Component::ALL.map(|it| file(paths, it)).into_iter();
    let upgrades = entries(&paths.kubernetes.join("tmp")).into_iter();
    manifests.chain(upgrades).find(|path| is_new(path, now))
}

/// SHA-256 of the manifests' content and of the names of an upgrade's files, in hexadecimal.
pub(crate) fn digest(paths: &NodePaths) -> String {
    let mut text = Vec::new();
    let mut add = |part: &[u8]| {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    };
    for component in Component::ALL {
        add(&read::optional(&file(paths, component)).ok().flatten().unwrap_or_default());
    }
    for path in entries(&paths.kubernetes.join("tmp")) {
        add(path.as_os_str().as_encoded_bytes());
    }
    files::hex_sha256(&text)
}

/// A time to come is as near as one that was: the clock may have been set.
fn is_new(path: &Path, now: UnixTime) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    let is_near = |time: i64| (now.seconds() - time).abs() < CALM.as_seconds();
    is_near(metadata.mtime())
}

/// Files that the kubelet takes for a second copy of a pod: with a component's name and not its
/// file's, or with a name that a file before it has.
///
/// It reads all files there without a leading dot, whatever their ending
/// (`pkg/kubelet/config/file.go`).
pub(crate) fn strays(paths: &NodePaths) -> Vec<PathBuf> {
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    let mut strays = Vec::new();
    for path in entries(&paths.manifests()) {
        let Some(name) = pod_name(&path) else { continue };
        let component = Component::ALL.into_iter().find(|component| component.name() == name);
        let is_odd = component.is_some_and(|component| path != file(paths, component));
        if is_odd || seen.insert(name, path.clone()).is_some() {
            strays.push(path);
        }
    }
    strays
}

fn file(paths: &NodePaths, component: Component) -> PathBuf {
    paths.manifests().join(format!("{component}.yaml"))
}

fn pod_name(path: &Path) -> Option<String> {
    manifest::name(&read::optional(path).ok()??)
}

/// Sorted, without those that begin with a dot.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let shown = entries.flatten().filter(|entry| !is_hidden(&entry.file_name()));
    let mut file_paths: Vec<PathBuf> = shown.map(|entry| entry.path()).collect();
    file_paths.sort();
    file_paths
}

#[cfg(test)]
#[path = "tests/manifests.rs"]
mod tests;
