//! When to look at what changed: not in the middle of it, and not never.

use std::time::{Duration, Instant};

/// This long nothing may happen; a renewal writes its twenty files within less.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// This long after the first hint it is looked at in any case.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// Hints in, one moment out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Debounce {
    /// The first hint that was not looked at, and the last.
    hints: Option<(Instant, Instant)>,
}

impl Debounce {
    /// Something may have changed.
    pub(crate) fn note(&mut self, now: Instant) {
        let first = self.hints.map_or(now, |(first, _)| first);
        self.hints = Some((first, now));
    }

    /// When to look; `None` if nothing changed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.hints.map(|(first, last)| (last + QUIET).min(first + LONGEST))
    }

    /// True if it is time to look.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// It is being looked at: what was noted so far is done with.
    pub(crate) fn clear(&mut self) {
        self.hints = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_happened_is_never_due() {
        let now = Instant::now();
        assert!(!Debounce::default().is_due(now + Duration::from_secs(1000)));
    }

    proptest! {
        /// The loop as it runs: it sleeps until the next hint or until the moment that is due.
        #[test]
        fn no_hint_is_lost_none_early_none_late(gaps in prop::collection::vec(0_u64..5000, 1..60)) {
            let mut now = Instant::now();
            let mut debounce = Debounce::default();
            let mut open: Vec<Instant> = Vec::new();
            let mut looks = 0;
            for gap in &gaps {
                let next = now + Duration::from_millis(*gap);
                if let Some(due) = debounce.due().filter(|due| *due <= next) {
                    prop_assert!(debounce.is_due(due));
                    prop_assert!(!debounce.is_due(due - Duration::from_millis(1)));
                    let (first, last) = (open[0], open[open.len() - 1]);
                    prop_assert!(due >= last + QUIET || due == first + LONGEST);
                    prop_assert!(due <= first + LONGEST);
                    debounce.clear();
                    open.clear();
                    looks += 1;
                }
                now = next;
                debounce.note(now);
                open.push(now);
            }
            let due = debounce.due();
            prop_assert!(due.is_some_and(|due| due > now && due <= open[0] + LONGEST));
            prop_assert!(looks <= gaps.len());
        }
    }
}
