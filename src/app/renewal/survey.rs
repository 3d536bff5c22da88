//! What is planned, from all that is found on the node.

use std::path::Path;
use std::sync::Arc;

use glob::Pattern;

use crate::domain::layout::ROOT_KUBECONFIG;
use crate::domain::model::Inventory;
use crate::domain::renewal::plan::{Plan, RenewReason, RenewRequest, RenewalPolicy, Selection};
use crate::domain::renewal::rate_limit::{self, Attempt};
use crate::domain::renewal::schedule::NextRenewal;
use crate::domain::renewal::{Fault, decide};
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::renew::Renewer;
use crate::renew::facts::cluster_config::{self, Settled};
use crate::renew::facts::{self, Gathered, Question};
use crate::renew::memory::Manifests;
use crate::renew::tree::{backup, inspect};
use crate::{daemon, monitor, scan};

use super::job::RenewalJob;

/// What was found.
pub(super) struct PreparedPlan {
    pub(super) plan: Plan,
    pub(super) settled: Option<Settled>,
    /// For kubeadm.
    pub(super) text: Option<String>,
    /// Whatever a person asks for; what is due, if it is time. Otherwise there is nothing to do.
    pub(super) due: Option<DueRenewal>,
}

/// What is due, if no person asks.
#[derive(Default)]
pub(super) struct DueRenewal {
    pub(super) found: String,
    pub(super) ends: Option<UnixTime>,
}

impl DueRenewal {
    pub(super) fn attempt(self, at: UnixTime, ended: bool) -> Attempt {
        Attempt { at, ended, found: self.found, ends: self.ends }
    }
}

pub(super) fn survey(
    job: &RenewalJob,
    manifests: Option<&Manifests>,
    now: UnixTime,
) -> Result<PreparedPlan, Fault> {
    Ok(survey_of(job, &job.request, &inventory(job, now)?, manifests, now))
}

fn survey_of(
    job: &RenewalJob,
    request: &RenewRequest,
    inventory: &Inventory,
    manifests: Option<&Manifests>,
    now: UnixTime,
) -> PreparedPlan {
    let policy = policy(job, request);
    let admin_is_renewed = decide::concerns(request, "admin.conf", inventory, &policy, now);
    let Gathered { facts, settled, text } =
        facts::gather(&question(job, admin_is_renewed, manifests), now);
    let plan = decide::plan(inventory, &facts, request, &policy, now);
    PreparedPlan { plan, settled, text, due: Some(DueRenewal::default()) }
}

/// The same; without a person, only if it is time, and noted in either case.
pub(super) fn survey_for(
    job: &RenewalJob,
    renewer: &mut Renewer,
    now: UnixTime,
) -> Result<PreparedPlan, Fault> {
    if job.is_auto {
        // Before the scan: one that kills this process costs as much as one that ends.
        renewer.note_look(now);
        renewer.save()?;
    }
    let inventory = inventory(job, now)?;
    let schedule = monitor::schedule(&job.config).filter(|_| job.is_auto);
    let next = schedule.and_then(|it| it.next(&inventory, renewer.attempts(), now));
    let next = next.filter(|next| !next.found.is_empty());
    let request = request(job, next.as_ref().filter(|next| next.at <= now));
    let manifests = renewer.memory().manifests.as_ref();
    let mut survey = survey_of(job, &request, &inventory, manifests, now);
    if job.is_auto {
        if let Some(since) = renewer.memory().held_up {
            survey.plan.wait_no_longer(since, next.as_ref().and_then(|next| next.ends), now);
        }
        // No scan sees a key that is not its certificate's, and what cannot be used waits for no window.
        let broken = without_keys(&survey.plan).map(|found| DueRenewal { found, ends: Some(now) });
        if next.is_none() && broken.is_none() || survey.plan.blockers.is_empty() {
            renewer.note_held_up(false, now);
        }
        let next = next.filter(|next| next.at <= now);
        let may_begin = |due: &DueRenewal| {
            rate_limit::not_before(renewer.attempts(), &due.found, due.ends, now) <= now
        };
        survey.due = next
            .map(|next| DueRenewal { found: next.found, ends: next.ends })
            .or(broken.filter(may_begin));
        renewer.note_run(now);
        keep_config(job, survey.settled.as_ref())?;
        renewer.save()?;
    }
    Ok(survey)
}

pub(super) fn restoring(
    job: &RenewalJob,
    manifests: Option<&Manifests>,
    id: &str,
    now: UnixTime,
) -> Result<Plan, Fault> {
    let file_paths = backup::read(&job.paths, id)?.paths();
    let is_in = |role: &&Role| {
        let files = inspect::paths_of(&job.paths.kubernetes, role.id).unwrap_or_default();
        files.iter().any(|file| file_paths.contains(file))
    };
    let names: Vec<_> = role::KUBEADM.iter().filter(is_in).map(|role| role.id).collect();
    let Gathered { mut facts, .. } = facts::gather(&question(job, false, manifests), now);
    // kubeadm has no part in it.
    facts.blockers.retain(|blocker| !blocker.is_about_kubeadm());
    let live = inventory(job, now)?;
    Ok(decide::restoring(&names, &live, &facts, job.request.force, &policy(job, &job.request), now))
}

fn without_keys(plan: &Plan) -> Option<String> {
    let broken = plan.renew.iter().filter(|it| it.why == RenewReason::KeyMismatch);
    let broken: Vec<_> = broken.map(|it| format!("{} without its key", it.name)).collect();
    Some(broken.join(" ")).filter(|found| !found.is_empty())
}

fn inventory(job: &RenewalJob, now: UnixTime) -> Result<Inventory, Fault> {
    let mut scanned = daemon::request(&job.config, Path::new("/"));
    scanned.paths.clear();
    if job.paths.is_stage_shown {
        scanned.paths.push(job.paths.kubernetes.to_string_lossy().into_owned());
    }
    scanned.standard = true;
    // The plan has asked the components itself.
    scanned.in_use = false;
    // Copies are looked at elsewhere, where a file system that is away holds up less.
    let copies = job.config.renew.copies.iter().map(|copy| copy.path.as_path());
    let copies = copies.chain([Path::new(ROOT_KUBECONFIG)]);
    let pattern = |path: &Path| Pattern::new(&Pattern::escape(&path.to_string_lossy())).ok();
    scanned.exclude.extend(copies.filter_map(pattern));
    scan::scan(&scanned, &Arc::default(), now).map_err(|error| Fault::failed(error.to_string()))
}

fn question<'a>(
    job: &'a RenewalJob,
    admin_is_renewed: bool,
    manifests: Option<&'a Manifests>,
) -> Question<'a> {
    Question {
        paths: &job.paths,
        cluster_config: job.cluster_config.as_deref(),
        copies: &job.copies,
        admin_is_renewed,
        restart_pods: &job.config.renew.restart_pods,
        hooks: &job.config.renew.hooks,
        manifests,
    }
}

/// What the service is asked for has no words: it renews what is due, and the kubelet's own when that has its turn.
fn request(job: &RenewalJob, next: Option<&NextRenewal>) -> RenewRequest {
    let selection = next.map_or(&job.request.selection, |next| &next.selection).clone();
    RenewRequest { selection, ..job.request.clone() }
}

fn policy(job: &RenewalJob, request: &RenewRequest) -> RenewalPolicy {
    // Who asks for that alone means it.
    let is_asked = request.selection == Selection::Stale;
    let policy = job.config.renewal_policy();
    let has_turn = !job.is_auto || request.selection == Selection::Kubelet;
    RenewalPolicy {
        restart_stale: is_asked || policy.restart_stale,
        kubelet: policy.kubelet.filter(|_| has_turn),
        ..policy
    }
}

pub(super) fn keep_config(job: &RenewalJob, settled: Option<&Settled>) -> Result<(), Fault> {
    settled.map_or(Ok(()), |settled| cluster_config::keep(&job.paths, settled))
}
