//! Scans: each beside the loop, one after the other, and what becomes of those that do not end well.

use std::time::Duration;

use tokio::time::Instant;

use super::{Daemon, Event, how, request, with_jitter};
use crate::domain::model::Inventory;
use crate::domain::time::Span;
use crate::scan::{self, ScanError};
use crate::{beside, sys};

/// A scan that ended badly is made again after this pause.
const AFTER_A_BAD_ONE: Span = Span::minutes(1);

impl Daemon {
    /// Scans in a thread of its own; one after the other.
    pub(super) fn start_scan(&mut self) {
        if self.scans.is_under_way() {
            self.is_scan_stale = true;
            return;
        }
        self.is_scan_stale = false;
        self.asked_scan = None;
        let request = request(&self.monitor.config, &self.root);
        self.scans.begin(self.begun.elapsed(), request.timeout);
        let (events, hangs) = (self.events.0.clone(), self.hangs.clone());
        let begin = Instant::now();
        let scan = beside::run("scans", move || scan::scan(&request, &hangs, sys::now()));
        tokio::spawn(async move {
            let inventory = scan.await.unwrap_or_else(|lost| Err(lost.into()));
            // Nobody listens any more once the daemon stops.
            let _ = events.send(Event::Scanned { inventory, took: begin.elapsed() });
        });
    }

    pub(super) async fn scanned(
        &mut self,
        inventory: Result<Inventory, ScanError>,
        took: Duration,
    ) {
        let is_well = !inventory.as_ref().is_err_and(ScanError::is_of_this_process);
        self.scans.end(is_well, self.begun.elapsed());
        let now = sys::now();
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let evaluation = self.monitor.scanned(inventory, took, now);
        let pause = with_jitter(self.monitor.config.daemon.interval);
        self.next_scan = now + if is_well { pause } else { pause.min(AFTER_A_BAD_ONE) };
        // What is due is known anew.
        self.renewals.next = None;
        self.watcher.refresh().await;
        self.monitor.set_watch(how(self.watcher.coverage()));
        self.take(&evaluation);
        self.save();
        tracing::debug!(took_ms = took, "scanned");
        self.get_ready();
        if self.is_scan_stale && is_well {
            // As long a pause as the scan was long: something may change all the time.
            let pause = Span::seconds(i64::try_from(took / 1_000).unwrap_or(i64::MAX));
            self.asked_scan = Some(now + pause);
        }
    }

    /// It is told of before it ends the process.
    pub(super) fn scan_is_overdue(&mut self) {
        let late = ScanError::Overdue(self.scans.limit());
        let took = u64::try_from(self.scans.limit().as_millis()).unwrap_or(u64::MAX);
        let evaluation = self.monitor.scanned(Err(late), took, sys::now());
        self.take(&evaluation);
        self.save();
    }

    /// Whether that worked is news for those who hear of it.
    pub(super) fn save(&mut self) {
        if self.monitor.save() {
            let evaluation = self.monitor.reevaluate(sys::now());
            self.take(&evaluation);
        }
    }
}
