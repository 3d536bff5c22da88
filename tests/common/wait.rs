//! Waiting for something, with a generous end.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far more than anything here takes: only a failure waits so long.
pub const LONG: Duration = Duration::from_secs(90);

/// Looks until there is what is waited for; otherwise fails with what was there instead.
pub fn until<T, E: Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + LONG;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < end, "no {what}, but {instead:#?}"),
        }
        sleep(Duration::from_millis(10));
    }
}
