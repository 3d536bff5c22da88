//! From a parsed command line to an exit code: each verb wires the edges together.

pub mod check;
pub mod config;

use std::io::Write as _;

use crate::cli::{Cli, ConfigVerb, Verb};
use crate::domain::policy::Severity;
use crate::exit::Exit;

/// Carries out a verb.
pub fn run(cli: Cli) -> Exit {
    match cli.verb {
        Verb::Check(args) => check::run(&args),
        Verb::Config(verb) => run_config(verb),
    }
}

/// What a wrong command line ends with, by the words of it: 0 for `--help`, 3 for `check` and for
/// anything that may have been meant to be it, 64 for the other verbs.
pub fn usage_exit(error: &clap::Error, words: &[std::ffi::OsString]) -> Exit {
    if !error.use_stderr() {
        return Exit::Done;
    }
    match words.get(1).and_then(|verb| verb.to_str()) {
        Some("config") => Exit::Usage,
        _ => Exit::Checked(Severity::Unknown),
    }
}

fn run_config(verb: ConfigVerb) -> Exit {
    let text = match verb {
        ConfigVerb::Check(file) => config::check(file.config.as_deref()),
        ConfigVerb::Default => Ok(config::default().to_owned()),
        ConfigVerb::Show(file) => config::show(file.config.as_deref()),
    };
    match text {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Exit::Done,
            Err(error) => {
                complain(&format!("cannot write: {error}"));
                Exit::Failed
            }
        },
        Err(errors) => {
            complain(&errors.to_string());
            Exit::Config
        }
    }
}

/// Says on standard error what went wrong, each line with the program's name.
pub(crate) fn complain(what: &str) {
    let mut stderr = std::io::stderr().lock();
    for line in what.lines() {
        // Nobody is left to be told if this fails.
        let _ = writeln!(stderr, "certwatch: {line}");
    }
}
