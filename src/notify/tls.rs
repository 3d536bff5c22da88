//! Whom to trust: the system's CAs, and those of `alerts.ca-file`.

use std::path::Path;

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use super::Failure;
use crate::domain::text::safe;

/// The CAs that every connection of certwatch trusts.
///
/// # Errors
/// `more` cannot be read or holds no certificate, or there is none at all.
pub fn roots(more: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let mut roots = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = more {
        let found = rustls_native_certs::load_certs_from_paths(Some(path), None);
        if found.certs.is_empty() {
            let path = safe(&path.to_string_lossy()).into_owned();
            let why = if found.errors.is_empty() { "" } else { " that can be read" };
            // Transient, as what follows: a file that appears mends it.
            return Err(Failure::transient(format!(
                "alerts.ca-file, {path}, holds no certificate{why}"
            )));
        }
        roots.extend(found.certs);
    }
    if roots.is_empty() {
        return Err(Failure::transient(
            "no CA is known: install the package ca-certificates, or set alerts.ca-file",
        ));
    }
    Ok(roots)
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
