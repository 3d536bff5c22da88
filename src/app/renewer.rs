//! `certwatch renew`, once it is known what is asked for: survey, plan, carry out.

use std::path::Path;

use crate::cli::StatusFormat;
use crate::config::Config;
use crate::daemon;
use crate::domain::model::Inventory;
use crate::domain::renewal::decide;
use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::renewal::pace::{self, Attempt};
use crate::domain::renewal::plan::{Plan, Terms};
use crate::domain::renewal::{Fault, Journal, Outcome, Task, words};
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::cluster_config::{self, Settled};
use crate::renew::facts::{self, Question};
use crate::renew::{Memory, Renewer, backup, inspect};
use crate::store::{self, StoreError};
use crate::{keeper, scan, sys};

use super::renew::Request;
use super::stop;

/// Shows what would be done, and changes nothing.
pub(super) fn rehearse(request: &Request) -> Exit {
    let now = sys::now();
    let survey = match survey(request, now) {
        Ok(survey) => survey,
        Err(fault) => return failed(&fault),
    };
    let mut plan = survey.plan;
    if store::is_in_use(&request.places.work) {
        plan.obstacles.insert(0, Obstacle::Busy { pid: None });
    }
    request.show_plan(&plan, now)
}

/// Renews. What a crash has left is brought to its end first.
pub(super) fn renew(request: &Request) -> Exit {
    try_renew(request).unwrap_or_else(|exit| exit)
}

fn try_renew(request: &Request) -> Result<Exit, Exit> {
    let mut renewer = open_and_recover(request)?;
    let now = sys::now();
    let survey = survey_for(request, &mut renewer, now).map_err(|fault| failed(&fault))?;
    let Survey { plan, settled, is_time, found } = survey;
    if !is_time {
        return Ok(Exit::Done);
    }
    if plan.is_empty() || !plan.obstacles.is_empty() {
        return Ok(nothing_done(request, &mut renewer, &plan, found, now));
    }
    keep_config(request, &mut renewer, settled.as_ref()).map_err(|fault| failed(&fault))?;
    request.announce(&plan, now);
    let task = if request.wish.rescue { Task::Rescue } else { Task::Renew };
    let journal = Journal::begin(task, &plan, request.config.renew.restart, now);
    // Before it: one that is killed must not be tried again and again.
    note_attempt(request, &mut renewer, Attempt { at: journal.begun, ended: false, found });
    let journal = renewer.begin(journal, &mut request.progress());
    end_attempt(request, &mut renewer);
    Ok(request.show_outcome(Some(&plan), &journal))
}

/// Brings a renewal that was interrupted to its end, and begins none.
pub(super) fn finish(request: &Request) -> Exit {
    let memory = store::peek::<Memory>(&request.places.work).ok().flatten();
    if memory.is_none_or(|memory| memory.current.is_none()) {
        return Exit::Done;
    }
    open_and_recover(request).map_or_else(|exit| exit, |_| Exit::Done)
}

/// Puts a backup back.
pub(super) fn restore(request: &Request, id: &str) -> Exit {
    try_restore(request, id).unwrap_or_else(|exit| exit)
}

fn try_restore(request: &Request, id: &str) -> Result<Exit, Exit> {
    let mut renewer = open_and_recover(request)?;
    let now = sys::now();
    let plan = restoring(request, id, now).map_err(|fault| failed(&fault))?;
    if !plan.obstacles.is_empty() {
        return Ok(request.show_plan(&plan, now));
    }
    let task = Task::Restore(id.to_owned());
    let journal = Journal::begin(task, &plan, request.config.renew.restart, now);
    let journal = renewer.begin(journal, &mut request.progress());
    Ok(request.show_outcome(Some(&plan), &journal))
}

fn open_and_recover(request: &Request) -> Result<Renewer, Exit> {
    let mut renewer = open(request)?;
    recover(request, &mut renewer)?;
    Ok(renewer)
}

/// What was found.
struct Survey {
    plan: Plan,
    settled: Option<Settled>,
    /// A person asks, or it is time.
    is_time: bool,
    /// What is due, if no person asks.
    found: String,
}

fn survey(request: &Request, now: UnixTime) -> Result<Survey, Fault> {
    let inventory = inventory(request, now)?;
    let terms = terms(&request.config);
    let admin_is_renewed = decide::concerns(&request.wish, "admin.conf", &inventory, &terms, now);
    let (facts, settled) = facts::gather(&question(request, admin_is_renewed), now);
    let plan = decide::plan(&inventory, &facts, &request.wish, &terms, now);
    Ok(Survey { plan, settled, is_time: true, found: String::new() })
}

/// The same; without a person, only if it is time, and noted in either case.
fn survey_for(request: &Request, renewer: &mut Renewer, now: UnixTime) -> Result<Survey, Fault> {
    let mut survey = survey(request, now)?;
    if request.is_auto {
        let inventory = inventory(request, now)?;
        let routine = keeper::routine(&request.config);
        let next = routine.and_then(|it| it.next(&inventory, renewer.attempts(), now));
        let next = next.filter(|next| next.at <= now && !next.found.is_empty());
        survey.is_time = next.is_some();
        survey.found = next.map(|next| next.found).unwrap_or_default();
        renewer.note_run(now);
        keep_config(request, renewer, survey.settled.as_ref())?;
        renewer.save()?;
    }
    Ok(survey)
}

fn inventory(request: &Request, now: UnixTime) -> Result<Inventory, Fault> {
    let mut scanned = daemon::request(&request.config, Path::new("/"));
    scanned.paths.clear();
    if request.places.is_stage_shown {
        scanned.paths.push(request.places.kubernetes.to_string_lossy().into_owned());
    }
    scanned.standard = true;
    scan::scan(&scanned, now).map_err(|error| Fault::failed(error.to_string()))
}

fn question(request: &Request, admin_is_renewed: bool) -> Question<'_> {
    Question {
        places: &request.places,
        cluster_config: request.cluster_config.as_deref(),
        copies: &request.config.renew.copies,
        admin_is_renewed,
    }
}

fn terms(config: &Config) -> Terms {
    Terms {
        before: config.renew.before,
        short_lived: config.policy.short_lived,
        restart: config.renew.restart,
    }
}

fn restoring(request: &Request, id: &str, now: UnixTime) -> Result<Plan, Fault> {
    let paths = backup::read(&request.places, id)?.paths();
    let is_in = |role: &&Role| {
        let files = inspect::paths_of(&request.places.kubernetes, role.id).unwrap_or_default();
        files.iter().any(|file| paths.contains(file))
    };
    let names: Vec<_> = role::KUBEADM.iter().filter(is_in).map(|role| role.id).collect();
    let (mut facts, _) = facts::gather(&question(request, false), now);
    // kubeadm has no part in it.
    facts.obstacles.retain(|obstacle| !obstacle.is_about_kubeadm());
    let live = inventory(request, now)?;
    Ok(decide::restoring(&names, &live, &facts, request.wish.force, &terms(&request.config), now))
}

fn open(request: &Request) -> Result<Renewer, Exit> {
    let is_asked_to_stop = stop::asked().map_err(|error| {
        super::complain(&format!("cannot wait for signals: {error}"));
        Exit::Failed
    })?;
    let (places, keep) = (request.places.clone(), request.config.renew.keep_backups);
    Renewer::open(places, keep, is_asked_to_stop).map_err(|error| {
        super::complain(&match error {
            StoreError::Busy { pid, .. } => {
                let busy = Obstacle::Busy { pid };
                format!("{}: {}", busy.what(), busy.way_out())
            }
            error => error.to_string(),
        });
        Exit::Failed
    })
}

/// A renewal that could not be brought to a good end needs a person, not another renewal.
fn recover(request: &Request, renewer: &mut Renewer) -> Result<(), Exit> {
    match renewer.recover(&mut request.progress()) {
        Err(fault) => Err(failed(&fault)),
        Ok(None) => Ok(()),
        Ok(Some(journal)) => {
            if journal.outcome() != Some(Outcome::Unchanged) {
                end_attempt(request, renewer);
            }
            let headline = words::outcome_headline(&journal);
            super::complain(&format!(
                "an interrupted renewal has been brought to its end: {headline}"
            ));
            let is_bad = matches!(journal.outcome(), Some(Outcome::Stuck | Outcome::Kept));
            // In JSON only one can be told, and it is the last.
            if is_bad || request.output == StatusFormat::Table {
                request.show_outcome(None, &journal);
            }
            if is_bad { Err(Exit::Failed) } else { Ok(()) }
        }
    }
}

/// What stands in the way of a renewal that nobody sees is told like one that failed, unless it goes
/// away by itself.
fn nothing_done(
    request: &Request,
    renewer: &mut Renewer,
    plan: &Plan,
    found: String,
    now: UnixTime,
) -> Exit {
    if request.is_auto {
        // With nothing in the way, what is due can never be renewed here.
        let is_over = !pace::is_waited_for(&plan.obstacles, renewer.attempts(), &found, now);
        note_attempt(request, renewer, Attempt { at: now, ended: is_over, found });
        if is_over {
            renewer.conclude(Journal::refused(plan, now));
        }
    }
    request.show_plan(plan, now)
}

fn note_attempt(request: &Request, renewer: &mut Renewer, attempt: Attempt) {
    if request.is_auto {
        renewer.note_attempt(attempt);
        // Without it the daemon's own note has to do.
        let _ = renewer.save();
    }
}

fn end_attempt(request: &Request, renewer: &mut Renewer) {
    if request.is_auto {
        renewer.end_attempt();
        let _ = renewer.save();
    }
}

fn keep_config(
    request: &Request,
    renewer: &mut Renewer,
    settled: Option<&Settled>,
) -> Result<(), Fault> {
    let Some(settled) = settled else { return Ok(()) };
    let path = cluster_config::keep(&request.places, settled)?;
    renewer.use_config(&path);
    Ok(())
}

fn failed(fault: &Fault) -> Exit {
    super::complain(&fault.what);
    Exit::Failed
}
