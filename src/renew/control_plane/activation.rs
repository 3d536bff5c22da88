//! Makes a component use the files on disk, and proves that it does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::pod::Pod;
use super::restart::STARTS;
use super::wait::{EVERY, wait};
use super::{ControlPlane, container_log, process};
use crate::domain::renewal::{Component, Fault, FaultKind};
use crate::domain::time::UnixTime;

/// Longest time in which a component takes up new files by itself; the API server looks each minute.
const TAKES_UP: Duration = Duration::from_secs(90);

/// Longest time that other control planes are waited for: a restart there takes as long as one here.
const PEERS: Duration = Duration::from_secs(300);

/// Longest time that the kubelet and the container runtime are waited for before something ends that nobody
/// else starts again: they may just be restarted.
const KUBELET_AND_RUNTIME: Duration = Duration::from_secs(60);

/// How long one that does not run, and is not held back, is given to be started by a kubelet that looks every 20 s.
const APPEARS: Duration = Duration::from_secs(45);

/// How long a process counts as one that has just been started: an etcd waits for its peers.
const YOUNG: Duration = Duration::from_secs(180);

/// Longest time from the start of the process to its proof: the API server may take a minute to be
/// ready, and a leader is followed after 15 s.
const SETTLES: Duration = Duration::from_secs(120);

/// With which care a component is made to use its files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestartOptions {
    /// It is restarted, unless it has started after this moment and after its files were put there: so the
    /// moment at which the renewal began makes this safe to be asked for twice, after a crash.
    pub restart: Option<UnixTime>,
    /// Before a restart, etcd and the API server wait until they are well on the other control planes: those
    /// are of the same age, and their certwatch may be at work in the same minute.
    pub wait_for_peers: bool,
    /// Nothing is ended while the kubelet or the container runtime does not answer: nobody would start it again. In a
    /// rescue a kubelet may not say how it is.
    pub wait_for_kubelet_and_runtime: bool,
    /// What is restarted in the same outage, if it has not been yet: the API server with its etcd.
    pub together_with: Option<Component>,
    /// The API server has to reach this node's kubelet.
    pub reaches_kubelet: bool,
    /// What does not run, or has just been started, gets the time of a restart: the node may have booted a
    /// moment ago, or its kubelet hold the component back.
    pub is_patient: bool,
}

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
        let is_after = super::unix_time(process.started()) > since;
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
            let limit =
                if options.is_patient && is_starting(pod) { STARTS + SETTLES } else { TAKES_UP };
            if proof.is_ok() || begun.elapsed() >= limit {
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

fn is_starting(pod: &Pod) -> bool {
    match process::find(pod.component) {
        Ok(None) => true,
        Ok(Some(process)) => process.started().elapsed().is_ok_and(|age| age < YOUNG),
        Err(_) => false,
    }
}
