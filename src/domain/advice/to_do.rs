//! The remedies of all findings as one list: each once, in the order in which they work.

use std::collections::HashMap;

use super::command::Remedy;
use super::remedy::{remedy_among, renewed_as};
use crate::domain::model::{Item, Reason};
use crate::domain::policy::{FindingKind, Row, Severity};
use crate::domain::role::{CertificateKind, RenewedBy};

/// One thing to do, and what it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ToDo {
    /// What to do.
    pub remedy: Remedy,
    /// The items with the findings that it removes, as indices, the most urgent first.
    pub items: Vec<usize>,
}

/// What to do about all findings of `rows`. What shows the rest comes first, then what is worst, and among equals what the
/// others need. `due` has the names that `certwatch renew` renews without being told any.
pub(crate) fn to_do(items: &[Item], rows: &[Row], due: &[&str]) -> Vec<ToDo> {
    let mut list = List::default();
    let mut renewal = RenewCommand::default();
    for row in rows.iter().filter(|row| !row.repeats) {
        let item = &items[row.item];
        for finding in &*row.findings {
            let urgency = Urgency::of(finding.severity, item, &finding.kind);
            let remedy = match renewed_as(item, &finding.kind) {
                Some(name) => renewal.add(name, &finding.kind),
                None => remedy_among(item, &finding.kind, &row.findings),
            };
            list.add(urgency, row.item, remedy);
        }
    }
    // Stable: among equals the order of the rows stays.
    list.entries.sort_by_key(|(urgency, _)| *urgency);
    list.entries.into_iter().map(|(_, to_do)| renewal.complete(to_do, due)).collect()
}

/// The order of the list, the first being the least.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Urgency {
    /// Until then it is not known what else is wrong: the clock, rights, file systems.
    Blind,
    Bad(std::cmp::Reverse<Severity>, Turn),
}

/// What goes before what, where both are equally bad.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Turn {
    /// A renewal signs with the CA that is there.
    Ca,
    File,
    /// A renewal may restart the same.
    Restart,
    /// It is made of what has been renewed.
    Copy,
    /// Nothing waits for it.
    Last,
}

impl Urgency {
    fn of(severity: Severity, item: &Item, kind: &FindingKind) -> Self {
        match kind {
            FindingKind::NotYetValid(_) => Self::Blind,
            FindingKind::Unusable(reason) if is_blind(reason) => Self::Blind,
            _ => Self::Bad(std::cmp::Reverse(severity), turn(item, kind)),
        }
    }
}

const fn is_blind(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::PermissionDenied
            | Reason::EndpointNotAsked(_)
            | Reason::NotAsked { .. }
            | Reason::TimedOut(_)
            | Reason::Hangs(_)
            | Reason::TooManyHang
            | Reason::OutOfTime(_)
    )
}

fn turn(item: &Item, kind: &FindingKind) -> Turn {
    let is_ca = matches!(item.role.kind, CertificateKind::Ca | CertificateKind::ClusterCa);
    match kind {
        FindingKind::ForeignCa(_)
        | FindingKind::SeveralCertificates(_)
        | FindingKind::StaleCa { .. }
        | FindingKind::WrongSigner(_) => Turn::Ca,
        FindingKind::LeftOver(_) | FindingKind::OutlivesCa { .. } | FindingKind::Retired => {
            Turn::Last
        }
        FindingKind::ServesOther { .. } | FindingKind::StaleUse { .. } => Turn::Restart,
        FindingKind::StaleCopy { .. } => Turn::Copy,
        // Its rotation is planned, over weeks.
        FindingKind::Expired(_) | FindingKind::Expires { .. } if is_ca => Turn::Last,
        FindingKind::Chain(_)
        | FindingKind::Expired(_)
        | FindingKind::Expires { .. }
        | FindingKind::NameMissing(_)
        | FindingKind::NotCompared(_)
        | FindingKind::NotYetValid(_)
        | FindingKind::Refused(_)
        | FindingKind::RotationOverdue(_)
        | FindingKind::SignatureUnchecked { .. }
        | FindingKind::Unusable(_) => match item.role {
            _ if is_ca => Turn::Ca,
            role if role.renewer == RenewedBy::Restart => Turn::Restart,
            role if role.kind == CertificateKind::UserKubeconfig => Turn::Copy,
            _ => Turn::File,
        },
    }
}

#[derive(Default)]
struct List {
    entries: Vec<(Urgency, ToDo)>,
    /// Where in it each remedy is.
    positions: HashMap<String, usize>,
}

impl List {
    fn add(&mut self, urgency: Urgency, item: usize, remedy: Remedy) {
        let next = self.entries.len();
        let position = *self.positions.entry(remedy.to_string()).or_insert(next);
        if position == next {
            self.entries.push((urgency, ToDo { remedy, items: Vec::new() }));
        }
        let (first, to_do) = &mut self.entries[position];
        *first = urgency.min(*first);
        if to_do.items.last() != Some(&item) {
            to_do.items.push(item);
        }
    }
}

/// All that certwatch renews, which one command does.
#[derive(Default)]
struct RenewCommand {
    names: Vec<&'static str>,
    is_rescue: bool,
}

impl RenewCommand {
    /// The command for what is due, until [`complete`](Self::complete) knows what it is for.
    const DUE: &'static str = "certwatch renew";

    fn add(&mut self, name: &'static str, kind: &FindingKind) -> Remedy {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self.is_rescue |= matches!(kind, FindingKind::Expired(_));
        Remedy::Command(Self::DUE.to_owned())
    }

    fn complete(&self, to_do: ToDo, due: &[&str]) -> ToDo {
        if to_do.remedy.command() != Some(Self::DUE) {
            return to_do;
        }
        let mut words = vec![Self::DUE];
        words.extend(self.is_rescue.then_some("--rescue"));
        if !self.names.iter().all(|name| due.contains(name)) {
            words.extend(&self.names);
        }
        ToDo { remedy: Remedy::Command(words.join(" ")), ..to_do }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use crate::domain::policy::{Policy, assess};
    use crate::domain::time::Span;
    use crate::report::sample::{NOW, inventory};

    use super::*;

    fn of_sample(due: &[&str], later: Span) -> (Vec<Item>, Vec<Row>, Vec<ToDo>) {
        let inventory = inventory();
        let rows = assess(&inventory, &Policy::default(), NOW + later).rows;
        let list = to_do(&inventory.items, &rows, due);
        (inventory.items, rows, list)
    }

    fn renewals(list: &[ToDo]) -> Vec<&str> {
        let commands = list.iter().filter_map(|to_do| to_do.remedy.command());
        commands.filter(|command| command.starts_with("certwatch renew")).collect()
    }

    #[test]
    fn what_is_due_needs_no_names() {
        let both = ["apiserver", "apiserver-kubelet-client"];
        let (_, _, list) = of_sample(&both, Span::days(0));
        assert_eq!(renewals(&list), ["certwatch renew --rescue"]);
        let (_, _, list) = of_sample(&both[..1], Span::days(0));
        assert_eq!(
            renewals(&list),
            ["certwatch renew --rescue apiserver apiserver-kubelet-client"]
        );
    }

    #[test]
    fn rights_come_first_and_copies_after_what_they_are_copies_of() {
        let (items, _, list) = of_sample(&[], Span::days(335));
        let position = |path: &str| {
            list.iter().position(|to_do| {
                to_do.items.iter().any(|at| *items[*at].place.path == *Path::new(path))
            })
        };
        assert_eq!(position("/etc/kubernetes/scheduler.conf"), Some(0));
        assert!(position("/etc/kubernetes/admin.conf") < position("/root/.kube/config"));
    }

    proptest! {
        #[test]
        fn nothing_is_left_out_or_said_twice(days in 0_i64..4000) {
            let (items, rows, list) = of_sample(&[], Span::days(days));
            let mut texts: Vec<_> = list.iter().map(|to_do| to_do.remedy.to_string()).collect();
            texts.sort_unstable();
            texts.dedup();
            prop_assert_eq!(texts.len(), list.len());
            for row in rows.iter().filter(|row| !row.repeats) {
                let is_listed = list.iter().any(|to_do| to_do.items.contains(&row.item));
                prop_assert_eq!(is_listed, !row.findings.is_empty(), "{}", items[row.item].place.path.display());
            }
        }
    }
}
