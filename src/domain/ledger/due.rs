//! What a receiver is owed: which alerts, by reference. Only what is told is copied.

use std::cmp::Reverse;

use super::{
    Delivery, DeliveryMode, DeliverySettings, Due, Ledger, Notified, OpenAlert, Receiver,
    ReceiverSpec, Repeat,
};
use crate::domain::alert::{AlertId, Level};
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::AlertChange;
use crate::domain::policy::Severity;
use crate::domain::time::{Span, UnixTime};

/// The alerts of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch<'a> {
    pub firing: Vec<FiringRef<'a>>,
    pub resolved: Vec<ResolvedRef<'a>>,
    /// How many alerts fire for the receiver, told in this message or not.
    pub open: usize,
}

/// An alert that fires.
#[derive(Clone, Copy, Debug)]
pub(super) struct FiringRef<'a> {
    pub id: &'a AlertId,
    pub change: AlertChange,
    pub open: &'a OpenAlert,
}

/// An alert that the receiver was told of, and that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResolvedRef<'a> {
    pub id: &'a AlertId,
    pub notified: &'a Notified,
}

/// Who asks, and when.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub spec: &'a ReceiverSpec,
    pub receiver: &'a Receiver,
    pub settings: &'a DeliverySettings<'a>,
    pub now: UnixTime,
    /// What was refused counts too, though it has to wait.
    pub with_refused: bool,
}

impl Ledger {
    /// What `spec`'s receiver is owed at `now`.
    pub fn due(&self, spec: &ReceiverSpec, settings: &DeliverySettings<'_>, now: UnixTime) -> Due {
        let Some(receiver) = self.receivers.get(&spec.id) else { return Due::Nothing };
        let context = Context { spec, receiver, settings, now, with_refused: false };
        let pause = receiver.health.pause_until(now);
        if let Some(delivery) = self.next_delivery(&context) {
            return pause.map_or_else(|| Due::Now(Box::new(delivery)), Due::At);
        }
        let repeat = self.next_repeat(&context);
        let waits = self.next_delivery(&Context { with_refused: true, ..context }).is_some();
        let retry = receiver.health.retries_refused_at(now).filter(|_| waits);
        let next = repeat.into_iter().chain(retry).min();
        next.map_or(Due::Nothing, |next| Due::At(pause.map_or(next, |pause| next.max(pause))))
    }

    fn next_delivery(&self, context: &Context<'_>) -> Option<Delivery> {
        match context.spec.mode {
            DeliveryMode::Heartbeat => Self::heartbeat(context),
            // Alerts first. What is refused keeps nothing waiting that comes after it.
            _ => self.news(context).or_else(|| self.notice(context)),
        }
    }

    /// What fires or is over, against what the receiver was told.
    fn news(&self, context: &Context<'_>) -> Option<Delivery> {
        self.all_of(context).map(|batch| self.delivery(context, &batch))
    }

    fn all_of<'a>(&'a self, context: &Context<'a>) -> Option<Batch<'a>> {
        let firing = self.firing(context);
        let resolved = self.resolved(context);
        let is_owed = firing.iter().any(|it| it.change != AlertChange::Still)
            || resolved.iter().any(|it| it.notified.over.is_none())
            || (context.former().is_some() && !firing.is_empty())
            || firing.iter().any(|it| context.is_due_again(it.id, &it.open.level))
            || resolved.iter().any(|it| context.is_due_again(it.id, &it.notified.level));
        let batch = Batch { open: firing.len(), firing, resolved };
        (is_owed && context.may_tell(&batch)).then_some(batch)
    }

    /// When the next of what is known is told again.
    fn next_repeat(&self, context: &Context<'_>) -> Option<UnixTime> {
        let again =
            |(id, notified): (&AlertId, &Notified)| match (context.spec.mode, self.open.get(id)) {
                (DeliveryMode::Synced { .. }, _) => context.again_at(id, &notified.level),
                (_, Some(open)) if context.spec.wants(open) => context.again_at(id, &open.level),
                _ => None,
            };
        context.receiver.notified.iter().filter_map(again).filter(|then| *then > context.now).min()
    }

    fn firing<'a>(&'a self, context: &Context<'a>) -> Vec<FiringRef<'a>> {
        let fires = |(id, open)| {
            let change = context
                .receiver
                .change_for(id, open, context.spec.mode)
                .unwrap_or(AlertChange::Still);
            FiringRef { id, change, open }
        };
        let mut firing: Vec<_> = self.visible(context.spec).map(fires).collect();
        firing.sort_by(|a, b| urgency(a).cmp(&urgency(b)));
        firing
    }

    fn resolved<'a>(&self, context: &Context<'a>) -> Vec<ResolvedRef<'a>> {
        let notified = context.receiver.notified.iter();
        let over = notified.filter(|(id, _)| !self.is_visible(context.spec, id));
        let mut resolved: Vec<_> =
            over.map(|(id, notified)| ResolvedRef { id, notified }).collect();
        resolved.sort_by_key(|it| (Reverse(it.notified.level.severity), &it.notified.text.name));
        resolved
    }
}

impl Context<'_> {
    fn may_tell(&self, batch: &Batch<'_>) -> bool {
        self.may_try(|| self.topic(batch))
    }

    /// What the node was called before, for whom an incident is kept by that: it is ended, and another begun. People know
    /// the node all the same, and an Alertmanager forgets by itself.
    pub(super) fn former(&self) -> Option<&'_ NodeIdentity> {
        let is_kept = self.spec.mode == DeliveryMode::Incident;
        self.receiver.told_as.as_ref().filter(|it| is_kept && *it != self.settings.node)
    }

    /// True if what is about `topic` need not wait because it was refused.
    pub(super) fn may_try(&self, topic: impl FnOnce() -> String) -> bool {
        self.with_refused || !self.receiver.health.holds_back(topic, self.now)
    }

    fn is_due_again(&self, id: &AlertId, level: &Level) -> bool {
        self.again_at(id, level).is_some_and(|then| then <= self.now)
    }

    fn again_at(&self, id: &AlertId, level: &Level) -> Option<UnixTime> {
        let notified = self.receiver.notified.get(id)?;
        Some(match self.spec.mode {
            DeliveryMode::Synced { every } => notified.at + every,
            _ => notified.at + self.settings.repeat.of(level),
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
fn urgency<'a>(it: &FiringRef<'a>) -> impl Ord + use<'a> {
    let OpenAlert { level, text, .. } = it.open;
    let nearest = level.threshold.map_or(i64::MAX, Span::as_seconds);
    let expires = text.expires.map_or(i64::MAX, UnixTime::seconds);
    let is_known = it.change == AlertChange::Still;
    (is_known, Reverse(level.severity), nearest, expires, &text.name, it.id)
}
