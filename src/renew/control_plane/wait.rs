//! Waiting for a state, within a limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a state is looked at that is waited for.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// Asks until it succeeds, at least once; the last failure when `limit` is over.
pub(super) fn wait<T>(
    limit: Duration,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let until = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_ok() || Instant::now() >= until {
            return answer;
        }
        sleep(EVERY);
    }
}
