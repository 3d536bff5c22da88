//! What is owed, as messages.

use std::cmp::Reverse;

use ring::digest;

use super::{Body, Delivery, Due, Ledger, Notice, Receiver, ReceiverId, Repeat, Spec, Style, Told};
use crate::domain::advice::Remedy;
use crate::domain::alert::{Alert, AlertId, Level, Words, hex};
use crate::domain::message::{Change, Firing, Kind, Message, Resolved};
use crate::domain::policy::Severity;
use crate::domain::text::safe;
use crate::domain::time::{Span, UnixTime};

/// What holds for all receivers.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The node's name.
    pub node: &'a str,
    /// When something is told again.
    pub repeat: &'a Repeat,
    /// The last complete scan; `None` before the first.
    pub beat: Option<&'a Beat>,
}

/// What a heartbeat tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beat {
    /// When the scan was made.
    pub at: UnixTime,
    /// certwatch can see, remember and tell.
    pub is_well: bool,
    /// The state of things in a few lines.
    pub text: String,
}

impl Ledger {
    pub(super) fn beat(spec: &Spec, receiver: &Receiver, terms: &Terms<'_>) -> Due {
        let Some(beat) = terms.beat.filter(|beat| receiver.health.last_success < Some(beat.at))
        else {
            return Due::Nothing;
        };
        Due::Now(Box::new(Delivery {
            receiver: spec.id.clone(),
            id: hash(&[terms.node, &spec.id.0, "beat", &beat.at.to_string()]),
            thread: None,
            body: Body::Beat { is_well: beat.is_well, text: beat.text.clone() },
            notice: None,
        }))
    }

    /// The oldest news that the receiver has not had.
    pub(super) fn notice(
        &self,
        spec: &Spec,
        receiver: &Receiver,
        terms: &Terms<'_>,
        now: UnixTime,
    ) -> Option<Due> {
        let unheard = |notice: &&Notice| !receiver.notices.contains(&notice.id);
        let notice = self.notices.iter().find(unheard)?;
        let id = hash(&[terms.node, &spec.id.0, "notice", &notice.id]);
        let message = Message {
            // Not in the thread of any alert.
            thread: id[..16].to_owned(),
            id: id.clone(),
            kind: notice.kind,
            node: terms.node.to_owned(),
            at: now,
            severity: notice.severity,
            headline: notice.headline.clone(),
            text: notice.text.clone(),
            firing: Vec::new(),
            resolved: Vec::new(),
            next: String::new(),
        };
        Some(Due::Now(Box::new(Delivery {
            receiver: spec.id.clone(),
            id,
            thread: None,
            body: Body::Message(Box::new(message)),
            notice: Some(notice.id.clone()),
        })))
    }

    /// What fires or is over, against what the receiver was told.
    pub(super) fn news(
        &self,
        spec: &Spec,
        receiver: &Receiver,
        terms: &Terms<'_>,
        now: UnixTime,
    ) -> Due {
        let firing = self.firing(spec, receiver);
        let resolved = self.resolved(spec, receiver, now);
        let has_changed = firing.iter().any(|it| it.change != Change::Still)
            || resolved.iter().any(|it| receiver.is_open_to(&it.id));
        let again = receiver.told_again_at(&firing, &resolved, spec.style, terms.repeat);
        match again {
            None if !has_changed => Due::Nothing,
            Some(then) if !has_changed && then > now => Due::At(then),
            _ => {
                let open = firing.len();
                let parts = match spec.style {
                    Style::Single => one_of(firing, resolved, receiver, terms.repeat, now),
                    _ => (firing, resolved),
                };
                Due::Now(Box::new(delivery(spec, receiver, terms, parts, open, now)))
            }
        }
    }

    /// When the next of what is known is told again.
    pub(super) fn next_repeat(
        &self,
        spec: &Spec,
        receiver: &Receiver,
        repeat: &Repeat,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let again = |(id, told): (&AlertId, &Told)| match (spec.style, self.open.get(id)) {
            (Style::Synced { every }, _) => Some(told.at + every),
            (_, Some(open)) if spec.wants(open) => Some(told.at + repeat.of(&open.level)),
            _ => None,
        };
        receiver.told.iter().filter_map(again).filter(|then| *then > now).min()
    }

    fn firing(&self, spec: &Spec, receiver: &Receiver) -> Vec<Firing> {
        let mut firing: Vec<_> = self
            .visible(spec)
            .map(|(id, open)| Firing {
                id: id.clone(),
                change: receiver.owes(id, open).unwrap_or(Change::Still),
                level: open.level.clone(),
                since: open.since,
                words: open.words.clone(),
            })
            .collect();
        firing.sort_by(|a, b| urgency(a).cmp(&urgency(b)));
        firing
    }

    fn resolved(&self, spec: &Spec, receiver: &Receiver, now: UnixTime) -> Vec<Resolved> {
        let over = |(id, told): (&AlertId, &Told)| Resolved {
            id: id.clone(),
            level: told.level.clone(),
            since: told.since,
            at: told.over.or(self.closed.get(id).map(|closed| closed.at)).unwrap_or(now),
            words: told.words.clone(),
            how: self.how_it_ended(id),
        };
        let mut resolved: Vec<_> =
            receiver.told.iter().filter(|(id, _)| !self.is_visible(spec, id)).map(over).collect();
        resolved.sort_by(|a, b| {
            let rank = |it: &Resolved| (Reverse(it.level.severity), it.words.name.clone());
            rank(a).cmp(&rank(b))
        });
        resolved
    }

    fn how_it_ended(&self, id: &AlertId) -> String {
        match (self.closed.get(id), self.open.get(id)) {
            (Some(closed), _) => closed.how.clone(),
            (None, Some(open)) => format!("is less urgent now: it {}", open.words.brief),
            (None, None) => "is no longer wrong".to_owned(),
        }
    }

    /// An alert for each receiver that hears nothing, for all the others.
    pub fn deaf_receivers(&self, node: &str, now: UnixTime) -> Vec<(ReceiverId, Alert)> {
        let deaf = self.receivers.iter().filter(|(_, receiver)| receiver.health.is_broken());
        deaf.map(|(id, receiver)| (id.clone(), of_receiver(node, id, receiver, now))).collect()
    }
}

fn of_receiver(node: &str, id: &ReceiverId, receiver: &Receiver, now: UnixTime) -> Alert {
    let health = &receiver.health;
    let took = match health.last_success {
        Some(last) => format!("it last took one {} ago", now - last),
        None => "it has never taken one".to_owned(),
    };
    let since = health.failing_since.unwrap_or(now);
    let reason = health.reason.clone().unwrap_or_default();
    let (channel, _) = id.0.split_once(':').unwrap_or((&id.0, ""));
    Alert {
        id: AlertId::new(node, &[b"receiver", id.0.as_bytes()]),
        path: String::new(),
        level: Level {
            severity: Severity::Warning,
            stage: None,
            codes: vec!["channel_down".to_owned()],
        },
        is_transient: false,
        words: Words {
            name: safe(&id.shown()).into_owned(),
            title: "one of the ways in which certwatch tells people".to_owned(),
            place: String::new(),
            brief: "takes no messages".to_owned(),
            expires: None,
            lines: vec![format!("{took}; every attempt since {since} has failed: {reason}")],
            by_itself: "certwatch tries it again when there is something to tell.".to_owned(),
            remedies: vec![Remedy::Command(format!("certwatch notify test {channel}"))],
        },
    }
}

impl Receiver {
    /// True if it has not been told yet that this is over.
    fn is_open_to(&self, id: &AlertId) -> bool {
        self.told.get(id).is_some_and(|told| told.over.is_none())
    }

    /// When the same is told again, nothing having changed.
    fn told_again_at(
        &self,
        firing: &[Firing],
        resolved: &[Resolved],
        style: Style,
        repeat: &Repeat,
    ) -> Option<UnixTime> {
        let told_at = |id: &AlertId| self.told.get(id).map(|told| told.at);
        match style {
            Style::Synced { every } => {
                let ids = firing.iter().map(|it| &it.id).chain(resolved.iter().map(|it| &it.id));
                ids.filter_map(told_at).min().map(|told| told + every)
            }
            _ => firing.iter().filter_map(|it| self.again_at(it, repeat)).min(),
        }
    }

    fn again_at(&self, firing: &Firing, repeat: &Repeat) -> Option<UnixTime> {
        self.told.get(&firing.id).map(|told| told.at + repeat.of(&firing.level))
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

/// For receivers that take one thing at a time: what is new, then what is over, then what is due again.
fn one_of(
    firing: Vec<Firing>,
    resolved: Vec<Resolved>,
    receiver: &Receiver,
    repeat: &Repeat,
    now: UnixTime,
) -> (Vec<Firing>, Vec<Resolved>) {
    let mut firing = firing.into_iter();
    if let Some(news) = firing.clone().find(|it| it.change != Change::Still) {
        return (vec![news], Vec::new());
    }
    if let Some(over) = resolved.into_iter().next() {
        return (Vec::new(), vec![over]);
    }
    let is_due = |it: &Firing| receiver.again_at(it, repeat).is_some_and(|then| then <= now);
    (firing.find(is_due).into_iter().collect(), Vec::new())
}

fn delivery(
    spec: &Spec,
    receiver: &Receiver,
    terms: &Terms<'_>,
    (firing, resolved): (Vec<Firing>, Vec<Resolved>),
    open: usize,
    now: UnixTime,
) -> Delivery {
    let told = |it: &Firing| format!("{:?} {} {:?}", it.change, it.id.0, it.level);
    let over = |it: &Resolved| format!("over {}", it.id.0);
    let content: Vec<_> = firing.iter().map(told).chain(resolved.iter().map(over)).collect();
    let id = digest_of(terms.node, spec, receiver, &content);
    let episode = format!("thread {}", receiver.episode.unwrap_or(receiver.count));
    let has_news = firing.iter().any(|it| it.change != Change::Still);
    let is_good = !has_news && !resolved.is_empty();
    // What is new decides how loud the message is.
    let loud = firing.iter().filter(|it| !has_news || it.change != Change::Still);
    let severity = loud.map(|it| it.level.severity).max().unwrap_or_default();
    let message = Message {
        id: id.clone(),
        thread: hash(&[terms.node, &spec.id.0, &episode])[..16].to_owned(),
        kind: if is_good { Kind::Resolved } else { Kind::Alert },
        node: terms.node.to_owned(),
        at: now,
        severity,
        headline: if is_good { good_news(&resolved, open) } else { bad_news(&firing, has_news) },
        text: Vec::new(),
        next: next(&firing, open, terms.repeat),
        firing,
        resolved,
    };
    Delivery {
        receiver: spec.id.clone(),
        id,
        thread: receiver.thread.clone(),
        body: Body::Message(Box::new(message)),
        notice: None,
    }
}

/// News before what is known; in each, the worst and nearest first.
fn urgency(firing: &Firing) -> impl Ord + '_ {
    let nearest = firing.level.stage.map_or(i64::MAX, Span::as_seconds);
    let Words { expires, name, .. } = &firing.words;
    let expires = expires.map_or(i64::MAX, UnixTime::seconds);
    let is_known = firing.change == Change::Still;
    (is_known, Reverse(firing.level.severity), nearest, expires, name, &firing.id)
}

fn bad_news(firing: &[Firing], has_news: bool) -> String {
    let told: Vec<_> = firing.iter().filter(|it| !has_news || it.change != Change::Still).collect();
    let Some(first) = told.first() else { return String::new() };
    let Words { name, brief, .. } = &first.words;
    let others = told.len() - 1;
    let is_common = told.iter().all(|it| it.words.brief == *brief);
    let said = match (others, brief.strip_prefix("expire")) {
        (0, _) => format!("{name} {brief}"),
        (_, Some(rest)) if is_common => {
            format!(
                "{name} and {others} more expire{}",
                rest.strip_prefix("s ").map_or(rest.to_owned(), |rest| format!(" {rest}"))
            )
        }
        _ if others == 1 => format!("{name} {brief}, and 1 other problem"),
        _ => format!("{name} {brief}, and {others} other problems"),
    };
    match firing.len() - told.len() {
        _ if !has_news => format!("still: {said}"),
        0 => said,
        known => format!("{said} (besides {known} known)"),
    }
}

fn good_news(resolved: &[Resolved], open: usize) -> String {
    let Some(first) = resolved.first() else { return String::new() };
    let brief = first.how.split(':').next().unwrap_or_default();
    let said = match resolved.len() - 1 {
        0 => format!("{} {brief}", first.words.name),
        others => format!("{} {brief}, and {others} more", first.words.name),
    };
    match open {
        0 => said,
        left => format!("{said} ({left} still open)"),
    }
}

fn next(firing: &[Firing], open: usize, repeat: &Repeat) -> String {
    match firing.iter().map(|it| repeat.of(&it.level)).min() {
        None if open > 0 => format!("Still open on this node: {open}."),
        None => "Nothing else that you are told of is wrong on this node.".to_owned(),
        Some(soonest) => format!(
            "certwatch itself changes nothing. It tells you again in {soonest}, at once if something \
             gets worse, and when it is over."
        ),
    }
}

/// The identity of a message: the same content after the same messages, whenever it is tried.
fn digest_of(node: &str, spec: &Spec, receiver: &Receiver, content: &[String]) -> String {
    let count = receiver.count.to_string();
    let mut parts = vec![node, &spec.id.0, &count];
    parts.extend(content.iter().map(String::as_str));
    hash(&parts)
}

fn hash(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    hex(&context.finish().as_ref()[..16])
}
