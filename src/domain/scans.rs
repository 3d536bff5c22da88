//! Whether the scans of a daemon end as they should, and what follows if they do not.
//!
//! Times are counted from any moment by a clock that nobody sets.

use std::time::Duration;

/// What a scan may take beyond its timeout: it ends by itself then, on a busy machine a little later.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// So many scans in a row that end badly end the process.
pub(crate) const IN_A_ROW: u32 = 3;

/// The scans of a process, as far as it matters whether they end well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Scans {
    /// How many ended badly since the last that ended well.
    bad: u32,
    under_way: Option<UnderWay>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct UnderWay {
    begun: Duration,
    /// What it may take, with the grace.
    limit: Duration,
}

impl Scans {
    /// A scan begins at `now`, and may take `timeout`.
    pub(crate) fn begin(&mut self, now: Duration, timeout: Duration) {
        self.under_way = Some(UnderWay { begun: now, limit: timeout + GRACE });
    }

    /// The scan has ended at `now`. One that is late has been counted as bad before, and has seen all the same.
    pub(crate) fn end(&mut self, is_well: bool, now: Duration) {
        let late = self.late(now);
        self.under_way = None;
        self.bad = match (is_well, late) {
            (true, 0) => 0,
            (true, late) => self.bad.saturating_add(late),
            (false, late) => self.bad.saturating_add(late.max(1)),
        };
    }

    /// True while a scan goes on.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// What the scan that goes on may take, the grace included.
    pub(crate) fn limit(&self) -> Duration {
        self.under_way.map_or(Duration::ZERO, |it| it.limit)
    }

    /// True if the scan that goes on should have ended. Then the watchdog is not fed.
    pub(crate) fn is_overdue(&self, now: Duration) -> bool {
        self.late(now) > 0
    }

    /// True if the process has to end, for another to begin anew: a scan that does not end counts once for
    /// each time that one may take.
    pub(crate) fn have_failed(&self, now: Duration) -> bool {
        self.bad.saturating_add(self.late(now)) >= IN_A_ROW
    }

    /// When [`is_overdue`](Self::is_overdue) or [`have_failed`](Self::have_failed) have to be asked again, if no
    /// scan ends before.
    pub(crate) fn next_look(&self, now: Duration) -> Option<Duration> {
        let UnderWay { begun, limit } = self.under_way?;
        Some(begun + limit * (self.late(now) + 1))
    }

    /// How many times over the scan that goes on has taken what it may.
    fn late(&self, now: Duration) -> u32 {
        let Some(UnderWay { begun, limit }) = self.under_way else { return 0 };
        let times = now.saturating_sub(begun).as_nanos() / limit.as_nanos();
        u32::try_from(times).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_that_never_ends_is_told_of_first_and_ends_the_process_later() {
        let mut scans = Scans::default();
        scans.begin(seconds(1000), seconds(60));
        assert_eq!(scans.next_look(seconds(1000)), Some(seconds(1120)));
        assert!(!scans.is_overdue(seconds(1119)));
        assert!(scans.is_overdue(seconds(1120)) && !scans.have_failed(seconds(1120)));
        assert_eq!(scans.next_look(seconds(1120)), Some(seconds(1240)));
        assert!(!scans.have_failed(seconds(1359)) && scans.have_failed(seconds(1360)));
    }

    #[test]
    fn without_a_scan_nothing_is_awaited() {
        let scans = Scans::default();
        assert_eq!(scans.next_look(seconds(5)), None);
        assert!(!scans.is_overdue(seconds(5)) && !scans.have_failed(seconds(5)));
    }

    proptest! {
        /// Scans of random length and luck, one after the other, against what the words say.
        #[test]
        fn the_process_ends_after_three_bad_ones_and_no_sooner(
            scans in prop::collection::vec((any::<bool>(), 0_u64..400, 0_u64..50), 1..20),
            timeout in 0_u64..120,
        ) {
            let (mut it, mut now, mut bad) = (Scans::default(), Duration::ZERO, 0);
            let limit = seconds(timeout) + GRACE;
            for (is_well, length, pause) in scans {
                it.begin(now, seconds(timeout));
                let begun = now;
                // The loop sleeps until it has to look, and misses nothing by that.
                while let Some(look) = it.next_look(now).filter(|look| *look <= begun + seconds(length)) {
                    prop_assert!(look > now);
                    prop_assert_eq!(it.have_failed(look - seconds(1)), it.have_failed(now));
                    now = look;
                    prop_assert!(it.is_overdue(now));
                    bad += 1;
                    prop_assert_eq!(it.have_failed(now), bad >= IN_A_ROW);
                }
                now = begun + seconds(length);
                let is_late = now >= begun + limit;
                prop_assert_eq!(it.is_overdue(now), is_late);
                it.end(is_well, now);
                prop_assert!(!it.is_overdue(now) && !it.is_under_way());
                bad = match (is_well, is_late) {
                    (true, false) => 0,
                    (false, false) => bad + 1,
                    (_, true) => bad,
                };
                prop_assert_eq!(it.have_failed(now), bad >= IN_A_ROW);
                now += seconds(pause);
                prop_assert_eq!(it.have_failed(now), bad >= IN_A_ROW, "waiting changes nothing");
            }
        }
    }
}
