//! `[cluster]`: what the cluster is called.

use serde::Serialize;

use super::section::Section;
use super::value;

/// What the cluster is called.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClusterNameConfig {
    /// Its name in every message, the same on all of its nodes; without it, what admin.conf says.
    pub name: Option<String>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> ClusterNameConfig {
    ClusterNameConfig { name: section.optional("name", value::cluster_name).value }
}
