//! A renewal while it goes on, and how it ended, for people.

use std::path::{Path, PathBuf};

use crate::domain::renewal::words::{outcome_headline, outcome_text};
use crate::domain::renewal::{Journal, Outcome, Step, Task};
use crate::domain::text::{escape_control, strip_control};
use crate::domain::time::UnixTime;

use super::lines::wrap;

/// Says what was done since it was asked last.
pub(crate) struct Progress {
    backups: PathBuf,
    last: Option<Journal>,
}

impl Progress {
    /// `backups` is the directory of all backups.
    pub(crate) const fn new(backups: PathBuf) -> Self {
        Self { backups, last: None }
    }

    /// What is new in `journal`, a line each: `12:00:03 installed 7 files`. The time is UTC.
    pub(crate) fn lines(&mut self, journal: &Journal, now: UnixTime) -> Vec<String> {
        let clock = clock(now);
        let news = self.news(journal);
        self.last = Some(journal.clone());
        news.into_iter().map(|line| format!("{clock} {line}")).collect()
    }

    fn news(&self, journal: &Journal) -> Vec<String> {
        let last = self.last.as_ref();
        let mut news: Vec<_> = new_fault(last, journal).into_iter().collect();
        let known = last.map_or(0, |last| last.notes.len());
        news.extend(journal.notes.iter().skip(known).map(|note| strip_control(note)));
        // A note says more; where it is of what went wrong in a step that does not count, the
        // opposite.
        match last {
            Some(last) if news.is_empty() && last.step != journal.step => {
                vec![self.done(last.step, journal)]
            }
            _ => news,
        }
    }

    /// What has been done after a step.
    fn done(&self, step: Step, journal: &Journal) -> String {
        match step {
            Step::BackUp => format!("backed up to {}", backup(&self.backups, journal)),
            Step::Stage if matches!(journal.task, Task::Restore(_)) => {
                "copied the backup to the stage".to_owned()
            }
            Step::Stage if journal.task == Task::Repair => {
                "copied the matching halves to the stage".to_owned()
            }
            Step::Stage => "renewed a copy with kubeadm".to_owned(),
            Step::Inspect => "checked the staged files".to_owned(),
            Step::Install => {
                let count = journal.changes.len();
                format!("installed {count} file{}", if count == 1 { "" } else { "s" })
            }
            Step::Kubelet => "renewed the kubelet's certificate".to_owned(),
            Step::Activate(index) => format!("{} uses the new files", journal.live_name(index)),
            Step::Verify if journal.other_pods.is_empty() => {
                "proved that everything uses the new files".to_owned()
            }
            Step::Verify => "proved that the components use the new files".to_owned(),
            Step::Hook(_) => "ran a hook".to_owned(),
            Step::RestartPod(_) => "restarted another static pod".to_owned(),
            Step::KubeletRotation => "turned the kubelet's rotation on again".to_owned(),
            Step::KubeletClient => "the kubelet has rotated its client certificate".to_owned(),
            Step::KubeletServing => "the kubelet serves a certificate that it has made".to_owned(),
            Step::KubeletServingBack => "the kubelet has its old serving certificate".to_owned(),
            Step::Copies => "refreshed the copies of admin.conf".to_owned(),
            Step::RollBack => "rolled back the files".to_owned(),
            Step::ActivateOld(index) => format!("{} uses the old files", journal.live_name(index)),
            Step::VerifyOld => "proved that everything uses the old files".to_owned(),
            Step::CleanUp(_) => "cleaned up".to_owned(),
            Step::End(_) => "ended".to_owned(),
        }
    }
}

/// A fault that `last` does not have.
fn new_fault(last: Option<&Journal>, journal: &Journal) -> Option<String> {
    let first = last.is_none_or(|last| last.fault.is_none());
    let second = last.is_none_or(|last| last.rollback_error.is_none());
    let new = journal.fault.as_ref().filter(|_| first);
    let (step, fault) = new.or(journal.rollback_error.as_ref().filter(|_| second))?;
    Some(format!("FAILED {}: {}", step.doing(journal), strip_control(&fault.what)))
}

/// How it ended, where the backup is, and what a person has to do; broken at `width` columns.
pub(crate) fn outcome(journal: &Journal, backups: &Path, width: Option<usize>) -> String {
    let mut lines = vec![format!("{}: {}", word(journal), outcome_headline(journal))];
    lines.extend(outcome_text(journal));
    if journal.has_backup() {
        lines.push(format!("The backup is in {}", backup(backups, journal)));
    }
    let room = width.unwrap_or(usize::MAX);
    lines.iter().flat_map(|line| wrap(line, room)).map(|line| format!("{line}\n")).collect()
}

/// The word that begins it.
fn word(journal: &Journal) -> &'static str {
    match (journal.outcome(), &journal.task) {
        (None, _) => "UNDER WAY",
        (Some(Outcome::Renewed), Task::Restore(_)) => "RESTORED",
        (Some(Outcome::Renewed), Task::Repair) => "REPAIRED",
        (Some(Outcome::Renewed), _) => "RENEWED",
        (Some(Outcome::Unchanged), _) if journal.fault.is_none() => "UNCHANGED",
        (Some(_), _) => "FAILED",
    }
}

fn backup(backups: &Path, journal: &Journal) -> String {
    escape_control(&backups.join(&journal.id).to_string_lossy()).into_owned()
}

/// The time of day: `12:00:03`.
fn clock(now: UnixTime) -> String {
    let seconds = now.seconds().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::Fault;
    use crate::domain::renewal::sample::{NOW, journal};
    use crate::domain::time::Span;

    const BACKUPS: &str = "/var/lib/certwatch-renew/backups";

    /// What a terminal shows of a renewal that takes these steps.
    fn shown(begun: Journal, steps: &[Step]) -> String {
        let mut progress = Progress::new(BACKUPS.into());
        let mut journal = Journal { step: steps[0], notes: vec![], fault: None, ..begun };
        let mut out = String::new();
        for (count, step) in (0..).zip(steps) {
            journal.step = *step;
            match step {
                Step::RollBack => {
                    let fault = Fault::failed("kube-scheduler did not start\u{1b}[2J again");
                    journal.fault = Some((Step::Activate(1), fault));
                }
                Step::CleanUp(_) if journal.fault.is_none() => {
                    journal.notes.push("/root/.kube/config could not be refreshed".to_owned());
                }
                Step::Activate(1) => {
                    journal.notes.push("kube-apiserver serves the new certificate".to_owned());
                }
                _ => {}
            }
            for line in progress.lines(&journal, NOW + Span::seconds(count)) {
                out += &format!("{line}\n");
            }
        }
        out
    }

    #[test]
    fn a_renewal_step_by_step() {
        use Step::{Activate, BackUp, CleanUp, Copies, End, Inspect, Install, Stage, Verify};
        let done = Outcome::Renewed;
        let steps = [
            BackUp,
            Stage,
            Inspect,
            Install,
            Activate(0),
            Activate(1),
            Verify,
            Copies,
            CleanUp(done),
            End(done),
        ];
        insta::assert_snapshot!(shown(journal(Task::Renew, done), &steps));
    }

    #[test]
    fn one_that_fails_and_is_undone() {
        use Step::{Activate, ActivateOld, CleanUp, End, RollBack, VerifyOld};
        let undone = Outcome::RolledBack;
        let steps = [
            Activate(0),
            Activate(1),
            RollBack,
            ActivateOld(1),
            VerifyOld,
            CleanUp(undone),
            End(undone),
        ];
        insta::assert_snapshot!(shown(journal(Task::Renew, undone), &steps));
    }

    #[test]
    fn a_first_step_that_fails_is_told() {
        let journal = journal(Task::Renew, Outcome::Unchanged);
        let lines = Progress::new(BACKUPS.into()).lines(&journal, NOW);
        let line = "12:00:00 FAILED renewing a copy with kubeadm: kubeadm ended with status 1: see its output";
        assert_eq!(lines, [line]);
    }

    #[test]
    fn the_end_of_it() {
        let ends = [
            (Task::Renew, Outcome::Renewed),
            (Task::Renew, Outcome::NeedsOperator),
            (Task::Restore("2026-11-01T02-00-00Z".to_owned()), Outcome::Renewed),
        ];
        let said =
            ends.map(|(task, end)| outcome(&journal(task, end), Path::new(BACKUPS), Some(80)));
        insta::assert_snapshot!(said.join("\n"));
    }
}
