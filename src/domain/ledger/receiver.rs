//! What one receiver knows, and how that changes.

use std::collections::BTreeMap;

use super::{DeliveryMode, Notified, OpenAlert, Receiver, ReceiverSpec};
use crate::domain::alert::AlertId;
use crate::domain::message::{AlertChange, Message};
use crate::domain::time::UnixTime;

impl Receiver {
    /// What it wants no more by its own settings is no good news. People are told nothing of it; what
    /// mirrors it is told the true reason.
    pub(super) fn follow_settings(
        &mut self,
        spec: &ReceiverSpec,
        open: &BTreeMap<AlertId, OpenAlert>,
    ) {
        let before = std::mem::replace(&mut self.min_severity, spec.min_severity);
        for (id, notified) in &mut self.notified {
            if let Some(open) = open.get(id) {
                // What got better than it wanted even before is told to be less urgent.
                let was_wanted = notified.is_unwanted || open.level.severity >= before;
                notified.is_unwanted = was_wanted && open.level.severity < spec.min_severity;
            }
        }
        if spec.mode == DeliveryMode::Grouped {
            self.notified.retain(|_, notified| !notified.is_unwanted);
            self.end_episode();
        }
    }

    /// Once all is over, what comes next begins a new thread.
    pub(super) fn end_episode(&mut self) {
        if self.notified.values().all(|notified| notified.over.is_some()) {
            self.episode = None;
            self.thread = None;
        }
    }

    /// What is new for it in an alert that fires.
    pub(super) fn change_for(
        &self,
        id: &AlertId,
        open: &OpenAlert,
        mode: DeliveryMode,
    ) -> Option<AlertChange> {
        let is_mirror = matches!(mode, DeliveryMode::Incident | DeliveryMode::Synced { .. });
        match self.notified.get(id) {
            None => Some(AlertChange::New),
            Some(notified) if notified.over.is_some() || notified.is_ending => {
                Some(AlertChange::New)
            }
            Some(notified) if notified.level.is_outdone_by(&open.level) => Some(AlertChange::Worse),
            Some(notified) if notified.has_improved && is_mirror => Some(AlertChange::Better),
            Some(_) => None,
        }
    }

    /// Remembers what it was told.
    pub(super) fn learn(
        &mut self,
        message: &Message,
        mode: DeliveryMode,
        thread: Option<String>,
        now: UnixTime,
    ) {
        for firing in &message.firing {
            let notified = Notified {
                at: now,
                since: firing.since,
                level: firing.level.clone(),
                text: firing.text.name_only(),
                has_improved: false,
                is_unwanted: false,
                is_ending: false,
                over: None,
            };
            self.notified.insert(firing.id.clone(), notified);
        }
        for resolved in &message.resolved {
            match (mode, self.notified.get_mut(&resolved.id)) {
                (DeliveryMode::Synced { .. }, Some(notified)) => {
                    notified.at = now;
                    notified.has_improved = false;
                    notified.over.get_or_insert(now);
                }
                _ => drop(self.notified.remove(&resolved.id)),
            }
        }
        self.told_as = Some(message.node.clone());
        self.episode.get_or_insert(self.count);
        self.thread = thread.or_else(|| self.thread.take());
        self.end_episode();
        self.count += 1;
    }
}
