//! What has to be seen three times before it is believed.
//!
//! kubeadm and the kubelet write files in place or remove and rename them: for a moment they are
//! gone, cut off, or do not match. Looking again after 5 and after 15 seconds more keeps everybody
//! asleep.

use std::collections::BTreeMap;

use crate::domain::alert::AlertId;
use crate::domain::time::{Span, UnixTime};

const FIRST: Span = Span::seconds(5);
const SECOND: Span = Span::seconds(15);

/// What a look at the node was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EvaluationBasis {
    /// A new scan.
    NewScan,
    /// The last scan, judged again as of now: it confirms nothing.
    LastScan,
}

/// What was seen, but not often enough.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PendingAlerts(BTreeMap<(AlertId, Transition), Pending>);

/// What is doubted: having seen that a file is broken says nothing about its being gone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Transition {
    Broken,
    Gone,
}

#[derive(Clone, Debug, PartialEq)]
struct Pending {
    seen: u8,
    next: UnixTime,
    /// Of the present look.
    is_current: bool,
}

impl PendingAlerts {
    pub(super) fn begin_look(&mut self) {
        self.0.values_mut().for_each(|pending| pending.is_current = false);
    }

    /// True once it has been seen for the third time.
    pub(super) fn is_settled(
        &mut self,
        transition: Transition,
        id: &AlertId,
        basis: EvaluationBasis,
        now: UnixTime,
    ) -> bool {
        let key = (id.clone(), transition);
        let Some(pending) = self.0.get_mut(&key) else {
            let pending = Pending { seen: 1, next: now + FIRST, is_current: true };
            self.0.insert(key, pending);
            return false;
        };
        pending.is_current = true;
        if basis == EvaluationBasis::NewScan && now >= pending.next {
            pending.seen += 1;
            pending.next = now + SECOND;
        }
        pending.seen >= 3
    }

    /// What was not doubted in this look is no longer doubted.
    pub(super) fn end_look(&mut self) {
        self.0.retain(|_, pending| pending.is_current && pending.seen < 3);
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<UnixTime> {
        self.0.values().map(|pending| pending.next).min()
    }

    pub(super) fn clamp_future(&mut self, now: UnixTime) {
        self.0.values_mut().for_each(|pending| pending.next = pending.next.min(now + SECOND));
    }
}
