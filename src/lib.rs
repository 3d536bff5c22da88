//! certwatch keeps a kubeadm control plane from dying of expired certificates.
//!
//! The way of the data: [`scan`] finds files and reads them, [`parse`] makes facts of their bytes,
//! [`domain`] judges the facts and decides who is to be told what, [`report`] prints the judgement.
//! [`monitor`] joins scans, ledger and [`store`]; [`notify`] has the channels; [`daemon`] is the loop
//! around them. [`config`] says what and how, [`app`] wires it together, verb by verb; [`cli`] is the
//! command line and [`exit`] the end. Imports point down only:
//!
//! ```text
//! main -> app -> daemon -> monitor -> { scan, report, notify, store, watch, clock, log, systemd }
//!              -> config -> parse -> domain
//! ```

pub mod app;
pub mod beside;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod exit;
pub mod fs;
pub mod hangs;
pub mod log;
pub mod monitor;
pub mod notify;
pub mod parse;
pub mod renew;
pub mod report;
pub mod scan;
pub mod store;
pub mod sys;
pub mod systemd;
pub mod watch;

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
