//! The schedule: when the daemon renews without being asked.

use crate::domain::model::{Inventory, Item};
use crate::domain::policy;
use crate::domain::role::RenewedBy;
use crate::domain::time::{Span, UnixTime};

use super::kubelet_renewal::{KubeletRenewal, KubeletWay};
use super::maintenance_window::{self, MaintenanceWindow, NodeOffset};
use super::plan::{Renewal, RenewalPolicy, Selection};
use super::rate_limit::{self, Attempt};
use super::{decide, kubelet};

/// As long as this before its end, what is in the way is looked at again after an hour (see `rate_limit::pause`).
const LOOKED_AFTER: Span = Span::hours(10);

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
    /// What is renewed then: the kubelet's own certificates have a turn of their own.
    pub selection: Selection,
}

impl Schedule {
    /// The next renewal, if anything on this node will ever need one. Of two that are due, kubeadm's certificates come
    /// first; but nothing that is stopped starts again without a kubelet.
    pub(crate) fn next(
        &self,
        inventory: &Inventory,
        attempts: &[Attempt],
        now: UnixTime,
    ) -> Option<NextRenewal> {
        let due = kubelet::next(inventory, &Selection::Kubelet, &self.policy, now);
        let own = self.kubelets_next(inventory, due, attempts, now);
        let kubeadms = self.kubeadms_next(inventory, attempts, now);
        let both = match due.map(|it| it.way) {
            Some(KubeletWay::Recovery) => [own, kubeadms],
            _ => [kubeadms, own],
        };
        both.into_iter().flatten().min_by_key(|next| next.at)
    }

    /// Once a day, whatever is left of its life, and whatever end another one has: no end goes into the attempt. A kubelet
    /// whose certificate has expired is looked after each hour, in case what was in the way of its turn is gone.
    fn kubelets_next(
        &self,
        inventory: &Inventory,
        due: Option<KubeletRenewal>,
        attempts: &[Attempt],
        now: UnixTime,
    ) -> Option<NextRenewal> {
        let selection = Selection::Kubelet;
        let Some(due) = due else {
            let at = kubelet::next_due(inventory, &self.policy, now)?;
            let at = maintenance_window::begin_after(at, &self.windows, self.offset);
            return Some(NextRenewal { at, found: String::new(), ends: None, selection });
        };
        let found = format!("{}@{} {}", due.way.name(), due.ends.seconds(), due.way.code());
        let of_kind = |it: &Attempt| Attempt { found: kind(&it.found), ..it.clone() };
        let attempts: Vec<Attempt> = attempts.iter().map(of_kind).collect();
        let earliest = rate_limit::not_before(&attempts, &kind(&found), None, now);
        let at = self.kubelet_begins_at(inventory, due.way.name(), due.ends, now)?.max(earliest);
        let ends = (due.way == KubeletWay::Recovery && due.ends <= now).then(|| now + LOOKED_AFTER);
        Some(NextRenewal { at, found, ends, selection })
    }

    /// When one of the kubelet's own is renewed, in the time from when it is due until its end.
    fn kubelet_begins_at(
        &self,
        inventory: &Inventory,
        name: &str,
        ends: UnixTime,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let Self { policy, windows, deadline, offset } = self;
        let due = kubelet::due_at(name, inventory, policy, now)?;
        let from = now.max(due);
        Some(maintenance_window::begin_at(ends, ends - due, *deadline, windows, *offset, from))
    }

    /// The next one of all others.
    fn kubeadms_next(
        &self,
        inventory: &Inventory,
        attempts: &[Attempt],
        now: UnixTime,
    ) -> Option<NextRenewal> {
        let selection = Selection::Due;
        let due = decide::due(inventory, &self.policy, now);
        let memory = decide::memory_due(inventory, &self.policy, now);
        let stale = decide::stale(inventory, &self.policy);
        if due.is_empty() && memory.is_none() && stale.is_empty() {
            let at = decide::next_due(inventory, &self.policy, now)?;
            return Some(NextRenewal {
                at: maintenance_window::begin_after(at, &self.windows, self.offset),
                found: String::new(),
                ends: None,
                selection,
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
        Some(NextRenewal { at, found, ends: Some(ends), selection })
    }

    /// When this certificate is renewed, if certwatch can: for those who are told of its end.
    pub(crate) fn begins_for(
        &self,
        inventory: &Inventory,
        item: &Item,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let name = item.role.id;
        if kubelet::knows(name) {
            let used = kubelet::item(name, inventory, now).filter(|it| it.place == item.place)?;
            return self.kubelet_begins_at(inventory, name, used.certificate()?.not_after, now);
        }
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

/// What was found of the kubelet, without the end of its certificate.
fn kind(found: &str) -> String {
    let digits = |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    found
        .split_once('@')
        .map_or_else(|| found.to_owned(), |(name, rest)| name.to_owned() + &digits(rest))
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
    use crate::report::sample::{NOW, certificate};
    use proptest::prelude::*;

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
            kubelet: None,
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

    const POLICY: RenewalPolicy = RenewalPolicy {
        before: Span::days(30),
        short_lived: Span::days(60),
        restart: RestartPolicy::Needed,
        restart_stale: false,
        kubelet: Some(Span::days(7)),
    };

    fn schedule_with(windows: &[&str]) -> Schedule {
        Schedule {
            policy: POLICY,
            windows: windows.iter().map(|it| MaintenanceWindow::parse(it).unwrap()).collect(),
            deadline: Span::days(7),
            offset: maintenance_window::NodeOffset::default(),
        }
    }

    fn certificate_of(path: &str, role: &'static role::Role, days: i64) -> Item {
        let content = Content::Certificate(Box::new(certificate("a", "b", 1, days)));
        Item::new(Place::new(Path::new(path), Entry::Pem(0)), role, content)
    }

    /// A node whose kubelet's client certificate and API server have so many days left.
    fn node(kubelet: i64, apiserver: i64) -> Inventory {
        let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
        let items = vec![
            certificate_of(current, &role::KUBELET_CLIENT, kubelet),
            certificate_of(
                "/etc/kubernetes/pki/apiserver.crt",
                role::kubeadm("apiserver").unwrap(),
                apiserver,
            ),
        ];
        Inventory { items, ..Inventory::default() }
    }

    #[test]
    fn the_kubelet_has_a_turn_of_its_own() {
        let next = |kubelet, apiserver, attempts: &[Attempt]| {
            schedule_with(&[]).next(&node(kubelet, apiserver), attempts, NOW).unwrap()
        };
        let kubelet = next(20, 300, &[]);
        assert_eq!((kubelet.selection, kubelet.at, kubelet.ends), (Selection::Kubelet, NOW, None));
        assert!(kubelet.found.starts_with("kubelet-client@"));
        let both = next(20, 20, &[]);
        assert_eq!(both.selection, Selection::Due, "kubeadm's come first");
        let failed = Attempt { at: NOW, ended: true, found: both.found, ends: both.ends };
        assert_eq!(next(20, 20, &[failed]).selection, Selection::Kubelet, "and keep nobody");
        assert_eq!(next(-1, 20, &[]).selection, Selection::Kubelet, "nothing starts without it");
        assert_eq!(next(300, 300, &[]).found, "");
    }

    /// Whoever gets a certificate day after day that is due at once is not restarted all the time.
    #[test]
    fn another_end_is_no_reason_to_restart_the_kubelet_again() {
        let attempt = |found: &str| {
            [Attempt { at: NOW - Span::hours(1), ended: true, found: found.to_owned(), ends: None }]
        };
        let at = |left, found| {
            schedule_with(&[]).next(&node(left, 300), &attempt(found), NOW).unwrap().at
        };
        assert_eq!(at(20, "kubelet-client@17 rotation"), NOW + Span::hours(23));
        assert_eq!(at(-1, "kubelet-client@17 recovery"), NOW + Span::hours(23));
        assert_eq!(at(-1, "kubelet-client@17 rotation"), NOW, "it could not help");
        assert_eq!(at(20, "kubelet-serving@17 serving"), NOW);
    }

    /// The container runtime may have been slow to start: nothing was restarted, and the node is down.
    #[test]
    fn a_kubelet_that_could_not_be_brought_back_is_looked_after_each_hour() {
        let at = |ends: fn(Option<UnixTime>) -> Option<UnixTime>| {
            let next = schedule_with(&[]).next(&node(-1, 300), &[], NOW).unwrap();
            let attempt =
                Attempt { at: NOW, ended: true, found: next.found, ends: ends(next.ends) };
            schedule_with(&[]).next(&node(-1, 300), &[attempt], NOW).unwrap().at
        };
        assert_eq!(at(|ends| ends), NOW + Span::hours(1), "refused");
        assert_eq!(at(|_| None), NOW + Span::hours(24), "begun");
    }

    #[test]
    fn the_kubelet_is_restarted_in_a_window_unless_its_end_is_near() {
        // NOW is a Monday.
        let at = |left| schedule_with(&["sat 02:00-05:00"]).next(&node(left, 300), &[], NOW);
        assert_eq!(at(20).unwrap().at, UnixTime::parse("2026-11-28T02:00:00Z").unwrap());
        assert_eq!(at(6).unwrap().at, NOW);
        assert_eq!(at(-1).unwrap().at, NOW);
    }

    proptest! {
        /// Whatever is left of its life, and whatever else is renewed: the same is tried once a day.
        #[test]
        fn the_kubelet_is_tried_once_a_day(
            left in -40_i64..36, apiserver in -3_i64..40, gaps in prop::collection::vec(60_i64..40_000, 1..60),
        ) {
            let (schedule, node) = (schedule_with(&[]), node(left, apiserver));
            let (mut now, mut attempts, mut tried) = (NOW, Vec::new(), Vec::new());
            for gap in gaps {
                now = now + Span::seconds(gap);
                let next = schedule.next(&node, &attempts, now).unwrap();
                if next.at > now || next.found.is_empty() {
                    continue;
                }
                let is_kubelets = next.selection == Selection::Kubelet;
                if is_kubelets {
                    tried.push((next.found.clone(), now));
                }
                // As the renewer notes one that it begins.
                let ends = next.ends.filter(|_| !is_kubelets);
                attempts.push(Attempt { at: now, ended: true, found: next.found, ends });
            }
            for pair in tried.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                prop_assert!(pair[1].1 - pair[0].1 >= Span::hours(24));
            }
        }
    }
}
