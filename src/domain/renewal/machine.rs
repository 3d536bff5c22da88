//! Which step follows which: forward to the end, and after a failure back to how it was.
//!
//! | a failure in | leads to |
//! |---|---|
//! | backup, stage, inspect | the end: nothing was touched |
//! | install, before its first file | the end: nothing was touched |
//! | install | the backup is put back; unless the old certificates are over: then it is tried once more, and what is new stays, pair by pair |
//! | activate, verify | the backup is put back, activated and verified; unless the old certificates are over or nearly so: then the new ones stay |
//! | the kubelet's own certificates | its old serving pair is put back; its client certificate is still the old one |
//! | the kubelet's rotation, other pods, copies, hooks, clean-up | a note: the renewal itself is done |
//! | going back | the end: a person has to look |

mod kubelet;
mod refusal;
mod side;

use crate::domain::time::{Span, UnixTime};

use refusal::{in_vain, left_to_hand, why_not};

use super::blocker::Blocker;
use super::hook::HookRun;
use super::plan::{Plan, RenewReason, Renewal, RestartPolicy, RestartReason, SkipRestartReason};
use super::{
    Component, Fault, FaultKind, FileChange, Journal, Live, Outcome, SideResult, Step, Task,
};

/// Once components were made to use the new files, what ends within this time is not put back: it has to outlive the
/// next attempt, or the person who removes the cause.
const TOO_LATE_TO_GO_BACK: Span = Span::days(3);

/// The same of what lives for less than a month: attempts follow each other the faster, the shorter it lives.
const TOO_LATE_OF_LIFETIME: (i32, i32) = (1, 10);

/// A renewal that was interrupted this often is undone: something about it kills certwatch.
const MOST_RESUMED: u32 = 3;

/// What a step that went well has to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Done {
    /// For the person who reads the outcome: a proof, or what is left to do.
    pub note: Option<String>,
    /// What will change on disk: of [`Step::Inspect`] alone.
    pub changes: Vec<FileChange>,
}

impl Done {
    /// Done, and this is worth knowing.
    pub fn with(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }
}

impl Journal {
    /// The journal of a renewal that is about to begin.
    pub fn begin(task: Task, plan: &Plan, restart: RestartPolicy, now: UnixTime) -> Self {
        Self {
            id: id(now),
            wait_for_peers: task != Task::Rescue
                && plan.overridden.iter().all(Blocker::is_overridden_in_time),
            task,
            begun: now,
            turned: None,
            ended: None,
            names: plan.renew.iter().map(|renewal| renewal.name.to_owned()).collect(),
            live: live(plan),
            may_restart: restart != RestartPolicy::None,
            reaches_kubelet: plan.reaches_kubelet,
            kubelet: plan.kubelet,
            kubelet_never_rotates: plan.kubelet_never_rotates,
            kubelet_renewal: plan.kubelet_renewal,
            other_pods: plan.other_pods.clone(),
            copies: plan.copies.clone(),
            hooks: plan.hooks.iter().cloned().map(HookRun::pending).collect(),
            old_ends: earliest(plan, now, |renewal| renewal.ends),
            back_until: earliest(plan, now, Renewal::back_until),
            changes: Vec::new(),
            step: first(plan),
            fault: None,
            rollback_error: None,
            notes: left_to_hand(plan),
            resumed: 0,
            retried: false,
        }
    }

    /// The journal of a repair that is about to begin: matching halves of these pairs were found and are installed. The
    /// pairs that are there now are useless, so there is no rollback. `users` have to be healthy with the new ones, and
    /// are not restarted: the plan that follows says which of them need that.
    pub fn repair(names: Vec<String>, users: &[Component], note: String, now: UnixTime) -> Self {
        let live = users.iter().map(|component| Live { component: *component, restart: false });
        Self {
            names,
            live: live.collect(),
            old_ends: Some(now),
            step: Step::BackUp,
            notes: vec![note],
            ..Self::begin(Task::Repair, &Plan::default(), RestartPolicy::None, now)
        }
    }

    /// The journal of a renewal that was not begun, because blockers have been there for some time, or because nothing
    /// that is due can be renewed.
    pub fn refused(plan: &Plan, since: UnixTime, now: UnixTime) -> Self {
        let mut journal = Self::begin(Task::Renew, plan, RestartPolicy::None, now);
        if plan.renew.is_empty() {
            journal.names = in_vain(plan).map(|skip| skip.name.clone()).collect();
        }
        journal.go_to(Step::End(Outcome::Unchanged), now);
        journal.blame(Fault::failed(why_not(plan)));
        if now > since {
            journal.notes.push(format!("It has been blocked for {}", now - since));
        }
        journal
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.step {
            Step::End(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// True if the API server has to reach the kubelet too; not in a rollback, since the old certificate did its work.
    pub(crate) const fn asks_for_kubelet(&self) -> bool {
        self.reaches_kubelet && self.turned.is_none()
    }

    /// What is restarted in one outage with the static pod at `index` of [`live`](Self::live): the API server with its
    /// etcd, without which it serves nobody. Its own step follows all the same, and finds that done, also after a crash.
    pub(crate) fn together_with(&self, index: usize) -> Option<Component> {
        let restart = |component| Live { component, restart: true };
        let [etcd, apiserver] = [Component::Etcd, Component::Apiserver].map(restart);
        self.live.get(index..)?.starts_with(&[etcd, apiserver]).then_some(Component::Apiserver)
    }

    /// Takes in how the step ended, and goes to the next one.
    pub fn after(&mut self, result: Result<Done, Fault>, now: UnixTime) {
        let next = match result {
            Ok(done) => {
                self.notes.extend(done.note);
                self.note_side(SideResult::Done);
                if self.step == Step::Inspect {
                    self.changes = done.changes;
                }
                self.next()
            }
            Err(fault) => self.failed(fault, now),
        };
        self.go_to(next, now);
    }

    /// Takes it up again after a crash: every step can be taken again. What had touched nothing yet
    /// ends; what keeps being interrupted goes back.
    pub(crate) fn resume(&mut self, now: UnixTime) {
        if self.outcome().is_some() {
            return;
        }
        self.resumed += 1;
        let next = match self.step {
            step if step.is_harmless() => {
                self.blame(Fault::failed("it was interrupted before anything was changed"));
                Step::CleanUp(Outcome::Unchanged)
            }
            step if step.is_forward() && self.resumed > MOST_RESUMED => {
                self.failed(Fault::failed("it was interrupted repeatedly"), now)
            }
            step => step,
        };
        self.go_to(next, now);
    }

    fn go_to(&mut self, next: Step, now: UnixTime) {
        self.step = next;
        if next == Step::RollBack && self.turned.is_none() {
            self.turned = Some(now);
        }
        if self.outcome().is_some() {
            self.ended = Some(now);
        }
    }

    /// What follows if all is well.
    fn next(&self) -> Step {
        match self.step {
            Step::BackUp => Step::Stage,
            Step::Stage => Step::Inspect,
            Step::Inspect if self.changes.is_empty() => Step::CleanUp(Outcome::Unchanged),
            Step::Inspect => Step::Install,
            Step::Install if self.kubelet => Step::Kubelet,
            Step::Install | Step::Kubelet => first_live(&self.live),
            Step::Activate(index) if index + 1 < self.live.len() => Step::Activate(index + 1),
            Step::Activate(_) => Step::Verify,
            Step::Verify if self.kubelet => Step::KubeletRotation,
            Step::Verify if let Some(renewal) = self.kubelet_renewal => kubelet::first(renewal),
            Step::KubeletServingBack => Step::CleanUp(Outcome::RolledBack),
            Step::Verify
            | Step::KubeletRotation
            | Step::KubeletClient
            | Step::KubeletServing
            | Step::RestartPod(_)
            | Step::Copies
            | Step::Hook(_) => self.after_proof(),
            Step::RollBack if self.live.is_empty() => Step::VerifyOld,
            Step::RollBack => Step::ActivateOld(0),
            Step::ActivateOld(index) if index + 1 < self.live.len() => Step::ActivateOld(index + 1),
            Step::ActivateOld(_) => Step::VerifyOld,
            Step::VerifyOld => Step::CleanUp(Outcome::RolledBack),
            Step::CleanUp(outcome) | Step::End(outcome) => Step::End(outcome),
        }
    }

    /// What follows a fault.
    fn failed(&mut self, fault: Fault, now: UnixTime) -> Step {
        let step = self.step;
        let kind = fault.kind;
        let is_untouched = kind == FaultKind::Untouched;
        match step {
            Step::Activate(index) | Step::ActivateOld(index) if self.can_help(&fault, index) => {
                self.notes.push(format!("{}: it is restarted", fault.what));
                self.live[index].restart = true;
                return step;
            }
            Step::KubeletRotation
            | Step::RestartPod(_)
            | Step::Copies
            | Step::Hook(_)
            | Step::CleanUp(_) => {
                self.notes.push(fault.what);
                self.note_side(SideResult::Failed);
                return self.next();
            }
            Step::Install if !is_untouched && !self.retried && self.is_over(now) => {
                self.retried = true;
                self.notes.push(format!("{}: it was retried", fault.what));
                return step;
            }
            _ => self.blame(fault),
        }
        match step {
            step if kubelet::is_judge_of(self, kind) => kubelet::failed(step, kind),
            step if step.is_harmless() => Step::CleanUp(Outcome::Unchanged),
            // There is nothing to put back, and what somebody else wrote is not ours to overwrite.
            Step::Install if is_untouched => Step::CleanUp(Outcome::Unchanged),
            // Each pair is wholly old or wholly new, and one that is new helps more than one that is over.
            Step::Install if self.is_over(now) => {
                self.notes.push(
                    "nothing was rolled back, because the old certificates have expired; once the cause is \
                     fixed, renew again"
                        .to_owned(),
                );
                Step::CleanUp(Outcome::NeedsOperator)
            }
            // Nothing uses the new ones yet, so as long as the old ones are good at all they are the better set.
            Step::Install => {
                // Nothing was restarted for it yet.
                self.live.iter_mut().for_each(|live| live.restart = false);
                Step::RollBack
            }
            Step::Kubelet | Step::Activate(_) | Step::Verify => self.back_or_stay(now),
            _ => Step::CleanUp(Outcome::NeedsOperator),
        }
    }

    /// True if a restart may make the component take what it has not taken by itself.
    fn can_help(&self, fault: &Fault, index: usize) -> bool {
        fault.kind == FaultKind::NotTaken && self.may_restart && !self.live[index].restart
    }

    /// True if what was there before helps nobody.
    fn is_over(&self, now: UnixTime) -> bool {
        self.old_ends.is_some_and(|ends| ends <= now)
    }

    /// True if what was there before would not help for long.
    fn is_too_late(&self, now: UnixTime) -> bool {
        let until = self.back_until.or(self.old_ends.map(|ends| ends - TOO_LATE_TO_GO_BACK));
        until.is_some_and(|until| until < now)
    }

    fn back_or_stay(&mut self, now: UnixTime) -> Step {
        if self.is_too_late(now) {
            self.notes.push(
                "the new certificates stay: the old ones have expired, or will soon".to_owned(),
            );
            return Step::CleanUp(Outcome::PartiallyApplied);
        }
        if self.changes.is_empty() {
            // Only restarts were asked for, so there is nothing to put back.
            return Step::CleanUp(Outcome::NeedsOperator);
        }
        self.restart_again();
        Step::RollBack
    }

    /// For the rollback: components that reload their files are not restarted, except the one that failed.
    fn restart_again(&mut self) {
        let failed = match self.step {
            Step::Activate(index) => Some(index),
            _ => None,
        };
        for (index, live) in self.live.iter_mut().enumerate() {
            let holds =
                matches!(live.component, Component::ControllerManager | Component::Scheduler);
            live.restart &= holds || Some(index) == failed;
        }
    }

    fn blame(&mut self, fault: Fault) {
        let slot = if self.fault.is_none() { &mut self.fault } else { &mut self.rollback_error };
        if slot.is_none() {
            *slot = Some((self.step, fault));
        }
    }
}

/// The earliest of these ends among the certificates that are replaced and can be restored. A pair that does not match
/// is not restored, so it does not count; if there is no other, nothing can be rolled back.
fn earliest(
    plan: &Plan,
    now: UnixTime,
    end: impl Fn(&Renewal) -> Option<UnixTime>,
) -> Option<UnixTime> {
    let is_of_use = |renewal: &&Renewal| renewal.why != RenewReason::KeyMismatch;
    if !plan.renew.is_empty() && !plan.renew.iter().any(|renewal| is_of_use(&renewal)) {
        return Some(now);
    }
    plan.renew.iter().filter(is_of_use).filter_map(end).min()
}

impl Renewal {
    /// Until when it is worth to go back to it after components have used the new one.
    fn back_until(&self) -> Option<UnixTime> {
        let (numerator, denominator) = TOO_LATE_OF_LIFETIME;
        let of_lifetime = self.lifetime.map(|it| it.fraction(numerator, denominator));
        let too_late = of_lifetime.map_or(TOO_LATE_TO_GO_BACK, |it| it.min(TOO_LATE_TO_GO_BACK));
        Some(self.ends? - too_late)
    }
}

/// Where nothing is renewed, nothing is backed up either.
fn first(plan: &Plan) -> Step {
    match plan {
        plan if !plan.renew.is_empty() => Step::BackUp,
        plan if plan.kubelet => Step::Kubelet,
        plan => first_live(&live(plan)),
    }
}

fn first_live(live: &[Live]) -> Step {
    if live.is_empty() { Step::Verify } else { Step::Activate(0) }
}

/// What has to use the new files, in the order of the components.
fn live(plan: &Plan) -> Vec<Live> {
    let one = |component| {
        let is_restarted = |(it, _): &(Component, RestartReason)| *it == component;
        let reloads = |(it, why): &(Component, SkipRestartReason)| {
            *it == component && *why == SkipRestartReason::Reloads
        };
        let restart = plan.restart.iter().any(is_restarted);
        let is_concerned = restart || plan.skip_restart.iter().any(reloads);
        is_concerned.then_some(Live { component, restart })
    };
    Component::ALL.into_iter().filter_map(one).collect()
}

/// A moment as a name for a directory: `2027-01-31T02-00-00Z`.
fn id(now: UnixTime) -> String {
    now.to_string().replace(':', "-")
}

#[cfg(test)]
mod tests;
