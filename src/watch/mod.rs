//! Watching files: a hint that something may have changed, as soon as the kernel knows.
//!
//! A hint is only that. Whoever gets one scans everything, and does so every hour without one,
//! since no watch hears it all: what lies deeper, what changes on a server elsewhere. What the kernel gives no watch
//! for, and what does not answer, is left to those scans, and tried again every minute; [`Coverage`] says what that is.

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
use survey::{Survey, WatchTargets};

/// Longest wait for a look at the directories; one on a dead server hangs for ever. Whoever waits
/// does nothing else, so it is short; what comes later is taken in the next time.
const PATIENCE: Duration = Duration::from_millis(300);

/// A directory counts as hanging if the thread that visits it has shown no sign of life for this long.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// After this long it is tried again to watch what could not be watched.
const RETRY: Duration = Duration::from_secs(60);

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

/// What is watched, and what is left to the regular scans.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Coverage {
    /// How many directories are watched.
    pub(crate) directories: usize,
    /// Why others are not, as a sentence without its end.
    pub(crate) refusal: Option<String>,
    /// What does not answer, and so is not watched.
    pub(crate) silent: Vec<PathBuf>,
}

/// Watches the places of a scan. Only within a tokio runtime.
pub(crate) struct Watcher {
    places: Arc<WatchTargets>,
    /// How long a look is waited for.
    patience: Duration,
    /// `None` before the first look, and while the kernel gives no instance.
    inotify: Option<Arc<Inotify>>,
    coverage: Coverage,
    debounce: Debounce,
    /// When to look again, without a hint.
    next_look: Option<Instant>,
    /// A look that goes on, in a thread of its own.
    looking: Option<Looking>,
    step_limit: Duration,
    retry: Duration,
    has_told_cut: bool,
    has_told_blind: bool,
}

struct Looking {
    survey: oneshot::Receiver<Survey>,
    thread: ThreadId,
}

impl Watcher {
    /// Begins to watch `places`, those that do not exist yet included, but for what happens in one
    /// directory: our own state is no news.
    pub(crate) async fn beside(
        own: Option<PathBuf>,
        places: Vec<Watched>,
        hangs: &Arc<Hangs>,
    ) -> Self {
        let places = WatchTargets { own, places, hangs: hangs.clone() };
        let mut watcher = Self::blind(places, PATIENCE);
        watcher.look().await;
        watcher
    }

    /// Watches these places from now on. A look that goes on is still waited for: were it dropped, nobody would
    /// give up its thread if that hangs, and each change of the places would leave one behind.
    pub(crate) async fn turn_to(&mut self, places: Vec<Watched>) {
        let WatchTargets { own, hangs, .. } = &*self.places;
        self.places = Arc::new(WatchTargets { own: own.clone(), places, hangs: hangs.clone() });
        self.look().await;
    }

    /// One that has not looked yet.
    fn blind(places: WatchTargets, patience: Duration) -> Self {
        let refusal = Some("the directories have not been looked at yet".to_owned());
        Self {
            places: Arc::new(places),
            patience,
            inotify: None,
            coverage: Coverage { refusal, ..Coverage::default() },
            debounce: Debounce::default(),
            next_look: None,
            looking: None,
            step_limit: STEP_LIMIT,
            retry: RETRY,
            has_told_cut: false,
            has_told_blind: false,
        }
    }

    /// Waits until something may have changed and the changes have stopped. To drop this future is harmless: the next
    /// one continues where it was.
    pub(crate) async fn changed(&mut self) -> Noticed {
        loop {
            let due = self.debounce.due();
            if self.debounce.is_due(Instant::now()) {
                // New directories are watched before the scan, so that nothing is between the two.
                self.look().await;
                self.debounce.clear();
                return Noticed::Change;
            }
            tokio::select! {
                () = touched(self.inotify.as_deref()) => self.debounce.note(Instant::now()),
                () = until(due) => {}
                () = until(self.next_look) => {
                    let before = self.coverage.clone();
                    if self.look().await {
                        self.debounce.note(Instant::now());
                    }
                    if self.coverage != before {
                        return Noticed::OtherWatch;
                    }
                }
            }
        }
    }

    /// Looks again at what there is to watch. For after each scan.
    pub(crate) async fn refresh(&mut self) {
        if self.look().await {
            self.debounce.note(Instant::now());
        }
    }

    /// What is watched now.
    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// True if what is watched is other than before.
    async fn look(&mut self) -> bool {
        let mut is_other = false;
        if self.begin_look() {
            is_other = self.wait_for_look().await;
            // What hangs is left out, and all else is looked at.
            if self.give_up_look() && self.begin_look() {
                is_other |= self.wait_for_look().await;
            }
        }
        let is_complete = self.coverage.refusal.is_none() && self.coverage.silent.is_empty();
        let next = match &self.looking {
            Some(_) => Some(self.retry.min(self.step_limit)),
            None if is_complete => None,
            None => Some(self.retry),
        };
        self.next_look = next.map(|pause| Instant::now() + pause);
        is_other
    }

    /// False if there is no thread for a look.
    fn begin_look(&mut self) -> bool {
        if self.looking.is_some() {
            return true;
        }
        match in_a_thread(&self.places, self.inotify.clone()) {
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
                self.lose_watches("the directories cannot be read");
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
        if self.inotify.as_ref().is_some_and(|it| it.is_setting()) {
            self.lose_watches("a directory does not respond");
        }
        true
    }

    fn cannot_look(&mut self, because: &str) {
        if self.inotify.is_none() {
            self.coverage.refusal = Some(because.to_owned());
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
        let is_new = match (&self.inotify, &survey.inotify) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (old, new) => old.is_some() != new.is_some(),
        };
        self.inotify = survey.inotify;
        self.cover(survey.coverage);
        is_new || survey.is_other
    }

    /// The next look sets new ones.
    fn lose_watches(&mut self, why: &str) {
        self.inotify = None;
        let silent = self.coverage.silent.clone();
        self.cover(Coverage { directories: 0, refusal: Some(why.to_owned()), silent });
    }

    fn cover(&mut self, new: Coverage) {
        let old = std::mem::replace(&mut self.coverage, new);
        let Coverage { directories, refusal, silent } = &self.coverage;
        if old.refusal != *refusal {
            let what = if *directories == 0 { "file changes" } else { "some file changes" };
            match refusal {
                Some(why) => tracing::warn!("{what} are only noticed by the regular scans: {why}"),
                None => tracing::debug!(directories, "file changes are noticed at once"),
            }
        }
        if old.silent != *silent {
            match &**silent {
                [] if refusal.is_some() => {}
                [] => tracing::info!("every directory responds again, and is watched"),
                silent => tracing::warn!(
                    "{}: not responding, and not watched until it does",
                    list(silent)
                ),
            }
        }
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
fn in_a_thread(places: &Arc<WatchTargets>, old: Option<Arc<Inotify>>) -> io::Result<Looking> {
    if places.hangs.room(Claim::Standard) == 0 {
        return Err(io::Error::other(format!("{} of them hang", places.hangs.count())));
    }
    let (send, survey) = oneshot::channel();
    let places = places.clone();
    let work = move || {
        let _visitor = places.hangs.visitor();
        // Nobody may be left to hear of it.
        let _ = send.send(survey::survey(&places, old));
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
async fn touched(inotify: Option<&Inotify>) {
    match inotify {
        Some(inotify) => inotify.touched().await,
        None => std::future::pending().await,
    }
}
