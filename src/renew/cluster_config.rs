//! The cluster's configuration, which kubeadm must be given: without it, and without an API that
//! answers, it falls back to its defaults and says so in one line that nobody reads.
//!
//! A copy is kept while the API answers. On the day on which there is neither, one is made from what
//! the manifests say; everything else that matters kubeadm takes from the old certificates.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::domain::renewal::Fault;
use crate::domain::text::safe;
use crate::parse::cluster_config::{self, ClusterConfig};
use crate::parse::{pem, x509};

use super::control_plane::ControlPlane;
use super::files::{self, shown};
use super::places::Places;

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The API, just now.
    Api,
    /// A person.
    Given,
    /// The copy that was kept.
    Kept,
    /// The manifests.
    Manifests,
}

/// A configuration that kubeadm can be given.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its text, with an InitConfiguration, so that kubeadm does not look for an address itself.
    pub text: String,
    /// Where it comes from.
    pub source: Source,
    /// What it says.
    pub config: ClusterConfig,
}

/// The best configuration that can be had: what a person gives, or else what the API says, or the
/// copy that was kept, or what can be told from the manifests.
///
/// # Errors
/// None can be had, or kubeadm would work elsewhere with it than on the staging copy.
pub fn settle(
    places: &Places,
    plane: &ControlPlane,
    given: Option<&Path>,
) -> Result<Settled, Fault> {
    let (text, source) = find(places, plane, given)?;
    let config = cluster_config::read(&text).map_err(|_| {
        Fault::failed(format!("what is known of it ({}) is no ClusterConfiguration", source.name()))
    })?;
    let dir = config.certificates_dir.as_deref().unwrap_or(Path::new("/etc/kubernetes/pki"));
    if !dir.starts_with("/etc/kubernetes") {
        return Err(Fault::failed(format!(
            "it keeps the certificates in {}, and only /etc/kubernetes can be renewed safely",
            shown(dir)
        )));
    }
    let text = match plane.advertise_address() {
        Some(address) if !config.has_init => with_init(&text, &config, address),
        _ => text,
    };
    Ok(Settled { text, source, config })
}

/// Writes it down for kubeadm; what came from the API or a person is kept for the day on which there
/// is neither.
///
/// # Errors
/// It cannot be written.
pub fn keep(places: &Places, settled: &Settled) -> Result<PathBuf, Fault> {
    let path = match settled.source {
        Source::Api | Source::Given | Source::Kept => places.cluster_config(),
        Source::Manifests => places.work.join("cluster-config-from-manifests.yaml"),
    };
    if settled.source == Source::Kept && read(&path)?.as_ref() == Some(&settled.text) {
        // Written anew, it would look as if the API had just said so.
        return Ok(path);
    }
    files::write(&path, settled.text.as_bytes(), files::Owner::private())?;
    Ok(path)
}

fn find(
    places: &Places,
    plane: &ControlPlane,
    given: Option<&Path>,
) -> Result<(String, Source), Fault> {
    if let Some(path) = given {
        let text =
            read(path)?.ok_or_else(|| Fault::failed(format!("there is no {}", shown(path))))?;
        return Ok((text, Source::Given));
    }
    let fault = match plane.cluster_config() {
        Ok(text) => return Ok((text, Source::Api)),
        Err(fault) => fault,
    };
    if let Some(text) = read(&places.cluster_config())? {
        return Ok((text, Source::Kept));
    }
    match from_manifests(places, plane) {
        Some(text) => Ok((text, Source::Manifests)),
        None => Err(fault),
    }
}

fn read(path: &Path) -> Result<Option<String>, Fault> {
    let Some(bytes) = files::read(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::failed(format!("{} is no text", shown(path))))?;
    Ok(Some(text))
}

/// What kubeadm needs to know of a cluster with kubeadm's own layout and RSA keys: whether etcd is
/// its own, and the version, so that it does not ask the network for one.
fn from_manifests(places: &Places, plane: &ControlPlane) -> Option<String> {
    let (major, minor) = plane.version()?;
    if plane.has_external_etcd() || !has_rsa_key(places) {
        return None;
    }
    // v1beta3 came with 1.22, and v1beta2 went with 1.27 (kubernetes/kubeadm#1796).
    let api = if minor < 22 { "v1beta2" } else { "v1beta3" };
    Some(format!(
        "apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\n\
         kubernetesVersion: v{major}.{minor}.0\ncertificatesDir: /etc/kubernetes/{pki}\n\
         etcd:\n  local:\n    dataDir: /var/lib/etcd\n",
        pki = super::stage::pki_name(&places.kubernetes).ok()?,
    ))
}

/// True if the API server's certificate is for an RSA key, which is kubeadm's default.
fn has_rsa_key(places: &Places) -> bool {
    let bytes = files::read(&places.pki().join("apiserver.crt")).ok().flatten();
    let first = bytes.and_then(|bytes| pem::certificates(&bytes).into_iter().next());
    first.and_then(Result::ok).is_some_and(|block| x509::has_rsa_key(&block.der))
}

/// kubeadm would look for an address of its own, and fail on a node without a default route; that of
/// the API server does for it, and gets into no certificate.
fn with_init(text: &str, config: &ClusterConfig, address: IpAddr) -> String {
    format!(
        "{}\n---\napiVersion: {}\nkind: InitConfiguration\nlocalAPIEndpoint:\n  advertiseAddress: {address}\n",
        text.trim_end(),
        safe(&config.api_version),
    )
}

impl Source {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "from the API",
            Self::Given => "as given",
            Self::Kept => "as kept from before",
            Self::Manifests => "made from the manifests",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::super::testing::Node;
    use super::*;

    fn settled(source: Source) -> Settled {
        let text = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n";
        Settled { text: text.to_owned(), source, config: cluster_config::read(text).unwrap() }
    }

    /// By its age it is told when the API has to be asked for it again.
    #[test]
    fn a_kept_copy_grows_old() {
        let node = Node::new();
        files::create_dirs(&node.places.work, Path::new("")).unwrap();
        let path = keep(&node.places, &settled(Source::Api)).unwrap();
        let old = SystemTime::UNIX_EPOCH;
        fs::File::open(&path).unwrap().set_modified(old).unwrap();
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        keep(&node.places, &settled(Source::Kept)).unwrap();
        assert_eq!(written(), old);
        keep(&node.places, &settled(Source::Api)).unwrap();
        assert_ne!(written(), old);
    }
}
