//! What the loop does before it waits again: deliveries, the timer, the service manager.

use super::{AT_ONCE, Daemon, Event, IDLE, log};
use crate::domain::ledger::Delivery;
use crate::domain::time::UnixTime;
use crate::notify::{Failure, Receipt, route};
use crate::{sys, systemd};

const BROKE_OFF: &str = "internal error during the attempt; see the log";

impl Daemon {
    /// Begins all deliveries that are due, and sets the timer for the next.
    pub(super) fn dispatch(&mut self) {
        let now = sys::now();
        self.say_alive();
        if !self.monitor.has_looked() {
            // What fired before the restart may be over.
            self.set_timer(None, now);
            return self.say_status(now);
        }
        let busy = &self.busy;
        let (deliveries, next) = self.monitor.due(|receiver| busy.contains(receiver), now);
        // The others have their turn once one of these is done.
        let room = AT_ONCE.saturating_sub(self.busy.len());
        for delivery in deliveries.into_iter().take(room) {
            self.begin_delivery(delivery, now);
        }
        self.set_timer(next, now);
        self.say_status(now);
    }

    /// One timer for all that has to be done at some time.
    fn set_timer(&mut self, next: Option<UnixTime>, now: UnixTime) {
        // While a scan goes on, its end is the next wake.
        let is_idle = |at: &UnixTime| !self.scans.is_under_way() || *at > now;
        let scans = [Some(self.next_scan), self.scan_again, self.asked_scan];
        let wakes = scans.into_iter().chain([self.judge_again, self.renewals.next, next]);
        let wakes = wakes.flatten().filter(is_idle);
        let alive = self.alive.map(|(_, next)| next);
        self.timer.set(wakes.chain(alive).min().unwrap_or(now + IDLE));
    }

    /// Says that the daemon is alive, if it is time: its loop turns, and its scans end.
    fn say_alive(&mut self) {
        let now = sys::now();
        if let Some((length, next)) = &mut self.alive
            // Also after the clock was set.
            && (*next <= now || *next - now > *length)
        {
            if !self.scans.is_overdue(self.begun.elapsed()) {
                systemd::watchdog();
            }
            *next = now + *length;
        }
    }

    fn say_status(&mut self, now: UnixTime) {
        let status = self.monitor.summary(now);
        if status != self.status {
            systemd::status(&status);
            self.status = status;
        }
    }

    fn begin_delivery(&mut self, delivery: Delivery, now: UnixTime) {
        self.busy.insert(delivery.receiver.clone());
        self.monitor.begin(&delivery);
        let context = self.monitor.delivery_context(&self.hangs, now);
        let events = self.events.0.clone();
        self.sending.retain(|task| !task.is_finished());
        self.sending.push(tokio::spawn(async move {
            let of_task = delivery.clone();
            // A task of its own: one that panics, for want of a thread, has failed like any other.
            let attempt = tokio::spawn(async move { route::deliver(&context, &of_task).await });
            let result = attempt.await.unwrap_or_else(|_| Err(Failure::transient(BROKE_OFF)));
            let _ = events.send(Event::Delivered { delivery: Box::new(delivery), result });
        }));
    }

    pub(super) fn delivered(&mut self, delivery: &Delivery, result: &Result<Receipt, Failure>) {
        self.busy.remove(&delivery.receiver);
        log::delivered(delivery, result);
        let now = sys::now();
        // A receiver that is found deaf, or hears again, is news for the others.
        if self.monitor.settle(delivery, result, now) {
            let evaluation = self.monitor.reevaluate(now);
            self.take(&evaluation);
        }
    }
}
