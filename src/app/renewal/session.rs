//! The renewer's state, opened for one run: what an earlier run has left is brought to its end first.

use crate::app::{print_error, stop};
use crate::cli::StatusFormat;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::rate_limit::Attempt;
use crate::domain::renewal::{Fault, Journal, Outcome, Task, words};
use crate::exit::Exit;
use crate::renew::Renewer;
use crate::store::StoreError;

use super::job::RenewalJob;

/// What an earlier run has left is brought to its end first.
pub(super) fn with_renewer(
    job: &RenewalJob,
    work: impl FnOnce(&mut Renewer) -> Result<Exit, Exit>,
) -> Exit {
    let mut renewer = match open(job) {
        Ok(renewer) => renewer,
        Err(exit) => return exit,
    };
    let done = recover(job, &mut renewer).and_then(|()| work(&mut renewer));
    // If it cannot be written, the next one notes it.
    let _ = renewer.note_mismatched();
    done.unwrap_or_else(|exit| exit)
}

fn open(job: &RenewalJob) -> Result<Renewer, Exit> {
    let stop = stop::asked().map_err(|error| {
        print_error(&format!("cannot wait for signals: {error}"));
        Exit::Failed
    })?;
    let keep = job.config.renew.keep_backups;
    let open = || Renewer::open(job.paths.clone(), keep, job.copies.clone(), stop.clone());
    let opened = match open() {
        // A person looks first, and runs it again. Nobody else would.
        Err(error @ StoreError::Forgotten { .. }) if job.is_auto => {
            print_error(&error.to_string());
            open()
        }
        opened => opened,
    };
    let mut renewer = opened.map_err(|error| {
        print_error(&match error {
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
            (StatusFormat::Json, Task::Repair) => print_error(&headline),
            (StatusFormat::Table, _) => {
                print_error("an interrupted renewal was completed");
            }
            (StatusFormat::Json, _) => {
                print_error(&format!("an interrupted renewal was completed: {headline}"));
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

pub(super) fn note_attempt(job: &RenewalJob, renewer: &mut Renewer, attempt: Attempt) {
    if job.is_auto {
        renewer.note_attempt(attempt);
        // Without it the daemon's own note has to do.
        let _ = renewer.save();
    }
}

pub(super) fn end_attempt(job: &RenewalJob, renewer: &mut Renewer) {
    if job.is_auto {
        renewer.end_attempt();
        let _ = renewer.save();
    }
}

pub(super) fn failed(fault: &Fault) -> Exit {
    print_error(&fault.what);
    Exit::Failed
}
