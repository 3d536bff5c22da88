//! What is remembered, and what if it cannot be.

use std::path::Path;

use super::self_alerts::SelfAlerts;
use super::{Monitor, MonitorState, SelfAlert, Writer, identity};
use crate::config::Config;
use crate::domain::alert::AlertId;
use crate::domain::ledger::Notice;
use crate::domain::message::MessageKind;
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};
use crate::store::{Loaded, Store, StoreError};
use crate::sys;

impl Monitor {
    /// Opens the state. Where it cannot be read or kept, certwatch goes on without: better told twice
    /// than not at all.
    ///
    /// # Errors
    /// Only if another certwatch works with it.
    pub(crate) fn open(config: Config, writer: Writer, now: UnixTime) -> Result<Self, StoreError> {
        let mut monitor = Self {
            node: identity(&config, None),
            specs: Vec::new(),
            config: Config::default(),
            store: None,
            memory: MonitorState::default(),
            seen: None,
            self_alerts: SelfAlerts::default(),
            heartbeat: None,
        };
        let lost = monitor.open_state(&config.daemon.state_dir, now)?;
        monitor.memory.writer = writer;
        monitor.configure(config);
        // After the receivers are known: to one that comes later it is old news.
        lost.into_iter().for_each(|notice| monitor.memory.ledger.announce(notice));
        Ok(monitor)
    }

    /// Gives the news that the memory was lost, if it was.
    fn open_state(&mut self, dir: &Path, now: UnixTime) -> Result<Option<Notice>, StoreError> {
        let loaded = Store::open(dir).and_then(|store| Ok((store.load(now)?, store)));
        match loaded {
            Err(error @ StoreError::Busy { .. }) => Err(error),
            Err(error) => {
                self.self_alerts.set(SelfAlert::Unsaved, &error.to_string());
                Ok(None)
            }
            Ok((loaded, store)) => {
                self.store = Some(store);
                let lost = self.news_of_loss(&loaded, now);
                self.memory = loaded.into_state();
                Ok(lost)
            }
        }
    }

    fn news_of_loss(&self, loaded: &Loaded<MonitorState>, now: UnixTime) -> Option<Notice> {
        let Loaded::SetAside { to, why } = loaded else { return None };
        let to = escape_control(&to.to_string_lossy()).into_owned();
        tracing::error!(path = %to, "the state of certwatch {why}; it was set aside");
        Some(memory_lost(&self.node.name, &to, why, now))
    }

    /// Writes what is remembered to disk. What cannot be written is told of: true if that has begun or
    /// ended just now, so that there is news for [`Self::reevaluate`].
    pub(crate) fn save(&mut self) -> bool {
        let could = self.self_alerts.line(SelfAlert::Unsaved).is_none();
        let saved = match &mut self.store {
            Some(store) => store.save(&self.memory),
            None => self.open_late(),
        };
        let can = saved.is_ok();
        match saved {
            Ok(()) => self.self_alerts.clear(SelfAlert::Unsaved),
            Err(error) => self.self_alerts.set(SelfAlert::Unsaved, &error.to_string()),
        }
        can != could
    }

    /// The state can be had at last: who was told what before counts as well.
    fn open_late(&mut self) -> Result<(), StoreError> {
        let now = sys::now();
        let mut store = Store::open(&self.config.daemon.state_dir)?;
        let loaded = store.load(now)?;
        if let Some(notice) = self.news_of_loss(&loaded, now) {
            self.memory.ledger.announce(notice);
        }
        self.memory.ledger.remember(loaded.into_state().ledger);
        store.save(&self.memory)?;
        self.store = Some(store);
        Ok(())
    }
}

impl Monitor {
    /// The daemon ends because its scans end badly, one after the other; gives why. That is told once a day,
    /// by this process or by the next.
    pub(crate) fn is_given_up(&mut self, now: UnixTime) -> String {
        let why = self
            .self_alerts
            .line(SelfAlert::Blind)
            .unwrap_or("the last one took too long")
            .to_owned();
        let is_known = |at: UnixTime| now - at < Span::days(1) && at <= now;
        if !self.memory.given_up.is_some_and(is_known) {
            self.memory.given_up = Some(now);
            self.memory.ledger.announce(given_up(&self.node.name, &why, now));
        }
        why
    }
}

fn given_up(node: &str, why: &str, now: UnixTime) -> Notice {
    Notice {
        id: AlertId::new(node, &[b"given up", now.to_string().as_bytes()]).0,
        at: now,
        kind: MessageKind::News,
        severity: Severity::Critical,
        headline: "certwatch could not scan this node, and exited".to_owned(),
        text: vec![
            format!("Several scans in a row failed. The last one: {why}."),
            "The service manager restarts it. If that does not help, see `journalctl -u certwatch`; \
             until then this node is not watched."
                .to_owned(),
        ],
    }
}

/// Told once: from here on people may be told what they know.
fn memory_lost(node: &str, to: &str, why: &str, now: UnixTime) -> Notice {
    Notice {
        id: AlertId::new(node, &[b"memory lost", now.to_string().as_bytes()]).0,
        at: now,
        kind: MessageKind::News,
        severity: Severity::Warning,
        headline: "certwatch lost its state".to_owned(),
        text: vec![
            format!(
                "The state of certwatch {why}. It was set aside as {to}, and certwatch started without it."
            ),
            "You may be notified again about known alerts. What was fixed in the \
             meantime is not reported as resolved."
                .to_owned(),
        ],
    }
}
