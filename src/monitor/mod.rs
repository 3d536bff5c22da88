//! What `run` and `check --notify` share: it takes in scans, keeps the ledger, says who is to be told
//! what, and remembers on disk.
//!
//! It neither waits nor sends: both do that in their own way.

mod memory;
mod renewal;
mod self_alerts;
mod state;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::domain::alert::{AlertId, AlertSnapshot};
use crate::domain::cluster::{ClusterName, NodeIdentity};
use crate::domain::ledger::{
    Delivery, DeliverySettings, Due, EvaluationBasis, Heartbeat, OpenAlert, ReceiverId,
    ReceiverSpec, Retryability,
};
use crate::domain::model::Inventory;
use crate::domain::names;
use crate::domain::policy::{Assessment, Severity, assess};
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};
use crate::hangs::Hangs;
use crate::notify::route::{self, DeliveryContext};
use crate::notify::{Failure, FailureKind, Network, Receipt};
use crate::scan::ScanError;
use crate::store::{self, Store};
use crate::sys;
pub use memory::{MonitorState, ScanNote, Writer};
pub(crate) use renewal::schedule;
pub use self_alerts::SelfAlert;
use self_alerts::SelfAlerts;

/// How long an alert counts at an Alertmanager that hears no more of it, in scans or refreshes.
const GOOD_FOR: i64 = 3;

/// Heartbeats are no closer to each other than this, however often something changes on disk:
/// healthchecks.io takes five a minute.
const HEARTBEAT_GAP: Span = Span::minutes(1);

/// What certwatch knows, and whom it has told.
pub(crate) struct Monitor {
    /// The settings in effect.
    pub config: Config,
    /// The node's name in every message, and its cluster's.
    pub node: NodeIdentity,
    /// Who is told.
    pub specs: Vec<ReceiverSpec>,
    store: Option<Store>,
    memory: MonitorState,
    seen: Option<Inventory>,
    self_alerts: SelfAlerts,
    heartbeat: Option<Heartbeat>,
}

/// What a look at the node has changed.
#[derive(Debug, Default)]
pub(crate) struct Evaluation {
    /// When to scan again, before the next scan that is due anyway.
    pub scan_again: Option<UnixTime>,
    /// When the same inventory will be judged otherwise.
    pub judge_again: Option<UnixTime>,
    /// What is new or worse.
    pub opened: Vec<OpenAlert>,
    /// What is over.
    pub closed: Vec<OpenAlert>,
}

impl Monitor {
    /// Takes over settings; the state stays where it was when certwatch started.
    pub(crate) fn configure(&mut self, config: Config) {
        self.node = identity(&config, self.memory.cluster.as_deref());
        self.specs = route::receivers(&config.channels);
        self.config = config;
        self.memory.ledger.set_receivers(&self.specs);
        self.memory.ledger.retry_now();
    }

    /// Takes in a scan.
    pub(crate) fn scanned(
        &mut self,
        inventory: Result<Inventory, ScanError>,
        took_ms: u64,
        now: UnixTime,
    ) -> Evaluation {
        match inventory {
            Ok(mut inventory) => {
                self.memory.held.recall(&mut inventory);
                self.learn_cluster(&inventory);
                self.seen = Some(inventory);
                self.self_alerts.clear(SelfAlert::Blind);
            }
            Err(error) => {
                self.seen = None;
                self.self_alerts.set(SelfAlert::Blind, &error.to_string());
            }
        }
        let evaluation = self.evaluate(EvaluationBasis::NewScan, now);
        self.note_scan(took_ms, now);
        let is_due =
            |heartbeat: &Heartbeat| now - heartbeat.at >= HEARTBEAT_GAP || heartbeat.at > now;
        if self.heartbeat.as_ref().is_none_or(is_due) {
            self.heartbeat = Some(self.make_heartbeat(now));
        }
        evaluation
    }

    /// What cannot be read says nothing: the name that is known goes on, since incidents are kept by it.
    fn learn_cluster(&mut self, inventory: &Inventory) {
        match ClusterName::of(inventory) {
            ClusterName::Unknown => {}
            ClusterName::Shared => self.memory.cluster = None,
            ClusterName::Own(name) => self.memory.cluster = Some(name),
        }
        self.node = identity(&self.config, self.memory.cluster.as_deref());
    }

    /// True once there was a scan.
    pub(crate) fn has_looked(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// Judges the last scan again, as of now.
    pub(crate) fn reevaluate(&mut self, now: UnixTime) -> Evaluation {
        self.evaluate(EvaluationBasis::LastScan, now)
    }

    fn evaluate(&mut self, basis: EvaluationBasis, now: UnixTime) -> Evaluation {
        let (mut snapshot, judge_again) = match &self.seen {
            Some(inventory) => {
                let assessment = assess(inventory, &self.config.policy, now);
                (
                    AlertSnapshot::of(inventory, &assessment, self.schedule().as_ref(), now),
                    assessment.next_change,
                )
            }
            // Nothing is known to be gone.
            None => {
                (AlertSnapshot { blind: vec!["/".to_owned()], ..AlertSnapshot::default() }, None)
            }
        };
        snapshot.alerts.extend(self.self_alerts.alerts().cloned());
        let deaf = self.memory.ledger.deaf_receivers(now);
        let before = self.memory.ledger.open.clone();
        let scan_again = self.memory.ledger.observe(&snapshot, &deaf, basis, now);
        let (opened, closed) = difference(&before, &self.memory.ledger.open);
        // Whoever waits for a sign of life is not kept waiting for a scan if it is a bad one.
        let is_well = self.is_well(now);
        if self.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.is_well != is_well) {
            self.heartbeat = Some(self.make_heartbeat(now));
        }
        Evaluation { scan_again, judge_again, opened, closed }
    }

    /// Everybody who is to be told something now, but for those to whom something is on its way, the
    /// one who was tried longest ago first; and when to ask again.
    pub(crate) fn due(
        &self,
        is_busy: impl Fn(&ReceiverId) -> bool,
        now: UnixTime,
    ) -> (Vec<Delivery>, Option<UnixTime>) {
        let settings = DeliverySettings {
            node: &self.node,
            repeat: &self.config.alerts.repeat,
            heartbeat: self.heartbeat.as_ref(),
        };
        let mut deliveries: Vec<Delivery> = Vec::new();
        let mut next: Option<UnixTime> = None;
        for spec in self.specs.iter().filter(|spec| !is_busy(&spec.id)) {
            match self.memory.ledger.due(spec, &settings, now) {
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
    pub(crate) fn begin(&mut self, delivery: &Delivery) {
        if self.memory.ledger.begun(delivery) {
            self.save();
        }
    }

    /// Notes how a delivery ended, and saves that. True if there is news for [`Self::reevaluate`]: a
    /// receiver was found deaf, or hears again.
    pub(crate) fn settle(
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
                let retryability = match failure.kind {
                    FailureKind::Permanent => Retryability::Permanent,
                    FailureKind::Transient(pause) => Retryability::Transient(pause.map(|pause| {
                        Span::seconds(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
                    })),
                };
                let reason = &failure.reason;
                self.memory.ledger.failed(delivery, retryability, reason, sys::random_u32(), now);
            }
        }
        self.save() || self.is_deaf(&delivery.receiver) != was_deaf
    }

    fn is_deaf(&self, receiver: &ReceiverId) -> bool {
        self.memory.ledger.receivers.get(receiver).is_some_and(|it| it.health.is_broken())
    }

    /// Sets or ends what is wrong with the configuration on disk.
    pub(crate) fn config_is_refused(&mut self, why: Option<&str>) {
        match why {
            Some(why) => self.self_alerts.set(SelfAlert::Config, why),
            None => self.self_alerts.clear(SelfAlert::Config),
        }
    }

    /// How changes on disk are seen.
    pub(crate) fn set_watch(&mut self, watch: String) {
        self.memory.writer.watch = watch;
    }

    /// What is remembered.
    pub(crate) fn memory(&self) -> &MonitorState {
        &self.memory
    }

    /// How deliveries of this moment go.
    pub(crate) fn delivery_context(&self, hangs: &Arc<Hangs>, now: UnixTime) -> DeliveryContext {
        let interval = self.config.daemon.interval.max(route::REFRESH);
        let good_for = Span::seconds(interval.as_seconds() * GOOD_FOR);
        DeliveryContext {
            channels: self.config.channels.clone(),
            network: Network::of(&self.config, hangs),
            until: now + good_for,
        }
    }

    fn note_scan(&mut self, took_ms: u64, now: UnixTime) {
        let failure = self.self_alerts.line(SelfAlert::Blind).map(ToOwned::to_owned);
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

    fn make_heartbeat(&self, now: UnixTime) -> Heartbeat {
        let deaf = self.memory.ledger.deaf_receivers(now);
        let mut text = format!("{}: {}\n", self.node, self.summary(now));
        let self_alerts = self.self_alerts.alerts().chain(deaf.iter().map(|(_, alert)| alert));
        for alert in self_alerts {
            text.push_str(&format!(
                "{} {}: {}\n",
                alert.text.name,
                alert.text.summary,
                alert.text.lines.join("; ")
            ));
        }
        Heartbeat { at: now, is_well: self.is_well(now), text }
    }

    /// True if it can see, write down and tell.
    fn is_well(&self, now: UnixTime) -> bool {
        let ledger = &self.memory.ledger;
        self.self_alerts.is_empty() && ledger.deaf_receivers(now).is_empty()
    }

    /// The state of things in one line: `14 certificates; next: apiserver in 27 d; mail ok`.
    pub(crate) fn summary(&self, now: UnixTime) -> String {
        summary::line(self, now)
    }
}

/// The node's name in every message.
pub(crate) fn node_name(config: &Config) -> String {
    config.node.clone().unwrap_or_else(|| escape_control(&sys::host_name()).into_owned())
}

/// The node in every message: `found` is the name of its cluster by a scan, and the configured one counts before it.
pub(crate) fn identity(config: &Config, found: Option<&str>) -> NodeIdentity {
    let cluster = config.cluster.name.as_deref().or(found).map(str::to_owned);
    NodeIdentity { cluster, name: node_name(config) }
}

/// The node for one who has not scanned it: the cluster's name is what the daemon found last.
pub(crate) fn known_identity(config: &Config) -> NodeIdentity {
    let memory = store::peek::<MonitorState>(&config.daemon.state_dir).ok().flatten();
    identity(config, memory.and_then(|it| it.cluster).as_deref())
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
    before: &BTreeMap<AlertId, OpenAlert>,
    after: &BTreeMap<AlertId, OpenAlert>,
) -> (Vec<OpenAlert>, Vec<OpenAlert>) {
    let is_news = |(id, open): &(&AlertId, &OpenAlert)| {
        before.get(*id).is_none_or(|known| known.level.is_outdone_by(&open.level))
    };
    let opened = after.iter().filter(is_news).map(|(_, open)| open.clone());
    let closed = before.iter().filter(|(id, _)| !after.contains_key(*id));
    (opened.collect(), closed.map(|(_, open)| open.clone()).collect())
}

#[cfg(test)]
mod tests;
