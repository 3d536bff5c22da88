//! The keys of a client certificate, in several sections.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::path;
use crate::config::secret::{self, Secret};
use crate::config::section::{Section, Setting};

/// What is presented to a server that asks for a certificate.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ClientCertificate {
    /// The certificate and what else of its chain the server needs, PEM; absolute.
    #[serde(rename = "cert")]
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: Secret,
}

/// A certificate and its key, of which one is of no use without the other; and the setting of the
/// certificate.
pub(super) fn read(
    section: &mut Section<'_, '_>,
) -> (Option<ClientCertificate>, Setting<Option<PathBuf>>) {
    let certificate = section.optional("client-cert", path::file);
    let key = secret::read(section, "client-key-credential", "client-key-file");
    match (&certificate.value, &key.value) {
        (Some(_), None) => section.require(&key, "the location of the key of client-cert"),
        (None, Some(_)) => section.require(&certificate, "the certificate of this key"),
        _ => {}
    }
    let pair = certificate.value.clone().zip(key.value);
    (pair.map(|(certificate, key)| ClientCertificate { certificate, key }), certificate)
}
