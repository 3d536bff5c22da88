//! Waiting for the kubelet: it is asked again and again.

use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(200);

/// What `probe` gives, asked again and again until `limit` has passed; at least once.
pub(super) fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() > limit {
            return None;
        }
        sleep(PAUSE);
    }
}
