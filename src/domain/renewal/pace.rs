//! When the daemon may ask for a renewal again: what changed nothing is not repeated every hour.

use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, UnixTime};

use super::obstacle::Obstacle;

/// How long the same is not tried again once it has ended, well or not: it would end as it did.
pub const PAUSE: Span = Span::hours(24);

/// The same after one of which no end is known: it may have met somebody at work.
const BREATH: Span = Span::minutes(3);

/// The most renewals in one hour, whatever has changed.
const PER_HOUR: usize = 3;

/// A renewal that was tried without a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Attempt {
    /// When it began.
    pub at: UnixTime,
    /// It has ended, well or not.
    pub ended: bool,
    /// What it found: the same as long as nothing has changed on the node and in the settings.
    pub found: String,
}

/// The earliest moment at which the next one may begin, by those that were; `now` if at once.
pub fn not_before(attempts: &[Attempt], found: &str, now: UnixTime) -> UnixTime {
    let after_last = known(attempts, now)
        .filter(|attempt| attempt.found == found)
        .max_by_key(|attempt| attempt.at)
        .map(|last| last.at + if last.ended { PAUSE } else { BREATH });
    let mut recent: Vec<UnixTime> = known(attempts, now).map(|attempt| attempt.at).collect();
    recent.sort_unstable();
    let after_many = recent.len().checked_sub(PER_HOUR).map(|first| recent[first] + Span::hours(1));
    after_last.into_iter().chain(after_many).fold(now, UnixTime::max)
}

/// Without those of the future, which a clock has made that was set back since: they would count for as long as it
/// was ahead.
fn known(attempts: &[Attempt], now: UnixTime) -> impl Iterator<Item = &Attempt> {
    attempts.iter().filter(move |attempt| attempt.at <= now + BREATH)
}

/// True if what stands in the way is waited for in silence, by what was tried before: always if it
/// goes away by itself, and twice if it may. On a node that boots nothing is healthy at first.
pub fn is_waited_for(
    obstacles: &[Obstacle],
    attempts: &[Attempt],
    found: &str,
    now: UnixTime,
) -> bool {
    let is_recent = |attempt: &&Attempt| attempt.found == found && now - attempt.at < PAUSE;
    let tries = known(attempts, now).filter(is_recent).count();
    !obstacles.is_empty()
        && (obstacles.iter().all(Obstacle::passes)
            || obstacles.iter().all(Obstacle::may_pass) && tries < 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attempt(at: i64, ended: bool, found: &str) -> Attempt {
        Attempt { at: UnixTime::new(at), ended, found: found.to_owned() }
    }

    #[test]
    fn the_same_waits_a_day_unless_something_changed() {
        let now = UnixTime::new(1_000_000);
        let ended = [attempt(999_000, true, "a")];
        assert_eq!(not_before(&ended, "a", now), UnixTime::new(999_000) + PAUSE);
        assert_eq!(not_before(&ended, "b", now), now);
        let other = [&ended[..], &[attempt(999_500, true, "b")]].concat();
        assert_eq!(not_before(&other, "a", now), UnixTime::new(999_000) + PAUSE);
        let unknown = [attempt(999_990, false, "a")];
        assert_eq!(not_before(&unknown, "a", now), UnixTime::new(999_990) + BREATH);
        assert_eq!(not_before(&[], "a", now), now);
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nothing_back() {
        let now = UnixTime::new(1_000_000);
        let year = Span::days(365);
        let ahead: Vec<_> =
            (0..3).map(|n| attempt(1_000_000 + year.as_seconds() + n * 180, n == 2, "a")).collect();
        assert_eq!(not_before(&ahead, "a", now), now);
        assert!(is_waited_for(&[Obstacle::Clock(String::new())], &ahead, "a", now));
    }

    #[test]
    fn a_node_that_boots_is_waited_for_and_one_that_is_ill_is_told() {
        let now = UnixTime::new(1_000_000);
        let tried = |count: i64| -> Vec<Attempt> {
            (0..count).map(|n| attempt(999_000 + n, false, "a")).collect()
        };
        let down = [Obstacle::KubeletDown("no answer".to_owned())];
        assert!(is_waited_for(&down, &tried(0), "a", now));
        assert!(is_waited_for(&down, &tried(1), "a", now));
        assert!(!is_waited_for(&down, &tried(2), "a", now));
        assert!(is_waited_for(&down, &tried(2), "b", now), "something has changed");
        let at_work = [Obstacle::KubeadmRuns(7)];
        assert!(is_waited_for(&at_work, &tried(9), "a", now));
        let full = [Obstacle::DiskFull { path: "/".into(), needed: 2, free: 1 }];
        assert!(!is_waited_for(&full, &[], "a", now));
        assert!(!is_waited_for(&[], &[], "a", now), "what cannot be renewed never can");
    }

    proptest! {
        /// Whatever happens, no hour holds more than three.
        #[test]
        fn three_an_hour(gaps in prop::collection::vec((0_i64..4_000, any::<bool>(), 0_u8..3), 1..40)) {
            let mut now = UnixTime::new(1_000_000);
            let mut attempts = Vec::new();
            for (gap, ended, found) in gaps {
                now = now + Span::seconds(gap);
                let found = found.to_string();
                if not_before(&attempts, &found, now) <= now {
                    attempts.push(Attempt { at: now, ended, found });
                }
            }
            for window in attempts.windows(PER_HOUR + 1) {
                prop_assert!(window[PER_HOUR].at - window[0].at >= Span::hours(1));
            }
        }
    }
}
