//! The chain that a server presents: the facts of its leaf, and whether it leads to a trusted CA.
//!
//! What counts is what Go's crypto/x509 and crypto/tls would say, as for all else here. Time is for the policy to judge:
//! a chain has a beginning and an end.

mod link;
mod names;
mod search;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::domain::model::{Certificate, ChainFault, Defect, Sha256, Signer};
use crate::domain::time::UnixTime;

use super::signature::Verdict as Signed;
use super::x509::{self, Authority, Issuers, NoCertificate};
use link::Link;
use search::{ChainSearch, ChainWays};

/// Most certificates of which a server presents a chain; others are not looked at.
const MOST: usize = 100;

/// The CAs that are trusted.
pub(crate) struct Roots {
    path: Arc<Path>,
    all: Vec<Root>,
}

struct Root {
    der: CertificateDer<'static>,
    sha256: Sha256,
    subject: Box<[u8]>,
}

/// What a chain says beside its leaf.
#[derive(Debug, Default)]
pub(crate) struct ChainVerdict {
    /// What is wrong with it at any time.
    pub fault: Option<ChainFault>,
    /// When the CAs of the chain are all valid.
    pub begins: Option<UnixTime>,
}

impl Roots {
    /// The certificates of the file or directory at `path`; those that cannot be read are left out.
    pub(crate) fn new(path: &Path, ders: Vec<CertificateDer<'static>>) -> Self {
        let root = |der: CertificateDer<'static>| {
            let subject = x509::subject(&der).ok()?;
            Some(Root { sha256: x509::sha256(&der), subject, der })
        };
        Self { path: path.into(), all: ders.into_iter().filter_map(root).collect() }
    }

    /// True if there is nobody to trust.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that may have signed one of these.
    fn named_in(&self, leaf: &Link, behind: &[Link]) -> Vec<Link> {
        let links = std::iter::once(leaf).chain(behind);
        let names: HashSet<&[u8]> = links.map(|it| &*it.issuer).collect();
        let named = self.all.iter().filter(|it| names.contains(&*it.subject));
        named.filter_map(|it| Link::read(&it.der).ok()).collect()
    }
}

/// Reads a chain, the leaf first, and what is wrong with it at any time.
///
/// # Errors
/// There is none, or its leaf is damaged.
pub(crate) fn read(
    chain: &[CertificateDer<'_>],
    roots: &Roots,
) -> Result<(Certificate, ChainVerdict), NoCertificate> {
    let (leaf, behind) = chain.split_first().ok_or(NoCertificate)?;
    let mut certificate = x509::read(leaf, false, Authority::Beside(&[]), &Issuers::default())?;
    let first = Link::read(leaf)?;
    let ders = &behind[..behind.len().min(MOST)];
    let links: Vec<_> = ders.iter().map(|der| Link::read(der)).collect();
    let unread = links.iter().enumerate().find_map(unreadable);
    let behind: Vec<Link> = links.into_iter().flatten().collect();
    // Who is trusted by itself needs nobody above it, and its signature is not looked at.
    if roots.all.iter().any(|it| it.sha256 == first.sha256) {
        certificate.defects.retain(|it| !matches!(it, Defect::WeakSignature(_)));
        return Ok((certificate, ChainVerdict { fault: unread, begins: None }));
    }
    let trusted = roots.named_in(&first, &behind);
    let search = ChainSearch { path: &roots.path, roots: &trusted, behind: &behind };
    let (signer, mut verdict) = match search.run(&first) {
        ChainWays::Found(found) => {
            (found.signer, ChainVerdict { fault: found.fault, begins: Some(found.begins) })
        }
        ChainWays::GivenUp => {
            let fault = Some(ChainFault::NotJudged("it has too many ways to a CA"));
            (Signer::NoCa, ChainVerdict { fault, begins: None })
        }
        ChainWays::Nothing => {
            let fault = Some(unknown(&first, &behind));
            (Signer::Refused(roots.path.clone()), ChainVerdict { fault, begins: None })
        }
    };
    certificate.signer = signer;
    verdict.fault = verdict.fault.or(unread);
    verdict.begins = verdict.begins.filter(|begins| *begins > certificate.not_before);
    Ok((certificate, verdict))
}

/// What is presented behind the leaf is all parsed, needed or not.
fn unreadable((at, link): (usize, &Result<Link, NoCertificate>)) -> Option<ChainFault> {
    match link {
        Ok(link) => link.unparsed().map(|defect| link.fault(defect)),
        Err(NoCertificate) => Some(ChainFault::RejectedCa {
            ca: format!("certificate {} of the chain", at + 2).into(),
            defect: Defect::Malformed("it is damaged"),
        }),
    }
}

/// Most CAs of one name that are tried.
const MOST_NAMESAKES: usize = 8;

/// Follows the chain to where it ends.
fn unknown(leaf: &Link, behind: &[Link]) -> ChainFault {
    let mut last = leaf;
    for _ in behind {
        let is_above = |it: &&Link| it.subject == last.issuer && it.subject != last.subject;
        let mut above = behind.iter().filter(is_above).take(MOST_NAMESAKES);
        let signer = above.find(|it| x509::signed(&it.key, &last.der) != Signed::Refused);
        let Some(signer) = signer else { break };
        last = signer;
    }
    let issuer = last.issuer_name.clone();
    match last.sha256 == leaf.sha256 {
        true if leaf.subject == leaf.issuer => ChainFault::SelfSigned,
        true => ChainFault::NoIssuer(issuer),
        false => ChainFault::UnknownCa(issuer),
    }
}
