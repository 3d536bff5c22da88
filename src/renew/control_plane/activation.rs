//! Makes a component use the files on disk, and proves that it does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::wait::{EVERY, wait};
use crate::domain::renewal::restart::{
    APPEARS, KUBELET_AND_RUNTIME, PEERS, RestartOptions, SETTLES,
};
use crate::domain::renewal::{Component, Fault, FaultKind};
use crate::domain::time::UnixTime;
use crate::node::ControlPlane;
use crate::node::pod::Pod;
use crate::node::{container_log, process};

impl ControlPlane {
    /// Makes a component use the files on disk, and gives one sentence of evidence that it does. What is
    /// live already is proved at once.
    ///
    /// Takes at most 90 s without a restart, 8 min with patience, and 25 min with a restart; longer where the API
    /// server is told to drain.
    ///
    /// # Errors
    /// [`FaultKind::NotTaken`] if it was not restarted and is well, but does not use the new files;
    /// [`FaultKind::Failed`] otherwise.
    pub fn activate(&self, component: Component, options: RestartOptions) -> Result<String, Fault> {
        let pod = self.pod(component)?;
        let Some(since) = options.restart else {
            let proof = self.await_proof(pod, options);
            return proof.map_err(|why| self.not_proved(pod, &why));
        };
        if !self.is_restarted(pod, since)? && !self.is_started_by_itself(pod, since)? {
            if options.wait_for_peers && matches!(component, Component::Etcd | Component::Apiserver)
            {
                wait(PEERS, || self.peers_are_well()).map_err(Fault::failed)?;
            }
            if options.wait_for_kubelet_and_runtime && process::find(component)?.is_some() {
                self.await_kubelet_and_runtime()?;
            }
            match self.partner(options, since)? {
                Some(partner) => self.restart_together(pod, partner)?,
                None => self.restart(pod)?,
            }
        }
        wait(SETTLES, || self.proof(pod, options))
            .map_err(|why| Fault { kind: FaultKind::Failed, ..self.not_proved(pod, &why) })
    }

    /// The evidence that a component uses the files on disk and is well, without waiting for it.
    ///
    /// # Errors
    /// As [`Self::activate`].
    pub fn verify(&self, component: Component) -> Result<String, Fault> {
        let pod = self.pod(component)?;
        self.proof(pod, RestartOptions::default()).map_err(|why| self.not_proved(pod, &why))
    }

    /// Waits up to a minute for the kubelet and the container runtime, which alone start again what ends.
    ///
    /// # Errors
    /// One of them does not answer.
    pub(crate) fn await_kubelet_and_runtime(&self) -> Result<(), Fault> {
        wait(KUBELET_AND_RUNTIME, || self.kubelet_and_runtime_are_well()).map_err(Fault::failed)
    }

    fn not_proved(&self, pod: &Pod, why: &str) -> Fault {
        let component = pod.component;
        match self.health(pod) {
            Ok(()) => Fault::not_taken(format!(
                "{component} is healthy, but not proved to use the new certificates: {why}"
            )),
            Err(ill) => Fault::failed(format!(
                "{component} is not healthy: {ill} ({why}); see its log in /var/log/pods/kube-system_{component}-*"
            )),
        }
    }

    fn is_restarted(&self, pod: &Pod, since: UnixTime) -> Result<bool, Fault> {
        let Some(process) = process::find(pod.component)? else { return Ok(false) };
        // `since` may have begun up to a second later than it says.
        let is_after = process.started_at() > since;
        Ok(is_after && self.is_younger(pod, &process).is_ok())
    }

    /// What does not run, or cannot be found, has its own turn.
    fn partner(&self, options: RestartOptions, since: UnixTime) -> Result<Option<&Pod>, Fault> {
        let Some(component) = options.together_with else { return Ok(None) };
        let partner = self.pod(component)?;
        let is_old = matches!(process::find(component), Ok(Some(_)))
            && !self.is_restarted(partner, since)?;
        Ok(is_old.then_some(partner))
    }

    fn await_proof(&self, pod: &Pod, options: RestartOptions) -> Result<String, String> {
        let begun = Instant::now();
        loop {
            let proof = self.proof(pod, options);
            if proof.is_ok() || begun.elapsed() >= options.proof_limit(age(pod)) {
                return proof;
            }
            sleep(EVERY);
        }
    }

    /// One that does not run may be about to: on a node that boots, and after a kubelet's restart.
    fn is_started_by_itself(&self, pod: &Pod, since: UnixTime) -> Result<bool, Fault> {
        if process::find(pod.component)?.is_some() {
            return Ok(false);
        }
        let held_back = container_log::held_back(pod.component, None).as_seconds();
        let limit = APPEARS + Duration::from_secs(held_back.unsigned_abs());
        let found = wait(limit, || match process::find(pod.component) {
            Ok(None) => Err(String::new()),
            _ => Ok(()),
        });
        if found.is_err() { Ok(false) } else { self.is_restarted(pod, since) }
    }
}

/// Since when its process runs, if one does. Of several, none has just been started.
fn age(pod: &Pod) -> Option<Duration> {
    match process::find(pod.component) {
        Ok(process) => Some(process?.started().elapsed().unwrap_or(Duration::MAX)),
        Err(_) => Some(Duration::MAX),
    }
}
