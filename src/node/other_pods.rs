//! The static pods of this node that are no components: which files of the control plane they use, and their processes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::process::{self, Process};
use super::proof::placed;
use crate::domain::layout::{KUBERNETES, as_known};
use crate::domain::renewal::Component;
use crate::domain::renewal::other_pod::FileAccess;
use crate::fs::read;
use crate::parse::manifest::{self, StaticPod};
use crate::sys;

/// Where the kubelet has the logs of pods: `NAMESPACE_NAME_UID`, NAME with the node's.
const PODS: &str = "/var/log/pods";

/// Most manifests that are read.
const MOST_MANIFESTS: usize = 100;

/// The longest that a pod is granted between SIGTERM and SIGKILL.
const MOST_GRACE: u32 = 300;

/// The kubelet's, where a pod asks for none.
const GRACE: u32 = 30;

/// The manifest of such a pod.
pub(crate) struct OtherManifest {
    pub(crate) name: String,
    namespace: String,
    /// The directory that stands for /etc/kubernetes.
    kubernetes: PathBuf,
    containers: Vec<StaticPod>,
    /// All pods whose manifests are there.
    names: HashSet<String>,
}

/// What runs of it.
pub(crate) struct RunningPod {
    /// Its name with the node's.
    pub(crate) full_name: String,
    /// The first of each container.
    pub(crate) processes: Vec<Process>,
}

/// Those whose manifests are below the directory that stands for /etc/kubernetes and can be read; the kubelet runs no
/// other.
pub(crate) fn read(kubernetes: &Path) -> Vec<OtherManifest> {
    let entries = fs::read_dir(kubernetes.join("manifests")).into_iter().flatten().flatten();
    let shown = entries.filter(|it| !it.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = shown.map(|entry| entry.path()).take(MOST_MANIFESTS).collect();
    paths.sort();
    let manifests = paths.iter().filter_map(|path| read::optional(path).ok().flatten());
    let pods = manifests.filter_map(|bytes| {
        let (namespace, name) = manifest::namespace_and_name(&bytes)?;
        Some((namespace, name, manifest::containers(&bytes)))
    });
    let pods: Vec<_> = pods.collect();
    let names: HashSet<String> = pods.iter().map(|(_, name, _)| name.clone()).collect();
    let is_other = |name: &str| Component::ALL.iter().all(|component| component.name() != name);
    let others = pods.into_iter().filter(|(_, name, _)| is_other(name));
    let manifest = |(namespace, name, containers)| OtherManifest {
        name,
        namespace,
        kubernetes: kubernetes.to_owned(),
        containers,
        names: names.clone(),
    };
    others.map(manifest).collect()
}

impl OtherManifest {
    /// How one of its containers has a file; the closest, if several have it.
    pub(crate) fn access(&self, file: &Path) -> Option<FileAccess> {
        let names = self.names_of(file);
        self.containers.iter().filter_map(|it| self.access_of(it, &names)).min()
    }

    fn access_of(&self, container: &StaticPod, names: &[PathBuf]) -> Option<FileAccess> {
        let is_it = |path: &Path| self.names_of(path).iter().any(|it| names.contains(it));
        let is_above = |path: &Path| {
            self.names_of(path).iter().any(|dir| names.iter().any(|name| name.starts_with(dir)))
        };
        if container.mounts().any(|(_, outside)| is_it(outside)) {
            Some(FileAccess::Mounted)
        } else if container.named().any(|path| is_it(&path)) {
            Some(FileAccess::Named)
        } else {
            let is_visible = container.mounts().any(|(_, outside)| is_above(outside));
            is_visible.then_some(FileAccess::Visible)
        }
    }

    /// A path as everybody knows it, and where it leads; of others than kubeadm's only as it is written, since what they
    /// lead to may hang.
    fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let known = as_known(path);
        let below = known.strip_prefix(KUBERNETES).map(|below| self.kubernetes.join(below));
        let here =
            below.ok().or_else(|| path.starts_with(&self.kubernetes).then(|| path.to_owned()));
        let real = here.and_then(|path| fs::canonicalize(path).ok()).map(|path| as_known(&path));
        [Some(known), real].into_iter().flatten().collect()
    }

    /// True if one of its processes has another file mounted than the one that is there now.
    pub(crate) fn is_stale(&self, file: &Path, running: &RunningPod) -> bool {
        let names = self.names_of(file);
        let is_it = |path: &Path| self.names_of(path).iter().any(|it| names.contains(it));
        let mounts = self.containers.iter().flat_map(StaticPod::mounts);
        let at: Vec<&Path> =
            mounts.filter(|(_, outside)| is_it(outside)).map(|(inside, _)| inside).collect();
        let has_old = |process: &Process| {
            process.replaced_mounts().iter().any(|mount| at.contains(&mount.as_path()))
        };
        !at.is_empty() && running.processes.iter().any(has_old)
    }

    /// What runs of it, by the names of its logs and the cgroups of processes; `None` where the kubelet has never
    /// started it.
    pub(crate) fn running(&self) -> Option<RunningPod> {
        let entries = fs::read_dir(PODS).ok()?.flatten();
        let entries = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let logs: Vec<(String, String)> = entries.filter_map(|entry| self.log(&entry)).collect();
        let full_name = logs.first()?.0.clone();
        let uids: Vec<String> = logs.into_iter().map(|(_, uid)| uid).collect();
        Some(RunningPod { full_name, processes: process::of_pods(&uids) })
    }

    /// Its full name and its UID, if it is its directory of logs.
    fn log(&self, entry: &str) -> Option<(String, String)> {
        let (full_name, uid) =
            entry.strip_prefix(&self.namespace)?.strip_prefix('_')?.split_once('_')?;
        let is_of =
            |name: &str| full_name.strip_prefix(name).is_some_and(|node| node.starts_with('-'));
        // `vip-two-cp1` is of `vip-two` and not of `vip`.
        let is_of_longer = |name: &String| name.len() > self.name.len() && is_of(name);
        let is_its = is_of(&self.name) && !self.names.iter().any(is_of_longer);
        is_its.then(|| (full_name.to_owned(), uid.to_owned()))
    }

    /// Its name with the node's, as good as it is known.
    pub(crate) fn full_name(&self, running: Option<&RunningPod>) -> String {
        let guess = || format!("{}-{}", self.name, sys::host_name());
        running.map_or_else(guess, |it| it.full_name.clone())
    }

    /// The namespace that its manifest names.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How long it is given between SIGTERM and SIGKILL.
    pub(crate) fn grace(&self) -> Duration {
        let asked = self.containers.first().and_then(|it| it.termination_grace_period);
        Duration::from_secs(asked.unwrap_or(GRACE).min(MOST_GRACE).into())
    }

    /// True if the kubelet starts it again whatever its end.
    pub(crate) fn always_restarts(&self) -> bool {
        self.containers.iter().all(|it| it.always_restarts)
    }
}

/// When the newest of these files was put where it is.
pub(crate) fn newest(files: &[PathBuf]) -> Option<SystemTime> {
    files.iter().filter_map(|path| fs::metadata(path).ok()).map(|it| placed(&it)).max()
}
