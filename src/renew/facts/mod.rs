//! What a plan rests on beside the certificates: gathered, nothing changed.

pub mod cluster_config;
pub(super) mod manifests;
pub(super) mod other_pods;
pub mod preflight;
mod present;

use std::path::Path;

use cluster_config::Settled;

use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::clock;
use crate::domain::renewal::hook::Hook;
use crate::domain::renewal::kubeadm_config::{self, Etcd, KubeadmConfig, KubeadmConfigError, Loss};
use crate::domain::renewal::plan::NodeFacts;
use crate::domain::renewal::skew::Versions;
use crate::domain::role;
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::node::{self, ControlPlane, NodePaths};
use crate::parse::kubeconfig::{self, PemSource};
use crate::renew::memory::Manifests;
use crate::renew::tree::copies::{self, Copies};
use crate::renew::tree::pairs;
use crate::renew::{hook, kubeadm, kubelet};

/// What is asked of the node.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Where things are.
    pub paths: &'a NodePaths,
    /// A ClusterConfiguration that a person gave.
    pub cluster_config: Option<&'a Path>,
    /// Copies of admin.conf that are looked at.
    pub copies: &'a Copies,
    /// Those that are not stale yet will be.
    pub admin_is_renewed: bool,
    /// Static pods that are no components and are restarted, by name.
    pub restart_pods: &'a [String],
    /// Commands that are to be run after a renewal.
    pub hooks: &'a [Hook],
    /// How the manifests were found before.
    pub manifests: Option<&'a Manifests>,
}

/// What is known of the node.
pub(crate) struct Gathered {
    /// What a plan rests on.
    pub facts: NodeFacts,
    /// The cluster's configuration, if it could be had.
    pub settled: Option<Settled>,
    /// What kubeadm is given, if it can be given anything.
    pub text: Option<String>,
}

/// Gathers it.
pub(crate) fn gather(question: &Question<'_>, now: UnixTime) -> Gathered {
    let paths = question.paths;
    let copies::StaleCopies { stale, left } =
        question.copies.look(paths, question.admin_is_renewed);
    let mut facts = NodeFacts {
        blockers: preflight::blockers(paths, question.manifests, now),
        mismatched: pairs::mismatched(paths),
        other_pods: other_pods::other_pods(paths, question.restart_pods),
        hooks: question.hooks.to_vec(),
        hooks_refused: hook::refused(question.hooks),
        notes: other_pods::missing(paths, question.restart_pods),
        copies: stale,
        copies_left: left,
        not_embedded: not_embedded(paths),
        kubelet_not_after: node::kubelet::client_not_after(paths),
        kubelet_is_stranded: node::kubelet::is_stranded(paths),
        ..NodeFacts::default()
    };
    let mut time_sources = preflight::time_sources(paths);
    let plane = match ControlPlane::read(paths) {
        Ok(plane) => plane,
        Err(fault) => {
            facts.blockers.extend(clock::implausibility(now, &time_sources).map(Blocker::Clock));
            if facts.blockers.is_empty() {
                facts.blockers.push(Blocker::NotAllowed(fault.what));
            }
            return Gathered { facts, settled: None, text: None };
        }
    };
    facts.components = plane.facts();
    facts.has_external_etcd = plane.has_external_etcd();
    facts.reaches_kubelet = Some(plane.reaches_kubelet());
    facts.blockers.extend(plane.blockers());
    time_sources.nodes = plane.other_clocks(now);
    facts.blockers.extend(clock::implausibility(now, &time_sources).map(Blocker::Clock));
    for_kubeadm(question, &plane, facts)
}

/// What kubeadm is, and what it is given. It is not run where it is not root's.
fn for_kubeadm(question: &Question<'_>, plane: &ControlPlane, mut facts: NodeFacts) -> Gathered {
    let paths = question.paths;
    let is_refused = facts.blockers.iter().any(Blocker::is_about_kubeadm);
    let versions = Versions {
        kubeadm: kubeadm::version(paths).ok(),
        components: facts.components.iter().map(|it| (it.component, it.version)).collect(),
        kubelet: kubelet::version(),
    };
    facts.notes.extend(versions.warnings());
    if !is_refused {
        facts.blockers.extend(versions.blocker());
    }
    let settled = cluster_config::settle(paths, plane, question.cluster_config, versions.kubeadm);
    let settled = match settled {
        Ok(settled) => settled,
        Err(fault) => {
            facts.blockers.push(Blocker::NoClusterConfig(fault.what));
            return Gathered { facts, settled: None, text: None };
        }
    };
    facts.has_external_etcd |= settled.config.etcd != Etcd::Local;
    facts.leaf_lifetime = settled.config.validity;
    facts.notes.extend(settled.notes.iter().cloned());
    facts.notes.extend(present::change_of_keys(paths, &settled.config));
    let written = versions.kubeadm.map(|kubeadm| kubeadm_config::write(&settled.config, kubeadm));
    let text = match written {
        Some(Ok(KubeadmConfig { text, losses })) => {
            if losses.iter().any(|it| matches!(it, Loss::Validity(_))) {
                facts.leaf_lifetime = None;
            }
            facts.notes.extend(losses.into_iter().map(Loss::words));
            Some(text)
        }
        // Too old a kubeadm is told as such.
        Some(Err(KubeadmConfigError::NoApi(_))) | None => None,
        Some(Err(refusal)) => {
            facts.blockers.push(Blocker::NoClusterConfig(refusal.to_string()));
            None
        }
    };
    Gathered { facts, settled: Some(settled), text }
}

/// kubeadm's kubeconfigs whose user names files: kubeadm fails on them.
fn not_embedded(paths: &NodePaths) -> Vec<&'static str> {
    let names = role::KUBEADM.iter().map(|role| role.id).filter(|name| name.ends_with(".conf"));
    names.filter(|name| names_files(&paths.kubernetes.join(name))).collect()
}

fn names_files(path: &Path) -> bool {
    let Ok(Some(bytes)) = read::optional(path) else { return false };
    let Ok(config) = kubeconfig::read(&bytes) else { return false };
    config.users.iter().any(|user| matches!(user.certificate, PemSource::File(_)))
}
