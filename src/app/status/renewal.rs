//! What is known of renewals: the one under way, the last ones, and the next.

use serde::Serialize;

use crate::domain::renewal::schedule::Schedule;
use crate::domain::renewal::words::outcome_headline;
use crate::domain::renewal::{Journal, Outcome};
use crate::domain::role::{self, RenewedBy};
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::monitor::ScanNote;
use crate::renew::RenewerState;
use crate::report::lines::{columns, line};

use super::{ago, rfc3339};

/// How many of the last renewals the table shows.
const SHOWN: usize = 5;

/// What is printed; the names of the fields are those of the JSON.
#[derive(Serialize)]
pub(super) struct RenewalStatus {
    enabled: bool,
    running: Option<Running>,
    next: Option<NextRenewalStatus>,
    history: Vec<PastRenewal>,
    history_error: Option<String>,
}

#[derive(Serialize)]
struct Running {
    id: String,
    #[serde(serialize_with = "rfc3339")]
    started_at: Option<UnixTime>,
    step: String,
    headline: String,
}

#[derive(Serialize)]
struct NextRenewalStatus {
    name: String,
    #[serde(serialize_with = "rfc3339")]
    at: Option<UnixTime>,
}

#[derive(Serialize)]
struct PastRenewal {
    id: String,
    result: Option<Outcome>,
    headline: String,
    #[serde(serialize_with = "rfc3339")]
    started_at: Option<UnixTime>,
    #[serde(serialize_with = "rfc3339")]
    finished_at: Option<UnixTime>,
}

impl RenewalStatus {
    /// `memory` is that of renewals, or why it is not known.
    pub(super) fn of(
        schedule: Option<&Schedule>,
        memory: Result<RenewerState, String>,
        scan: Option<&ScanNote>,
        now: UnixTime,
    ) -> Self {
        let (memory, history_error) = match memory {
            Ok(memory) => (memory, None),
            Err(why) => (RenewerState::default(), Some(why)),
        };
        Self {
            enabled: schedule.is_some(),
            running: memory.current.as_ref().map(Running::of),
            next: schedule
                .zip(scan)
                .and_then(|(schedule, scan)| NextRenewalStatus::of(schedule, scan, now)),
            history: memory.history.iter().map(PastRenewal::of).collect(),
            history_error,
        }
    }

    pub(super) fn table(&self, out: &mut String, now: UnixTime) {
        line(out, &format!("Renewal: {}", self.line(now)));
        if let Some(why) = &self.history_error {
            line(out, &format!("The history of renewals is unknown: {why}"));
        }
        let rows = self.history.iter().take(SHOWN).map(|it| {
            let started = it.started_at.map(|at| ago(at, now)).unwrap_or_default();
            [word(it.result).to_owned(), started, it.headline.clone(), it.id.clone()]
        });
        if rows.len() > 0 {
            columns(out, ["RESULT", "STARTED", "WHAT", "BACKUP"], rows, None);
        }
    }

    fn line(&self, now: UnixTime) -> String {
        match (&self.running, &self.next) {
            (Some(running), _) => {
                let started = running.started_at.map(|at| ago(at, now)).unwrap_or_default();
                format!("{}, started {started}: {}", running.headline, running.step)
            }
            (None, Some(next)) => match next.at {
                Some(at) if at > now => format!("next is {} at {at}", next.name),
                _ => format!("{} is due", next.name),
            },
            (None, None) if self.enabled => "enabled, nothing scheduled".to_owned(),
            (None, None) => "manual (renew.enabled is false)".to_owned(),
        }
    }
}

impl Running {
    fn of(journal: &Journal) -> Self {
        Self {
            id: escape_control(&journal.id).into_owned(),
            started_at: Some(journal.begun),
            step: journal.step.doing(journal),
            headline: outcome_headline(journal),
        }
    }
}

impl NextRenewalStatus {
    /// What the last scan found to end next, if kubeadm renews it.
    fn of(schedule: &Schedule, scan: &ScanNote, now: UnixTime) -> Option<Self> {
        let (name, end) = scan.next.as_ref()?;
        role::kubeadm(name).filter(|role| role.renewer == RenewedBy::Kubeadm)?;
        Some(Self { name: name.clone(), at: Some(schedule.begins_at(*end, now)) })
    }
}

impl PastRenewal {
    fn of(journal: &Journal) -> Self {
        Self {
            id: escape_control(&journal.id).into_owned(),
            result: journal.outcome(),
            headline: outcome_headline(journal),
            started_at: Some(journal.begun),
            finished_at: journal.ended,
        }
    }
}

fn word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "RUNNING",
        Some(Outcome::Renewed) => "RENEWED",
        Some(Outcome::Unchanged) => "UNCHANGED",
        Some(Outcome::RolledBack) => "ROLLED BACK",
        Some(Outcome::PartiallyApplied) => "PARTIALLY APPLIED",
        Some(Outcome::NeedsOperator) => "NEEDS OPERATOR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Severity;
    use crate::domain::renewal::maintenance_window::NodeOffset;
    use crate::domain::renewal::plan::{RenewalPolicy, RestartPolicy};
    use crate::domain::renewal::sample::{NOW, journal};
    use crate::domain::renewal::{MaintenanceWindow, Step, Task};
    use crate::domain::time::Span;

    fn shown(renewals: &RenewalStatus) -> String {
        let mut out = String::new();
        renewals.table(&mut out, NOW + Span::hours(3));
        out
    }

    fn scan(name: &str, days: i64) -> ScanNote {
        ScanNote {
            at: NOW,
            took_ms: 9,
            judged: 16,
            severity: Severity::Ok,
            next: Some((name.to_owned(), NOW + Span::days(days))),
            failure: None,
        }
    }

    #[test]
    fn the_last_ones_and_the_one_under_way() {
        let running = Journal {
            step: Step::Activate(1),
            ended: None,
            ..journal(Task::Renew, Outcome::Renewed)
        };
        let restored = Task::Restore("2026-11-01T02-00-00Z".to_owned());
        let history =
            vec![journal(restored, Outcome::Renewed), journal(Task::Renew, Outcome::RolledBack)];
        let memory = RenewerState { current: Some(running), history, ..RenewerState::default() };
        let renewals = RenewalStatus::of(None, Ok(memory), None, NOW);
        insta::assert_snapshot!(shown(&renewals));
    }

    #[test]
    fn what_is_next() {
        let schedule = Schedule {
            policy: RenewalPolicy {
                before: Span::days(30),
                short_lived: Span::days(60),
                restart: RestartPolicy::Needed,
                restart_stale: false,
                kubelet: None,
            },
            windows: vec![MaintenanceWindow::parse("sat 02:00-05:00").unwrap()],
            deadline: Span::days(7),
            offset: NodeOffset::default(),
        };
        let next = |schedule: Option<&Schedule>, scan: &ScanNote| {
            shown(&RenewalStatus::of(schedule, Ok(RenewerState::default()), Some(scan), NOW))
        };
        // Due on 2026-12-03, a Thursday.
        let said = next(Some(&schedule), &scan("apiserver", 40));
        assert_eq!(said, "Renewal: next is apiserver at 2026-12-05T02:00:00Z\n");
        let said = next(Some(&schedule), &scan("apiserver", 5));
        assert_eq!(said, "Renewal: apiserver is due\n");
        let said = next(Some(&schedule), &scan("ca", 40));
        assert_eq!(said, "Renewal: enabled, nothing scheduled\n");
        let said = next(None, &scan("apiserver", 40));
        assert_eq!(said, "Renewal: manual (renew.enabled is false)\n");
    }

    #[test]
    fn what_may_not_be_read_is_said() {
        let why = Err("this user may not read it".to_owned());
        let said = shown(&RenewalStatus::of(None, why, None, NOW));
        assert!(said.ends_with("The history of renewals is unknown: this user may not read it\n"));
    }
}
