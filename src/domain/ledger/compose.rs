//! What is owed, as messages.

use ring::digest;

use super::due::{Batch, Context, FiringRef, ResolvedRef};
use super::{Body, Delivery, Ledger, Notice, Receiver, ReceiverId, Repeat};
use crate::domain::advice::Remedy;
use crate::domain::alert::{Alert, AlertId, AlertText, Level, hex};
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::{AlertChange, Firing, Message, MessageKind, Resolved};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;

/// What holds for all receivers.
#[derive(Clone, Copy, Debug)]
pub struct DeliverySettings<'a> {
    /// The node's name, and its cluster's.
    pub node: &'a NodeIdentity,
    /// When something is told again.
    pub repeat: &'a Repeat,
    /// The last complete scan; `None` before the first.
    pub heartbeat: Option<&'a Heartbeat>,
}

/// What a heartbeat tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// When the scan was made.
    pub at: UnixTime,
    /// certwatch can see, remember and tell.
    pub is_well: bool,
    /// The state of things in a few lines.
    pub text: String,
}

impl Ledger {
    pub(super) fn heartbeat(context: &Context<'_>) -> Option<Delivery> {
        let Context { spec, receiver, settings, .. } = context;
        let id = |heartbeat: &Heartbeat| {
            let state = if heartbeat.is_well { "well" } else { "not well" };
            hash(&[&spec.id.0, "beat", &heartbeat.at.to_string(), state])
        };
        let is_new = |heartbeat: &&Heartbeat| receiver.heartbeat.as_ref() != Some(&id(heartbeat));
        let heartbeat = settings.heartbeat.filter(is_new)?;
        let id = id(heartbeat);
        let delivery = Delivery::heartbeat(&spec.id, id, heartbeat.is_well, heartbeat.text.clone());
        context.may_try(|| delivery.topic.clone()).then_some(delivery)
    }

    /// The oldest news that the receiver has not had.
    pub(super) fn notice(&self, context: &Context<'_>) -> Option<Delivery> {
        let Context { spec, receiver, settings, now, .. } = *context;
        let node = settings.node.to_string();
        let id = |notice: &Notice| hash(&[&node, &spec.id.0, "notice", &notice.id]);
        let unheard = |notice: &&Notice| {
            !receiver.notices.contains(&notice.id) && context.may_try(|| id(notice))
        };
        let notice = self.notices.iter().find(unheard)?;
        let id = id(notice);
        let message = Message {
            // Not in the thread of any alert.
            thread: id[..16].to_owned(),
            id: id.clone(),
            kind: notice.kind,
            node: settings.node.clone(),
            former: None,
            at: now,
            severity: notice.severity,
            headline: notice.headline.clone(),
            text: notice.text.clone(),
            firing: Vec::new(),
            resolved: Vec::new(),
            next: String::new(),
        };
        let delivery = Delivery::message(&spec.id, Body::Message(Box::new(message)), id);
        Some(Delivery { notice: Some(notice.id.clone()), ..delivery })
    }

    /// `part` in words.
    pub(super) fn delivery(&self, context: &Context<'_>, batch: &Batch<'_>) -> Delivery {
        let Context { spec, receiver, settings, now, .. } = *context;
        let firing: Vec<_> = batch.firing.iter().map(in_words).collect();
        let resolved: Vec<_> = batch.resolved.iter().map(|it| self.ended(it, now)).collect();
        let id = context.id(batch);
        let episode = format!("thread {}", receiver.episode.unwrap_or(receiver.count));
        let has_news = firing.iter().any(|it| it.change != AlertChange::Still);
        let is_good = !has_news && !resolved.is_empty();
        // What is new decides how loud the message is.
        let loud = firing.iter().filter(|it| !has_news || it.change != AlertChange::Still);
        let severity = loud.map(|it| it.level.severity).max().unwrap_or_default();
        let good = || good_news(&resolved, batch.open);
        let message = Message {
            id: id.clone(),
            thread: hash(&[&settings.node.to_string(), &spec.id.0, &episode])[..16].to_owned(),
            kind: if is_good { MessageKind::Resolved } else { MessageKind::Alert },
            node: settings.node.clone(),
            former: context.former().cloned(),
            at: now,
            severity,
            headline: if is_good { good() } else { bad_news(&firing, has_news) },
            text: Vec::new(),
            next: next(&firing, batch.open, settings.repeat),
            firing,
            resolved,
        };
        let thread = receiver.thread.clone();
        let delivery = Delivery::message(&spec.id, Body::Message(Box::new(message)), id);
        Delivery { thread, topic: context.topic(batch), ..delivery }
    }

    fn ended(&self, it: &ResolvedRef<'_>, now: UnixTime) -> Resolved {
        let ResolvedRef { id, notified } = *it;
        Resolved {
            id: id.clone(),
            level: notified.level.clone(),
            since: notified.since,
            at: notified.over.or(self.closed.get(id).map(|closed| closed.at)).unwrap_or(now),
            text: notified.text.clone(),
            how: self.how_it_ended(it),
        }
    }

    fn how_it_ended(&self, it: &ResolvedRef<'_>) -> String {
        match (self.closed.get(it.id), self.open.get(it.id)) {
            (Some(closed), _) => closed.how.clone(),
            (None, Some(_)) if it.notified.is_unwanted => {
                "is below this channel's min-severity now".to_owned()
            }
            (None, Some(open)) => format!("is less urgent now: it {}", open.text.summary),
            (None, None) => "is resolved".to_owned(),
        }
    }

    /// An alert for each receiver that hears nothing, for all the others.
    pub(crate) fn deaf_receivers(&self, now: UnixTime) -> Vec<(ReceiverId, Alert)> {
        let deaf = self.receivers.iter().filter(|(_, receiver)| receiver.health.is_broken());
        deaf.map(|(id, receiver)| (id.clone(), of_receiver(id, receiver, now))).collect()
    }
}

fn of_receiver(id: &ReceiverId, receiver: &Receiver, now: UnixTime) -> Alert {
    let health = &receiver.health;
    let took = match health.last_success {
        Some(last) => format!("the last success was {} ago", now - last),
        None => "it has never worked".to_owned(),
    };
    let since = health.failing_since.unwrap_or(now);
    let reason = health.reason.clone().unwrap_or_default();
    let (channel, _) = id.0.split_once(':').unwrap_or((&id.0, ""));
    Alert {
        id: AlertId::local(&[b"receiver", id.0.as_bytes()]),
        path: String::new(),
        level: Level {
            severity: Severity::Warning,
            threshold: None,
            codes: vec!["delivery_failing".to_owned()],
        },
        is_transient: false,
        text: AlertText {
            name: escape_control(&id.shown()).into_owned(),
            title: "a notification channel of certwatch".to_owned(),
            place: String::new(),
            summary: "delivery is failing".to_owned(),
            expires: None,
            lines: vec![format!("{took}; every attempt since {since} has failed: {reason}")],
            automatic: "certwatch retries when there is something to send.".to_owned(),
            remedies: vec![Remedy::Command(format!("certwatch notify test {channel}"))],
        },
    }
}

impl Context<'_> {
    /// The same content after the same messages has the same identity, whenever it is tried.
    fn id(&self, batch: &Batch<'_>) -> String {
        self.hash(&self.receiver.count.to_string(), batch)
    }

    /// The same content is the same topic, whatever was told in between.
    pub(super) fn topic(&self, batch: &Batch<'_>) -> String {
        self.hash("topic", batch)
    }

    fn hash(&self, what: &str, batch: &Batch<'_>) -> String {
        let told = |it: &FiringRef<'_>| format!("{:?} {} {:?}", it.change, it.id.0, it.open.level);
        let over = |it: &ResolvedRef<'_>| format!("over {}", it.id.0);
        let content = batch.firing.iter().map(told).chain(batch.resolved.iter().map(over));
        let content: Vec<_> = content.collect();
        let node = self.settings.node.to_string();
        let mut parts = vec![&*node, &*self.spec.id.0, what];
        parts.extend(content.iter().map(String::as_str));
        hash(&parts)
    }
}

fn in_words(it: &FiringRef<'_>) -> Firing {
    Firing {
        id: it.id.clone(),
        change: it.change,
        level: it.open.level.clone(),
        since: it.open.since,
        text: it.open.text.clone(),
    }
}

impl ReceiverId {
    /// The receiver as people call it.
    pub fn shown(&self) -> String {
        match self.0.split_once(':') {
            Some(("email", address)) => format!("mail to {address}"),
            Some((channel, which)) => format!("{channel} {which}"),
            None => match self.0.as_str() {
                "slack" => "Slack".to_owned(),
                "pagerduty" => "PagerDuty".to_owned(),
                other => other.to_owned(),
            },
        }
    }
}

fn bad_news(firing: &[Firing], has_news: bool) -> String {
    let told: Vec<_> =
        firing.iter().filter(|it| !has_news || it.change != AlertChange::Still).collect();
    let Some(first) = told.first() else { return String::new() };
    let AlertText { name, summary, .. } = &first.text;
    let others = told.len() - 1;
    let is_common = told.iter().all(|it| it.text.summary == *summary);
    let said = match (others, summary.strip_prefix("expire")) {
        (0, _) => format!("{name} {summary}"),
        (_, Some(rest)) if is_common => {
            format!(
                "{name} and {others} more expire{}",
                rest.strip_prefix("s ").map_or(rest.to_owned(), |rest| format!(" {rest}"))
            )
        }
        _ if others == 1 => format!("{name} {summary}, and 1 other problem"),
        _ => format!("{name} {summary}, and {others} other problems"),
    };
    match firing.len() - told.len() {
        _ if !has_news => format!("still: {said}"),
        0 => said,
        1 => format!("{said} (1 earlier alert is still open)"),
        known => format!("{said} ({known} earlier alerts are still open)"),
    }
}

fn good_news(resolved: &[Resolved], open: usize) -> String {
    let Some(first) = resolved.first() else { return String::new() };
    let summary = first.how.split(':').next().unwrap_or_default();
    let said = match resolved.len() - 1 {
        0 => format!("{} {summary}", first.text.name),
        others => format!("{} {summary}, and {others} more", first.text.name),
    };
    match open {
        0 => said,
        left => format!("{said} ({left} still open)"),
    }
}

fn next(firing: &[Firing], open: usize, repeat: &Repeat) -> String {
    match firing.iter().map(|it| repeat.of(&it.level)).min() {
        None if open > 0 => format!("Still open on this node: {open}."),
        None => "No other alert is open on this node.".to_owned(),
        Some(soonest) => format!(
            "The next reminder is in {soonest}; you are notified at once if something gets worse or is resolved."
        ),
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finish().as_ref()[..16])
}
