//! Renewals, as far as the daemon has a part in them: it asks for one, and tells how it ended.
//!
//! It never renews in its own process. As root it starts `certwatch renew`; without privileges it
//! touches a file in which nothing is, and the service manager starts it. Either way the renewer
//! looks at everything again and decides by itself.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Daemon, Event, IDLE, log};
use crate::domain::time::{Span, UnixTime};
use crate::renew::Memory;
use crate::{store, sys};

/// How often the renewer's journal is looked at while a renewal goes on.
const LOOK: Span = Span::seconds(5);

/// How long the renewer may take to begin.
const PATIENCE: Span = Span::minutes(10);

/// How old the kept copy of the cluster's configuration may be, and how often it is asked for.
const CONFIG_AGE: Span = Span::days(7);
const CONFIG_ASK: Span = Span::hours(24);

/// What the daemon has to do with renewals.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// When to look again.
    pub(super) next: Option<UnixTime>,
    /// When a renewal was asked for that has not begun.
    asked: Option<UnixTime>,
    /// When the configuration was asked for.
    asked_config: Option<UnixTime>,
    /// A renewer that the daemon has started itself runs, since then.
    child: Option<UnixTime>,
}

impl Daemon {
    /// Looks at the renewer's journal, tells what is new in it, and asks for a renewal if one is due.
    pub(super) fn mind_renewals(&mut self) {
        let now = sys::now();
        if self.renewals.next.is_some_and(|next| next > now) || !self.keeper.has_looked() {
            return;
        }
        let dir = self.keeper.config.renew.state_dir.clone();
        let memory = store::peek::<Memory>(&dir).ok().flatten().unwrap_or_default();
        let news = self.keeper.renewals_ended(&memory);
        if !news.is_empty() {
            news.iter().for_each(|notice| log::renewal(&self.keeper.node, notice));
            self.start_scan();
        }
        let is_busy = store::is_in_use(&dir);
        self.await_answer(&memory, is_busy, now);
        let waits = is_busy || self.renewals.child.is_some() || self.renewals.asked.is_some();
        let next = if waits { now + LOOK } else { self.ask_if_due(&memory, &dir, now) };
        self.renewals.next = Some(next);
    }

    /// Whoever was asked has to begin within a time.
    fn await_answer(&mut self, memory: &Memory, is_busy: bool, now: UnixTime) {
        // How a renewer of one's own fares is known at its end.
        let asked = self.renewals.asked.filter(|_| self.renewals.child.is_none());
        let Some(asked) = asked else { return };
        if is_busy || has_answered(memory, asked) {
            self.renewals.asked = None;
            self.keeper.renewals_hang(None);
        } else if now - asked > PATIENCE {
            self.renewals.asked = None;
            self.keeper.renewals_hang(Some(
                "a renewal was asked for ten minutes ago, and nobody has begun it; `certwatch renew` does",
            ));
            self.look_again();
        }
    }

    /// Asks for a renewal, if it is time; gives when to look again.
    fn ask_if_due(&mut self, memory: &Memory, dir: &Path, now: UnixTime) -> UnixTime {
        // A node that is mounted somewhere is looked at and left alone.
        if self.root != Path::new("/") {
            return now + IDLE;
        }
        let next = self.keeper.next_renewal(now);
        let due = next.as_ref().filter(|next| next.at <= now && !next.found.is_empty());
        let found = due.map(|next| next.found.clone()).or_else(|| self.interrupted(memory, now));
        if let Some(found) = found {
            self.keeper.asks_for_renewal(found, now);
            return self.ask(now);
        }
        if self.keeper.config.renew.enabled && self.wants_config(dir, now) {
            self.renewals.asked_config = Some(now);
            return self.ask(now);
        }
        next.map_or(now + IDLE, |next| next.at.clamp(now + LOOK, now + IDLE))
    }

    /// A renewal whose process died has to be brought to its end, also where only people begin one.
    fn interrupted(&self, memory: &Memory, now: UnixTime) -> Option<String> {
        let journal = memory.current.as_ref()?;
        let found = format!("{} interrupted {} times", journal.id, journal.resumed + 1);
        self.keeper.may_try(&found, now).then_some(found)
    }

    /// The copy of the cluster's configuration is for the day on which the API does not answer, so it
    /// has to be made before.
    fn wants_config(&self, dir: &Path, now: UnixTime) -> bool {
        let is_recent = |at: UnixTime, age: Span| now - at < age && at <= now;
        let kept = std::fs::metadata(dir.join("cluster-config.yaml"))
            .and_then(|metadata| metadata.modified())
            .map(sys::unix_time);
        !kept.is_ok_and(|at| is_recent(at, CONFIG_AGE))
            && !self.renewals.asked_config.is_some_and(|at| is_recent(at, CONFIG_ASK))
    }

    fn ask(&mut self, now: UnixTime) -> UnixTime {
        self.renewals.asked = Some(now);
        let asked = if rustix::process::geteuid().is_root() {
            self.start_renewer()
        } else {
            std::fs::write(&self.keeper.config.renew.request_file, b"")
        };
        match asked {
            Ok(()) => tracing::info!("asked for a renewal"),
            Err(error) => {
                self.renewals.asked = None;
                self.keeper.renewals_hang(Some(&format!("a renewal cannot be asked for: {error}")));
                self.look_again();
                return now + PATIENCE;
            }
        }
        now + LOOK
    }

    /// What it prints goes where the daemon's log goes.
    fn start_renewer(&mut self) -> std::io::Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["renew", "--auto"]).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(file) = &self.config_file {
            command.arg("--config").arg(file);
        }
        let mut child = command.spawn()?;
        self.renewals.child = Some(sys::now());
        let events = self.events.0.clone();
        tokio::task::spawn_blocking(move || {
            let _ = child.wait();
            let _ = events.send(Event::RenewerEnded);
        });
        Ok(())
    }

    /// One that could not even look has nowhere to note that.
    pub(super) fn renewer_ended(&mut self) {
        let since = self.renewals.child.take();
        self.renewals.asked = None;
        self.renewals.next = None;
        let dir = &self.keeper.config.renew.state_dir;
        let memory = store::peek::<Memory>(dir).ok().flatten().unwrap_or_default();
        if since.is_none_or(|since| has_answered(&memory, since)) || store::is_in_use(dir) {
            self.keeper.renewals_hang(None);
        } else {
            self.keeper.renewals_hang(Some(
                "a renewal was asked for, and the renewer ended before it had looked; see the log, or run `certwatch renew`",
            ));
            self.look_again();
        }
    }

    fn look_again(&mut self) {
        let seen = self.keeper.look_again(sys::now());
        self.take(&seen);
    }
}

/// True if a renewer has looked since then, or has brought an old renewal to its end.
fn has_answered(memory: &Memory, asked: UnixTime) -> bool {
    let ended = memory.history.first().and_then(|journal| journal.ended);
    [memory.last_run, ended].into_iter().flatten().any(|at| at >= asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::sample::{NOW, journal};
    use crate::domain::renewal::{Outcome, Task};

    #[test]
    fn a_look_is_an_answer_and_so_is_an_end() {
        let later = NOW + Span::hours(1);
        let looked = Memory { last_run: Some(NOW), ..Memory::default() };
        assert!(has_answered(&looked, NOW) && !has_answered(&looked, later));
        let mut ended = Memory { last_run: Some(NOW - Span::hours(1)), ..Memory::default() };
        assert!(!has_answered(&ended, NOW));
        ended.conclude(journal(Task::Renew, Outcome::Stuck));
        assert!(has_answered(&ended, NOW) && !has_answered(&ended, later));
    }
}
