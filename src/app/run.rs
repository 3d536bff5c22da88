//! `certwatch run`: the daemon.

use crate::cli::RunArgs;
use crate::daemon::{self, RunError};
use crate::exit::Exit;
use crate::log;

/// Runs until it is told to stop.
pub(crate) fn run(args: RunArgs) -> Exit {
    if let Err(error) = log::init(args.log, args.log_level) {
        super::print_error(&format!("cannot open the log: {error}"));
        return Exit::Failed;
    }
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            super::print_error(&format!("cannot start: {error}"));
            return Exit::Failed;
        }
    };
    let config = args.config;
    let file = config.clone();
    let load = Box::new(move || super::config::effective(file.as_deref()));
    let ended = runtime.block_on(daemon::run(load, args.root, config));
    // A scan of a dead file system would hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!("{line}");
            }
            match error {
                RunError::Config(_) => Exit::Config,
                RunError::Blind(_)
                | RunError::Signals(_)
                | RunError::State(_)
                | RunError::Timer(_) => Exit::Failed,
            }
        }
    }
}
