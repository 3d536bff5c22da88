//! Ends a component, and waits until the kubelet has started it again.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::pod::Pod;
use super::process::{self, Process};
use super::termination::Termination;
use super::wait::wait;
use super::{ControlPlane, parked_manifest, put_manifests_back};
use crate::domain::renewal::{Component, Fault};

/// Longest time from a manifest's going to the end of the process: the kubelet may look only every
/// 20 s, and waits the pod's grace period of 30 s before SIGKILL.
const LEAVES: Duration = Duration::from_secs(120);

/// How long a manifest stays away whose pod does not run, so that the kubelet sees it gone.
const NOTICED: Duration = Duration::from_secs(30);

/// Longest time until the kubelet starts it again: its back-off ends at 5 min.
pub(super) const STARTS: Duration = Duration::from_secs(330);

/// A component that has ended.
struct StoppedComponent {
    component: Component,
    old: Option<Process>,
}

impl ControlPlane {
    pub(super) fn restart(&self, pod: &Pod) -> Result<(), Fault> {
        self.end(pod)?.await_next()
    }

    /// Both in one outage: without its etcd an API server serves nobody. The API server ends first: its requests in
    /// flight need etcd, and an etcd that is told to end waits 7 s for the watches of an API server.
    pub(super) fn restart_together(&self, etcd: &Pod, apiserver: &Pod) -> Result<(), Fault> {
        let ended = self.end(apiserver)?;
        self.restart(etcd)?;
        ended.await_next()
    }

    fn end(&self, pod: &Pod) -> Result<StoppedComponent, Fault> {
        let old = process::find(pod.component)?;
        let begun = old.map(|old| Termination::begin(&old, pod.grace(), pod.listener()));
        let has_ended = match begun {
            Some(Ok(termination)) => termination.finish(),
            Some(Err(error)) => error == Errno::SRCH,
            None => false,
        };
        if !has_ended {
            self.move_manifest(pod, old)?;
        }
        Ok(StoppedComponent { component: pod.component, old })
    }

    /// The way for what cannot be signalled, does not end, or does not run: the kubelet stops a pod
    /// whose manifest is gone, and makes it anew when that is back.
    fn move_manifest(&self, pod: &Pod, old: Option<Process>) -> Result<(), Fault> {
        let component = pod.component;
        parked_manifest::move_away(&self.paths, component)?;
        let at_least = if old.is_some() { Duration::ZERO } else { NOTICED };
        let moved = Instant::now();
        let gone = wait(LEAVES, || match process::find(component) {
            Ok(None) if moved.elapsed() >= at_least => Ok(()),
            Ok(_) => Err(format!(
                "{component} did not stop within {} s, neither on a signal nor without its manifest, which is \
                 back in place; see `journalctl -u kubelet`",
                LEAVES.as_secs()
            )),
            Err(fault) => Err(fault.what),
        });
        put_manifests_back(&self.paths)?;
        gone.map_err(Fault::failed)
    }
}

impl StoppedComponent {
    fn await_next(&self) -> Result<(), Fault> {
        let Self { component, old } = *self;
        let started = wait(STARTS, || match process::find(component) {
            Ok(new) if new.is_some() && new != old => Ok(()),
            Ok(_) => Err(format!(
                "the kubelet did not start {component} again within {} s; see `journalctl -u kubelet`",
                STARTS.as_secs()
            )),
            Err(fault) => Err(fault.what),
        });
        started.map_err(Fault::failed)
    }
}
