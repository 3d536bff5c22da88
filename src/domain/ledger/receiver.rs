//! What one receiver knows, and how that changes.

use std::collections::BTreeMap;

use super::{Open, Receiver, Spec, Style, Told};
use crate::domain::alert::AlertId;
use crate::domain::message::{Change, Message};
use crate::domain::time::UnixTime;

impl Receiver {
    /// What it wants no more by its own settings is no good news. People are told nothing of it; what
    /// mirrors it is told the true reason.
    pub(super) fn follow_settings(&mut self, spec: &Spec, open: &BTreeMap<AlertId, Open>) {
        let before = std::mem::replace(&mut self.min_severity, spec.min_severity);
        for (id, told) in &mut self.told {
            if let Some(open) = open.get(id) {
                // What got better than it wanted even before is told to be less urgent.
                let was_wanted = told.is_unwanted || open.level.severity >= before;
                told.is_unwanted = was_wanted && open.level.severity < spec.min_severity;
            }
        }
        if spec.style == Style::Grouped {
            self.told.retain(|_, told| !told.is_unwanted);
            self.end_episode();
        }
    }

    /// Once all is over, what comes next begins a new thread.
    pub(super) fn end_episode(&mut self) {
        if self.told.values().all(|told| told.over.is_some()) {
            self.episode = None;
            self.thread = None;
        }
    }

    /// What is new for it in an alert that fires.
    pub(super) fn owes(&self, id: &AlertId, open: &Open, style: Style) -> Option<Change> {
        let is_mirror = matches!(style, Style::Synced { .. });
        match self.told.get(id) {
            None => Some(Change::New),
            Some(told) if told.over.is_some() || told.is_ending => Some(Change::New),
            Some(told) if told.level.is_outdone_by(&open.level) => Some(Change::Worse),
            Some(told) if told.has_improved && is_mirror => Some(Change::Better),
            Some(_) => None,
        }
    }

    /// Remembers what it was told.
    pub(super) fn learn(
        &mut self,
        message: &Message,
        style: Style,
        thread: Option<String>,
        now: UnixTime,
    ) {
        for firing in &message.firing {
            let told = Told {
                at: now,
                since: firing.since,
                level: firing.level.clone(),
                words: firing.words.name_only(),
                has_improved: false,
                is_unwanted: false,
                is_ending: false,
                over: None,
            };
            self.told.insert(firing.id.clone(), told);
        }
        for resolved in &message.resolved {
            match (style, self.told.get_mut(&resolved.id)) {
                (Style::Synced { .. }, Some(told)) => {
                    told.at = now;
                    told.has_improved = false;
                    told.over.get_or_insert(now);
                }
                _ => drop(self.told.remove(&resolved.id)),
            }
        }
        self.episode.get_or_insert(self.count);
        self.thread = thread.or_else(|| self.thread.take());
        self.end_episode();
        self.count += 1;
    }
}
