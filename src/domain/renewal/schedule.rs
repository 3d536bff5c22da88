//! The schedule: when the daemon renews without being asked.

use crate::domain::model::{Inventory, Item};
use crate::domain::policy;
use crate::domain::role::RenewedBy;
use crate::domain::time::{Span, UnixTime};

use super::decide;
use super::maintenance_window::{self, MaintenanceWindow, NodeOffset};
use super::plan::{Renewal, RenewalPolicy};
use super::rate_limit::{self, Attempt};

/// How certificates are renewed without a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Schedule {
    /// What is due.
    pub policy: RenewalPolicy,
    /// When it may begin; with none, at any time.
    pub windows: Vec<MaintenanceWindow>,
    /// With less than this left, windows no longer count.
    pub deadline: Span,
    /// When it begins among the nodes of its cluster.
    pub offset: NodeOffset,
}

/// The next renewal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NextRenewal {
    /// When it begins.
    pub at: UnixTime,
    /// What is due by then, as a text that is the same as long as nothing changes; empty if nothing is
    /// due yet.
    pub found: String,
    /// When the first of that ends, if it is known.
    pub ends: Option<UnixTime>,
}

impl Schedule {
    /// The next renewal, if anything on this node will ever need one.
    pub(crate) fn next(
        &self,
        inventory: &Inventory,
        attempts: &[Attempt],
        now: UnixTime,
    ) -> Option<NextRenewal> {
        let due = decide::due(inventory, &self.policy, now);
        let memory = decide::memory_due(inventory, &self.policy, now);
        let stale = decide::stale(inventory, &self.policy);
        if due.is_empty() && memory.is_none() && stale.is_empty() {
            let at = decide::next_due(inventory, &self.policy, now)?;
            return Some(NextRenewal {
                at: maintenance_window::begin_after(at, &self.windows, self.offset),
                found: String::new(),
                ends: None,
            });
        }
        let ends = due.iter().filter_map(|renewal| renewal.ends).chain(memory);
        let ends = ends.chain(stale.iter().map(|(_, until)| *until)).min()?;
        let found = found(&due, memory, &stale);
        let at = self.begins_at(ends, now).max(rate_limit::not_before(
            attempts,
            &found,
            Some(ends),
            now,
        ));
        Some(NextRenewal { at, found, ends: Some(ends) })
    }

    /// When this certificate is renewed, if certwatch can: for those who are told of its end.
    pub(crate) fn begins_for(&self, item: &Item, now: UnixTime) -> Option<UnixTime> {
        let is_ours = item.role.renewer == RenewedBy::Kubeadm
            && !policy::is_externally_managed(item)
            && !policy::ends_with_ca(item);
        let certificate = item.certificate().filter(|_| is_ours)?;
        let due = certificate.not_after - self.policy.lead(certificate.lifetime());
        Some(self.begins_at(certificate.not_after, now.max(due)))
    }

    /// When what ends at `ends` is renewed, from `from` on.
    pub(crate) fn begins_at(&self, ends: UnixTime, from: UnixTime) -> UnixTime {
        let Self { policy, windows, deadline, offset } = self;
        maintenance_window::begin_at(ends, policy.before, *deadline, windows, *offset, from)
    }
}

fn found(due: &[Renewal], memory: Option<UnixTime>, stale: &[(&str, UnixTime)]) -> String {
    let one = |name: &str, ends: Option<UnixTime>| {
        format!("{name}@{}", ends.map_or(0, UnixTime::seconds))
    };
    let due = due.iter().map(|renewal| one(renewal.name, renewal.ends));
    let stale = stale.iter().map(|(component, until)| one(component, Some(*until)));
    due.chain(memory.map(|end| one("memory", Some(end)))).chain(stale).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::domain::model::{Content, Entry, Loopback, Place};
    use crate::domain::renewal::plan::RestartPolicy;
    use crate::domain::role;

    /// kubeadm's leaves may have been renewed without a restart: the API server's memory ends all the same.
    #[test]
    fn an_api_server_s_memory_is_due_by_itself() {
        let started = UnixTime::new(1_000_000);
        let loopback = Content::Loopback(Loopback { not_after: started + Span::days(365) });
        let place = Place::new(Path::new("kube-apiserver"), Entry::Process(1));
        let item = Item::new(place, &role::LOOPBACK, loopback);
        let inventory = Inventory { items: vec![item], ..Inventory::default() };
        let policy = |restart| RenewalPolicy {
            before: Span::days(30),
            short_lived: Span::days(60),
            restart,
            restart_stale: false,
        };
        let schedule = |restart| Schedule {
            policy: policy(restart),
            windows: Vec::new(),
            deadline: Span::days(7),
            offset: maintenance_window::NodeOffset::default(),
        };
        let next =
            |restart, days| schedule(restart).next(&inventory, &[], started + Span::days(days));
        let early = next(RestartPolicy::Needed, 1).unwrap();
        assert_eq!((early.at, early.found.as_str()), (started + Span::days(335), ""));
        let due = next(RestartPolicy::Needed, 336).unwrap();
        assert_eq!(due.at, started + Span::days(336));
        assert!(due.found.starts_with("memory@"), "{due:?}");
        assert_eq!(next(RestartPolicy::None, 336), None, "a person does it");
    }
}
