//! Which static pods are restarted for it, and which commands are run after it.

use super::Judge;
use crate::domain::renewal::Component;
use crate::domain::renewal::other_pod::PodUse;
use crate::domain::renewal::plan::{
    ComponentFacts, Outage, Plan, Renewal, RestartPolicy, RestartReason, Selection,
    SkipRestartReason,
};

impl Judge<'_> {
    pub(super) fn components(&self, plan: &mut Plan) {
        for facts in &self.node.components {
            match self.component(facts, plan) {
                Ok(why) => {
                    plan.restart.push((facts.component, why));
                    plan.outages.push(outage(facts));
                }
                Err(why) => plan.skip_restart.push((facts.component, why)),
            }
        }
        plan.restart.sort_by_key(|(component, _)| *component);
        plan.skip_restart.sort_by_key(|(component, _)| *component);
        self.other_pods(plan);
        self.hooks(plan);
    }

    /// Those that use what is renewed, and those that were seen to use what is no longer there.
    fn other_pods(&self, plan: &mut Plan) {
        let is_asked_for = |name: &str| {
            self.request.selection == Selection::Stale || self.request.selection.asks_for(name)
        };
        let counts = |it: &PodUse| {
            let is_renewed = plan.renew.iter().any(|renewal| renewal.name == it.certificate);
            is_renewed || it.is_stale && is_asked_for(&it.certificate)
        };
        let mut pods = self.node.other_pods.clone();
        for pod in &mut pods {
            pod.uses.retain(counts);
            pod.restart &= self.policy.restart != RestartPolicy::None;
        }
        pods.retain(|pod| !pod.uses.is_empty());
        plan.other_pods = pods;
    }

    /// They are for new files: what is only restarted changes nothing for others.
    fn hooks(&self, plan: &mut Plan) {
        if !plan.renew.is_empty() {
            plan.hooks.clone_from(&self.node.hooks);
            plan.warnings.extend(self.node.hooks_refused.iter().cloned());
        }
    }

    fn component(
        &self,
        facts: &ComponentFacts,
        plan: &Plan,
    ) -> Result<RestartReason, SkipRestartReason> {
        let component = facts.component;
        let is_touched = plan.renew.iter().any(|renewal| component.uses().contains(&renewal.name));
        let may_be_stale = self.is_asked_for(component) && !self.names_files(component);
        let stale = facts.stale.clone().filter(|_| may_be_stale);
        if !is_touched && stale.is_none() && !self.must_renew_memory(facts, plan) {
            return Err(SkipRestartReason::NotConcerned);
        }
        let why = match self.policy.restart {
            RestartPolicy::All => Some(RestartReason::Always),
            RestartPolicy::Needed | RestartPolicy::None => {
                self.need(facts, is_touched, stale, plan)
            }
        };
        match why {
            None => Err(SkipRestartReason::Reloads),
            Some(_) if self.policy.restart == RestartPolicy::None => {
                Err(SkipRestartReason::Forbidden)
            }
            Some(why) => Ok(why),
        }
    }

    fn need(
        &self,
        facts: &ComponentFacts,
        is_touched: bool,
        stale: Option<String>,
        plan: &Plan,
    ) -> Option<RestartReason> {
        let reloads = facts.component.reloads(facts.version);
        let memory = facts.loopback_not_after.filter(|_| self.must_renew_memory(facts, plan));
        match (stale, memory) {
            (_, Some(end)) => Some(RestartReason::Loopback(end)),
            (Some(evidence), None) if !reloads || self.policy.restart_stale => {
                Some(RestartReason::Stale(evidence))
            }
            _ if reloads => None,
            _ if !is_touched => None,
            _ if facts.component == Component::Apiserver => Some(RestartReason::OldVersion),
            _ => Some(RestartReason::HoldsKubeconfig),
        }
    }

    /// True if the certificate in its memory ends before there is another renewal. If nothing of
    /// its is renewed now, that is when it is itself due.
    fn must_renew_memory(&self, facts: &ComponentFacts, plan: &Plan) -> bool {
        let Some(end) =
            facts.loopback_not_after.filter(|_| self.request.selection != Selection::Stale)
        else {
            return false;
        };
        let renews = |renewal: &Renewal| facts.component.uses().contains(&renewal.name);
        if plan.renew.iter().any(renews) {
            let lifetime = self.leaf_lifetime();
            return end < self.now + lifetime - self.policy.lead(lifetime);
        }
        end - self.now < self.policy.before && self.is_asked_for(facts.component)
    }

    /// What names its certificate's file has no credential in its kubeconfig to be proved with, and the
    /// age of the kubeconfig says nothing of the certificate.
    fn names_files(&self, component: Component) -> bool {
        self.node.not_embedded.iter().any(|name| component.uses().contains(name))
    }

    /// By name, only what was named is touched.
    fn is_asked_for(&self, component: Component) -> bool {
        match &self.request.selection {
            Selection::Kubelet => false,
            Selection::All | Selection::Due | Selection::Stale => true,
            Selection::Named(names) => {
                names.iter().any(|name| component.uses().contains(&name.as_str()))
            }
        }
    }
}

fn outage(facts: &ComponentFacts) -> Outage {
    let ComponentFacts { component, version, back_off, .. } = *facts;
    Outage { component, usual: component.outage(version), held_back: back_off }
}
