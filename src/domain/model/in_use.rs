//! What running components use, where that is not what is on disk.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::domain::time::UnixTime;

use super::Place;

/// A component, or another static pod, that goes on with another certificate than the one in its file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StaleUse {
    /// Its name, such as `kube-scheduler`; of another pod with the node's, such as `kube-vip-cp1`.
    pub component: Cow<'static, str>,
    /// How that is known.
    pub evidence: StaleEvidence,
}

/// How it is known that a component does not use its file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StaleEvidence {
    /// It presents another certificate.
    Presents {
        /// Where.
        at: SocketAddr,
        /// When that one ends.
        not_after: UnixTime,
    },
    /// It has another file mounted, which has lost its name since.
    Mounted {
        /// Its start.
        started: UnixTime,
    },
    /// It reads the file only at its start, and that was before the file was written.
    Read {
        /// Its start.
        started: UnixTime,
        /// When the certificate ends that it has read; `None` if nobody has seen that in time.
        not_after: Option<UnixTime>,
    },
}

/// A file that a running component has read at its start, and does not read again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldFile {
    /// The component's name.
    pub component: &'static str,
    /// Which certificate that is.
    pub place: Place,
    /// The component's start.
    pub started: UnixTime,
}
