//! What must hold at every step.

use super::*;
use crate::domain::message::Resolved;

impl World {
    /// All of the ledger but its doubts survives being written down.
    pub(in super::super) fn check_round_trip(&self) {
        let whole = Ledger { pending: PendingAlerts::default(), ..self.ledger.clone() };
        assert_eq!(restored(&self.ledger), whole);
    }

    /// The same content has the same identity whenever it is tried, and another has another.
    pub(super) fn check_identity(&mut self, spec: &ReceiverSpec, delivery: &Delivery) {
        let Body::Message(message) = &delivery.body else { return };
        let content = content(delivery);
        let desk = self.desks.get_mut(&spec.id).unwrap();
        let thread = message.thread.clone();
        let known = desk
            .contents
            .entry(message.id.clone())
            .or_insert_with(|| (content.clone(), thread.clone()));
        assert_eq!((&known.0, &known.1), (&content, &thread));
        if let Some((failed, id, old_thread)) = &desk.failed
            && *failed == content
        {
            assert_eq!((id, old_thread), (&message.id, &thread), "a retry is the same message");
        }
        if delivery.notice.is_none() {
            desk.failed = Some((content, message.id.clone(), thread));
        }
    }

    /// What may pass in a moment is believed by nobody. This counts when it is decided, too.
    pub(super) fn check_believed(&self, before: &BTreeMap<AlertId, Level>) {
        let is_steady = self.set_back + self.set_forward == 0;
        let is_believed = |it: Option<&Level>| it == Some(&level(BROKEN));
        for key in (0..KEYS).filter(|_| is_steady) {
            let now = self.ledger.open.get(&id(key)).map(|open| &open.level);
            let (state, since) = self.states[usize::from(key)];
            if is_believed(now) && !is_believed(before.get(&id(key))) {
                assert!(state == State::Fires(BROKEN), "it is not broken");
                assert!(self.real - since >= 20, "believed after {} s", self.real - since);
            }
        }
    }

    /// Nothing is over that fires, nor gone after a moment. This counts when it is decided: told it
    /// can be much later, or once more, when somebody has written the file again.
    pub(super) fn check_ends(&self, before: &BTreeMap<AlertId, Level>) {
        let is_steady = self.set_back + self.set_forward == 0;
        let has_ended =
            |key: &u8| before.contains_key(&id(*key)) && !self.ledger.open.contains_key(&id(*key));
        for key in (0..KEYS).filter(has_ended) {
            assert!(!self.blind.contains(&(key / 2)), "blind, not over");
            let (state, since) = self.states[usize::from(key)];
            assert!(!matches!(state, State::Fires(_)), "it still fires");
            if state == State::Absent && is_steady {
                assert!(self.real - since >= 20, "gone after {} s", self.real - since);
            }
        }
    }

    /// What is there and well is not called gone, and nobody is told of his own settings.
    pub(super) fn check_endings(&self, spec: &ReceiverSpec, message: &Message) {
        let is_unwanted = |it: &Resolved| it.how.contains("min-severity");
        let is_for_people = spec.mode == DeliveryMode::Grouped;
        assert!(!is_for_people || !message.resolved.iter().any(is_unwanted), "{message:?}");
        let is_well = |key: &u8| {
            self.states[usize::from(*key)].0 == State::Well && !self.blind.contains(&(key / 2))
        };
        for key in (0..KEYS).filter(is_well) {
            let is_gone = |it: &Resolved| it.id == id(key) && it.how == "no longer exists";
            assert!(!message.resolved.iter().any(is_gone), "it is there");
        }
    }

    /// Whoever can be told knows all, and was told of it not too long ago.
    pub(super) fn check_what_is_known(&mut self, spec: &ReceiverSpec) {
        let health = &self.ledger.receivers[&spec.id].health;
        let holds_back = health.retries_refused_at(self.now()).is_some();
        if holds_back || health.pause_until(self.now()).is_some() {
            self.desks.get_mut(&spec.id).unwrap().away = self.real;
            return;
        }
        let desk = &self.desks[&spec.id];
        if spec.mode == DeliveryMode::Heartbeat {
            return assert!(
                desk.taken == 0 && desk.heartbeat.is_some() == self.heartbeat.is_some()
            );
        }
        for (id, open) in self.ledger.visible(spec) {
            let known = desk.knows.get(id).expect("told of all that fires");
            assert!(!known.level.is_outdone_by(&open.level), "told how bad it is");
            let is_mirror = is_mirror(spec);
            assert!(!is_mirror || known.level == open.level, "told that it is less bad");
            let every = interval(spec, &open.level) * (1 + self.set_back - known.set_back);
            assert!(self.real - known.at.max(desk.away) <= every, "not told again for too long");
        }
        let is_over = |id: &&AlertId| !self.ledger.is_visible(spec, id);
        assert_eq!(desk.knows.keys().find(is_over), None, "told that it is over");
    }
}

/// Nobody is told without a reason, nor that something is over that he never heard of.
pub(super) fn check_news(
    desk: &Desk,
    spec: &ReceiverSpec,
    message: &Message,
    (real, set_forward): (i64, i64),
) {
    let own = AlertId::local(&[b"receiver", spec.id.0.as_bytes()]);
    for over in &message.resolved {
        assert!(desk.knows.contains_key(&over.id) || desk.unsure.contains(&over.id), "never told");
        assert!(over.id != own);
    }
    for firing in &message.firing {
        let known = desk.knows.get(&firing.id).filter(|_| !desk.unsure.contains(&firing.id));
        assert!(firing.level.severity >= spec.min_severity && firing.id != own);
        match firing.change {
            AlertChange::New => assert!(known.is_none(), "known"),
            AlertChange::Worse | AlertChange::Better | AlertChange::Still => {
                assert!(desk.knows.contains_key(&firing.id));
            }
        }
    }
    let has_news = message.firing.iter().any(|it| it.change != AlertChange::Still)
        || message.resolved.iter().any(|it| desk.knows.contains_key(&it.id))
        || message.firing.iter().any(|it| desk.unsure.contains(&it.id))
        || message.resolved.iter().any(|it| desk.unsure.contains(&it.id));
    let is_due = |id: &AlertId, level: &Level| {
        let known = &desk.knows[id];
        let has_improved = is_mirror(spec) && known.level != *level;
        has_improved || known.set_forward < set_forward || real - known.at >= interval(spec, level)
    };
    assert!(has_news || message.firing.iter().any(|it| is_due(&it.id, &it.level)), "spam");
}

/// It is told of what gets better, too.
fn is_mirror(spec: &ReceiverSpec) -> bool {
    matches!(spec.mode, DeliveryMode::Incident | DeliveryMode::Synced { .. })
}

fn interval(spec: &ReceiverSpec, level: &Level) -> i64 {
    match spec.mode {
        DeliveryMode::Synced { every } => every.as_seconds(),
        _ => Repeat::default().of(level).as_seconds(),
    }
}

fn content(delivery: &Delivery) -> Content {
    let Body::Message(message) = &delivery.body else { return Content::default() };
    (
        message.firing.iter().map(|it| (it.change, it.id.clone(), it.level.clone())).collect(),
        message.resolved.iter().map(|it| it.id.clone()).collect(),
        delivery.notice.clone(),
    )
}
