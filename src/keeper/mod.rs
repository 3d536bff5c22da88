//! What `run` and `check --notify` share: it takes in scans, keeps the ledger, says who is to be told
//! what, and remembers on disk.
//!
//! It neither waits nor sends: both do that in their own way.

mod memory;
mod renewal;
mod state;
mod summary;
mod troubles;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::domain::alert::{AlertId, Sight};
use crate::domain::ledger::{Beat, Delivery, Due, Look, Open, ReceiverId, Spec, Terms, Trouble};
use crate::domain::model::Inventory;
use crate::domain::names;
use crate::domain::policy::{Assessment, Severity, assess};
use crate::domain::text::safe;
use crate::domain::time::{Span, UnixTime};
use crate::hangs::Hangs;
use crate::notify::route::{self, Way};
use crate::notify::{Failure, FailureKind, Network, Receipt};
use crate::scan::ScanError;
use crate::store::Store;
use crate::sys;
pub use memory::{Memory, ScanNote, Writer};
pub use renewal::routine;
pub use troubles::Trouble as OwnTrouble;
use troubles::Troubles;

/// How long an alert counts at an Alertmanager that hears no more of it, in scans or refreshes.
const GOOD_FOR: i64 = 3;

/// Heartbeats are no closer to each other than this, however often something changes on disk:
/// healthchecks.io takes five a minute.
const BEATS: Span = Span::minutes(1);

/// What certwatch knows, and whom it has told.
pub struct Keeper {
    /// The settings in effect.
    pub config: Config,
    /// The node's name in every message.
    pub node: String,
    /// Who is told.
    pub specs: Vec<Spec>,
    store: Option<Store>,
    memory: Memory,
    seen: Option<Inventory>,
    troubles: Troubles,
    beat: Option<Beat>,
}

/// What a look at the node has changed.
#[derive(Debug, Default)]
pub struct Seen {
    /// When to scan again, before the next scan that is due anyway.
    pub scan_again: Option<UnixTime>,
    /// When the same inventory will be judged otherwise.
    pub judge_again: Option<UnixTime>,
    /// What is new or worse.
    pub opened: Vec<Open>,
    /// What is over.
    pub closed: Vec<Open>,
}

impl Keeper {
    /// Takes over settings; the state stays where it was when certwatch started.
    pub fn configure(&mut self, config: Config) {
        self.node = node_name(&config);
        self.specs = route::receivers(&config.channels);
        self.config = config;
        self.memory.ledger.set_receivers(&self.specs);
        self.memory.ledger.retry_now();
    }

    /// Takes in a scan.
    pub fn scanned(
        &mut self,
        inventory: Result<Inventory, ScanError>,
        took_ms: u64,
        now: UnixTime,
    ) -> Seen {
        match inventory {
            Ok(inventory) => {
                self.seen = Some(inventory);
                self.troubles.clear(OwnTrouble::Blind);
            }
            Err(error) => {
                self.seen = None;
                self.troubles.set(OwnTrouble::Blind, &error.to_string());
            }
        }
        let seen = self.look(Look::Scan, now);
        self.note_scan(took_ms, now);
        let is_due = |beat: &Beat| now - beat.at >= BEATS || beat.at > now;
        if self.beat.as_ref().is_none_or(is_due) {
            self.beat = Some(self.make_beat(now));
        }
        seen
    }

    /// True once there was a scan.
    pub fn has_looked(&self) -> bool {
        self.beat.is_some()
    }

    /// Judges the last scan again, as of now.
    pub fn look_again(&mut self, now: UnixTime) -> Seen {
        self.look(Look::Again, now)
    }

    fn look(&mut self, look: Look, now: UnixTime) -> Seen {
        let (mut sight, judge_again) = match &self.seen {
            Some(inventory) => {
                let assessment = assess(inventory, &self.config.policy, now);
                (
                    Sight::of(inventory, &assessment, self.routine().as_ref(), now),
                    assessment.next_change,
                )
            }
            // Nothing is known to be gone.
            None => (Sight { blind: vec!["/".to_owned()], ..Sight::default() }, None),
        };
        sight.alerts.extend(self.troubles.alerts().cloned());
        let deaf = self.memory.ledger.deaf_receivers(now);
        let before = self.memory.ledger.open.clone();
        let scan_again = self.memory.ledger.observe(&sight, &deaf, look, now);
        let (opened, closed) = difference(&before, &self.memory.ledger.open);
        // Whoever waits for a sign of life is not kept waiting for a scan if it is a bad one.
        let is_well = self.is_well(now);
        if self.beat.as_ref().is_some_and(|beat| beat.is_well != is_well) {
            self.beat = Some(self.make_beat(now));
        }
        Seen { scan_again, judge_again, opened, closed }
    }

    /// Everybody who is to be told something now, but for those to whom something is on its way, the
    /// one who was tried longest ago first; and when to ask again.
    pub fn due(
        &self,
        is_busy: impl Fn(&ReceiverId) -> bool,
        now: UnixTime,
    ) -> (Vec<Delivery>, Option<UnixTime>) {
        let terms = Terms {
            node: &self.node,
            repeat: &self.config.alerts.repeat,
            beat: self.beat.as_ref(),
        };
        let mut deliveries: Vec<Delivery> = Vec::new();
        let mut next: Option<UnixTime> = None;
        for spec in self.specs.iter().filter(|spec| !is_busy(&spec.id)) {
            match self.memory.ledger.due(spec, &terms, now) {
                Due::Now(delivery) => deliveries.push(*delivery),
                Due::At(then) => next = Some(next.map_or(then, |next| next.min(then))),
                Due::Nothing => {}
            }
        }
        deliveries.sort_by_key(|delivery| self.last_attempt(&delivery.receiver));
        (deliveries, next)
    }

    fn last_attempt(&self, receiver: &ReceiverId) -> Option<UnixTime> {
        let health = &self.memory.ledger.receivers.get(receiver)?.health;
        health.last_success.max(health.last_failure)
    }

    /// Notes that a delivery is on its way. For before it is sent.
    pub fn begin(&mut self, delivery: &Delivery) {
        if self.memory.ledger.begun(delivery) {
            self.save();
        }
    }

    /// Notes how a delivery ended, and saves that. True if there is news for [`Self::look_again`]: a
    /// receiver was found deaf, or hears again.
    pub fn settle(
        &mut self,
        delivery: &Delivery,
        result: &Result<Receipt, Failure>,
        now: UnixTime,
    ) -> bool {
        let Some(spec) = self.specs.iter().find(|spec| spec.id == delivery.receiver) else {
            return false;
        };
        let was_deaf = self.is_deaf(&delivery.receiver);
        match result {
            Ok(receipt) => self.memory.ledger.sent(spec, delivery, receipt.thread.clone(), now),
            Err(failure) => {
                let trouble = match failure.kind {
                    FailureKind::Permanent => Trouble::Lasting,
                    FailureKind::Transient(pause) => Trouble::Passing(pause.map(|pause| {
                        Span::seconds(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
                    })),
                };
                let reason = &failure.reason;
                self.memory.ledger.failed(delivery, trouble, reason, sys::dice(), now);
            }
        }
        self.save() || self.is_deaf(&delivery.receiver) != was_deaf
    }

    fn is_deaf(&self, receiver: &ReceiverId) -> bool {
        self.memory.ledger.receivers.get(receiver).is_some_and(|it| it.health.is_broken())
    }

    /// Sets or ends what is wrong with the configuration on disk.
    pub fn config_is_refused(&mut self, why: Option<&str>) {
        match why {
            Some(why) => self.troubles.set(OwnTrouble::Config, why),
            None => self.troubles.clear(OwnTrouble::Config),
        }
    }

    /// How changes on disk are seen.
    pub fn set_watch(&mut self, watch: String) {
        self.memory.writer.watch = watch;
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// How deliveries of this moment go.
    pub fn way(&self, hangs: &Arc<Hangs>, now: UnixTime) -> Way {
        let interval = self.config.daemon.interval.max(route::REFRESH);
        let good_for = Span::seconds(interval.as_seconds() * GOOD_FOR);
        Way {
            channels: self.config.channels.clone(),
            network: Network::of(&self.config, hangs),
            until: now + good_for,
        }
    }

    fn note_scan(&mut self, took_ms: u64, now: UnixTime) {
        let failure = self.troubles.line(OwnTrouble::Blind).map(ToOwned::to_owned);
        let Some(inventory) = &self.seen else {
            let severity = Severity::Unknown;
            let note = ScanNote { at: now, took_ms, judged: 0, severity, next: None, failure };
            self.memory.scan = Some(note);
            return;
        };
        let assessment = assess(inventory, &self.config.policy, now);
        self.memory.scan = Some(ScanNote {
            at: now,
            took_ms,
            judged: assessment.rows.iter().filter(|row| !row.repeats).count(),
            severity: assessment.severity(),
            next: next_to_end(inventory, &assessment, now),
            failure,
        });
    }

    fn make_beat(&self, now: UnixTime) -> Beat {
        let deaf = self.memory.ledger.deaf_receivers(now);
        let mut text = format!("{}: {}\n", self.node, self.summary(now));
        let troubles = self.troubles.alerts().chain(deaf.iter().map(|(_, alert)| alert));
        for alert in troubles {
            text.push_str(&format!(
                "{} {}: {}\n",
                alert.words.name,
                alert.words.brief,
                alert.words.lines.join("; ")
            ));
        }
        Beat { at: now, is_well: self.is_well(now), text }
    }

    /// True if it can see, write down and tell.
    fn is_well(&self, now: UnixTime) -> bool {
        let ledger = &self.memory.ledger;
        self.troubles.is_empty() && ledger.deaf_receivers(now).is_empty()
    }

    /// The state of things in one line: `14 certificates; next: apiserver in 27 d; mail ok`.
    pub fn summary(&self, now: UnixTime) -> String {
        summary::line(self, now)
    }
}

/// The node's name in every message.
pub fn node_name(config: &Config) -> String {
    config.node.clone().unwrap_or_else(|| safe(&sys::host_name()).into_owned())
}

fn next_to_end(
    inventory: &Inventory,
    assessment: &Assessment,
    now: UnixTime,
) -> Option<(String, UnixTime)> {
    let ends = assessment.rows.iter().filter(|row| !row.repeats);
    let ends = ends.filter_map(|row| Some((row.item, row.expires?))).filter(|(_, at)| *at >= now);
    let (item, at) = ends.min_by_key(|(_, at)| *at)?;
    Some((names::name(&inventory.items, item).into_owned(), at))
}

/// What has been added or has become worse, and what is gone.
fn difference(
    before: &BTreeMap<AlertId, Open>,
    after: &BTreeMap<AlertId, Open>,
) -> (Vec<Open>, Vec<Open>) {
    let is_news = |(id, open): &(&AlertId, &Open)| {
        before.get(*id).is_none_or(|known| known.level.is_outdone_by(&open.level))
    };
    let opened = after.iter().filter(is_news).map(|(_, open)| open.clone());
    let closed = before.iter().filter(|(id, _)| !after.contains_key(*id));
    (opened.collect(), closed.map(|(_, open)| open.clone()).collect())
}

#[cfg(test)]
mod tests;
