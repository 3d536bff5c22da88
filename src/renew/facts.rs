//! What a plan rests on beside the certificates: gathered, nothing changed.

use std::path::{Path, PathBuf};

use crate::domain::renewal::clock;
use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::renewal::plan::NodeFacts;
use crate::domain::role;
use crate::domain::time::UnixTime;
use crate::parse::kubeconfig::{self, Source};

use super::cluster_config::{self, Settled};
use super::control_plane::ControlPlane;
use super::places::Places;
use super::{copies, files, kubelet, preflight};

/// What is asked of the node.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where things are.
    pub places: &'a Places,
    /// A ClusterConfiguration that a person gave.
    pub cluster_config: Option<&'a Path>,
    /// Copies of admin.conf that are looked at.
    pub copies: &'a [PathBuf],
    /// Those that are not stale yet will be.
    pub admin_is_renewed: bool,
}

/// The facts, and the cluster's configuration if it could be had.
pub fn gather(question: &Question<'_>, now: UnixTime) -> (NodeFacts, Option<Settled>) {
    let places = question.places;
    let mut facts = NodeFacts {
        obstacles: preflight::obstacles(places, now),
        copies: copies::stale(places, question.copies, question.admin_is_renewed),
        copies_left: copies::left_alone(places, question.copies),
        not_embedded: not_embedded(places),
        kubelet_not_after: kubelet::client_not_after(places),
        kubelet_is_stranded: kubelet::is_stranded(places),
        ..NodeFacts::default()
    };
    let mut witnesses = preflight::witnesses(places);
    let plane = match ControlPlane::read(places) {
        Ok(plane) => plane,
        Err(fault) => {
            facts.obstacles.extend(clock::doubt(now, &witnesses).map(Obstacle::Clock));
            if facts.obstacles.is_empty() {
                facts.obstacles.push(Obstacle::NotAllowed(fault.what));
            }
            return (facts, None);
        }
    };
    facts.components = plane.facts();
    facts.has_external_etcd = plane.has_external_etcd();
    facts.obstacles.extend(plane.obstacles());
    witnesses.nodes = plane.other_clocks(now);
    facts.obstacles.extend(clock::doubt(now, &witnesses).map(Obstacle::Clock));
    match cluster_config::settle(places, &plane, question.cluster_config) {
        Ok(settled) => {
            facts.has_external_etcd |= settled.config.has_external_etcd;
            facts.leaf_lifetime = settled.config.leaf_lifetime;
            (facts, Some(settled))
        }
        Err(fault) => {
            facts.obstacles.push(Obstacle::NoClusterConfig(fault.what));
            (facts, None)
        }
    }
}

/// kubeadm's kubeconfigs whose user names files: kubeadm fails on them.
fn not_embedded(places: &Places) -> Vec<&'static str> {
    let names = role::KUBEADM.iter().map(|role| role.id).filter(|name| name.ends_with(".conf"));
    names.filter(|name| names_files(&places.kubernetes.join(name))).collect()
}

fn names_files(path: &Path) -> bool {
    let Ok(Some(bytes)) = files::read(path) else { return false };
    let Ok(config) = kubeconfig::read(&bytes) else { return false };
    config.users.iter().any(|user| matches!(user.certificate, Source::File(_)))
}
