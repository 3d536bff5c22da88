//! Running API servers: each has made a certificate in its memory that no file shows.

use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use crate::domain::model::{Content, Entry, Item, Loopback, Place};
use crate::domain::role;
use crate::domain::time::{Span, UnixTime};
use crate::parse::manifest::{self, Version};

use super::host::Host;

/// From this version on the loopback certificate lives three years (kubernetes/kubernetes#130047,
/// whose release note says 14 months, against its code); one year before.
const THREE_YEARS_SINCE: Version = Version(1, 33);

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// One item for each kube-apiserver that runs on the host.
pub(super) fn api_servers(host: &Host, now: UnixTime) -> Vec<Item> {
    let Ok(processes) = host.list(Path::new("/proc")) else { return Vec::new() };
    let pids = processes.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, started(host, pid, now)?)))
        .map(|(pid, started)| Item {
            place: Place::new(Path::new("kube-apiserver"), Entry::Process(pid)),
            role: &role::LOOPBACK,
            content: Content::Loopback(Loopback { started, lifetime: lifetime(host) }),
            has_key: None,
        })
        .collect()
}

/// When the process started, if it is a kube-apiserver.
fn started(host: &Host, pid: u32, now: UnixTime) -> Option<UnixTime> {
    let read = |name: &str| host.read_proc(&Path::new("/proc").join(pid.to_string()).join(name));
    if read("comm")?.trim_ascii() != b"kube-apiserver" {
        return None;
    }
    let seconds_after_boot =
        started_after_boot(&read("stat")?)? / rustix::param::clock_ticks_per_second();
    // /proc/stat's btime would be simpler, but a sandbox with ProcSubset=pid hides it.
    let boot = now - Span::seconds(clock_gettime(ClockId::Boottime).tv_sec);
    Some(boot + Span::seconds(i64::try_from(seconds_after_boot).ok()?))
}

/// Field 22 of /proc/PID/stat, in clock ticks (proc(5)); the name in field 2 may hold anything.
fn started_after_boot(stat: &[u8]) -> Option<u64> {
    let after_name = stat.rsplit(|byte| *byte == b')').next()?;
    let fields = std::str::from_utf8(after_name).ok()?;
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// An unknown version counts as an old one: too early a warning does no harm.
fn lifetime(host: &Host) -> Span {
    let manifest = host.read(Path::new(MANIFEST), false).ok();
    match manifest.as_deref().and_then(manifest::version) {
        Some(version) if version >= THREE_YEARS_SINCE => Span::days(3 * 365),
        _ => Span::days(365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_shift_the_fields() {
        let stat = b"7 (a) 9 (b)) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 10 20";
        assert_eq!(started_after_boot(stat), Some(4242));
        assert_eq!(started_after_boot(b""), None);
    }
}
