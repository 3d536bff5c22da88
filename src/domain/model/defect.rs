//! What Kubernetes' own library holds against a certificate that others accept.

/// What crypto/x509 or encoding/pem of Go, and with them every component of Kubernetes, hold
/// against a certificate; for some only in a certain use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Defect {
    /// Not parsed: an extension is there twice; its OID.
    DuplicateExtension(Box<str>),
    /// Not parsed: damaged, or with what must not be there; what it is in words.
    Malformed(&'static str),
    /// Not parsed: a serial number below zero.
    NegativeSerial,
    /// No server of this name is accepted: no subject alternative names, and the common name does
    /// not count.
    NoNames,
    /// Not accepted of a client: the extended key usage excludes it.
    NotForClients,
    /// Not accepted of a server: the extended key usage excludes it.
    NotForServers,
    /// Nothing that it signed is accepted: no CA by its basic constraints or its key usage.
    NotForSigning,
    /// Not found in its file.
    Pem(PemFault),
    /// Not accepted: an RSA key of so many bits, too short or too long.
    RsaKey(u32),
    /// Not accepted: a critical extension that Go does not know; its OID.
    UnknownCriticalExtension(Box<str>),
    /// Not accepted, except of a root: a signature with a broken hash; its name.
    WeakSignature(&'static str),
}

/// Why Go does not find a certificate in its file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PemFault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub kind: PemFaultKind,
}

/// What of its PEM is not as Go wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PemFaultKind {
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// Lines end with CR alone.
    CarriageReturns,
    /// The base64 data.
    Data,
    /// DER, and not PEM at all.
    Der,
    /// The END line: another label, or text behind it.
    End,
    /// Headers before the data: only a CA's file must have none.
    Headers,
    /// The BEGIN or END is not at the start of its line.
    Indented,
    /// The label is not CERTIFICATE alone.
    Label,
}

impl Defect {
    /// The stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DuplicateExtension(_) => "duplicate_extension",
            Self::Malformed(_) => "malformed_certificate",
            Self::NegativeSerial => "negative_serial",
            Self::NoNames => "no_san",
            Self::NotForClients | Self::NotForServers => "wrong_usage",
            Self::NotForSigning => "not_a_ca",
            Self::Pem(_) => "pem_unreadable",
            Self::RsaKey(_) => "weak_key",
            Self::UnknownCriticalExtension(_) => "unknown_critical_extension",
            Self::WeakSignature(_) => "weak_signature",
        }
    }
}
