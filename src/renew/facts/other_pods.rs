//! Static pods that are no components and use what kubeadm renews.

use std::path::PathBuf;

use crate::domain::renewal::SideResult;
use crate::domain::renewal::other_pod::{FileAccess, OtherPod, PodUse};
use crate::domain::role;
use crate::domain::text::escape_control;
use crate::node::NodePaths;
use crate::node::other_pods::{self, OtherManifest};
use crate::renew::tree::inspect;

/// All of them; `restart` names those that are restarted.
pub(super) fn other_pods(paths: &NodePaths, restart: &[String]) -> Vec<OtherPod> {
    let files: Vec<(&str, Vec<PathBuf>)> =
        role::KUBEADM.iter().map(|role| (role.id, files_of(paths, role.id))).collect();
    let manifests = other_pods::read(&paths.kubernetes);
    let pods = manifests.iter().filter_map(|manifest| pod(manifest, &files, restart));
    pods.collect()
}

/// What is to be restarted, and is not there: whole sentences.
pub(super) fn missing(paths: &NodePaths, restart: &[String]) -> Vec<String> {
    let manifests = other_pods::read(&paths.kubernetes);
    let is_missing = |name: &&String| !manifests.iter().any(|it| it.name == **name);
    let missing = restart.iter().filter(is_missing).map(|name| {
        let name = escape_control(name);
        format!("renew.restart-pods names {name}, and this node has no static pod of that name")
    });
    missing.collect()
}

/// By their whole paths.
pub(crate) fn files_of(paths: &NodePaths, name: &str) -> Vec<PathBuf> {
    let files = inspect::paths_of(&paths.kubernetes, name).unwrap_or_default();
    files.iter().map(|file| paths.kubernetes.join(file)).collect()
}

fn pod(
    manifest: &OtherManifest,
    files: &[(&str, Vec<PathBuf>)],
    restart: &[String],
) -> Option<OtherPod> {
    let running = manifest.running();
    let uses = files.iter().filter_map(|(certificate, files)| {
        let access = files.iter().filter_map(|file| manifest.access(file)).min()?;
        let is_stale = access == FileAccess::Mounted
            && running
                .as_ref()
                .is_some_and(|running| files.iter().any(|file| manifest.is_stale(file, running)));
        Some(PodUse { certificate: (*certificate).to_owned(), access, is_stale })
    });
    let uses: Vec<_> = uses.collect();
    (!uses.is_empty()).then(|| OtherPod {
        name: manifest.name.clone(),
        full_name: manifest.full_name(running.as_ref()),
        uses,
        restart: restart.contains(&manifest.name),
        result: SideResult::Pending,
    })
}

#[cfg(test)]
#[path = "tests/other_pods.rs"]
mod tests;
