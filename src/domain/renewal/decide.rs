//! From what is on the node to a plan.

mod kubelet;
mod restarts;
mod warnings;

use std::path::PathBuf;

use crate::domain::layout::as_known;
use crate::domain::model::{Certificate, Content, Entry, Inventory, Item, Reason, Signer};
use crate::domain::policy::used_until;
use crate::domain::reference::KUBELET;
use crate::domain::role::{self, RenewedBy, Role};
use crate::domain::time::{Span, UnixTime};

use super::Component;
use super::blocker::Blocker;
use super::plan::{
    NodeFacts, Plan, RenewReason, RenewRequest, Renewal, RenewalPolicy, RestartPolicy, Selection,
    Skip, SkipReason,
};
use super::rate_limit;

/// How long kubeadm's leaves live where its configuration does not say otherwise.
pub(crate) const YEAR: Span = Span::days(365);

/// The plan for `request`, as things are at `now`.
pub(crate) fn plan(
    inventory: &Inventory,
    node: &NodeFacts,
    request: &RenewRequest,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Plan {
    let mut plan = Plan::default();
    let judge = Judge { inventory, node, request, policy, now };
    for role in role::KUBEADM.iter().filter(|role| request.selection.asks_for(role.id)) {
        match judge.certificate(role) {
            Ok(renewal) => plan.renew.push(renewal),
            Err(skip) => plan.skip.push(skip),
        }
    }
    plan.skip.extend(request.selection.names().filter_map(not_kubeadms));
    plan.incomplete = plan.skip.iter().any(|skip| judge.leaves_incomplete(skip));
    judge.components(&mut plan);
    if plan.renew.iter().any(|renewal| renewal.name == "admin.conf")
        || request.selection == Selection::Due
    {
        plan.copies.clone_from(&node.copies);
        plan.warnings.extend(node.copies_left.iter().cloned());
    }
    judge.kubelet(&mut plan);
    judge.reach(&mut plan);
    judge.blockers(&mut plan);
    judge.warnings(&mut plan);
    if !plan.is_empty() {
        plan.warnings.extend(node.notes.iter().cloned());
    }
    plan
}

/// The plan for putting back a backup of these certificates: kubeadm has no part in it. What is `live` now comes
/// back if the restoration fails, unless it is over.
pub(crate) fn restoring(
    names: &[&'static str],
    live: &Inventory,
    node: &NodeFacts,
    force: bool,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Plan {
    let end = |name| leaf(live, role::kubeadm(name)?)?.certificate().map(ends);
    let renewal = |name: &&'static str| Renewal {
        name,
        path: PathBuf::from(name),
        ends: end(name).filter(|end| *end <= now),
        lifetime: None,
        why: RenewReason::Asked,
    };
    let selection = Selection::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let request = RenewRequest { selection, force, rescue: false };
    let inventory = Inventory::default();
    let judge = Judge { inventory: &inventory, node, request: &request, policy, now };
    let mut plan = Plan { renew: names.iter().map(renewal).collect(), ..Plan::default() };
    judge.components(&mut plan);
    judge.reach(&mut plan);
    judge.blockers(&mut plan);
    plan
}

/// What kubeadm can renew and is due at `now`, by the inventory alone: enough to ask for a renewal,
/// which then looks at everything again. The most urgent first.
pub(crate) fn due(inventory: &Inventory, policy: &RenewalPolicy, now: UnixTime) -> Vec<Renewal> {
    let node = NodeFacts::default();
    let request = RenewRequest { selection: Selection::Due, force: false, rescue: false };
    let judge = Judge { inventory, node: &node, request: &request, policy, now };
    let mut due: Vec<Renewal> =
        role::KUBEADM.iter().filter_map(|role| judge.certificate(role).ok()).collect();
    due.sort_by_key(|renewal| renewal.ends);
    due
}

/// True if `request` includes the certificate of this NAME. If it is for what is due, the inventory alone decides that.
pub(crate) fn concerns(
    request: &RenewRequest,
    name: &str,
    inventory: &Inventory,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> bool {
    match request.selection {
        Selection::Due => due(inventory, policy, now).iter().any(|renewal| renewal.name == name),
        _ => request.selection.asks_for(name),
    }
}

/// The components that do not use their files, if they are to be restarted for that; with the end of what they use.
pub(crate) fn stale(
    inventory: &Inventory,
    policy: &RenewalPolicy,
) -> Vec<(&'static str, UnixTime)> {
    let may_restart = policy.restart_stale && policy.restart != RestartPolicy::None;
    // Its own are renewed otherwise, and no static pod is the kubelet.
    let items = inventory.items.iter().filter(|it| may_restart && it.role.owner != KUBELET);
    let mut stale: Vec<_> = items
        .filter_map(|item| {
            Some((Component::name_of(&item.stale_use.as_ref()?.component)?, used_until(item)?))
        })
        .collect();
    stale.sort_unstable();
    stale
}

/// The end of a certificate in the memory of an API server, if it is so near that the API server has to be restarted
/// though nothing else is due. The earliest, if there are several.
pub(crate) fn memory_due(
    inventory: &Inventory,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<UnixTime> {
    memory_ends(inventory, policy).filter(|end| *end - now < policy.before).min()
}

fn memory_ends(inventory: &Inventory, policy: &RenewalPolicy) -> impl Iterator<Item = UnixTime> {
    let may_restart = policy.restart != RestartPolicy::None;
    inventory.items.iter().filter(move |_| may_restart).filter_map(|item| match &item.content {
        Content::Loopback(loopback) => Some(loopback.not_after),
        _ => None,
    })
}

/// When the next certificate will be due, if none is at `now`.
pub(crate) fn next_due(
    inventory: &Inventory,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<UnixTime> {
    let leaves = inventory.items.iter().filter(|item| item.role.renewer == RenewedBy::Kubeadm);
    let due_at = |item: &Item| {
        let certificate = item.certificate()?;
        Some(ends(certificate) - policy.lead(certificate.lifetime()))
    };
    let in_memory = memory_ends(inventory, policy).map(|end| end - policy.before);
    leaves.filter_map(due_at).chain(in_memory).filter(|at| *at > now).min()
}

impl Plan {
    /// True if carrying it out would change nothing.
    pub fn is_empty(&self) -> bool {
        let is_kubelet_touched = self.kubelet || self.kubelet_renewal.is_some();
        let restarts = !self.restart.is_empty() || self.other_pods.iter().any(|pod| pod.restart);
        self.renew.is_empty() && !restarts && self.copies.is_empty() && !is_kubelet_touched
    }

    /// Overrides at `now` what may be a kubeadm, if that has been in the way for as long as people are given to look at
    /// it, which is as long as the same is not tried again; no kubeadm works for that long. `since` is when the first
    /// blocker was met, `ends` when the first of what is due ends, if that is known.
    pub(crate) fn wait_no_longer(
        &mut self,
        since: UnixTime,
        ends: Option<UnixTime>,
        now: UnixTime,
    ) {
        let is_over = |blocker: &Blocker| {
            let Blocker::KubeadmUnclear { started, .. } = blocker else { return false };
            let since = since.max(*started);
            now - since >= rate_limit::pause(ends, since)
        };
        let blockers = std::mem::take(&mut self.blockers);
        let (over, left): (Vec<_>, _) = blockers.into_iter().partition(is_over);
        self.overridden.extend(over);
        self.blockers = left;
    }
}

impl Selection {
    fn asks_for(&self, name: &str) -> bool {
        match self {
            Self::All | Self::Due => true,
            Self::Named(names) => names.iter().any(|it| it == name),
            Self::Stale | Self::Kubelet => false,
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Named(names) => names.as_slice(),
            Self::All | Self::Due | Self::Stale | Self::Kubelet => &[],
        };
        names.iter().map(String::as_str)
    }
}

/// A name that was asked for and is not one of those that kubeadm renews.
fn not_kubeadms(name: &str) -> Option<Skip> {
    if role::KUBEADM.iter().any(|role| role.id == name) || super::kubelet::knows(name) {
        return None;
    }
    let why = if role::KUBEADM_CAS.iter().any(|role| role.id == name) {
        SkipReason::Ca
    } else if name.starts_with("kubelet") {
        SkipReason::NotKubeadms("the kubelet")
    } else {
        SkipReason::Unknown
    };
    Some(Skip { name: name.to_owned(), ends: None, why })
}

struct Judge<'a> {
    inventory: &'a Inventory,
    node: &'a NodeFacts,
    request: &'a RenewRequest,
    policy: &'a RenewalPolicy,
    now: UnixTime,
}

impl Judge<'_> {
    fn certificate(&self, role: &'static Role) -> Result<Renewal, Skip> {
        let skip = |ends, why| Skip { name: role.id.to_owned(), ends, why };
        if self.node.has_external_etcd && role.ca == Some("etcd/ca.crt") {
            return Err(skip(None, SkipReason::ExternalEtcd));
        }
        let Some(item) = leaf(self.inventory, role) else {
            return Err(skip(None, SkipReason::Absent));
        };
        let certificate = match &item.content {
            Content::Certificate(certificate) => certificate,
            Content::Problem(Reason::Missing) => return Err(skip(None, SkipReason::Missing)),
            Content::Problem(reason) => {
                return Err(skip(None, SkipReason::Unreadable(reason.clone())));
            }
            Content::Loopback(_) => return Err(skip(None, SkipReason::Absent)),
        };
        let end = ends(certificate);
        match self.why(role, item, certificate) {
            Ok(why) => {
                let path = as_known(&item.place.path);
                let lifetime = Some(certificate.lifetime());
                Ok(Renewal { name: role.id, path, ends: Some(end), lifetime, why })
            }
            Err(why) => Err(skip(Some(end), why)),
        }
    }

    /// True if somebody waits in vain for what is skipped.
    fn leaves_incomplete(&self, skip: &Skip) -> bool {
        match skip.why {
            SkipReason::NotDue | SkipReason::Absent | SkipReason::RotationOff(_) => false,
            // Renewed a moment ago, by a person or by what a crash had interrupted.
            SkipReason::Shorter(end)
                if skip.ends.is_some_and(|ends| ends - end < Span::days(1)) =>
            {
                false
            }
            _ if matches!(self.request.selection, Selection::Named(_)) => true,
            SkipReason::Missing | SkipReason::Unreadable(_) => true,
            // Whether it is due is told by its end alone: what it is due by is not renewed here.
            _ => skip.ends.is_some_and(|end| end - self.now <= self.policy.before),
        }
    }

    fn why(
        &self,
        role: &Role,
        item: &Item,
        certificate: &Certificate,
    ) -> Result<RenewReason, SkipReason> {
        let end = ends(certificate);
        let is_due = end - self.now <= self.policy.lead(certificate.lifetime());
        let why = match &self.request.selection {
            _ if self.node.mismatched.contains(&role.id) => RenewReason::KeyMismatch,
            _ if end <= self.now => RenewReason::Expired,
            _ if is_due => RenewReason::Due,
            Selection::Due | Selection::Stale | Selection::Kubelet => {
                return Err(SkipReason::NotDue);
            }
            Selection::All | Selection::Named(_) => RenewReason::Asked,
        };
        if self.node.not_embedded.contains(&role.id) {
            return Err(SkipReason::NotEmbedded);
        }
        if item.has_key == Some(false) {
            return Err(SkipReason::ExternalCa);
        }
        match self.gains(certificate) {
            // One that nobody can use is worth nothing, however long it lives.
            Err(SkipReason::Shorter(_)) if why == RenewReason::KeyMismatch => Ok(why),
            gains => gains.map(|()| why),
        }
    }

    /// Whether a new certificate would end later than this one: kubeadm signs for a year whatever
    /// the CA's own end is, and what counts is the end that comes first.
    fn gains(&self, certificate: &Certificate) -> Result<(), SkipReason> {
        let ca_end = match &certificate.signer {
            Signer::Refused(_) if !self.request.force => return Err(SkipReason::OtherCa),
            Signer::Unchecked { algorithm, .. } if !self.request.force => {
                return Err(SkipReason::SignatureUnchecked(algorithm.clone()));
            }
            Signer::Verified(ca) => ca.not_after,
            Signer::Refused(_) | Signer::Unchecked { .. } | Signer::NoCa => return Ok(()),
        };
        let leaf_end = self.now + self.leaf_lifetime();
        if ca_end <= self.now {
            Err(SkipReason::CaExpired(ca_end))
        } else if ca_end <= certificate.not_after {
            Err(SkipReason::CaTooShort(ca_end))
        } else if leaf_end <= certificate.not_after {
            Err(SkipReason::Shorter(leaf_end))
        } else {
            Ok(())
        }
    }

    /// How long what kubeadm signs now will live.
    fn leaf_lifetime(&self) -> Span {
        self.node.leaf_lifetime.unwrap_or(YEAR)
    }

    /// Only requests to the kubelet use apiserver-kubelet-client. If they failed before the renewal, they need not
    /// succeed after it.
    fn reach(&self, plan: &mut Plan) {
        if !plan.renew.iter().any(|renewal| renewal.name == "apiserver-kubelet-client") {
            return;
        }
        match &self.node.reaches_kubelet {
            Some(Ok(())) => plan.reaches_kubelet = true,
            Some(Err(why)) if !self.request.rescue => plan.warnings.push(format!(
                "the new apiserver-kubelet-client will not be proved to work, because the present one does not: {why}"
            )),
            Some(Err(_)) | None => {}
        }
    }

    fn blockers(&self, plan: &mut Plan) {
        // A component whose pair does not match is unhealthy, and the renewal is its repair.
        let is_repair = plan.renew.iter().any(|it| it.why == RenewReason::KeyMismatch);
        for blocker in self.node.blockers.iter().cloned() {
            let is_overridden = self.request.force && blocker.is_overridable()
                || self.request.rescue && blocker.is_overridden_by_rescue()
                || is_repair && matches!(blocker, Blocker::Unhealthy(..))
                // The rescue's way: without a kubelet nothing starts, after a boot nothing at all, and no pod is touched.
                || plan.kubelet && blocker.is_overridden_by_rescue();
            if is_overridden {
                plan.overridden.push(blocker);
            } else {
                plan.blockers.push(blocker);
            }
        }
    }
}

/// The leaf of this role; of a kubeconfig with several users the one that ends first.
fn leaf<'a>(inventory: &'a Inventory, role: &Role) -> Option<&'a Item> {
    let is_leaf = |item: &&Item| match item.place.entry {
        Entry::Pem(index) | Entry::User { index, .. } => index == 0,
        Entry::Whole => true,
        Entry::Cluster { .. } | Entry::Endpoint(_) | Entry::Presented(_) | Entry::Process(_) => {
            false
        }
    };
    let items = inventory.items.iter().filter(|item| item.role.id == role.id);
    items.filter(is_leaf).min_by_key(|item| item.certificate().map(ends))
}

/// The end that counts: the certificate's own or its CA's, whichever comes first. A CA counts also
/// where its signature cannot be checked: to look too early does no harm.
fn ends(certificate: &Certificate) -> UnixTime {
    let ca = certificate.signer.not_after().unwrap_or(certificate.not_after);
    certificate.not_after.min(ca)
}

#[cfg(test)]
mod tests;
