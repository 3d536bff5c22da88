//! Work that blocks, beside the loop: each piece in a thread of its own.
//!
//! Not tokio's `spawn_blocking`: that panics where the system gives no thread, and lets work wait behind
//! other work that may hang.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use tokio::sync::oneshot;

use crate::domain::text::escape_control;
use crate::hangs::{Claim, Hangs};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The work panicked.
    #[error("internal error; please report it")]
    BrokeOff,
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    NoThread(io::Error),
}

/// Why nothing is known of a place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missed {
    /// There is no result.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It does not answer.
    #[error("{} does not respond; is its file system unavailable?", escape_control(&.0.to_string_lossy()))]
    Hangs(PathBuf),
}

/// Begins `work` at once, in a thread of this name (at most 15 bytes are shown). To drop the future leaves
/// the thread to itself.
pub(crate) fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Lost>> + Send + 'static {
    let (send, receive) = oneshot::channel();
    let work = move || {
        // Nobody may be left to hear of it.
        let _ = send.send(work());
    };
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    async move {
        started.map_err(Lost::NoThread)?;
        receive.await.map_err(|_| Lost::BrokeOff)
    }
}

/// The same for what channels read, which may hang at places of which it tells `hangs` before it goes there: after
/// `limit` it is left to itself, and nobody goes to that place again before it answers.
///
/// # Errors
/// As above; [`Lost::NoThread`] too where as many hang already as may.
pub(crate) async fn visit<T: Send + 'static>(
    name: &str,
    hangs: &Arc<Hangs>,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Missed> {
    if hangs.room(Claim::Channel) == 0 {
        let why = format!("{} of them hang", hangs.count());
        return Err(Lost::NoThread(io::Error::other(why)).into());
    }
    let (send, mut receive) = oneshot::channel();
    let of_work = hangs.clone();
    let work = move || {
        let _visitor = of_work.visitor();
        // Nobody may be left to hear of it.
        let _ = send.send(work());
    };
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    let thread = started.map_err(Lost::NoThread)?.thread().id();
    loop {
        match tokio::time::timeout(limit, &mut receive).await {
            Ok(result) => return Ok(result.map_err(|_| Lost::BrokeOff)?),
            // Only a place that it has gone to can be told; before that it has had no turn.
            Err(_) => {
                if let Some(place) = hangs.give_up_at(thread, limit) {
                    return Err(Missed::Hangs(place));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run("test", work))
    }

    #[test]
    fn what_it_gives_comes_back_and_a_panic_is_an_error() {
        assert_eq!(outcome(|| 7).unwrap(), 7);
        assert!(matches!(outcome(|| -> u8 { panic!("on purpose") }), Err(Lost::BrokeOff)));
    }
}
