//! What a look at the node changes.

use std::collections::BTreeSet;

use super::pending::Transition;
use super::{ClosedAlert, EvaluationBasis, Ledger, OpenAlert, ReceiverId};
use crate::domain::alert::{Alert, AlertId, AlertSnapshot};
use crate::domain::time::UnixTime;

impl Ledger {
    /// Takes in what was seen at `now`; gives the moment to scan again, if something has to be seen
    /// again before it is believed.
    ///
    /// `receivers` are alerts about receivers: each is told to all others.
    pub(crate) fn observe(
        &mut self,
        snapshot: &AlertSnapshot,
        receivers: &[(ReceiverId, Alert)],
        basis: EvaluationBasis,
        now: UnixTime,
    ) -> Option<UnixTime> {
        self.clamp_future(now);
        self.pending.begin_look();
        for alert in &snapshot.alerts {
            self.see(alert, None, basis, now);
        }
        for (receiver, alert) in receivers {
            self.see(alert, Some(receiver), basis, now);
        }
        let alerts = snapshot.alerts.iter().chain(receivers.iter().map(|(_, alert)| alert));
        let fires: BTreeSet<_> = alerts.map(|alert| &alert.id).chain(&snapshot.beyond).collect();
        let missed: Vec<_> = self.open.keys().filter(|id| !fires.contains(id)).cloned().collect();
        for id in missed {
            self.miss(&id, snapshot, basis, now);
        }
        self.pending.end_look();
        self.follow_returns(snapshot, now);
        self.follow_improvements();
        self.forget(now);
        self.pending.next()
    }

    fn see(
        &mut self,
        alert: &Alert,
        receiver: Option<&ReceiverId>,
        basis: EvaluationBasis,
        now: UnixTime,
    ) {
        let known = self.open.get(&alert.id);
        let is_news = known.is_none_or(|open| open.level.is_outdone_by(&alert.level));
        if is_news
            && alert.is_transient
            && !self.pending.is_settled(Transition::Broken, &alert.id, basis, now)
        {
            return;
        }
        let open = OpenAlert {
            since: known.map_or(now, |open| open.since),
            path: alert.path.clone(),
            receiver: receiver.cloned(),
            level: alert.level.clone(),
            text: alert.text.clone(),
        };
        self.open.insert(alert.id.clone(), open);
        self.closed.remove(&alert.id);
    }

    /// An alert that no longer fires: is it mended, gone, or only out of sight?
    fn miss(
        &mut self,
        id: &AlertId,
        snapshot: &AlertSnapshot,
        basis: EvaluationBasis,
        now: UnixTime,
    ) {
        let Some(open) = self.open.get(id) else { return };
        let how = match snapshot.well.get(id) {
            Some(expires) => well_again(*expires, now),
            None if open.path.is_empty() => self.how_trouble_ended(open).to_owned(),
            None if snapshot.is_blind_to(&open.path) => return,
            None if !self.pending.is_settled(Transition::Gone, id, basis, now) => return,
            None => "no longer exists".to_owned(),
        };
        self.open.remove(id);
        self.closed.insert(id.clone(), ClosedAlert { at: now, how });
    }

    /// How it ended with certwatch itself, or with one of its receivers.
    fn how_trouble_ended(&self, open: &OpenAlert) -> &'static str {
        match &open.receiver {
            None => "is fine again",
            Some(id) if self.receivers.contains_key(id) => "is working again",
            Some(_) => "is no longer configured",
        }
    }

    /// What was gone may have come back before everybody was told.
    fn follow_returns(&mut self, snapshot: &AlertSnapshot, now: UnixTime) {
        for (id, closed) in &mut self.closed {
            if let Some(expires) = snapshot.well.get(id) {
                closed.how = well_again(*expires, now);
            }
        }
    }

    /// An alert that has improved is sent again when it gets as bad once more. The improvement itself is not sent to
    /// people, only to receivers that mirror the alert.
    fn follow_improvements(&mut self) {
        for receiver in self.receivers.values_mut() {
            for (id, notified) in &mut receiver.notified {
                if let Some(open) = self.open.get(id)
                    && !notified.level.is_outdone_by(&open.level)
                {
                    notified.has_improved |= notified.level != open.level;
                    notified.level = open.level.clone();
                }
            }
        }
    }
}

fn well_again(expires: Option<UnixTime>, now: UnixTime) -> String {
    match expires {
        Some(expires) => {
            format!("is fine again: valid until {1}, for {0}", expires - now, expires.date())
        }
        None => "is fine again".to_owned(),
    }
}
