//! Whether the kubelet is well, asked again and again.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(200);

/// One attempt to reach the kubelet.
const ATTEMPT: Duration = Duration::from_secs(2);

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
    health(address).is_ok_and(|answer| answer.starts_with(b"HTTP/1.") && &answer[8..] == b" 200")
}

/// The first line of its answer, as far as the status.
fn health(address: SocketAddr) -> io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
