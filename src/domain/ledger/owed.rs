//! What a receiver is owed: which alerts, by reference. Only what is told is copied.

use std::cmp::Reverse;

use super::{Delivery, Due, Ledger, Open, Receiver, Repeat, Spec, Style, Terms, Told};
use crate::domain::alert::{AlertId, Level};
use crate::domain::message::Change;
use crate::domain::policy::Severity;
use crate::domain::time::{Span, UnixTime};

/// The alerts of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Part<'a> {
    pub firing: Vec<Fires<'a>>,
    pub resolved: Vec<Ended<'a>>,
    /// How many alerts fire for the receiver, told in this message or not.
    pub open: usize,
}

/// An alert that fires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fires<'a> {
    pub id: &'a AlertId,
    pub change: Change,
    pub open: &'a Open,
}

/// An alert that the receiver was told of, and that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    pub id: &'a AlertId,
    pub told: &'a Told,
}

/// Who asks, and when.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub spec: &'a Spec,
    pub receiver: &'a Receiver,
    pub terms: &'a Terms<'a>,
    pub now: UnixTime,
    /// What was refused counts too, though it has to wait.
    pub with_refused: bool,
}

impl Ledger {
    /// What `spec`'s receiver is owed at `now`.
    pub fn due(&self, spec: &Spec, terms: &Terms<'_>, now: UnixTime) -> Due {
        let Some(receiver) = self.receivers.get(&spec.id) else { return Due::Nothing };
        let asked = Asked { spec, receiver, terms, now, with_refused: false };
        let pause = receiver.health.pause_until(now);
        if let Some(delivery) = self.owed(&asked) {
            return pause.map_or_else(|| Due::Now(Box::new(delivery)), Due::At);
        }
        let repeat = self.next_repeat(&asked);
        let waits = self.owed(&Asked { with_refused: true, ..asked }).is_some();
        let retry = receiver.health.retries_refused_at(now).filter(|_| waits);
        let next = repeat.into_iter().chain(retry).min();
        next.map_or(Due::Nothing, |next| Due::At(pause.map_or(next, |pause| next.max(pause))))
    }

    fn owed(&self, asked: &Asked<'_>) -> Option<Delivery> {
        match asked.spec.style {
            Style::Heartbeat => Self::beat(asked),
            // Alerts first. What is refused keeps nothing waiting that comes after it.
            _ => self.news(asked).or_else(|| self.notice(asked)),
        }
    }

    /// What fires or is over, against what the receiver was told.
    fn news(&self, asked: &Asked<'_>) -> Option<Delivery> {
        let part = match asked.spec.style {
            Style::Single => self.one_of(asked),
            _ => self.all_of(asked),
        };
        part.map(|part| self.delivery(asked, &part))
    }

    fn all_of<'a>(&'a self, asked: &Asked<'a>) -> Option<Part<'a>> {
        let firing = self.firing(asked);
        let resolved = self.resolved(asked);
        let is_owed = firing.iter().any(|it| it.change != Change::Still)
            || resolved.iter().any(|it| it.told.over.is_none())
            || firing.iter().any(|it| asked.is_due_again(it.id, &it.open.level))
            || resolved.iter().any(|it| asked.is_due_again(it.id, &it.told.level));
        let part = Part { open: firing.len(), firing, resolved };
        (is_owed && asked.may_tell(&part)).then_some(part)
    }

    /// For receivers that take one thing at a time: what is new, then what is over, then what is due
    /// again. One that is refused lets the others go before it.
    fn one_of<'a>(&'a self, asked: &Asked<'a>) -> Option<Part<'a>> {
        let all = self.firing(asked);
        let open = all.len();
        let fires = |it| Part { firing: vec![it], resolved: Vec::new(), open };
        let ended = |it| Part { firing: Vec::new(), resolved: vec![it], open };
        let known = all.partition_point(|it| it.change != Change::Still);
        let (news, known) = all.split_at(known);
        let news = news.iter().copied().map(fires);
        let over = self.resolved(asked).into_iter().map(ended);
        let is_due = |it: &&Fires<'_>| asked.is_due_again(it.id, &it.open.level);
        let again = known.iter().filter(is_due).copied().map(fires);
        news.chain(over).chain(again).find(|part| asked.may_tell(part))
    }

    /// When the next of what is known is told again.
    fn next_repeat(&self, asked: &Asked<'_>) -> Option<UnixTime> {
        let again = |(id, told): (&AlertId, &Told)| match (asked.spec.style, self.open.get(id)) {
            (Style::Synced { .. }, _) => asked.again_at(id, &told.level),
            (_, Some(open)) if asked.spec.wants(open) => asked.again_at(id, &open.level),
            _ => None,
        };
        asked.receiver.told.iter().filter_map(again).filter(|then| *then > asked.now).min()
    }

    fn firing<'a>(&'a self, asked: &Asked<'a>) -> Vec<Fires<'a>> {
        let fires = |(id, open)| {
            let change = asked.receiver.owes(id, open, asked.spec.style).unwrap_or(Change::Still);
            Fires { id, change, open }
        };
        let mut firing: Vec<_> = self.visible(asked.spec).map(fires).collect();
        firing.sort_by(|a, b| urgency(a).cmp(&urgency(b)));
        firing
    }

    fn resolved<'a>(&self, asked: &Asked<'a>) -> Vec<Ended<'a>> {
        let told = asked.receiver.told.iter();
        let over = told.filter(|(id, _)| !self.is_visible(asked.spec, id));
        let mut resolved: Vec<_> = over.map(|(id, told)| Ended { id, told }).collect();
        resolved.sort_by_key(|it| (Reverse(it.told.level.severity), &it.told.words.name));
        resolved
    }
}

impl Asked<'_> {
    fn may_tell(&self, part: &Part<'_>) -> bool {
        self.may_try(|| self.topic(part))
    }

    /// True if what is about `topic` need not wait because it was refused.
    pub(super) fn may_try(&self, topic: impl FnOnce() -> String) -> bool {
        self.with_refused || !self.receiver.health.holds_back(topic, self.now)
    }

    fn is_due_again(&self, id: &AlertId, level: &Level) -> bool {
        self.again_at(id, level).is_some_and(|then| then <= self.now)
    }

    fn again_at(&self, id: &AlertId, level: &Level) -> Option<UnixTime> {
        let told = self.receiver.told.get(id)?;
        Some(match self.spec.style {
            Style::Synced { every } => told.at + every,
            _ => told.at + self.terms.repeat.of(level),
        })
    }
}

impl Repeat {
    /// After how long what is at this level is told again.
    pub(super) fn of(&self, level: &Level) -> Span {
        match level.severity {
            _ if level.has_expired() => self.expired,
            Severity::Critical | Severity::Unknown => self.critical,
            Severity::Warning | Severity::Ok => self.warning,
        }
    }
}

/// News before what is known; in each, the worst and nearest first.
fn urgency<'a>(it: &Fires<'a>) -> impl Ord + use<'a> {
    let Open { level, words, .. } = it.open;
    let nearest = level.stage.map_or(i64::MAX, Span::as_seconds);
    let expires = words.expires.map_or(i64::MAX, UnixTime::seconds);
    let is_known = it.change == Change::Still;
    (is_known, Reverse(level.severity), nearest, expires, &words.name, it.id)
}
