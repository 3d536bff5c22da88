//! Why a renewal was not begun, and what of it is left to a person.

use crate::domain::renewal::Component;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::plan::{Plan, Skip, SkipReason, SkipRestartReason};

/// What is due and cannot be renewed.
pub(super) fn in_vain(plan: &Plan) -> impl Iterator<Item = &Skip> {
    plan.skip.iter().filter(|it| it.ends.is_some() && it.why != SkipReason::NotDue)
}

/// Why nothing was begun.
pub(super) fn why_not(plan: &Plan) -> String {
    let blocker = |it: &Blocker| format!("{}: {}", it.what(), it.remedy());
    let skipped = |it: &Skip| format!("{}: {}", it.name, it.why.words());
    let mut why: Vec<String> = plan.blockers.iter().map(blocker).collect();
    if why.is_empty() {
        why.extend(in_vain(plan).map(skipped));
    }
    if why.is_empty() {
        "nothing that is due can be renewed here".to_owned()
    } else {
        why.join("; ")
    }
}

/// What `renew.restart` forbids has to be done all the same. It stays true where the renewal is undone in the end.
pub(super) fn left_to_hand(plan: &Plan) -> Vec<String> {
    let forbidden =
        plan.skip_restart.iter().filter(|(_, why)| *why == SkipRestartReason::Forbidden);
    let one = |(component, _): &(Component, SkipRestartReason)| {
        format!(
            "{component} uses a renewed certificate only after a manual restart, \
             because renew.restart is \"none\": `pkill -x {}`",
            // The kernel cuts the name of a process to 15 characters, and pkill -x compares that.
            component.name().chars().take(15).collect::<String>()
        )
    };
    forbidden.map(one).collect()
}
