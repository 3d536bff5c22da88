//! What the service manager is told. Without one (`$NOTIFY_SOCKET`), nothing happens.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Once;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::domain::text::escape_control;

/// Longest wait for a service manager whose queue is full.
const LIMIT: Duration = Duration::from_millis(500);

/// The first scan is done: the unit is active from now on. Also after [`reloading`].
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line for `systemctl status`, cut to 256 characters.
pub(crate) fn status(line: &str) {
    // A line break would begin another assignment.
    tell(&[NotifyState::Status(&escape_control(line))]);
}

/// The configuration is being read again; [`ready`] says that this is over.
pub(crate) fn reloading() {
    // systemd 253 and later want to know since when.
    match NotifyState::monotonic_usec_now() {
        Ok(since) => tell(&[NotifyState::Reloading, since]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The daemon is alive: its loop turns and its scans end. For its main loop alone: a thread of its own would
/// say so for a dead loop.
pub(crate) fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] has to be called, half of what the unit allows; `None` if it need not.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    // Zero would mean all the time, and systemd never sets it.
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| limit / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    // Once: with a watchdog it would be said every few seconds.
    static WARNED: Once = Once::new();
    if let Err(error) = send(states) {
        WARNED.call_once(|| {
            tracing::warn!(%error, "cannot notify the service manager");
        });
    }
}

/// Sends, and waits no longer than [`LIMIT`]: a manager that does not listen must not stop the loop.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let to = match to.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&to)?,
    };
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(LIMIT))?;
    socket.send_to_addr(text.as_bytes(), &to).map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// This program with an environment of its own, running one of the tests ignored otherwise.
    fn child(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("systemd::tests::{test}"), "--ignored"]);
        for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
            command.env_remove(name);
        }
        command
    }

    #[test]
    #[ignore = "the child of the next one"]
    fn child_tells_everything() {
        ready();
        status("14 certificates\nREADY=0");
        reloading();
        watchdog();
        stopping();
    }

    #[test]
    fn the_service_manager_hears_what_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let told = child("child_tells_everything").env("NOTIFY_SOCKET", &path).status().unwrap();
        assert!(told.success());
        let heard = || {
            let mut bytes = [0; 1024];
            let length = socket.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        assert_eq!(heard(), "READY=1\n");
        assert_eq!(heard(), "STATUS=14 certificates\\u{a}READY=0\n");
        let reloading = heard();
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since.trim_end().parse::<u64>().unwrap() > 0);
        assert_eq!(heard(), "WATCHDOG=1\n");
        assert_eq!(heard(), "STOPPING=1\n");
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        assert!(child("child_tells_everything").status().unwrap().success());
        let gone = child("child_tells_everything").env("NOTIFY_SOCKET", "/nonexistent").status();
        assert!(gone.unwrap().success());
    }

    #[test]
    #[ignore = "the child of the next one"]
    fn child_has_a_watchdog_of_five_seconds() {
        assert_eq!(watchdog_interval(), Some(Duration::from_millis(2500)));
    }

    #[test]
    #[ignore = "the child of the next one"]
    fn child_has_no_watchdog() {
        assert_eq!(watchdog_interval(), None);
    }

    #[test]
    fn the_watchdog_is_for_this_process_alone() {
        let check = |test: &str, usec: &str, pid: Option<&str>| {
            let mut child = child(test);
            child.env("WATCHDOG_USEC", usec);
            if let Some(pid) = pid {
                child.env("WATCHDOG_PID", pid);
            }
            assert!(child.status().unwrap().success(), "{usec} {pid:?}");
        };
        check("child_has_a_watchdog_of_five_seconds", "5000000", None);
        check("child_has_no_watchdog", "5000000", Some("1"));
        check("child_has_no_watchdog", "0", None);
        check("child_has_no_watchdog", "soon", None);
        assert!(child("child_has_no_watchdog").status().unwrap().success());
    }
}
