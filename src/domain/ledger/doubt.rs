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
pub enum Look {
    /// A new scan.
    Scan,
    /// The last scan, judged again as of now: it confirms nothing.
    Again,
}

/// What was seen, but not often enough.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Doubts(BTreeMap<(AlertId, What), Doubt>);

/// What is doubted: having seen that a file is broken says nothing about its being gone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum What {
    Broken,
    Gone,
}

#[derive(Clone, Debug, PartialEq)]
struct Doubt {
    seen: u8,
    next: UnixTime,
    /// Of the present look.
    is_current: bool,
}

impl Doubts {
    pub(super) fn begin_look(&mut self) {
        self.0.values_mut().for_each(|doubt| doubt.is_current = false);
    }

    /// True once it has been seen for the third time.
    pub(super) fn is_settled(
        &mut self,
        what: What,
        id: &AlertId,
        look: Look,
        now: UnixTime,
    ) -> bool {
        let key = (id.clone(), what);
        let Some(doubt) = self.0.get_mut(&key) else {
            let doubt = Doubt { seen: 1, next: now + FIRST, is_current: true };
            self.0.insert(key, doubt);
            return false;
        };
        doubt.is_current = true;
        if look == Look::Scan && now >= doubt.next {
            doubt.seen += 1;
            doubt.next = now + SECOND;
        }
        doubt.seen >= 3
    }

    /// What was not doubted in this look is no longer doubted.
    pub(super) fn end_look(&mut self) {
        self.0.retain(|_, doubt| doubt.is_current && doubt.seen < 3);
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<UnixTime> {
        self.0.values().map(|doubt| doubt.next).min()
    }

    pub(super) fn mend_clock(&mut self, now: UnixTime) {
        self.0.values_mut().for_each(|doubt| doubt.next = doubt.next.min(now + SECOND));
    }
}
