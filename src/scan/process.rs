//! Running API servers: each has made a certificate in its memory that no file shows.

use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use crate::domain::model::{Content, Entry, Item, Loopback, Place};
use crate::domain::role;
use crate::domain::time::{Span, UnixTime};
use crate::parse::manifest;
use crate::parse::process::started_after_boot;

use super::host::Host;

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

fn lifetime(host: &Host) -> Span {
    let manifest = host.read(Path::new(MANIFEST), false).ok();
    let version = manifest.as_deref().and_then(manifest::version);
    Loopback::lifetime_in(version.map(|version| (version.0, version.1)))
}
