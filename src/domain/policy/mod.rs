//! The judgement: one pure function over (inventory, policy, now).

mod checks;
mod endpoint;
mod inventory_index;
mod refused;
mod thresholds;

use super::model::{
    Certificate, ChainFault, Components, Content, Defect, Inventory, Item, Loopback, Reason,
    ServerName, StaleUse,
};
use super::role::{self, CertificateKind, RenewedBy};
use super::time::{Span, UnixTime};
pub(crate) use checks::used_until;
use inventory_index::InventoryIndex;
pub(crate) use refused::refused_since;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
pub use thresholds::Thresholds;

/// The thresholds that decide severities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// For serving and client certificates.
    pub leaf: Thresholds,
    /// For CAs: nobody renews a CA in a hurry.
    pub ca: Thresholds,
    /// A certificate that lives shorter than this is judged by fractions of its life:
    /// a warning in the last third, critical in the last sixth.
    pub short_lived: Span,
    /// The kubelet rotates its certificate at 70 to 90 % of its life; past this percentage
    /// (1 to 100) the rotation is overdue.
    pub rotation_percent: u8,
}

/// How bad it is, in ascending order: what cannot be judged outranks a warning, since it may hide
/// anything, and yields to a certain disaster.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do.
    #[default]
    Ok,
    /// Plan something.
    Warning,
    /// Could not be judged.
    Unknown,
    /// Something is broken or will be within days.
    Critical,
}

/// The judgement of a whole inventory.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    /// One row for each item, most urgent first.
    pub rows: Vec<Row>,
    /// The first moment after `now` at which the judgement of the same inventory changes.
    pub next_change: Option<UnixTime>,
}

/// The judgement of one item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Index in [`Inventory::items`].
    pub item: usize,
    /// The worst of the findings.
    pub severity: Severity,
    /// When it really stops working: the earliest of its own notAfter, its CAs', and that of what is used in its place.
    pub expires: Option<UnixTime>,
    /// A copy, inside a kubeconfig, of a CA that has a row of its own: people need not see it twice.
    pub repeats: bool,
    /// What is wrong, worst first. Empty when all is well.
    pub findings: Box<[Finding]>,
}

/// One thing that is wrong, with the evidence; the words are in [`super::advice`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub kind: FindingKind,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FindingKind {
    /// Its last second has passed.
    Expired(UnixTime),
    /// It expires within the thresholds.
    Expires {
        /// Its last second.
        at: UnixTime,
        /// The threshold it has passed.
        threshold: Span,
    },
    /// What an endpoint presents leads to no trusted CA, or a CA in it forbids it.
    Chain(ChainFault),
    /// A kubeconfig whose cluster CA is not the cluster's CA.
    ForeignCa(Arc<Path>),
    /// It ends, or has ended, and nothing on the node names it; its last second.
    LeftOver(UnixTime),
    /// A name or address under which its server is reached is not in it.
    NameMissing(Box<ServerName>),
    /// Whether an endpoint serves the certificate in this file cannot be told: it was not read.
    NotCompared(Arc<Path>),
    /// Its first second has not come.
    NotYetValid(UnixTime),
    /// It claims to live longer than its CA.
    OutlivesCa {
        /// The CA's file.
        ca: Arc<Path>,
        /// The CA's last second.
        until: UnixTime,
    },
    /// Kubernetes' own library refuses it.
    Refused(Defect),
    /// A CA left over from a rotation, about to end.
    Retired,
    /// The kubelet should have rotated it at that moment.
    RotationOverdue(UnixTime),
    /// The file of the CA that kube-controller-manager signs with holds so many certificates, and not one.
    SeveralCertificates(usize),
    /// An endpoint serves another certificate than the one in its file.
    ServesOther {
        /// The file.
        file: Arc<Path>,
        /// That one is newer: the server goes on with the one of before.
        is_newer: bool,
    },
    /// A kubeconfig's copy of a CA that has been signed again with its key.
    StaleCa {
        /// The copy's last second.
        at: UnixTime,
        /// The CA's file.
        of: Arc<Path>,
    },
    /// An older copy of a kubeconfig that has been renewed.
    StaleCopy {
        /// That kubeconfig.
        of: Arc<Path>,
    },
    /// A component goes on with another one than this.
    StaleUse {
        /// Who, and how that is known.
        by: Box<StaleUse>,
        /// When that other one ends: then, or at the latest.
        until: UnixTime,
    },
    /// Whether its CA signed it cannot be checked here.
    SignatureUnchecked {
        /// The CA's file.
        ca: Arc<Path>,
        /// The name of the algorithm, and what of it is not supported; or its OID.
        algorithm: Box<str>,
    },
    /// Nothing that can be judged.
    Unusable(Reason),
    /// Not signed by the CA that must have signed it.
    WrongSigner(Arc<Path>),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            leaf: Thresholds::new([30, 14, 7, 3, 1].map(Span::days).to_vec(), Span::days(7)),
            ca: Thresholds::new([365, 180, 90, 30].map(Span::days).to_vec(), Span::days(90)),
            short_lived: Span::days(60),
            rotation_percent: 90,
        }
    }
}

impl FindingKind {
    /// The stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(fault) => fault.code(),
            Self::Expired(_) => "expired",
            Self::Expires { .. } => "expires",
            Self::ForeignCa(_) => "foreign_ca",
            Self::LeftOver(_) => "left_over",
            Self::NameMissing(_) => "name_missing",
            Self::NotCompared(_) => "not_compared",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::OutlivesCa { .. } => "outlives_ca",
            Self::Refused(defect) => defect.code(),
            Self::Retired => "retired_ca",
            Self::RotationOverdue(_) => "rotation_overdue",
            Self::SeveralCertificates(_) => "several_certificates",
            Self::ServesOther { is_newer: false, .. } => "serves_other",
            Self::StaleCa { .. } => "stale_ca",
            Self::StaleCopy { .. } => "stale_copy",
            Self::ServesOther { .. } | Self::StaleUse { .. } => "stale_in_use",
            Self::SignatureUnchecked { .. } => "signature_unchecked",
            Self::Unusable(reason) => reason.code(),
            Self::WrongSigner(_) => "wrong_signer",
        }
    }
}

impl Finding {
    /// True for what a copy has by where it stands: etcd's CA in a kubeconfig has a row of its own, but is wrong there.
    fn is_of_its_place(&self) -> bool {
        matches!(self.kind, FindingKind::ForeignCa(_) | FindingKind::Refused(Defect::Pem(_)))
    }
}

impl Row {
    /// Its expiry, if a worse finding comes first: a short form with room for one finding names both.
    pub(crate) fn end_behind_the_worst(&self) -> Option<&FindingKind> {
        let is_end = |kind: &&FindingKind| {
            matches!(kind, FindingKind::Expired(_) | FindingKind::Expires { .. })
        };
        self.findings.iter().skip(1).map(|finding| &finding.kind).find(is_end)
    }
}

impl Severity {
    /// Lower-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

impl Assessment {
    /// The worst severity of all rows; an empty inventory could not be judged.
    pub(crate) fn severity(&self) -> Severity {
        self.rows.iter().map(|row| row.severity).max().unwrap_or(Severity::Unknown)
    }

    /// How many rows have this severity, kubeconfigs' copies of a CA not counted.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.rows.iter().filter(|row| row.severity == severity && !row.repeats).count()
    }
}

/// Judges every item of `inventory` as of `now`.
pub(crate) fn assess(inventory: &Inventory, policy: &Policy, now: UnixTime) -> Assessment {
    let index = InventoryIndex::of(inventory);
    let mut rows: Vec<Row> = inventory
        .items
        .iter()
        .enumerate()
        .map(|(position, item)| {
            let mut findings = findings(item, &index, &inventory.components, policy, now);
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            Row {
                item: position,
                severity: findings.first().map_or(Severity::Ok, |worst| worst.severity),
                expires: expires(item).into_iter().chain(checks::used_until(item)).min(),
                repeats: index.is_repeated(item) && !findings.iter().any(Finding::is_of_its_place),
                findings: findings.into(),
            }
        })
        .collect();
    // What has no date comes after what has already ended: that hurts now, this at a restart. The
    // place decides between equals, so that the order of the scan does not show.
    let has_ended = |row: &Row| row.expires.map_or(1, |end| if end < now { 0 } else { 2 });
    let urgency = |row: &Row| (std::cmp::Reverse(row.severity), has_ended(row), row.expires);
    let place = |row: &Row| &inventory.items[row.item].place;
    rows.sort_by(|a, b| urgency(a).cmp(&urgency(b)).then_with(|| place(a).cmp(place(b))));
    let turning_points = inventory.items.iter().flat_map(|item| turning_points(item, policy));
    Assessment { rows, next_change: turning_points.filter(|at| *at > now).min() }
}

/// When the item stops working: its own last second or its signing CA's, whichever is first.
pub fn expires(item: &Item) -> Option<UnixTime> {
    match &item.content {
        Content::Certificate(certificate) => {
            let until = certificate.signer.not_after();
            Some(until.map_or(certificate.not_after, |until| certificate.not_after.min(until)))
        }
        Content::Loopback(loopback) => Some(loopback.not_after),
        Content::Problem(_) => None,
    }
}

/// How long before its end an item becomes a warning, and how long before it critical.
pub(crate) fn thresholds(item: &Item, policy: &Policy) -> [Option<Span>; 2] {
    let begin = |severity| steps(item, policy)?.begin(severity);
    [begin(Severity::Warning), begin(Severity::Critical)]
}

fn steps(item: &Item, policy: &Policy) -> Option<thresholds::Steps> {
    match &item.content {
        Content::Certificate(certificate) => Some(thresholds::steps(item, certificate, policy)),
        Content::Loopback(_) => Some(thresholds::Steps::of_thresholds(&policy.leaf)),
        Content::Problem(_) => None,
    }
}

/// True where kubeadm would renew but lacks the CA's key: what kubeadm calls externally managed.
pub(crate) fn is_externally_managed(item: &Item) -> bool {
    let is_kubeadms =
        item.role.kind == CertificateKind::Ca || item.role.renewer == RenewedBy::Kubeadm;
    is_kubeadms && item.has_key == Some(false)
}

/// True where it ends with its CA, before its own date.
pub(crate) fn ends_with_ca(item: &Item) -> bool {
    let own = item.certificate().map(|certificate| certificate.not_after);
    own.is_some() && own != expires(item)
}

fn findings(
    item: &Item,
    index: &InventoryIndex<'_>,
    node: &Components,
    policy: &Policy,
    now: UnixTime,
) -> Vec<Finding> {
    match &item.content {
        Content::Certificate(certificate) => {
            of_certificate(item, certificate, index, node, policy, now)
        }
        Content::Loopback(loopback) => of_loopback(loopback, policy, now).into_iter().collect(),
        Content::Problem(reason) => vec![checks::unusable(item, reason)],
    }
}

/// Every check, each with its own finding: the order here is the order among equals.
fn of_certificate(
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
    node: &Components,
    policy: &Policy,
    now: UnixTime,
) -> Vec<Finding> {
    let steps = thresholds::steps(item, certificate, policy);
    let expiry = checks::expires_at(expires(item).unwrap_or(certificate.not_after), &steps, now)
        .map(|expiry| checks::stale_ca(expiry, item, certificate, index))
        .and_then(|expiry| checks::retired(expiry, item, certificate, index));
    let is_left_over = item.role.kind == CertificateKind::LeftOver;
    if is_left_over || expiry.is_some() && checks::is_old_copy_beside(item, certificate, index) {
        // Whoever signed it, and since when it is valid: nobody asks.
        return expiry.into_iter().map(|_| checks::left_over(certificate)).collect();
    }
    // Once it expires soon, that is the finding, and its line says whether the CA is the reason.
    let outlives_ca = if expiry.is_some() { None } else { checks::outlives_ca(certificate) };
    let found = [
        expiry,
        checks::not_yet_valid(certificate, now),
        checks::signature(item, certificate),
        checks::foreign_ca(item, index),
        outlives_ca,
        checks::rotation_overdue(item, certificate, policy, now),
        checks::stale_copy(item, certificate, index),
        checks::stale_use(item, &steps, now),
    ];
    let refused = refused::refused(item, certificate, index, node);
    let presented = endpoint::findings(item, certificate, index, &steps, now);
    let found = found.into_iter().flatten();
    let mut findings: Vec<Finding> = found.chain(refused).chain(presented).collect();
    if item.role.kind == CertificateKind::MinorLeaf || item.role == &role::STRAY {
        findings
            .iter_mut()
            .for_each(|finding| finding.severity = finding.severity.min(Severity::Warning));
    }
    findings
}

fn of_loopback(loopback: &Loopback, policy: &Policy, now: UnixTime) -> Option<Finding> {
    let steps = thresholds::Steps::of_thresholds(&policy.leaf);
    checks::expires_at(loopback.not_after, &steps, now)
}

/// Every moment at which the judgement of this item can change.
fn turning_points(item: &Item, policy: &Policy) -> Vec<UnixTime> {
    let (Some(end), Some(steps)) = (expires(item), steps(item, policy)) else { return Vec::new() };
    let mut points: Vec<UnixTime> = steps.spans().map(|span| end - span).collect();
    points.push(end + Span::seconds(1));
    if let Some(until) = checks::used_until(item) {
        points.extend(steps.spans().map(|span| until - span));
        points.push(until + Span::seconds(1));
    }
    if let Some(certificate) = item.certificate() {
        points.push(certificate.not_before);
        if item.role.kind == CertificateKind::KubeletClient {
            points.push(checks::rotation_due(certificate, policy));
        }
    }
    points
}

#[cfg(test)]
mod tests;
