//! Running API servers: each has made a certificate in its memory that no file shows.
//!
//! It presents it to who asks for it. Where it cannot be asked, its start says when the certificate must end; but the kernel
//! counts that from the boot, and where the clock was set since, or the machine was suspended unnoticed, it moves with the clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::domain::kubernetes::Version;
use crate::domain::model::{Content, Entry, Item, Loopback, Place, Reason};
use crate::domain::role;
use crate::domain::time::UnixTime;
use crate::node::handshake;
use crate::parse::manifest::StaticPod;
use crate::parse::process::{self, ProcessOwner};
use crate::sys;

use super::host::Host;
use super::references::NodeReferences;

/// One item for each kube-apiserver of this node: a static pod's, or root's outside of pods. A process of that name in
/// somebody's pod, such as a virtual cluster's, is not this node's, and neither is a user's. Where that cannot be told,
/// the item says so.
pub(super) fn api_servers(
    host: &Host,
    references: &NodeReferences,
    asks: bool,
    now: UnixTime,
) -> Vec<Item> {
    let Ok(processes) = host.list(Path::new("/proc")) else { return Vec::new() };
    let pids = processes.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    let version = references.version;
    let mut items: Vec<Item> = pids
        .filter_map(|pid| Some((pid, api_server(host, version, pid, now)?)))
        .map(|(pid, content)| {
            let place = Place::new(Path::new("kube-apiserver"), Entry::Process(pid));
            Item::new(place, role::loopback(version), content)
        })
        .collect();
    // Of several, nobody knows which one answers.
    if let ([Item { content: Content::Loopback(loopback), .. }], Some(pod)) =
        (&mut items[..], &references.api_server)
        && asks
    {
        let presented = handshake::loopback_not_after(address(pod));
        loopback.not_after = presented.unwrap_or(loopback.not_after);
    }
    items
}

/// Where this node's API server listens, by its flags.
fn address(pod: &StaticPod) -> SocketAddr {
    let ip: Option<IpAddr> = pod.flag("bind-address").and_then(|text| text.parse().ok());
    let ip = ip.filter(|ip| !ip.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into());
    let port = pod.flag("secure-port").and_then(|text| text.parse().ok()).unwrap_or(6443);
    SocketAddr::new(ip, port)
}

/// What there is to say of a process, if it is called as the API server is and may be this node's. Its executable is not
/// asked for: the service may not read it, and `check` by root is to say the same.
fn api_server(host: &Host, version: Option<Version>, pid: u32, now: UnixTime) -> Option<Content> {
    let read = |name: &str| host.read_proc(&Path::new("/proc").join(pid.to_string()).join(name));
    if !process::is_called(&read("comm")?, "kube-apiserver") {
        return None;
    }
    let (status, cgroup) = (read("status")?, read("cgroup")?);
    match process::owner(&status, &cgroup) {
        ProcessOwner::Container | ProcessOwner::Other => None,
        ProcessOwner::Root | ProcessOwner::Unknown if !process::is_large_enough(&status) => None,
        ProcessOwner::Unknown => {
            let cgroup = process::cgroup(&cgroup).into_boxed_str();
            Some(Content::Problem(Reason::UnknownOwner(cgroup)))
        }
        ProcessOwner::Root | ProcessOwner::StaticPod => {
            let ticks = process::started_after_boot(&read("stat")?)?;
            let started = sys::after_boot(ticks, now)?;
            Some(Content::Loopback(Loopback::of_process(started, version)))
        }
    }
}
