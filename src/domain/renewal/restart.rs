//! A restart: with which care it is made, and how long each part of it is waited for.

use std::time::Duration;

use crate::domain::time::UnixTime;

use super::Component;

/// Longest time in which a component takes up new files by itself; the API server looks each minute.
const TAKES_UP: Duration = Duration::from_secs(90);

/// Longest time that other control planes are waited for: a restart there takes as long as one here.
pub(crate) const PEERS: Duration = Duration::from_secs(300);

/// Longest time that the kubelet and the container runtime are waited for before something ends that nobody
/// else starts again: they may just be restarted.
pub(crate) const KUBELET_AND_RUNTIME: Duration = Duration::from_secs(60);

/// How long one that does not run, and is not held back, is given to be started by a kubelet that looks every 20 s.
pub(crate) const APPEARS: Duration = Duration::from_secs(45);

/// Longest time from a manifest's going to the end of the process: the kubelet may look only every
/// 20 s, and waits the pod's grace period of 30 s before SIGKILL.
pub(crate) const LEAVES: Duration = Duration::from_secs(120);

/// How long a manifest stays away whose pod does not run, so that the kubelet sees it gone.
pub(crate) const NOTICED: Duration = Duration::from_secs(30);

/// Longest time until the kubelet starts it again: its back-off ends at 5 min.
pub(crate) const STARTS: Duration = Duration::from_secs(330);

/// Longest time from the start of the process to its proof: the API server may take a minute to be
/// ready, and a leader is followed after 15 s.
pub(crate) const SETTLES: Duration = Duration::from_secs(120);

/// How long a process counts as one that has just been started: an etcd waits for its peers.
const YOUNG: Duration = Duration::from_secs(180);

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

impl RestartOptions {
    /// How long a component that is not restarted is given to be proved to use its files. `age` is its process's, if one
    /// runs.
    pub(crate) fn proof_limit(&self, age: Option<Duration>) -> Duration {
        let is_starting = age.is_none_or(|age| age < YOUNG);
        if self.is_patient && is_starting { STARTS + SETTLES } else { TAKES_UP }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patience_with_what_starts_waits_for_long() {
        let options = |is_patient| RestartOptions { is_patient, ..RestartOptions::default() };
        for (is_patient, age, limit) in [
            (true, None, STARTS + SETTLES),
            (true, Some(YOUNG - Duration::from_secs(1)), STARTS + SETTLES),
            (true, Some(YOUNG), TAKES_UP),
            (false, None, TAKES_UP),
            (false, Some(Duration::ZERO), TAKES_UP),
        ] {
            assert_eq!(options(is_patient).proof_limit(age), limit, "{is_patient} {age:?}");
        }
    }
}
