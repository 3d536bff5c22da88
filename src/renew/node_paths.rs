//! Where things are on the node.

use std::path::{Path, PathBuf};

use crate::domain::layout::PKI_NAMES;

use super::stage::pki_name;

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
