//! What is known of a server that was asked for its certificate, beside that.

use std::path::Path;
use std::sync::Arc;

use super::Defect;
use crate::domain::time::UnixTime;

/// What an endpoint presents beside its leaf, and what it should present.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PresentedChain {
    /// What is wrong with the chain at any time.
    pub fault: Option<ChainFault>,
    /// When the last CA of the chain begins, if that is after its leaf.
    pub begins: Option<UnixTime>,
    /// The file whose certificate it should be.
    pub file: Option<Arc<Path>>,
}

/// Why clients that trust the CAs of an endpoint reject its chain, whatever the time. Names are those of CAs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChainFault {
    /// A CA in the chain may not sign these names.
    NameConstraints,
    /// What of the chain was not judged, as a clause.
    NotJudged(&'static str),
    /// The issuer of the certificate is neither presented nor trusted.
    NoIssuer(Box<str>),
    /// A CA in the chain has more CAs below it than it may have.
    PathLength,
    /// A CA in the chain is not for servers.
    Purpose,
    /// A certificate behind the leaf is rejected, or what it signs.
    RejectedCa {
        /// Its subject.
        ca: Box<str>,
        /// What is wrong with it.
        defect: Defect,
    },
    /// It has signed itself, and is not trusted.
    SelfSigned,
    /// The chain ends at a CA that is not trusted.
    UnknownCa(Box<str>),
}

impl ChainFault {
    /// The stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameConstraints | Self::PathLength | Self::Purpose => "forbidden_by_ca",
            Self::NoIssuer(_) => "missing_intermediate",
            Self::NotJudged(_) => "chain_not_judged",
            Self::RejectedCa { .. } => "rejected_ca",
            Self::SelfSigned => "self_signed",
            Self::UnknownCa(_) => "unknown_ca",
        }
    }
}
