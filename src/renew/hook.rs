//! Runs a command of root's after a renewal: no shell, no input, nothing of this process's surroundings, and an end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::renewal::hook::{Hook, variables};
use crate::domain::renewal::{Fault, Journal};
use crate::domain::text::escape_control;
use crate::fs::trusted;
use crate::node::NodePaths;

use super::program;

/// Those that would not be run now, since others than root can change them: whole sentences.
pub(super) fn refused(hooks: &[Hook]) -> Vec<String> {
    let why = |hook: &Hook| {
        let refused = program::trusted(&program_of(hook)).err()?;
        let name = escape_control(&hook.name);
        Some(format!("the hook {name} will fail as it is now: {}", refused.what))
    };
    hooks.iter().filter_map(why).collect()
}

/// Which part of a configuration others than root can change, if there is one: the file, and those in `conf.d` beside it.
pub(crate) fn foreign(config: &Path) -> Option<String> {
    let beside = config.parent().unwrap_or(config).join("conf.d");
    let more = fs::read_dir(&beside).into_iter().flatten().flatten().map(|entry| entry.path());
    let more = more.filter(|path| path.extension().is_some_and(|it| it == "toml"));
    let own = rustix::process::geteuid().as_raw();
    let of_files = [config.to_owned()].into_iter().chain(more).map(|path| {
        // The rule for programs is the one for what says which programs are run.
        trusted::executable(&path).map(drop)
    });
    let of_dir = trusted::open_dir(&beside, own).map(drop);
    let refused = of_files.chain([of_dir]).filter_map(Result::err);
    refused.filter(|why| !why.is_absent()).map(|why| why.to_string()).next()
}

/// Runs it to its end, or to that of its time; the sentence that is given says how it went.
///
/// # Errors
/// It cannot be run, fails or does not end.
pub(super) fn run(hook: &Hook, journal: &Journal, paths: &NodePaths) -> Result<String, Fault> {
    let name = escape_control(&hook.name);
    let failed = |what: &str| Fault::failed(format!("the hook {name} failed: {what}"));
    let mut command = program::command(&program_of(hook)).map_err(|fault| failed(&fault.what))?;
    command.args(hook.command.iter().skip(1));
    command.envs(variables(journal, &paths.kubernetes.to_string_lossy()));
    let limit = Duration::from_secs(hook.timeout.as_seconds().unsigned_abs());
    let output = program::run(command, limit).map_err(|fault| failed(&fault.what))?;
    if output.is_success() {
        return Ok(format!("the hook {name} was run: {}", output.summary()));
    }
    Err(failed(&output.summary()))
}

fn program_of(hook: &Hook) -> PathBuf {
    PathBuf::from(hook.command.first().map(String::as_str).unwrap_or_default())
}

#[cfg(test)]
#[path = "tests/hook.rs"]
mod tests;
