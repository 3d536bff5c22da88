//! Whether the kubelet is well, asked again and again.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::http::{Client, ClientOptions, Request, Trust};

const PAUSE: Duration = Duration::from_millis(200);

/// One attempt to reach the kubelet.
const ATTEMPT: Duration = Duration::from_secs(2);

/// It says `ok`.
const MAX_BODY: u64 = 1 << 10;

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

/// True if the kubelet says that it is well, at its `healthzPort`.
pub(super) fn is_healthy(address: SocketAddr) -> bool {
    let client = Client::new(ClientOptions {
        trust: Trust::Anyone,
        identity: None,
        proxy: None,
        timeout: ATTEMPT,
        max_body: MAX_BODY,
    });
    let url = format!("http://{address}/healthz");
    client.send(&Request::get(&url)).is_ok_and(|answer| answer.status == 200)
}
