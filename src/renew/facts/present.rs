//! The cluster's configuration as the node itself shows it: by the API server's flags and the certificates that are
//! there.

use std::path::{Path, PathBuf};

use crate::domain::kubernetes::Version;
use crate::domain::layout::KUBERNETES;
use crate::domain::model::Certificate;
use crate::domain::renewal::kubeadm_config::{ApiVersion, ClusterConfig, Etcd, KeyAlgorithm};
use crate::domain::renewal::present::{self, Keys, Leaf, Validity};
use crate::domain::role;
use crate::domain::time::Span;
use crate::fs::read;
use crate::node::paths::pki_name;
use crate::node::{ControlPlane, NodePaths};
use crate::parse::x509::{self, Authority, Issuers};
use crate::parse::{pem, public_key};
use crate::renew::tree::inspect::paths_of;

/// A configuration that was made up, and what people should know of it: whole sentences.
pub(crate) struct Present {
    pub(crate) config: ClusterConfig,
    pub(crate) notes: Vec<String>,
}

/// What this node shows, for a kubeadm of this version.
///
/// # Errors
/// What its keys are made of cannot be told; why, as a clause.
pub(crate) fn config(
    paths: &NodePaths,
    plane: &ControlPlane,
    kubeadm: Option<Version>,
) -> Result<Present, String> {
    let leaves = leaves(paths);
    let (algorithm, mixed) = algorithm(&leaves)?;
    let (validity, unsure) = validity(&leaves, kubeadm);
    let config = ClusterConfig {
        kubernetes: plane.version(),
        certificates_dir: certificates_dir(paths, plane),
        etcd: etcd(paths, plane)?,
        algorithm,
        validity,
    };
    let notes = std::iter::once(summary(&config)).chain(mixed).chain(unsure).collect();
    Ok(Present { config, notes })
}

/// Told before a person's keys become of another kind.
pub(crate) fn change_of_keys(paths: &NodePaths, config: &ClusterConfig) -> Option<String> {
    let (Keys::Same(present) | Keys::Mixed(present)) = present::keys(&leaves(paths)) else {
        return None;
    };
    let [present, new] = [present, config.algorithm].map(KeyAlgorithm::name);
    (present != new).then(|| {
        format!("the present keys are {present}, and the cluster's configuration asks for {new}")
    })
}

fn summary(config: &ClusterConfig) -> String {
    let etcd = if config.etcd == Etcd::Local { "here" } else { "elsewhere" };
    let validity = config.validity.map_or_else(|| "a year".to_owned(), |it| it.to_string());
    format!(
        "the cluster configuration is available neither from the API nor from a saved copy: it is derived \
         from the manifests and certificates of this node ({} keys, valid for {validity}, etcd {etcd})",
        config.algorithm.name()
    )
}

fn algorithm(leaves: &[Leaf]) -> Result<(KeyAlgorithm, Option<String>), String> {
    match present::keys(leaves) {
        Keys::Same(algorithm) => Ok((algorithm, None)),
        Keys::Mixed(algorithm) => {
            let note = format!("the present keys are of several types: all new ones will be {}", algorithm.name());
            Ok((algorithm, Some(note)))
        }
        Keys::Unknown => Err(
            "none of kubeadm's certificates shows its key algorithm: encryptionAlgorithm is missing".to_owned(),
        ),
    }
}

/// Without its manifest it runs elsewhere, unless somebody has moved that away.
fn etcd(paths: &NodePaths, plane: &ControlPlane) -> Result<Etcd, String> {
    if !plane.has_external_etcd() {
        return Ok(Etcd::Local);
    }
    let external = plane.external_etcd();
    let is_here = |url: &String| {
        ["//127.0.0.1:", "//[::1]:", "//localhost:"].iter().any(|host| url.contains(host))
    };
    let is_asked_here = external.endpoints.iter().any(is_here);
    if is_asked_here && paths.pki().join("etcd/server.crt").exists() {
        return Err(
            "the API server uses an etcd on this node, but its manifest etcd.yaml is missing"
                .to_owned(),
        );
    }
    Ok(Etcd::External(external))
}

/// An older kubeadm knows of a year alone.
fn validity(leaves: &[Leaf], kubeadm: Option<Version>) -> (Option<Span>, Option<String>) {
    let may_differ = kubeadm.and_then(ApiVersion::newest) == Some(ApiVersion::V1beta4);
    match present::validity(leaves) {
        Validity::Year => (None, None),
        Validity::Of(span) => (Some(span), None),
        Validity::AtMost(span) => {
            let note = format!(
                "the validity period cannot be determined from the present certificates ({span} at most): \
                 the new ones are valid for a year"
            );
            (None, Some(note).filter(|_| may_differ))
        }
        Validity::Unknown => (None, None),
    }
}

/// Where kubeadm's files are by the API server's flags, or as they lie there.
fn certificates_dir(paths: &NodePaths, plane: &ControlPlane) -> PathBuf {
    let found = || Path::new(KUBERNETES).join(pki_name(&paths.kubernetes).unwrap_or_default());
    plane.certificates_dir().unwrap_or_else(found)
}

/// Those of the pki directory that kubeadm can have signed here.
fn leaves(paths: &NodePaths) -> Vec<Leaf> {
    let pairs = role::KUBEADM.iter().filter(|role| !role.id.ends_with(".conf"));
    pairs.filter_map(|role| leaf(paths, role)).collect()
}

fn leaf(paths: &NodePaths, role: &role::Role) -> Option<Leaf> {
    let ca = paths.pki().join(role.ca?);
    if !ca.with_extension("key").exists() {
        return None;
    }
    let path = paths_of(&paths.kubernetes, role.id).ok()?.pop()?;
    let (der, certificate) = read(&paths.kubernetes.join(path))?;
    Some(Leaf {
        algorithm: public_key::algorithm(&der),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        ca_not_before: read(&ca).map(|(_, ca)| ca.not_before),
    })
}

/// The first certificate of a file.
fn read(path: &Path) -> Option<(Vec<u8>, Certificate)> {
    let bytes = read::optional(path).ok()??;
    let der = pem::certificates(&bytes).into_iter().next()?.ok()?.der;
    let read = x509::read(&der, false, Authority::Beside(&[]), &Issuers::default()).ok()?;
    Some((der, read))
}

#[cfg(test)]
#[path = "tests/present.rs"]
mod tests;
