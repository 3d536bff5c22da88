//! How many days before the end something is said.

use crate::domain::model::{Certificate, Item};
use crate::domain::role::{CertificateKind, RenewedBy};
use crate::domain::time::Span;

use super::{Policy, Severity};

/// Steps before an expiry, and the one from which it is critical.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Thresholds {
    spans: Vec<Span>,
    critical: Span,
}

impl Thresholds {
    /// Thresholds at `spans` before the end; from `critical` before the end on it is critical.
    /// They are sorted, longest first; the longest is where warnings begin.
    pub fn new(mut spans: Vec<Span>, critical: Span) -> Self {
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans.dedup();
        Self { spans, critical }
    }

    /// The steps, longest first.
    pub(crate) fn all(&self) -> &[Span] {
        &self.spans
    }

    /// From when on it is critical.
    pub fn critical(&self) -> Span {
        self.critical
    }

    /// The same thresholds in at most `span`, critical in the last half of it.
    fn within(&self, span: Span) -> Self {
        let spans = self.spans.iter().map(|it| (*it).min(span)).collect();
        Self::new(spans, self.critical.min(span.fraction(1, 2)))
    }

    /// Where warnings begin.
    pub fn warning(&self) -> Span {
        self.spans.first().copied().unwrap_or(self.critical).max(self.critical)
    }
}

/// The steps that hold for one item, with their severities.
#[derive(Debug)]
pub(super) struct Steps(Vec<(Span, Severity)>);

impl Steps {
    pub(super) fn of_thresholds(thresholds: &Thresholds) -> Self {
        let mut spans = thresholds.spans.clone();
        spans.push(thresholds.critical);
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans.dedup();
        let severity = |span: &Span| {
            if *span <= thresholds.critical { Severity::Critical } else { Severity::Warning }
        };
        Self(spans.into_iter().map(|span| (span, severity(&span))).collect())
    }

    /// A third of the life left is a warning, a sixth is critical: a certificate of 24 hours would
    /// be past every threshold of days for all its life.
    fn of_life(life: Span) -> Self {
        Self(vec![
            (life.fraction(1, 3), Severity::Warning),
            (life.fraction(1, 6), Severity::Critical),
        ])
    }

    /// The innermost step that `left` has reached.
    pub(super) fn reached(&self, left: Span) -> Option<(Span, Severity)> {
        self.0.iter().rev().find(|(span, _)| left <= *span).copied()
    }

    /// The longest step of this severity.
    pub(super) fn begin(&self, severity: Severity) -> Option<Span> {
        self.0.iter().find(|(_, of)| *of == severity).map(|(span, _)| *span)
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.0.iter().map(|(span, _)| *span)
    }
}

/// The steps for a certificate: by its role, and by its length of life.
pub(super) fn steps(item: &Item, certificate: &Certificate, policy: &Policy) -> Steps {
    let life = certificate.lifetime();
    if item.role.renewer == RenewedBy::Kubelet {
        // Before the kubelet must have rotated it, the little that is left of its life says nothing.
        let late = life.fraction(100 - i32::from(policy.rotation_percent), 100);
        return Steps::of_thresholds(&policy.leaf.within(late));
    }
    if life < policy.short_lived {
        return Steps::of_life(life);
    }
    let is_ca = match item.role.kind {
        CertificateKind::Ca | CertificateKind::ClusterCa => true,
        // A self-made CA of one year would be a warning from its first day with a threshold of one year.
        CertificateKind::File | CertificateKind::UserKubeconfig => {
            certificate.is_ca && life > policy.ca.warning().fraction(2, 1)
        }
        CertificateKind::KubeletClient
        | CertificateKind::Leaf
        | CertificateKind::LeftOver
        | CertificateKind::MinorLeaf
        | CertificateKind::Process => false,
    };
    Steps::of_thresholds(if is_ca { &policy.ca } else { &policy.leaf })
}
