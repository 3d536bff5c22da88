//! A renewal that is asked for, with all that is needed to do it, and what people see of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::config::effective;
use crate::app::print_error;
use crate::cli::StatusFormat;
use crate::config::{Config, DEFAULT_PATH, RenewConfig};
use crate::domain::layout::{KUBERNETES, LIVE_IN_UNIT};
use crate::domain::renewal::plan::{Plan, RenewRequest};
use crate::domain::renewal::{Journal, Outcome};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::monitor::known_identity;
use crate::node::NodePaths;
use crate::renew::hook;
use crate::renew::tree::copies::Copies;
use crate::report::journal::{Progress, outcome};
use crate::report::plan::PlanReport;
use crate::report::renewal;
use crate::sys;

/// What is asked for, with all that is needed to do it.
pub(crate) struct RenewalJob {
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

/// Where things are; in the unit, which shows the copy already, the live tree is elsewhere.
pub(in crate::app) fn node_paths(renew: &RenewConfig, is_stage_shown: bool) -> NodePaths {
    NodePaths {
        kubernetes: PathBuf::from(if is_stage_shown { LIVE_IN_UNIT } else { KUBERNETES }),
        kubelet: PathBuf::from("/var/lib/kubelet"),
        work: renew.state_dir.clone(),
        kubeadm: renew.kubeadm.clone(),
        is_stage_shown,
    }
}

/// The configuration of a renewal. What it names as hooks is run as root, so then root alone may be able to change it.
pub(in crate::app) fn config_for(path: Option<&Path>) -> Result<Config, Exit> {
    let config = effective(path).map_err(|errors| {
        print_error(&errors.to_string());
        Exit::Config
    })?;
    let path = path.unwrap_or(Path::new(DEFAULT_PATH));
    let refused = hook::foreign(path).filter(|_| !config.renew.hooks.is_empty());
    refused.map_or(Ok(config), |why| {
        print_error(&format!(
            "renew.hook: {why}: hooks are run only if root alone can change the configuration"
        ));
        Err(Exit::Config)
    })
}

impl RenewalJob {
    /// Prints the plan, and gives the exit status: 1 if something stands in the way, or what is due
    /// cannot be renewed.
    pub(crate) fn show_plan(&self, plan: &Plan, now: UnixTime) -> Exit {
        let printed = crate::app::print(&self.with_report(plan, now, |report| match self.output {
            StatusFormat::Table => report.table(sys::terminal_width(&std::io::stdout())),
            StatusFormat::Json => self.json(Some(report), None, now),
        }));
        if plan.blockers.is_empty() && !plan.incomplete { printed } else { Exit::Failed }
    }

    /// Prints a plan that is about to be carried out; as JSON it comes with the outcome.
    pub(crate) fn announce(&self, plan: &Plan, now: UnixTime) {
        if self.output == StatusFormat::Table {
            self.show_plan(plan, now);
        }
    }

    /// A line for each step that has ended, on standard error: standard output is for the outcome.
    pub(crate) fn progress(&self) -> impl FnMut(&Journal) + use<> {
        let mut progress = Progress::new(self.paths.backups());
        move |journal| {
            for line in progress.lines(journal, sys::now()) {
                // A renewal does not stop because nobody reads along.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    /// Prints how it ended, in JSON with the plan that was carried out, and gives the exit status.
    pub(crate) fn show_outcome(&self, plan: Option<&Plan>, journal: &Journal) -> Exit {
        let backups = self.paths.backups();
        let printed = crate::app::print(&match (self.output, plan) {
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
            Some(Outcome::Renewed) if journal.has_failed_part() => Exit::Failed,
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
            node: &known_identity(&self.config),
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
        renewal::json(&known_identity(&self.config), now, plan, journal, &self.paths.backups())
    }
}
