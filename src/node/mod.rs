//! The node as it runs: the control plane's processes, what they serve, what they hold and how they are; the kubelet, the
//! other nodes.
//!
//! Nothing is taken for granted that a manifest says; kubeadm's defaults stand for the rest. Proof comes from outside: the
//! certificate in a handshake, the start of a process, the answer of the API server to the very credential on disk. Here it
//! is only looked; what makes a component use new files is in `renew/control_plane/`.

mod api;
pub(crate) mod container_log;
pub mod handshake;
mod health;
mod http;
pub(crate) mod in_use;
pub(crate) mod kubelet;
pub(crate) mod other_pods;
pub(crate) mod paths;
mod peers;
pub(crate) mod pod;
pub(crate) mod process;
pub(crate) mod proof;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use api::NodePresence;
pub use paths::NodePaths;

use std::net::SocketAddr;
use std::path::PathBuf;

use pod::Pod;
use process::Process;
use rustix::fs::{Access, access};

use crate::domain::kubernetes::Version;
use crate::domain::layout::shown;
use crate::domain::model::Loopback;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::kubeadm_config::ExternalEtcd;
use crate::domain::renewal::plan::ComponentFacts;
use crate::domain::renewal::{Component, Fault};
use crate::domain::text::escape_control;

/// The static pods of this node, as their manifests were when they were read.
pub struct ControlPlane {
    pub(crate) paths: NodePaths,
    pods: Vec<Pod>,
}

impl ControlPlane {
    /// Reads the manifests.
    ///
    /// # Errors
    /// One is there and cannot be read or understood.
    pub fn read(paths: &NodePaths) -> Result<Self, Fault> {
        let pods = Component::ALL
            .into_iter()
            .filter_map(|it| Pod::read(&paths.kubernetes, it).transpose());
        Ok(Self { paths: paths.clone(), pods: pods.collect::<Result<_, _>>()? })
    }

    /// True if etcd does not run on this node.
    pub(crate) fn has_external_etcd(&self) -> bool {
        self.pod(Component::Etcd).is_err()
    }

    /// How the API server reaches an etcd that is elsewhere, by its flags.
    pub fn external_etcd(&self) -> ExternalEtcd {
        let flag = |name| self.pod(Component::Apiserver).ok()?.flag(name).map(str::to_owned);
        let servers = flag("etcd-servers").unwrap_or_default();
        let endpoints = servers.split(',').map(str::trim).filter(|url| !url.is_empty());
        ExternalEtcd {
            endpoints: endpoints.map(str::to_owned).collect(),
            ca_file: flag("etcd-cafile"),
            cert_file: flag("etcd-certfile"),
            key_file: flag("etcd-keyfile"),
        }
    }

    /// The directory on the node of which the flags of the API server name kubeadm's files.
    pub fn certificates_dir(&self) -> Option<PathBuf> {
        self.pod(Component::Apiserver).ok()?.certificates_dir()
    }

    /// The API server's version of Kubernetes, by its image.
    pub fn version(&self) -> Option<Version> {
        self.pod(Component::Apiserver).ok()?.version()
    }

    /// What is known of each static pod whose manifest is there, in the order of [`Component::ALL`].
    /// Takes up to 3 s for each port that hangs.
    pub fn facts(&self) -> Vec<ComponentFacts> {
        self.pods.iter().map(|pod| self.facts_of(pod)).collect()
    }

    /// Whether the API server of this node reaches its kubelet, for logs and `kubectl exec`. Takes up to 3 s if it hangs.
    ///
    /// # Errors
    /// It does not, or cannot be asked; why, as a clause.
    pub(crate) fn reaches_kubelet(&self) -> Result<(), String> {
        self.admin()?.reaches_kubelet(&self.node_name()?)
    }

    /// What the API server of this node knows of it by its kubelet. Takes up to 3 s if it hangs.
    ///
    /// # Errors
    /// It cannot be asked, or knows of no such node; why, as a clause.
    pub(crate) fn presence(&self) -> Result<NodePresence, String> {
        self.admin()?.presence(&self.node_name()?)
    }

    fn node_name(&self) -> Result<String, String> {
        let node = kubelet::node_name(&self.paths).map_err(|fault| fault.what)?;
        // As Kubernetes wants it (RFC 1123): nothing that means something in a URL.
        if node.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.')) {
            return Ok(node);
        }
        Err(format!("`{}` is not a valid node name", escape_control(&node)))
    }

    /// kubeadm's ClusterConfiguration, as YAML, from the API server of this node.
    ///
    /// # Errors
    /// The API server does not answer, or refuses admin.conf, or has none.
    pub fn cluster_config(&self) -> Result<String, Fault> {
        self.admin().and_then(|admin| admin.cluster_config()).map_err(|why| {
            Fault::failed(format!("the cluster's configuration cannot be read from the API: {why}"))
        })
    }

    fn facts_of(&self, pod: &Pod) -> ComponentFacts {
        // Several processes are as good as none: nobody knows which counts. A restart tells.
        let process = process::find(pod.component).ok().flatten();
        let started = process.as_ref().map(Process::started_at);
        let loopback = |started| {
            let presented = handshake::loopback_not_after(pod.address());
            presented.unwrap_or_else(|| Loopback::of_process(started, pod.version()).not_after)
        };
        let is_apiserver = pod.component == Component::Apiserver;
        ComponentFacts {
            component: pod.component,
            version: pod.version(),
            started,
            served: pod.endpoints().first().and_then(|it| handshake::served(it.address).ok()),
            stale: proof::stale(pod, process.as_ref()),
            loopback_not_after: started.filter(|_| is_apiserver).map(loopback),
            is_ours_to_signal: self.is_movable(pod),
            back_off: container_log::held_back(pod.component, process.as_ref()),
        }
    }

    /// True if one of the static pods has no process.
    pub(crate) fn is_partly_down(&self) -> bool {
        self.pods.iter().any(|pod| matches!(process::find(pod.component), Ok(None)))
    }

    /// Whatever of the control plane, the kubelet, the container runtime and etcd's other members is
    /// not well. Takes some seconds for each part that hangs.
    pub fn blockers(&self) -> Vec<Blocker> {
        let ill = |pod: &Pod| Some(Blocker::Unhealthy(pod.component, self.health(pod).err()?));
        let mut found: Vec<Blocker> = self.pods.iter().filter_map(ill).collect();
        found.extend(kubelet::kubelet_down(&self.paths));
        found.extend(kubelet::runtime_down(&self.paths));
        let is_etcd_ill =
            found.iter().any(|it| matches!(it, Blocker::Unhealthy(Component::Etcd, _)));
        if !is_etcd_ill {
            found.extend(self.peers());
        }
        found
    }

    /// # Errors
    /// What ends now would not be started again; why, as a sentence.
    pub(crate) fn kubelet_and_runtime_are_well(&self) -> Result<(), String> {
        let down =
            kubelet::kubelet_down(&self.paths).or_else(|| kubelet::runtime_down(&self.paths));
        down.map_or(Ok(()), |down| Err(down.what()))
    }

    fn is_movable(&self, pod: &Pod) -> bool {
        access(&pod.manifest, Access::READ_OK | Access::WRITE_OK).is_ok()
            && access(self.paths.manifests(), Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }

    /// # Errors
    /// It has no manifest.
    pub(crate) fn pod(&self, component: Component) -> Result<&Pod, Fault> {
        let pod = self.pods.iter().find(|pod| pod.component == component);
        pod.ok_or_else(|| {
            let manifests = shown(&self.paths.manifests());
            Fault::failed(format!("there is no manifest of {component} in {manifests}"))
        })
    }

    fn api_server(&self) -> Option<SocketAddr> {
        self.pod(Component::Apiserver).ok().map(Pod::address)
    }
}
