//! The service manager's end of the socket on which a daemon tells how it is.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::stage::Stage;
use super::wait;

pub struct Manager {
    socket: UnixDatagram,
    pub heard: Vec<String>,
}

impl Manager {
    pub fn of(stage: &Stage) -> Self {
        let socket = UnixDatagram::bind(stage.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, heard: Vec::new() }
    }

    pub fn hear(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            self.heard.extend(text.lines().map(ToOwned::to_owned));
        }
    }

    /// Waits for a line that begins so, at or after the line `from`; its number.
    pub fn wait_for(&mut self, begin: &str, from: usize) -> usize {
        wait::until(begin, || {
            self.hear();
            let found = self.heard.iter().skip(from).position(|line| line.starts_with(begin));
            found.map(|at| at + from).ok_or_else(|| self.heard.clone())
        })
    }
}
