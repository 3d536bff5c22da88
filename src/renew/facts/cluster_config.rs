//! The cluster's configuration, which kubeadm must be given: without it, and without an API that
//! answers, it falls back to its defaults and says so in one line that nobody reads.
//!
//! What a renewal needs of it is kept while the API answers. On the day on which there is neither, it is told by the
//! manifests and the certificates. Kubeadm is given what [`kubeadm_config`] writes of it, and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::domain::kubernetes::Version;
use crate::domain::layout::{self, shown};
use crate::domain::renewal::Fault;
use crate::domain::renewal::kubeadm_config::{self, ClusterConfig, KubeadmConfigError};
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};
use crate::fs::inode::Ownership;
use crate::fs::{read, replace};
use crate::node::{ControlPlane, NodePaths};
use crate::parse::cluster_config;
use crate::sys;

use super::present;

/// How old the kept copy may be before the API is asked again for what it says.
pub(crate) const KEPT_AGE: Span = Span::days(7);

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterConfigSource {
    /// The API, just now.
    Api,
    /// A person.
    Given,
    /// The copy that was kept.
    Kept,
    /// The manifests and certificates of this node.
    Node,
}

/// What is known of the cluster's configuration.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What it says.
    pub config: ClusterConfig,
    /// Where it comes from.
    pub source: ClusterConfigSource,
    /// What people should know of it: whole sentences.
    pub notes: Vec<String>,
}

/// The best configuration that can be had: what a person gives, or else what the API says, or the
/// copy that was kept, or what this node shows to a kubeadm of this version.
///
/// # Errors
/// None can be had, or kubeadm would work elsewhere with it than on the staging copy.
pub fn settle(
    paths: &NodePaths,
    plane: &ControlPlane,
    given: Option<&Path>,
    kubeadm: Option<Version>,
) -> Result<Settled, Fault> {
    let settled = match given {
        Some(path) => by_hand(path)?,
        None => find(paths, plane, kubeadm)?,
    };
    check_pki(paths, &settled.config.certificates_dir)?;
    Ok(settled)
}

/// kubeadm works on the staging copy, which has this node's own pki and no other: a user who can write the cluster's
/// configuration must not decide where the certificates of a node are.
fn check_pki(paths: &NodePaths, dir: &Path) -> Result<(), Fault> {
    let name = layout::certificates_dir(dir).ok_or_else(|| {
        Fault::failed(KubeadmConfigError::CertificatesDir(dir.to_owned()).to_string())
    })?;
    let identity = |path: PathBuf| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    let named = identity(paths.kubernetes.join(name));
    if named.is_none() || named != identity(paths.pki()) {
        return Err(Fault::failed(format!(
            "its certificatesDir is {}, and that is not the pki directory of this node, which is {}",
            escape_control(&dir.to_string_lossy()),
            shown(&paths.pki())
        )));
    }
    Ok(())
}

fn by_hand(path: &Path) -> Result<Settled, Fault> {
    let unreadable = |why: &dyn std::fmt::Display| Fault::failed(format!("{}: {why}", shown(path)));
    let text = read(path)?.ok_or_else(|| Fault::failed(format!("there is no {}", shown(path))))?;
    let config = cluster_config::read(&text).map_err(|why| unreadable(&why))?;
    Ok(Settled { config, source: ClusterConfigSource::Given, notes: Vec::new() })
}

fn find(
    paths: &NodePaths,
    plane: &ControlPlane,
    kubeadm: Option<Version>,
) -> Result<Settled, Fault> {
    let silent = match plane.cluster_config() {
        Ok(text) => return from_api(&text),
        Err(fault) => fault,
    };
    let kept = kept(paths);
    if let Ok(Some(config)) = kept {
        return Ok(Settled { config, source: ClusterConfigSource::Kept, notes: Vec::new() });
    }
    let damaged = kept.err().map(|fault| format!("the saved copy cannot be used: {}", fault.what));
    match present::config(paths, plane, kubeadm) {
        Ok(present::Present { config, notes }) => {
            let notes = notes.into_iter().chain(damaged).collect();
            Ok(Settled { config, source: ClusterConfigSource::Node, notes })
        }
        Err(why) => Err(Fault::failed(format!("{}; no copy was kept, and {why}", silent.what))),
    }
}

fn from_api(text: &str) -> Result<Settled, Fault> {
    let config = cluster_config::read(text).map_err(|why| {
        Fault::failed(format!("the ConfigMap kubeadm-config cannot be parsed: {why}"))
    })?;
    Ok(Settled { config, source: ClusterConfigSource::Api, notes: Vec::new() })
}

fn kept(paths: &NodePaths) -> Result<Option<ClusterConfig>, Fault> {
    let path = paths.cluster_config();
    let Some(text) = read(&path)? else { return Ok(None) };
    let unreadable = |why| Fault::failed(format!("{}: {why}", shown(&path)));
    cluster_config::read(&text).map(Some).map_err(unreadable)
}

fn read(path: &Path) -> Result<Option<String>, Fault> {
    let Some(bytes) = read::optional(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::failed(format!("{} is not UTF-8 text", shown(path))))?;
    Ok(Some(text))
}

/// Saves what came from the API or a person for the day on which there is neither. What comes from the saved copy is
/// not saved again: it would look as if the API had just said so. What must not be in the copy is not saved, and a
/// renewal says why.
///
/// # Errors
/// It cannot be written.
pub fn keep(paths: &NodePaths, settled: &Settled) -> Result<(), Fault> {
    let is_news = matches!(settled.source, ClusterConfigSource::Api | ClusterConfigSource::Given);
    match kubeadm_config::keep(&settled.config) {
        Ok(text) if is_news => {
            Ok(replace::write(&paths.cluster_config(), text.as_bytes(), Ownership::private())?)
        }
        _ => Ok(()),
    }
}

/// Writes the text for kubeadm where it is given to it.
///
/// # Errors
/// It cannot be written.
pub fn hand_over(paths: &NodePaths, text: &str) -> Result<PathBuf, Fault> {
    let path = paths.kubeadm_config();
    replace::write(&path, text.as_bytes(), Ownership::private())?;
    Ok(path)
}

/// True if there is a kept copy in the directory for renewals, of what the API said within a week.
pub(crate) fn is_recent(work: &Path, now: UnixTime) -> bool {
    let kept = fs::metadata(NodePaths::cluster_config_in(work)).and_then(|it| it.modified());
    kept.map(sys::unix_time).is_ok_and(|at| now - at < KEPT_AGE && at <= now)
}

/// Asks the API for the configuration, and keeps it.
///
/// # Errors
/// The API does not answer, what it says cannot be understood, or it cannot be written.
pub fn refresh(paths: &NodePaths) -> Result<(), Fault> {
    keep(paths, &from_api(&ControlPlane::read(paths)?.cluster_config()?)?)
}

#[cfg(test)]
#[path = "tests/cluster_config.rs"]
mod tests;
