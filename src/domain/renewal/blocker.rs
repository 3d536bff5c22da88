//! What stands in the way of a renewal, each with the way out.

use std::path::{Path, PathBuf};

use crate::domain::kubernetes::{KNOWN, Version};
use crate::domain::layout::shown;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;

use super::Component;
use super::path_blocker::{PathBlocker, give_to_root};

/// A reason not to begin, found before anything is touched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Blocker {
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
    /// Another kubeadm runs as root: an upgrade, or a person.
    KubeadmRuns {
        /// Its process.
        pid: u32,
        /// What it does, such as `upgrade node`; empty if that is not known.
        verb: String,
    },
    /// A process of root's that may be another kubeadm at work on this node: it is in a container, or in a place that is
    /// not known.
    KubeadmUnclear {
        /// Its process.
        pid: u32,
        /// What it does, such as `upgrade node`; empty if that is not known.
        verb: String,
        /// The user ID of who has logged in and started it, if somebody has.
        login: Option<u32>,
        /// Its cgroup.
        cgroup: String,
        /// When it started, give or take a second.
        started: UnixTime,
    },
    /// kubeadm is older than all that certwatch knows, or does not say which version it is.
    KubeadmUnsupported(Option<Version>),
    /// kubeadm is older than a component of this node, or more than one minor version newer.
    KubeadmVersion {
        /// kubeadm's.
        kubeadm: Version,
        /// The component that is farthest from it.
        component: Component,
        /// The component's.
        runs: Version,
    },
    /// The kubelet does not answer, so nothing that is stopped would start again.
    KubeletDown(String),
    /// The container runtime does not answer, so nothing that is stopped would start again.
    RuntimeDown {
        /// Its socket.
        socket: PathBuf,
        /// The operating system's reason.
        why: String,
    },
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
    /// A path that would not take a new file, or is not to be trusted.
    Path(PathBlocker),
    /// Not enough room for the new files, the backup and the staging copy.
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// kubeadm cannot be given a configuration, and would fall back to its defaults without a word; why, as a
    /// sentence.
    NoClusterConfig(String),
    /// This process may not do what is needed; what, as a sentence.
    NotAllowed(String),
    /// There is no control plane here.
    NoControlPlane(PathBuf),
}

fn see_its_log(component: Component) -> String {
    format!(
        "see its log in /var/log/pods/kube-system_{component}-*; if expired certificates are the reason, use --rescue"
    )
}

fn see_its_service(socket: &Path) -> String {
    let unit = match socket.file_name().and_then(|name| name.to_str()) {
        Some("containerd.sock") => "containerd",
        Some("crio.sock") => "crio",
        Some("cri-dockerd.sock") => "cri-docker",
        Some("dockershim.sock") => "docker",
        _ => return "check the container runtime that listens there".to_owned(),
    };
    format!("see `systemctl status {unit}`")
}

fn wait_or_end(pid: u32) -> String {
    format!(
        "wait until it has finished, or end it if it should not run: `kill {pid}`; if it has nothing to do with this \
         node, override with --force"
    )
}

fn command(verb: &str) -> String {
    if verb.is_empty() { String::new() } else { format!(": `kubeadm {}`", escape_control(verb)) }
}

fn unclear(pid: u32, verb: &str, login: Option<u32>, cgroup: &str) -> String {
    let login = login.map_or_else(String::new, |uid| format!(", started by user {uid}"));
    format!(
        "another kubeadm may be running (process {pid} of root{login}{}, in the cgroup {}): its cgroup and its \
         group do not tell whether it works on this node",
        command(verb),
        escape_control(cgroup)
    )
}

fn too_old(version: Version) -> String {
    let (series, first) = (version.series(), KNOWN.start());
    format!("kubeadm has version {series}, and certwatch works with 1.{first} and later")
}

fn skewed(kubeadm: Version, component: Component, runs: Version) -> String {
    format!(
        "kubeadm has version {}, {component} on this node has {}: kubeadm supports its own minor version and the \
         one before",
        kubeadm.series(),
        runs.series()
    )
}

const AND_SET_KUBEADM: &str = "and set `renew.kubeadm` if it is not in the path";

const NOT_STARTED_AGAIN: &str =
    "does not respond, so a stopped component would not be started again";

/// What holds for some blockers.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Property {
    /// `--force` goes on in spite of it.
    Force,
    /// `--rescue` goes on in spite of it: it is what a rescue is for.
    Rescue,
    /// It is overridden at last, also where nobody insists.
    InTime,
    /// It goes away by itself within minutes.
    Passes,
    /// It may go away by itself, as on a node that boots, or may be there to stay.
    MayPass,
    /// It keeps kubeadm from its work, and nobody else.
    Kubeadm,
}

impl Blocker {
    /// The stable name and the properties of each, so that nobody adds one without.
    fn row(&self) -> (&'static str, &'static [Property]) {
        use Property::{Force, InTime, Kubeadm, MayPass, Passes, Rescue};
        match self {
            Self::Busy { .. } => ("renewal_running", &[Passes]),
            Self::Clock(_) => ("clock_in_doubt", &[Force, MayPass]),
            Self::Unhealthy(..) => ("unhealthy", &[Force, Rescue, MayPass]),
            Self::PeerUnhealthy(_) => ("peer_unhealthy", &[Force, Rescue, MayPass]),
            Self::KubeadmMissing(_) => ("kubeadm_missing", &[Kubeadm]),
            Self::KubeadmNotRoots(_) => ("kubeadm_not_owned_by_root", &[Kubeadm]),
            Self::KubeadmRuns { .. } => ("kubeadm_running", &[Passes]),
            Self::KubeadmUnclear { .. } => ("kubeadm_unrecognized", &[Force, InTime]),
            Self::KubeadmUnsupported(_) => ("kubeadm_unsupported", &[Kubeadm]),
            Self::KubeadmVersion { .. } => ("kubeadm_version_skew", &[Force, Kubeadm]),
            Self::KubeletDown(_) => ("kubelet_down", &[Rescue, MayPass]),
            Self::RuntimeDown { .. } => ("runtime_down", &[MayPass]),
            Self::ManifestChanged(_) => ("manifest_changed", &[Force, Rescue, Passes]),
            Self::StrayManifest(_) => ("stray_manifest", &[Force]),
            Self::NotWritable { .. } => ("not_writable", &[]),
            Self::Path(path) => (path.code(), &[]),
            Self::DiskFull { .. } => ("disk_full", &[]),
            Self::NoClusterConfig(_) => ("no_cluster_config", &[Kubeadm]),
            Self::NotAllowed(_) => ("not_allowed", &[]),
            Self::NoControlPlane(_) => ("no_control_plane", &[]),
        }
    }

    fn has(&self, property: Property) -> bool {
        self.row().1.contains(&property)
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// True if `--force` goes on in spite of it.
    pub(crate) fn is_overridable(&self) -> bool {
        self.has(Property::Force)
    }

    /// True if `--rescue` goes on in spite of it.
    pub(crate) fn is_overridden_by_rescue(&self) -> bool {
        self.has(Property::Rescue)
    }

    /// True for what may be a kubeadm at work and is overridden at last, also where nobody insists.
    pub(crate) fn is_overridden_in_time(&self) -> bool {
        self.has(Property::InTime)
    }

    /// True for what goes away by itself within minutes.
    pub fn passes(&self) -> bool {
        self.has(Property::Passes)
    }

    /// True for what may go away by itself, as on a node that boots, or may be there to stay.
    pub(crate) fn may_pass(&self) -> bool {
        self.passes() || self.has(Property::MayPass)
    }

    /// True for what keeps kubeadm from its work, and nobody else.
    pub(crate) fn is_about_kubeadm(&self) -> bool {
        self.has(Property::Kubeadm)
    }

    /// True if it is the same process as another one.
    pub(crate) fn is_same_process(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::KubeadmUnclear { pid, .. }, Self::KubeadmUnclear { pid: other, .. }) => {
                pid == other
            }
            _ => false,
        }
    }

    /// What stands in the way, one sentence.
    pub fn what(&self) -> String {
        match self {
            Self::Busy { pid: Some(pid) } => {
                format!("another renewal or restoration (process {pid}) is running")
            }
            Self::Busy { pid: None } => "another renewal or restoration is running".to_owned(),
            Self::Clock(why) => format!("the clock cannot be right: {why}"),
            Self::Unhealthy(component, why) => format!("{component} is not healthy: {why}"),
            Self::PeerUnhealthy(why) => {
                format!("another control plane of this cluster is not healthy: {why}")
            }
            Self::KubeadmMissing(path) => format!("there is no kubeadm at {}", shown(path)),
            Self::KubeadmNotRoots(path) => {
                shown(path) + " can be changed by users other than root, and would be run as root"
            }
            Self::KubeadmRuns { pid, verb } => {
                format!("another kubeadm is running (process {pid}{})", command(verb))
            }
            Self::KubeadmUnclear { pid, verb, login, cgroup, .. } => {
                unclear(*pid, verb, *login, cgroup)
            }
            Self::KubeadmUnsupported(None) => "kubeadm does not report its version".to_owned(),
            Self::KubeadmUnsupported(Some(version)) => too_old(*version),
            Self::KubeadmVersion { kubeadm, component, runs } => {
                skewed(*kubeadm, *component, *runs)
            }
            Self::KubeletDown(why) => format!("the kubelet {NOT_STARTED_AGAIN}: {why}"),
            Self::RuntimeDown { socket, why } => {
                format!("the container runtime {NOT_STARTED_AGAIN}: {}: {why}", shown(socket))
            }
            Self::ManifestChanged(path) => shown(path) + " changed within the last two minutes",
            Self::StrayManifest(path) => {
                format!("the kubelet runs {} as a second copy of a component", shown(path))
            }
            Self::NotWritable { path, why } => format!("{} cannot be written: {why}", shown(path)),
            Self::Path(path) => path.what(),
            Self::DiskFull { path, needed, free } => {
                let (needed, free) = (needed.div_ceil(1024), free / 1024);
                format!("{} has {free} KiB free, and {needed} KiB are needed", shown(path))
            }
            Self::NoClusterConfig(why) => format!(
                "there is no configuration for kubeadm, which would silently use its defaults: {why}"
            ),
            Self::NotAllowed(why) => why.clone(),
            Self::NoControlPlane(path) => {
                format!("this is not a kubeadm control plane: {} does not exist", shown(path))
            }
        }
    }

    /// What to do about it, one sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::Busy { .. } => "wait until it has finished; see `certwatch status`".to_owned(),
            Self::Clock(_) => {
                "correct the one that is wrong (`timedatectl`; the hardware clock: `hwclock --systohc`), or \
                 override with --force".to_owned()
            }
            Self::Unhealthy(component, _) => see_its_log(*component),
            Self::PeerUnhealthy(_) => {
                "renew one node at a time, or override with --force".to_owned()
            }
            Self::KubeadmMissing(_) => "set `renew.kubeadm` in the configuration".to_owned(),
            Self::KubeadmNotRoots(component) => give_to_root(component),
            Self::KubeadmRuns { pid, .. } => {
                format!("wait until it has finished; if it hangs, end it: `kill {pid}`")
            }
            Self::KubeadmUnclear { pid, .. } => wait_or_end(*pid),
            Self::KubeadmUnsupported(_) => {
                format!("install the kubeadm of the cluster's version, {AND_SET_KUBEADM}")
            }
            Self::KubeadmVersion { runs, .. } => {
                let series = runs.series();
                format!("install kubeadm {series}, {AND_SET_KUBEADM}; or override with --force")
            }
            Self::KubeletDown(_) => {
                "see `systemctl status kubelet`; if its certificate has expired, use --rescue".to_owned()
            }
            Self::RuntimeDown { socket, .. } => see_its_service(socket),
            Self::ManifestChanged(_) => {
                "wait two minutes; if it keeps changing, find out what writes it; or override with --force".to_owned()
            }
            Self::StrayManifest(_) => {
                "move it out of the manifests directory, or override with --force".to_owned()
            }
            Self::NotWritable { .. } => {
                "mount it writable, or run this as root; if it belongs to another user, the service needs a \
                 drop-in (/usr/share/doc/certwatch/service.md)".to_owned()
            }
            Self::Path(path) => path.remedy(),
            Self::DiskFull { .. } => "free some space, or set another `renew.state-dir`".to_owned(),
            Self::NoClusterConfig(_) => {
                "pass the ClusterConfiguration that the cluster was created with, or write one \
                 (/usr/share/doc/certwatch/renewal.md says what it needs): --cluster-config FILE".to_owned()
            }
            Self::NotAllowed(_) => "run it as root".to_owned(),
            Self::NoControlPlane(_) => "run it on a control-plane node".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_that_is_named_is_the_one_that_the_node_uses() {
        let remedy = |socket: &str| {
            Blocker::RuntimeDown { socket: socket.into(), why: String::new() }.remedy()
        };
        for (socket, unit) in [
            ("/run/containerd/containerd.sock", "containerd"),
            ("/var/run/crio/crio.sock", "crio"),
            ("/run/cri-dockerd.sock", "cri-docker"),
            ("/var/run/dockershim.sock", "docker"),
        ] {
            assert_eq!(remedy(socket), format!("see `systemctl status {unit}`"));
        }
        assert!(!remedy("/run/other.sock").contains("containerd"));
    }

    #[test]
    fn another_kubeadm_is_told_with_what_it_does() {
        let what = |verb: &str| Blocker::KubeadmRuns { pid: 7, verb: verb.to_owned() }.what();
        assert_eq!(what(""), "another kubeadm is running (process 7)");
        assert_eq!(
            what("upgrade node"),
            "another kubeadm is running (process 7: `kubeadm upgrade node`)"
        );
    }

    #[test]
    fn what_may_be_one_is_told_with_its_process_user_and_command() {
        let unclear = |login, cgroup: &str| {
            let (verb, cgroup) = ("upgrade node".to_owned(), cgroup.to_owned());
            let started = UnixTime::new(0);
            Blocker::KubeadmUnclear { pid: 7, verb, login, cgroup, started }
        };
        assert_eq!(
            unclear(Some(1000), "/docker/c0ffee").what(),
            "another kubeadm may be running (process 7 of root, started by user 1000: `kubeadm upgrade node`, in the cgroup \
             /docker/c0ffee): its cgroup and its group do not tell whether it works on this node"
        );
        let hostile = unclear(None, "/\u{1b}[2J\u{202e}");
        assert!(!hostile.what().chars().any(crate::domain::text::is_unsafe));
        assert!(!hostile.passes() && !hostile.may_pass(), "so it is told at once");
    }
}
