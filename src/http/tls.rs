//! Whom a client trusts, and what it presents.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::parse::pem;

/// Which servers are believed.
pub(crate) enum Trust {
    /// Those whose certificate one of these CAs has signed, for the name in the URL.
    Roots(Vec<CertificateDer<'static>>),
    /// All: for what is no secret and is proved otherwise.
    Anyone,
}

/// A client certificate and its key. It is not `Debug`: it holds a key.
pub(crate) struct ClientIdentity(ClientCert);

/// Why a client certificate cannot be presented, as a clause.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// No PEM key is there, or an encrypted one.
    #[error("the key of the client certificate cannot be read")]
    NoKey,
    /// There is no certificate, or the key is another one's.
    #[error("the client certificate and its key do not match")]
    Mismatch,
}

impl Trust {
    /// That of the CAs in a PEM file; blocks that are damaged are left out.
    pub(crate) fn pem(text: &[u8]) -> Self {
        Self::Roots(chain(text))
    }
}

impl ClientIdentity {
    /// A certificate, those that it was signed by, and its key; all PEM.
    ///
    /// # Errors
    /// They cannot be presented; ureq would panic then.
    pub(crate) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let ders = chain(certificate);
        let certificates: Vec<_> = ders.iter().map(to_library).collect();
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        CertifiedKey::from_der(ders, der, &rustls::crypto::ring::default_provider())
            .map_err(|_| IdentityError::Mismatch)?;
        let key = PrivateKey::from_pem(key).map_err(|_| IdentityError::NoKey)?;
        Ok(Self(ClientCert::new_with_certs(&certificates, key)))
    }
}

pub(super) fn config(trust: &Trust, identity: Option<ClientIdentity>) -> TlsConfig {
    let tls = TlsConfig::builder()
        .client_cert(identity.map(|it| it.0))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    match trust {
        Trust::Anyone => tls.disable_verification(true).build(),
        Trust::Roots(roots) => {
            let roots = roots.iter().map(to_library).collect();
            tls.root_certs(RootCerts::Specific(Arc::new(roots))).build()
        }
    }
}

fn chain(text: &[u8]) -> Vec<CertificateDer<'static>> {
    pem::certificates(text).into_iter().flatten().map(|it| it.der.into()).collect()
}

fn to_library(der: &CertificateDer<'static>) -> Certificate<'static> {
    Certificate::from_der(der).to_owned()
}
