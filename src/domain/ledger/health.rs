//! How deliveries to one receiver went, and when to try again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, UnixTime};

const FIRST_PAUSE: i64 = 5;
const LONGEST_PAUSE: i64 = 15 * 60;
/// The longest pause that a receiver can ask for.
const LONGEST_WAIT: Span = Span::hours(1);
const AFTER_REFUSAL: Span = Span::hours(24);
/// From here on a receiver that only fails now and then counts as broken.
const PATIENCE: Span = Span::hours(1);

/// Why a delivery failed, as far as trying again goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retryability {
    /// It may go away; the other side may have said when.
    Transient(Option<Span>),
    /// Somebody has to mend something.
    Permanent,
}

/// How deliveries to one receiver went.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Health {
    /// When it took something last.
    pub last_success: Option<UnixTime>,
    /// When it failed last.
    pub last_failure: Option<UnixTime>,
    /// Why it failed last, safe to print; kept after a success.
    pub reason: Option<String>,
    /// Since when it has failed every time; `None` if the last attempt went well.
    pub failing_since: Option<UnixTime>,
    /// How often in a row.
    pub failures: u32,
    /// The last failure will not go away by itself.
    pub is_refused: bool,
    /// It has refused something since it took something last.
    has_refused: bool,
    /// When it is tried again.
    next_attempt: Option<UnixTime>,
    /// Until when the other side asked to be left alone.
    asked_until: Option<UnixTime>,
    /// What was refused, by its topic, and when each is tried again.
    refusals: BTreeMap<String, UnixTime>,
}

impl Health {
    pub(super) fn worked(&mut self, now: UnixTime) {
        *self = Self {
            last_success: Some(now),
            last_failure: self.last_failure,
            reason: self.reason.take(),
            refusals: std::mem::take(&mut self.refusals),
            ..Self::default()
        };
    }

    pub(super) fn failed(
        &mut self,
        topic: &str,
        retryability: Retryability,
        reason: &str,
        random: u32,
        now: UnixTime,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
        self.failing_since.get_or_insert(now);
        self.reason = Some(reason.to_owned());
        self.is_refused = retryability == Retryability::Permanent;
        self.has_refused |= self.is_refused;
        self.refusals.retain(|_, then| *then > now);
        if self.is_refused {
            self.refusals.insert(topic.to_owned(), now + AFTER_REFUSAL);
        }
        self.asked_until = match retryability {
            Retryability::Transient(asked) => asked.map(|asked| now + asked.min(LONGEST_WAIT)),
            Retryability::Permanent => None,
        };
        self.next_attempt = match retryability {
            // One message that was refused says nothing about another. But with a wrong key each of
            // a thousand would be.
            Retryability::Permanent if self.failures == 1 => None,
            Retryability::Permanent => Some(now + pause(self.failures - 1, random)),
            Retryability::Transient(_) => {
                let own = now + pause(self.failures, random);
                Some(self.asked_until.map_or(own, |asked| asked.max(own)))
            }
        };
    }

    /// Whoever has mended something on this side does not know what the other side asked for.
    pub(super) fn retry_now(&mut self) {
        self.next_attempt = self.asked_until;
        self.retry_refused();
    }

    pub(super) fn retry_refused(&mut self) {
        self.refusals.clear();
    }

    /// When something is tried again.
    pub(crate) fn next_attempt(&self, now: UnixTime) -> Option<UnixTime> {
        self.pause_until(now).into_iter().chain(self.retries_refused_at(now)).min()
    }

    /// Until when nothing is tried.
    pub(super) fn pause_until(&self, now: UnixTime) -> Option<UnixTime> {
        self.next_attempt.filter(|then| *then > now)
    }

    /// When the first of what was refused is tried again.
    pub(super) fn retries_refused_at(&self, now: UnixTime) -> Option<UnixTime> {
        self.refusals.values().filter(|then| **then > now).min().copied()
    }

    /// True if `topic` was refused not long ago.
    pub(super) fn holds_back(&self, topic: impl FnOnce() -> String, now: UnixTime) -> bool {
        !self.refusals.is_empty() && self.refusals.get(&topic()).is_some_and(|then| *then > now)
    }

    /// True if others have to be told that this receiver hears nothing.
    ///
    /// Only attempts count, not time: after one failure there may be nothing more to tell.
    pub(crate) fn is_broken(&self) -> bool {
        let has_failed_for_long = |(since, last): (UnixTime, UnixTime)| last - since >= PATIENCE;
        self.has_refused
            || self.failing_since.zip(self.last_failure).is_some_and(has_failed_for_long)
    }

    pub(super) fn clamp_future(&mut self, now: UnixTime) {
        // What was to be waited for was reckoned by a clock that was ahead: nobody knows how much of
        // it is left.
        if [self.last_failure, self.failing_since].into_iter().flatten().any(|at| at > now) {
            self.next_attempt = None;
            self.asked_until = None;
            self.refusals.clear();
        }
        for next in [&mut self.next_attempt, &mut self.asked_until] {
            *next = next.map(|then| then.min(now + LONGEST_WAIT));
        }
        self.refusals.values_mut().for_each(|then| *then = (*then).min(now + AFTER_REFUSAL));
        for past in [&mut self.last_success, &mut self.last_failure, &mut self.failing_since] {
            *past = past.map(|then| then.min(now));
        }
    }
}

/// Twice as long after each failure, up to 15 minutes; half of it more or less by `random`, so that
/// fifty nodes do not come back at once.
fn pause(failures: u32, random: u32) -> Span {
    let doubled = FIRST_PAUSE << failures.saturating_sub(1).min(16);
    let percent = 50 + i64::from(random % 101);
    Span::seconds((doubled.min(LONGEST_PAUSE) * percent / 100).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        let pauses: Vec<_> = (1..=12).map(|failures| pause(failures, 50).as_seconds()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]);
        assert_eq!(pause(1, 0).as_seconds(), 2);
        assert_eq!(pause(u32::MAX, 100).as_seconds(), 1_350);
    }
}
