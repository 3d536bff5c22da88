//! Restarts a static pod that is no component, so that it uses the new files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

use super::wait::wait;
use crate::domain::renewal::Fault;
use crate::domain::renewal::other_pod::OtherPod;
use crate::domain::renewal::restart::STARTS;
use crate::node::other_pods::{self, OtherManifest, newest};
use crate::node::process::{Ending, Process};

/// How long the kernel may take to end what was killed.
const DIES: Duration = Duration::from_secs(10);

/// What runs for so long has not failed at its start.
const STAYS: Duration = Duration::from_secs(3);

/// Ends what has started before `files` were put where they are, container by container, and waits until the kubelet has
/// started it again. Gives one sentence of what was done.
///
/// # Errors
/// It cannot be found or ended, or does not come back.
pub(crate) fn restart(
    kubernetes: &Path,
    pod: &OtherPod,
    files: &[PathBuf],
) -> Result<String, Fault> {
    let name = &pod.name;
    let manifests = other_pods::read(kubernetes);
    let manifest = manifests.iter().find(|it| it.name == *name);
    let manifest = manifest.ok_or_else(|| {
        Fault::failed(format!("the static pod {name} was not restarted: its manifest is gone"))
    })?;
    if !manifest.always_restarts() {
        return Err(Fault::failed(format!(
            "the static pod {name} was not restarted: by its restartPolicy the kubelet would not start it again"
        )));
    }
    let since = newest(files).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_old = |it: &&Process| it.started() <= since;
    let running = processes(manifest);
    let old: Vec<Process> = running.iter().filter(is_old).copied().collect();
    if old.is_empty() {
        return Ok(match running.len() {
            0 => {
                format!("the static pod {name} does not run: it uses the new files once it starts")
            }
            _ => format!("the static pod {name} has started after the files were installed"),
        });
    }
    end(manifest, &old)?;
    await_next(manifest, files, &old, running.len())?;
    Ok(format!("the static pod {name} was restarted and uses the new files"))
}

fn processes(manifest: &OtherManifest) -> Vec<Process> {
    manifest.running().map(|it| it.processes).unwrap_or_default()
}

/// SIGTERM to all at once, and SIGKILL to what is left when the pod's time is over.
fn end(manifest: &OtherManifest, old: &[Process]) -> Result<(), Fault> {
    let name = &manifest.name;
    let mut endings: Vec<Ending> = Vec::new();
    for process in old {
        match process.terminate() {
            Ok(ending) => endings.push(ending),
            Err(Errno::SRCH) => {}
            Err(error) => {
                return Err(Fault::failed(format!(
                    "the static pod {name} cannot be told to end: {}",
                    std::io::Error::from(error)
                )));
            }
        }
    }
    let told = Instant::now();
    let has_ended = |ending: &Ending| {
        if ending.wait(manifest.grace().saturating_sub(told.elapsed())) {
            return true;
        }
        ending.kill();
        ending.wait(DIES)
    };
    if endings.iter().all(has_ended) {
        return Ok(());
    }
    Err(Fault::failed(format!("the static pod {name} does not end, not even on SIGKILL")))
}

/// As many containers as before, none of them old. What begins a container has processes of its own for a moment, and
/// a container that fails has one again and again: only what stays for a while counts.
fn await_next(
    manifest: &OtherManifest,
    files: &[PathBuf],
    old: &[Process],
    count: usize,
) -> Result<(), Fault> {
    let name = &manifest.name;
    let stays = |it: &&Process| it.started().elapsed().is_ok_and(|age| age >= STAYS);
    let next = wait(STARTS, || match processes(manifest) {
        new if new.iter().filter(stays).count() >= count
            && !new.iter().any(|it| old.contains(it)) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "the static pod {name} was ended, and does not run again within {} s; see `journalctl -u kubelet` and \
             /var/log/pods/{}_{name}-*",
            STARTS.as_secs(),
            manifest.namespace()
        )),
    });
    next.map_err(Fault::failed)?;
    let is_stale = |running| files.iter().any(|file| manifest.is_stale(file, &running));
    if manifest.running().is_some_and(is_stale) {
        return Err(Fault::failed(format!(
            "the static pod {name} was restarted, and still has an old file mounted"
        )));
    }
    Ok(())
}
