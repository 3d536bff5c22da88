//! Why something cannot be judged.

use std::net::SocketAddr;

use super::FileFormat;
use crate::domain::time::UnixTime;

/// Why something cannot be judged. A closed list: each has a code that is stable for machines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Base64 in a kubeconfig that cannot be decoded.
    BadBase64,
    /// DER that is no certificate; with the position of the PEM block in its file, from 0.
    BadCertificate(u32),
    /// YAML that is no kubeconfig; line and column, from 1, where known.
    BadKubeconfig(Option<(u64, u64)>),
    /// A kubeconfig, or a part of it, that client-go refuses; why, as a clause.
    RefusedKubeconfig(Box<str>),
    /// A PEM block without its end, or with damaged base64; the line where it begins, from 1.
    BadPem(u32),
    /// The END of one PEM block and the BEGIN of another in this line, from 1: neither is read.
    JoinedPem(u32),
    /// A symbolic link to nothing.
    BrokenLink,
    /// The file changed under each attempt to read it.
    Changed,
    /// A file of no bytes.
    Empty,
    /// A component names it, and no volume of its pod shows it: it is in the container.
    InContainerOnly,
    /// An endpoint that could not be asked, for a reason on this side; why, as a clause.
    EndpointNotAsked(Box<str>),
    /// An endpoint that presents no certificate; why, as a clause.
    EndpointSilent(Box<str>),
    /// It has not answered since then, and is not waited for again until it does.
    Hangs(UnixTime),
    /// Links that lead back to themselves.
    LinkLoop,
    /// Not there, though it was named or its neighbours need it.
    Missing,
    /// A file with bytes, none of them a certificate.
    NoCertificate,
    /// A component that runs presents no certificate there; why, as a clause.
    NotAnswering {
        /// Its address.
        at: SocketAddr,
        /// Why.
        why: Box<str>,
    },
    /// A component that could not be asked what it presents there, because this process has no way to it; why, as a clause.
    NotAsked {
        /// Its address.
        at: SocketAddr,
        /// Why.
        why: Box<str>,
    },
    /// A static pod that does not run though its manifest is there; the last line of its log that is about a certificate.
    NotRunning(Option<Box<str>>),
    /// A FIFO, socket, device or directory where a file should be; its kind in words.
    NotAFile(&'static str),
    /// A regular file where the kubelet expects its own link: it reads it, and cannot replace it.
    NotALink,
    /// Something that is recognized and not read.
    NotRead {
        /// What it is.
        format: FileFormat,
        /// In DER, where it may be in PEM as well.
        is_der: bool,
    },
    /// No permission to read it.
    PermissionDenied,
    /// The operating system's own words for any other failure.
    ReadFailed(Box<str>),
    /// The scan's time, in seconds, was up before its turn came.
    OutOfTime(u64),
    /// It did not answer within this many seconds: a network file system that is away.
    TimedOut(u64),
    /// Directories nested deeper than the limit.
    TooDeep(u32),
    /// Not looked at: so many places hang that there is no thread for it.
    TooManyHang,
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
    /// A process of which nobody knows whether it is this node's, because of where it is; its cgroup.
    UnknownOwner(Box<str>),
}

impl Reason {
    /// All that [`code`](Self::code) returns. A counter has to exist before its first error: one
    /// that appears with the error has not increased.
    pub(crate) const CODES: [&str; 27] = [
        "bad_base64",
        "bad_der",
        "bad_pem",
        "broken_symlink",
        "changed",
        "decode_failed",
        "empty",
        "in_container_only",
        "keystore",
        "no_certificate_found",
        "not_a_file",
        "not_a_symlink",
        "not_answering",
        "not_asked",
        "not_found",
        "not_running",
        "out_of_time",
        "permission_denied",
        "read_failed",
        "refused_kubeconfig",
        "symlink_loop",
        "timeout",
        "too_deep",
        "too_large",
        "too_many",
        "unknown_owner",
        "unsupported_format",
    ];

    /// True for what a component stumbles over as well; false for what only this scan could not do.
    pub(crate) fn breaks_its_user(&self) -> bool {
        match self {
            Self::BadBase64
            | Self::BadCertificate(_)
            | Self::BadKubeconfig(_)
            | Self::BadPem(_)
            | Self::JoinedPem(_)
            | Self::BrokenLink
            | Self::Empty
            | Self::LinkLoop
            | Self::Missing
            | Self::NoCertificate
            | Self::NotAFile(_)
            | Self::NotAnswering { .. }
            | Self::NotRead { .. }
            | Self::NotRunning(_)
            | Self::RefusedKubeconfig(_) => true,
            Self::Changed
            | Self::EndpointNotAsked(_)
            | Self::EndpointSilent(_)
            | Self::Hangs(_)
            | Self::InContainerOnly
            | Self::NotALink
            | Self::NotAsked { .. }
            | Self::OutOfTime(_)
            | Self::PermissionDenied
            | Self::ReadFailed(_)
            | Self::TimedOut(_)
            | Self::TooDeep(_)
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::TooManyHang
            | Self::UnknownOwner(_) => false,
        }
    }

    /// The stable name for machines; where x509-certificate-exporter has one, it is the same.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadBase64 => "bad_base64",
            Self::BadCertificate(_) => "bad_der",
            Self::BadKubeconfig(_) => "decode_failed",
            Self::BadPem(_) | Self::JoinedPem(_) => "bad_pem",
            Self::BrokenLink => "broken_symlink",
            Self::Changed => "changed",
            Self::Empty => "empty",
            Self::InContainerOnly => "in_container_only",
            Self::LinkLoop => "symlink_loop",
            Self::Missing => "not_found",
            Self::NoCertificate => "no_certificate_found",
            Self::NotAFile(_) => "not_a_file",
            Self::NotALink => "not_a_symlink",
            Self::EndpointSilent(_) | Self::NotAnswering { .. } => "not_answering",
            Self::EndpointNotAsked(_) | Self::NotAsked { .. } => "not_asked",
            Self::NotRead { format, .. } => format.code(),
            Self::NotRunning(_) => "not_running",
            Self::OutOfTime(_) => "out_of_time",
            Self::PermissionDenied => "permission_denied",
            Self::ReadFailed(_) => "read_failed",
            Self::RefusedKubeconfig(_) => "refused_kubeconfig",
            // It can be the same place in the next scan, and wants the same to be done.
            Self::TimedOut(_) | Self::Hangs(_) | Self::TooManyHang => "timeout",
            Self::TooDeep(_) => "too_deep",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
            Self::UnknownOwner(_) => "unknown_owner",
        }
    }
}
