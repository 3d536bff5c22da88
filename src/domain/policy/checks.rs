//! The checks: each looks at one item and says at most one thing.

use crate::domain::layout;
use crate::domain::model::{Ca, Certificate, Entry, Item, Reason, Signer, StaleEvidence};
use crate::domain::role::{CertificateKind, RenewedBy};
use crate::domain::time::{Span, UnixTime};

use super::inventory_index::InventoryIndex;
use super::thresholds::Steps;
use super::{Finding, FindingKind, Policy, Severity};

/// Expired, or past a threshold. notAfter itself is still valid (RFC 5280, 4.1.2.5).
pub(super) fn expires_at(at: UnixTime, steps: &Steps, now: UnixTime) -> Option<Finding> {
    if now > at {
        return Some(Finding { severity: Severity::Critical, kind: FindingKind::Expired(at) });
    }
    let (threshold, severity) = steps.reached(at - now)?;
    Some(Finding { severity, kind: FindingKind::Expires { at, threshold } })
}

pub(super) fn not_yet_valid(certificate: &Certificate, now: UnixTime) -> Option<Finding> {
    let from = certificate.not_before;
    (now < from)
        .then_some(Finding { severity: Severity::Critical, kind: FindingKind::NotYetValid(from) })
}

/// The signature does not verify with the CA that must have made it: a CA rotation that stopped
/// half-way. A user's kubeconfig may be for another cluster.
///
/// One that cannot be checked may hide the same, so it is unknown. Of other people's files nothing
/// here depends on, and certwatch does not know their CA, only one of that name: a warning.
pub(super) fn signature(item: &Item, certificate: &Certificate) -> Option<Finding> {
    match &certificate.signer {
        // What is wrong with its chain says more.
        Signer::Refused(_) if item.chain.is_some() => None,
        Signer::Unchecked { .. } if item.chain.as_ref().is_some_and(|it| it.fault.is_some()) => {
            None
        }
        Signer::Refused(ca) if item.role.kind != CertificateKind::UserKubeconfig => Some(Finding {
            severity: Severity::Critical,
            kind: FindingKind::WrongSigner(ca.clone()),
        }),
        Signer::Unchecked { ca, algorithm } => {
            let severity = match item.role.kind {
                CertificateKind::File | CertificateKind::UserKubeconfig => Severity::Warning,
                _ => Severity::Unknown,
            };
            let (ca, algorithm) = (ca.path.clone(), algorithm.clone());
            Some(Finding { severity, kind: FindingKind::SignatureUnchecked { ca, algorithm } })
        }
        Signer::Verified(_) | Signer::Refused(_) | Signer::NoCa => None,
    }
}

/// Of a copy of a CA that has been signed again with its key, it is said that the copy is old: the
/// new one only has to be written in.
pub(super) fn stale_ca(
    expiry: Finding,
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
) -> Finding {
    match index.signed_again(item, certificate) {
        Some(of) => {
            let kind = FindingKind::StaleCa { at: certificate.not_after, of: of.clone() };
            Finding { severity: expiry.severity, kind }
        }
        None => expiry,
    }
}

/// A CA that ends beside another in its file, and has signed nothing that is here: it is left over
/// from a rotation, and nobody needs it. The end of a root changes nothing where the intermediate CA
/// below it is in the same CA file.
pub(super) fn retired(
    expiry: Finding,
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
) -> Option<Finding> {
    let is_ca = matches!(item.role.kind, CertificateKind::Ca | CertificateKind::ClusterCa);
    if is_ca && index.is_root_behind(certificate) {
        return None;
    }
    let is_retired = item.role.kind == CertificateKind::Ca
        && index.is_retired(&item.place.path, certificate)
        || index.is_beside_the_chain(item);
    let retired = Finding { severity: Severity::Warning, kind: FindingKind::Retired };
    Some(if is_retired { retired } else { expiry })
}

/// True for a backup of a kubeconfig that lies beside it, such as `/etc/kubernetes/admin-2025.conf`.
pub(super) fn is_old_copy_beside(
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
) -> bool {
    item.role.kind == CertificateKind::UserKubeconfig
        && index
            .newer_original(certificate)
            .is_some_and(|original| original.place.path.parent() == item.place.path.parent())
}

/// Nothing stops when it ends.
pub(super) fn left_over(certificate: &Certificate) -> Finding {
    let kind = FindingKind::LeftOver(certificate.not_after);
    Finding { severity: Severity::Warning, kind }
}

/// kubeadm signs a year ahead without looking at the CA's own date, and exits with 0. A pair made
/// in one go may differ by the seconds between them.
pub(super) fn outlives_ca(certificate: &Certificate) -> Option<Finding> {
    let is_shorter = |ca: &&Ca| ca.not_after + Span::days(1) < certificate.not_after;
    let ca = certificate.signer.bound().filter(is_shorter)?;
    let kind = FindingKind::OutlivesCa { ca: ca.path.clone(), until: ca.not_after };
    Some(Finding { severity: Severity::Warning, kind })
}

/// Says nothing any more once the certificate has ended: then that is the news.
pub(super) fn rotation_overdue(
    item: &Item,
    certificate: &Certificate,
    policy: &Policy,
    now: UnixTime,
) -> Option<Finding> {
    let due = rotation_due(certificate, policy);
    let has_ended = super::expires(item).is_some_and(|end| end < now);
    (item.role.kind == CertificateKind::KubeletClient && due <= now && !has_ended)
        .then_some(Finding { severity: Severity::Warning, kind: FindingKind::RotationOverdue(due) })
}

/// When the kubelet must have rotated the certificate.
pub(super) fn rotation_due(certificate: &Certificate, policy: &Policy) -> UnixTime {
    certificate.not_before
        + certificate.lifetime().fraction(i32::from(policy.rotation_percent), 100)
}

pub(super) fn foreign_ca(item: &Item, index: &InventoryIndex<'_>) -> Option<Finding> {
    let ca = index.betrayed_ca(item)?;
    let own = layout::is_node_kubeconfig(&item.place.path);
    let severity = if own { Severity::Critical } else { Severity::Warning };
    Some(Finding { severity, kind: FindingKind::ForeignCa(ca.clone()) })
}

pub(super) fn stale_copy(
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
) -> Option<Finding> {
    if item.role.kind != CertificateKind::UserKubeconfig
        || !matches!(item.place.entry, Entry::User { index: 0, .. })
    {
        return None;
    }
    let of = index.newer_original(certificate)?.place.path.clone();
    let kind = FindingKind::StaleCopy { of };
    Some(Finding { severity: Severity::Warning, kind })
}

/// How bad that is follows the end of what is in use, which nobody renews any more; until then a restart is due.
pub(super) fn stale_use(item: &Item, steps: &Steps, now: UnixTime) -> Option<Finding> {
    let by = item.stale_use.clone()?;
    let until = used_until(item)?;
    let severity = expires_at(until, steps, now).map_or(Severity::Warning, |it| it.severity);
    Some(Finding { severity, kind: FindingKind::StaleUse { by, until } })
}

/// When what a component uses in place of `item` ends, at the latest: what it had read at its start had been signed by then,
/// and kubeadm signs for a year, or until the end of the CA.
pub(crate) fn used_until(item: &Item) -> Option<UnixTime> {
    Some(match item.stale_use.as_ref()?.evidence {
        StaleEvidence::Presents { not_after, .. } => not_after,
        StaleEvidence::Read { not_after: Some(known), .. } => known,
        StaleEvidence::Mounted { started } | StaleEvidence::Read { started, not_after: None } => {
            let ca = item.certificate().and_then(|it| it.signer.bound()).map(|ca| ca.not_after);
            let year = started + Span::days(365);
            ca.map_or(year, |ca| ca.min(year))
        }
    })
}

/// What cannot be judged is unknown; but a certificate that a component needs at its next start
/// and that is gone or broken is worse.
pub(super) fn unusable(item: &Item, reason: &Reason) -> Finding {
    let severity = match (reason.breaks_its_user(), item.role.kind, item.role.renewer) {
        _ if *reason == Reason::NotALink => Severity::Warning,
        (true, ..) if item.named_by.is_some() => Severity::Critical,
        (
            true,
            CertificateKind::Leaf
            | CertificateKind::Ca
            | CertificateKind::KubeletClient
            | CertificateKind::Process,
            _,
        )
        | (true, _, RenewedBy::Kubeadm) => Severity::Critical,
        (true, CertificateKind::ClusterCa, _) if layout::is_node_kubeconfig(&item.place.path) => {
            Severity::Critical
        }
        _ => Severity::Unknown,
    };
    Finding { severity, kind: FindingKind::Unusable(reason.clone()) }
}
