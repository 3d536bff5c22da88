//! `certwatch renew --dry-run`: the plan, and what would be done before it, with nothing changed.

use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::leftover::Leftover;
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::RenewerState;
use crate::renew::tree::pairs;
use crate::{store, sys};

use super::job::RenewalJob;
use super::session::failed;
use super::survey::survey;

/// Shows what would be done, and changes nothing.
pub(in crate::app) fn dry_run(job: &RenewalJob) -> Exit {
    let now = sys::now();
    let work = &job.paths.work;
    let (memory, unreadable) = match store::peek::<RenewerState>(work) {
        Ok(memory) => (memory.unwrap_or_default(), None),
        Err(error) => (RenewerState::default(), Some(Leftover::Unreadable(error.to_string()))),
    };
    let mut plan = match survey(job, memory.manifests.as_ref(), now) {
        Ok(survey) => survey.plan,
        Err(fault) => return failed(&fault),
    };
    let is_unknown = unreadable.is_some();
    plan.leftovers.extend(unreadable);
    if store::is_in_use(work) {
        // It may be about to put the other half there.
        plan.blockers.insert(0, Blocker::Busy { pid: None });
    } else {
        plan.leftovers.extend(left(job, &memory, now));
    }
    let shown = job.show_plan(&plan, now);
    if is_unknown { Exit::Failed } else { shown }
}

fn left(job: &RenewalJob, memory: &RenewerState, now: UnixTime) -> impl Iterator<Item = Leftover> {
    let interrupted = memory.current.as_ref().map(|it| Leftover::interrupted(it, now));
    let repairs = pairs::repairable(&job.paths, now).into_iter().map(Leftover::Repair);
    interrupted.into_iter().chain(repairs)
}
