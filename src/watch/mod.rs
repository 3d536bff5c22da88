//! Watching files: a hint that something may have changed, as soon as the kernel knows.
//!
//! A hint is only that. Whoever gets one scans everything, and does so every hour without one,
//! since no watch hears it all: what lies deeper, what changes on a server elsewhere.
//!
//! Where inotify is not to be had, the state of the files is compared every minute instead.

mod debounce;
mod inotify;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use crate::domain::layout::Search;

pub use debounce::Debounce;
use inotify::Inotify;
use survey::{Found, Means, Places, Survey, survey};

/// Longest wait for a look at the directories; one on a dead server hangs for ever. Whoever waits
/// does nothing else, so it is short; what comes later is taken in the next time.
const PATIENCE: Duration = Duration::from_millis(300);

/// How changes are noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
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
pub struct Watcher {
    places: Arc<Places>,
    poll: Duration,
    /// How long a look is waited for.
    patience: Duration,
    state: State,
    debounce: Debounce,
    /// When the files are compared next, where there is no inotify.
    next_poll: Option<Instant>,
    /// A look that goes on, in a thread of its own.
    looking: Option<oneshot::Receiver<Survey>>,
    /// The last look was given up.
    is_stuck: bool,
    has_told_cut: bool,
}

enum State {
    Watching(Arc<Inotify>),
    Comparing { why: String, fingerprint: Option<u64> },
}

impl Watcher {
    /// Begins to watch `places`, those that do not exist yet included. Where there is no inotify,
    /// they are looked at every `poll`.
    pub async fn new(places: Vec<(PathBuf, Search)>, poll: Duration) -> Self {
        Self::beside(None, places, poll).await
    }

    /// The same, but for what happens in one directory: our own state is no news.
    pub async fn beside(
        own: Option<PathBuf>,
        places: Vec<(PathBuf, Search)>,
        poll: Duration,
    ) -> Self {
        let mut watcher = Self::blind(Places { own, places }, poll, PATIENCE);
        watcher.look(true).await;
        watcher
    }

    /// One that has not looked yet.
    fn blind(places: Places, poll: Duration, patience: Duration) -> Self {
        let why = "the first look at the directories is not done".to_owned();
        Self {
            places: Arc::new(places),
            poll,
            patience,
            state: State::Comparing { why, fingerprint: None },
            debounce: Debounce::default(),
            next_poll: None,
            looking: None,
            is_stuck: false,
            has_told_cut: false,
        }
    }

    /// Waits until something may have changed, and no longer does. To drop this future is harmless:
    /// the next one goes on where it was.
    pub async fn changed(&mut self) {
        loop {
            let due = self.debounce.due();
            if self.debounce.is_due(Instant::now()) {
                // New directories are watched before the scan, so that nothing is between the two.
                self.look(false).await;
                self.debounce.clear();
                return;
            }
            tokio::select! {
                () = touched(&self.state) => self.debounce.note(Instant::now()),
                () = until(due) => {}
                () = until(self.next_poll) => {
                    if self.look(false).await {
                        self.debounce.note(Instant::now());
                    }
                }
            }
        }
    }

    /// Looks again at what there is to watch, and tries inotify again. For after each scan.
    pub async fn refresh(&mut self) {
        if self.look(true).await {
            self.debounce.note(Instant::now());
        }
    }

    /// How changes are noticed now.
    pub fn mode(&self) -> Mode {
        match &self.state {
            State::Watching(inotify) => Mode::Inotify { directories: inotify.count() },
            State::Comparing { why, .. } => Mode::Polling { why: why.clone() },
        }
    }

    /// True if what is watched, or what stands for the state of the files, is other than before.
    async fn look(&mut self, tries_inotify: bool) -> bool {
        let means = match &self.state {
            State::Watching(inotify) => Means::Inotify(Some(inotify.clone())),
            State::Comparing { .. } if tries_inotify => Means::Inotify(None),
            State::Comparing { why, .. } => Means::Compare(why.clone()),
        };
        let places = &self.places;
        let looking = self.looking.get_or_insert_with(|| in_a_thread(places.clone(), means));
        let is_other = match timeout(self.patience, looking).await {
            Ok(Ok(survey)) => {
                self.looking = None;
                self.is_stuck = false;
                self.take(survey)
            }
            // The thread did not start, or broke off.
            Ok(Err(_)) => {
                self.looking = None;
                self.compare_instead("the directories cannot be looked at".to_owned());
                false
            }
            Err(_) => {
                self.not_answered();
                false
            }
        };
        let is_watching = matches!(self.state, State::Watching(_));
        self.next_poll = (!is_watching).then(|| Instant::now() + self.poll);
        is_other
    }

    fn take(&mut self, survey: Survey) -> bool {
        if survey.is_cut && !self.has_told_cut {
            self.has_told_cut = true;
            tracing::warn!("too many directories to watch; the rest is left to the regular scan");
        }
        match survey.found {
            Found::Watched { inotify, is_other } => {
                let is_new = !matches!(
                    &self.state, State::Watching(known) if Arc::ptr_eq(known, &inotify)
                );
                self.become_state(State::Watching(inotify));
                is_new || is_other
            }
            Found::Compared { why, fingerprint } => {
                let new = Some(fingerprint);
                let is_other = !matches!(
                    &self.state, State::Comparing { fingerprint, .. } if *fingerprint == new
                );
                self.become_state(State::Comparing { why, fingerprint: new });
                is_other
            }
        }
    }

    /// Watches that are set work on. The look that hangs is waited for the next time.
    fn not_answered(&mut self) {
        const WHY: &str = "a directory does not answer";
        if let State::Comparing { why, .. } = &mut self.state {
            WHY.clone_into(why);
        }
        if !self.is_stuck {
            self.is_stuck = true;
            tracing::warn!("{WHY}; new directories are not watched until it does");
        }
    }

    fn compare_instead(&mut self, why: String) {
        let fingerprint = match &self.state {
            State::Comparing { fingerprint, .. } => *fingerprint,
            State::Watching(_) => None,
        };
        self.become_state(State::Comparing { why, fingerprint });
        self.next_poll = Some(Instant::now() + self.poll);
    }

    fn become_state(&mut self, new: State) {
        match (&self.state, &new) {
            (State::Watching(_), State::Comparing { why, .. }) => {
                tracing::warn!(why, "changes of files are noticed later: inotify does not work");
            }
            (State::Comparing { .. }, State::Watching(inotify)) => {
                tracing::debug!(
                    directories = inotify.count(),
                    "changes of files are noticed at once"
                );
            }
            _ => {}
        }
        self.state = new;
    }
}

/// A look that may hang, given up by whoever waits for it.
fn in_a_thread(places: Arc<Places>, means: Means) -> oneshot::Receiver<Survey> {
    let (send, receive) = oneshot::channel();
    let work = move || {
        // Nobody may be left to hear of it.
        let _ = send.send(survey(&places, means));
    };
    // If it does not start, the sender is dropped, and the receiver knows.
    let _ = std::thread::Builder::new().name("watch".to_owned()).spawn(work);
    receive
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a touch that counts. Nothing is lost if it is dropped.
async fn touched(state: &State) {
    match state {
        State::Watching(inotify) => inotify.touched().await,
        State::Comparing { .. } => std::future::pending().await,
    }
}
