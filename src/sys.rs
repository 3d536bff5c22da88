//! The machine: clock, name, terminal.

use std::io::{self, IsTerminal, Stdout};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::domain::time::{Span, UnixTime};
use crate::fs::read;

/// Most bytes of /etc/passwd that are read.
const MAX_PASSWD: u64 = 4 << 20;

/// The wall clock, in whole seconds.
pub fn now() -> UnixTime {
    unix_time(SystemTime::now())
}

/// When something began that did so `ticks` of the clock after boot, by a clock that says `now`; give or take a second.
/// The btime of /proc/stat would be simpler, but a sandbox with ProcSubset=pid hides it.
pub(crate) fn after_boot(ticks: u64, now: UnixTime) -> Option<UnixTime> {
    let seconds = i64::try_from(ticks / rustix::param::clock_ticks_per_second()).ok()?;
    let boot = now - Span::seconds(clock_gettime(ClockId::Boottime).tv_sec);
    Some(boot + Span::seconds(seconds))
}

/// A time of the operating system's, in whole seconds.
pub(crate) fn unix_time(time: SystemTime) -> UnixTime {
    let seconds = |length: std::time::Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    UnixTime::new(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    })
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The number of a user of this host (passwd(5)); users of a directory service are not asked for.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    users().find(|(known, _)| known == name).map(|(_, uid)| uid)
}

/// The name of a user of this host.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    users().find(|(_, known)| *known == uid).map(|(name, _)| name)
}

fn users() -> impl Iterator<Item = (String, u32)> {
    // Without it, nobody has a name.
    let text = read::start("/etc/passwd", MAX_PASSWD).unwrap_or_default();
    let text = String::from_utf8(text).unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.contains(crate::domain::text::is_unsafe))?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(user).collect::<Vec<_>>().into_iter()
}

/// Keeps this process out of core dumps and debuggers: it has read files that hold keys.
pub(crate) fn forbid_dumps() {
    // Where the kernel refuses, nothing is lost but the extra caution.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// A descriptor of the kernel's for the loop to wait on. Only within a tokio runtime.
///
/// # Errors
/// The loop cannot wait on it.
#[expect(
    deprecated,
    reason = "its successor is `unsafe`, because the type of the descriptor could \
    be any: this one is owned, so that it stays open and the same for as long as it is registered"
)]
pub(crate) fn waitable(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

/// Columns of the terminal that standard output is; `None` if it is none.
pub(crate) fn terminal_width(stdout: &Stdout) -> Option<usize> {
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(stdout).map_or(0, |size| size.ws_col);
    Some(if columns == 0 { 80 } else { usize::from(columns) })
}

/// True if a terminal wants colours (no-color.org).
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    stream.is_terminal() && !is_dumb && !is_set("NO_COLOR")
}

/// Any number, to spread what many nodes would do at the same moment.
pub(crate) fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness all would throw the same, and nothing worse happens.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u32::from_ne_bytes(bytes)
}
