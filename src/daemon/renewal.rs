//! Renewals, as far as the daemon has a part in them: it asks for one, and tells how it ended.
//!
//! It never renews in its own process. As root it starts `certwatch renew`; without privileges it
//! touches a file in which nothing is, and the service manager starts it. Either way the renewer
//! looks at everything again and decides by itself.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Daemon, Event, IDLE, log};
use crate::beside;
use crate::domain::renewal::rate_limit::{self, Unseen};
use crate::domain::time::{Span, UnixTime};
use crate::renew::RenewerState;
use crate::renew::facts::cluster_config;
use crate::{store, sys};

/// How often the renewer's journal is looked at while a renewal goes on.
const LOOK: Span = Span::seconds(5);

/// How long the renewer may take to begin.
const PATIENCE: Span = Span::minutes(10);

/// The longest that one renewal takes: the unit's limit is 30 minutes, and 15 more for its way back.
const LONGEST: Span = Span::hours(1);

/// How often a copy of the cluster's configuration is asked for, if it is old or was never kept.
const CONFIG_ASK: Span = Span::hours(24);

/// What the daemon has to do with renewals.
#[derive(Debug, Default)]
pub(super) struct RenewalTrigger {
    /// When to look again.
    pub(super) next: Option<UnixTime>,
    /// When a renewal was asked for that has not begun.
    asked: Option<UnixTime>,
    /// When the configuration was asked for.
    asked_config: Option<UnixTime>,
    /// When the renewer was asked last, for whatever; nobody has asked since the start or since its notes were lost.
    asked_look: Option<UnixTime>,
    /// The renewer's notes were there when they were read last.
    had_notes: bool,
    /// The owner has not enabled renewals, so that it is no fault if nobody answers.
    is_optional: bool,
    /// A renewer that the daemon has started itself runs, since then.
    child: Option<UnixTime>,
    /// Somebody renews or restores without a break, since then.
    busy: Option<UnixTime>,
    /// People were told that this does not end.
    is_stuck: bool,
}

impl RenewalTrigger {
    /// True if somebody has been renewing for longer than it can take.
    fn is_stuck(&mut self, is_busy: bool, now: UnixTime) -> bool {
        let since = self.busy.filter(|since| *since <= now).unwrap_or(now);
        self.busy = is_busy.then_some(since);
        is_busy && now - since > LONGEST
    }
}

impl Daemon {
    /// Looks at the renewer's journal, tells what is new in it, and asks for a renewal if one is due.
    pub(super) fn mind_renewals(&mut self) {
        let now = sys::now();
        if self.renewals.next.is_some_and(|next| next > now) || !self.monitor.has_looked() {
            return;
        }
        let dir = self.monitor.config.renew.state_dir.clone();
        let (memory, unseen) = self.read_notes(&dir);
        let is_busy = store::is_in_use(&dir);
        self.await_answer(&memory, is_busy, now);
        self.tell_if_stuck(is_busy || self.renewals.child.is_some(), now);
        let waits = is_busy || self.renewals.child.is_some() || self.renewals.asked.is_some();
        let next = if waits { now + LOOK } else { self.ask_if_due(&memory, unseen, &dir, now) };
        self.renewals.next = Some(next);
    }

    /// What the renewer has noted, and what it alone can find out. What is new in it is told.
    fn read_notes(&mut self, dir: &Path) -> (RenewerState, Unseen) {
        let read = store::peek::<RenewerState>(dir);
        let why = read.as_ref().err().map(ToString::to_string);
        let mut is_news = self.monitor.renewals_are_unreadable(why.as_deref());
        let had_notes =
            std::mem::replace(&mut self.renewals.had_notes, matches!(read, Ok(Some(_))));
        let Ok(notes) = read else {
            self.look_again_if(is_news);
            return (RenewerState::default(), Unseen::Unreadable);
        };
        if notes.is_none() && had_notes {
            // Whatever was under way is forgotten: as at a start, nobody knows.
            self.renewals.asked_look = None;
        }
        let memory = notes.unwrap_or_default();
        is_news |= self.monitor.pairs_do_not_match(&memory.mismatched);
        let news = self.monitor.renewals_ended(&memory);
        if !news.is_empty() {
            news.iter().for_each(|notice| log::renewal(&self.monitor.node.name, notice));
            self.start_scan();
        }
        self.look_again_if(is_news);
        let is_whole = memory.mismatched.is_empty();
        (memory, if is_whole { Unseen::Nothing } else { Unseen::Mismatched })
    }

    /// Whoever was asked has to begin within a time.
    fn await_answer(&mut self, memory: &RenewerState, is_busy: bool, now: UnixTime) {
        // How a renewer of one's own fares is known at its end.
        let asked = self.renewals.asked.filter(|_| self.renewals.child.is_none());
        let Some(asked) = asked else { return };
        if is_busy || has_answered(memory, asked) {
            self.renewals.asked = None;
            self.monitor.renewals_hang(None);
        } else if now - asked > PATIENCE && self.renewals.is_optional {
            self.renewals.asked = None;
        } else if now - asked > PATIENCE {
            self.renewals.asked = None;
            self.monitor.renewals_hang(Some(
                "a renewal was requested ten minutes ago and has not started; start it with `certwatch renew`",
            ));
            self.reevaluate();
        }
    }

    /// Nobody else can renew meanwhile, so it is not waited for in silence without end.
    fn tell_if_stuck(&mut self, is_busy: bool, now: UnixTime) {
        let was_stuck = self.renewals.is_stuck;
        self.renewals.is_stuck = self.renewals.is_stuck(is_busy, now);
        match (was_stuck, self.renewals.is_stuck) {
            (false, true) => self.monitor.renewals_hang(Some(
                "a renewal or restoration has been running for more than an hour; its process is the one with \
                 a file open in renew.state-dir",
            )),
            (true, false) => self.monitor.renewals_hang(None),
            _ => return,
        }
        self.reevaluate();
    }

    /// Asks for a renewal, if it is time; gives when to look again.
    fn ask_if_due(
        &mut self,
        memory: &RenewerState,
        unseen: Unseen,
        dir: &Path,
        now: UnixTime,
    ) -> UnixTime {
        // A node that is mounted somewhere is looked at and left alone.
        if self.root != Path::new("/") {
            return now + IDLE;
        }
        let next = self.monitor.next_renewal(now);
        let due = next.as_ref().filter(|next| next.at <= now && !next.found.is_empty());
        let due = due.map(|next| (next.found.clone(), next.ends));
        if let Some((found, ends)) = due.or_else(|| self.interrupted(memory, now)) {
            self.monitor.asks_for_renewal(found, ends, now);
            self.renewals.is_optional = false;
            return self.ask(now);
        }
        let look = rate_limit::next_look(self.renewals.asked_look, unseen, now);
        if look.is_some_and(|look| look <= now) {
            self.renewals.is_optional = !self.monitor.config.renew.enabled;
            return self.ask(now);
        }
        if self.wants_config(dir, now) {
            self.renewals.asked_config = Some(now);
            self.renewals.is_optional = !self.monitor.config.renew.enabled;
            return self.ask(now);
        }
        let next = next.map(|next| next.at).into_iter().chain(look).min();
        next.map_or(now + IDLE, |next| next.clamp(now + LOOK, now + IDLE))
    }

    /// A renewal whose process died has to be brought to its end, also where only people begin one.
    fn interrupted(
        &self,
        memory: &RenewerState,
        now: UnixTime,
    ) -> Option<(String, Option<UnixTime>)> {
        let journal = memory.current.as_ref()?;
        let found = format!("{} interrupted {} times", journal.id, journal.resumed + 1);
        self.monitor.may_try(&found, journal.old_ends, now).then_some((found, journal.old_ends))
    }

    /// The copy of the cluster's configuration is for the day on which the API does not answer, so it
    /// has to be made before; without renewals too, where the renewer has ever been let to run.
    fn wants_config(&self, dir: &Path, now: UnixTime) -> bool {
        let may_run = self.monitor.config.renew.enabled || dir.is_dir();
        let was_asked = |at: UnixTime| now - at < CONFIG_ASK && at <= now;
        may_run
            && !cluster_config::is_recent(dir, now)
            && !self.renewals.asked_config.is_some_and(was_asked)
    }

    fn ask(&mut self, now: UnixTime) -> UnixTime {
        self.renewals.asked = Some(now);
        // Whatever it is asked for, it looks at all there is.
        self.renewals.asked_look = Some(now);
        let asked = if rustix::process::geteuid().is_root() {
            self.start_renewer()
        } else {
            std::fs::write(&self.monitor.config.renew.request_file, b"")
        };
        match asked {
            // Perhaps nobody is there who could answer, and that is as its owner wants it.
            Ok(()) if self.renewals.is_optional && self.renewals.child.is_none() => {
                self.renewals.asked = None;
                return now + PATIENCE;
            }
            Ok(()) => tracing::info!("requested a renewal"),
            Err(error) if self.renewals.is_optional => {
                tracing::debug!("cannot request a check for interrupted renewals: {error}");
                self.renewals.asked = None;
            }
            Err(error) => {
                self.renewals.asked = None;
                self.monitor.renewals_hang(Some(&format!("cannot request a renewal: {error}")));
                self.reevaluate();
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
        let end = beside::run("renewer", move || child.wait());
        tokio::spawn(async move {
            // Without a thread nobody waits for it: whether it is at work, its lock says.
            let _ = end.await;
            let _ = events.send(Event::RenewerEnded);
        });
        Ok(())
    }

    /// One that could not even look has nowhere to note that.
    pub(super) fn renewer_ended(&mut self) {
        let since = self.renewals.child.take();
        self.renewals.asked = None;
        self.renewals.next = None;
        let dir = &self.monitor.config.renew.state_dir;
        // What cannot be read is told as such.
        let memory = store::peek::<RenewerState>(dir).ok().flatten().unwrap_or_default();
        let is_answer = |since| self.renewals.is_optional || has_answered(&memory, since);
        if since.is_none_or(is_answer) || store::is_in_use(dir) {
            self.monitor.renewals_hang(None);
        } else {
            self.monitor.renewals_hang(Some(
                "a renewal was requested, but the renewer exited before it could check anything; see the log, or run \
                 `certwatch renew`",
            ));
            self.reevaluate();
        }
    }

    fn look_again_if(&mut self, is_news: bool) {
        if is_news {
            self.reevaluate();
        }
    }

    pub(super) fn reevaluate(&mut self) {
        let evaluation = self.monitor.reevaluate(sys::now());
        self.take(&evaluation);
    }
}

/// True if a renewer has looked since then, or has brought an old renewal to its end.
fn has_answered(memory: &RenewerState, asked: UnixTime) -> bool {
    let ended = memory.history.first().and_then(|journal| journal.ended);
    [memory.last_run, ended].into_iter().flatten().any(|at| at >= asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::sample::{NOW, journal};
    use crate::domain::renewal::{Outcome, Task};

    #[test]
    fn a_renewer_that_does_not_end_is_stuck_after_an_hour() {
        let mut renewals = RenewalTrigger::default();
        let at = |minutes: i64| NOW + Span::minutes(minutes);
        assert!(!renewals.is_stuck(true, at(0)) && !renewals.is_stuck(true, at(60)));
        assert!(renewals.is_stuck(true, at(61)));
        assert!(!renewals.is_stuck(true, at(-999)), "the clock was set back");
        assert!(!renewals.is_stuck(false, at(62)));
        assert!(!renewals.is_stuck(true, at(63)), "another one");
    }

    #[test]
    fn a_look_is_an_answer_and_so_is_an_end() {
        let later = NOW + Span::hours(1);
        let looked = RenewerState { last_run: Some(NOW), ..RenewerState::default() };
        assert!(has_answered(&looked, NOW) && !has_answered(&looked, later));
        let mut ended =
            RenewerState { last_run: Some(NOW - Span::hours(1)), ..RenewerState::default() };
        assert!(!has_answered(&ended, NOW));
        ended.conclude(journal(Task::Renew, Outcome::NeedsOperator));
        assert!(has_answered(&ended, NOW) && !has_answered(&ended, later));
    }
}
