//! What an earlier run has left, for the plan: it is brought to an end before anything else is done.

use crate::domain::time::UnixTime;

use super::{Journal, Outcome, Step};

/// Something that an earlier run has left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leftover {
    /// A renewal whose process died; what it is and what becomes of it, as a sentence.
    Interrupted(String),
    /// A key that is not its certificate's, and where the pair lies that takes their place, as a sentence.
    Repair(String),
    /// What was remembered of renewals cannot be read; which file, and why.
    Unreadable(String),
}

impl Leftover {
    /// What becomes of this journal, which has no end, if it is taken up at `now`.
    pub fn interrupted(journal: &Journal, now: UnixTime) -> Self {
        let mut next = journal.clone();
        next.resume(now);
        let then = match next.step {
            Step::CleanUp(Outcome::Unchanged) => "nothing was changed, and it is cancelled",
            Step::RollBack | Step::ActivateOld(_) | Step::VerifyOld => "it is rolled back",
            _ => "it goes on from there",
        };
        Self::Interrupted(format!(
            "a renewal ({}) was interrupted while {}: {then}",
            journal.id,
            journal.step.doing(journal)
        ))
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Interrupted(_) => "interrupted",
            Self::Repair(_) => "repair",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// One sentence for people, without its full stop.
    pub fn words(&self) -> String {
        match self {
            Self::Interrupted(what) | Self::Repair(what) => what.clone(),
            Self::Unreadable(why) => format!(
                "the state of renewals cannot be read, and one may be unfinished: {why}; \
                 `certwatch renew` moves a damaged file aside, repairs pairs that do not match, and exits \
                 with 1: then run it again"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::Task;
    use crate::domain::renewal::sample::{NOW, journal};

    #[test]
    fn what_becomes_of_an_interrupted_renewal_is_said() {
        let at = |step, resumed| {
            let begun = journal(Task::Renew, Outcome::Renewed);
            Leftover::interrupted(&Journal { step, resumed, ended: None, ..begun }, NOW).words()
        };
        for (step, resumed, said) in [
            (Step::Stage, 0, "with kubeadm: nothing was changed, and it is cancelled"),
            (Step::Install, 0, "installing the new files: it goes on from there"),
            (Step::Activate(0), 9, "use the new files: it is rolled back"),
            (Step::RollBack, 1, "rolling back the files: it is rolled back"),
        ] {
            let words = at(step, resumed);
            assert!(words.ends_with(said), "{words}");
        }
    }
}
