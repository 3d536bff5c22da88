//! kubeadm at work on the stage, which it is shown as /etc/kubernetes: its own directory for
//! kubeconfigs cannot be moved. It never sees the live tree.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::domain::kubernetes::Version;
use crate::domain::layout::{KUBERNETES, shown};
use crate::domain::renewal::{Fault, kubeadm_config};
use crate::domain::role;
use crate::domain::text::escape_control;
use crate::fs::error::failed;
use crate::fs::inode::Ownership;
use crate::fs::{dir, read, replace};
use crate::node::NodePaths;

use super::program::{self, command, find};

/// One NAME takes 0.1 s, or 40 s if kubeadm has no configuration and asks an API that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// To say its version, or to make a mount, takes a moment.
const SHORT_LIMIT: Duration = Duration::from_secs(10);

/// The configuration, on the stage: there it is seen in each of the three ways.
const CONFIG: &str = ".certwatch-config.yaml";

/// Shows `$2` as `$3` to this shell alone by the program `$1`, and runs the rest.
const SHOW: &str = "\"$1\" --bind \"$2\" \"$3\" && shift 3 && exec \"$@\"";

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

/// Lets kubeadm renew each of `names` on the stage, with a copy of the configuration `config`, in which
/// it is told that the certificates are there.
///
/// That it says it has done so proves nothing: [`inspect`](super::tree::inspect::inspect) does.
///
/// # Errors
/// A NAME is unknown, kubeadm cannot be run or fails or takes more than a minute, or the stage can
/// be shown to it in none of the ways.
pub fn renew(paths: &NodePaths, names: &[String], config: Option<&Path>) -> Result<(), Fault> {
    if let Some(name) = names.iter().find(|name| role::kubeadm(name).is_none()) {
        return Err(Fault::failed(format!("kubeadm does not know `{}`", escape_control(name))));
    }
    // What does not say so is none.
    version(paths)?;
    let view = view(paths)?;
    if let Some(config) = config {
        let bytes = read::optional(config)?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text =
            text.ok_or_else(|| Fault::failed(format!("there is no text in {}", shown(config))))?;
        let text = kubeadm_config::for_stage(&text);
        replace::write(&paths.stage().join(CONFIG), text.as_bytes(), Ownership::private())?;
    }
    let renewed = in_view(paths, view, || {
        names.iter().try_for_each(|name| renew_one(paths, view, name, config.is_some()))
    });
    dir::remove(&paths.stage().join(CONFIG))?;
    renewed
}

/// The version of kubeadm.
///
/// # Errors
/// It cannot be run, takes more than ten seconds, or says something else.
pub fn version(paths: &NodePaths) -> Result<Version, Fault> {
    let mut command = command(&paths.kubeadm)?;
    command.args(["version", "-o", "short"]);
    let output = program::run(command, SHORT_LIMIT)?;
    let text = output.text();
    let found = text.lines().find_map(Version::parse).filter(|_| output.is_success());
    found.ok_or_else(|| {
        let program = shown(&paths.kubeadm);
        Fault::failed(format!(
            "`{program} version` does not report a version ({})",
            output.summary()
        ))
    })
}

fn renew_one(paths: &NodePaths, view: View, name: &str, has_config: bool) -> Result<(), Fault> {
    let mut command = shown_to(paths, view, &paths.kubeadm)?;
    if view == View::Root {
        command.arg("--rootfs").arg(root(paths));
    }
    command.args(["certs", "renew", name]);
    if has_config {
        command.arg("--config").arg(Path::new(KUBERNETES).join(CONFIG));
    }
    let output = program::run(command, LIMIT)?;
    if output.is_success() {
        return Ok(());
    }
    Err(Fault::failed(format!(
        "`kubeadm certs renew {name}` failed on the copy: {}",
        output.summary()
    )))
}

/// The way that is open here.
fn view(paths: &NodePaths) -> Result<View, Fault> {
    if paths.is_stage_shown {
        return if is_stage_shown(paths) {
            Ok(View::Shown)
        } else {
            Err(Fault::failed(format!(
                "{KUBERNETES} is not the staging copy that the unit should mount; reinstall the unit"
            )))
        };
    }
    let probe = find("true").and_then(|program| shown_to(paths, View::Namespace, &program)).ok();
    let is_open =
        |command| program::run(command, SHORT_LIMIT).is_ok_and(|output| output.is_success());
    Ok(if probe.is_some_and(is_open) { View::Namespace } else { View::Root })
}

/// The last thing between kubeadm and the live tree.
fn is_stage_shown(paths: &NodePaths) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    let stage = identity(&paths.stage());
    stage.is_some() && stage == identity(Path::new(KUBERNETES))
}

/// `program`, to be run where it sees the stage.
fn shown_to(paths: &NodePaths, view: View, program: &Path) -> Result<Command, Fault> {
    if view != View::Namespace {
        return command(program);
    }
    let program = program::trusted(program)?;
    let mut command = command(&find("unshare")?)?;
    command.args(["--mount", "--propagation", "private", "--"]).arg(find("sh")?);
    command.args(["-c", SHOW, "sh"]).arg(find("mount")?);
    command.arg(paths.stage()).arg(KUBERNETES).arg(program);
    Ok(command)
}

fn root(paths: &NodePaths) -> PathBuf {
    paths.work.join("root")
}

/// For a root directory of its own the stage is moved there and back. After a crash in between it
/// is made anew.
fn in_view(
    paths: &NodePaths,
    view: View,
    work: impl FnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    if view != View::Root {
        return work();
    }
    let (stage, moved) = (paths.stage(), root(paths).join("etc/kubernetes"));
    dir::create_all(&paths.work, Path::new("root/etc"))?;
    dir::rename(&stage, &moved).map_err(failed("move", &stage))?;
    let done = work();
    dir::rename(&moved, &stage).map_err(failed("move", &moved))?;
    dir::remove_all(&root(paths))?;
    done
}

#[cfg(test)]
#[path = "tests/kubeadm.rs"]
mod tests;
