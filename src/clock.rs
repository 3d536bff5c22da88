//! A timer on the wall clock: it fires at a moment, and when somebody sets that clock.
//!
//! The loop's own timers count the time that the machine is awake. A certificate expires by the
//! wall clock, also after a suspend of a week, and so does the next look at it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::domain::time::{Span, UnixTime};
use crate::sys;

/// The last moment that is handed to the kernel, in the year 2255: it counts nanoseconds in 64 bits.
const LAST: i64 = 9_000_000_000;

/// Without a timer of the kernel, the wall clock is looked at this often.
const LOOK: Duration = Duration::from_secs(60);

/// What the clock may differ from our count before it counts as set.
const DRIFT: Span = Span::seconds(2);

/// Why the timer fires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TimerEvent {
    /// The moment is there.
    Due,
    /// The wall clock was set, by hand or in a leap of its synchronisation.
    ClockChanged,
}

/// The timer, for one loop.
pub(crate) struct WallClockTimer {
    at: UnixTime,
    /// `None` where the kernel gives none.
    timer: Option<AsyncFd<Arc<OwnedFd>>>,
    /// The clock was set while the timer was.
    was_set: bool,
}

impl Default for WallClockTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl WallClockTimer {
    /// A timer that is due in the far future. Only within a tokio runtime.
    pub(crate) fn new() -> Self {
        Self::with(new_timer().ok())
    }

    fn with(timer: Option<AsyncFd<Arc<OwnedFd>>>) -> Self {
        let mut wall_clock = Self { at: UnixTime::new(LAST), timer, was_set: false };
        wall_clock.set(wall_clock.at);
        wall_clock
    }

    /// Sets the moment at which it fires; one that has passed fires at once.
    pub(crate) fn set(&mut self, at: UnixTime) {
        self.at = at;
        let Some(timer) = &self.timer else { return };
        // Zero would switch it off.
        let seconds = at.seconds().clamp(1, LAST);
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: seconds, tv_nsec: 0 };
        match timerfd_settime(timer, flags, &Itimerspec { it_interval: none, it_value: value }) {
            Ok(_) => {}
            // It is set all the same.
            Err(Errno::CANCELED) => self.was_set = true,
            Err(_) => self.timer = None,
        }
    }

    /// Waits until it fires. When it fired as [`TimerEvent::Due`], [`Self::set`] it anew before the next
    /// wait. To drop this future is harmless.
    pub(crate) async fn next_event(&mut self) -> TimerEvent {
        if std::mem::take(&mut self.was_set) {
            return TimerEvent::ClockChanged;
        }
        if let Some(timer) = &self.timer {
            if let Ok(event) = next_event(timer).await {
                return event;
            }
            self.timer = None;
        }
        poll_wall_clock(self.at, sys::now).await
    }
}

fn new_timer() -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    sys::waitable(Arc::new(timerfd_create(TimerfdClockId::Realtime, flags)?))
}

async fn next_event(timer: &AsyncFd<Arc<OwnedFd>>) -> io::Result<TimerEvent> {
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match meaning(rustix::io::read(timer, &mut count)) {
            Ok(Some(event)) => return Ok(event),
            Ok(None) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a read of the timer says; `None` is not yet.
fn meaning(read: Result<usize, Errno>) -> Result<Option<TimerEvent>, Errno> {
    match read {
        Ok(_) => Ok(Some(TimerEvent::Due)),
        Err(Errno::CANCELED) => Ok(Some(TimerEvent::ClockChanged)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same without a timer of the kernel: up to a minute late after a suspend or a leap.
async fn poll_wall_clock(at: UnixTime, now: impl Fn() -> UnixTime) -> TimerEvent {
    loop {
        let (wall, awake) = (now(), Instant::now());
        let left = at - wall;
        let Some(left) = u64::try_from(left.as_seconds()).ok().filter(|left| *left > 0) else {
            return TimerEvent::Due;
        };
        tokio::time::sleep(LOOK.min(Duration::from_secs(left))).await;
        let counted = i64::try_from(awake.elapsed().as_secs()).unwrap_or(i64::MAX);
        let drift = (now() - wall).as_seconds().saturating_sub(counted);
        if drift.saturating_abs() > DRIFT.as_seconds() {
            return TimerEvent::ClockChanged;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Far more than any of this takes.
    const SOON: Duration = Duration::from_secs(30);

    fn run<T>(test: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(SOON, test).await.unwrap() })
    }

    fn in_a_second() -> UnixTime {
        sys::now() + Span::seconds(1)
    }

    #[test]
    fn it_rings_when_the_moment_is_there() {
        run(async {
            for mut wall_clock in [WallClockTimer::new(), WallClockTimer::with(None)] {
                let at = in_a_second();
                wall_clock.set(at);
                assert_eq!(wall_clock.next_event().await, TimerEvent::Due);
                assert!(sys::now() >= at);
            }
        });
    }

    #[test]
    fn a_moment_that_has_passed_rings_at_once() {
        run(async {
            for mut wall_clock in [WallClockTimer::new(), WallClockTimer::with(None)] {
                for at in [-1, 0, 1, 1_000_000_000] {
                    wall_clock.set(UnixTime::new(at));
                    assert_eq!(wall_clock.next_event().await, TimerEvent::Due, "{at}");
                }
            }
        });
    }

    #[test]
    fn only_the_last_moment_that_was_set_counts() {
        run(async {
            let mut wall_clock = WallClockTimer::new();
            wall_clock.set(UnixTime::new(1));
            wall_clock.set(UnixTime::new(i64::MAX));
            let waited =
                tokio::time::timeout(Duration::from_millis(200), wall_clock.next_event()).await;
            assert!(waited.is_err(), "far away");
            let at = in_a_second();
            wall_clock.set(at);
            assert_eq!(wall_clock.next_event().await, TimerEvent::Due);
            assert!(sys::now() >= at);
        });
    }

    /// The clock of a machine is not for tests to set, so this is what the kernel would say.
    #[test]
    fn the_word_of_the_kernel_for_a_clock_that_was_set() {
        assert_eq!(meaning(Err(Errno::CANCELED)), Ok(Some(TimerEvent::ClockChanged)));
        assert_eq!(meaning(Err(Errno::AGAIN)), Ok(None));
        assert_eq!(meaning(Ok(8)), Ok(Some(TimerEvent::Due)));
        assert_eq!(meaning(Err(Errno::BADF)), Err(Errno::BADF));
    }

    #[test]
    fn without_a_timer_a_leap_of_the_clock_is_seen_at_the_next_look() {
        for leap in [-3600, 3600] {
            let looks = Cell::new(0);
            let now = || {
                looks.set(looks.get() + 1);
                let leapt = if looks.get() == 1 { 0 } else { leap };
                UnixTime::new(1_800_000_000 + leapt)
            };
            let at = UnixTime::new(1_800_000_001);
            assert_eq!(run(poll_wall_clock(at, now)), TimerEvent::ClockChanged);
        }
    }
}
