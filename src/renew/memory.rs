//! What is remembered of renewals from one run to the next.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::renewal::Journal;
use crate::domain::renewal::pace::Attempt;
use crate::domain::time::UnixTime;

/// How many renewals are remembered after their end.
const KEPT: usize = 20;

/// The content of the state file in `renew.state-dir`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Memory {
    /// The renewal that is under way, or was when its process died.
    pub current: Option<Journal>,
    /// Those that have ended, newest first, at most 20.
    pub history: Vec<Journal>,
    /// The configuration that kubeadm is given.
    pub config: Option<PathBuf>,
    /// What was tried without a person.
    pub attempts: Vec<Attempt>,
    /// When a renewer that was not started by a person looked last.
    pub last_run: Option<UnixTime>,
}

impl Memory {
    /// Notes a renewal that has ended, or was refused before it began.
    pub fn conclude(&mut self, journal: Journal) {
        self.current = None;
        self.history.insert(0, journal);
        self.history.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::sample::journal;
    use crate::domain::renewal::{Outcome, Task};

    #[test]
    fn the_last_twenty_are_kept_newest_first() {
        let mut memory = Memory::default();
        for id in 0..25 {
            let journal = journal(Task::Renew, Outcome::Renewed);
            memory.current = Some(journal.clone());
            memory.conclude(Journal { id: id.to_string(), ..journal });
            assert_eq!(memory.current, None);
        }
        let ids: Vec<_> = memory.history.iter().map(|journal| journal.id.parse::<u32>()).collect();
        assert_eq!(ids, (5..25).rev().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_reads_back() {
        let steps = [Outcome::Undone, Outcome::Stuck].map(|end| journal(Task::Rescue, end));
        let memory = Memory {
            current: Some(steps[0].clone()),
            history: steps.to_vec(),
            ..Memory::default()
        };
        let written = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&written).unwrap(), memory);
        assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
    }
}
