//! `certwatch restore`: puts a backup back, by the same steps as a renewal.

use std::sync::Arc;

use crate::cli::{RestoreArgs, StatusFormat};
use crate::domain::renewal::plan::{RenewRequest, Selection};
use crate::exit::Exit;
use crate::renew::tree::backup;
use crate::renew::tree::copies::Copies;
use crate::report::backups;
use crate::sys;

use super::renewal::{self, RenewalJob, config_for, node_paths};

/// Puts a backup back, or lists them.
pub(crate) fn run(args: &RestoreArgs) -> Exit {
    let config = match config_for(args.config.as_deref()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let job = RenewalJob {
        paths: node_paths(&config.renew, false),
        copies: Arc::new(Copies::new(config.renew.copies.clone())),
        config,
        request: RenewRequest { selection: Selection::All, force: args.force, rescue: false },
        cluster_config: None,
        output: args.output,
        is_auto: false,
    };
    match &args.backup {
        Some(id) => renewal::restore(&job, id),
        None => list(&job),
    }
}

fn list(job: &RenewalJob) -> Exit {
    let list = match backup::list(&job.paths) {
        Ok(list) => list,
        Err(fault) => {
            super::print_error(&fault.what);
            return Exit::Failed;
        }
    };
    let dir = job.paths.backups();
    super::print(&match job.output {
        StatusFormat::Table => backups::table(&list, &dir, sys::now()),
        StatusFormat::Json => backups::json(&list),
    })
}
