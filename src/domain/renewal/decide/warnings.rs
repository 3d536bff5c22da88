//! What a plan does not change, and people should know.

use super::Judge;
use crate::domain::renewal::plan::{Outage, Plan, RenewReason, Renewal};
use crate::domain::role::{self, CertificateKind};
use crate::domain::time::Span;

impl Judge<'_> {
    pub(super) fn warnings(&self, plan: &mut Plan) {
        let leaf_end = self.now + self.leaf_lifetime();
        for ca in self.inventory.items.iter().filter(|item| item.role.kind == CertificateKind::Ca) {
            let Some(certificate) = ca.certificate() else { continue };
            let signs = |renewal: &Renewal| {
                role::kubeadm(renewal.name)
                    .and_then(|role| role.ca)
                    .is_some_and(|file| ca.place.path.ends_with(file))
            };
            if certificate.not_after < leaf_end && plan.renew.iter().any(signs) {
                plan.warnings.push(format!(
                    "the {} expires on {}, and everything it signed expires with it: plan its rotation",
                    ca.role.title,
                    certificate.not_after.date()
                ));
            }
        }
        plan.warnings.extend(plan.outages.iter().filter_map(held_back));
        if plan.renew.iter().any(|renewal| renewal.why == RenewReason::Expired) {
            plan.warnings.push(format!(
                "by this node's clock it is {}: if that is wrong, perhaps nothing has expired, so correct it first",
                self.now
            ));
        }
        if !self.request.rescue
            && !plan.kubelet
            && self.node.kubelet_not_after.is_some_and(|end| end <= self.now)
        {
            plan.warnings.push(
                "the kubelet's client certificate has expired, and this does not renew it: --rescue does"
                    .to_owned(),
            );
        }
    }
}

fn held_back(outage: &Outage) -> Option<String> {
    let Outage { component, held_back, .. } = outage;
    (*held_back > Span::seconds(0)).then(|| {
        format!(
            "the kubelet holds {component} back for about {held_back}, because it was restarted recently; \
             after 10 min of running, it does not"
        )
    })
}
