//! Signals that would end a renewal in its middle: a session that is closed, an impatient ^C, a
//! shutdown. They are heeded where the node is whole.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::renew::shutdown;

const ASKED: &str = "asked to stop: what has touched nothing yet ends, and all else is brought to its \
                     end first, which can take minutes";

const SHUTDOWN: &str = "the node shuts down: what was begun goes on after the next boot";

/// From now on SIGHUP, SIGINT and SIGTERM do not end this process but make what is given true. Where the node shuts
/// down, they do end it: nothing would start again that is restarted, and a renewal can be taken up from any moment.
///
/// # Errors
/// Signals cannot be received.
pub(super) fn asked() -> io::Result<Arc<AtomicBool>> {
    let runtime = super::runtime()?;
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
    let mut signals = {
        let _within = runtime.enter();
        kinds.into_iter().map(signal).collect::<io::Result<Vec<Signal>>>()?
    };
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_asked);
    thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            loop {
                poll_fn(|context| any(&mut signals, context)).await;
                if shutdown::is_under_way() {
                    super::complain(SHUTDOWN);
                    std::process::exit(Exit::Failed.code().into());
                }
                asked.store(true, Ordering::Relaxed);
                super::complain(ASKED);
            }
        });
    })?;
    Ok(is_asked)
}

fn any(signals: &mut [Signal], context: &mut Context<'_>) -> Poll<()> {
    // Each has to be asked, or it would not wake anybody.
    let came = signals.iter_mut().map(|signal| signal.poll_recv(context).is_ready());
    if came.fold(false, |any, came| any | came) { Poll::Ready(()) } else { Poll::Pending }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// Without it, the first of them ends the tests.
    #[test]
    fn a_signal_is_noted_and_nothing_more() {
        let until = Instant::now() + Duration::from_secs(60);
        for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
            let is_asked = asked().unwrap();
            assert!(!is_asked.load(Ordering::Relaxed));
            kill_process(getpid(), signal).unwrap();
            while !is_asked.load(Ordering::Relaxed) && Instant::now() < until {
                thread::yield_now();
            }
            assert!(is_asked.load(Ordering::Relaxed), "{signal:?}");
        }
    }
}
