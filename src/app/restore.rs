//! `certwatch restore`: puts a backup back, by the same steps as a renewal.

use serde::Serialize;

use crate::cli::{RestoreArgs, StatusFormat};
use crate::domain::renewal::plan::{Which, Wish};
use crate::domain::text::safe;
use crate::exit::Exit;
use crate::renew::backup::{self, Backup};
use crate::report::lines::columns;

use super::renew::{Request, places};

/// A backup, as the JSON has it.
#[derive(Serialize)]
struct Listed<'a> {
    backup: &'a str,
    at: String,
    files: usize,
}

impl<'a> Listed<'a> {
    fn of(backup: &'a Backup) -> Self {
        let Backup { id, at, files, .. } = backup;
        Self { backup: id, at: at.to_string(), files: files.len() }
    }
}

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
        places: places(&config.renew, None),
        config,
        wish: Wish { which: Which::Named(Vec::new()), force: false, rescue: false },
        cluster_config: None,
        output: args.output,
        is_auto: false,
    };
    match &args.backup {
        // Waits for `renewer::restore`.
        Some(id) => {
            let id = safe(id);
            super::complain(&format!(
                "this certwatch cannot put back a backup yet: {id} is untouched"
            ));
            Exit::Failed
        }
        None => list(&backup::list(&request.places), args.output),
    }
}

fn list(backups: &[Backup], output: StatusFormat) -> Exit {
    super::print(&match output {
        StatusFormat::Json => json(backups),
        StatusFormat::Table if backups.is_empty() => "There is no backup.\n".to_owned(),
        StatusFormat::Table => {
            let row = |it: &Backup| [it.id.clone(), it.at.to_string(), it.files.len().to_string()];
            let mut out = String::new();
            columns(&mut out, ["BACKUP", "MADE", "FILES"], backups.iter().map(row), None);
            out
        }
    })
}

fn json(backups: &[Backup]) -> String {
    let all: Vec<_> = backups.iter().map(Listed::of).collect();
    serde_json::to_string_pretty(&all).map_or_else(|_| String::new(), |json| json + "\n")
}
