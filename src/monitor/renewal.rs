//! Renewals: when the next one is due, and how those that were ended are told.

use crate::config::Config;
use crate::domain::alert::AlertId;
use crate::domain::ledger::Notice;
use crate::domain::message::MessageKind;
use crate::domain::policy::Severity;
use crate::domain::renewal::maintenance_window::NodeOffset;
use crate::domain::renewal::rate_limit::{self, Attempt};
use crate::domain::renewal::schedule::{NextRenewal, Schedule};
use crate::domain::renewal::{Journal, Outcome, words};
use crate::domain::time::UnixTime;
use crate::renew::RenewerState;

use super::{Monitor, SelfAlert, node_name};

/// How many attempts are remembered: more than an hour can hold.
const REMEMBERED: usize = 10;

/// How certificates are renewed without a person, if they are.
pub(crate) fn schedule(config: &Config) -> Option<Schedule> {
    let renew = &config.renew;
    renew.enabled.then(|| Schedule {
        policy: config.renewal_policy(),
        windows: renew.windows.clone(),
        deadline: renew.deadline,
        offset: NodeOffset::of(&node_name(config)),
    })
}

impl Monitor {
    pub(super) fn schedule(&self) -> Option<Schedule> {
        schedule(&self.config)
    }

    /// The next renewal by the last scan.
    pub(crate) fn next_renewal(&self, now: UnixTime) -> Option<NextRenewal> {
        let inventory = self.seen.as_ref()?;
        self.schedule()?.next(inventory, &self.memory.renewals.attempts, now)
    }

    /// True if what was found before may be tried once more: it is not, again and again.
    pub(crate) fn may_try(&self, found: &str, ends: Option<UnixTime>, now: UnixTime) -> bool {
        rate_limit::not_before(&self.memory.renewals.attempts, found, ends, now) <= now
    }

    /// Notes that a renewal was asked for, before it is: one that kills the daemon must not be asked for
    /// again and again.
    pub(crate) fn asks_for_renewal(
        &mut self,
        found: String,
        ends: Option<UnixTime>,
        now: UnixTime,
    ) {
        let attempts = &mut self.memory.renewals.attempts;
        attempts.push(Attempt { at: now, ended: false, found, ends });
        attempts.reverse();
        rate_limit::forget(attempts, REMEMBERED);
        attempts.reverse();
        self.save();
    }

    /// Takes in how renewals ended, and has people told of those they were not told of; gives these,
    /// the oldest first.
    pub(crate) fn renewals_ended(&mut self, renewals: &RenewerState) -> Vec<Notice> {
        self.learn_of(&renewals.attempts);
        let newest = renewals.history.first().map(|journal| journal.id.clone());
        let Some(told) = self.memory.renewals.notified.clone() else {
            // What ended before anybody watched is no news.
            self.memory.renewals.notified = Some(newest.unwrap_or_default());
            return Vec::new();
        };
        // By their order and not by their names: the clock may have been set back in between.
        let unknown = renewals.history.iter().take_while(|journal| journal.id != told);
        let mut news: Vec<Notice> = unknown.clone().map(|journal| self.notice(journal)).collect();
        news.reverse();
        unknown.for_each(|journal| self.learn(journal));
        self.memory.renewals.notified = newest.or(Some(told));
        self.tell(&news);
        news
    }

    fn tell(&mut self, news: &[Notice]) {
        for notice in news {
            self.memory.ledger.announce(notice.clone());
        }
        if !news.is_empty() {
            self.save();
        }
    }

    /// What has ended is not asked for again for a while.
    fn learn(&mut self, journal: &Journal) {
        let attempts = self.memory.renewals.attempts.iter_mut();
        if let Some(attempt) = attempts.rev().find(|attempt| attempt.at <= journal.begun) {
            attempt.ended = true;
        }
    }

    /// The renewer's own attempts: it would refuse to try the same again so soon.
    fn learn_of(&mut self, attempts: &[Attempt]) {
        for own in &mut self.memory.renewals.attempts {
            let is_same = |it: &Attempt| it.found == own.found && own.at - it.at < it.pause();
            own.ended |= attempts.iter().any(|it| it.ended && is_same(it));
        }
    }

    fn notice(&self, journal: &Journal) -> Notice {
        let severity = match journal.outcome() {
            Some(Outcome::Renewed) if journal.shortfall().is_some() => Severity::Warning,
            Some(Outcome::Renewed) => Severity::Ok,
            Some(Outcome::RolledBack | Outcome::Unchanged) => Severity::Warning,
            Some(Outcome::PartiallyApplied | Outcome::NeedsOperator) | None => Severity::Critical,
        };
        Notice {
            id: AlertId::new(&self.node.name, &[b"renewal", journal.id.as_bytes()]).0,
            at: journal.ended.unwrap_or(journal.begun),
            kind: MessageKind::Renewal,
            severity,
            headline: words::outcome_headline(journal),
            text: words::outcome_text(journal),
        }
    }

    /// Sets or ends that what the renewer remembers cannot be read; true if that is news.
    pub(crate) fn renewals_are_unreadable(&mut self, why: Option<&str>) -> bool {
        self.self_alerts.note(SelfAlert::RenewalState, why)
    }

    /// Sets or ends that these pairs do not match, by the renewer's word; true if that is news.
    pub(crate) fn pairs_do_not_match(&mut self, names: &[String]) -> bool {
        let names = names.join(", ");
        self.self_alerts.note(SelfAlert::Pairs, Some(names.as_str()).filter(|it| !it.is_empty()))
    }

    /// Sets or ends that nobody renews though it was asked for.
    pub(crate) fn renewals_hang(&mut self, why: Option<&str>) {
        match why {
            Some(why) => self.self_alerts.set(SelfAlert::Renewer, why),
            None => self.self_alerts.clear(SelfAlert::Renewer),
        }
    }
}
