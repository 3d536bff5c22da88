//! A renewal as JSON: its plan, and how it ended. The contract is docs/renew.schema.json.

use std::path::Path;

use serde::Serialize;

use crate::domain::cluster::NodeIdentity;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::hook::Hook;
use crate::domain::renewal::kubelet_renewal::KubeletRenewal;
use crate::domain::renewal::leftover::Leftover;
use crate::domain::renewal::other_pod::OtherPod;
use crate::domain::renewal::plan::{Plan, Renewal, Skip};
use crate::domain::renewal::words::{outcome_headline, outcome_text};
use crate::domain::renewal::{Component, Fault, Journal, Live, Outcome, SideResult, Step, Task};
use crate::domain::time::UnixTime;

use super::escape;
use super::plan::PlanReport;

/// Raised when a field changes its meaning or goes away; new fields alone do not raise it.
const SCHEMA_VERSION: u32 = 1;

/// What `renew -o json` and `restore -o json` print, with its end of line: `plan` is `None` for a
/// restoration, `journal` where nothing was done.
pub(crate) fn json(
    node: &NodeIdentity,
    now: UnixTime,
    plan: Option<&PlanReport<'_>>,
    journal: Option<&Journal>,
    backups: &Path,
) -> String {
    let document = RenewDocument {
        schema_version: SCHEMA_VERSION,
        cluster: node.cluster.as_deref(),
        node: &node.name,
        generated_at: now.to_string(),
        plan: plan.map(PlanJson::of),
        outcome: journal.map(|journal| OutcomeJson::of(journal, backups)),
    };
    escape::json(&document)
}

#[derive(Serialize)]
struct RenewDocument<'a> {
    schema_version: u32,
    cluster: Option<&'a str>,
    node: &'a str,
    generated_at: String,
    plan: Option<PlanJson<'a>>,
    outcome: Option<OutcomeJson<'a>>,
}

#[derive(Serialize)]
struct PlanJson<'a> {
    leftovers: Vec<LeftoverJson>,
    renew: Vec<CertificateJson<'a>>,
    skip: Vec<CertificateJson<'a>>,
    restart: Vec<PodJson>,
    keep_running: Vec<PodJson>,
    other_pods: Vec<OtherPodJson<'a>>,
    copies: Vec<String>,
    hooks: Vec<HookJson<'a>>,
    renew_kubelet: bool,
    kubelet_renewal: Option<KubeletRenewalJson>,
    commands: Vec<String>,
    incomplete: bool,
    warnings: &'a [String],
    overridden: Vec<BlockerJson>,
    blockers: Vec<BlockerJson>,
}

#[derive(Serialize)]
struct CertificateJson<'a> {
    name: &'a str,
    path: Option<String>,
    expires: Option<String>,
    reason: &'static str,
    message: String,
}

#[derive(Serialize)]
struct KubeletRenewalJson {
    name: &'static str,
    expires: String,
    reason: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
struct LeftoverJson {
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct PodJson {
    component: &'static str,
    reason: &'static str,
    message: String,
    outage: String,
}

#[derive(Serialize)]
struct BlockerJson {
    code: &'static str,
    message: String,
    remedy: String,
}

#[derive(Serialize)]
struct OutcomeJson<'a> {
    id: &'a str,
    task: &'static str,
    restored_backup: Option<&'a str>,
    result: Option<Outcome>,
    headline: String,
    text: Vec<String>,
    started_at: String,
    finished_at: Option<String>,
    certificates: &'a [String],
    components: Vec<LivePodJson>,
    other_pods: Vec<OtherPodJson<'a>>,
    hooks: Vec<HookJson<'a>>,
    kubelet: bool,
    kubelet_renewal: Option<KubeletRenewalJson>,
    changed_files: Vec<String>,
    error: Option<FailureJson<'a>>,
    rollback_error: Option<FailureJson<'a>>,
    notes: &'a [String],
    resumed: u32,
    backup: Option<String>,
}

#[derive(Serialize)]
struct LivePodJson {
    component: &'static str,
    restart: bool,
}

#[derive(Serialize)]
struct OtherPodJson<'a> {
    name: &'a str,
    certificates: Vec<&'a str>,
    certain: bool,
    restart: bool,
    result: SideResult,
    message: String,
}

#[derive(Serialize)]
struct HookJson<'a> {
    name: &'a str,
    command: &'a [String],
    timeout_seconds: i64,
    result: SideResult,
}

#[derive(Serialize)]
struct FailureJson<'a> {
    step: String,
    message: &'a str,
}

impl<'a> PlanJson<'a> {
    fn of(report: &PlanReport<'a>) -> Self {
        let Plan {
            leftovers,
            renew,
            skip,
            restart,
            // Said of each pod, and in `warnings`.
            outages: _,
            skip_restart,
            other_pods,
            copies,
            hooks,
            // What is proved afterwards is no part of the plan.
            reaches_kubelet: _,
            kubelet_never_rotates: _,
            kubelet,
            kubelet_renewal,
            blockers,
            overridden,
            incomplete,
            warnings,
        } = report.plan;
        let restart = restart
            .iter()
            .map(|(it, why)| PodJson::of(*it, why.code(), why.words(), report.plan.outage(*it)));
        let keep_running = skip_restart.iter().map(|(it, why)| {
            PodJson::of(*it, why.code(), why.words().to_owned(), "none".to_owned())
        });
        let left = |it: &Leftover| LeftoverJson { code: it.code(), message: it.words() };
        Self {
            leftovers: leftovers.iter().map(left).collect(),
            renew: renew.iter().map(CertificateJson::renewed).collect(),
            skip: skip.iter().map(CertificateJson::skipped).collect(),
            restart: restart.collect(),
            keep_running: keep_running.collect(),
            other_pods: other_pods.iter().map(OtherPodJson::of).collect(),
            copies: copies.iter().map(|path| lossy(path)).collect(),
            hooks: hooks.iter().map(|hook| HookJson::of(hook, SideResult::Pending)).collect(),
            renew_kubelet: *kubelet,
            kubelet_renewal: kubelet_renewal.as_ref().map(KubeletRenewalJson::of),
            commands: report.commands(),
            incomplete: *incomplete,
            warnings,
            overridden: overridden.iter().map(BlockerJson::of).collect(),
            blockers: blockers.iter().map(BlockerJson::of).collect(),
        }
    }
}

impl PodJson {
    fn of(component: Component, reason: &'static str, message: String, outage: String) -> Self {
        Self { component: component.name(), reason, message, outage }
    }
}

impl<'a> CertificateJson<'a> {
    fn renewed(renewal: &'a Renewal) -> Self {
        Self {
            name: renewal.name,
            path: Some(lossy(&renewal.path)),
            expires: renewal.ends.map(|ends| ends.to_string()),
            reason: renewal.why.code(),
            message: renewal.why.words().to_owned(),
        }
    }

    fn skipped(skip: &'a Skip) -> Self {
        Self {
            name: &skip.name,
            path: None,
            expires: skip.ends.map(|ends| ends.to_string()),
            reason: skip.why.code(),
            message: skip.why.words(),
        }
    }
}

impl KubeletRenewalJson {
    fn of(renewal: &KubeletRenewal) -> Self {
        let KubeletRenewal { way, ends } = *renewal;
        Self {
            name: way.name(),
            expires: ends.to_string(),
            reason: way.code(),
            message: way.words(),
        }
    }
}

impl BlockerJson {
    fn of(blocker: &Blocker) -> Self {
        Self { code: blocker.code(), message: blocker.what(), remedy: blocker.remedy() }
    }
}

impl<'a> OutcomeJson<'a> {
    fn of(journal: &'a Journal, backups: &Path) -> Self {
        let (task, restored_backup) = match &journal.task {
            Task::Renew => ("renew", None),
            Task::Rescue => ("rescue", None),
            Task::Repair => ("repair", None),
            Task::Restore(backup) => ("restore", Some(backup.as_str())),
        };
        Self {
            id: &journal.id,
            task,
            restored_backup,
            result: journal.outcome(),
            headline: outcome_headline(journal),
            text: outcome_text(journal),
            started_at: journal.begun.to_string(),
            finished_at: journal.ended.map(|ended| ended.to_string()),
            certificates: &journal.names,
            components: journal.live.iter().map(LivePodJson::of).collect(),
            other_pods: journal.other_pods.iter().map(OtherPodJson::of).collect(),
            hooks: journal.hooks.iter().map(|run| HookJson::of(&run.hook, run.result)).collect(),
            kubelet: journal.kubelet,
            kubelet_renewal: journal.kubelet_renewal.as_ref().map(KubeletRenewalJson::of),
            changed_files: journal.changes.iter().map(|change| lossy(&change.path)).collect(),
            error: FailureJson::of(journal.fault.as_ref(), journal),
            rollback_error: FailureJson::of(journal.rollback_error.as_ref(), journal),
            notes: &journal.notes,
            resumed: journal.resumed,
            backup: journal.has_backup().then(|| lossy(&backups.join(&journal.id))),
        }
    }
}

impl LivePodJson {
    fn of(live: &Live) -> Self {
        let Live { component, restart } = *live;
        Self { component: component.name(), restart }
    }
}

impl<'a> OtherPodJson<'a> {
    fn of(pod: &'a OtherPod) -> Self {
        Self {
            name: &pod.name,
            certificates: pod.uses.iter().map(|it| it.certificate.as_str()).collect(),
            certain: pod.is_certain(),
            restart: pod.restart,
            result: pod.result,
            message: pod.words(),
        }
    }
}

impl<'a> HookJson<'a> {
    fn of(hook: &'a Hook, result: SideResult) -> Self {
        let timeout_seconds = hook.timeout.as_seconds();
        Self { name: &hook.name, command: &hook.command, timeout_seconds, result }
    }
}

impl<'a> FailureJson<'a> {
    fn of(fault: Option<&'a (Step, Fault)>, journal: &Journal) -> Option<Self> {
        fault.map(|(step, fault)| Self { step: step.doing(journal), message: &fault.what })
    }
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::renewal::sample::{NOW, journal, plan};

    const WORK: &str = "/var/lib/certwatch-renew";

    fn printed(plan: Option<&Plan>, journal: Option<&Journal>) -> String {
        let config = Path::new(WORK).join("kubeadm-config.yaml");
        let node = NodeIdentity::of_node("cp1");
        let report = plan.map(|plan| PlanReport {
            node: &node,
            plan,
            now: NOW,
            kubeadm: Path::new("/usr/bin/kubeadm"),
            kubeadm_config: &config,
        });
        json(&node, NOW, report.as_ref(), journal, &Path::new(WORK).join("backups"))
    }

    fn assert_valid(printed: &str) {
        let schema = include_str!("../../docs/renew.schema.json");
        let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        let document: Value = serde_json::from_str(printed).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {document:#}");
    }

    #[test]
    fn a_plan() {
        let printed = printed(Some(&plan()), None);
        assert_valid(&printed);
        insta::assert_snapshot!(printed);
    }

    #[test]
    fn an_outcome() {
        let printed = printed(None, Some(&journal(Task::Rescue, Outcome::NeedsOperator)));
        assert_valid(&printed);
        insta::assert_snapshot!(printed);
    }

    #[test]
    fn every_outcome_keeps_to_the_schema() {
        let outcomes = [
            Outcome::Renewed,
            Outcome::Unchanged,
            Outcome::RolledBack,
            Outcome::PartiallyApplied,
            Outcome::NeedsOperator,
        ];
        for outcome in outcomes {
            for task in [Task::Renew, Task::Restore("2026-11-01T02-00-00Z".to_owned())] {
                assert_valid(&printed(Some(&Plan::default()), Some(&journal(task, outcome))));
            }
        }
        let under_way = Journal {
            step: Step::Install,
            ended: None,
            ..journal(Task::Renew, Outcome::PartiallyApplied)
        };
        assert_valid(&printed(None, Some(&under_way)));
    }

    #[test]
    fn the_schema_is_strict() {
        let mut document: Value = serde_json::from_str(&printed(Some(&plan()), None)).unwrap();
        document["plan"]["renew"][0]["reason"] = "because".into();
        let schema = include_str!("../../docs/renew.schema.json");
        let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        assert!(!validator.is_valid(&document));
    }
}
