//! Where things are on the node.

use std::path::{Path, PathBuf};

use crate::domain::layout::{self, MANIFEST_DIRS, PKI_NAMES, shown};
use crate::domain::renewal::{Component, Fault};
use crate::fs::read;
use crate::parse::manifest;

/// Where a renewal works.
#[derive(Clone, Debug)]
pub struct NodePaths {
    /// The live tree: `/etc/kubernetes`, or the name under which the unit shows it.
    pub kubernetes: PathBuf,
    /// The kubelet's directory: `/var/lib/kubelet`.
    pub kubelet: PathBuf,
    /// certwatch's own directory for renewals, for root alone: journal, staging copy, backups.
    pub work: PathBuf,
    /// The program.
    pub kubeadm: PathBuf,
    /// The service manager already shows `work/stage` as /etc/kubernetes to this process and all it
    /// starts, and the live tree elsewhere; otherwise a mount namespace has to be made.
    pub is_stage_shown: bool,
}

impl NodePaths {
    /// kubeadm's certificates: where they really are, since a link by its whole path leads elsewhere where the unit
    /// shows the stage.
    pub fn pki(&self) -> PathBuf {
        let name = pki_name(&self.kubernetes).unwrap_or_else(|_| PKI_NAMES[0].into());
        self.kubernetes.join(name)
    }

    /// The manifests of the static pods.
    pub fn manifests(&self) -> PathBuf {
        self.kubernetes.join("manifests")
    }

    /// The copy that kubeadm works on.
    pub fn stage(&self) -> PathBuf {
        self.work.join("stage")
    }

    /// All backups, one directory each.
    pub fn backups(&self) -> PathBuf {
        self.work.join("backups")
    }

    /// What a renewal needs of the cluster's configuration, kept for the day on which the API does not answer.
    pub fn cluster_config(&self) -> PathBuf {
        Self::cluster_config_in(&self.work)
    }

    /// The same, for who knows the directory for renewals alone.
    pub(crate) fn cluster_config_in(work: &Path) -> PathBuf {
        work.join("cluster-config.yaml")
    }

    /// What kubeadm is given.
    pub fn kubeadm_config(&self) -> PathBuf {
        self.work.join("kubeadm-config.yaml")
    }
}

/// The name of the pki directory below `kubernetes`: `pki`, or kubespray's `ssl`, to which its
/// `pki` is but a link. Where the flags of the API server name another directory, that: an absolute one, unless it is
/// below /etc/kubernetes.
///
/// # Errors
/// There is none.
pub(crate) fn pki_name(kubernetes: &Path) -> Result<PathBuf, Fault> {
    if let Some(dir) = pki_by_flags(kubernetes) {
        return Ok(dir);
    }
    let is_real =
        |name: &&str| kubernetes.join(name).is_dir() && !kubernetes.join(name).is_symlink();
    PKI_NAMES
        .into_iter()
        .find(is_real)
        .or_else(|| PKI_NAMES.into_iter().find(|name| kubernetes.join(name).is_dir()))
        .map(PathBuf::from)
        .ok_or_else(|| Fault::failed(format!("there is no pki directory in {}", shown(kubernetes))))
}

/// `None` where they name one of kubeadm's own, or no manifest can be read.
fn pki_by_flags(kubernetes: &Path) -> Option<PathBuf> {
    let pod = manifest::read(&api_server_manifest(kubernetes)?)?;
    let dir = pod.certificates_dir().filter(|dir| layout::kubeadm_pki(dir).is_none())?;
    layout::certificates_dir(&dir)
}

/// The content of the API server's manifest, which may be away; `None` where it cannot be read.
fn api_server_manifest(kubernetes: &Path) -> Option<Vec<u8>> {
    let name = format!("{}.yaml", Component::Apiserver);
    let paths = MANIFEST_DIRS.map(|dir| kubernetes.join(dir).join(&name));
    paths.iter().find_map(|path| read::file(path).ok())
}
