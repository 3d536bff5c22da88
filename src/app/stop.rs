//! Signals that would end a renewal in its middle: a session that is closed, an impatient ^C, a
//! shutdown. They are heeded where the node is whole, and at once while nothing is under way.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::renew::shutdown::{self, Stop};

const ASKED: &str = "stopping: a renewal that has changed nothing yet is cancelled, any other is completed \
                     first, which can take minutes";

const AT_ONCE: &str = "stopping: no renewal had started";

const SHUTDOWN: &str = "the node is shutting down: the renewal continues after the next boot";

/// From now on SIGHUP, SIGINT and SIGTERM do not end this process while a renewal is under way, but ask what is given
/// to stop. Before and after it they end the process at once, whatever it waits for. Where the node shuts down they always
/// do: nothing would start again that is restarted, and a renewal can be taken up from any moment.
///
/// # Errors
/// Signals cannot be received.
pub(super) fn asked() -> io::Result<Stop> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let stop = Stop::default();
    let asked = stop.clone();
    thread::Builder::new().spawn(move || {
        for _ in signals.forever() {
            if !asked.ask() {
                end(AT_ONCE);
            }
            if shutdown::is_under_way() {
                end(SHUTDOWN);
            }
            super::print_error(ASKED);
        }
    })?;
    Ok(stop)
}

fn end(why: &str) -> ! {
    super::print_error(why);
    std::process::exit(Exit::Failed.code().into());
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// Without it, the first of them ends the tests.
    #[test]
    fn a_signal_is_noted_and_nothing_more_while_something_is_under_way() {
        let until = Instant::now() + Duration::from_secs(60);
        // Each has its own thread, and all of them get each signal, also when this is over.
        for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
            let stop = asked().unwrap();
            std::mem::forget(stop.at_work());
            assert!(!stop.is_asked());
            kill_process(getpid(), signal).unwrap();
            while !stop.is_asked() && Instant::now() < until {
                thread::yield_now();
            }
            assert!(stop.is_asked(), "{signal:?}");
        }
    }
}
