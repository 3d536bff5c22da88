//! X.509 certificates (RFC 5280): DER in, facts out, and whose signature it really is.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ring::digest;
use x509_parser::der_parser::oid::Oid;
use x509_parser::oid_registry;
use x509_parser::prelude::*;

use crate::domain::model::{Attribute, Ca, Certificate, ClientAuth, Defect, Name, Sha256, Signer};
use crate::domain::time::UnixTime;

use super::defects;
use super::pem::Block;
use super::signature::{self, Verdict};

/// A CA certificate, ready to check signatures with.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The facts that a checked certificate keeps of it.
    pub ca: Arc<Ca>,
    subject: Box<[u8]>,
    public_key: Box<[u8]>,
    /// The algorithm of a signature between it and its CA file that could not be checked.
    unchecked: Option<Box<str>>,
}

/// Which CAs a certificate is checked against.
#[derive(Clone, Copy, Debug)]
pub enum Authority<'a> {
    /// One of these must have signed it: the CA file that the layout names, and its certificates.
    Named(&'a Arc<Path>, &'a [Anchor]),
    /// CAs that lie beside it: they count only if it names one of them as its issuer.
    Beside(&'a [Anchor]),
}

/// The names of issuers met so far: thousands of certificates share a few of them.
#[derive(Debug, Default)]
pub struct Issuers(Mutex<HashMap<Box<[u8]>, Name>>);

impl Issuers {
    /// Most names that are kept.
    const MAX: usize = 1000;

    fn name(&self, issuer: &X509Name<'_>) -> Name {
        let Ok(mut known) = self.0.lock() else { return name(issuer) };
        if let Some(known) = known.get(issuer.as_raw()) {
            return known.clone();
        }
        let name = name(issuer);
        if known.len() < Self::MAX {
            known.insert(issuer.as_raw().into(), name.clone());
        }
        name
    }
}

/// No certificate: damaged, cut off, or followed by bytes that do not belong there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoCertificate;

/// The certificate in a block of PEM, with what Kubernetes holds against the block.
pub(crate) fn read_block(
    block: &Block,
    authority: Authority<'_>,
    issuers: &Issuers,
) -> Result<Certificate, NoCertificate> {
    let mut certificate = read(&block.der, block.trusted, authority, issuers)?;
    certificate.defects.extend(block.fault.map(Defect::Pem));
    Ok(certificate)
}

/// Reads one certificate and checks its signature.
///
/// `trusted` allows what openssl appends to a `TRUSTED CERTIFICATE`.
///
/// # Errors
/// The bytes are no certificate.
pub fn read(
    der: &[u8],
    trusted: bool,
    authority: Authority<'_>,
    issuers: &Issuers,
) -> Result<Certificate, NoCertificate> {
    guarded(|| {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
        if !rest.is_empty() && !trusted {
            return Err(NoCertificate);
        }
        Ok(Certificate {
            subject: name(parsed.subject()),
            issuer: issuers.name(parsed.issuer()),
            serial: parsed.tbs_certificate.raw_serial().into(),
            sans: sans(&parsed),
            not_before: UnixTime::new(parsed.validity().not_before.timestamp()),
            not_after: UnixTime::new(parsed.validity().not_after.timestamp()),
            sha256: sha256(&der[..der.len() - rest.len()]),
            key_sha256: sha256(parsed.public_key().raw),
            is_ca: parsed.is_ca(),
            defects: defects::of(&parsed),
            client_auth: client_auth(&parsed),
            signer: signer(&parsed, authority),
        })
    })
}

/// Reads the certificates of one CA file, to check others with.
///
/// Each of them ends a chain by itself, as for Go: that its issuer, a root in the same file, ends
/// sooner changes nothing. What is damaged is left out: it is reported where the file itself is
/// judged.
pub fn anchors(path: &Arc<Path>, has_key: bool, ders: &[Vec<u8>]) -> Vec<Anchor> {
    let read = ders.iter().take(MAX_ANCHORS);
    read.filter_map(|der| guarded(|| anchor(path, has_key, der)).ok()).collect()
}

/// The name of the subject, as DER.
pub(super) fn subject(der: &[u8]) -> Result<Box<[u8]>, NoCertificate> {
    with_parsed(der, |parsed, _| parsed.subject().as_raw().into())
}

/// What `read` makes of the certificate in `der`, and of what Kubernetes holds against it.
pub(super) fn with_parsed<T>(
    der: &[u8],
    read: impl FnOnce(&X509Certificate<'_>, Vec<Defect>) -> T,
) -> Result<T, NoCertificate> {
    guarded(|| match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(read(&parsed, defects::of(&parsed))),
        _ => Err(NoCertificate),
    })
}

/// Whether `key`, as DER, signed the certificate in `der`.
pub(super) fn signed(key: &[u8], der: &[u8]) -> Verdict {
    with_parsed(der, |parsed, _| by_key(key, parsed)).unwrap_or(Verdict::Refused)
}

/// `anchors` and the intermediate CAs among `ders` that one of them has signed, directly or over
/// others: what stands behind a leaf in its own file.
///
/// Those whose signature cannot be checked are among them, and so is what hangs on them: what they
/// signed is unchecked too.
pub fn with_intermediates<'a>(
    anchors: &[Anchor],
    ders: impl Iterator<Item = &'a [u8]>,
) -> Vec<Anchor> {
    let mut found = anchors.to_vec();
    let mut ders: Vec<&[u8]> = ders.take(MAX_CHAIN).collect();
    while found.len() < MAX_ANCHORS + MAX_CHAIN {
        let signed: Vec<(usize, Anchor)> = ders
            .iter()
            .enumerate()
            .filter_map(|(index, der)| Some((index, guarded(|| intermediate(&found, der)).ok()?)))
            .collect();
        // Verified ones first: what they signed may be verified in the next round.
        let next = signed.into_iter().min_by_key(|(_, anchor)| anchor.unchecked.is_some());
        let Some((index, anchor)) = next else { break };
        ders.remove(index);
        found.push(anchor);
    }
    found
}

/// Longest chain of CAs in one file that is followed.
const MAX_CHAIN: usize = 8;

/// Most certificates of a CA file that others are checked against; a rotation has two.
const MAX_ANCHORS: usize = 32;

/// Most keys that are tried for one signature: CAs of one name, during a rotation.
const MAX_TRIES: usize = 8;

fn anchor(path: &Arc<Path>, has_key: bool, der: &[u8]) -> Result<Anchor, NoCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
    let not_after = UnixTime::new(parsed.validity().not_after.timestamp());
    Ok(Anchor {
        ca: Arc::new(Ca { path: path.clone(), sha256: sha256(der), not_after, has_key }),
        subject: parsed.subject().as_raw().into(),
        public_key: parsed.public_key().raw.into(),
        unchecked: None,
    })
}

/// The CA in `der`, unless it is known that none of `trusted` signed it; it counts as part of that
/// CA's file.
fn intermediate(trusted: &[Anchor], der: &[u8]) -> Result<Anchor, NoCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
    let Some(root) = trusted.first().filter(|_| parsed.is_ca()) else { return Err(NoCertificate) };
    let (ca, unchecked) = match signed_by(&parsed, trusted, &root.ca.path) {
        Signer::Verified(ca) => (ca, None),
        Signer::Unchecked { ca, algorithm } => (ca, Some(algorithm)),
        Signer::Refused(_) | Signer::NoCa => return Err(NoCertificate),
    };
    let mut anchor = Anchor { unchecked, ..anchor(&ca.path, ca.has_key, der)? };
    anchor.end_by(ca.not_after);
    Ok(anchor)
}

impl Anchor {
    /// It is worth nothing after `end`, when the CA above it ends.
    fn end_by(&mut self, end: UnixTime) {
        if end < self.ca.not_after {
            self.ca = Arc::new(Ca { not_after: end, ..(*self.ca).clone() });
        }
    }
}

/// The parser takes bytes from strangers; a panic in it is one bad file, not the end of the scan.
fn guarded<T>(parse: impl FnOnce() -> Result<T, NoCertificate>) -> Result<T, NoCertificate> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or(Err(NoCertificate))
}

fn signer(certificate: &X509Certificate<'_>, authority: Authority<'_>) -> Signer {
    match authority {
        Authority::Named(path, anchors) => signed_by(certificate, anchors, path),
        Authority::Beside(anchors) => {
            let issuer = certificate.issuer().as_raw();
            let named = anchors.iter().find(|anchor| *anchor.subject == *issuer);
            // A root names itself: that says nothing about the CAs beside it.
            match named.filter(|_| issuer != certificate.subject().as_raw()) {
                Some(named) => signed_by(certificate, anchors, &named.ca.path),
                None => Signer::NoCa,
            }
        }
    }
}

/// Which of `anchors` signed it: by name, and by the signature.
///
/// A verified one wins over all that cannot be checked. Of several with the same key, as after a CA
/// was signed again, the one that lives longest counts, as it does for who verifies. Of several that
/// cannot be checked it may be any, so the one that ends first does.
fn signed_by(certificate: &X509Certificate<'_>, anchors: &[Anchor], path: &Arc<Path>) -> Signer {
    let issuer = certificate.issuer().as_raw();
    let named = anchors.iter().filter(|anchor| *anchor.subject == *issuer).take(MAX_TRIES);
    let mut verified: Option<&Arc<Ca>> = None;
    let mut unchecked: Option<(&Arc<Ca>, Box<str>)> = None;
    for anchor in named {
        let ca = &anchor.ca;
        match verdict(anchor, certificate) {
            Verdict::Verified => {
                if verified.is_none_or(|other| other.not_after <= ca.not_after) {
                    verified = Some(ca);
                }
            }
            Verdict::Unchecked(algorithm) => {
                if unchecked.as_ref().is_none_or(|(other, _)| ca.not_after < other.not_after) {
                    unchecked = Some((ca, algorithm));
                }
            }
            Verdict::Refused => {}
        }
    }
    match (verified, unchecked) {
        (Some(ca), _) => Signer::Verified(ca.clone()),
        (None, Some((ca, algorithm))) => Signer::Unchecked { ca: ca.clone(), algorithm },
        (None, None) => Signer::Refused(path.clone()),
    }
}

/// Whether the key of `anchor` signed it. A chain is as good as its weakest link.
fn verdict(anchor: &Anchor, certificate: &X509Certificate<'_>) -> Verdict {
    match by_key(&anchor.public_key, certificate) {
        Verdict::Verified => anchor.unchecked.clone().map_or(Verdict::Verified, Verdict::Unchecked),
        other => other,
    }
}

fn by_key(key: &[u8], certificate: &X509Certificate<'_>) -> Verdict {
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(key) else { return Verdict::Refused };
    let algorithm = &certificate.signature_algorithm;
    // Only the inner one is signed (RFC 5280, 4.1.1.2).
    if *algorithm != certificate.tbs_certificate.signature {
        return Verdict::Refused;
    }
    let message = certificate.tbs_certificate.as_ref();
    signature::verify(algorithm, &key, message, &certificate.signature_value)
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Sha256(sum)
}

pub(super) fn name(name: &X509Name<'_>) -> Name {
    Name(name.iter_attributes().map(|part| (attribute(part.attr_type()), value(part))).collect())
}

fn attribute(oid: &Oid<'_>) -> Attribute {
    match oid {
        _ if *oid == oid_registry::OID_X509_COUNTRY_NAME => Attribute::C,
        _ if *oid == oid_registry::OID_X509_COMMON_NAME => Attribute::Cn,
        _ if *oid == oid_registry::OID_X509_LOCALITY_NAME => Attribute::L,
        _ if *oid == oid_registry::OID_X509_ORGANIZATION_NAME => Attribute::O,
        _ if *oid == oid_registry::OID_X509_ORGANIZATIONAL_UNIT => Attribute::Ou,
        _ if *oid == oid_registry::OID_X509_STATE_OR_PROVINCE_NAME => Attribute::St,
        _ => Attribute::Other(oid.to_id_string().into()),
    }
}

/// The text, or `#` and hexadecimal for the string types that are not text (RFC 4514, 2.4).
fn value(part: &AttributeTypeAndValue<'_>) -> Box<str> {
    match part.as_str() {
        Ok(text) => text.into(),
        Err(_) => {
            let hex = part.as_slice().iter().map(|byte| format!("{byte:02x}"));
            format!("#{}", hex.collect::<String>()).into()
        }
    }
}

fn client_auth(certificate: &X509Certificate<'_>) -> ClientAuth {
    match certificate.extended_key_usage() {
        Ok(None) => ClientAuth::Allowed,
        Ok(Some(usage)) if usage.value.any || usage.value.client_auth => ClientAuth::Allowed,
        Ok(Some(_)) => ClientAuth::Excluded,
        Err(_) => ClientAuth::Unreadable,
    }
}

fn sans(certificate: &X509Certificate<'_>) -> Box<[Box<str>]> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Box::default() };
    extension.value.general_names.iter().filter_map(san).map(String::into_boxed_str).collect()
}

fn san(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::IPAddress(bytes) => Some(format!("IP:{}", ip(bytes)?)),
        GeneralName::RFC822Name(address) => Some(format!("email:{address}")),
        GeneralName::URI(uri) => Some(format!("URI:{uri}")),
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).to_string());
    v4().or_else(v6)
}
