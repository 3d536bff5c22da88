//! certwatch keeps a kubeadm control plane from dying of expired certificates.
//!
//! [`scan`] finds files and reads them, [`parse`] makes facts of their bytes, [`domain`] judges the facts
//! and decides who is notified of what. docs/architecture.md has the map; `pub` is what tests, benchmarks
//! and fuzz targets use.

mod app;
mod beside;
pub mod cli;
mod clock;
pub mod config;
mod daemon;
pub mod domain;
mod exit;
pub mod fs;
pub mod hangs;
mod http;
pub mod log;
pub mod monitor;
pub mod node;
pub mod notify;
pub mod parse;
pub mod renew;
mod report;
pub mod scan;
pub mod store;
pub mod sys;
mod systemd;
mod watch;

use std::ffi::OsString;
use std::panic;

use clap::Parser as _;

use domain::policy::Severity;
use exit::Exit;

/// Runs the program with its command line, its own name first.
pub fn run(words: &[OsString]) -> Exit {
    sys::forbid_dumps();
    panic::set_hook(Box::new(|panic| {
        // The place only: the message of a panic can quote what was being read.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        app::print_error(&format!("internal error at {place}; please report it"));
    }));
    match cli::Cli::try_parse_from(words) {
        Ok(cli) => {
            panic::catch_unwind(|| app::run(cli)).unwrap_or(Exit::Checked(Severity::Unknown))
        }
        Err(error) => {
            // Nothing can be done where not even the help can be written.
            let _ = error.print();
            app::usage_exit(&error, words)
        }
    }
}
