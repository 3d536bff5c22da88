//! Those who read the messages.

use super::checks::check_news;
use super::*;

impl World {
    /// What people behind a receiver make of a message.
    pub(super) fn take(&mut self, spec: &ReceiverSpec, delivery: &Delivery, is_lost: bool) {
        let now = self.now();
        let desk = self.desks.get_mut(&spec.id).unwrap();
        let message = match &delivery.body {
            Body::Heartbeat { .. } => return desk.heartbeat = Some(now),
            Body::Message(message) => message,
        };
        let times = desk.accepted.entry(message.id.clone()).or_default();
        *times += 1;
        let is_repetition = desk.unacknowledged.remove(&message.id);
        assert!(*times == 1 || is_repetition, "told twice");
        desk.refused.retain(|id| !ids(delivery).contains(id));
        if delivery.notice.is_none() {
            check_news(desk, spec, message, (self.real, self.set_forward));
            self.check_endings(spec, message);
            self.learn(spec, message, is_lost);
        }
        if is_lost {
            let desk = self.desks.get_mut(&spec.id).unwrap();
            desk.unacknowledged.insert(message.id.clone());
        }
    }

    /// People who want to hear less know that what they do not hear of goes on.
    pub(super) fn want_less(&mut self) {
        for spec in self.specs.iter().filter(|spec| spec.mode == DeliveryMode::Grouped) {
            let notified = &self.ledger.receivers[&spec.id].notified;
            let goes_on_unheard = |id: &AlertId| {
                self.ledger.open.get(id).is_some_and(|open| !spec.wants(open))
                    && !notified.contains_key(id)
            };
            self.desks.get_mut(&spec.id).unwrap().knows.retain(|id, _| !goes_on_unheard(id));
        }
    }

    fn learn(&mut self, spec: &ReceiverSpec, message: &Message, is_lost: bool) {
        let (at, set_back, set_forward) = (self.real, self.set_back, self.set_forward);
        let desk = self.desks.get_mut(&spec.id).unwrap();
        desk.failed = None;
        desk.taken += 1;
        if !is_lost {
            desk.unsure.clear();
        }
        for firing in &message.firing {
            let known = Known { level: firing.level.clone(), at, set_back, set_forward };
            desk.knows.insert(firing.id.clone(), known);
            if is_lost {
                desk.unsure.insert(firing.id.clone());
            }
        }
        for over in &message.resolved {
            desk.knows.remove(&over.id);
            if is_lost || matches!(spec.mode, DeliveryMode::Synced { .. }) {
                desk.unsure.insert(over.id.clone());
            }
        }
    }
}
