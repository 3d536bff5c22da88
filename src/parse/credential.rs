//! The client pairs of a kubeconfig: the one place that reads keys from one, to present or to copy them.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Deserialize;

use super::kubeconfig::{self, CurrentContext, KubeconfigYaml, PemSource};
use super::{pem, yaml};

/// What the user of the current context presents, and whom it trusts. It is not `Debug`: it holds a key.
pub(crate) struct Credential {
    /// The names of cluster and user.
    pub context: CurrentContext,
    /// The cluster's CA, in PEM.
    pub ca: Vec<u8>,
    /// The client certificate and its key.
    pub pair: KeyPair,
}

/// A certificate and its key in PEM. It is not `Debug` either.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct KeyPair {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

/// The same in base64, as it stands in a kubeconfig.
#[derive(Eq, PartialEq)]
pub(crate) struct EncodedPair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PairFields {
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// The credential of the current context; `None` where it is not embedded, as kubeadm embeds it.
pub(crate) fn read(bytes: &[u8]) -> Option<Credential> {
    let file: KubeconfigYaml<PairFields> = yaml::read(bytes).ok()?;
    let (context, cluster, user) = file.current()?;
    let Some(PemSource::Inline(Ok(ca))) = cluster.ca() else { return None };
    Some(Credential { context, ca, pair: user.encoded()?.decode()? })
}

/// What is embedded for each user that has both.
pub(crate) fn pairs(bytes: &[u8]) -> Vec<EncodedPair> {
    let file = yaml::read::<KubeconfigYaml<PairFields>>(bytes).ok();
    let users = file.into_iter().flat_map(KubeconfigYaml::users);
    users.filter_map(PairFields::encoded).collect()
}

impl PairFields {
    fn encoded(self) -> Option<EncodedPair> {
        Some(EncodedPair { certificate: self.client_certificate_data?, key: self.client_key_data? })
    }
}

impl EncodedPair {
    /// `None` if it is no base64, or empty.
    pub(crate) fn decode(&self) -> Option<KeyPair> {
        let decode = |data| kubeconfig::decode(data).ok().filter(|bytes| !bytes.is_empty());
        Some(KeyPair { certificate: decode(&self.certificate)?, key: decode(&self.key)? })
    }
}

impl KeyPair {
    /// True if the key is the certificate's.
    pub(crate) fn is_pair(&self) -> bool {
        self.fits() == Some(true)
    }

    /// Whether the key is the certificate's; `None` if it is of a kind that is not known here.
    pub(crate) fn fits(&self) -> Option<bool> {
        let Some(Ok(block)) = pem::certificates(&self.certificate).into_iter().next() else {
            return Some(false);
        };
        let Ok(key) = PrivateKeyDer::from_pem_slice(&self.key) else { return Some(false) };
        let key = ring::default_provider().key_provider.load_private_key(key).ok()?;
        match CertifiedKey::new(vec![CertificateDer::from(block.der)], key).keys_match() {
            Ok(()) => Some(true),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => None,
            Err(_) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "current-context: b@c\ncontexts:\n- {name: a@c, context: {cluster: c, user: a}}\n\
        - {name: b@c, context: {cluster: c, user: b}}\nclusters:\n- {name: c, cluster: {server: https://h, certificate-authority-data: Q0E=}}\n\
        users:\n- {name: a, user: {token: t}}\n- {name: b, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}\n";

    #[test]
    fn the_current_context_chooses_the_user() {
        let Credential { context, ca, pair } = read(FILE.as_bytes()).unwrap();
        assert_eq!([&ca[..], &pair.certificate, &pair.key], [&b"CA"[..], b"CERT", b"KEY"]);
        assert_eq!([context.cluster, context.user], ["c", "b"]);
        assert!(
            pairs(FILE.as_bytes())
                == [EncodedPair { certificate: "Q0VSVA==".into(), key: "S0VZ".into() }]
        );
    }

    #[test]
    fn what_is_not_embedded_is_no_credential() {
        for (from, to) in [
            ("current-context: b@c", "current-context: a@c"),
            ("current-context: b@c", "current-context: z"),
            ("client-key-data: S0VZ", "client-key: /a/b.pem"),
            ("S0VZ", "'?'"),
        ] {
            assert!(read(FILE.replace(from, to).as_bytes()).is_none(), "{to}");
        }
    }
}
