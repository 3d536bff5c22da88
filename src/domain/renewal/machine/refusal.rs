//! Why a renewal was not begun.

use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::plan::{Plan, Skip, SkipReason};

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
