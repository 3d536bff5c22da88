//! kubeadm at work on the stage, which it is shown as /etc/kubernetes: its own directory for
//! kubeconfigs cannot be moved. It never sees the live tree.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::domain::layout::KUBERNETES;
use crate::domain::renewal::Fault;
use crate::domain::role;
use crate::domain::text::safe;

use super::Places;
use super::files::{self, failed, shown};
use super::program::{self, command, find};

/// One NAME takes 0.1 s, or 40 s if kubeadm has no configuration and asks an API that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// To say its version, or to make a mount, takes a moment.
const SHORT_LIMIT: Duration = Duration::from_secs(10);

/// The configuration, on the stage: there it is seen in each of the three ways.
const CONFIG: &str = ".certwatch-config.yaml";

/// Since this version the command is no longer called alpha.
const NO_ALPHA_SINCE: (u32, u32) = (1, 20);

/// Shows `$1` as `$2` to this shell alone, and runs the rest.
const SHOW: &str = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";

/// How kubeadm is shown the stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    /// The service manager has done it.
    Shown,
    /// In a mount namespace of its own.
    Namespace,
    /// As part of a root directory of its own.
    Root,
}

/// Lets kubeadm renew each of `names` on the stage, with a copy of the configuration `config`.
///
/// That it says it has done so proves nothing: [`inspect`](super::inspect::inspect) does.
///
/// # Errors
/// A NAME is unknown, kubeadm cannot be run or fails or takes more than a minute, or the stage can
/// be shown to it in none of the ways.
pub fn renew(places: &Places, names: &[String], config: Option<&Path>) -> Result<(), Fault> {
    if let Some(name) = names.iter().find(|name| role::kubeadm(name).is_none()) {
        return Err(Fault::failed(format!("kubeadm renews no `{}`", safe(name))));
    }
    let version = version(places)?;
    let view = view(places)?;
    if let Some(config) = config {
        files::replace(config, &places.stage().join(CONFIG))?;
    }
    let renewed = in_view(places, view, || {
        names.iter().try_for_each(|name| renew_one(places, view, version, name, config.is_some()))
    });
    files::remove(&places.stage().join(CONFIG))?;
    renewed
}

/// Major and minor version of kubeadm.
///
/// # Errors
/// It cannot be run, takes more than ten seconds, or says something else.
pub fn version(places: &Places) -> Result<(u32, u32), Fault> {
    let mut command = command(&places.kubeadm);
    command.args(["version", "-o", "short"]);
    let ran = program::run(command, SHORT_LIMIT)?;
    let text = ran.text();
    let found = text.lines().find_map(parse_version).filter(|_| ran.is_success());
    found.ok_or_else(|| {
        let program = shown(&places.kubeadm);
        Fault::failed(format!(
            "`{program} version` does not say which version it is ({})",
            ran.said()
        ))
    })
}

fn parse_version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.trim().strip_prefix('v')?.split(['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn renew_one(
    places: &Places,
    view: View,
    version: (u32, u32),
    name: &str,
    has_config: bool,
) -> Result<(), Fault> {
    let mut command = shown_to(places, view, &places.kubeadm)?;
    if view == View::Root {
        command.arg("--rootfs").arg(root(places));
    }
    command.args((version < NO_ALPHA_SINCE).then_some("alpha")).args(["certs", "renew", name]);
    if has_config {
        command.arg("--config").arg(Path::new(KUBERNETES).join(CONFIG));
    }
    let ran = program::run(command, LIMIT)?;
    if ran.is_success() {
        return Ok(());
    }
    Err(Fault::failed(format!("`kubeadm certs renew {name}` failed on the copy: {}", ran.said())))
}

/// The way that is open here.
fn view(places: &Places) -> Result<View, Fault> {
    if places.is_stage_shown {
        return if is_stage_shown(places) {
            Ok(View::Shown)
        } else {
            Err(Fault::failed(format!(
                "{KUBERNETES} is not the staging copy, as the unit should make it; install the unit anew"
            )))
        };
    }
    let probe = find("true").and_then(|program| shown_to(places, View::Namespace, &program).ok());
    let is_open = |command| program::run(command, SHORT_LIMIT).is_ok_and(|ran| ran.is_success());
    Ok(if probe.is_some_and(is_open) { View::Namespace } else { View::Root })
}

/// The last thing between kubeadm and the live tree.
fn is_stage_shown(places: &Places) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    let stage = identity(&places.stage());
    stage.is_some() && stage == identity(Path::new(KUBERNETES))
}

/// `program`, to be run where it sees the stage.
fn shown_to(places: &Places, view: View, program: &Path) -> Result<Command, Fault> {
    if view != View::Namespace {
        return Ok(command(program));
    }
    let tool = |name: &str| {
        find(name).ok_or_else(|| Fault::failed(format!("there is no `{name}`; install util-linux")))
    };
    let mut command = command(&tool("unshare")?);
    command.args(["--mount", "--propagation", "private", "--"]).arg(tool("sh")?);
    command.args(["-c", SHOW, "sh"]).arg(places.stage()).arg(KUBERNETES).arg(program);
    Ok(command)
}

fn root(places: &Places) -> PathBuf {
    places.work.join("root")
}

/// For a root directory of its own the stage is moved there and back. After a crash in between it
/// is made anew.
fn in_view(
    places: &Places,
    view: View,
    work: impl FnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    if view != View::Root {
        return work();
    }
    let (stage, moved) = (places.stage(), root(places).join("etc/kubernetes"));
    files::create_dirs(&places.work, Path::new("root/etc"))?;
    fs::rename(&stage, &moved).map_err(failed("move", &stage))?;
    let done = work();
    fs::rename(&moved, &stage).map_err(failed("move", &moved))?;
    fs::remove_dir_all(root(places)).map_err(failed("remove", &root(places)))?;
    done
}

#[cfg(test)]
#[path = "tests/kubeadm.rs"]
mod tests;
