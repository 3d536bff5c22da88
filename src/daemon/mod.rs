//! `certwatch run`: one loop that owns everything.
//!
//! It waits for one of a few things (`Wake`) and then acts. Scans and deliveries run beside it and
//! come back as events; nothing else touches the monitor.

mod dispatch;
mod log;
mod reload;
mod renewal;
mod scanning;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::{TimerEvent, WallClockTimer};
use crate::config::{Config, ConfigErrors};
use crate::domain::ledger::{Delivery, ReceiverId};
use crate::domain::model::Inventory;
use crate::domain::scans::Scans;
use crate::domain::time::{Span, UnixTime};
use crate::hangs::Hangs;
use crate::monitor::{Evaluation, Monitor, Writer};
use crate::notify::{Failure, Receipt};
use crate::scan::{self, ScanError, ScanRequest};
use crate::store::StoreError;
use crate::watch::{Coverage, Noticed, Watcher};
use crate::{sys, systemd, watch};
use renewal::RenewalTrigger;

/// After this long the service counts as started, even if the first scan still hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most deliveries on their way at once.
const AT_ONCE: usize = 8;

/// Longest sleep where nothing is due.
const IDLE: Span = Span::hours(1);

/// What is said of places that are not watched.
const LEFT_TO_SCANS: &str = "not responding, only covered by the regular scans";

/// How long a delivery that has begun may take to end when the daemon stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How the configuration is read, at the start and on SIGHUP.
pub(crate) type Load = Box<dyn Fn() -> Result<Config, ConfigErrors>>;

/// How long those that are on their way have when the daemon ends because it is blind: an attempt takes at
/// most half a minute.
const FAREWELL: Duration = Duration::from_secs(40);

/// Why the daemon could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Scans end badly, one after the other.
    #[error(
        "several scans in a row failed, the last one with: {0}; exiting, so that the service manager restarts \
         certwatch"
    )]
    Blind(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signals(#[from] std::io::Error),
    /// Another certwatch works with the same state.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The kernel gives no timer.
    #[error("cannot set a timer on the wall clock: {0}")]
    Timer(std::io::Error),
}

/// What the loop wakes up for.
enum Wake {
    Timer(TimerEvent),
    Event(Event),
    Impatient,
    Noticed(Noticed),
    /// The scan that goes on should have ended.
    Overdue,
    Reload,
    Stop(&'static str),
}

/// What runs beside the loop and has ended.
enum Event {
    /// A renewer that the daemon started has ended.
    RenewerEnded,
    Delivered {
        delivery: Box<Delivery>,
        result: Result<Receipt, Failure>,
    },
    Scanned {
        inventory: Result<Inventory, ScanError>,
        took: Duration,
    },
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// It could not begin, or its scans end badly again and again.
pub(crate) async fn run(
    load: Load,
    root: PathBuf,
    config_file: Option<PathBuf>,
) -> Result<(), RunError> {
    let mut daemon = Daemon::begin(load, root, config_file).await?;
    daemon.start_scan();
    loop {
        let wake = daemon.wait().await?;
        if let Wake::Stop(signal) = wake {
            daemon.stop(signal).await;
            return Ok(());
        }
        daemon.act(wake).await;
        daemon.mind_renewals();
        daemon.dispatch();
        if daemon.scans.have_failed(daemon.begun.elapsed()) {
            return Err(daemon.give_up().await);
        }
    }
}

struct Daemon {
    monitor: Monitor,
    load: Load,
    root: PathBuf,
    /// Which configuration a renewer is to read.
    config_file: Option<PathBuf>,
    watcher: Watcher,
    timer: WallClockTimer,
    signals: Signals,
    /// How often the service manager wants to hear that the loop is alive, and when it hears it next.
    alive: Option<(Span, UnixTime)>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    /// Those to whom something is on its way.
    busy: BTreeSet<ReceiverId>,
    sending: Vec<JoinHandle<()>>,
    scans: Scans,
    hangs: Arc<Hangs>,
    /// Something has changed since the scan that is going on began.
    is_scan_stale: bool,
    begun: Instant,
    is_ready: bool,
    /// What the service manager was told last.
    status: String,
    /// When the next scan is due whatever happens, and when one is due to see something again.
    next_scan: UnixTime,
    scan_again: Option<UnixTime>,
    /// When one is due that was asked for while another went on. No judgement of what was seen before moves it.
    asked_scan: Option<UnixTime>,
    judge_again: Option<UnixTime>,
    renewals: RenewalTrigger,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Daemon {
    async fn begin(
        load: Load,
        root: PathBuf,
        config_file: Option<PathBuf>,
    ) -> Result<Self, RunError> {
        let now = sys::now();
        let signals = Signals {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        let writer = Writer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: Some(now),
            watch: String::new(),
        };
        let monitor = Monitor::open(load()?, writer, now)?;
        let places = scan::watched_places(&request(&monitor.config, &root));
        let state_dir = Some(monitor.config.daemon.state_dir.clone());
        let hangs = Arc::default();
        log::started(&monitor);
        Ok(Self {
            monitor,
            load,
            root,
            config_file,
            watcher: Watcher::beside(state_dir, places, &hangs).await,
            timer: WallClockTimer::new().map_err(RunError::Timer)?,
            signals,
            alive: systemd::watchdog_interval().map(|length| (whole_seconds(length), now)),
            events: mpsc::unbounded_channel(),
            busy: BTreeSet::new(),
            sending: Vec::new(),
            scans: Scans::default(),
            hangs,
            is_scan_stale: false,
            begun: Instant::now(),
            is_ready: false,
            status: String::new(),
            next_scan: now,
            scan_again: None,
            asked_scan: None,
            judge_again: None,
            renewals: RenewalTrigger::default(),
        })
    }

    async fn wait(&mut self) -> Result<Wake, RunError> {
        let overdue = self.scans.next_look(self.begun.elapsed());
        Ok(tokio::select! {
            _ = self.signals.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = self.signals.interrupt.recv() => Wake::Stop("SIGINT"),
            _ = self.signals.hangup.recv() => Wake::Reload,
            Some(event) = self.events.1.recv() => Wake::Event(event),
            event = self.timer.next_event() => Wake::Timer(event.map_err(RunError::Timer)?),
            noticed = self.watcher.changed() => Wake::Noticed(noticed),
            () = sleep_until(self.begun + overdue.unwrap_or_default()), if overdue.is_some() => Wake::Overdue,
            () = sleep_until(self.begun + PATIENCE), if !self.is_ready => Wake::Impatient,
        })
    }

    async fn act(&mut self, wake: Wake) {
        match wake {
            Wake::Timer(TimerEvent::Due) => self.timer_is_due(),
            Wake::Timer(TimerEvent::ClockChanged) => {
                tracing::warn!("the clock was changed: scanning again");
                // Reminders are due at once, and do not wait for the scan: their text has to be of today.
                self.reevaluate();
                self.start_scan();
            }
            Wake::Noticed(Noticed::Change) => {
                tracing::debug!("files changed");
                self.start_scan();
            }
            Wake::Noticed(Noticed::OtherWatch) => {
                self.monitor.set_watch(how(self.watcher.coverage()));
                self.save();
            }
            Wake::Overdue => self.scan_is_overdue(),
            Wake::Event(Event::Delivered { delivery, result }) => {
                self.delivered(&delivery, &result);
            }
            Wake::Event(Event::RenewerEnded) => self.renewer_ended(),
            Wake::Event(Event::Scanned { inventory, took }) => self.scanned(inventory, took).await,
            Wake::Impatient => self.get_ready(),
            Wake::Reload => self.reload().await,
            Wake::Stop(_) => {}
        }
    }

    fn timer_is_due(&mut self) {
        let now = sys::now();
        let is_due = |at: Option<UnixTime>| at.is_some_and(|at| at <= now);
        if self.next_scan <= now || is_due(self.scan_again) || is_due(self.asked_scan) {
            self.start_scan();
        } else {
            let evaluation = self.monitor.reevaluate(now);
            self.take(&evaluation);
        }
    }

    fn take(&mut self, evaluation: &Evaluation) {
        log::seen(&self.monitor, evaluation, sys::now());
        self.scan_again = evaluation.scan_again;
        self.judge_again = evaluation.judge_again;
    }

    fn get_ready(&mut self) {
        if !self.is_ready {
            self.is_ready = true;
            systemd::ready();
            log::ready(&self.monitor, sys::now());
        }
    }

    /// Lets what is on its way arrive, for a moment, and puts everything on disk.
    async fn stop(&mut self, signal: &str) {
        systemd::stopping();
        tracing::info!("{signal}: stopping");
        self.let_arrive(LAST_WORDS).await;
        self.monitor.save();
    }

    /// The same for a daemon that sees nothing any more: all who can hear it are told so first.
    async fn give_up(&mut self) -> RunError {
        let why = self.monitor.is_given_up(sys::now());
        self.save();
        self.dispatch();
        self.let_arrive(FAREWELL).await;
        self.monitor.save();
        RunError::Blind(why)
    }

    async fn let_arrive(&mut self, limit: Duration) {
        let _ = timeout(limit, async {
            while !self.busy.is_empty() {
                match self.events.1.recv().await {
                    Some(Event::Delivered { delivery, result }) => {
                        self.delivered(&delivery, &result);
                    }
                    Some(Event::Scanned { .. } | Event::RenewerEnded) => {}
                    None => break,
                }
            }
        })
        .await;
        self.sending.iter().for_each(JoinHandle::abort);
    }
}

/// What a scan of this node looks at.
pub(crate) fn request(config: &Config, root: &std::path::Path) -> ScanRequest {
    ScanRequest {
        root: root.to_owned(),
        standard: config.scan.standard,
        paths: config.paths(),
        endpoints: config.endpoints.clone(),
        only_paths: false,
        in_use: true,
        exclude: config.scan.excluded(),
        max_files: config.scan.max_files,
        timeout: config.scan.timeout,
    }
}

/// At least one: systemd does not ask for less in practice.
fn whole_seconds(length: Duration) -> Span {
    Span::seconds(i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1))
}

/// 10 % more or less, so that fifty nodes that were installed together do not move together.
fn with_jitter(interval: Span) -> Span {
    let percent = i32::try_from(90 + sys::random_u32() % 21).unwrap_or(100);
    interval.fraction(percent, 100)
}

/// How changes are seen, and where they are not.
fn how(coverage: &Coverage) -> String {
    let Coverage { directories, refusal, silent } = coverage;
    let how = match refusal {
        None => format!("inotify on {directories} directories"),
        Some(why) if *directories == 0 => format!("only the regular scans ({why})"),
        Some(why) => {
            format!(
                "inotify on {directories} directories, elsewhere only the regular scans ({why})"
            )
        }
    };
    match &**silent {
        [] => how,
        silent => format!("{how}; {}: {LEFT_TO_SCANS}", watch::list(silent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_not_claimed_to_be_watched() {
        let silent = ["/srv/a", "/srv/b", "/srv/c", "/srv/d"].map(PathBuf::from);
        let watched = |directories, refusal: Option<&str>, silent: &[PathBuf]| {
            let refusal = refusal.map(str::to_owned);
            how(&Coverage { directories, refusal, silent: silent.to_vec() })
        };
        assert_eq!(watched(9, None, &[]), "inotify on 9 directories");
        assert_eq!(
            watched(9, None, &silent[..1]),
            "inotify on 9 directories; /srv/a: not responding, only covered by the regular scans"
        );
        let limit = Some("the limit x is reached; raise it");
        assert_eq!(
            watched(2, limit, &[]),
            "inotify on 2 directories, elsewhere only the regular scans (the limit x is reached; \
             raise it)"
        );
        assert_eq!(
            watched(0, limit, &silent),
            "only the regular scans (the limit x is reached; raise it); /srv/a, /srv/b, /srv/c \
             and 1 more: not responding, only covered by the regular scans"
        );
    }
}
