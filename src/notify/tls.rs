//! Whom to trust: the system's CAs, and those of `alerts.ca-file`. And which client certificate to present to a server
//! that requires one.

use std::path::Path;
use std::sync::Arc;

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use super::secret;
use super::{Failure, FailureKind};
use crate::config::channels::ClientCertificate;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::hangs::Hangs;
use crate::http::{ClientIdentity, IdentityError};
use crate::parse::{pem, x509};
use crate::sys;

/// Where the system has its CAs, by which a thread that reads them is told; the library knows where else.
const SYSTEM: &str = "/etc/ssl/certs";

/// The CAs that every connection of certwatch trusts.
///
/// # Errors
/// `more` cannot be read or holds no certificate, or there is none at all.
pub(crate) fn roots(
    more: Option<&Path>,
    hangs: &Arc<Hangs>,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    secret::enter(hangs, Path::new(SYSTEM))?;
    let mut roots = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = more {
        secret::enter(hangs, path)?;
        let found = rustls_native_certs::load_certs_from_paths(Some(path), None);
        if found.certs.is_empty() {
            let path = escape_control(&path.to_string_lossy()).into_owned();
            let why = if found.errors.is_empty() { "" } else { " that can be read" };
            // Transient, as what follows: a file that appears mends it.
            return Err(Failure::transient(format!(
                "alerts.ca-file, {path}, contains no certificate{why}"
            )));
        }
        roots.extend(found.certs);
    }
    if roots.is_empty() {
        return Err(Failure::transient(
            "no trusted CA found: install the package ca-certificates, or set alerts.ca-file",
        ));
    }
    Ok(roots)
}

/// Reads what is presented to a server that asks for a certificate.
///
/// # Errors
/// It cannot be read, the two do not belong together, or it is not valid now.
pub(crate) fn identity(
    client: &ClientCertificate,
    hangs: &Arc<Hangs>,
) -> Result<ClientIdentity, Failure> {
    let path = &client.certificate;
    secret::enter(hangs, path)?;
    // Transient: a file that is replaced mends it.
    let refuse = |why: String| Failure {
        reason: format!("the client certificate {} {why}", escape_control(&path.to_string_lossy())),
        kind: FailureKind::Transient(None),
    };
    let bytes = secret::bytes(path).map_err(refuse)?;
    let blocks: Result<Vec<_>, _> = pem::certificates(&bytes).into_iter().collect();
    let blocks = blocks.map_err(|_| refuse("contains a damaged block".to_owned()))?;
    let first = blocks.first().ok_or_else(|| refuse("contains no PEM certificate".to_owned()))?;
    check_dates(&first.der, sys::now()).map_err(refuse)?;
    secret::enter(hangs, &secret::file(&client.key))?;
    let key = secret::read_text(&client.key)?;
    let place = secret::place(&client.key);
    let key = key.expose();
    ClientIdentity::from_pem(&bytes, key.as_bytes()).map_err(|error| match error {
        IdentityError::NoKey if key.contains("ENCRYPTED") => Failure::transient(format!(
            "the key in {place} is encrypted: remove the passphrase, for example with `openssl pkey`"
        )),
        IdentityError::NoKey => {
            Failure::transient(format!("the key in {place} is not a PEM private key"))
        }
        IdentityError::Mismatch => refuse(format!("and the key in {place} do not match")),
    })
}

fn check_dates(der: &[u8], now: UnixTime) -> Result<(), String> {
    let authority = x509::Authority::Beside(&[]);
    let certificate = x509::read(der, false, authority, &x509::Issuers::default())
        .map_err(|_| "is damaged".to_owned())?;
    if certificate.not_after < now {
        return Err(format!("expired on {}: replace it and its key", certificate.not_after));
    }
    if certificate.not_before > now {
        let from = certificate.not_before;
        return Err(format!("is not valid until {from}: is this node's clock right?"));
    }
    Ok(())
}

/// True if a certificate would be accepted at another time.
pub(super) fn is_about_time(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}
