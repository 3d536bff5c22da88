//! When a renewal is tried again, how often anybody may ask, and how long in silence: what changed nothing is not
//! repeated every hour, and what is in the way is not waited for without end.

use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, UnixTime};

use super::blocker::Blocker;

/// How long the same is not tried again once it has ended, well or not: it would end as it did. Near the end of a
/// certificate it is shorter, see [`pause`].
pub(crate) const LONGEST: Span = Span::hours(24);

/// The least that lies between two of the same, also when the certificate is over.
pub(crate) const SHORTEST: Span = Span::minutes(10);

/// The same after one of which no end is known: it may have met somebody at work.
const MIN_GAP: Span = Span::minutes(3);

/// The most renewals in one hour, whatever has changed.
const PER_HOUR: usize = 3;

/// The most looks in one hour at whether one is due, for those who ask. Each takes a scan, and questions to kubeadm
/// and to the API server; a daemon that is as it should be asks for half as many.
pub(crate) const LOOKS_PER_HOUR: usize = 12;

/// A renewal that was tried without a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Attempt {
    /// When it began.
    pub at: UnixTime,
    /// It has ended, well or not.
    pub ended: bool,
    /// What it found: the same as long as nothing has changed on the node and in the settings.
    pub found: String,
    /// When the first of what it found ends, if that is known.
    #[serde(default)]
    pub ends: Option<UnixTime>,
}

impl Attempt {
    /// How long the same is not tried again after it.
    pub fn pause(&self) -> Span {
        pause(self.ends, self.at)
    }
}

/// How long to wait at `now` for something that may be otherwise then: a tenth of what is left until `ends`, from 10
/// minutes to a day.
pub(crate) fn pause(ends: Option<UnixTime>, now: UnixTime) -> Span {
    ends.map_or(LONGEST, |ends| (ends - now).fraction(1, 10).clamp(SHORTEST, LONGEST))
}

/// The earliest moment at which the next one may begin, by those that were; `now` if at once. `ends` is when the first
/// of what was found ends, as it is known now: that counts, and not what was known at the last attempt.
pub(crate) fn not_before(
    attempts: &[Attempt],
    found: &str,
    ends: Option<UnixTime>,
    now: UnixTime,
) -> UnixTime {
    let after = |last: &Attempt| match last.ended {
        true => last.at + pause(ends.or(last.ends), last.at),
        false => last.at + MIN_GAP,
    };
    let after_last = known(attempts, now)
        .filter(|attempt| attempt.found == found)
        .max_by_key(|attempt| attempt.at)
        .map(after);
    let mut recent: Vec<UnixTime> = known(attempts, now).map(|attempt| attempt.at).collect();
    recent.sort_unstable();
    let after_many = recent.len().checked_sub(PER_HOUR).map(|first| recent[first] + Span::hours(1));
    after_last.into_iter().chain(after_many).fold(now, UnixTime::max)
}

/// True if somebody who asks may have a look, by when the last ones were.
pub(crate) fn may_look(looks: &[UnixTime], now: UnixTime) -> bool {
    let is_recent = |at: &&UnixTime| now - **at < Span::hours(1) && **at <= now + MIN_GAP;
    looks.iter().filter(is_recent).count() < LOOKS_PER_HOUR
}

/// Forgets all but `most` of those that begin with the newest, and first what is repeated: one that is tried again and
/// again must not make another one forgotten, which waits for a day.
pub(crate) fn forget(attempts: &mut Vec<Attempt>, most: usize) {
    let mut kept: Vec<Attempt> = Vec::new();
    for attempt in attempts.drain(..) {
        let is_same = |it: &&Attempt| it.found == attempt.found;
        if kept.iter().filter(is_same).count() < PER_HOUR {
            kept.push(attempt);
        }
    }
    kept.truncate(most);
    *attempts = kept;
}

/// What only a look of the renewer shows, for it alone reads keys and its own notes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unseen {
    /// Nothing, by what it has noted.
    Nothing,
    /// Its notes cannot be read: a renewal may be half-way.
    Unreadable,
    /// A key is not its certificate's, so that nobody can use the pair.
    Mismatched,
}

/// When it is asked to look though no scan shows that anything is due, by when it was asked last: at once if it never
/// was since the start. `None` if there is no reason to.
pub(crate) fn next_look(last: Option<UnixTime>, unseen: Unseen, now: UnixTime) -> Option<UnixTime> {
    let Some(last) = last.filter(|last| *last <= now) else { return Some(now) };
    match unseen {
        Unseen::Nothing => None,
        Unseen::Unreadable => Some(last + Span::hours(1)),
        Unseen::Mismatched => Some(last + SHORTEST),
    }
}

/// Without those of the future, which a clock has made that was set back since: they would count for as long as it
/// was ahead.
fn known(attempts: &[Attempt], now: UnixTime) -> impl Iterator<Item = &Attempt> {
    attempts.iter().filter(move |attempt| attempt.at <= now + MIN_GAP)
}

/// What is due and has not begun, because something is in the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldUp<'a> {
    /// What is due, as in [`Attempt::found`].
    pub found: &'a str,
    /// When the first of it ends, if that is known.
    pub ends: Option<UnixTime>,
    /// With less than this left, nobody is waited for long.
    pub deadline: Span,
    /// Since when something has been in the way whenever somebody looked.
    pub since: UnixTime,
}

impl HeldUp<'_> {
    /// Until when that is waited for in silence: for a tenth of what was left, a day at most, and not into the
    /// deadline; but for ten minutes always.
    pub(crate) fn silent_until(&self) -> UnixTime {
        let patience = self.since + pause(self.ends, self.since);
        let deadline = self.ends.map_or(patience, |ends| ends - self.deadline);
        patience.min(deadline).max(self.since + SHORTEST)
    }
}

/// True if what stands in the way is waited for in silence, by what was tried before: for a while if it goes away by
/// itself, and twice if it may. On a node that boots nothing is healthy at first. What lasts is told, whatever it is.
pub(crate) fn is_waited_for(
    blockers: &[Blocker],
    attempts: &[Attempt],
    held_up: &HeldUp<'_>,
    now: UnixTime,
) -> bool {
    let is_recent =
        |attempt: &&Attempt| attempt.found == held_up.found && now - attempt.at < LONGEST;
    let tries = known(attempts, now).filter(is_recent).count();
    !blockers.is_empty()
        && now < held_up.silent_until()
        && (blockers.iter().all(Blocker::passes)
            || blockers.iter().all(Blocker::may_pass) && tries < 2)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use proptest::prelude::*;

    fn attempt(at: i64, ended: bool, found: &str) -> Attempt {
        Attempt { at: UnixTime::new(at), ended, found: found.to_owned(), ends: None }
    }

    fn held_up(found: &str, since: UnixTime) -> HeldUp<'_> {
        HeldUp { found, ends: None, deadline: Span::days(7), since }
    }

    #[test]
    fn the_same_waits_a_day_unless_something_changed() {
        let now = UnixTime::new(1_000_000);
        let ended = [attempt(999_000, true, "a")];
        assert_eq!(not_before(&ended, "a", None, now), UnixTime::new(999_000) + LONGEST);
        assert_eq!(not_before(&ended, "b", None, now), now);
        let other = [&ended[..], &[attempt(999_500, true, "b")]].concat();
        assert_eq!(not_before(&other, "a", None, now), UnixTime::new(999_000) + LONGEST);
        let unknown = [attempt(999_990, false, "a")];
        assert_eq!(not_before(&unknown, "a", None, now), UnixTime::new(999_990) + MIN_GAP);
        assert_eq!(not_before(&[], "a", None, now), now);
    }

    #[test]
    fn with_twelve_hours_left_it_is_not_a_day() {
        let now = UnixTime::new(1_000_000);
        let after = |left: Span| {
            let failed = Attempt { ends: Some(now + left), ..attempt(1_000_000, true, "a") };
            not_before(&[failed], "a", None, now) - now
        };
        assert_eq!(after(Span::days(30)), Span::hours(24));
        assert_eq!(after(Span::days(10)), Span::hours(24));
        assert_eq!(after(Span::hours(12)), Span::minutes(72));
        assert_eq!(after(Span::hours(1)), Span::minutes(10));
        assert_eq!(after(Span::hours(-12)), Span::minutes(10));
    }

    #[test]
    fn what_is_tried_again_and_again_makes_nothing_else_forgotten() {
        let mut attempts = vec![attempt(0, true, "kubelet")];
        for at in 1..20 {
            attempts.insert(0, attempt(at, true, "b"));
            forget(&mut attempts, 10);
        }
        let kept: Vec<_> = attempts.iter().map(|it| (it.at.seconds(), &*it.found)).collect();
        assert_eq!(kept, [(19, "b"), (18, "b"), (17, "b"), (0, "kubelet")]);
        let other = |n: i64| attempt(n, true, &n.to_string());
        attempts = (0..20).map(other).collect();
        forget(&mut attempts, 10);
        assert_eq!(attempts, (0..10).map(other).collect::<Vec<_>>());
    }

    /// A day was right for what had a year left then.
    #[test]
    fn what_counts_is_the_end_that_is_known_now() {
        let now = UnixTime::new(1_000_000);
        for known_then in [None, Some(now + Span::days(365))] {
            let failed = [Attempt { ends: known_then, ..attempt(1_000_000, true, "a") }];
            assert_eq!(not_before(&failed, "a", Some(now), now), now + SHORTEST);
            assert_eq!(not_before(&failed, "a", None, now), now + LONGEST);
        }
    }

    #[test]
    fn a_look_is_asked_for_at_the_start_and_while_something_is_wrong() {
        let now = UnixTime::new(1_000_000);
        let next = |last, unseen| next_look(last, unseen, now);
        for unseen in [Unseen::Nothing, Unseen::Unreadable, Unseen::Mismatched] {
            assert_eq!(next(None, unseen), Some(now));
            assert_eq!(next(Some(now + Span::days(9)), unseen), Some(now), "the clock was ahead");
        }
        assert_eq!(next(Some(now), Unseen::Nothing), None);
        assert_eq!(next(Some(now), Unseen::Unreadable), Some(now + Span::hours(1)));
        assert_eq!(next(Some(now), Unseen::Mismatched), Some(now + Span::minutes(10)));
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nothing_back() {
        let now = UnixTime::new(1_000_000);
        let year = Span::days(365);
        let ahead: Vec<_> =
            (0..3).map(|n| attempt(1_000_000 + year.as_seconds() + n * 180, n == 2, "a")).collect();
        assert_eq!(not_before(&ahead, "a", None, now), now);
        assert!(is_waited_for(&[Blocker::Clock(String::new())], &ahead, &held_up("a", now), now));
        assert!(may_look(&[now + year; 20], now));
    }

    #[test]
    fn a_node_that_boots_is_waited_for_and_one_that_is_ill_is_told() {
        let now = UnixTime::new(1_000_000);
        let tried = |count: i64| -> Vec<Attempt> {
            (0..count).map(|n| attempt(999_000 + n, false, "a")).collect()
        };
        let [a, b] = ["a", "b"].map(|found| held_up(found, now));
        let down = [Blocker::KubeletDown("no answer".to_owned())];
        assert!(is_waited_for(&down, &tried(0), &a, now));
        assert!(is_waited_for(&down, &tried(1), &a, now));
        assert!(!is_waited_for(&down, &tried(2), &a, now));
        assert!(is_waited_for(&down, &tried(2), &b, now), "something has changed");
        assert!(is_waited_for(&at_work(), &tried(9), &a, now));
        let full = [Blocker::DiskFull { path: "/".into(), needed: 2, free: 1 }];
        assert!(!is_waited_for(&full, &[], &a, now));
        assert!(!is_waited_for(&[], &[], &a, now), "what cannot be renewed never can");
    }

    fn at_work() -> [Blocker; 2] {
        let verb = String::new();
        [Blocker::KubeadmRuns { pid: 7, verb }, Blocker::ManifestChanged("/m".into())]
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let now = UnixTime::new(1_000_000);
        let told_after = |left: Option<Span>| {
            let held_up = HeldUp { ends: left.map(|left| now + left), ..held_up("a", now) };
            let until = held_up.silent_until();
            for blocker in at_work() {
                let is_waited = |at| is_waited_for(from_ref(&blocker), &[], &held_up, at);
                assert!(is_waited(until - Span::seconds(1)) && !is_waited(until));
            }
            until - now
        };
        assert_eq!(told_after(None), Span::hours(24));
        assert_eq!(told_after(Some(Span::days(29))), Span::hours(24));
        let before_the_deadline = Span::seconds(Span::days(7).as_seconds() + 3600);
        assert_eq!(told_after(Some(before_the_deadline)), Span::hours(1), "not into it");
        assert_eq!(told_after(Some(Span::days(6))), SHORTEST, "already in it");
        assert_eq!(told_after(Some(Span::hours(-1))), SHORTEST);
    }

    proptest! {
        /// Whatever happens, no hour holds more than three, also of what is over already, such as a pair that does not
        /// match; and nothing waits for longer than the same would, or than the hour of the others.
        #[test]
        fn three_an_hour(
            steps in prop::collection::vec(
                (0_i64..4_000, any::<bool>(), 0_u8..3, prop::option::of(-100_000_i64..3_000_000)),
                1..40,
            ),
        ) {
            let mut now = UnixTime::new(1_000_000);
            let mut attempts: Vec<Attempt> = Vec::new();
            for (gap, ended, found, left) in steps {
                now = now + Span::seconds(gap);
                let (found, ends) = (found.to_string(), left.map(|left| now + Span::seconds(left)));
                let at = not_before(&attempts, &found, ends, now);
                prop_assert!(at - now <= LONGEST);
                if let Some(ends) = ends {
                    prop_assert!(at - now <= pause(Some(ends), now).max(Span::hours(1)));
                }
                if at <= now {
                    attempts.push(Attempt { at: now, ended, found, ends });
                }
            }
            for window in attempts.windows(PER_HOUR + 1) {
                prop_assert!(window[PER_HOUR].at - window[0].at >= Span::hours(1));
            }
        }

        /// The less is left, the sooner; within the bounds, and before the end while there is time for that.
        #[test]
        fn the_pause_shrinks_with_what_is_left(left: i32, less: i32) {
            let now = UnixTime::new(1_000_000);
            let after = |left: i32| pause(Some(now + Span::seconds(left.into())), now);
            let wait = after(left);
            prop_assert!((SHORTEST..=LONGEST).contains(&wait));
            prop_assert!(after(left.min(less)) <= wait);
            if Span::seconds(left.into()) > SHORTEST {
                prop_assert!(wait < Span::seconds(left.into()));
            }
        }

        /// What is in the way is told within a day, and before the deadline or ten minutes after it began.
        #[test]
        fn silence_ends(left: i32, deadline in 60_i64..3_000_000) {
            let since = UnixTime::new(1_000_000);
            let (ends, deadline) = (since + Span::seconds(left.into()), Span::seconds(deadline));
            let held_up = HeldUp { found: "a", ends: Some(ends), deadline, since };
            let until = held_up.silent_until();
            prop_assert!((SHORTEST..=LONGEST).contains(&(until - since)));
            prop_assert!(until <= (ends - deadline).max(since + SHORTEST));
        }

        /// The daemon, whatever it learns and however its clock is set: never more than the renewer would answer.
        #[test]
        fn looks_are_asked_for_neither_too_often_nor_too_late(
            steps in prop::collection::vec((0_i64..900, 0_u8..3), 1..200),
        ) {
            let mut now = UnixTime::new(1_000_000);
            let mut looks: Vec<UnixTime> = Vec::new();
            for (gap, unseen) in steps {
                now = now + Span::seconds(gap);
                let unseen =
                    [Unseen::Nothing, Unseen::Unreadable, Unseen::Mismatched][usize::from(unseen)];
                let next = next_look(looks.last().copied(), unseen, now);
                prop_assert!(next.is_some() || unseen == Unseen::Nothing);
                prop_assert!(next.is_none_or(|next| next - now <= Span::hours(1)));
                if next.is_some_and(|next| next <= now) {
                    looks.push(now);
                }
            }
            for window in looks.windows(LOOKS_PER_HOUR + 1) {
                prop_assert!(window[LOOKS_PER_HOUR] - window[0] >= Span::hours(1));
            }
        }

        #[test]
        fn who_asks_without_end_gets_twelve_looks_an_hour(gaps in prop::collection::vec(0_i64..900, 1..100)) {
            let mut now = UnixTime::new(1_000_000);
            let mut looks = Vec::new();
            for gap in gaps {
                now = now + Span::seconds(gap);
                if may_look(&looks, now) {
                    looks.push(now);
                }
            }
            for window in looks.windows(LOOKS_PER_HOUR + 1) {
                prop_assert!(window[LOOKS_PER_HOUR] - window[0] >= Span::hours(1));
            }
        }
    }
}
