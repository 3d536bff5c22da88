//! When the daemon renews without being asked.

use crate::domain::model::{Inventory, Item};
use crate::domain::policy;
use crate::domain::role::Renewer;
use crate::domain::time::{Span, UnixTime};

use super::decide;
use super::pace::{self, Attempt};
use super::plan::{Renewal, Terms};
use super::window::{self, Turn, Window};

/// How certificates are renewed without a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Routine {
    /// What is due.
    pub terms: Terms,
    /// When it may begin; with none, at any time.
    pub windows: Vec<Window>,
    /// With less than this left, windows no longer count.
    pub deadline: Span,
    /// When it begins among the nodes of its cluster.
    pub turn: Turn,
}

/// The next renewal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Next {
    /// When it begins.
    pub at: UnixTime,
    /// What is due by then, as a text that is the same as long as nothing changes; empty if nothing is
    /// due yet.
    pub found: String,
}

impl Routine {
    /// The next renewal, if anything on this node will ever need one.
    pub fn next(&self, inventory: &Inventory, attempts: &[Attempt], now: UnixTime) -> Option<Next> {
        let due = decide::due(inventory, &self.terms, now);
        if due.is_empty() {
            let at = decide::next_due(inventory, &self.terms, now)?;
            return Some(Next {
                at: window::begin_after(at, &self.windows, self.turn),
                found: String::new(),
            });
        }
        let begins =
            due.iter().filter_map(|renewal| Some(self.begins_at(renewal.ends?, now))).min()?;
        let found = found(&due);
        let at = begins.max(pace::not_before(attempts, &found, now));
        Some(Next { at, found })
    }

    /// When this certificate is renewed, if certwatch can: for those who are told of its end.
    pub fn begins_for(&self, item: &Item, now: UnixTime) -> Option<UnixTime> {
        let is_ours = item.role.renewer == Renewer::Kubeadm
            && !policy::is_externally_managed(item)
            && !policy::ends_with_ca(item);
        let certificate = item.certificate().filter(|_| is_ours)?;
        let due = certificate.not_after - self.terms.lead(certificate.lifetime());
        Some(self.begins_at(certificate.not_after, now.max(due)))
    }

    /// When what ends at `ends` is renewed, from `from` on.
    pub fn begins_at(&self, ends: UnixTime, from: UnixTime) -> UnixTime {
        let Self { terms, windows, deadline, turn } = self;
        window::begin_at(ends, terms.before, *deadline, windows, *turn, from)
    }
}

fn found(due: &[Renewal]) -> String {
    let one = |renewal: &Renewal| {
        format!("{}@{}", renewal.name, renewal.ends.map_or(0, UnixTime::seconds))
    };
    due.iter().map(one).collect::<Vec<_>>().join(" ")
}
