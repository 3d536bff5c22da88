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
use crate::domain::renewal::decide;
use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::renewal::pace::{self, Attempt, HeldUp};
use crate::domain::renewal::plan::{Plan, RenewReason, Terms};
use crate::domain::renewal::{Fault, Journal, Outcome, Task, words};
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::cluster_config::{self, Settled, Source};
use crate::renew::facts::{self, Gathered, Question};
use crate::renew::memory::Manifests;
use crate::renew::{Memory, Renewer, backup, inspect, pairs};
use crate::store::{self, StoreError};
use crate::{monitor, scan, sys};

use super::renew::Request;
use super::stop;

/// How long one who was asked too often stays before it ends: meanwhile nobody else is started.
const TOO_OFTEN: Duration = Duration::from_secs(60);

/// Renews. What a crash has left is brought to its end first.
pub(super) fn renew(request: &Request) -> Exit {
    if request.is_auto && is_asked_too_often(request) {
        super::complain("asked for renewals too often in this hour: nothing is looked at");
        // Whoever asks without a pause gets one start a minute, and the service no failure.
        std::thread::sleep(TOO_OFTEN);
        return Exit::Done;
    }
    with_renewer(request, |renewer| try_renew(request, renewer))
}

/// The daemon's user can ask without end, and each look costs something. What was interrupted is brought to its end
/// whoever asks; so is what is damaged, and afterwards it can be read.
fn is_asked_too_often(request: &Request) -> bool {
    let memory = store::peek::<Memory>(&request.places.work);
    let Ok(Some(memory)) = memory else { return false };
    memory.current.is_none() && !pace::may_look(&memory.looks, sys::now())
}

fn try_renew(request: &Request, renewer: &mut Renewer) -> Result<Exit, Exit> {
    let now = sys::now();
    let survey = survey_for(request, renewer, now).map_err(|fault| failed(&fault))?;
    let Survey { plan, settled, text, due } = survey;
    renewer.goes_on_beside(&plan.overridden);
    let Some(due) = due else { return Ok(Exit::Done) };
    if plan.is_empty() || !plan.obstacles.is_empty() {
        return Ok(nothing_done(request, renewer, &plan, due, now));
    }
    keep_config(request, settled.as_ref()).map_err(|fault| failed(&fault))?;
    if let Some(text) = text {
        let path = cluster_config::hand_over(&request.places, &text);
        renewer.use_config(&path.map_err(|fault| failed(&fault))?);
    }
    request.announce(&plan, now);
    let task = if request.wish.rescue { Task::Rescue } else { Task::Renew };
    let journal = Journal::begin(task, &plan, request.config.renew.restart, now);
    // Before it: one that is killed must not be tried again and again.
    renewer.note_held_up(false, now);
    note_attempt(request, renewer, due.attempt(journal.begun, false));
    let journal = renewer.begin(journal, &mut request.progress());
    end_attempt(request, renewer);
    if settled.is_some_and(|it| it.source == Source::Node) {
        // The API answers again, and says more than the node did. If not, the daemon asks again.
        let _ = cluster_config::refresh(&request.places);
    }
    Ok(request.show_outcome(Some(&plan), &journal))
}

/// Brings a renewal that was interrupted to its end, keeps the cluster's configuration, and begins none.
pub(super) fn finish(request: &Request) -> Exit {
    let memory = store::peek::<Memory>(&request.places.work);
    // What cannot be read may be one that was interrupted.
    let is_whole = memory.is_ok_and(|memory| memory.is_none_or(|it| it.is_settled()));
    // A journal may be lost, and nobody asks for the certificates then.
    let is_whole = is_whole && !pairs::are_broken(&request.places);
    let is_kept = cluster_config::is_recent(&request.places.work, sys::now());
    if is_whole && (is_kept || is_asked_too_often(request)) {
        return Exit::Done;
    }
    with_renewer(request, |renewer| {
        if !is_kept {
            refresh_config(request, renewer);
        }
        Ok(Exit::Done)
    })
}

/// For the day on which the API does not answer; one that does not answer now is asked again by the next who looks.
fn refresh_config(request: &Request, renewer: &mut Renewer) {
    renewer.note_look(sys::now());
    let kept = renewer.save().and_then(|()| cluster_config::refresh(&request.places));
    if let Err(fault) = kept {
        super::complain(&format!("nothing is kept for a rescue: {}", fault.what));
    }
}

/// Puts a backup back.
pub(super) fn restore(request: &Request, id: &str) -> Exit {
    with_renewer(request, |renewer| try_restore(request, renewer, id))
}

fn try_restore(request: &Request, renewer: &mut Renewer, id: &str) -> Result<Exit, Exit> {
    let now = sys::now();
    let plan = restoring(request, renewer.memory().manifests.as_ref(), id, now)
        .map_err(|fault| failed(&fault))?;
    if !plan.obstacles.is_empty() {
        return Ok(request.show_plan(&plan, now));
    }
    let task = Task::Restore(id.to_owned());
    let journal = Journal::begin(task, &plan, request.config.renew.restart, now);
    let journal = renewer.begin(journal, &mut request.progress());
    Ok(request.show_outcome(Some(&plan), &journal))
}

/// What an earlier run has left is brought to its end first.
fn with_renewer(request: &Request, work: impl FnOnce(&mut Renewer) -> Result<Exit, Exit>) -> Exit {
    let mut renewer = match open(request) {
        Ok(renewer) => renewer,
        Err(exit) => return exit,
    };
    let done = recover(request, &mut renewer).and_then(|()| work(&mut renewer));
    // If it cannot be written, the next one notes it.
    let _ = renewer.note_mismatched();
    done.unwrap_or_else(|exit| exit)
}

/// What was found.
pub(super) struct Survey {
    pub(super) plan: Plan,
    settled: Option<Settled>,
    /// For kubeadm.
    text: Option<String>,
    /// Whatever a person asks for; what is due, if it is time. Otherwise there is nothing to do.
    due: Option<Due>,
}

/// What is due, if no person asks.
#[derive(Default)]
struct Due {
    found: String,
    ends: Option<UnixTime>,
}

impl Due {
    fn attempt(self, at: UnixTime, ended: bool) -> Attempt {
        Attempt { at, ended, found: self.found, ends: self.ends }
    }
}

pub(super) fn survey(
    request: &Request,
    manifests: Option<&Manifests>,
    now: UnixTime,
) -> Result<Survey, Fault> {
    let inventory = inventory(request, now)?;
    let terms = terms(&request.config);
    let admin_is_renewed = decide::concerns(&request.wish, "admin.conf", &inventory, &terms, now);
    let Gathered { facts, settled, text } =
        facts::gather(&question(request, admin_is_renewed, manifests), now);
    let plan = decide::plan(&inventory, &facts, &request.wish, &terms, now);
    Ok(Survey { plan, settled, text, due: Some(Due::default()) })
}

/// The same; without a person, only if it is time, and noted in either case.
fn survey_for(request: &Request, renewer: &mut Renewer, now: UnixTime) -> Result<Survey, Fault> {
    if request.is_auto {
        // Before it: one that kills this process costs as much as one that ends.
        renewer.note_look(now);
        renewer.save()?;
    }
    let mut survey = survey(request, renewer.memory().manifests.as_ref(), now)?;
    if request.is_auto {
        let inventory = inventory(request, now)?;
        let routine = monitor::routine(&request.config);
        let next = routine.and_then(|it| it.next(&inventory, renewer.attempts(), now));
        let next = next.filter(|next| !next.found.is_empty());
        if let Some(since) = renewer.memory().held_up {
            survey.plan.wait_no_longer(since, next.as_ref().and_then(|next| next.ends), now);
        }
        // No scan sees a key that is not its certificate's, and what cannot be used waits for no window.
        let broken = without_keys(&survey.plan).map(|found| Due { found, ends: Some(now) });
        if next.is_none() && broken.is_none() || survey.plan.obstacles.is_empty() {
            renewer.note_held_up(false, now);
        }
        let next = next.filter(|next| next.at <= now);
        let may_begin =
            |due: &Due| pace::not_before(renewer.attempts(), &due.found, due.ends, now) <= now;
        survey.due = next
            .map(|next| Due { found: next.found, ends: next.ends })
            .or(broken.filter(may_begin));
        renewer.note_run(now);
        keep_config(request, survey.settled.as_ref())?;
        renewer.save()?;
    }
    Ok(survey)
}

fn without_keys(plan: &Plan) -> Option<String> {
    let broken = plan.renew.iter().filter(|it| it.why == RenewReason::KeyMismatch);
    let broken: Vec<_> = broken.map(|it| format!("{} without its key", it.name)).collect();
    Some(broken.join(" ")).filter(|found| !found.is_empty())
}

fn inventory(request: &Request, now: UnixTime) -> Result<Inventory, Fault> {
    let mut scanned = daemon::request(&request.config, Path::new("/"));
    scanned.paths.clear();
    if request.places.is_stage_shown {
        scanned.paths.push(request.places.kubernetes.to_string_lossy().into_owned());
    }
    scanned.standard = true;
    // Copies are looked at elsewhere, where a file system that is away holds up less.
    let copies = request.config.renew.copies.iter().map(|copy| copy.path.as_path());
    let copies = copies.chain([Path::new(ROOT_KUBECONFIG)]);
    let pattern = |path: &Path| Pattern::new(&Pattern::escape(&path.to_string_lossy())).ok();
    scanned.exclude.extend(copies.filter_map(pattern));
    scan::scan(&scanned, &Arc::default(), now).map_err(|error| Fault::failed(error.to_string()))
}

fn question<'a>(
    request: &'a Request,
    admin_is_renewed: bool,
    manifests: Option<&'a Manifests>,
) -> Question<'a> {
    Question {
        places: &request.places,
        cluster_config: request.cluster_config.as_deref(),
        copies: &request.copies,
        admin_is_renewed,
        manifests,
    }
}

fn terms(config: &Config) -> Terms {
    Terms {
        before: config.renew.before,
        short_lived: config.policy.short_lived,
        restart: config.renew.restart,
    }
}

fn restoring(
    request: &Request,
    manifests: Option<&Manifests>,
    id: &str,
    now: UnixTime,
) -> Result<Plan, Fault> {
    let paths = backup::read(&request.places, id)?.paths();
    let is_in = |role: &&Role| {
        let files = inspect::paths_of(&request.places.kubernetes, role.id).unwrap_or_default();
        files.iter().any(|file| paths.contains(file))
    };
    let names: Vec<_> = role::KUBEADM.iter().filter(is_in).map(|role| role.id).collect();
    let Gathered { mut facts, .. } = facts::gather(&question(request, false, manifests), now);
    // kubeadm has no part in it.
    facts.obstacles.retain(|obstacle| !obstacle.is_about_kubeadm());
    let live = inventory(request, now)?;
    Ok(decide::restoring(&names, &live, &facts, request.wish.force, &terms(&request.config), now))
}

fn open(request: &Request) -> Result<Renewer, Exit> {
    let stop = stop::asked().map_err(|error| {
        super::complain(&format!("cannot wait for signals: {error}"));
        Exit::Failed
    })?;
    let keep = request.config.renew.keep_backups;
    let open = || Renewer::open(request.places.clone(), keep, request.copies.clone(), stop.clone());
    let opened = match open() {
        // A person looks first, and runs it again. Nobody else would.
        Err(error @ StoreError::Forgotten { .. }) if request.is_auto => {
            super::complain(&error.to_string());
            open()
        }
        opened => opened,
    };
    let mut renewer = opened.map_err(|error| {
        super::complain(&match error {
            StoreError::Busy { pid, .. } => {
                let busy = Obstacle::Busy { pid };
                format!("{}: {}", busy.what(), busy.way_out())
            }
            error => error.to_string(),
        });
        Exit::Failed
    })?;
    if request.is_auto {
        renewer.is_asked_by_nobody();
    }
    Ok(renewer)
}

/// A renewal that could not be brought to a good end needs a person, not another renewal. After a repair there is one:
/// its plan says who does not use the pair yet.
fn recover(request: &Request, renewer: &mut Renewer) -> Result<(), Exit> {
    let ended = renewer.recover(&mut request.progress()).map_err(|fault| failed(&fault))?;
    for journal in &ended {
        if journal.outcome() != Some(Outcome::Unchanged) {
            end_attempt(request, renewer);
        }
        let headline = words::outcome_headline(journal);
        // The table below begins with the headline.
        match (request.output, &journal.task) {
            (StatusFormat::Table, Task::Repair) => {}
            (StatusFormat::Json, Task::Repair) => super::complain(&headline),
            (StatusFormat::Table, _) => {
                super::complain("an interrupted renewal has been brought to its end");
            }
            (StatusFormat::Json, _) => super::complain(&format!(
                "an interrupted renewal has been brought to its end: {headline}"
            )),
        }
    }
    let needs_person = |journal: &&Journal| {
        let is_bad = matches!(journal.outcome(), Some(Outcome::Stuck | Outcome::Kept));
        is_bad && journal.task != Task::Repair
    };
    let bad = ended.iter().rev().find(needs_person);
    // In JSON only one can be told, and it is the last.
    let shown: Vec<_> = match (request.output, bad) {
        (StatusFormat::Table, _) => ended.iter().collect(),
        (_, bad) => bad.into_iter().collect(),
    };
    for journal in shown {
        request.show_outcome(None, journal);
    }
    if bad.is_some() { Err(Exit::Failed) } else { Ok(()) }
}

/// What stands in the way of a renewal that nobody sees is told like one that failed, unless it goes
/// away by itself, and soon.
fn nothing_done(
    request: &Request,
    renewer: &mut Renewer,
    plan: &Plan,
    due: Due,
    now: UnixTime,
) -> Exit {
    if request.is_auto {
        let since = renewer.note_held_up(!plan.obstacles.is_empty(), now);
        let deadline = request.config.renew.deadline;
        let held_up = HeldUp { found: &due.found, ends: due.ends, deadline, since };
        // With nothing in the way, what is due can never be renewed here.
        let is_over = !pace::is_waited_for(&plan.obstacles, renewer.attempts(), &held_up, now);
        note_attempt(request, renewer, due.attempt(now, is_over));
        let refusal = Journal::refused(plan, since, now);
        if is_over && !renewer.memory().has_told(&refusal) {
            renewer.conclude(refusal);
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

fn keep_config(request: &Request, settled: Option<&Settled>) -> Result<(), Fault> {
    settled.map_or(Ok(()), |settled| cluster_config::keep(&request.places, settled))
}

pub(super) fn failed(fault: &Fault) -> Exit {
    super::complain(&fault.what);
    Exit::Failed
}
