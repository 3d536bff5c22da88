//! The configuration that kubeadm is given, and the only writer of it.
//!
//! It says what a renewal needs and nothing else, in the newest API version that the installed kubeadm reads. Whoever
//! and whatever the cluster's own configuration comes from, kubeadm sees no other text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::kubernetes::{Feature, Version};
use crate::domain::layout::{KUBERNETES, certificates_dir, in_copy};
use crate::domain::text::{escape_control, is_unsafe};
use crate::domain::time::Span;

/// What a renewal needs of a ClusterConfiguration. What it leaves out has kubeadm's default here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterConfig {
    /// `kubernetesVersion`, where it is a number.
    pub kubernetes: Option<Version>,
    /// `certificatesDir`, as it is written there.
    pub certificates_dir: PathBuf,
    /// Whose etcd it is.
    pub etcd: Etcd,
    /// `encryptionAlgorithm`, or what stood for it before v1beta4.
    pub algorithm: KeyAlgorithm,
    /// `certificateValidityPeriod`; `None` is kubeadm's year.
    pub validity: Option<Span>,
}

/// Where etcd runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Etcd {
    /// kubeadm has made it, and renews its certificates.
    Local,
    /// Elsewhere: kubeadm renews none of its certificates.
    External(ExternalEtcd),
}

/// An etcd that is not kubeadm's, as the API server is told to reach it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExternalEtcd {
    /// URLs, one at least.
    pub endpoints: Vec<String>,
    /// The CA that it is known by; without all three files it is asked over plain HTTP.
    pub ca_file: Option<String>,
    /// The API server's certificate for it.
    pub cert_file: Option<String>,
    /// Its key.
    pub key_file: Option<String>,
}

/// What kubeadm makes keys of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KeyAlgorithm {
    /// kubeadm's default.
    #[default]
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
}

/// A version of kubeadm's API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApiVersion {
    /// `kubeadm.k8s.io/v1beta2`
    V1beta2,
    /// `kubeadm.k8s.io/v1beta3`
    V1beta3,
    /// `kubeadm.k8s.io/v1beta4`
    V1beta4,
}

/// A configuration for kubeadm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KubeadmConfig {
    /// Its text: a ClusterConfiguration and an InitConfiguration.
    pub text: String,
    /// What the API version of this kubeadm cannot say.
    pub losses: Vec<Loss>,
}

/// What kubeadm will do otherwise, since its API version has no word for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// Certificates will live a year, and not so long.
    Validity(Span),
    /// Keys will be RSA with 2048 bits, and not these.
    KeySize(KeyAlgorithm),
}

/// Why no configuration can be made: what is missing, as a clause without a full stop.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KubeadmConfigError {
    /// No API version of this kubeadm's is known.
    #[error("kubeadm {0} reads no configuration version that certwatch knows")]
    NoApi(Version),
    /// It would make keys of another kind than those that are there.
    #[error("its keys are {}, which kubeadm {} does not support", .0.name(), .1)]
    Algorithm(KeyAlgorithm, Version),
    /// It is relative, or written with `..`, or holds more than kubeadm's pki.
    #[error(
        "its certificatesDir is {}, and only a dedicated directory with an absolute path can be renewed safely",
        escape_control(&.0.to_string_lossy())
    )]
    CertificatesDir(PathBuf),
    /// etcd runs elsewhere, and nothing says where.
    #[error("etcd is external, and none of its endpoints is known (etcd.external.endpoints)")]
    NoEndpoints,
    /// The first of these can hold what does not belong there: a line of its own, or a password.
    #[error("{} is `{}`, which is none", .0, escape_control(.1))]
    Odd(&'static str, String),
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::EcdsaP256, Self::EcdsaP384];

    /// kubeadm's name for it (`EncryptionAlgorithmType` in its v1beta4/types.go).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
            Self::EcdsaP256 => "ECDSA-P256",
            Self::EcdsaP384 => "ECDSA-P384",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl ApiVersion {
    /// All of them, the newest first.
    pub const ALL: [Self; 3] = [Self::V1beta4, Self::V1beta3, Self::V1beta2];

    /// The newest that a kubeadm of this version reads.
    pub fn newest(kubeadm: Version) -> Option<Self> {
        Self::ALL.into_iter().find(|api| kubeadm.has(api.feature()))
    }

    const fn feature(self) -> Feature {
        match self {
            Self::V1beta2 => Feature::ConfigV1beta2,
            Self::V1beta3 => Feature::ConfigV1beta3,
            Self::V1beta4 => Feature::ConfigV1beta4,
        }
    }

    /// As `apiVersion` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1beta2 => "kubeadm.k8s.io/v1beta2",
            Self::V1beta3 => "kubeadm.k8s.io/v1beta3",
            Self::V1beta4 => "kubeadm.k8s.io/v1beta4",
        }
    }
}

impl Loss {
    /// What to expect, as a whole sentence for people.
    pub fn words(self) -> String {
        match self {
            Self::Validity(validity) => format!(
                "certificates were made for {validity}, which this kubeadm does not support: the new ones are \
                 valid for a year"
            ),
            Self::KeySize(algorithm) => format!(
                "the keys are {}, which this kubeadm does not support: the new ones are RSA-2048",
                algorithm.name()
            ),
        }
    }
}

/// kubeadm's own default, which it need not be told.
const YEAR: Span = Span::days(365);

const HEAD: &str = "\
# Written by certwatch: what `kubeadm certs renew` needs to know, and nothing else.
# Not for `kubeadm init` or `kubeadm upgrade`: for all the rest they would take their defaults.
";

/// None of it gets into a renewed certificate. Without it kubeadm looks for an address of its own, and fails on a node
/// without a default route; for the host's name, which need not be one of a node; and for a container runtime, and
/// fails where there are two. The address is one for documentation (RFC 5737).
const INIT: &str = "\
localAPIEndpoint:
  advertiseAddress: 192.0.2.1
nodeRegistration:
  name: node
  criSocket: unix:///run/containerd/containerd.sock
";

/// The text for an installed kubeadm. It says kubeadm's own version as the cluster's: a renewal makes no use of it, and
/// kubeadm accepts no other more than one minor version older, such as that of a kept copy.
///
/// # Errors
/// It cannot be told what is there: kubeadm would do something else.
pub fn write(
    config: &ClusterConfig,
    kubeadm: Version,
) -> Result<KubeadmConfig, KubeadmConfigError> {
    let api = ApiVersion::newest(kubeadm).ok_or(KubeadmConfigError::NoApi(kubeadm))?;
    if config.algorithm == KeyAlgorithm::EcdsaP384 && !kubeadm.has(Feature::KeysOnP384) {
        return Err(KubeadmConfigError::Algorithm(config.algorithm, kubeadm));
    }
    Ok(KubeadmConfig { text: text(config, api, Some(kubeadm))?, losses: losses(config, api) })
}

/// The text to keep for the day on which the API does not answer, in the newest API version, which can say all of it.
///
/// # Errors
/// Something in it is not what it should be.
pub fn keep(config: &ClusterConfig) -> Result<String, KubeadmConfigError> {
    text(config, ApiVersion::V1beta4, config.kubernetes)
}

/// A text of [`write()`]'s for a kubeadm that works on the staging copy, seen as /etc/kubernetes: there the certificates of
/// another directory are too.
pub(crate) fn for_stage(text: &str) -> String {
    let is_below = |dir: &str| Path::new(dir).starts_with(KUBERNETES);
    let lines = text.lines().map(|line| match line.strip_prefix(CERTIFICATES_DIR) {
        Some(dir) if !is_below(dir) => {
            let staged = in_copy(Path::new(KUBERNETES), Path::new(dir));
            format!("{CERTIFICATES_DIR}{}\n", staged.display())
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

const CERTIFICATES_DIR: &str = "certificatesDir: \"";

fn losses(config: &ClusterConfig, api: ApiVersion) -> Vec<Loss> {
    if api == ApiVersion::V1beta4 {
        return Vec::new();
    }
    let validity = config.validity.filter(|it| *it != YEAR).map(Loss::Validity);
    let is_lost = matches!(config.algorithm, KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096);
    let size = is_lost.then_some(Loss::KeySize(config.algorithm));
    validity.into_iter().chain(size).collect()
}

fn text(
    config: &ClusterConfig,
    api: ApiVersion,
    kubernetes: Option<Version>,
) -> Result<String, KubeadmConfigError> {
    let dir = &config.certificates_dir;
    let plain =
        certificates_dir(dir).ok_or_else(|| KubeadmConfigError::CertificatesDir(dir.clone()))?;
    let dir = Path::new(KUBERNETES).join(plain);
    // What is no UTF-8 is shown by a character that is not in the path.
    let is_text = |text: &str| Path::new(text) == dir;
    let dir = quoted("certificatesDir", &dir.to_string_lossy(), is_text)?;
    let api_name = api.name();
    let mut out = format!("{HEAD}apiVersion: {api_name}\nkind: ClusterConfiguration\n");
    // Writing to a String cannot fail, here and below.
    if let Some(version) = kubernetes {
        let _ = writeln!(out, "kubernetesVersion: v{version}");
    }
    let _ = writeln!(out, "certificatesDir: {dir}");
    out.push_str(&keys_and_validity(config, api));
    etcd(&mut out, &config.etcd)?;
    let _ = write!(out, "---\napiVersion: {api_name}\nkind: InitConfiguration\n{INIT}");
    Ok(out)
}

/// Before v1beta4 there was a gate for ECDSA, from kubeadm 1.19 on, and nothing else.
fn keys_and_validity(config: &ClusterConfig, api: ApiVersion) -> String {
    let algorithm = config.algorithm;
    if api != ApiVersion::V1beta4 {
        let is_ecdsa = algorithm == KeyAlgorithm::EcdsaP256;
        return if is_ecdsa {
            "featureGates:\n  PublicKeysECDSA: true\n".to_owned()
        } else {
            String::new()
        };
    }
    let validity = |it| format!("certificateValidityPeriod: {}\n", go_duration(it));
    let validity = config.validity.map_or_else(String::new, validity);
    format!("encryptionAlgorithm: {}\n{validity}", algorithm.name())
}

/// As Kubernetes writes it: `8760h0m0s`.
fn go_duration(span: Span) -> String {
    let seconds = span.as_seconds();
    format!("{}h{}m{}s", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn etcd(out: &mut String, etcd: &Etcd) -> Result<(), KubeadmConfigError> {
    let external = match etcd {
        Etcd::Local => {
            out.push_str("etcd:\n  local:\n    dataDir: /var/lib/etcd\n");
            return Ok(());
        }
        Etcd::External(external) => external,
    };
    if external.endpoints.is_empty() {
        return Err(KubeadmConfigError::NoEndpoints);
    }
    out.push_str("etcd:\n  external:\n    endpoints:\n");
    for endpoint in &external.endpoints {
        let _ = writeln!(out, "    - {}", quoted("an endpoint of etcd", endpoint, is_endpoint)?);
    }
    let files = [
        ("caFile", &external.ca_file),
        ("certFile", &external.cert_file),
        ("keyFile", &external.key_file),
    ];
    for (name, file) in files {
        if let Some(file) = file {
            let _ = writeln!(out, "    {name}: {}", quoted(name, file, |it| it.starts_with('/'))?);
        }
    }
    Ok(())
}

/// No user and password: this is kept on disk, and etcd takes none there.
fn is_endpoint(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

/// A scalar in double quotes, as YAML reads it. A line break in it, or what turns the reading direction, has no place
/// in an address or a path.
fn quoted(
    field: &'static str,
    text: &str,
    is_right: impl Fn(&str) -> bool,
) -> Result<String, KubeadmConfigError> {
    if text.chars().any(is_unsafe) || !is_right(text) {
        return Err(KubeadmConfigError::Odd(field, text.to_owned()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests;
