//! A timer on the wall clock: it fires at a moment, and when somebody sets that clock.
//!
//! The loop's own timers count the time that the machine is awake. A certificate expires by the
//! wall clock, also after a suspend of a week, and so does the next look at it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::domain::time::UnixTime;
use crate::sys;

/// The last moment that is handed to the kernel, in the year 2255: it counts nanoseconds in 64 bits.
const LAST: i64 = 9_000_000_000;

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
    timer: AsyncFd<Arc<OwnedFd>>,
}

impl WallClockTimer {
    /// A timer that is due in the far future. Only within a tokio runtime.
    ///
    /// # Errors
    /// The kernel gives no timer.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = sys::waitable(Arc::new(timerfd_create(TimerfdClockId::Realtime, flags)?))?;
        Ok(Self { at: UnixTime::new(LAST), timer })
    }

    /// Sets the moment at which it fires; one that has passed fires at once.
    pub(crate) fn set(&mut self, at: UnixTime) {
        self.at = at;
    }

    /// Waits until it fires. To drop this future is harmless.
    ///
    /// # Errors
    /// The kernel refuses to set or to read the timer.
    pub(crate) async fn next_event(&mut self) -> io::Result<TimerEvent> {
        match arm(&self.timer, self.at) {
            // The clock was set since the last time. The timer runs all the same.
            Err(Errno::CANCELED) => Ok(TimerEvent::ClockChanged),
            Err(error) => Err(error.into()),
            Ok(()) => next_event(&self.timer).await,
        }
    }
}

fn arm(timer: &AsyncFd<Arc<OwnedFd>>, at: UnixTime) -> Result<(), Errno> {
    // Zero would switch it off.
    let seconds = at.seconds().clamp(1, LAST);
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Timespec { tv_sec: seconds, tv_nsec: 0 };
    timerfd_settime(timer, flags, &Itimerspec { it_interval: none, it_value: value }).map(drop)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::time::Span;

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
            let mut wall_clock = WallClockTimer::new().unwrap();
            let at = in_a_second();
            wall_clock.set(at);
            assert_eq!(wall_clock.next_event().await.unwrap(), TimerEvent::Due);
            assert!(sys::now() >= at);
        });
    }

    #[test]
    fn a_moment_that_has_passed_rings_at_once() {
        run(async {
            let mut wall_clock = WallClockTimer::new().unwrap();
            for at in [-1, 0, 1, 1_000_000_000] {
                wall_clock.set(UnixTime::new(at));
                assert_eq!(wall_clock.next_event().await.unwrap(), TimerEvent::Due, "{at}");
            }
        });
    }

    #[test]
    fn only_the_last_moment_that_was_set_counts() {
        run(async {
            let mut wall_clock = WallClockTimer::new().unwrap();
            wall_clock.set(UnixTime::new(1));
            wall_clock.set(UnixTime::new(i64::MAX));
            let waited =
                tokio::time::timeout(Duration::from_millis(200), wall_clock.next_event()).await;
            assert!(waited.is_err(), "far away");
            let at = in_a_second();
            wall_clock.set(at);
            assert_eq!(wall_clock.next_event().await.unwrap(), TimerEvent::Due);
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
}
