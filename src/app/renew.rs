//! `certwatch renew`: what is asked for, checked, and what people see of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{rehearsal, renewer};
use crate::cli::{RenewArgs, StatusFormat};
use crate::config::{self, Config};
use crate::domain::layout::{KUBERNETES, LIVE_IN_UNIT};
use crate::domain::renewal::plan::{Plan, RenewRequest, Selection};
use crate::domain::renewal::{Journal, Outcome};
use crate::domain::role;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::monitor::node_name;
use crate::renew::NodePaths;
use crate::renew::copies::Copies;
use crate::report::journal::{Progress, outcome};
use crate::report::plan::PlanReport;
use crate::report::renewal;
use crate::sys;

/// What is asked for, with all that is needed to do it.
pub struct RenewalJob {
    /// The configuration in effect.
    pub config: Config,
    /// Where things are.
    pub paths: NodePaths,
    /// The copies of admin.conf that are listed, in this run.
    pub copies: Arc<Copies>,
    /// Which certificates, and in spite of what.
    pub request: RenewRequest,
    /// The ClusterConfiguration that a person gave.
    pub cluster_config: Option<PathBuf>,
    /// How to print.
    pub output: StatusFormat,
    /// The service asks, and no person.
    pub is_auto: bool,
}

/// Renews, or shows what would be done.
pub fn run(args: &RenewArgs) -> Exit {
    match job(args) {
        Ok(job) if args.dry_run => rehearsal::rehearse(&job),
        // The owner has not enabled renewals; one that a person began is brought to its end all the
        // same.
        Ok(job) if args.auto && !job.config.renew.enabled => renewer::finish(&job),
        Ok(job) => renewer::renew(&job),
        Err(exit) => exit,
    }
}

/// Checks the command line.
fn job(args: &RenewArgs) -> Result<RenewalJob, Exit> {
    if let Some(why) = args.names.iter().find_map(|name| unknown(name)) {
        super::print_error(&why);
        return Err(Exit::Usage);
    }
    let config = super::config::effective(args.config.as_deref()).map_err(|errors| {
        super::print_error(&errors.to_string());
        Exit::Config
    })?;
    Ok(RenewalJob {
        paths: paths(&config.renew, args.staged),
        copies: Arc::new(Copies::new(config.renew.copies.clone())),
        config,
        request: request(args),
        cluster_config: args.cluster_config.clone(),
        output: args.output,
        is_auto: args.auto,
    })
}

fn request(args: &RenewArgs) -> RenewRequest {
    let selection = match args.names.as_slice() {
        _ if args.all => Selection::All,
        [] => Selection::Due,
        names => Selection::Named(names.to_vec()),
    };
    RenewRequest { selection, force: args.force, rescue: args.rescue }
}

/// Where things are; in the unit, which shows the copy already, the live tree is elsewhere.
pub(super) fn paths(renew: &config::RenewConfig, is_stage_shown: bool) -> NodePaths {
    NodePaths {
        kubernetes: PathBuf::from(if is_stage_shown { LIVE_IN_UNIT } else { KUBERNETES }),
        kubelet: PathBuf::from("/var/lib/kubelet"),
        work: renew.state_dir.clone(),
        kubeadm: renew.kubeadm.clone(),
        is_stage_shown,
    }
}

/// Why a NAME is none, with the one that was meant. What kubeadm knows and cannot renew is no mistake
/// of spelling: the plan says who renews it.
fn unknown(name: &str) -> Option<String> {
    if role::kubeadm(name).is_some() || name.starts_with("kubelet") {
        return None;
    }
    let shown = escape_control(name);
    let near = |known: &&str| {
        name.len() >= 3 && known.starts_with(name)
            || strsim::osa_distance(known, name) <= known.len() / 3
    };
    let known = role::KUBEADM.iter().map(|role| role.id);
    let nearest = known.clone().filter(near).min_by_key(|id| strsim::osa_distance(id, name));
    Some(match nearest {
        Some(nearest) => format!("there is no certificate {shown}: did you mean {nearest}?"),
        None => {
            let all = known.collect::<Vec<_>>().join(", ");
            format!("there is no certificate {shown}: kubeadm renews {all}")
        }
    })
}

impl RenewalJob {
    /// Prints the plan, and gives the exit status: 1 if something stands in the way, or what is due
    /// cannot be renewed.
    pub fn show_plan(&self, plan: &Plan, now: UnixTime) -> Exit {
        let printed = super::print(&self.with_report(plan, now, |report| match self.output {
            StatusFormat::Table => report.table(sys::terminal_width(&std::io::stdout())),
            StatusFormat::Json => self.json(Some(report), None, now),
        }));
        if plan.blockers.is_empty() && !plan.incomplete { printed } else { Exit::Failed }
    }

    /// Prints a plan that is about to be carried out; as JSON it comes with the outcome.
    pub fn announce(&self, plan: &Plan, now: UnixTime) {
        if self.output == StatusFormat::Table {
            self.show_plan(plan, now);
        }
    }

    /// A line for each step that has ended, on standard error: standard output is for the outcome.
    pub fn progress(&self) -> impl FnMut(&Journal) + use<> {
        let mut progress = Progress::new(self.paths.backups());
        move |journal| {
            for line in progress.lines(journal, sys::now()) {
                // A renewal does not stop because nobody reads along.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    /// Prints how it ended, in JSON with the plan that was carried out, and gives the exit status.
    pub fn show_outcome(&self, plan: Option<&Plan>, journal: &Journal) -> Exit {
        let backups = self.paths.backups();
        let printed = super::print(&match (self.output, plan) {
            (StatusFormat::Table, _) => {
                outcome(journal, &backups, sys::terminal_width(&std::io::stdout()))
            }
            (StatusFormat::Json, None) => self.json(None, Some(journal), sys::now()),
            (StatusFormat::Json, Some(plan)) => self.with_report(plan, journal.begun, |report| {
                self.json(Some(report), Some(journal), sys::now())
            }),
        });
        match journal.outcome() {
            Some(Outcome::Renewed) if plan.is_some_and(|plan| plan.incomplete) => Exit::Failed,
            Some(Outcome::Renewed) => printed,
            Some(Outcome::Unchanged) if journal.fault.is_none() => printed,
            _ => Exit::Failed,
        }
    }

    fn with_report(
        &self,
        plan: &Plan,
        now: UnixTime,
        write: impl FnOnce(&PlanReport<'_>) -> String,
    ) -> String {
        write(&PlanReport {
            node: &node_name(&self.config),
            plan,
            now,
            kubeadm: &self.paths.kubeadm,
            kubeadm_config: &self.paths.kubeadm_config(),
        })
    }

    fn json(
        &self,
        plan: Option<&PlanReport<'_>>,
        journal: Option<&Journal>,
        now: UnixTime,
    ) -> String {
        renewal::json(&node_name(&self.config), now, plan, journal, &self.paths.backups())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("apisever", "apiserver"),
            ("etcd/server", "etcd-server"),
            ("scheduler", "scheduler.conf"),
            ("front-proxy", "front-proxy-client"),
        ] {
            let why = unknown(name).unwrap();
            assert!(why.ends_with(&format!("did you mean {meant}?")), "{why}");
        }
        for name in ["apiserver", "admin.conf", "ca", "etcd-ca", "kubelet"] {
            assert_eq!(unknown(name), None);
        }
        let why = unknown("x\u{1b}[2J").unwrap();
        assert!(why.contains("kubeadm renews admin.conf, apiserver"), "{why}");
        assert!(!why.contains('\u{1b}'));
    }
}
