//! The chain that a server presents: the facts of its leaf, and whether it leads to a trusted CA.
//!
//! Who signed it and when the chain ends is found as for files (`x509`). What a CA may sign is asked of the verifier of
//! rustls, at a moment when all of the chain is valid: time is for the policy to judge.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::domain::model::{Certificate, ChainFault, Defect, Signer};

use super::x509::{self, Anchor, Authority, Issuers, NoCertificate};

/// The CAs that are trusted.
pub(crate) struct Roots {
    path: Arc<Path>,
    anchors: Vec<Anchor>,
    store: RootCertStore,
}

impl Roots {
    /// The certificates of the file or directory at `path`; those that cannot be read are left out.
    pub(crate) fn new(path: &Path, ders: Vec<CertificateDer<'static>>) -> Self {
        let path: Arc<Path> = path.into();
        let anchors = x509::all_anchors(&path, &ders);
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(ders);
        Self { path, anchors, store }
    }

    /// True if there is nobody to trust.
    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

/// Reads a chain, the leaf first, and what is wrong with it at any time.
///
/// # Errors
/// There is none, or its leaf is damaged.
pub(crate) fn read(
    chain: &[CertificateDer<'_>],
    roots: &Roots,
) -> Result<(Certificate, Option<ChainFault>), NoCertificate> {
    let (leaf, behind) = chain.split_first().ok_or(NoCertificate)?;
    let issuers = Issuers::default();
    // Who is trusted by itself needs nobody above it.
    let sum = x509::sha256(leaf);
    if roots.anchors.iter().any(|it| it.ca.sha256 == sum) {
        return Ok((x509::read(leaf, false, Authority::Beside(&[]), &issuers)?, None));
    }
    let above = x509::issuers_of(chain, &roots.anchors);
    let anchors = x509::with_intermediates(&above, behind.iter().map(|der| &**der));
    let authority = Authority::Named(&roots.path, &anchors);
    let certificate = x509::read(leaf, false, authority, &issuers)?;
    let fault = match &certificate.signer {
        Signer::Refused(_) | Signer::NoCa => Some(unknown(&certificate, behind)),
        Signer::Verified(ca) => {
            forbidden(chain, roots, certificate.not_after.min(ca.not_after).seconds())
        }
        Signer::Unchecked { .. } => None,
    };
    // That the leaf itself is not for servers is a defect of it.
    let is_known = certificate.defects.contains(&Defect::NotForServers);
    let fault = fault.filter(|it| !(is_known && *it == ChainFault::Purpose));
    Ok((certificate, fault))
}

/// Follows the chain by its names to where it ends.
fn unknown(leaf: &Certificate, behind: &[CertificateDer<'_>]) -> ChainFault {
    let read = |der| x509::read(der, false, Authority::Beside(&[]), &Issuers::default()).ok();
    let behind: Vec<Certificate> = behind.iter().filter_map(|der| read(der)).collect();
    let mut last = leaf;
    for _ in &behind {
        let is_above = |it: &&Certificate| it.subject == last.issuer && it.subject != last.subject;
        last = behind.iter().find(is_above).unwrap_or(last);
    }
    let issuer = last.issuer.to_string().into();
    match last.sha256 == leaf.sha256 {
        true if leaf.subject == leaf.issuer => ChainFault::SelfSigned,
        true => ChainFault::NoIssuer(issuer),
        false => ChainFault::UnknownCa(issuer),
    }
}

/// What a CA of a chain that is signed as it should be forbids, in its last second.
fn forbidden(chain: &[CertificateDer<'_>], roots: &Roots, at: i64) -> Option<ChainFault> {
    let (leaf, behind) = chain.split_first()?;
    let leaf = ParsedCertificate::try_from(leaf).ok()?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).ok()?));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let verified =
        verify_server_cert_signed_by_trust_anchor(&leaf, &roots.store, behind, at, algorithms);
    match verified {
        Err(Error::InvalidCertificate(CertificateError::InvalidPurpose))
        | Err(Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. })) => {
            Some(ChainFault::Purpose)
        }
        Err(Error::InvalidCertificate(CertificateError::Other(other))) => {
            // The verifier's own errors are not those of rustls; these are their names.
            match other.to_string().as_str() {
                "NameConstraintViolation" => Some(ChainFault::NameConstraints),
                "PathLenConstraintViolated" => Some(ChainFault::PathLength),
                _ => None,
            }
        }
        // It knows fewer algorithms than `signature`, and refuses what others accept.
        _ => None,
    }
}
