//! `certwatch renew --dry-run`: the plan, and what would be done before it, with nothing changed.

use crate::domain::renewal::leftover::Leftover;
use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::renew::{Memory, pairs};
use crate::{store, sys};

use super::renew::Request;
use super::renewer::{failed, survey};

/// Shows what would be done, and changes nothing.
pub(super) fn rehearse(request: &Request) -> Exit {
    let now = sys::now();
    let work = &request.places.work;
    let (memory, unreadable) = match store::peek::<Memory>(work) {
        Ok(memory) => (memory.unwrap_or_default(), None),
        Err(error) => (Memory::default(), Some(Leftover::Unreadable(error.to_string()))),
    };
    let mut plan = match survey(request, memory.manifests.as_ref(), now) {
        Ok(survey) => survey.plan,
        Err(fault) => return failed(&fault),
    };
    let is_unknown = unreadable.is_some();
    plan.leftovers.extend(unreadable);
    if store::is_in_use(work) {
        // It may be about to put the other half there.
        plan.obstacles.insert(0, Obstacle::Busy { pid: None });
    } else {
        plan.leftovers.extend(left(request, &memory, now));
    }
    let shown = request.show_plan(&plan, now);
    if is_unknown { Exit::Failed } else { shown }
}

fn left(request: &Request, memory: &Memory, now: UnixTime) -> impl Iterator<Item = Leftover> {
    let interrupted = memory.current.as_ref().map(|it| Leftover::interrupted(it, now));
    let repairs = pairs::repairable(&request.places, now).into_iter().map(Leftover::Repair);
    interrupted.into_iter().chain(repairs)
}
