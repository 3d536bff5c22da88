//! kubeadm's ClusterConfiguration, as far as a renewal depends on it
//! (`kubeadm.k8s.io/v1beta1` to `v1beta4`, which agree in it).

use std::path::PathBuf;

use serde::Deserialize;

use super::{duration, yaml};
use crate::domain::kubernetes::Version;
use crate::domain::layout::{KUBERNETES, PKI_NAMES};
use crate::domain::renewal::kubeadm_config::{ClusterConfig, Etcd, ExternalEtcd, KeyAlgorithm};
use crate::domain::text::escape_control;
use crate::domain::time::Span;

/// Why a text says nothing that a renewal could go by; a clause without a full stop.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is no YAML, or a field is not of its type; line and column in its document, if known.
    #[error("not YAML, or not of the expected form{}", place(*.0))]
    Form(Option<(u64, u64)>),
    /// None of its documents is one.
    #[error("it contains no kubeadm ClusterConfiguration")]
    Missing,
    /// It is of an API version that did not exist when this was written.
    #[error("its API version is {}, which certwatch does not know", escape_control(.0))]
    Api(String),
    /// A field has a value that is not known.
    #[error("its {} is `{}`, which is not known here", .0, escape_control(.1))]
    Value(&'static str, String),
}

const APIS: [&str; 4] = ["v1beta1", "v1beta2", "v1beta3", "v1beta4"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfigurationYaml {
    kubernetes_version: Option<String>,
    certificates_dir: Option<PathBuf>,
    encryption_algorithm: Option<String>,
    certificate_validity_period: Option<String>,
    feature_gates: Option<Gates>,
    etcd: Option<EtcdYaml>,
}

#[derive(Deserialize)]
struct Gates {
    /// It stood for ECDSA on P-256 from 1.19 on, and went with 1.37.
    #[serde(rename = "PublicKeysECDSA")]
    ecdsa: Option<bool>,
}

#[derive(Deserialize)]
struct EtcdYaml {
    external: Option<External>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct External {
    endpoints: Option<Vec<String>>,
    ca_file: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
}

/// Reads the ClusterConfiguration among the documents of a file.
///
/// # Errors
/// There is none, or it says something that cannot be understood: nobody may take a default for that.
pub(crate) fn read(text: &str) -> Result<ClusterConfig, Unreadable> {
    for document in documents(text) {
        let head: Head = yaml::read(document.as_bytes()).map_err(Unreadable::Form)?;
        let Some(version) = head.api_version.strip_prefix("kubeadm.k8s.io/") else { continue };
        if head.kind != "ClusterConfiguration" {
            continue;
        }
        if !APIS.contains(&version) {
            return Err(Unreadable::Api(head.api_version));
        }
        let document: ClusterConfigurationYaml =
            yaml::read(document.as_bytes()).map_err(Unreadable::Form)?;
        return config(document);
    }
    Err(Unreadable::Missing)
}

fn config(document: ClusterConfigurationYaml) -> Result<ClusterConfig, Unreadable> {
    let dir = document.certificates_dir.filter(|dir| !dir.as_os_str().is_empty());
    let default_dir = || PathBuf::from(KUBERNETES).join(PKI_NAMES[0]);
    let validity = document
        .certificate_validity_period
        .map(|text| lifetime(&text).ok_or(Unreadable::Value("certificateValidityPeriod", text)));
    let gate = document.feature_gates.and_then(|gates| gates.ecdsa);
    Ok(ClusterConfig {
        // `stable-1` and the like are asked of the network.
        kubernetes: document.kubernetes_version.as_deref().and_then(Version::parse),
        certificates_dir: dir.unwrap_or_else(default_dir),
        etcd: document.etcd.and_then(|etcd| etcd.external).map_or(Etcd::Local, external),
        algorithm: algorithm(document.encryption_algorithm, gate)?,
        validity: validity.transpose()?,
    })
}

/// The gate wins, as in kubeadm (`EncryptionAlgorithmType()` in its apis/kubeadm/types.go, up to 1.36).
fn algorithm(name: Option<String>, gate: Option<bool>) -> Result<KeyAlgorithm, Unreadable> {
    match (gate, name.filter(|name| !name.is_empty())) {
        (Some(true), _) => Ok(KeyAlgorithm::EcdsaP256),
        (Some(false), _) | (None, None) => Ok(KeyAlgorithm::default()),
        (None, Some(name)) => {
            KeyAlgorithm::named(&name).ok_or(Unreadable::Value("encryptionAlgorithm", name))
        }
    }
}

fn external(it: External) -> Etcd {
    let file = |file: Option<String>| file.filter(|file| !file.is_empty());
    Etcd::External(ExternalEtcd {
        endpoints: it.endpoints.unwrap_or_default(),
        ca_file: file(it.ca_file),
        cert_file: file(it.cert_file),
        key_file: file(it.key_file),
    })
}

fn place(place: Option<(u64, u64)>) -> String {
    place.map_or_else(String::new, |(line, column)| format!(" (line {line}, column {column})"))
}

fn documents(text: &str) -> impl Iterator<Item = String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        match documents.last_mut() {
            Some(last) if line.trim_end() != "---" => {
                last.push_str(line);
                last.push('\n');
            }
            _ => documents.push(String::new()),
        }
    }
    documents.into_iter().filter(|document| !document.trim().is_empty())
}

/// Of which a certificate can be good for: whole seconds, and more than none.
fn lifetime(text: &str) -> Option<Span> {
    let seconds = i64::try_from(duration::read(text)?.as_secs()).ok()?;
    (seconds > 0).then_some(Span::seconds(seconds))
}

#[cfg(test)]
mod tests;
