//! What a renewer notes for the next one, and for the daemon, which cannot see it by itself.

use std::path::Path;

use crate::domain::renewal::Fault;
use crate::domain::renewal::rate_limit::{self, Attempt};
use crate::domain::time::UnixTime;

use super::Renewer;
use crate::renew::facts::manifests;
use crate::renew::tree::pairs;

/// How many attempts are remembered: more than an hour can hold.
const ATTEMPTS: usize = 10;

impl Renewer {
    /// From now on nobody asks but the daemon: what fails again is not told again at once.
    pub(crate) fn is_asked_by_nobody(&mut self) {
        self.is_auto = true;
    }

    /// What was tried without a person.
    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.memory.attempts
    }

    /// Notes, before it, that somebody looks without a person.
    pub(crate) fn note_look(&mut self, now: UnixTime) {
        self.memory.note_look(now);
        self.memory.note_manifests(manifests::digest(&self.paths), now);
    }

    /// Notes that somebody has looked without a person.
    pub(crate) fn note_run(&mut self, now: UnixTime) {
        self.memory.last_run = Some(now);
    }

    /// Notes whether something is in the way of what is due; gives since when.
    pub(crate) fn note_held_up(&mut self, is_held_up: bool, now: UnixTime) -> UnixTime {
        let since = self.memory.held_up.filter(|since| *since <= now).unwrap_or(now);
        self.memory.held_up = is_held_up.then_some(since);
        since
    }

    /// Notes which pairs do not match, once all was done that can be: the daemon reads no key, so that it learns of them
    /// here alone. kubeadm writes a key before its certificate, so while one is at work nobody can say.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn note_mismatched(&mut self) -> Result<(), Fault> {
        if (self.find_kubeadm)(&self.paths).is_some() {
            return Ok(());
        }
        let names = pairs::mismatched(&self.paths).into_iter().map(str::to_owned).collect();
        if self.memory.mismatched == names {
            return Ok(());
        }
        self.memory.mismatched = names;
        self.save()
    }

    /// Notes what was tried without a person, and how it went.
    pub(crate) fn note_attempt(&mut self, attempt: Attempt) {
        self.memory.attempts.insert(0, attempt);
        rate_limit::forget(&mut self.memory.attempts, ATTEMPTS);
    }

    /// Notes that the last one has ended: the same is not tried again at once.
    pub(crate) fn end_attempt(&mut self) {
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
    pub(crate) fn use_config(&mut self, path: &Path) {
        self.memory.config = Some(path.to_owned());
    }
}
