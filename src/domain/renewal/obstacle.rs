//! What stands in the way of a renewal, each with the way out.

use std::path::PathBuf;

use crate::domain::layout::as_known;
use crate::domain::text::safe;

use super::Component;

/// A reason not to begin, found before anything is touched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// Another certwatch renews or restores here.
    Busy {
        /// Its process, if known.
        pid: Option<u32>,
    },
    /// The clock cannot be right; why, as a sentence.
    Clock(String),
    /// A component is not healthy; why, as a sentence.
    Unhealthy(Component, String),
    /// Another member of the control plane is not healthy: this would be the second one down.
    PeerUnhealthy(String),
    /// There is no kubeadm where it is looked for.
    KubeadmMissing(PathBuf),
    /// Others than root could have written the program that root is about to run, or a directory
    /// above it.
    KubeadmNotRoots(PathBuf),
    /// Another kubeadm runs: an upgrade, or a person.
    KubeadmRuns(u32),
    /// kubeadm and the API server are more than one minor version apart.
    KubeadmVersion {
        /// kubeadm's, such as `1.28`.
        kubeadm: String,
        /// The API server's.
        cluster: String,
    },
    /// The kubelet does not answer, so nothing that is stopped would start again.
    KubeletDown(String),
    /// The container runtime does not answer, so nothing that is stopped would start again.
    RuntimeDown(String),
    /// A manifest changed moments ago: somebody works here, or a component is still starting.
    ManifestChanged(PathBuf),
    /// A file in the manifests directory that the kubelet takes for a second copy of a component.
    StrayManifest(PathBuf),
    /// The kubelet's manifests directory or /etc/kubernetes cannot be written.
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        why: String,
    },
    /// Not enough room for the backup and the staging copy.
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The cluster's configuration is neither to be had from the API nor kept from before: kubeadm
    /// would fall back to its defaults without a word.
    NoClusterConfig(String),
    /// This process may not do what is needed; what, as a sentence.
    NotAllowed(String),
    /// There is no control plane here.
    NoControlPlane(PathBuf),
}

impl Obstacle {
    /// A word for machines.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Clock(_) => "clock",
            Self::Unhealthy(..) => "unhealthy",
            Self::PeerUnhealthy(_) => "peer-unhealthy",
            Self::KubeadmMissing(_) => "kubeadm-missing",
            Self::KubeadmNotRoots(_) => "kubeadm-not-roots",
            Self::KubeadmRuns(_) => "kubeadm-runs",
            Self::KubeadmVersion { .. } => "kubeadm-version",
            Self::KubeletDown(_) => "kubelet-down",
            Self::RuntimeDown(_) => "runtime-down",
            Self::ManifestChanged(_) => "manifest-changed",
            Self::StrayManifest(_) => "stray-manifest",
            Self::NotWritable { .. } => "not-writable",
            Self::DiskFull { .. } => "disk-full",
            Self::NoClusterConfig(_) => "no-cluster-config",
            Self::NotAllowed(_) => "not-allowed",
            Self::NoControlPlane(_) => "no-control-plane",
        }
    }

    /// True if `--force` goes on in spite of it.
    pub fn yields_to_force(&self) -> bool {
        matches!(
            self,
            Self::Clock(_)
                | Self::KubeadmVersion { .. }
                | Self::ManifestChanged(_)
                | Self::PeerUnhealthy(_)
                | Self::StrayManifest(_)
                | Self::Unhealthy(..)
        )
    }

    /// True if `--rescue` goes on in spite of it: it is what a rescue is for.
    pub fn yields_to_rescue(&self) -> bool {
        matches!(
            self,
            Self::KubeletDown(_)
                | Self::ManifestChanged(_)
                | Self::PeerUnhealthy(_)
                | Self::Unhealthy(..)
        )
    }

    /// True for what goes away by itself within minutes.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::KubeadmRuns(_) | Self::ManifestChanged(_))
    }

    /// True for what may go away by itself, as on a node that boots, or may be there to stay.
    pub fn may_pass(&self) -> bool {
        self.passes()
            || matches!(
                self,
                Self::Clock(_)
                    | Self::KubeletDown(_)
                    | Self::PeerUnhealthy(_)
                    | Self::RuntimeDown(_)
                    | Self::Unhealthy(..)
            )
    }

    /// True for what keeps kubeadm from its work, and nobody else.
    pub fn is_about_kubeadm(&self) -> bool {
        matches!(
            self,
            Self::KubeadmMissing(_)
                | Self::KubeadmNotRoots(_)
                | Self::KubeadmVersion { .. }
                | Self::NoClusterConfig(_)
        )
    }

    /// What stands in the way, one sentence.
    pub fn what(&self) -> String {
        let at = |path: &PathBuf| safe(&as_known(path).to_string_lossy()).into_owned();
        match self {
            Self::Busy { pid: Some(pid) } => {
                format!("another certwatch (process {pid}) renews or restores here")
            }
            Self::Busy { pid: None } => "another certwatch renews or restores here".to_owned(),
            Self::Clock(why) => format!("the clock cannot be right: {why}"),
            Self::Unhealthy(component, why) => format!("{component} is not healthy: {why}"),
            Self::PeerUnhealthy(why) => {
                format!("another control plane of this cluster is not healthy: {why}")
            }
            Self::KubeadmMissing(path) => format!("there is no kubeadm at {}", at(path)),
            Self::KubeadmNotRoots(path) => {
                format!("{} can be changed by others than root, and would be run as root", at(path))
            }
            Self::KubeadmRuns(pid) => format!("another kubeadm is at work (process {pid})"),
            Self::KubeadmVersion { kubeadm, cluster } => {
                format!("kubeadm is of version {kubeadm}, the API server of {cluster}")
            }
            Self::KubeletDown(why) => {
                format!(
                    "the kubelet does not answer, so nothing that is stopped would start again: {why}"
                )
            }
            Self::RuntimeDown(why) => format!(
                "the container runtime does not answer, so nothing that is stopped would start again: {why}"
            ),
            Self::ManifestChanged(path) => {
                format!("{} changed within the last two minutes", at(path))
            }
            Self::StrayManifest(path) => {
                format!("the kubelet takes {} for a second copy of a component", at(path))
            }
            Self::NotWritable { path, why } => format!("{} cannot be written: {why}", at(path)),
            Self::DiskFull { path, needed, free } => format!(
                "{} has {} KiB free, and {} KiB are needed for the backup and the staging copy",
                at(path),
                free / 1024,
                needed.div_ceil(1024)
            ),
            Self::NoClusterConfig(why) => format!(
                "the cluster's configuration is not known, and kubeadm would use its defaults without a word: {why}"
            ),
            Self::NotAllowed(why) => why.clone(),
            Self::NoControlPlane(path) => {
                format!("this is no control plane of kubeadm: there is no {}", at(path))
            }
        }
    }

    /// What to do about it, one sentence.
    pub fn way_out(&self) -> String {
        match self {
            Self::Busy { .. } => "wait until it is done; `certwatch status` shows it".to_owned(),
            Self::Clock(_) => {
                "set the one that is wrong (`timedatectl`; the hardware clock: `hwclock --systohc`), or insist with --force".to_owned()
            }
            Self::Unhealthy(component, _) => format!(
                "see its log in /var/log/pods/kube-system_{component}-*; if expired certificates are the reason, use --rescue"
            ),
            Self::PeerUnhealthy(_) => {
                "renew one node at a time, or insist with --force".to_owned()
            }
            Self::KubeadmMissing(_) => "name it in the configuration: `renew.kubeadm`".to_owned(),
            Self::KubeadmNotRoots(_) => {
                "give it to root, with mode 0755, and the directories above it as well".to_owned()
            }
            Self::KubeadmRuns(_) => "wait until it is done".to_owned(),
            Self::KubeadmVersion { .. } => {
                "install the kubeadm of the cluster's version, or insist with --force".to_owned()
            }
            Self::KubeletDown(_) => {
                "see `systemctl status kubelet`; if its certificate has expired, use --rescue".to_owned()
            }
            Self::RuntimeDown(_) => "see `systemctl status containerd`".to_owned(),
            Self::ManifestChanged(_) => "wait two minutes, or insist with --force".to_owned(),
            Self::StrayManifest(_) => {
                "move it out of the manifests directory, or insist with --force".to_owned()
            }
            Self::NotWritable { .. } => {
                "mount it writable, or run this as root; if it is another user's, the service needs a drop-in (docs/service.md)".to_owned()
            }
            Self::DiskFull { .. } => "make room, or name another `renew.state-dir`".to_owned(),
            Self::NoClusterConfig(_) => {
                "pass the ClusterConfiguration that the cluster was made with: --cluster-config FILE".to_owned()
            }
            Self::NotAllowed(_) => "run it as root".to_owned(),
            Self::NoControlPlane(_) => "run it on a control-plane node".to_owned(),
        }
    }
}
