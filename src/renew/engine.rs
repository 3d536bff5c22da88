//! Carries out a renewal, step by step: each is written down before it is begun.

mod notes;
mod recovery;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::layout::shown;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::restart::RestartOptions;
use crate::domain::renewal::{Done, Fault, FaultKind, Journal, Live, Outcome, Step, Task};
use crate::domain::time::UnixTime;
use crate::fs::trusted;
use crate::node::{ControlPlane, NodePaths};
use crate::store::{Loaded, Store, StoreError};
use crate::sys;

use super::control_plane::other_pod;
use super::facts::other_pods::files_of;
use super::facts::preflight;
use super::memory::RenewerState;
use super::shutdown::Stop;
use super::tree::copies::Copies;
use super::tree::install::{self, Direction};
use super::tree::{backup, copy, inspect, pairs, stage};
use super::{hook, kubeadm, kubelet};

/// The one who renews on this node: there is one at a time.
pub struct Renewer {
    paths: NodePaths,
    keep_backups: usize,
    store: Store,
    memory: RenewerState,
    copies: Arc<Copies>,
    stop: Stop,
    /// Nobody asks but the daemon.
    is_auto: bool,
    /// Finds one that is at work; on a machine with other nodes in containers there may always be one.
    find_kubeadm: fn(&NodePaths) -> Option<Blocker>,
    overridden: Vec<Blocker>,
}

/// Told of each step that has ended.
pub(crate) type StepObserver<'a> = dyn FnMut(&Journal) + 'a;

impl Renewer {
    /// Opens and locks the directory for renewals. Once `stop` was asked for, a renewal that
    /// has touched nothing yet ends; one that has goes on.
    ///
    /// # Errors
    /// Another certwatch works with it, it cannot be used, or what was remembered is lost: that is
    /// told once, and the next one begins anew.
    pub fn open(
        paths: NodePaths,
        keep_backups: usize,
        copies: Arc<Copies>,
        stop: Stop,
    ) -> Result<Self, StoreError> {
        // What is remembered there is obeyed.
        let there = paths.work.ancestors().find(|path| path.is_dir());
        let own = rustix::process::geteuid().as_raw();
        match there.map(|path| trusted::open_dir(path, own)) {
            Some(Err(error)) if !error.is_of_the_system() => {
                return Err(StoreError::Untrusted(error.to_string()));
            }
            _ => {}
        }
        Self::open_beside(paths, keep_backups, copies, stop, preflight::another_kubeadm)
    }

    fn open_beside(
        paths: NodePaths,
        keep_backups: usize,
        copies: Arc<Copies>,
        stop: Stop,
        find_kubeadm: fn(&NodePaths) -> Option<Blocker>,
    ) -> Result<Self, StoreError> {
        let store = Store::open(&paths.work)?;
        let (memory, lost) = match store.load(sys::now())? {
            Loaded::SetAside { to, why } => {
                (RenewerState::default(), Some(StoreError::Forgotten { path: to, why }))
            }
            loaded => (loaded.into_state(), None),
        };
        let mut renewer = Self {
            paths,
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
        // A renewal may have been half-way. If it cannot be brought to its end, the next run says why.
        let _ = renewer.recover(&mut |_| ());
        Err(lost)
    }

    /// What is remembered of renewals.
    pub fn memory(&self) -> &RenewerState {
        &self.memory
    }

    /// Goes on beside a kubeadm that the plan overrides, though not beside another one.
    pub(crate) fn goes_on_beside(&mut self, overridden: &[Blocker]) {
        self.overridden = overridden.to_vec();
    }

    /// Carries out a renewal from its beginning, under a name that no other has: two can fall into one
    /// second, and a clock can be set back.
    pub fn begin(&mut self, mut journal: Journal, progress: &mut StepObserver<'_>) -> Journal {
        let name = journal.id.clone();
        let others = (2..).map(|count| format!("{name}-{count}"));
        let mut names = std::iter::once(name.clone()).chain(others);
        journal.id = names.find(|id| !self.is_taken(id)).unwrap_or(name);
        self.carry_out(journal, progress)
    }

    fn is_taken(&self, id: &str) -> bool {
        let is_remembered = self.memory.history.iter().any(|journal| journal.id == id);
        is_remembered || self.paths.backups().join(id).exists()
    }

    /// Brings a renewal to its end, whatever happens.
    fn carry_out(&mut self, mut journal: Journal, progress: &mut StepObserver<'_>) -> Journal {
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
    pub(crate) fn conclude(&mut self, journal: Journal) {
        let is_unasked = self.is_auto || journal.task == Task::Repair;
        if is_unasked && journal.fault.is_some() && self.memory.has_told(&journal) {
            self.memory.current = None;
        } else {
            self.memory.conclude(journal);
        }
        // It cannot be written: the next start finds the last step and takes it again.
        let _ = self.store.save(&self.memory);
    }

    /// Writes the journal to disk. During a rollback a failure to do so is ignored: a full disk must not keep the old
    /// files from being restored.
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
            return Err(Fault::failed("it was stopped"));
        }
        Ok(done)
    }

    fn perform(&self, journal: &Journal) -> Result<Done, Fault> {
        let paths = &self.paths;
        match journal.step {
            Step::BackUp => self.back_up(journal),
            Step::Stage => self.stage(journal).map(|()| Done::default()),
            Step::Inspect => self.inspect(journal),
            Step::Install => self.install(journal),
            Step::Kubelet => self.give_to_kubelet(journal),
            Step::Activate(index) => self.activate(journal, index, journal.begun),
            Step::ActivateOld(index) => {
                self.activate(journal, index, journal.turned.unwrap_or(journal.begun))
            }
            Step::Verify | Step::VerifyOld => self.verify(journal),
            Step::KubeletRotation => kubelet::turn_rotation_on(paths, journal).map(Done::with),
            Step::KubeletClient | Step::KubeletServing | Step::KubeletServingBack => {
                kubelet::own::take(paths, journal).map(Done::with)
            }
            Step::RestartPod(index) => self.restart_pod(journal, index),
            Step::Copies => Ok(self.refresh(journal)),
            Step::Hook(index) => {
                hook::run(&journal.hooks[index].hook, journal, paths).map(Done::with)
            }
            Step::RollBack => self.roll_back(journal),
            Step::CleanUp(outcome) => self.clean_up(journal, outcome),
            Step::End(_) => Ok(Done::default()),
        }
    }

    fn back_up(&self, journal: &Journal) -> Result<Done, Fault> {
        let file_paths = match &journal.task {
            Task::Restore(id) => backup::read(&self.paths, id)?.paths(),
            Task::Renew | Task::Rescue | Task::Repair => {
                inspect::paths(&self.paths, &journal.names)?
            }
        };
        backup::back_up(&self.paths, &journal.id, &file_paths, journal.begun)?;
        let files = if file_paths.len() == 1 { "file" } else { "files" };
        Ok(Done::with(format!("backup {} of {} {files}", journal.id, file_paths.len())))
    }

    fn stage(&self, journal: &Journal) -> Result<(), Fault> {
        stage::stage(&self.paths)?;
        match &journal.task {
            Task::Restore(id) => stage::lay_over(&self.paths, id),
            Task::Repair => {
                let file_paths = inspect::paths(&self.paths, &journal.names)?;
                stage::lay(&self.paths, &pairs::tree(&self.paths), &file_paths)
            }
            Task::Renew | Task::Rescue => {
                kubeadm::renew(&self.paths, &journal.names, Some(&self.config()))
            }
        }
    }

    fn inspect(&self, journal: &Journal) -> Result<Done, Fault> {
        backup::is_current(&self.paths, &journal.id)?;
        let wants_later = matches!(journal.task, Task::Renew | Task::Rescue);
        let changes = inspect::inspect(&self.paths, &journal.names, sys::now(), wants_later)?;
        Ok(Done { note: None, changes })
    }

    fn install(&self, journal: &Journal) -> Result<Done, Fault> {
        if journal.resumed == 0 && !journal.retried {
            self.look_again(journal)
                .map_err(|fault| Fault { kind: FaultKind::Untouched, ..fault })?;
        }
        let NodePaths { kubernetes, .. } = &self.paths;
        let changes = &journal.changes;
        install::install(&self.paths.stage(), kubernetes, changes, Direction::Forward)?;
        Ok(Done::default())
    }

    /// What may have changed since nothing stood in the way, and would undo what is about to begin.
    fn look_again(&self, journal: &Journal) -> Result<(), Fault> {
        // It writes into the same files.
        let is_new = |other: &Blocker| !self.overridden.iter().any(|it| it.is_same_process(other));
        if let Some(other) = (self.find_kubeadm)(&self.paths).filter(is_new) {
            return Err(Fault::failed(other.what()));
        }
        let is_rescue = journal.task == Task::Rescue;
        if is_rescue || !journal.live.iter().any(|live| live.restart) {
            return Ok(());
        }
        ControlPlane::read(&self.paths)?.await_kubelet_and_runtime()
    }

    fn give_to_kubelet(&self, journal: &Journal) -> Result<Done, Fault> {
        if self.paths.is_stage_shown && journal.names.is_empty() {
            // kubeadm looks for the CA where the unit shows the stage, which nothing has filled.
            stage::stage(&self.paths)?;
        }
        kubelet::renew(&self.paths, &self.config(), journal).map(Done::with)
    }

    fn roll_back(&self, journal: &Journal) -> Result<Done, Fault> {
        let NodePaths { kubernetes, .. } = &self.paths;
        let backup = backup::tree(&self.paths, &journal.id);
        // Nobody could use it, and the new one is sound.
        let broken: Vec<_> = journal
            .names
            .iter()
            .filter(|name| pairs::is_mismatched_in(&backup, &self.paths, name))
            .collect();
        let mut changes = journal.changes.clone();
        for name in &broken {
            let file_paths = inspect::paths_of(kubernetes, name)?;
            changes.retain(|change| !file_paths.contains(&change.path));
        }
        let others = install::install(&backup, kubernetes, &changes, Direction::Back)?;
        let others: Vec<_> = others.iter().map(|path| shown(path)).collect();
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

    /// `since` is when the renewal began or, during a rollback, when the rollback did.
    fn activate(&self, journal: &Journal, index: usize, since: UnixTime) -> Result<Done, Fault> {
        let Live { component, restart } = journal.live[index];
        let plane = ControlPlane::read(&self.paths)?;
        let is_rescue = journal.task == Task::Rescue;
        let is_first = journal.step == Step::Activate(0) && !journal.kubelet;
        if is_rescue && is_first && plane.is_partly_down() {
            // It holds back what has ended again and again, for up to five minutes, and forgets that.
            kubelet::restart(&self.paths)?;
        }
        let options = RestartOptions {
            restart: restart.then_some(since),
            // On the way back nobody is waited for: a component that is down is down.
            wait_for_peers: journal.wait_for_peers && journal.turned.is_none(),
            wait_for_kubelet_and_runtime: !is_rescue,
            together_with: journal.together_with(index),
            reaches_kubelet: journal.asks_for_kubelet(),
            is_patient: is_rescue || journal.task == Task::Repair || journal.resumed > 0,
        };
        plane.activate(component, options).map(Done::with)
    }

    /// With patience: one answer that is missed undoes no renewal.
    fn verify(&self, journal: &Journal) -> Result<Done, Fault> {
        if journal.step == Step::Verify {
            install::is_installed(&self.paths.kubernetes, &journal.changes)?;
        }
        let plane = ControlPlane::read(&self.paths)?;
        for live in &journal.live {
            let reaches_kubelet = journal.asks_for_kubelet();
            plane.activate(
                live.component,
                RestartOptions { reaches_kubelet, ..RestartOptions::default() },
            )?;
        }
        Ok(Done::default())
    }

    /// Nobody would start it again while the kubelet or the runtime is down.
    fn restart_pod(&self, journal: &Journal, index: usize) -> Result<Done, Fault> {
        let pod = &journal.other_pods[index];
        ControlPlane::read(&self.paths)?.await_kubelet_and_runtime()?;
        let files = pod.uses.iter().flat_map(|it| files_of(&self.paths, &it.certificate));
        let files: Vec<PathBuf> = files.collect();
        other_pod::restart(&self.paths.kubernetes, pod, &files).map(Done::with)
    }

    /// A copy that cannot be refreshed keeps none of the others from it, nor the renewal from its end.
    fn refresh(&self, journal: &Journal) -> Done {
        let before = backup::tree(&self.paths, &journal.id).join("admin.conf");
        let replaced = copy::certificate_of(&before);
        Done::with(self.copies.refresh(&self.paths, &journal.copies, replaced).join("; "))
    }

    fn clean_up(&self, journal: &Journal, outcome: Outcome) -> Result<Done, Fault> {
        self.keep_halves(outcome)?;
        stage::clean(&self.paths)?;
        stage::remove_temporaries(&self.paths)?;
        match outcome {
            // Its backup is of what is there anyway, and would push out one that is worth something.
            Outcome::Unchanged => backup::forget(&self.paths, &journal.id)?,
            _ => backup::prune(&self.paths, self.keep_backups, &journal.id)?,
        }
        let note = (outcome == Outcome::NeedsOperator)
            .then(|| install::state(&self.paths.kubernetes, &journal.changes));
        Ok(Done { note: note.flatten(), ..Done::default() })
    }

    /// What is about to be cleared away may hold the half that a pair needs.
    fn keep_halves(&self, outcome: Outcome) -> Result<(), Fault> {
        if matches!(outcome, Outcome::Renewed | Outcome::RolledBack) {
            return pairs::forget(&self.paths);
        }
        pairs::find(&self.paths, sys::now()).map(drop)
    }

    /// The configuration for kubeadm, as it was settled before the plan was made.
    fn config(&self) -> PathBuf {
        self.memory.config.clone().unwrap_or_else(|| self.paths.kubeadm_config())
    }
}

#[cfg(test)]
#[path = "tests/engine.rs"]
mod tests;
