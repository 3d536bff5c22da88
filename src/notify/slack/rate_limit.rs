//! Not more than one post in a second, Slack's limit for a channel:
//! <https://docs.slack.dev/apis/web-api/rate-limits>. Whoever goes on beyond it may be shut out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::notify::Failure;
use crate::notify::http::Endpoint;

/// Between two posts of this process.
const GAP: Duration = Duration::from_millis(1100);

/// Longest wait for a turn: far more than the few messages that certwatch ever has at once.
const LONGEST: Duration = Duration::from_secs(60);

/// When the next post may begin.
static NEXT: Mutex<Option<Instant>> = Mutex::new(None);

/// Waits for this post's turn.
///
/// # Errors
/// Too many others are waiting.
pub(super) async fn wait(endpoint: &Endpoint) -> Result<(), Failure> {
    let turn = {
        // Nothing can break between the two lines that hold the lock.
        let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
        turn(&mut next, Instant::now())
    };
    let Some(turn) = turn else {
        return Err(endpoint.transient("has too many messages of this node waiting"));
    };
    tokio::time::sleep_until(turn.into()).await;
    Ok(())
}

/// The moment of the next turn, which is taken by this.
fn turn(next: &mut Option<Instant>, now: Instant) -> Option<Instant> {
    let turn = next.map_or(now, |next| next.max(now));
    if turn - now > LONGEST {
        return None;
    }
    *next = Some(turn + GAP);
    Some(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_apart_and_end() {
        let (mut next, now) = (None, Instant::now());
        assert_eq!(turn(&mut next, now), Some(now));
        assert_eq!(turn(&mut next, now), Some(now + GAP));
        assert_eq!(turn(&mut next, now + GAP * 9), Some(now + GAP * 9));
        let taken = std::iter::from_fn(|| turn(&mut next, now)).take(1000).count();
        assert!((40..60).contains(&taken), "{taken}");
    }
}
