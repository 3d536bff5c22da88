//! Renewals and restorations, once it is known what is asked for: survey, plan, carry out.

mod dry_run;
mod job;
mod session;
mod survey;

use std::time::Duration;

use crate::app::print_error;
use crate::domain::renewal::plan::Plan;
use crate::domain::renewal::rate_limit::{self, HeldUp};
use crate::domain::renewal::{Journal, Task};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::facts::cluster_config::{self, ClusterConfigSource};
use crate::renew::tree::pairs;
use crate::renew::{Renewer, RenewerState};
use crate::{store, sys};

pub(super) use dry_run::dry_run;
pub(super) use job::{RenewalJob, config_for, node_paths};
use session::{end_attempt, failed, note_attempt, with_renewer};
use survey::{DueRenewal, PreparedPlan, keep_config, restoring, survey_for};

/// How long one who was asked too often stays before it ends: meanwhile nobody else is started.
const TOO_OFTEN: Duration = Duration::from_secs(60);

/// Renews. What a crash has left is brought to its end first.
pub(super) fn renew(job: &RenewalJob) -> Exit {
    if job.is_auto && is_asked_too_often(job) {
        print_error("too many requests for renewals within the hour: this one is ignored");
        // Whoever asks without a pause gets one start a minute, and the service no failure.
        std::thread::sleep(TOO_OFTEN);
        return Exit::Done;
    }
    with_renewer(job, |renewer| try_renew(job, renewer))
}

/// The daemon's user can request as often as it likes, and each check costs something. An interrupted renewal, or a
/// damaged state, is dealt with at any request: after that the state can be read, and the limit applies.
fn is_asked_too_often(job: &RenewalJob) -> bool {
    let memory = store::peek::<RenewerState>(&job.paths.work);
    let Ok(Some(memory)) = memory else { return false };
    memory.current.is_none() && !rate_limit::may_look(&memory.looks, sys::now())
}

fn try_renew(job: &RenewalJob, renewer: &mut Renewer) -> Result<Exit, Exit> {
    let now = sys::now();
    let survey = survey_for(job, renewer, now).map_err(|fault| failed(&fault))?;
    let PreparedPlan { plan, settled, text, due } = survey;
    renewer.goes_on_beside(&plan.overridden);
    let Some(due) = due else { return Ok(Exit::Done) };
    if plan.is_empty() || !plan.blockers.is_empty() {
        return Ok(nothing_done(job, renewer, &plan, due, now));
    }
    keep_config(job, settled.as_ref()).map_err(|fault| failed(&fault))?;
    if let Some(text) = text {
        let path = cluster_config::hand_over(&job.paths, &text);
        renewer.use_config(&path.map_err(|fault| failed(&fault))?);
    }
    job.announce(&plan, now);
    let task = if job.request.rescue { Task::Rescue } else { Task::Renew };
    let journal = Journal::begin(task, &plan, job.config.renew.restart, now);
    // Before it: one that is killed must not be tried again and again.
    renewer.note_held_up(false, now);
    // The kubelet is not restarted again within a day, whatever is left of what it has.
    let ends = due.ends.filter(|_| plan.kubelet_renewal.is_none());
    note_attempt(job, renewer, DueRenewal { ends, ..due }.attempt(journal.begun, false));
    let journal = renewer.begin(journal, &mut job.progress());
    end_attempt(job, renewer);
    if settled.is_some_and(|it| it.source == ClusterConfigSource::Node) {
        // The API answers again, and says more than the node did. If not, the daemon asks again.
        let _ = cluster_config::refresh(&job.paths);
    }
    Ok(job.show_outcome(Some(&plan), &journal))
}

/// Brings a renewal that was interrupted to its end, keeps the cluster's configuration, and begins none.
pub(super) fn finish(job: &RenewalJob) -> Exit {
    let memory = store::peek::<RenewerState>(&job.paths.work);
    // What cannot be read may be one that was interrupted.
    let is_whole = memory.is_ok_and(|memory| memory.is_none_or(|it| it.is_settled()));
    // A journal may be lost, and nobody asks for the certificates then.
    let is_whole = is_whole && !pairs::are_broken(&job.paths);
    let is_kept = cluster_config::is_recent(&job.paths.work, sys::now());
    if is_whole && (is_kept || is_asked_too_often(job)) {
        return Exit::Done;
    }
    with_renewer(job, |renewer| {
        if !is_kept {
            refresh_config(job, renewer);
        }
        Ok(Exit::Done)
    })
}

/// For the day on which the API does not answer; one that does not answer now is asked again by the next who looks.
fn refresh_config(job: &RenewalJob, renewer: &mut Renewer) {
    renewer.note_look(sys::now());
    let kept = renewer.save().and_then(|()| cluster_config::refresh(&job.paths));
    if let Err(fault) = kept {
        print_error(&format!("no cluster configuration is saved for a rescue: {}", fault.what));
    }
}

/// Puts a backup back.
pub(super) fn restore(job: &RenewalJob, id: &str) -> Exit {
    with_renewer(job, |renewer| try_restore(job, renewer, id))
}

fn try_restore(job: &RenewalJob, renewer: &mut Renewer, id: &str) -> Result<Exit, Exit> {
    let now = sys::now();
    let plan = restoring(job, renewer.memory().manifests.as_ref(), id, now)
        .map_err(|fault| failed(&fault))?;
    if !plan.blockers.is_empty() {
        return Ok(job.show_plan(&plan, now));
    }
    let task = Task::Restore(id.to_owned());
    let journal = Journal::begin(task, &plan, job.config.renew.restart, now);
    let journal = renewer.begin(journal, &mut job.progress());
    Ok(job.show_outcome(Some(&plan), &journal))
}

/// What stands in the way of a renewal that nobody sees is told like one that failed, unless it goes
/// away by itself, and soon.
fn nothing_done(
    job: &RenewalJob,
    renewer: &mut Renewer,
    plan: &Plan,
    due: DueRenewal,
    now: UnixTime,
) -> Exit {
    if job.is_auto {
        let since = renewer.note_held_up(!plan.blockers.is_empty(), now);
        let deadline = job.config.renew.deadline;
        let held_up = HeldUp { found: &due.found, ends: due.ends, deadline, since };
        // With nothing in the way, what is due can never be renewed here.
        let is_over = !rate_limit::is_waited_for(&plan.blockers, renewer.attempts(), &held_up, now);
        note_attempt(job, renewer, due.attempt(now, is_over));
        let refusal = Journal::refused(plan, since, now);
        if is_over && !renewer.memory().has_told(&refusal) {
            renewer.conclude(refusal);
        }
    }
    job.show_plan(plan, now)
}
