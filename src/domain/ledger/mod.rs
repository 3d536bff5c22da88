//! The ledger: who has been told what, and from that, who is to be told what now.
//!
//! Nothing is queued. What a receiver is owed is the difference between what fires and what it was
//! told, so an outage of days ends in one message that is up to date. What it was told is written
//! after it has taken the message: a crash in between means a repetition, never a loss.

mod compose;
mod delivery;
mod due;
mod health;
mod observe;
mod pending;
mod receiver;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alert::{AlertId, AlertText, Level};
use super::cluster::NodeIdentity;
use super::policy::Severity;
use super::time::{Span, UnixTime};
pub(crate) use compose::{DeliverySettings, Heartbeat};
pub(crate) use delivery::{Body, Delivery, Due, Notice};
pub(crate) use health::{Health, Retryability};
pub(crate) use pending::EvaluationBasis;
use pending::PendingAlerts;

/// For how long an Alertmanager is told that something is over: it may have been away.
const RESOLVED_RETENTION: Span = Span::minutes(15);

/// For how long the outcome of a renewal waits for a receiver that is away.
const NOTICE_LIFE: Span = Span::days(30);

/// Who has been told what.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Ledger {
    /// What is wrong, as of the last look.
    pub open: BTreeMap<AlertId, OpenAlert>,
    /// What was wrong, as long as somebody has to be told that it is over.
    closed: BTreeMap<AlertId, ClosedAlert>,
    /// News that are told once.
    notices: Vec<Notice>,
    /// What each receiver knows.
    pub receivers: BTreeMap<ReceiverId, Receiver>,
    #[serde(skip)]
    pending: PendingAlerts,
}

/// One address of one channel: `email:ops@example.org`, `slack`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ReceiverId(pub String);

/// What the configuration says of a receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiverSpec {
    /// Its name.
    pub id: ReceiverId,
    /// How it wants to be told.
    pub mode: DeliveryMode,
    /// It is not told of less than this.
    pub min_severity: Severity,
}

/// How a receiver wants to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryMode {
    /// One message with everything: people.
    Grouped,
    /// One incident for the node, from the first alert to the last: what pages people.
    Incident,
    /// Everything that fires, again and again: what forgets by itself.
    Synced {
        /// How often.
        every: Span,
    },
    /// Told after each scan that certwatch is well, and nothing else.
    Heartbeat,
}

/// Something that is wrong.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OpenAlert {
    /// When it was first seen.
    pub since: UnixTime,
    /// Its file; empty if it is about certwatch itself.
    path: String,
    /// If it is about a receiver: that one is not told.
    receiver: Option<ReceiverId>,
    /// How bad it is.
    pub level: Level,
    /// What to say.
    pub text: AlertText,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct ClosedAlert {
    at: UnixTime,
    how: String,
}

/// What one receiver knows, and how it is reached.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Receiver {
    notified: BTreeMap<AlertId, Notified>,
    notices: BTreeSet<String>,
    /// Nothing is kept for it that is told once.
    hears_no_news: bool,
    /// As it was configured last.
    min_severity: Severity,
    /// What the node was called when it was told of alerts last.
    told_as: Option<NodeIdentity>,
    /// How many messages about alerts it has taken.
    pub count: u64,
    /// `count` as it was when the first alert was told after all was well.
    episode: Option<u64>,
    /// Where replies go, in the receiver's own words.
    thread: Option<String>,
    /// The last heartbeat that it has taken.
    heartbeat: Option<String>,
    /// How deliveries went.
    pub health: Health,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Notified {
    at: UnixTime,
    since: UnixTime,
    level: Level,
    text: AlertText,
    /// It has improved since: one who mirrors it has to know.
    #[serde(default)]
    has_improved: bool,
    /// It goes on, but by its own settings the receiver wants to hear no more of it.
    #[serde(default)]
    is_unwanted: bool,
    /// A message says that it is over, and nobody knows whether that was taken: if it fires again,
    /// it is news.
    #[serde(default)]
    is_ending: bool,
    /// Told to be over; remembered by those who are told again and again.
    over: Option<UnixTime>,
}

/// After how long the same is told again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repeat {
    /// A warning.
    pub warning: Span,
    /// What is critical, or could not be judged.
    pub critical: Span,
    /// What has expired.
    pub expired: Span,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { warning: Span::days(7), critical: Span::hours(24), expired: Span::hours(6) }
    }
}

impl Ledger {
    /// Makes the receivers those that are configured. A new one is owed all that fires, but no old
    /// news; one that is gone is forgotten.
    pub(crate) fn set_receivers(&mut self, specs: &[ReceiverSpec]) {
        let is_wanted = |id: &ReceiverId| specs.iter().any(|spec| spec.id == *id);
        self.receivers.retain(|id, _| is_wanted(id));
        for spec in specs {
            let receiver = self.receivers.entry(spec.id.clone()).or_insert_with(|| Receiver {
                notices: self.notices.iter().map(|notice| notice.id.clone()).collect(),
                ..Receiver::default()
            });
            receiver.hears_no_news = spec.mode == DeliveryMode::Heartbeat;
            receiver.follow_settings(spec, &self.open);
        }
    }

    /// Takes in what an older ledger knows and this one does not.
    pub(crate) fn remember(&mut self, older: Self) {
        for (id, old) in older.receivers {
            let Some(receiver) = self.receivers.get_mut(&id) else { continue };
            for (alert, notified) in old.notified {
                receiver.notified.entry(alert).or_insert(notified);
            }
            receiver.notices.extend(old.notices);
            receiver.count = receiver.count.max(old.count);
        }
        for (id, open) in older.open {
            self.open
                .entry(id)
                .and_modify(|it| it.since = it.since.min(open.since))
                .or_insert(open);
        }
    }

    /// Takes in news to be told once.
    pub(crate) fn announce(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Lets all receivers be tried at once, but for those who asked to be left alone for a while:
    /// somebody has mended something.
    pub(crate) fn retry_now(&mut self) {
        self.receivers.values_mut().for_each(|receiver| receiver.health.retry_now());
    }

    /// Puts right what a clock that was set back has made wrong: nothing has happened in the future.
    pub(crate) fn clamp_future(&mut self, now: UnixTime) {
        for receiver in self.receivers.values_mut() {
            receiver.health.clamp_future(now);
            for notified in receiver.notified.values_mut() {
                notified.at = notified.at.min(now);
                notified.over = notified.over.map(|over| over.min(now));
            }
        }
        self.notices.iter_mut().for_each(|notice| notice.at = notice.at.min(now));
        self.open.values_mut().for_each(|open| open.since = open.since.min(now));
        self.closed.values_mut().for_each(|closed| closed.at = closed.at.min(now));
        self.pending.clamp_future(now);
    }

    /// Notes that `delivery` is on its way. True if that has to be on disk before it is: after a crash
    /// nobody knows whether it was taken.
    #[must_use]
    pub fn begun(&mut self, delivery: &Delivery) -> bool {
        let Body::Message(message) = &delivery.body else { return false };
        let Some(receiver) = self.receivers.get_mut(&delivery.receiver) else { return false };
        let mut is_news = false;
        for resolved in &message.resolved {
            if let Some(notified) = receiver.notified.get_mut(&resolved.id) {
                is_news |= !notified.is_ending;
                notified.is_ending = true;
            }
        }
        is_news
    }

    /// Notes that `delivery` was taken.
    pub fn sent(
        &mut self,
        spec: &ReceiverSpec,
        delivery: &Delivery,
        thread: Option<String>,
        now: UnixTime,
    ) {
        let Some(receiver) = self.receivers.get_mut(&delivery.receiver) else { return };
        receiver.health.worked(now);
        // It takes everything at once, and has been rid of what it refused.
        receiver.health.retry_refused();
        match (&delivery.body, &delivery.notice) {
            (Body::Heartbeat { .. }, _) => receiver.heartbeat = Some(delivery.id.clone()),
            (Body::Message(_), Some(id)) => drop(receiver.notices.insert(id.clone())),
            (Body::Message(message), None) => receiver.learn(message, spec.mode, thread, now),
        }
        self.forget(now);
    }

    /// Notes that `delivery` was not taken. `random` is any number: it spreads the next attempts.
    pub fn failed(
        &mut self,
        delivery: &Delivery,
        retryability: Retryability,
        reason: &str,
        random: u32,
        now: UnixTime,
    ) {
        if let Some(receiver) = self.receivers.get_mut(&delivery.receiver) {
            receiver.health.failed(&delivery.topic, retryability, reason, random, now);
        }
    }

    /// How many alerts and news a receiver has still to be told of.
    pub fn queue(&self, spec: &ReceiverSpec) -> usize {
        let Some(receiver) = self.receivers.get(&spec.id) else { return 0 };
        if spec.mode == DeliveryMode::Heartbeat {
            return 0;
        }
        let owed = |(id, open): &(&AlertId, &OpenAlert)| {
            receiver.change_for(id, open, spec.mode).is_some()
        };
        let alerts = self.visible(spec).filter(owed).count();
        let over = receiver
            .notified
            .iter()
            .filter(|(id, notified)| notified.over.is_none() && !self.is_visible(spec, id));
        let news = self.notices.iter().filter(|notice| !receiver.notices.contains(&notice.id));
        alerts + over.count() + news.count()
    }

    /// What fires and is for this receiver.
    fn visible<'a>(
        &'a self,
        spec: &'a ReceiverSpec,
    ) -> impl Iterator<Item = (&'a AlertId, &'a OpenAlert)> {
        self.open.iter().filter(|(_, open)| spec.wants(open))
    }

    fn is_visible(&self, spec: &ReceiverSpec, id: &AlertId) -> bool {
        self.open.get(id).is_some_and(|open| spec.wants(open))
    }

    /// Drops what nobody has to be told any more.
    fn forget(&mut self, now: UnixTime) {
        for receiver in self.receivers.values_mut() {
            receiver.notified.retain(|_, notified| {
                notified.over.is_none_or(|over| now - over <= RESOLVED_RETENTION)
            });
        }
        let receivers = &self.receivers;
        let waits_for =
            |it: &Receiver, notice: &Notice| !it.hears_no_news && !it.notices.contains(&notice.id);
        self.closed.retain(|id, _| receivers.values().any(|it| it.notified.contains_key(id)));
        self.notices.retain(|notice| {
            now - notice.at <= NOTICE_LIFE && receivers.values().any(|it| waits_for(it, notice))
        });
        let left: BTreeSet<_> = self.notices.iter().map(|notice| notice.id.clone()).collect();
        for receiver in self.receivers.values_mut() {
            receiver.notices.retain(|id| left.contains(id));
        }
    }
}

impl ReceiverSpec {
    /// True if it is to be told of this.
    fn wants(&self, open: &OpenAlert) -> bool {
        open.level.severity >= self.min_severity && open.receiver.as_ref() != Some(&self.id)
    }
}

#[cfg(test)]
mod tests;
