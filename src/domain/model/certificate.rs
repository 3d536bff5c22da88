//! The facts of certificates.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use num_bigint::BigInt;

use super::Defect;
use crate::domain::kubernetes::{Feature, Version};
use crate::domain::time::{Span, UnixTime};

/// SHA-256 of a certificate's DER or of its SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sha256(pub [u8; 32]);

/// The facts of one X.509 certificate (RFC 5280).
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Subject, in the order of the certificate.
    pub subject: Name,
    /// Issuer, in the order of the certificate.
    pub issuer: Name,
    /// Serial number, big-endian two's complement, as encoded.
    pub serial: Box<[u8]>,
    /// Subject alternative names: `DNS:…`, `IP:…`, `URI:…`, `email:…`.
    pub sans: Box<[Box<str>]>,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// Of the DER encoding.
    pub sha256: Sha256,
    /// Of the public key (SubjectPublicKeyInfo): the same after a CA was re-signed with its key.
    pub key_sha256: Sha256,
    /// basicConstraints says CA:TRUE.
    pub is_ca: bool,
    /// What Kubernetes' own library holds against it.
    pub defects: Vec<Defect>,
    /// Whether it may be shown by a client.
    pub client_auth: ClientAuth,
    /// Who really signed it, as far as that can be told.
    pub signer: Signer,
}

/// What the extended key usage says of clients (RFC 5280, 4.2.1.12), as the API server goes by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    /// It names clientAuth or anyExtendedKeyUsage, or there is none.
    Allowed,
    /// It names others only.
    Excluded,
    /// It cannot be read, or is there twice.
    Unreadable,
}

/// A distinguished name, attribute by attribute. Shared: a CA's name is in all it signed.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Name(pub Arc<[(Attribute, Box<str>)]>);

/// The attributes of a name that dashboards use; all others keep their dotted OID.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Attribute {
    /// Country.
    C,
    /// Common name.
    Cn,
    /// Locality.
    L,
    /// Organisation.
    O,
    /// Organisational unit.
    Ou,
    /// State or province.
    St,
    /// Any other, by OID.
    Other(Box<str>),
}

/// Whose signature a certificate really carries; a check of the signature, not of the names.
///
/// Verified, refused and unknown are apart: only what is verified lets anything be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signer {
    /// The key of this certificate of a CA file verifies the signature.
    Verified(Arc<Ca>),
    /// None of the certificates of the CA file that must have signed it.
    Refused(Arc<Path>),
    /// A certificate of the issuer's name is in the CA file, but whether its key made the signature,
    /// or one in the chain up to it, cannot be checked here.
    Unchecked {
        /// Of several of that name the one that ends first.
        ca: Arc<Ca>,
        /// The name of the algorithm, and what of it is not supported; or its OID.
        algorithm: Box<str>,
    },
    /// No CA to compare with.
    NoCa,
}

/// A CA certificate that others are checked against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ca {
    /// Its file.
    pub path: Arc<Path>,
    /// Of its DER encoding.
    pub sha256: Sha256,
    /// Its own last second of validity.
    pub not_after: UnixTime,
    /// Its private key lies beside it: kubeadm can sign here. Without it, kubeadm calls the CA external.
    pub has_key: bool,
}

/// The certificate that a kube-apiserver makes in memory at its start, for talking to itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loopback {
    /// Its last second.
    pub not_after: UnixTime,
}

impl Certificate {
    /// The serial number in decimal, as Prometheus exporters write it; negative ones included. None above 64
    /// octets: RFC 5280, 4.1.2.2 allows 20, and a megabyte of them would take minutes.
    pub fn serial_decimal(&self) -> Option<String> {
        (self.serial.len() <= 64).then(|| decimal(&self.serial))
    }

    /// The serial number in lower-case hexadecimal, as encoded.
    pub(crate) fn serial_hex(&self) -> String {
        hex(&self.serial)
    }

    /// How long it is valid from its first to its last second.
    ///
    /// An upper bound only for kubeadm's leaves: before 1.31 their notBefore is their CA's
    /// (kubernetes/kubernetes#113618).
    pub fn lifetime(&self) -> Span {
        self.not_after - self.not_before
    }
}

impl Name {
    /// All values of one attribute, joined with `+` where there are several.
    pub fn value(&self, wanted: &Attribute) -> Cow<'_, str> {
        let mut values =
            self.0.iter().filter(|(attribute, _)| attribute == wanted).map(|(_, value)| &**value);
        let first = Cow::Borrowed(values.next().unwrap_or_default());
        values.fold(first, |all, value| all + "+" + value)
    }
}

/// `O = system:masters, CN = kubernetes-admin`, as openssl prints it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (attribute, value)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{attribute} = {value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "C",
            Self::Cn => "CN",
            Self::L => "L",
            Self::O => "O",
            Self::Ou => "OU",
            Self::St => "ST",
            Self::Other(oid) => oid,
        })
    }
}

/// Lower-case hexadecimal.
impl Sha256 {
    /// Reads what [`Display`](fmt::Display) writes: 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digit = |at: usize| text.get(at..at + 2).filter(is_hex);
        let mut sum = [0; 32];
        for (at, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digit(2 * at)?, 16).ok()?;
        }
        (text.len() == 64).then_some(Self(sum))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Signer {
    /// The CA whose signature was verified.
    pub fn verified(&self) -> Option<&Ca> {
        match self {
            Self::Verified(ca) => Some(ca),
            Self::Refused(_) | Self::Unchecked { .. } | Self::NoCa => None,
        }
    }

    /// The CA that bounds its life: the one that signed it, or may have. To warn too early by a CA
    /// that had no part in it does no harm; to warn too late does.
    pub fn bound(&self) -> Option<&Ca> {
        match self {
            Self::Verified(ca) | Self::Unchecked { ca, .. } => Some(ca),
            Self::Refused(_) | Self::NoCa => None,
        }
    }

    /// The last second of the CA that bounds its life.
    pub fn not_after(&self) -> Option<UnixTime> {
        self.bound().map(|ca| ca.not_after)
    }
}

impl Loopback {
    /// What a process of this version must have made at its start.
    pub(crate) fn of_process(started: UnixTime, version: Option<Version>) -> Self {
        Self { not_after: started + Self::lifetime_in(version) }
    }

    /// How long it lives from the start of the process, in this version of Kubernetes: an hour less than it is made for,
    /// because it begins an hour earlier (`GenerateSelfSignedCertKeyWithOptions` in client-go's util/cert/cert.go). An
    /// unknown version counts as an old one: too early a warning does no harm.
    fn lifetime_in(version: Option<Version>) -> Span {
        let is_long = version.is_some_and(|it| it.has(Feature::ThreeYearsOfLoopback));
        Span::hours(24 * if is_long { 3 * 365 + 1 } else { 365 } - 1)
    }
}

fn decimal(two_s_complement: &[u8]) -> String {
    BigInt::from_signed_bytes_be(two_s_complement).to_string()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_certificate_begins_an_hour_before_its_process() {
        let days = |text: &str, days: i64| {
            let lives = Loopback::lifetime_in(Version::parse(text)).as_seconds();
            assert_eq!(lives, Span::days(days).as_seconds() - 3_600, "{text}");
        };
        days("v1.32.9", 365);
        days("v1.33.0", 1_096);
        days("latest", 365);
    }

    #[test]
    fn serials_print_in_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0]), "0");
        assert_eq!(decimal(&[0x00, 0xff]), "255");
        assert_eq!(decimal(&[0xff]), "-1");
        assert_eq!(decimal(&[0x80]), "-128");
        assert_eq!(
            decimal(&[0x36, 0x0a, 0xa8, 0x94, 0x1b, 0x9f, 0x81, 0x57]),
            "3894110181887279447"
        );
        // Python: int.from_bytes(range(1, 21), "big")
        let long: Vec<u8> = (1..=20).collect();
        assert_eq!(decimal(&long), "5753854965885600108575829560559299546819203860");
        assert_eq!(decimal(&[0x23, 0x86, 0xf2, 0x6f, 0xc1, 0x00, 0x01]), "10000000000000001");
    }
}
