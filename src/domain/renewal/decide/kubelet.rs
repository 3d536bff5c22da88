//! The kubelet's part in a plan: it is brought back by a rescue, or renews its own certificates in a run of its own.

use super::Judge;
use crate::domain::renewal::kubelet;
use crate::domain::renewal::kubelet_renewal::{KubeletRenewal, KubeletWay};
use crate::domain::renewal::plan::{Plan, Skip, SkipReason};
use crate::domain::role::{KUBELET_CLIENT, KUBELET_SERVING};
use crate::domain::time::Span;

impl Judge<'_> {
    pub(super) fn kubelet(&self, plan: &mut Plan) {
        let has_ended = self.node.kubelet_is_stranded
            || self.node.kubelet_not_after.is_some_and(|end| end <= self.now);
        plan.kubelet = self.request.rescue && has_ended;
        if !plan.kubelet {
            self.own(plan);
        }
        if plan.kubelet {
            plan.kubelet_never_rotates = self.inventory.components.kubelet.rotates == Some(false);
            // It is restarted first, and forgets whom it holds back.
            plan.outages.iter_mut().for_each(|outage| outage.held_back = Span::seconds(0));
        }
    }

    /// What fails of it is not to keep kubeadm's certificates from being renewed, nor the other way round.
    fn own(&self, plan: &mut Plan) {
        let (selection, policy) = (&self.request.selection, self.policy);
        for name in [KUBELET_CLIENT.id, KUBELET_SERVING.id] {
            let is_named = selection.names().any(|it| it == name);
            let verdict = kubelet::judge(name, self.inventory, selection, policy, self.now);
            let absent = || Skip { name: name.to_owned(), ends: None, why: SkipReason::Absent };
            let skip = verdict.map_or_else(|| is_named.then(absent), Result::err);
            let skip = skip.filter(|it| is_named || it.why != SkipReason::NotDue);
            plan.incomplete |= skip.as_ref().is_some_and(|it| self.leaves_incomplete(it));
            plan.skip.extend(skip);
        }
        let Some(next) = kubelet::next(self.inventory, selection, policy, self.now) else { return };
        if plan.renew.is_empty() && plan.restart.is_empty() {
            plan.kubelet = next.way == KubeletWay::Recovery;
            plan.kubelet_renewal = Some(next);
        } else {
            plan.warnings.push(later(next));
        }
    }
}

fn later(next: KubeletRenewal) -> String {
    format!(
        "{} expires on {} and is renewed in a run of its own: `certwatch renew` once more",
        next.way.name(),
        next.ends.date()
    )
}
