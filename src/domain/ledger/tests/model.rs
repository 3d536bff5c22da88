//! A node, a daemon that acts as the real one does, and its receivers.

mod checks;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::*;
use crate::domain::message::AlertChange;

/// How often the daemon scans if nothing happens.
const SCAN: i64 = 6 * 3600;
pub(super) const SYNC: Span = Span::hours(4);
pub(super) const KEYS: u8 = 6;

/// What is in a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Absent,
    Well,
    Fires(usize),
}

/// How a receiver takes messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Works,
    Fails,
    AsksToWait(i64),
    Refuses,
    /// It refuses what is about this place.
    RefusesOne(u8),
    /// It takes one, and the daemon dies before it can write that down.
    Crashes,
}

type Content = (Vec<(AlertChange, AlertId, Level)>, Vec<AlertId>, Option<String>);

/// A receiver, and what the people behind it know.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub mode: Option<Mode>,
    pub knows: BTreeMap<AlertId, Known>,
    /// Taken, but the daemon does not know.
    unacknowledged: BTreeSet<String>,
    /// Of what was said that the daemon does not know of.
    unsure: BTreeSet<AlertId>,
    contents: BTreeMap<String, (Content, String)>,
    accepted: BTreeMap<String, usize>,
    failed: Option<(Content, String, String)>,
    pub heartbeat: Option<UnixTime>,
    /// Of what it refused and has not taken since.
    refused: BTreeSet<AlertId>,
    /// When it was out of reach last.
    away: i64,
    /// Messages about alerts that were taken.
    pub taken: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub level: Level,
    at: i64,
    set_back: i64,
    set_forward: i64,
}

#[derive(Debug)]
pub(super) struct World {
    /// Seconds that really passed.
    real: i64,
    /// What the clock shows beyond that.
    offset: i64,
    set_back: i64,
    set_forward: i64,
    pub states: Vec<(State, i64)>,
    pub blind: BTreeSet<u8>,
    pub ledger: Ledger,
    disk: String,
    pub specs: Vec<ReceiverSpec>,
    pub desks: BTreeMap<ReceiverId, Desk>,
    scanned: i64,
    look_again: Option<UnixTime>,
    heartbeat: Option<Heartbeat>,
    wake: i64,
    random: u32,
}

impl World {
    pub(super) fn new(specs: Vec<ReceiverSpec>) -> Self {
        let mut world = Self {
            real: 1_800_000_000,
            offset: 0,
            set_back: 0,
            set_forward: 0,
            states: vec![(State::Well, 0); usize::from(KEYS)],
            blind: BTreeSet::new(),
            ledger: Ledger::default(),
            disk: "{}".to_owned(),
            specs: Vec::new(),
            desks: BTreeMap::new(),
            scanned: 0,
            look_again: None,
            heartbeat: None,
            wake: 0,
            random: 7,
        };
        world.configure(specs);
        world
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime::new(self.real + self.offset)
    }

    pub(super) fn configure(&mut self, specs: Vec<ReceiverSpec>) {
        self.ledger.set_receivers(&specs);
        self.desks.retain(|id, _| specs.iter().any(|spec| spec.id == *id));
        for spec in &specs {
            self.desks.entry(spec.id.clone()).or_default();
        }
        self.specs = specs;
        self.want_less();
        self.persist();
    }

    pub(super) fn set(&mut self, key: u8, state: State) {
        let place = &mut self.states[usize::from(key)];
        if place.0 != state {
            *place = (state, self.real);
        }
    }

    pub(super) fn set_clock(&mut self, by: i64) {
        self.offset += by;
        *(if by < 0 { &mut self.set_back } else { &mut self.set_forward }) += 1;
    }

    /// The daemon starts anew from what it last wrote.
    pub(super) fn crash(&mut self) {
        self.ledger = serde_json::from_str(&self.disk).unwrap();
        self.ledger.set_receivers(&self.specs);
        // As the real one does: a start is a reason to try what was refused again.
        self.ledger.retry_now();
        self.look_again = None;
        for (id, desk) in &mut self.desks {
            desk.failed = None;
            // What has changed back before the daemon is up again it does not put right: it cannot
            // know that it told of it.
            let notified = &self.ledger.receivers[id].notified;
            desk.knows.retain(|id, _| notified.contains_key(id));
            for (id, notified) in notified.iter().filter(|(_, notified)| notified.over.is_none()) {
                let known = Known {
                    level: notified.level.clone(),
                    at: self.real,
                    set_back: self.set_back,
                    set_forward: self.set_forward,
                };
                desk.knows.entry(id.clone()).or_insert(known).level = notified.level.clone();
            }
        }
    }

    fn persist(&mut self) {
        self.disk = serde_json::to_string(&self.ledger).unwrap();
    }

    /// Lets time pass; the daemon wakes whenever it wants to.
    pub(super) fn pass(&mut self, seconds: i64) {
        let end = self.real + seconds;
        while self.wake < end {
            self.real = self.wake.max(self.real + 1);
            let is_scan = self.real - self.scanned >= SCAN
                || self.look_again.is_some_and(|then| then <= self.now());
            self.look(if is_scan { EvaluationBasis::NewScan } else { EvaluationBasis::LastScan });
        }
        self.real = end;
    }

    /// One turn of the daemon.
    pub(super) fn look(&mut self, basis: EvaluationBasis) {
        if basis == EvaluationBasis::NewScan {
            self.scanned = self.real;
            self.heartbeat = Some(Heartbeat { at: self.now(), is_well: true, text: String::new() });
        }
        self.wake = self.scanned + SCAN;
        let mut basis = basis;
        loop {
            let deaf = self.ledger.deaf_receivers(self.now());
            self.observe(&deaf, basis);
            let has_crashed = self.deliver().is_break();
            if !has_crashed && self.ledger.deaf_receivers(self.now()) == deaf {
                break;
            }
            basis = if has_crashed { EvaluationBasis::NewScan } else { EvaluationBasis::LastScan };
        }
    }

    fn snapshot(&self) -> AlertSnapshot {
        let mut snapshot = AlertSnapshot::default();
        for key in (0..KEYS).filter(|key| !self.blind.contains(&(key / 2))) {
            match self.states[usize::from(key)].0 {
                State::Absent => {}
                State::Well => drop(snapshot.well.insert(id(key), Some(self.now()))),
                State::Fires(step) => snapshot.alerts.push(alert(key, step)),
            }
        }
        snapshot.blind = self.blind.iter().map(|dir| format!("/d{dir}")).collect();
        snapshot
    }

    fn observe(&mut self, deaf: &[(ReceiverId, Alert)], basis: EvaluationBasis) {
        let levels = self.ledger.open.iter().map(|(id, open)| (id.clone(), open.level.clone()));
        let before: BTreeMap<_, _> = levels.collect();
        let again = self.ledger.observe(&self.snapshot(), deaf, basis, self.now());
        self.look_again = again;
        if let Some(then) = again {
            self.wake = self.wake.min(then.seconds() - self.offset);
        }
        self.check_believed(&before);
        self.check_ends(&before);
    }

    /// Breaks off if the daemon dies.
    fn deliver(&mut self) -> ControlFlow<()> {
        for spec in self.specs.clone() {
            let (mut taken, mut tried) = (0, 0);
            while let Some(delivery) = self.due(&spec) {
                tried += 1;
                let is_alert = is_about_alerts(&delivery);
                taken += usize::from(self.attempt(&spec, &delivery)? && is_alert);
                assert!(taken <= 1, "one message for each look");
                assert!(tried <= 40, "it tells without end");
            }
            self.check_what_is_known(&spec);
        }
        ControlFlow::Continue(())
    }

    fn due(&mut self, spec: &ReceiverSpec) -> Option<Delivery> {
        let heartbeat = self.heartbeat.clone();
        let settings = DeliverySettings {
            node: &NODE,
            repeat: &Repeat::default(),
            heartbeat: heartbeat.as_ref(),
        };
        let now = self.now();
        match self.ledger.due(spec, &settings, now) {
            Due::Now(delivery) => Some(*delivery),
            Due::At(then) => {
                assert!(then > now, "not in the past");
                let is_now = |at| matches!(self.ledger.due(spec, &settings, at), Due::Now(_));
                let later = self.ledger.due(spec, &settings, then);
                let is_later = matches!(later, Due::At(later) if later > then);
                assert!(matches!(later, Due::Now(_)) || is_later, "{later:?} at {then}");
                let half = UnixTime::new(now.seconds().midpoint(then.seconds()));
                assert!(!is_now(then - Span::seconds(1)) && !is_now(half), "overslept");
                self.wake = self.wake.min(then.seconds() - self.offset);
                None
            }
            Due::Nothing => {
                let later = self.ledger.due(spec, &settings, now + Span::days(4_000));
                assert_eq!(later, Due::Nothing, "overslept");
                assert_eq!(self.ledger.queue(spec), 0);
                None
            }
        }
    }

    /// True if it was taken.
    fn attempt(&mut self, spec: &ReceiverSpec, delivery: &Delivery) -> ControlFlow<(), bool> {
        let now = self.now();
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mode = self.desks[&spec.id].mode.unwrap_or(Mode::Works);
        self.check_identity(spec, delivery);
        let retryability = match mode {
            Mode::Works | Mode::Crashes => None,
            Mode::Fails => Some(Retryability::Transient(None)),
            Mode::AsksToWait(seconds) => {
                Some(Retryability::Transient(Some(Span::seconds(seconds))))
            }
            Mode::Refuses => Some(Retryability::Permanent),
            Mode::RefusesOne(key) => {
                ids(delivery).contains(&id(key)).then_some(Retryability::Permanent)
            }
        };
        if let Some(retryability) = retryability {
            if retryability == Retryability::Permanent {
                self.desks.get_mut(&spec.id).unwrap().refused.extend(ids(delivery));
            }
            self.ledger.failed(delivery, retryability, "no", self.random >> 8, now);
            self.persist();
            return ControlFlow::Continue(false);
        }
        self.take(spec, delivery, mode == Mode::Crashes);
        if mode == Mode::Crashes {
            self.desks.get_mut(&spec.id).unwrap().mode = None;
            self.crash();
            return ControlFlow::Break(());
        }
        self.ledger.sent(spec, delivery, None, now);
        self.persist();
        ControlFlow::Continue(true)
    }

    /// All is mended, and time enough passes for all to be told.
    pub(super) fn settle(&mut self, notice: Notice) {
        // Whoever is owed nothing is not tried, and stays broken.
        self.ledger.announce(notice);
        self.blind.clear();
        self.desks.values_mut().for_each(|desk| desk.mode = None);
        self.look(EvaluationBasis::NewScan);
        self.pass(25 * 3600);
    }

    /// What fires, as the node itself knows.
    pub(super) fn truth(&self) -> BTreeMap<AlertId, Level> {
        let fires = (0..KEYS).filter_map(|key| match self.states[usize::from(key)].0 {
            State::Fires(step) => Some((id(key), level(step))),
            State::Absent | State::Well => None,
        });
        fires.collect()
    }
}

fn is_about_alerts(delivery: &Delivery) -> bool {
    matches!(delivery.body, Body::Message(_)) && delivery.notice.is_none()
}

/// All that a message is about.
fn ids(delivery: &Delivery) -> BTreeSet<AlertId> {
    let Body::Message(message) = &delivery.body else { return BTreeSet::new() };
    let firing = message.firing.iter().map(|it| it.id.clone());
    firing.chain(message.resolved.iter().map(|it| it.id.clone())).collect()
}
