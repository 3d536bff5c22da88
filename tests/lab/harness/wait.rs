use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first `Some` of `probe`, asked every 200 ms. Panics with `what` when `deadline` passes first.
#[track_caller]
pub(crate) fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        sleep(Duration::from_millis(200));
    }
}
