//! Carries out a renewal, step by step: each is written down before it is begun.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::renewal::pace::Attempt;
use crate::domain::renewal::{Done, Fault, FaultKind, Journal, Live, Outcome, Step, Task};
use crate::domain::time::UnixTime;
use crate::store::{Loaded, Store, StoreError};
use crate::sys;

use super::backup;
use super::control_plane::{Care, ControlPlane, put_manifests_back};
use super::install::{self, Direction};
use super::memory::Memory;
use super::places::Places;
use super::{copies, files, inspect, kubeadm, kubelet, preflight, stage};

/// The one who renews on this node: there is one at a time.
pub struct Renewer {
    places: Places,
    keep_backups: usize,
    store: Store,
    memory: Memory,
    is_asked_to_stop: Arc<AtomicBool>,
}

/// How many attempts are remembered: more than an hour can hold.
const ATTEMPTS: usize = 10;

/// Told of each step that has ended.
pub type Progress<'a> = dyn FnMut(&Journal) + 'a;

impl Renewer {
    /// Opens and locks the directory for renewals. Once `is_asked_to_stop` is true, a renewal that
    /// has touched nothing yet ends; one that has goes on.
    ///
    /// # Errors
    /// Another certwatch works with it, it cannot be used, or what was remembered is lost: that is
    /// told once, and the next one begins anew.
    pub fn open(
        places: Places,
        keep_backups: usize,
        is_asked_to_stop: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let store = Store::open(&places.work)?;
        let memory = match store.load(sys::now())? {
            Loaded::SetAside { to, why } => return Err(StoreError::Forgotten { path: to, why }),
            loaded => loaded.into_state(),
        };
        Ok(Self { places, keep_backups, store, memory, is_asked_to_stop })
    }

    /// What is remembered of renewals.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Repairs what a crash has left: manifests that were moved away go back at once, and a renewal
    /// that was interrupted is brought to its end, which is given.
    ///
    /// # Errors
    /// A manifest cannot be put back.
    pub fn recover(&mut self, progress: &mut Progress<'_>) -> Result<Option<Journal>, Fault> {
        put_manifests_back(&self.places)?;
        let Some(mut journal) = self.memory.current.take() else {
            stage::clean(&self.places)?;
            return Ok(None);
        };
        journal.resume(sys::now());
        Ok(Some(self.carry_out(journal, progress)))
    }

    /// Carries out a renewal from its beginning, under a name that no other has: two can fall into one
    /// second, and a clock can be set back.
    pub fn begin(&mut self, mut journal: Journal, progress: &mut Progress<'_>) -> Journal {
        let name = journal.id.clone();
        let others = (2..).map(|count| format!("{name}-{count}"));
        let mut names = std::iter::once(name.clone()).chain(others);
        journal.id = names.find(|id| !self.is_taken(id)).unwrap_or(name);
        self.carry_out(journal, progress)
    }

    fn is_taken(&self, id: &str) -> bool {
        let is_remembered = self.memory.history.iter().any(|journal| journal.id == id);
        is_remembered || self.places.backups().join(id).exists()
    }

    /// Brings a renewal to its end, whatever happens.
    fn carry_out(&mut self, mut journal: Journal, progress: &mut Progress<'_>) -> Journal {
        while journal.outcome().is_none() {
            let result = self.note(&journal).and_then(|()| self.perform(&journal));
            let result = result.and_then(|done| self.go_on(&journal, done));
            journal.after(result, sys::now());
            progress(&journal);
        }
        self.conclude(journal.clone());
        journal
    }

    /// Remembers a renewal that has ended, or was refused before it began.
    pub fn conclude(&mut self, journal: Journal) {
        self.memory.conclude(journal);
        // It cannot be written: the next start finds the last step and takes it again.
        let _ = self.store.save(&self.memory);
    }

    /// The journal on disk. On the way back it is not waited for: a full disk must not keep the old
    /// files from their place.
    fn note(&mut self, journal: &Journal) -> Result<(), Fault> {
        self.memory.current = Some(journal.clone());
        let saved = self.store.save(&self.memory);
        if journal.step.is_going_back() {
            return Ok(());
        }
        saved.map_err(|error| Fault::failed(error.to_string()))
    }

    fn go_on(&self, journal: &Journal, done: Done) -> Result<Done, Fault> {
        if journal.step.is_harmless() && self.is_asked_to_stop.load(Ordering::Relaxed) {
            return Err(Fault::failed("it was asked to stop"));
        }
        Ok(done)
    }

    fn perform(&self, journal: &Journal) -> Result<Done, Fault> {
        let places = &self.places;
        match journal.step {
            Step::BackUp => self.back_up(journal),
            Step::Stage => self.stage(journal).map(|()| Done::default()),
            Step::Inspect => self.inspect(journal),
            Step::Install => self.install(journal),
            Step::Kubelet => kubelet::renew(places, &self.config()).map(Done::with),
            Step::MakeLive(index) => self.make_live(journal, index, journal.begun),
            Step::MakeOldLive(index) => {
                self.make_live(journal, index, journal.turned.unwrap_or(journal.begun))
            }
            Step::Verify | Step::VerifyOld => self.verify(journal),
            Step::KubeletRotation => kubelet::rotate(places).map(Done::with),
            Step::Copies => self.refresh(journal),
            Step::PutBack => self.put_back(journal),
            Step::CleanUp(outcome) => self.clean_up(journal, outcome),
            Step::End(_) => Ok(Done::default()),
        }
    }

    fn back_up(&self, journal: &Journal) -> Result<Done, Fault> {
        let paths = match &journal.task {
            Task::Restore(id) => backup::read(&self.places, id)?.paths(),
            Task::Renew | Task::Rescue => inspect::paths(&self.places, &journal.names)?,
        };
        backup::back_up(&self.places, &journal.id, &paths, journal.begun)?;
        let files = if paths.len() == 1 { "file" } else { "files" };
        Ok(Done::with(format!("backup {} of {} {files}", journal.id, paths.len())))
    }

    fn stage(&self, journal: &Journal) -> Result<(), Fault> {
        stage::stage(&self.places)?;
        match &journal.task {
            Task::Restore(id) => stage::lay_over(&self.places, id),
            Task::Renew | Task::Rescue => {
                kubeadm::renew(&self.places, &journal.names, Some(&self.config()))
            }
        }
    }

    fn inspect(&self, journal: &Journal) -> Result<Done, Fault> {
        backup::is_current(&self.places, &journal.id)?;
        let wants_later = !matches!(journal.task, Task::Restore(_));
        let changes = inspect::inspect(&self.places, &journal.names, sys::now(), wants_later)?;
        Ok(Done { note: None, changes })
    }

    fn install(&self, journal: &Journal) -> Result<Done, Fault> {
        if journal.resumed == 0 && !journal.retried {
            self.look_again(journal)
                .map_err(|fault| Fault { kind: FaultKind::Untouched, ..fault })?;
        }
        let Places { kubernetes, .. } = &self.places;
        let changes = &journal.changes;
        install::install(&self.places.stage(), kubernetes, changes, Direction::Forward)?;
        Ok(Done::default())
    }

    /// What may have changed since nothing stood in the way, and would undo what is about to begin.
    fn look_again(&self, journal: &Journal) -> Result<(), Fault> {
        // It writes into the same files.
        if let Some(pid) = preflight::another_kubeadm() {
            return Err(Fault::failed(Obstacle::KubeadmRuns(pid).what()));
        }
        let is_rescue = journal.task == Task::Rescue;
        if is_rescue || !journal.live.iter().any(|live| live.restart) {
            return Ok(());
        }
        ControlPlane::read(&self.places)?.await_starters()
    }

    fn put_back(&self, journal: &Journal) -> Result<Done, Fault> {
        let backup = backup::tree(&self.places, &journal.id);
        let others =
            install::install(&backup, &self.places.kubernetes, &journal.changes, Direction::Back)?;
        let others: Vec<_> = others.iter().map(|path| files::shown(path)).collect();
        Ok(Done::with(match &others[..] {
            [] => "the files are as they were before".to_owned(),
            _ => format!(
                "the files are as they were before, but for those that somebody else has changed: {}",
                others.join(", ")
            ),
        }))
    }

    /// `since` is when this way was begun, there or back.
    fn make_live(&self, journal: &Journal, index: usize, since: UnixTime) -> Result<Done, Fault> {
        let Live { component, restart } = journal.live[index];
        let plane = ControlPlane::read(&self.places)?;
        let is_rescue = journal.task == Task::Rescue;
        let is_first = journal.step == Step::MakeLive(0) && !journal.kubelet;
        if is_rescue && is_first && plane.is_partly_down() {
            // It holds back what has ended again and again, for up to five minutes, and forgets that.
            kubelet::restart(&self.places)?;
        }
        let care = Care {
            restart: restart.then_some(since),
            // On the way back nobody is waited for: a component that is down is down.
            heeds_peers: journal.heeds_peers && journal.turned.is_none(),
            heeds_starters: !is_rescue,
            is_patient: is_rescue || journal.resumed > 0,
        };
        plane.make_live(component, care).map(Done::with)
    }

    /// With patience: one answer that is missed undoes no renewal.
    fn verify(&self, journal: &Journal) -> Result<Done, Fault> {
        if journal.step == Step::Verify {
            install::is_installed(&self.places.kubernetes, &journal.changes)?;
        }
        let plane = ControlPlane::read(&self.places)?;
        for live in &journal.live {
            plane.make_live(live.component, Care::default())?;
        }
        Ok(Done::default())
    }

    /// A copy that cannot be refreshed keeps none of the others from it.
    fn refresh(&self, journal: &Journal) -> Result<Done, Fault> {
        let one = |path: &PathBuf| match copies::refresh(&self.places, path) {
            Ok(()) => format!("{} has the new certificate", files::shown(path)),
            Err(fault) => fault.what,
        };
        Ok(Done::with(journal.copies.iter().map(one).collect::<Vec<_>>().join("; ")))
    }

    fn clean_up(&self, journal: &Journal, outcome: Outcome) -> Result<Done, Fault> {
        stage::clean(&self.places)?;
        let pki = self.places.pki();
        files::remove_temporaries(&[self.places.kubernetes.clone(), pki.join("etcd"), pki])?;
        match outcome {
            // Its backup is of what is there anyway, and would push out one that is worth something.
            Outcome::Unchanged => backup::forget(&self.places, &journal.id)?,
            _ => backup::prune(&self.places, self.keep_backups, &journal.id)?,
        }
        Ok(Done::default())
    }

    /// The configuration for kubeadm, as it was settled before the plan was made.
    fn config(&self) -> PathBuf {
        self.memory.config.clone().unwrap_or_else(|| self.places.cluster_config())
    }

    /// What was tried without a person.
    pub fn attempts(&self) -> &[Attempt] {
        &self.memory.attempts
    }

    /// Notes that somebody looked without a person.
    pub fn note_run(&mut self, now: UnixTime) {
        self.memory.last_run = Some(now);
    }

    /// Notes what was tried without a person, and how it went.
    pub fn note_attempt(&mut self, attempt: Attempt) {
        self.memory.attempts.insert(0, attempt);
        self.memory.attempts.truncate(ATTEMPTS);
    }

    /// Notes that the last one has ended: the same is not tried again at once.
    pub fn end_attempt(&mut self) {
        if let Some(attempt) = self.memory.attempts.first_mut() {
            attempt.ended = true;
        }
    }

    /// Writes down what is remembered.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&mut self) -> Result<(), Fault> {
        self.store.save(&self.memory).map_err(|error| Fault::failed(error.to_string()))
    }

    /// Which configuration kubeadm is given from now on.
    pub fn use_config(&mut self, path: &Path) {
        self.memory.config = Some(path.to_owned());
    }
}

impl Step {
    /// True on the way back, and at the end.
    fn is_going_back(self) -> bool {
        matches!(self, Self::PutBack | Self::MakeOldLive(_) | Self::VerifyOld | Self::CleanUp(_))
    }
}

#[cfg(test)]
#[path = "tests/engine.rs"]
mod tests;
