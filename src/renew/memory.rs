//! What is remembered of renewals from one run to the next.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::renewal::Journal;
use crate::domain::renewal::rate_limit::{self, Attempt};
use crate::domain::time::UnixTime;

/// How many renewals are remembered after their end.
const KEPT: usize = 20;

/// The content of the state file in `renew.state-dir`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct RenewerState {
    /// The renewal that is under way, or was when its process died.
    pub current: Option<Journal>,
    /// Those that have ended, newest first, at most 20.
    pub history: Vec<Journal>,
    /// The configuration that kubeadm is given.
    pub config: Option<PathBuf>,
    /// What was tried without a person.
    pub attempts: Vec<Attempt>,
    /// When a renewer that was not started by a person looked last.
    pub last_run: Option<UnixTime>,
    /// When those looked who were not started by a person, newest first, at most as many as an hour may have.
    pub looks: Vec<UnixTime>,
    /// Since when something has been in the way of what is due.
    pub held_up: Option<UnixTime>,
    /// kubeadm's NAMEs of pairs that did not match when somebody looked last.
    pub mismatched: Vec<String>,
    /// The manifests as they were found last.
    pub manifests: Option<Manifests>,
}

/// The manifests of the static pods, and since when they are so.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifests {
    /// SHA-256 of all of them, in hexadecimal.
    pub digest: String,
    /// When that was found first.
    pub since: UnixTime,
}

impl RenewerState {
    /// True if nothing is known that has to be brought to an end.
    pub(crate) fn is_settled(&self) -> bool {
        self.current.is_none() && self.mismatched.is_empty()
    }

    /// Notes a renewal that has ended, or was refused before it began.
    pub(crate) fn conclude(&mut self, journal: Journal) {
        self.current = None;
        self.history.insert(0, journal);
        self.history.truncate(KEPT);
    }

    /// Notes a look that nobody but the daemon has asked for.
    pub(crate) fn note_look(&mut self, now: UnixTime) {
        self.looks.insert(0, now);
        self.looks.truncate(rate_limit::LOOKS_PER_HOUR);
    }

    /// Notes how the manifests are; what is found again is as old as it was.
    pub(crate) fn note_manifests(&mut self, digest: String, now: UnixTime) {
        let is_known = |known: &Manifests| known.digest == digest && known.since <= now;
        if !self.manifests.as_ref().is_some_and(is_known) {
            self.manifests = Some(Manifests { digest, since: now });
        }
    }

    /// True if people have been told the same failure within a day. Near the end of a certificate it is tried more
    /// often than it is told.
    pub(crate) fn has_told(&self, failure: &Journal) -> bool {
        let why = |journal: &Journal| journal.fault.as_ref().map(|(_, fault)| fault.what.clone());
        self.history.first().is_some_and(|last| {
            let apart = (failure.begun - last.begun).as_seconds().abs();
            last.outcome() == failure.outcome()
                && (&last.task, &last.names, why(last))
                    == (&failure.task, &failure.names, why(failure))
                && apart < rate_limit::LONGEST.as_seconds()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::sample::journal;
    use crate::domain::renewal::{Fault, Outcome, Task};
    use crate::domain::time::Span;

    #[test]
    fn the_last_twenty_are_kept_newest_first() {
        let mut memory = RenewerState::default();
        for id in 0..25 {
            let journal = journal(Task::Renew, Outcome::Renewed);
            memory.current = Some(journal.clone());
            memory.conclude(Journal { id: id.to_string(), ..journal });
            assert_eq!(memory.current, None);
        }
        let ids: Vec<_> = memory.history.iter().map(|journal| journal.id.parse::<u32>()).collect();
        assert_eq!(ids, (5..25).rev().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_refusal_is_told_once_a_day() {
        let now = UnixTime::new(1_000_000);
        let refused = |days: i64, what: &str| {
            let fault = Some((crate::domain::renewal::Step::BackUp, Fault::failed(what)));
            let begun = now + Span::days(days);
            Journal { begun, fault, ..journal(Task::Renew, Outcome::Unchanged) }
        };
        let mut memory = RenewerState::default();
        assert!(!memory.has_told(&refused(0, "a")));
        memory.conclude(refused(0, "a"));
        assert!(memory.has_told(&refused(0, "a")));
        assert!(!memory.has_told(&refused(0, "b")));
        assert!(!memory.has_told(&refused(1, "a")));
        assert!(!memory.has_told(&refused(-365, "a")), "the clock was ahead");
    }

    #[test]
    fn a_look_and_the_manifests_are_noted() {
        let mut memory = RenewerState::default();
        let at = |seconds: i64| UnixTime::new(1_000_000 + seconds);
        (0..100).for_each(|second| memory.note_look(at(second)));
        assert_eq!((memory.looks.len(), memory.looks[0]), (rate_limit::LOOKS_PER_HOUR, at(99)));
        for (digest, now, since) in [("a", 0, 0), ("a", 9, 0), ("b", 10, 10), ("b", -5, -5)] {
            memory.note_manifests(digest.to_owned(), at(now));
            assert_eq!(memory.manifests.as_ref().unwrap().since, at(since));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let steps =
            [Outcome::RolledBack, Outcome::NeedsOperator].map(|end| journal(Task::Rescue, end));
        let memory = RenewerState {
            current: Some(steps[0].clone()),
            history: steps.to_vec(),
            ..RenewerState::default()
        };
        let written = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<RenewerState>(&written).unwrap(), memory);
        assert_eq!(serde_json::from_str::<RenewerState>("{}").unwrap(), RenewerState::default());
    }
}
