//! X.509 certificates (RFC 5280): DER in, facts out, and whose signature it really is.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ring::digest;
use x509_parser::der_parser::oid::Oid;
use x509_parser::error::X509Error;
use x509_parser::oid_registry;
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use crate::domain::model::{Attribute, Ca, Certificate, Name, Sha256, Signer};
use crate::domain::time::UnixTime;

/// A CA certificate, ready to check signatures with.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The facts that a checked certificate keeps of it.
    pub ca: Arc<Ca>,
    subject: Box<[u8]>,
    public_key: Box<[u8]>,
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

/// True if the certificate is for an RSA key; false also for what is none.
pub fn has_rsa_key(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        certificate.public_key().algorithm.algorithm == oid_registry::OID_PKCS1_RSAENCRYPTION
    })
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
            signer: signer(&parsed, authority),
        })
    })
}

/// Reads the certificates of one CA file, to check others with.
///
/// A certificate signed by another of the same file lives no longer than that one does. What is
/// damaged is left out: it is reported where the file itself is judged.
pub fn anchors(path: &Arc<Path>, has_key: bool, ders: &[Vec<u8>]) -> Vec<Anchor> {
    let read = ders.iter().take(MAX_ANCHORS);
    let (mut found, ders): (Vec<Anchor>, Vec<&Vec<u8>>) =
        read.filter_map(|der| Some((guarded(|| anchor(path, has_key, der)).ok()?, der))).unzip();
    // Once for each link a chain can have here.
    for _ in 1..found.len().min(MAX_CHAIN) {
        for (index, der) in ders.iter().enumerate() {
            let own_name = found[index].subject.clone();
            let others: Vec<Anchor> =
                found.iter().filter(|it| it.subject != own_name).cloned().collect();
            if let Ok(Signer::Ca(ca)) = guarded(|| signer_among(der, &others, path)) {
                found[index].end_by(ca.not_after);
            }
        }
    }
    found
}

/// `anchors` and the intermediate CAs among `ders` that one of them has signed, directly or over
/// others: what stands behind a leaf in its own file.
pub fn with_intermediates<'a>(
    anchors: &[Anchor],
    ders: impl Iterator<Item = &'a [u8]>,
) -> Vec<Anchor> {
    let mut trusted = anchors.to_vec();
    let mut ders: Vec<&[u8]> = ders.take(MAX_CHAIN).collect();
    while trusted.len() < MAX_ANCHORS + MAX_CHAIN {
        let signed = ders
            .iter()
            .enumerate()
            .find_map(|(index, der)| Some((index, guarded(|| intermediate(&trusted, der)).ok()?)));
        let Some((index, anchor)) = signed else { break };
        ders.remove(index);
        trusted.push(anchor);
    }
    trusted
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
    })
}

/// The CA in `der`, if one of `trusted` signed it; it counts as part of that CA's file.
fn intermediate(trusted: &[Anchor], der: &[u8]) -> Result<Anchor, NoCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
    let Some(root) = trusted.first().filter(|_| parsed.is_ca()) else { return Err(NoCertificate) };
    let Signer::Ca(ca) = signed_by(&parsed, trusted, &root.ca.path) else {
        return Err(NoCertificate);
    };
    let mut anchor = anchor(&ca.path, ca.has_key, der)?;
    anchor.end_by(ca.not_after);
    Ok(anchor)
}

fn signer_among(der: &[u8], anchors: &[Anchor], path: &Arc<Path>) -> Result<Signer, NoCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
    Ok(signed_by(&parsed, anchors, path))
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
                None => Signer::Unknown,
            }
        }
    }
}

/// Which of `anchors` signed it: by name, and by the signature. Of several with the same key, as
/// after a CA was signed again, the one that lives longest counts, as it does for who verifies.
fn signed_by(certificate: &X509Certificate<'_>, anchors: &[Anchor], path: &Arc<Path>) -> Signer {
    let issuer = certificate.issuer().as_raw();
    let named = anchors.iter().filter(|anchor| *anchor.subject == *issuer).take(MAX_TRIES);
    let signers = named.filter(|anchor| has_signed(anchor, certificate));
    match signers.max_by_key(|anchor| anchor.ca.not_after) {
        Some(anchor) => Signer::Ca(anchor.ca.clone()),
        None => Signer::NotCa(path.clone()),
    }
}

fn has_signed(anchor: &Anchor, certificate: &X509Certificate<'_>) -> bool {
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&anchor.public_key) else { return false };
    match certificate.verify_signature(Some(&key)) {
        Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
        Err(_) => !can_be_checked(certificate, &key),
    }
}

/// False where the library refuses good signatures too: RSA-PSS with a salt of another length than
/// the hash, and RSA keys outside 2048 to 8192 bits.
fn can_be_checked(certificate: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
    let is_pss = certificate.signature_algorithm.algorithm == oid_registry::OID_PKCS1_RSASSAPSS;
    let is_odd_rsa = match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => !(2048..=8192).contains(&rsa.key_size()),
        _ => false,
    };
    !is_pss && !is_odd_rsa
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Sha256(sum)
}

fn name(name: &X509Name<'_>) -> Name {
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
