//! What a crash has left, and how it is repaired.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::domain::renewal::{Component, Fault, Journal, Step};
use crate::sys;

use super::{Renewer, StepObserver};
use crate::node::NodePaths;
use crate::renew::control_plane::put_manifests_back;
use crate::renew::tree::{backup, pairs, stage};

/// How long a kubeadm may go on whose certwatch was killed: it renews ten certificates in two seconds, on a busy machine
/// in more. One that is not ours may go on for longer.
const ORPHAN: Duration = Duration::from_secs(15);
const ORPHAN_LOOK: Duration = Duration::from_millis(100);

impl Renewer {
    /// Repairs what a crash has left, whether or not there is a journal of it: manifests that were moved away go back at
    /// once, a renewal that was interrupted is brought to its end, keys and certificates that do not match are replaced
    /// by halves that do, and what has no use any more is removed. Gives the journals of all that was done.
    ///
    /// # Errors
    /// A manifest cannot be put back, or what was found not be kept.
    pub(crate) fn recover(
        &mut self,
        progress: &mut StepObserver<'_>,
    ) -> Result<Vec<Journal>, Fault> {
        put_manifests_back(&self.paths)?;
        let mut ended = Vec::new();
        if let Some(mut journal) = self.memory.current.take() {
            if journal.step == Step::Stage {
                self.await_orphan();
            }
            journal.resume(sys::now());
            ended.push(self.carry_out(journal, progress));
        }
        // kubeadm writes a key, and then its certificate.
        if (self.find_kubeadm)(&self.paths).is_none() {
            ended.extend(self.repair(progress)?);
            if ended.is_empty() {
                tidy(&self.paths)?;
            }
        }
        Ok(ended)
    }

    /// A kubeadm outlives the certwatch that is killed, for a moment, and would go on writing keys to a stage that is
    /// cleared away.
    fn await_orphan(&self) {
        let begun = Instant::now();
        while begun.elapsed() < ORPHAN && (self.find_kubeadm)(&self.paths).is_some() {
            sleep(ORPHAN_LOOK);
        }
    }

    /// Of pairs that do not match, those of which a pair that does is still on this node.
    fn repair(&mut self, progress: &mut StepObserver<'_>) -> Result<Option<Journal>, Fault> {
        let (names, told) = pairs::find(&self.paths, sys::now())?;
        if names.is_empty() {
            return Ok(None);
        }
        let uses = |it: &Component| it.uses().iter().any(|name| names.contains(name));
        let runs = |it: &Component| self.paths.manifests().join(format!("{it}.yaml")).exists();
        let users: Vec<_> = Component::ALL.into_iter().filter(|it| uses(it) && runs(it)).collect();
        let names = names.into_iter().map(str::to_owned).collect();
        let journal = Journal::repair(names, &users, told.join("; "), sys::now());
        Ok(Some(self.begin(journal, progress)))
    }
}

/// Removes what an earlier run has left. Without a journal nothing of it is of use to anybody, and it may be keys.
///
/// # Errors
/// Something in `renew.state-dir` cannot be removed.
fn tidy(paths: &NodePaths) -> Result<(), Fault> {
    stage::clean(paths)?;
    pairs::forget(paths)?;
    // A directory that cannot be written stands in the way of a renewal, and is told there.
    let _ = stage::remove_temporaries(paths);
    let _ = backup::remove_unfinished(paths);
    Ok(())
}
