//! Carries out a renewal, step by step: each is written down before it is begun.

mod notes;
mod recovery;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::renewal::{Done, Fault, FaultKind, Journal, Live, Outcome, Step, Task};
use crate::domain::time::UnixTime;
use crate::fs::trusted;
use crate::store::{Loaded, Store, StoreError};
use crate::sys;

use super::backup;
use super::control_plane::{Care, ControlPlane};
use super::copies::Copies;
use super::install::{self, Direction};
use super::memory::Memory;
use super::places::Places;
use super::shutdown::Stop;
use super::{copy, files, inspect, kubeadm, kubelet, pairs, preflight, stage};

/// The one who renews on this node: there is one at a time.
pub struct Renewer {
    places: Places,
    keep_backups: usize,
    store: Store,
    memory: Memory,
    copies: Arc<Copies>,
    stop: Stop,
    /// Nobody asks but the daemon.
    is_auto: bool,
    /// Finds one that is at work; on a machine with other nodes in containers there may always be one.
    find_kubeadm: fn(&Places) -> Option<Obstacle>,
    overridden: Vec<Obstacle>,
}

/// Told of each step that has ended.
pub type Progress<'a> = dyn FnMut(&Journal) + 'a;

impl Renewer {
    /// Opens and locks the directory for renewals. Once `stop` was asked for, a renewal that
    /// has touched nothing yet ends; one that has goes on.
    ///
    /// # Errors
    /// Another certwatch works with it, it cannot be used, or what was remembered is lost: that is
    /// told once, and the next one begins anew.
    pub fn open(
        places: Places,
        keep_backups: usize,
        copies: Arc<Copies>,
        stop: Stop,
    ) -> Result<Self, StoreError> {
        // What is remembered there is obeyed.
        let there = places.work.ancestors().find(|path| path.is_dir());
        let own = rustix::process::geteuid().as_raw();
        match there.map(|path| trusted::open_dir(path, own)) {
            Some(Err(error)) if !error.is_of_the_system() => {
                return Err(StoreError::Untrusted(error.to_string()));
            }
            _ => {}
        }
        Self::open_beside(places, keep_backups, copies, stop, preflight::another_kubeadm)
    }

    fn open_beside(
        places: Places,
        keep_backups: usize,
        copies: Arc<Copies>,
        stop: Stop,
        find_kubeadm: fn(&Places) -> Option<Obstacle>,
    ) -> Result<Self, StoreError> {
        let store = Store::open(&places.work)?;
        let (memory, lost) = match store.load(sys::now())? {
            Loaded::SetAside { to, why } => {
                (Memory::default(), Some(StoreError::Forgotten { path: to, why }))
            }
            loaded => (loaded.into_state(), None),
        };
        let mut renewer = Self {
            places,
            keep_backups,
            store,
            memory,
            copies,
            stop,
            is_auto: false,
            find_kubeadm,
            overridden: Vec::new(),
        };
        let Some(lost) = lost else { return Ok(renewer) };
        // It may have been half-way. What stands in the way of that is told by the next one.
        let _ = renewer.recover(&mut |_| ());
        Err(lost)
    }

    /// What is remembered of renewals.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Goes on beside a kubeadm that the plan overrides, though not beside another one.
    pub fn goes_on_beside(&mut self, overridden: &[Obstacle]) {
        self.overridden = overridden.to_vec();
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
        let _at_work = self.stop.at_work();
        while journal.outcome().is_none() {
            let result = self.note(&journal).and_then(|()| self.perform(&journal));
            let result = result.and_then(|done| self.go_on(&journal, done));
            journal.after(result, sys::now());
            progress(&journal);
        }
        self.conclude(journal.clone());
        journal
    }

    /// Remembers a renewal that has ended, or was refused before it began. What fails again and again without a person
    /// is told once a day.
    pub fn conclude(&mut self, journal: Journal) {
        let is_unasked = self.is_auto || journal.task == Task::Repair;
        if is_unasked && journal.fault.is_some() && self.memory.has_told(&journal) {
            self.memory.current = None;
        } else {
            self.memory.conclude(journal);
        }
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
        if journal.step.is_harmless() && self.stop.is_asked() {
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
            Step::Copies => Ok(self.refresh(journal)),
            Step::PutBack => self.put_back(journal),
            Step::CleanUp(outcome) => self.clean_up(journal, outcome),
            Step::End(_) => Ok(Done::default()),
        }
    }

    fn back_up(&self, journal: &Journal) -> Result<Done, Fault> {
        let paths = match &journal.task {
            Task::Restore(id) => backup::read(&self.places, id)?.paths(),
            Task::Renew | Task::Rescue | Task::Repair => {
                inspect::paths(&self.places, &journal.names)?
            }
        };
        backup::back_up(&self.places, &journal.id, &paths, journal.begun)?;
        let files = if paths.len() == 1 { "file" } else { "files" };
        Ok(Done::with(format!("backup {} of {} {files}", journal.id, paths.len())))
    }

    fn stage(&self, journal: &Journal) -> Result<(), Fault> {
        stage::stage(&self.places)?;
        match &journal.task {
            Task::Restore(id) => stage::lay_over(&self.places, id),
            Task::Repair => {
                let paths = inspect::paths(&self.places, &journal.names)?;
                stage::lay(&self.places, &pairs::tree(&self.places), &paths)
            }
            Task::Renew | Task::Rescue => {
                kubeadm::renew(&self.places, &journal.names, Some(&self.config()))
            }
        }
    }

    fn inspect(&self, journal: &Journal) -> Result<Done, Fault> {
        backup::is_current(&self.places, &journal.id)?;
        let wants_later = matches!(journal.task, Task::Renew | Task::Rescue);
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
        let is_new = |other: &Obstacle| !self.overridden.iter().any(|it| it.is_same_process(other));
        if let Some(other) = (self.find_kubeadm)(&self.places).filter(is_new) {
            return Err(Fault::failed(other.what()));
        }
        let is_rescue = journal.task == Task::Rescue;
        if is_rescue || !journal.live.iter().any(|live| live.restart) {
            return Ok(());
        }
        ControlPlane::read(&self.places)?.await_starters()
    }

    fn put_back(&self, journal: &Journal) -> Result<Done, Fault> {
        let Places { kubernetes, .. } = &self.places;
        let backup = backup::tree(&self.places, &journal.id);
        // Nobody could use it, and the new one is sound.
        let broken: Vec<_> = journal
            .names
            .iter()
            .filter(|name| pairs::is_mismatched_in(&backup, &self.places, name))
            .collect();
        let mut changes = journal.changes.clone();
        for name in &broken {
            let paths = inspect::paths_of(kubernetes, name)?;
            changes.retain(|change| !paths.contains(&change.path));
        }
        let others = install::install(&backup, kubernetes, &changes, Direction::Back)?;
        let others: Vec<_> = others.iter().map(|path| files::shown(path)).collect();
        let mut note = "the files are as they were before".to_owned();
        if !broken.is_empty() {
            let names: Vec<_> = broken.iter().map(|name| name.as_str()).collect();
            note.push_str(&format!(", but for {}, whose old key did not match", names.join(", ")));
        }
        if !others.is_empty() {
            note.push_str(&format!(
                ", but for those that somebody else has changed: {}",
                others.join(", ")
            ));
        }
        Ok(Done::with(note))
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
            together_with: journal.together_with(index),
            reaches_kubelet: journal.asks_for_kubelet(),
            is_patient: is_rescue || journal.task == Task::Repair || journal.resumed > 0,
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
            let reaches_kubelet = journal.asks_for_kubelet();
            plane.make_live(live.component, Care { reaches_kubelet, ..Care::default() })?;
        }
        Ok(Done::default())
    }

    /// A copy that cannot be refreshed keeps none of the others from it, nor the renewal from its end.
    fn refresh(&self, journal: &Journal) -> Done {
        let before = backup::tree(&self.places, &journal.id).join("admin.conf");
        let replaced = copy::certificate_of(&before);
        Done::with(self.copies.refresh(&self.places, &journal.copies, replaced).join("; "))
    }

    fn clean_up(&self, journal: &Journal, outcome: Outcome) -> Result<Done, Fault> {
        self.keep_halves(outcome)?;
        stage::clean(&self.places)?;
        stage::remove_temporaries(&self.places)?;
        match outcome {
            // Its backup is of what is there anyway, and would push out one that is worth something.
            Outcome::Unchanged => backup::forget(&self.places, &journal.id)?,
            _ => backup::prune(&self.places, self.keep_backups, &journal.id)?,
        }
        let note = (outcome == Outcome::Stuck)
            .then(|| install::state(&self.places.kubernetes, &journal.changes));
        Ok(Done { note: note.flatten(), ..Done::default() })
    }

    /// What is about to be cleared away may hold the half that a pair needs.
    fn keep_halves(&self, outcome: Outcome) -> Result<(), Fault> {
        if matches!(outcome, Outcome::Renewed | Outcome::Undone) {
            return pairs::forget(&self.places);
        }
        pairs::find(&self.places, sys::now()).map(drop)
    }

    /// The configuration for kubeadm, as it was settled before the plan was made.
    fn config(&self) -> PathBuf {
        self.memory.config.clone().unwrap_or_else(|| self.places.kubeadm_config())
    }
}

#[cfg(test)]
#[path = "tests/engine.rs"]
mod tests;
