//! One certificate of a chain, with what it allows below it.

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::X509Certificate;

use crate::domain::model::{ChainFault, Defect, Sha256};
use crate::domain::time::UnixTime;
use crate::parse::x509::{self, NoCertificate};

use super::names::{Constraints, Names};

/// Any policy (RFC 5280, 4.2.1.4).
const ANY_POLICY: &str = "2.5.29.32.0";

/// A certificate as far as a chain depends on it.
pub(super) struct Link {
    pub(super) der: Box<[u8]>,
    pub(super) sha256: Sha256,
    pub(super) subject: Box<[u8]>,
    pub(super) issuer: Box<[u8]>,
    pub(super) issuer_name: Box<str>,
    subject_name: Box<str>,
    pub(super) key: Box<[u8]>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    defects: Vec<Defect>,
    /// Its basic constraints make it a CA. A root of version 1 has none.
    is_ca: bool,
    /// How many CAs may be below it.
    path_length: Option<u32>,
    pub(super) constraints: Option<Constraints>,
    pub(super) names: Names,
    pub(super) policies: Policies,
}

/// What it says of the policies of its chain.
#[derive(Default)]
pub(super) struct Policies {
    ids: Vec<Box<str>>,
    /// There must be one that all of the chain have.
    is_required: bool,
    /// Others may stand for them, or any may no longer stand for all.
    is_intricate: bool,
}

impl Link {
    pub(super) fn read(der: &[u8]) -> Result<Self, NoCertificate> {
        x509::with_parsed(der, |parsed, defects| {
            let basic = parsed.basic_constraints().ok().flatten().map(|it| it.value);
            Self {
                der: der.into(),
                sha256: x509::sha256(der),
                subject: parsed.subject().as_raw().into(),
                issuer: parsed.issuer().as_raw().into(),
                issuer_name: x509::name(parsed.issuer()).to_string().into(),
                subject_name: x509::name(parsed.subject()).to_string().into(),
                key: parsed.public_key().raw.into(),
                not_before: UnixTime::new(parsed.validity().not_before.timestamp()),
                not_after: UnixTime::new(parsed.validity().not_after.timestamp()),
                defects,
                is_ca: basic.is_some_and(|it| it.ca),
                path_length: basic.and_then(|it| it.path_len_constraint),
                constraints: Constraints::of(parsed),
                names: Names::of(parsed),
                policies: Policies::of(parsed),
            }
        })
    }

    /// Why whoever parses the chain stops at it; a key that is too long counts as well, by crypto/tls.
    pub(super) fn unparsed(&self) -> Option<&Defect> {
        self.defects.iter().find(|it| match it {
            Defect::DuplicateExtension(_) | Defect::Malformed(_) | Defect::NegativeSerial => true,
            Defect::RsaKey(bits) => *bits > 1024,
            _ => false,
        })
    }

    /// That it is rejected for this.
    pub(super) fn fault(&self, defect: &Defect) -> ChainFault {
        ChainFault::RejectedCa { ca: self.subject_name.clone(), defect: defect.clone() }
    }

    /// Why it may not sign the certificate that has so many CAs between it and the leaf.
    pub(super) fn forbids(&self, is_root: bool, between: usize) -> Option<ChainFault> {
        let rejects = |it: &&Defect| match it {
            Defect::DuplicateExtension(_)
            | Defect::Malformed(_)
            | Defect::NegativeSerial
            | Defect::NotForSigning
            | Defect::UnknownCriticalExtension(_) => true,
            Defect::RsaKey(bits) => *bits < 1024 || !is_root,
            // The signature of what is trusted by itself is not looked at.
            Defect::WeakSignature(_) => !is_root,
            Defect::NoNames | Defect::NotForClients | Defect::NotForServers | Defect::Pem(_) => {
                false
            }
        };
        let defect = self.defects.iter().find(rejects);
        let not_a_ca = Some(&Defect::NotForSigning).filter(|_| !is_root && !self.is_ca);
        let is_too_long = self
            .path_length
            .is_some_and(|most| usize::try_from(most).is_ok_and(|most| between > most));
        let too_long = is_too_long.then_some(ChainFault::PathLength);
        defect.or(not_a_ca).map(|it| self.fault(it)).or(too_long)
    }

    /// True if what it signs may be for servers.
    pub(super) fn is_for_servers(&self) -> bool {
        !self.defects.contains(&Defect::NotForServers)
    }

    /// True if it stands for the same as `other`, so that a chain with both runs in a circle.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.subject == other.subject && self.key == other.key
    }
}

impl Policies {
    fn of(parsed: &X509Certificate<'_>) -> Self {
        let mut found = Self::default();
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::CertificatePolicies(all) => {
                    found.ids = all.iter().map(|it| it.policy_id.to_id_string().into()).collect();
                }
                ParsedExtension::PolicyConstraints(it) => {
                    found.is_required = it.require_explicit_policy.is_some();
                }
                ParsedExtension::PolicyMappings(_) | ParsedExtension::InhibitAnyPolicy(_) => {
                    found.is_intricate = true;
                }
                _ => {}
            }
        }
        found
    }

    /// Whether those of a chain, without its root, are valid; `None` if that was not found out.
    pub(super) fn are_valid(chain: &[&Self]) -> Option<bool> {
        if !chain.iter().any(|it| it.is_required) {
            return Some(true);
        }
        let has =
            |it: &Self, id: &str| it.ids.iter().any(|own| **own == *id || **own == *ANY_POLICY);
        let ids = chain.iter().flat_map(|it| &it.ids);
        let is_common = ids.into_iter().any(|id| chain.iter().all(|it| has(it, id)));
        (is_common && !chain.iter().any(|it| it.is_intricate)).then_some(true)
    }
}
