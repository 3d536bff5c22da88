//! What a scan saw, as data.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::role::Role;
use super::time::{Span, UnixTime};

/// SHA-256 of a certificate's DER or of its SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sha256(pub [u8; 32]);

/// Everything one scan saw. Each input has an item: what cannot be judged is an item with a
/// [`Problem`](Content::Problem), never a missing row.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// What is judged.
    pub items: Vec<Item>,
    /// The rest of the node: read only so that `items` can be compared with it
    /// (`certwatch check PATH` judges PATH alone, but a stale copy is stale against admin.conf).
    pub context: Vec<Item>,
    /// Rotated kubelet certificates that nothing points at: not read, not judged.
    pub leftovers: Vec<PathBuf>,
}

/// One certificate, or one place where one should be.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// What it is for.
    pub role: &'static Role,
    /// What was found there.
    pub content: Content,
    /// For a CA file: whether its private key lies beside it. `None` for everything else.
    pub has_key: Option<bool>,
}

/// Where a certificate is. Path and entry are its identity: a renewal changes neither.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The file, as seen on the node.
    pub path: Arc<Path>,
    /// Which part of the file.
    pub entry: Entry,
}

/// Which part of a file a certificate comes from.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Entry {
    /// The n-th certificate of a PEM or DER file, from 0.
    Pem(u32),
    /// The n-th certificate of the CA of a kubeconfig's cluster.
    Cluster {
        /// Name of the cluster.
        name: Box<str>,
        /// URL of the API server, without user information.
        server: Box<str>,
        /// Position in the CA bundle, from 0.
        index: u32,
    },
    /// A running process; the path is its name.
    Process(u32),
    /// The n-th client certificate of a kubeconfig's user.
    User {
        /// Name of the user.
        name: Box<str>,
        /// Position in the chain, from 0: 0 is the user's own.
        index: u32,
    },
    /// The file as a whole.
    Whole,
}

/// What was found in a place.
#[derive(Clone, Debug)]
pub enum Content {
    /// A certificate that could be read.
    Certificate(Box<Certificate>),
    /// A kube-apiserver process, whose loopback certificate is in its memory only.
    Loopback(Loopback),
    /// Nothing that can be judged, and why.
    Problem(Reason),
}

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
    /// Who really signed it, as far as that can be told.
    pub signer: Signer,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signer {
    /// One of the certificates of a CA file: its key verifies the signature. Where the algorithm
    /// cannot be checked here (P-521, keys outside 2048 to 8192 bits, RSA-PSS with odd parameters),
    /// its name is taken for it.
    Ca(Arc<Ca>),
    /// None of the certificates of the CA file that must have signed it.
    NotCa(Arc<Path>),
    /// No CA to compare with.
    Unknown,
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
    /// Start of the process.
    pub started: UnixTime,
    /// How long the certificate lives.
    pub lifetime: Span,
}

/// Why something cannot be judged. A closed list: each has a code that is stable for machines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Base64 in a kubeconfig that cannot be decoded.
    BadBase64,
    /// DER that is no certificate; with the position of the PEM block in its file, from 0.
    BadCertificate(u32),
    /// YAML that is no kubeconfig; line and column, from 1, where known.
    BadKubeconfig(Option<(u64, u64)>),
    /// A PEM block without its end, or with damaged base64; the line where it begins, from 1.
    BadPem(u32),
    /// A symbolic link to nothing.
    BrokenLink,
    /// The file changed under each attempt to read it.
    Changed,
    /// A file of no bytes.
    Empty,
    /// Links that lead back to themselves.
    LinkLoop,
    /// Not there, though it was named or its neighbours need it.
    Missing,
    /// A file with bytes, none of them a certificate.
    NoCertificate,
    /// A FIFO, socket, device or directory where a file should be; its kind in words.
    NotAFile(&'static str),
    /// No permission to read it.
    PermissionDenied,
    /// The operating system's own words for any other failure.
    ReadFailed(Box<str>),
    /// It did not answer within this many seconds: a network file system that is away.
    TimedOut(u64),
    /// Directories nested deeper than the limit.
    TooDeep(u32),
    /// Larger than the limit; both in bytes.
    TooLarge {
        /// Size of the file.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// More certificates in one file, or more files in one scan, than the limit.
    TooMany {
        /// What there is too many of: `certificates` or `files`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl Place {
    /// A place in `path`.
    pub fn new(path: impl Into<Arc<Path>>, entry: Entry) -> Self {
        Self { path: path.into(), entry }
    }

    /// Base name of the path, or the whole path where there is none.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

impl Item {
    /// The certificate, where there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.content {
            Content::Certificate(certificate) => Some(certificate),
            Content::Loopback(_) | Content::Problem(_) => None,
        }
    }
}

impl Certificate {
    /// The serial number in decimal, as Prometheus exporters write it; negative ones included.
    pub fn serial_decimal(&self) -> String {
        decimal(&self.serial)
    }

    /// The serial number in lower-case hexadecimal, as encoded.
    pub fn serial_hex(&self) -> String {
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
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, (attribute, value)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{attribute} = {value}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
impl std::fmt::Display for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Signer {
    /// The CA whose signature was verified.
    pub fn ca(&self) -> Option<&Ca> {
        match self {
            Self::Ca(ca) => Some(ca),
            Self::NotCa(_) | Self::Unknown => None,
        }
    }

    /// The CA's own last second.
    pub fn not_after(&self) -> Option<UnixTime> {
        self.ca().map(|ca| ca.not_after)
    }
}

impl Loopback {
    /// The moment the certificate expires.
    pub fn not_after(&self) -> UnixTime {
        self.started + self.lifetime
    }
}

impl Reason {
    /// True for what a component stumbles over as well; false for what only this scan could not do.
    pub fn breaks_its_user(&self) -> bool {
        match self {
            Self::BadBase64
            | Self::BadCertificate(_)
            | Self::BadKubeconfig(_)
            | Self::BadPem(_)
            | Self::BrokenLink
            | Self::Empty
            | Self::LinkLoop
            | Self::Missing
            | Self::NoCertificate
            | Self::NotAFile(_) => true,
            Self::Changed
            | Self::PermissionDenied
            | Self::ReadFailed(_)
            | Self::TimedOut(_)
            | Self::TooDeep(_)
            | Self::TooLarge { .. }
            | Self::TooMany { .. } => false,
        }
    }

    /// The stable name for machines; where x509-certificate-exporter has one, it is the same.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadBase64 => "bad_base64",
            Self::BadCertificate(_) => "bad_der",
            Self::BadKubeconfig(_) => "decode_failed",
            Self::BadPem(_) => "bad_pem",
            Self::BrokenLink => "broken_symlink",
            Self::Changed => "changed",
            Self::Empty => "empty",
            Self::LinkLoop => "symlink_loop",
            Self::Missing => "not_found",
            Self::NoCertificate => "no_certificate_found",
            Self::NotAFile(_) => "not_a_file",
            Self::PermissionDenied => "permission_denied",
            Self::ReadFailed(_) => "read_failed",
            Self::TimedOut(_) => "timeout",
            Self::TooDeep(_) => "too_deep",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

const GROUP: u64 = 10_u64.pow(16);

/// Big-endian two's complement to decimal.
fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        negate(&mut magnitude);
    }
    // Sixteen digits at a time: the most whose remainder, shifted by a byte, still fits 64 bits.
    let mut groups = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut remainder = 0_u64;
        for byte in &mut magnitude {
            let value = remainder << 8 | u64::from(*byte);
            // value < 10^16 * 256, so the quotient fits a byte.
            *byte = u8::try_from(value / GROUP).unwrap_or(u8::MAX);
            remainder = value % GROUP;
        }
        groups.push(remainder);
    }
    let sign = if negative { "-" } else { "" };
    let mut text = format!("{sign}{}", groups.pop().unwrap_or(0));
    for group in groups.iter().rev() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{group:016}");
    }
    text
}

/// Two's complement negation in place.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = overflow;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
