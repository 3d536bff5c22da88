//! Ends a component, and waits until the kubelet has started it again.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::termination::Termination;
use super::wait::wait;
use super::{parked_manifest, put_manifests_back};
use crate::domain::renewal::restart::{LEAVES, NOTICED, STARTS};
use crate::domain::renewal::{Component, Fault};
use crate::node::ControlPlane;
use crate::node::pod::Pod;
use crate::node::process::{self, Process};

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
