//! `certwatch renew`, once it is known what is asked for: survey, plan, carry out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glob::Pattern;

use crate::cli::StatusFormat;
use crate::config::Config;
use crate::daemon;
use crate::domain::layout::ROOT_KUBECONFIG;
use crate::domain::model::Inventory;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::decide;
use crate::domain::renewal::plan::{Plan, RenewReason, RenewalPolicy};
use crate::domain::renewal::rate_limit::{self, Attempt, HeldUp};
use crate::domain::renewal::{Fault, Journal, Outcome, Task, words};
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::cluster_config::{self, ClusterConfigSource, Settled};
use crate::renew::facts::{self, Gathered, Question};
use crate::renew::memory::Manifests;
use crate::renew::{Renewer, RenewerState, backup, inspect, pairs};
use crate::store::{self, StoreError};
use crate::{monitor, scan, sys};

use super::renew::RenewalJob;
use super::stop;

/// How long one who was asked too often stays before it ends: meanwhile nobody else is started.
const TOO_OFTEN: Duration = Duration::from_secs(60);

/// Renews. What a crash has left is brought to its end first.
pub(super) fn renew(job: &RenewalJob) -> Exit {
    if job.is_auto && is_asked_too_often(job) {
        super::print_error("too many requests for renewals within the hour: this one is ignored");
        // Whoever asks without a pause gets one start a minute, and the service no failure.
        std::thread::sleep(TOO_OFTEN);
        return Exit::Done;
    }
    with_renewer(job, |renewer| try_renew(job, renewer))
}

/// The daemon's user can ask without end, and each look costs something. What was interrupted is brought to its end
/// whoever asks; so is what is damaged, and afterwards it can be read.
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
    note_attempt(job, renewer, due.attempt(journal.begun, false));
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
        super::print_error(&format!(
            "no cluster configuration is saved for a rescue: {}",
            fault.what
        ));
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

/// What an earlier run has left is brought to its end first.
fn with_renewer(job: &RenewalJob, work: impl FnOnce(&mut Renewer) -> Result<Exit, Exit>) -> Exit {
    let mut renewer = match open(job) {
        Ok(renewer) => renewer,
        Err(exit) => return exit,
    };
    let done = recover(job, &mut renewer).and_then(|()| work(&mut renewer));
    // If it cannot be written, the next one notes it.
    let _ = renewer.note_mismatched();
    done.unwrap_or_else(|exit| exit)
}

/// What was found.
pub(super) struct PreparedPlan {
    pub(super) plan: Plan,
    settled: Option<Settled>,
    /// For kubeadm.
    text: Option<String>,
    /// Whatever a person asks for; what is due, if it is time. Otherwise there is nothing to do.
    due: Option<DueRenewal>,
}

/// What is due, if no person asks.
#[derive(Default)]
struct DueRenewal {
    found: String,
    ends: Option<UnixTime>,
}

impl DueRenewal {
    fn attempt(self, at: UnixTime, ended: bool) -> Attempt {
        Attempt { at, ended, found: self.found, ends: self.ends }
    }
}

pub(super) fn survey(
    job: &RenewalJob,
    manifests: Option<&Manifests>,
    now: UnixTime,
) -> Result<PreparedPlan, Fault> {
    let inventory = inventory(job, now)?;
    let policy = policy(&job.config);
    let admin_is_renewed = decide::concerns(&job.request, "admin.conf", &inventory, &policy, now);
    let Gathered { facts, settled, text } =
        facts::gather(&question(job, admin_is_renewed, manifests), now);
    let plan = decide::plan(&inventory, &facts, &job.request, &policy, now);
    Ok(PreparedPlan { plan, settled, text, due: Some(DueRenewal::default()) })
}

/// The same; without a person, only if it is time, and noted in either case.
fn survey_for(
    job: &RenewalJob,
    renewer: &mut Renewer,
    now: UnixTime,
) -> Result<PreparedPlan, Fault> {
    if job.is_auto {
        // Before it: one that kills this process costs as much as one that ends.
        renewer.note_look(now);
        renewer.save()?;
    }
    let mut survey = survey(job, renewer.memory().manifests.as_ref(), now)?;
    if job.is_auto {
        let inventory = inventory(job, now)?;
        let schedule = monitor::schedule(&job.config);
        let next = schedule.and_then(|it| it.next(&inventory, renewer.attempts(), now));
        let next = next.filter(|next| !next.found.is_empty());
        if let Some(since) = renewer.memory().held_up {
            survey.plan.wait_no_longer(since, next.as_ref().and_then(|next| next.ends), now);
        }
        // No scan sees a key that is not its certificate's, and what cannot be used waits for no window.
        let broken = without_keys(&survey.plan).map(|found| DueRenewal { found, ends: Some(now) });
        if next.is_none() && broken.is_none() || survey.plan.blockers.is_empty() {
            renewer.note_held_up(false, now);
        }
        let next = next.filter(|next| next.at <= now);
        let may_begin = |due: &DueRenewal| {
            rate_limit::not_before(renewer.attempts(), &due.found, due.ends, now) <= now
        };
        survey.due = next
            .map(|next| DueRenewal { found: next.found, ends: next.ends })
            .or(broken.filter(may_begin));
        renewer.note_run(now);
        keep_config(job, survey.settled.as_ref())?;
        renewer.save()?;
    }
    Ok(survey)
}

fn without_keys(plan: &Plan) -> Option<String> {
    let broken = plan.renew.iter().filter(|it| it.why == RenewReason::KeyMismatch);
    let broken: Vec<_> = broken.map(|it| format!("{} without its key", it.name)).collect();
    Some(broken.join(" ")).filter(|found| !found.is_empty())
}

fn inventory(job: &RenewalJob, now: UnixTime) -> Result<Inventory, Fault> {
    let mut scanned = daemon::request(&job.config, Path::new("/"));
    scanned.paths.clear();
    if job.paths.is_stage_shown {
        scanned.paths.push(job.paths.kubernetes.to_string_lossy().into_owned());
    }
    scanned.standard = true;
    // Copies are looked at elsewhere, where a file system that is away holds up less.
    let copies = job.config.renew.copies.iter().map(|copy| copy.path.as_path());
    let copies = copies.chain([Path::new(ROOT_KUBECONFIG)]);
    let pattern = |path: &Path| Pattern::new(&Pattern::escape(&path.to_string_lossy())).ok();
    scanned.exclude.extend(copies.filter_map(pattern));
    scan::scan(&scanned, &Arc::default(), now).map_err(|error| Fault::failed(error.to_string()))
}

fn question<'a>(
    job: &'a RenewalJob,
    admin_is_renewed: bool,
    manifests: Option<&'a Manifests>,
) -> Question<'a> {
    Question {
        paths: &job.paths,
        cluster_config: job.cluster_config.as_deref(),
        copies: &job.copies,
        admin_is_renewed,
        manifests,
    }
}

fn policy(config: &Config) -> RenewalPolicy {
    RenewalPolicy {
        before: config.renew.before,
        short_lived: config.policy.short_lived,
        restart: config.renew.restart,
    }
}

fn restoring(
    job: &RenewalJob,
    manifests: Option<&Manifests>,
    id: &str,
    now: UnixTime,
) -> Result<Plan, Fault> {
    let file_paths = backup::read(&job.paths, id)?.paths();
    let is_in = |role: &&Role| {
        let files = inspect::paths_of(&job.paths.kubernetes, role.id).unwrap_or_default();
        files.iter().any(|file| file_paths.contains(file))
    };
    let names: Vec<_> = role::KUBEADM.iter().filter(is_in).map(|role| role.id).collect();
    let Gathered { mut facts, .. } = facts::gather(&question(job, false, manifests), now);
    // kubeadm has no part in it.
    facts.blockers.retain(|blocker| !blocker.is_about_kubeadm());
    let live = inventory(job, now)?;
    Ok(decide::restoring(&names, &live, &facts, job.request.force, &policy(&job.config), now))
}

fn open(job: &RenewalJob) -> Result<Renewer, Exit> {
    let stop = stop::asked().map_err(|error| {
        super::print_error(&format!("cannot wait for signals: {error}"));
        Exit::Failed
    })?;
    let keep = job.config.renew.keep_backups;
    let open = || Renewer::open(job.paths.clone(), keep, job.copies.clone(), stop.clone());
    let opened = match open() {
        // A person looks first, and runs it again. Nobody else would.
        Err(error @ StoreError::Forgotten { .. }) if job.is_auto => {
            super::print_error(&error.to_string());
            open()
        }
        opened => opened,
    };
    let mut renewer = opened.map_err(|error| {
        super::print_error(&match error {
            StoreError::Busy { pid, .. } => {
                let busy = Blocker::Busy { pid };
                format!("{}: {}", busy.what(), busy.remedy())
            }
            error => error.to_string(),
        });
        Exit::Failed
    })?;
    if job.is_auto {
        renewer.is_asked_by_nobody();
    }
    Ok(renewer)
}

/// A renewal that could not be brought to a good end needs a person, not another renewal. After a repair there is one:
/// its plan says who does not use the pair yet.
fn recover(job: &RenewalJob, renewer: &mut Renewer) -> Result<(), Exit> {
    let ended = renewer.recover(&mut job.progress()).map_err(|fault| failed(&fault))?;
    for journal in &ended {
        if journal.outcome() != Some(Outcome::Unchanged) {
            end_attempt(job, renewer);
        }
        let headline = words::outcome_headline(journal);
        // The table below begins with the headline.
        match (job.output, &journal.task) {
            (StatusFormat::Table, Task::Repair) => {}
            (StatusFormat::Json, Task::Repair) => super::print_error(&headline),
            (StatusFormat::Table, _) => {
                super::print_error("an interrupted renewal was completed");
            }
            (StatusFormat::Json, _) => {
                super::print_error(&format!("an interrupted renewal was completed: {headline}"));
            }
        }
    }
    let needs_person = |journal: &&Journal| {
        let is_bad =
            matches!(journal.outcome(), Some(Outcome::NeedsOperator | Outcome::PartiallyApplied));
        is_bad && journal.task != Task::Repair
    };
    let bad = ended.iter().rev().find(needs_person);
    // In JSON only one can be told, and it is the last.
    let shown: Vec<_> = match (job.output, bad) {
        (StatusFormat::Table, _) => ended.iter().collect(),
        (_, bad) => bad.into_iter().collect(),
    };
    for journal in shown {
        job.show_outcome(None, journal);
    }
    if bad.is_some() { Err(Exit::Failed) } else { Ok(()) }
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

fn note_attempt(job: &RenewalJob, renewer: &mut Renewer, attempt: Attempt) {
    if job.is_auto {
        renewer.note_attempt(attempt);
        // Without it the daemon's own note has to do.
        let _ = renewer.save();
    }
}

fn end_attempt(job: &RenewalJob, renewer: &mut Renewer) {
    if job.is_auto {
        renewer.end_attempt();
        let _ = renewer.save();
    }
}

fn keep_config(job: &RenewalJob, settled: Option<&Settled>) -> Result<(), Fault> {
    settled.map_or(Ok(()), |settled| cluster_config::keep(&job.paths, settled))
}

pub(super) fn failed(fault: &Fault) -> Exit {
    super::print_error(&fault.what);
    Exit::Failed
}
