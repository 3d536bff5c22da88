//! The programs of Kubernetes that run outside of pods, with their flags.

use std::path::Path;

use crate::domain::reference;
use crate::parse::manifest::StaticPod;
use crate::parse::process::{self, ProcessOwner};

use super::host::Host;

/// The components that root runs on the node itself.
pub(super) fn processes(host: &Host) -> Vec<StaticPod> {
    let entries = host.list(Path::new("/proc")).unwrap_or_default();
    let pids = entries.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| process(host, pid)).collect()
}

fn process(host: &Host, pid: u32) -> Option<StaticPod> {
    let read = |name: &str| host.read_proc(&Path::new("/proc").join(pid.to_string()).join(name));
    let comm = read("comm")?;
    let program = reference::PROGRAMS.iter().find(|name| process::is_called(&comm, name))?;
    let (status, cgroup) = (read("status")?, read("cgroup")?);
    let is_nodes = process::owner(&status, &cgroup) == ProcessOwner::Root;
    if !is_nodes || !process::is_large_enough(&status) {
        return None;
    }
    let cmdline = read("cmdline")?;
    let words = cmdline.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words = words.map(|word| String::from_utf8_lossy(word).into_owned()).skip(1);
    Some(StaticPod::of_process([(*program).to_owned()].into_iter().chain(words).collect()))
}
