//! `certwatch check --notify`: the daemon's engine for one round, for hosts that have cron.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::Config;
use crate::domain::ledger::Delivery;
use crate::domain::model::Inventory;
use crate::domain::time::UnixTime;
use crate::hangs::Hangs;
use crate::monitor::{Monitor, Writer};
use crate::notify::route;
use crate::scan::{self, ScanRequest};
use crate::store::StoreError;
use crate::sys;

/// What can be waited for goes on at most this long; the next run of cron takes it up again.
const LONGEST: Duration = Duration::from_secs(90);

/// Tells whoever is to be told, and says on standard error what could not be told.
pub(super) fn everybody(
    config: Config,
    request: &ScanRequest,
    hangs: &Arc<Hangs>,
    inventory: Inventory,
) {
    let writer = Writer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        since: None,
        watch: String::new(),
    };
    let monitor = match Monitor::open(config, writer, sys::now()) {
        Ok(monitor) => monitor,
        Err(error @ StoreError::Busy { .. }) => {
            super::print_error(&format!(
                "nobody was notified: {error}. If that is the daemon, it sends the notifications"
            ));
            return;
        }
        Err(error) => return super::print_error(&format!("nobody was notified: {error}")),
    };
    if monitor.specs.is_empty() {
        return super::print_error("nobody was notified: no notification channel is configured");
    }
    match super::runtime() {
        Ok(runtime) => {
            let round = Round { monitor, request, hangs, begin: Instant::now() };
            runtime.block_on(round.go(inventory));
            runtime.shutdown_background();
        }
        Err(error) => super::print_error(&format!("nobody was notified: {error}")),
    }
}

struct Round<'a> {
    monitor: Monitor,
    request: &'a ScanRequest,
    hangs: &'a Arc<Hangs>,
    begin: Instant,
}

impl Round<'_> {
    async fn go(mut self, inventory: Inventory) {
        let mut evaluation = self.monitor.scanned(Ok(inventory), 0, sys::now());
        // What may be gone in a moment is looked at until it is certain.
        while let Some(then) = evaluation.scan_again {
            if !self.wait_until(then).await {
                break;
            }
            let begin = Instant::now();
            let inventory = scan::scan(self.request, self.hangs, sys::now());
            let took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            evaluation = self.monitor.scanned(inventory, took_ms, sys::now());
        }
        if self.monitor.save() {
            self.monitor.reevaluate(sys::now());
        }
        self.deliver().await;
        self.monitor.save();
        self.print_error();
    }

    /// Until nothing is due, or what fails has to wait too long.
    async fn deliver(&mut self) {
        loop {
            let now = sys::now();
            let (deliveries, next) = self.monitor.due(|_| false, now);
            let is_any = !deliveries.is_empty();
            self.deliver_all(deliveries, now).await;
            self.monitor.reevaluate(sys::now());
            match next {
                _ if is_any => {}
                Some(then) if self.is_failing() && self.wait_until(then).await => {}
                _ => return,
            }
            if self.begin.elapsed() > LONGEST {
                return;
            }
        }
    }

    /// All at once, so that a slow one keeps no other waiting.
    async fn deliver_all(&mut self, deliveries: Vec<Delivery>, now: UnixTime) {
        let mut sending = JoinSet::new();
        for delivery in deliveries {
            let context = self.monitor.delivery_context(self.hangs, now);
            self.monitor.begin(&delivery);
            sending.spawn(async move {
                let result = route::deliver(&context, &delivery).await;
                (delivery, result)
            });
        }
        while let Some(sent) = sending.join_next().await {
            // One that broke off counts as not tried.
            if let Ok((delivery, result)) = sent {
                self.monitor.settle(&delivery, &result, sys::now());
            }
        }
    }

    /// False if it would take too long.
    async fn wait_until(&self, then: UnixTime) -> bool {
        let pause = Duration::from_secs((then - sys::now()).as_seconds().max(0).unsigned_abs());
        if self.begin.elapsed() + pause > LONGEST {
            return false;
        }
        sleep(pause).await;
        true
    }

    fn is_failing(&self) -> bool {
        let receivers = self.monitor.memory().ledger.receivers.values();
        receivers.into_iter().any(|it| it.health.failing_since.is_some() && !it.health.is_refused)
    }

    fn print_error(&self) {
        for (id, receiver) in &self.monitor.memory().ledger.receivers {
            let health = &receiver.health;
            if let (Some(_), Some(reason)) = (health.failing_since, &health.reason) {
                super::print_error(&format!("{} was not notified: {reason}", id.shown()));
            }
        }
    }
}
