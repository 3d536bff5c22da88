//! What follows the proof: each part has one turn, and what fails is told and undoes nothing.

use crate::domain::renewal::hook::HookRun;
use crate::domain::renewal::other_pod::OtherPod;
use crate::domain::renewal::{Journal, Outcome, SideResult, Step};

impl Journal {
    /// The next part whose turn it is.
    pub(super) fn after_proof(&self) -> Step {
        let is_next =
            |pod: &_| matches!(pod, OtherPod { restart: true, result: SideResult::Pending, .. });
        if let Some(index) = self.other_pods.iter().position(is_next) {
            return Step::RestartPod(index);
        }
        if !self.copies.is_empty() && !matches!(self.step, Step::Copies | Step::Hook(_)) {
            return Step::Copies;
        }
        let is_next = |run: &HookRun| run.result == SideResult::Pending;
        self.hooks.iter().position(is_next).map_or(Step::CleanUp(Outcome::Renewed), Step::Hook)
    }

    /// Notes how the present step ended, if it is such a part.
    pub(super) fn note_side(&mut self, result: SideResult) {
        let slot = match self.step {
            Step::RestartPod(index) => self.other_pods.get_mut(index).map(|pod| &mut pod.result),
            Step::Hook(index) => self.hooks.get_mut(index).map(|run| &mut run.result),
            _ => None,
        };
        if let Some(slot) = slot {
            *slot = result;
        }
    }

    /// Other pods that use, or may use, what was there before.
    pub(crate) fn pods_left(&self) -> impl Iterator<Item = &OtherPod> {
        let is_new = matches!(self.outcome(), Some(Outcome::Renewed | Outcome::PartiallyApplied));
        self.other_pods.iter().filter(move |pod| is_new && pod.is_left())
    }

    /// True if the renewal itself is done, and something that was asked for beside it is not.
    pub(crate) fn has_failed_part(&self) -> bool {
        self.other_pods.iter().any(|pod| pod.result == SideResult::Failed)
            || self.failed_hooks().next().is_some()
    }

    /// Hooks that have failed.
    pub(crate) fn failed_hooks(&self) -> impl Iterator<Item = &HookRun> {
        self.hooks.iter().filter(|run| run.result == SideResult::Failed)
    }
}
