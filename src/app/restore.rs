//! `certwatch restore`: puts a backup back, by the same steps as a renewal.

use std::sync::Arc;

use crate::cli::{RestoreArgs, StatusFormat};
use crate::domain::renewal::plan::{Which, Wish};
use crate::exit::Exit;
use crate::renew::backup;
use crate::renew::copies::Copies;
use crate::report::backups;
use crate::sys;

use super::renew::{Request, places};
use super::renewer;

/// Puts a backup back, or lists them.
pub fn run(args: &RestoreArgs) -> Exit {
    let config = match super::config::effective(args.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => {
            super::complain(&errors.to_string());
            return Exit::Config;
        }
    };
    let request = Request {
        places: places(&config.renew, false),
        copies: Arc::new(Copies::new(config.renew.copies.clone())),
        config,
        wish: Wish { which: Which::All, force: args.force, rescue: false },
        cluster_config: None,
        output: args.output,
        is_auto: false,
    };
    match &args.backup {
        Some(id) => renewer::restore(&request, id),
        None => list(&request),
    }
}

fn list(request: &Request) -> Exit {
    let list = match backup::list(&request.places) {
        Ok(list) => list,
        Err(fault) => {
            super::complain(&fault.what);
            return Exit::Failed;
        }
    };
    let dir = request.places.backups();
    super::print(&match request.output {
        StatusFormat::Table => backups::table(&list, &dir, sys::now()),
        StatusFormat::Json => backups::json(&list),
    })
}
