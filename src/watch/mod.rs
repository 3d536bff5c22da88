//! Watching files: a hint that something may have changed, as soon as the kernel knows.
//!
//! A hint is only that. Whoever gets one scans everything, and does so every hour without one,
//! since no watch hears it all: what lies deeper, what changes on a server elsewhere.
//!
//! Where inotify is not to be had, the state of the files is compared every minute instead. What does not
//! answer is neither watched nor compared until it does; [`Watcher::silent`] says what that is.

mod debounce;
mod inotify;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use crate::domain::layout::Watched;
use crate::domain::text::escape_control;
use crate::hangs::{Claim, Hangs};

pub(crate) use debounce::Debounce;
use inotify::Inotify;
use survey::{Means, Survey, SurveyResult, WatchTargets};

/// Longest wait for a look at the directories; one on a dead server hangs for ever. Whoever waits
/// does nothing else, so it is short; what comes later is taken in the next time.
const PATIENCE: Duration = Duration::from_millis(300);

/// After this long without a sign of life the directory at which a look is counts as hanging.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// How many places are named in one line.
const NAMED: usize = 3;

/// What the wait for a change has found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Noticed {
    /// Something may have changed.
    Change,
    /// Changes are noticed otherwise, or elsewhere, than before.
    OtherWatch,
}

/// How changes are noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// At once.
    Inotify {
        /// How many directories are watched.
        directories: usize,
    },
    /// Within the time between two polls.
    Polling {
        /// What stands against inotify, as a sentence without its end.
        why: String,
    },
}

/// Watches the places of a scan. Only within a tokio runtime.
pub(crate) struct Watcher {
    places: Arc<WatchTargets>,
    poll: Duration,
    /// How long a look is waited for.
    patience: Duration,
    state: WatchMode,
    debounce: Debounce,
    /// When the files are compared next, where there is no inotify.
    next_poll: Option<Instant>,
    /// A look that goes on, in a thread of its own.
    looking: Option<Looking>,
    step_limit: Duration,
    /// What does not answer, and so is not watched.
    silent: Vec<PathBuf>,
    has_told_cut: bool,
    has_told_blind: bool,
}

struct Looking {
    survey: oneshot::Receiver<Survey>,
    thread: ThreadId,
}

enum WatchMode {
    Watching(Arc<Inotify>),
    Comparing { why: String, fingerprint: Option<u64> },
}

impl Watcher {
    /// Begins to watch `places`, those that do not exist yet included, but for what happens in one
    /// directory: our own state is no news. Where there is no inotify, they are looked at every `poll`.
    pub(crate) async fn beside(
        own: Option<PathBuf>,
        places: Vec<Watched>,
        poll: Duration,
        hangs: &Arc<Hangs>,
    ) -> Self {
        let places = WatchTargets { own, places, hangs: hangs.clone() };
        let mut watcher = Self::blind(places, poll, PATIENCE);
        watcher.look(true).await;
        watcher
    }

    /// Watches these places from now on. A look that goes on is still waited for: were it dropped, nobody would
    /// give up its thread if that hangs, and each change of the places would leave one behind.
    pub(crate) async fn turn_to(&mut self, places: Vec<Watched>) {
        let WatchTargets { own, hangs, .. } = &*self.places;
        self.places = Arc::new(WatchTargets { own: own.clone(), places, hangs: hangs.clone() });
        self.look(true).await;
    }

    /// One that has not looked yet.
    fn blind(places: WatchTargets, poll: Duration, patience: Duration) -> Self {
        let why = "the directories have not been looked at yet".to_owned();
        Self {
            places: Arc::new(places),
            poll,
            patience,
            state: WatchMode::Comparing { why, fingerprint: None },
            debounce: Debounce::default(),
            next_poll: None,
            looking: None,
            step_limit: STEP_LIMIT,
            silent: Vec::new(),
            has_told_cut: false,
            has_told_blind: false,
        }
    }

    /// Waits until something may have changed, and no longer does. To drop this future is harmless:
    /// the next one goes on where it was.
    pub(crate) async fn changed(&mut self) -> Noticed {
        loop {
            let due = self.debounce.due();
            if self.debounce.is_due(Instant::now()) {
                // New directories are watched before the scan, so that nothing is between the two.
                self.look(false).await;
                self.debounce.clear();
                return Noticed::Change;
            }
            tokio::select! {
                () = touched(&self.state) => self.debounce.note(Instant::now()),
                () = until(due) => {}
                () = until(self.next_poll) => {
                    let before = (self.mode(), self.silent.clone());
                    if self.look(false).await {
                        self.debounce.note(Instant::now());
                    }
                    if (self.mode(), &self.silent) != (before.0, &before.1) {
                        return Noticed::OtherWatch;
                    }
                }
            }
        }
    }

    /// Looks again at what there is to watch, and tries inotify again. For after each scan.
    pub(crate) async fn refresh(&mut self) {
        if self.look(true).await {
            self.debounce.note(Instant::now());
        }
    }

    /// How changes are noticed now.
    pub(crate) fn mode(&self) -> Mode {
        match &self.state {
            WatchMode::Watching(inotify) => Mode::Inotify { directories: inotify.count() },
            WatchMode::Comparing { why, .. } => Mode::Polling { why: why.clone() },
        }
    }

    /// What does not answer, and so is neither watched nor compared.
    pub(crate) fn silent(&self) -> &[PathBuf] {
        &self.silent
    }

    /// True if what is watched, or what stands for the state of the files, is other than before.
    async fn look(&mut self, tries_inotify: bool) -> bool {
        let mut is_other = false;
        if self.begin_look(tries_inotify) {
            is_other = self.wait_for_look().await;
            // What hangs is left out, and all else is looked at.
            if self.give_up_look() && self.begin_look(true) {
                is_other |= self.wait_for_look().await;
            }
        }
        let is_watching = matches!(self.state, WatchMode::Watching(_));
        let next = match &self.looking {
            Some(_) => Some(self.poll.min(self.step_limit)),
            None if is_watching && self.silent.is_empty() => None,
            None => Some(self.poll),
        };
        self.next_poll = next.map(|pause| Instant::now() + pause);
        is_other
    }

    /// False if there is no thread for a look.
    fn begin_look(&mut self, tries_inotify: bool) -> bool {
        if self.looking.is_some() {
            return true;
        }
        let means = match &self.state {
            WatchMode::Watching(inotify) => Means::Inotify(Some(inotify.clone())),
            WatchMode::Comparing { .. } if tries_inotify => Means::Inotify(None),
            WatchMode::Comparing { why, .. } => Means::Compare(why.clone()),
        };
        match in_a_thread(&self.places, means) {
            Ok(looking) => self.looking = Some(looking),
            // Watches that are set work on.
            Err(error) => self.cannot_look(&format!("no thread can be started: {error}")),
        }
        self.looking.is_some()
    }

    async fn wait_for_look(&mut self) -> bool {
        let Some(looking) = &mut self.looking else { return false };
        match timeout(self.patience, &mut looking.survey).await {
            Ok(Ok(survey)) => {
                self.looking = None;
                self.take(survey)
            }
            // It broke off.
            Ok(Err(_)) => {
                self.looking = None;
                self.compare_instead("the directories cannot be read".to_owned());
                false
            }
            // It is taken the next time.
            Err(_) => false,
        }
    }

    /// True if the look that goes on hangs: it is left alone then.
    fn give_up_look(&mut self) -> bool {
        let Some(looking) = &self.looking else { return false };
        if !self.places.hangs.give_up(looking.thread, self.step_limit) {
            return false;
        }
        self.looking = None;
        if let WatchMode::Watching(inotify) = &self.state
            && inotify.is_setting()
        {
            self.compare_instead("a directory does not respond".to_owned());
        }
        true
    }

    fn cannot_look(&mut self, because: &str) {
        if let WatchMode::Comparing { why, .. } = &mut self.state {
            because.clone_into(why);
        }
        if !std::mem::replace(&mut self.has_told_blind, true) {
            tracing::warn!("new directories go unnoticed: {because}");
        }
    }

    fn take(&mut self, survey: Survey) -> bool {
        if survey.is_cut && !self.has_told_cut {
            self.has_told_cut = true;
            tracing::warn!("too many directories to watch; the rest is left to the regular scan");
        }
        self.has_told_blind = false;
        self.take_silent(survey.silent);
        match survey.found {
            SurveyResult::Watched { inotify, is_other } => {
                let is_new = !matches!(
                    &self.state, WatchMode::Watching(known) if Arc::ptr_eq(known, &inotify)
                );
                self.become_state(WatchMode::Watching(inotify));
                is_new || is_other
            }
            SurveyResult::Compared { why, fingerprint } => {
                let new = Some(fingerprint);
                let is_other = !matches!(
                    &self.state, WatchMode::Comparing { fingerprint, .. } if *fingerprint == new
                );
                self.become_state(WatchMode::Comparing { why, fingerprint: new });
                is_other
            }
        }
    }

    fn take_silent(&mut self, silent: Vec<PathBuf>) {
        if self.silent != silent {
            match &*silent {
                [] => tracing::info!("every directory responds again, and is watched"),
                silent => tracing::warn!(
                    "{}: not responding, and not watched until it does",
                    list(silent)
                ),
            }
        }
        self.silent = silent;
    }

    fn compare_instead(&mut self, why: String) {
        let fingerprint = match &self.state {
            WatchMode::Comparing { fingerprint, .. } => *fingerprint,
            WatchMode::Watching(_) => None,
        };
        self.become_state(WatchMode::Comparing { why, fingerprint });
        self.next_poll = Some(Instant::now() + self.poll);
    }

    fn become_state(&mut self, new: WatchMode) {
        match (&self.state, &new) {
            (WatchMode::Watching(_), WatchMode::Comparing { why, .. }) => {
                tracing::warn!(why, "file changes are noticed later: inotify does not work");
            }
            (WatchMode::Comparing { .. }, WatchMode::Watching(inotify)) => {
                tracing::debug!(directories = inotify.count(), "file changes are noticed at once");
            }
            _ => {}
        }
        self.state = new;
    }
}

/// The first few of some places, safe to print.
pub(crate) fn list(places: &[PathBuf]) -> String {
    let named =
        places.iter().take(NAMED).map(|it| escape_control(&it.to_string_lossy()).into_owned());
    let named = named.collect::<Vec<_>>().join(", ");
    match places.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A look that may hang, given up by whoever waits for it.
fn in_a_thread(places: &Arc<WatchTargets>, means: Means) -> io::Result<Looking> {
    if places.hangs.room(Claim::Standard) == 0 {
        return Err(io::Error::other(format!("{} of them hang", places.hangs.count())));
    }
    let (send, survey) = oneshot::channel();
    let places = places.clone();
    let work = move || {
        let _visitor = places.hangs.visitor();
        // Nobody may be left to hear of it.
        let _ = send.send(survey::survey(&places, means));
    };
    let handle = thread::Builder::new().name("watch".to_owned()).spawn(work)?;
    Ok(Looking { survey, thread: handle.thread().id() })
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a touch that counts. Nothing is lost if it is dropped.
async fn touched(state: &WatchMode) {
    match state {
        WatchMode::Watching(inotify) => inotify.touched().await,
        WatchMode::Comparing { .. } => std::future::pending().await,
    }
}
