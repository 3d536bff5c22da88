//! What Kubernetes' own library, crypto/x509 of Go, holds against a certificate that can be read.

use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{
    GeneralName, GeneralSubtree, NameConstraints, ParsedExtension, X509Extension,
};
use x509_parser::oid_registry;
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use super::algorithm;
use crate::domain::model::Defect;

/// The bits of an RSA key that Go accepts (crypto/rsa since 1.24, crypto/tls since 1.21).
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// The extensions that Go looks into (`processExtensions` in its crypto/x509/parser.go).
const READ: [Oid<'static>; 13] = [
    oid_registry::OID_PKIX_AUTHORITY_INFO_ACCESS,
    oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    oid_registry::OID_X509_EXT_BASIC_CONSTRAINTS,
    oid_registry::OID_X509_EXT_CERTIFICATE_POLICIES,
    oid_registry::OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
    oid_registry::OID_X509_EXT_EXTENDED_KEY_USAGE,
    oid_registry::OID_X509_EXT_INHIBIT_ANY_POLICY,
    oid_registry::OID_X509_EXT_KEY_USAGE,
    oid_registry::OID_X509_EXT_NAME_CONSTRAINTS,
    oid_registry::OID_X509_EXT_POLICY_CONSTRAINTS,
    oid_registry::OID_X509_EXT_POLICY_MAPPINGS,
    oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME,
    oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
];

/// Everything, whatever the certificate is for.
pub(super) fn of(certificate: &X509Certificate<'_>) -> Vec<Defect> {
    let mut found = Vec::new();
    if certificate.tbs_certificate.raw_serial().first().is_some_and(|first| first & 0x80 != 0) {
        found.push(Defect::NegativeSerial);
    }
    found.extend(malformed(certificate).map(Defect::Malformed));
    found.extend(
        algorithm::weak_hash(&certificate.signature_algorithm.algorithm).map(Defect::WeakSignature),
    );
    found.extend(rsa_key(certificate));
    let extensions = extensions(certificate);
    found.extend(duplicate(extensions));
    found.extend(
        extensions
            .iter()
            .filter(|it| is_unhandled(it))
            .map(|it| Defect::UnknownCriticalExtension(it.oid.to_id_string().into())),
    );
    let has = |oid: Oid<'static>| extensions.iter().any(|it| it.oid == oid);
    if !has(oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME) {
        found.push(Defect::NoNames);
    }
    let usage = extensions.iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::ExtendedKeyUsage(usage) => Some(usage),
        _ => None,
    });
    if usage.is_some_and(|usage| !usage.any && !usage.client_auth) {
        found.push(Defect::NotForClients);
    }
    if usage.is_some_and(|usage| !usage.any && !usage.server_auth) {
        found.push(Defect::NotForServers);
    }
    if !may_sign(certificate, extensions) {
        found.push(Defect::NotForSigning);
    }
    found
}

/// Those of version 3 alone: before it there are none, whatever stands there.
fn extensions<'a, 'b>(certificate: &'a X509Certificate<'b>) -> &'a [X509Extension<'b>] {
    if certificate.version() == X509Version::V3 { certificate.extensions() } else { &[] }
}

fn duplicate(extensions: &[X509Extension<'_>]) -> Option<Defect> {
    let is_second = |(at, it): &(usize, &X509Extension<'_>)| {
        extensions[..*at].iter().any(|other| other.oid == it.oid)
    };
    let (_, second) = extensions.iter().enumerate().find(is_second)?;
    Some(Defect::DuplicateExtension(second.oid.to_id_string().into()))
}

/// A critical extension that Go leaves to others.
fn is_unhandled(extension: &X509Extension<'_>) -> bool {
    let is_handled = match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => {
            names.general_names.iter().any(is_known_name)
        }
        ParsedExtension::NameConstraints(constraints) => {
            subtrees(constraints).all(|it| is_known_name(&it.base))
        }
        _ => READ.contains(&extension.oid),
    };
    extension.critical && !is_handled
}

fn subtrees<'a, 'b>(
    constraints: &'a NameConstraints<'b>,
) -> impl Iterator<Item = &'a GeneralSubtree<'b>> {
    let all = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
    all.into_iter().flatten().flatten()
}

/// `parseNameConstraintsExtension`: some, and of addresses with a mask that is one.
fn are_constraints(constraints: &NameConstraints<'_>) -> bool {
    let is_sound = |it: &GeneralSubtree<'_>| match it.base {
        GeneralName::IPAddress(bytes) => {
            let mask = &bytes[bytes.len() / 2..];
            let ones = mask.iter().map(|byte| byte.leading_ones()).sum::<u32>();
            let all = mask.iter().map(|byte| byte.count_ones()).sum::<u32>();
            let first = mask.iter().take_while(|byte| **byte == u8::MAX).count();
            let is_mask = ones == all && mask.iter().skip(first + 1).all(|byte| *byte == 0);
            [8, 32].contains(&bytes.len()) && is_mask
        }
        _ => true,
    };
    subtrees(constraints).next().is_some() && subtrees(constraints).all(is_sound)
}

fn is_known_name(name: &GeneralName<'_>) -> bool {
    matches!(
        name,
        GeneralName::DNSName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RFC822Name(_)
            | GeneralName::URI(_)
    )
}

/// `CheckSignatureFrom`: a certificate of version 1 may be a root.
fn may_sign(certificate: &X509Certificate<'_>, extensions: &[X509Extension<'_>]) -> bool {
    let is_ca = extensions.iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::BasicConstraints(constraints) => Some(constraints.ca),
        _ => None,
    });
    let usage = extensions.iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::KeyUsage(usage) => Some(usage),
        _ => None,
    });
    is_ca.unwrap_or(certificate.version() != X509Version::V3)
        && usage.is_none_or(|usage| usage.flags == 0 || usage.key_cert_sign())
}

fn rsa_key(certificate: &X509Certificate<'_>) -> Option<Defect> {
    let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else { return None };
    let digits = &key.modulus[key.modulus.iter().position(|digit| *digit != 0)?..];
    let bits = digits.len() * 8 - usize::try_from(digits.first()?.leading_zeros()).ok()?;
    (!RSA_BITS.contains(&bits)).then(|| Defect::RsaKey(u32::try_from(bits).unwrap_or(u32::MAX)))
}

/// What the parser of Go refuses and the one used here lets pass.
fn malformed(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    let extensions = extensions(certificate);
    let is_critical = |oid: Oid<'static>| extensions.iter().any(|it| it.oid == oid && it.critical);
    if certificate.version().0 > X509Version::V3.0 {
        Some("its version is unknown")
    } else if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        Some("it names two different signature algorithms")
    } else if ![certificate.subject(), certificate.issuer()].into_iter().all(is_name) {
        Some("a name in it has characters that its type does not allow")
    } else if !is_key(certificate) {
        Some("its key is of a kind that is not supported")
    } else if is_critical(oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER) {
        Some("its authority key identifier is marked critical")
    } else if is_critical(oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER) {
        Some("its subject key identifier is marked critical")
    } else if is_critical(oid_registry::OID_PKIX_AUTHORITY_INFO_ACCESS) {
        Some("its authority info access is marked critical")
    } else if !extensions.iter().all(is_sound) {
        Some("one of its extensions is damaged")
    } else {
        None
    }
}

fn is_sound(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::ParseError { .. } => !READ.contains(&extension.oid),
        ParsedExtension::SubjectAlternativeName(names) => {
            names.general_names.iter().all(|name| match name {
                GeneralName::IPAddress(bytes) => [4, 16].contains(&bytes.len()),
                GeneralName::DNSName(text) | GeneralName::RFC822Name(text) => text.is_ascii(),
                GeneralName::Invalid(tag, _) => ![1, 2, 6].contains(&tag.0),
                _ => true,
            })
        }
        ParsedExtension::NameConstraints(constraints) => are_constraints(constraints),
        _ => true,
    }
}

/// RSA with the NULL that belongs there, and the curves of NIST. What is no known kind of key at all is
/// nothing to Go either, until it is used.
fn is_key(certificate: &X509Certificate<'_>) -> bool {
    let key = &certificate.public_key().algorithm;
    let parameters = key.parameters.as_ref();
    if key.algorithm == oid_registry::OID_PKCS1_RSAENCRYPTION {
        parameters.is_some_and(|it| it.tag() == x509_parser::asn1_rs::Tag::Null)
    } else if key.algorithm == oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = parameters.and_then(|it| it.as_oid().ok());
        curve.is_some_and(|curve| algorithm::curve(&curve).is_some() || curve == algorithm::P224)
    } else {
        true
    }
}

fn is_name(name: &X509Name<'_>) -> bool {
    use x509_parser::asn1_rs::Tag;
    name.iter_attributes().all(|part| {
        let value = part.attr_value();
        match value.tag() {
            Tag::T61String => true,
            Tag::PrintableString => value.data.iter().all(|byte| is_printable(*byte)),
            Tag::Utf8String => std::str::from_utf8(value.data).is_ok(),
            Tag::Ia5String => value.data.is_ascii(),
            Tag::NumericString => {
                value.data.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')
            }
            Tag::BmpString => is_bmp(value.data),
            _ => false,
        }
    })
}

/// PrintableString, and the `*` and `&` that Go lets pass.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()*+,-./:=?&".contains(&byte)
}

fn is_bmp(data: &[u8]) -> bool {
    let is_character = |pair: &[u8]| {
        let point = pair.iter().fold(0_u32, |sum, byte| sum * 256 + u32::from(*byte));
        !matches!(point, 0xd800..=0xdfff | 0xfdd0..=0xfdef | 0xfffe | 0xffff)
    };
    data.len().is_multiple_of(2) && data.chunks(2).all(is_character)
}
