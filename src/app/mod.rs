//! From a parsed command line to an exit code: each verb wires the edges together.

pub(crate) mod check;
pub(crate) mod config;
mod copy;
mod explain;
pub(crate) mod failure;
pub(crate) mod notify;
pub(crate) mod renew;
mod renewal;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod status;
mod stop;
mod tell;

use std::io::Write as _;

use crate::cli::{Cli, ConfigVerb, NotifyVerb, Verb};
use crate::domain::policy::Severity;
use crate::domain::text::escaped;
use crate::exit::Exit;

/// Carries out a verb.
pub(crate) fn run(cli: Cli) -> Exit {
    match cli.verb {
        Verb::Check(args) => check::run(&args),
        Verb::Config(verb) => run_config(verb),
        Verb::Copy(args) => copy::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Notify(NotifyVerb::Failure(args)) => failure::tell(&args),
        Verb::Notify(NotifyVerb::Test(args)) => notify::test(&args),
        Verb::Renew(args) => renew::run(&args),
        Verb::Restore(args) => restore::run(&args),
        Verb::Run(args) => run::run(args),
        Verb::Status(args) => status::run(&args),
    }
}

/// What a wrong command line ends with, by the words of it: 0 for `--help`, 3 for `check` and for
/// anything that may have been meant to be it, 64 for the other verbs.
pub(crate) fn usage_exit(error: &clap::Error, words: &[std::ffi::OsString]) -> Exit {
    if !error.use_stderr() {
        return Exit::Done;
    }
    match words.get(1).and_then(|verb| verb.to_str()) {
        Some("config" | "copy" | "explain" | "notify" | "renew" | "restore" | "run" | "status") => {
            Exit::Usage
        }
        _ => Exit::Checked(Severity::Unknown),
    }
}

fn run_config(verb: ConfigVerb) -> Exit {
    let text = match verb {
        ConfigVerb::Check(args) => config::check(&args),
        ConfigVerb::Default => Ok(config::default().to_owned()),
        ConfigVerb::Show(file) => config::show(file.config.as_deref()),
    };
    match text {
        Ok(text) => print(&text),
        Err(errors) => {
            print_error(&errors);
            Exit::Config
        }
    }
}

/// Writes to standard output; a reader that has gone is no failure.
fn print(text: &str) -> Exit {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            print_error(&format!("cannot write to standard output: {error}"));
            Exit::Failed
        }
        _ => Exit::Done,
    }
}

/// A runtime of one thread for what waits for several things; what blocks gets threads of its own,
/// which nobody waits for at the end.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .thread_keep_alive(std::time::Duration::from_secs(1))
        .build()
}

/// Says on standard error what went wrong, each line with the program's name.
pub(crate) fn print_error(what: &str) {
    let mut stderr = std::io::stderr().lock();
    for line in what.lines() {
        // Nobody is left to be told if this fails.
        let _ = writeln!(stderr, "certwatch: {}", escaped(line));
    }
}
