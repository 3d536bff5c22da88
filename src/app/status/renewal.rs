//! What is known of renewals: the one under way, the last ones, and the next.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::Renew;
use crate::domain::renewal::window::begin_at;
use crate::domain::renewal::words::outcome_headline;
use crate::domain::renewal::{Journal, Outcome};
use crate::domain::role::{self, Renewer};
use crate::domain::text::safe;
use crate::domain::time::UnixTime;
use crate::keeper::ScanNote;
use crate::renew::Memory;
use crate::report::lines::columns;

use super::{ago, rfc3339};

/// How many of the last renewals the table shows.
const SHOWN: usize = 5;

/// What is printed; the names of the fields are those of the JSON.
#[derive(Serialize)]
pub(super) struct Renewals {
    enabled: bool,
    running: Option<Running>,
    next: Option<Next>,
    last: Vec<Last>,
    unknown: Option<String>,
}

#[derive(Serialize)]
struct Running {
    id: String,
    #[serde(serialize_with = "rfc3339")]
    begun: Option<UnixTime>,
    step: String,
    headline: String,
}

#[derive(Serialize)]
struct Next {
    name: String,
    #[serde(serialize_with = "rfc3339")]
    at: Option<UnixTime>,
}

#[derive(Serialize)]
struct Last {
    id: String,
    outcome: Option<Outcome>,
    headline: String,
    #[serde(serialize_with = "rfc3339")]
    begun: Option<UnixTime>,
    #[serde(serialize_with = "rfc3339")]
    ended: Option<UnixTime>,
}

impl Renewals {
    /// `memory` is that of renewals, or why it is not known.
    pub(super) fn of(
        renew: &Renew,
        memory: Result<Memory, String>,
        scan: Option<&ScanNote>,
        now: UnixTime,
    ) -> Self {
        let (memory, unknown) = match memory {
            Ok(memory) => (memory, None),
            Err(why) => (Memory::default(), Some(why)),
        };
        Self {
            enabled: renew.enabled,
            running: memory.current.as_ref().map(Running::of),
            next: scan.filter(|_| renew.enabled).and_then(|scan| Next::of(renew, scan, now)),
            last: memory.history.iter().map(Last::of).collect(),
            unknown,
        }
    }

    pub(super) fn table(&self, out: &mut String, now: UnixTime) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "Renewal: {}", self.line(now));
        if let Some(why) = &self.unknown {
            let _ = writeln!(out, "Past renewals are not known: {why}");
        }
        let rows = self.last.iter().take(SHOWN).map(|it| {
            let begun = it.begun.map(|begun| ago(begun, now)).unwrap_or_default();
            [word(it.outcome).to_owned(), begun, it.headline.clone(), it.id.clone()]
        });
        if rows.len() > 0 {
            columns(out, ["ENDED", "BEGUN", "WHAT", "BACKUP"], rows, None);
        }
    }

    fn line(&self, now: UnixTime) -> String {
        match (&self.running, &self.next) {
            (Some(running), _) => {
                let begun = running.begun.map(|begun| ago(begun, now)).unwrap_or_default();
                format!("{}, begun {begun}: {}", running.headline, running.step)
            }
            (None, Some(next)) => match next.at {
                Some(at) if at > now => format!("next is {} at {at}", next.name),
                _ => format!("{} is due", next.name),
            },
            (None, None) if self.enabled => "enabled, nothing planned".to_owned(),
            (None, None) => "by hand (renew.enabled is false)".to_owned(),
        }
    }
}

impl Running {
    fn of(journal: &Journal) -> Self {
        Self {
            id: safe(&journal.id).into_owned(),
            begun: Some(journal.begun),
            step: journal.step.doing(journal),
            headline: outcome_headline(journal),
        }
    }
}

impl Next {
    /// What the last scan found to end next, if kubeadm renews it.
    fn of(renew: &Renew, scan: &ScanNote, now: UnixTime) -> Option<Self> {
        let (name, end) = scan.next.as_ref()?;
        role::kubeadm(name).filter(|role| role.renewer == Renewer::Kubeadm)?;
        let at = begin_at(*end, renew.before, renew.deadline, &renew.windows, now);
        Some(Self { name: name.clone(), at: Some(at) })
    }
}

impl Last {
    fn of(journal: &Journal) -> Self {
        Self {
            id: safe(&journal.id).into_owned(),
            outcome: journal.outcome(),
            headline: outcome_headline(journal),
            begun: Some(journal.begun),
            ended: journal.ended,
        }
    }
}

fn word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "UNDER WAY",
        Some(Outcome::Renewed) => "RENEWED",
        Some(Outcome::Unchanged) => "UNCHANGED",
        Some(Outcome::Undone) => "UNDONE",
        Some(Outcome::Kept) => "KEPT",
        Some(Outcome::Stuck) => "STUCK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Severity;
    use crate::domain::renewal::sample::{NOW, journal};
    use crate::domain::renewal::{Step, Task, Window};
    use crate::domain::time::Span;

    fn shown(renewals: &Renewals) -> String {
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
            step: Step::MakeLive(1),
            ended: None,
            ..journal(Task::Renew, Outcome::Renewed)
        };
        let restored = Task::Restore("2026-11-01T02-00-00Z".to_owned());
        let history =
            vec![journal(restored, Outcome::Renewed), journal(Task::Renew, Outcome::Undone)];
        let memory = Memory { current: Some(running), history, ..Memory::default() };
        let renewals = Renewals::of(&Renew::default(), Ok(memory), None, NOW);
        insta::assert_snapshot!(shown(&renewals));
    }

    #[test]
    fn what_is_next() {
        let windows = vec![Window::parse("sat 02:00-05:00").unwrap()];
        let renew = Renew { enabled: true, windows, ..Renew::default() };
        let next = |renew: &Renew, scan: &ScanNote| {
            shown(&Renewals::of(renew, Ok(Memory::default()), Some(scan), NOW))
        };
        // Due on 2026-12-03, a Thursday.
        let said = next(&renew, &scan("apiserver", 40));
        assert_eq!(said, "Renewal: next is apiserver at 2026-12-05T02:00:00Z\n");
        assert_eq!(next(&renew, &scan("apiserver", 5)), "Renewal: apiserver is due\n");
        assert_eq!(next(&renew, &scan("ca", 40)), "Renewal: enabled, nothing planned\n");
        let off = Renew { enabled: false, ..renew };
        let said = next(&off, &scan("apiserver", 40));
        assert_eq!(said, "Renewal: by hand (renew.enabled is false)\n");
    }

    #[test]
    fn what_may_not_be_read_is_said() {
        let why = Err("this user may not read it".to_owned());
        let said = shown(&Renewals::of(&Renew::default(), why, None, NOW));
        assert!(said.ends_with("Past renewals are not known: this user may not read it\n"));
    }
}
