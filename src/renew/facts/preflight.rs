//! What can be known to stand in the way before anything is touched: programs, room, rights, and
//! others at work.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::clock::TimeSources;
use crate::domain::time::UnixTime;
use crate::fs::{read, trusted};
use crate::node::NodePaths;
use crate::parse::pem;
use crate::parse::process::{self, ProcessOwner};
use crate::parse::x509::{self, Authority, Issuers};
use crate::renew::memory::Manifests;
use crate::renew::tree::blockers as tree_blockers;
use crate::renew::tree::stage::tree_files;
use crate::sys;

use super::manifests;

/// The hardware clock, in seconds (Linux, `Documentation/ABI/testing/rtc-cdev` and `drivers/rtc/sysfs.c`).
const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";

/// What stands in the way of a renewal on this node at `now`; nothing is changed by this. `known` is how the
/// manifests were found before.
pub fn blockers(paths: &NodePaths, known: Option<&Manifests>, now: UnixTime) -> Vec<Blocker> {
    if !rustix::process::geteuid().is_root() {
        // Without the rights to look, the rest would be guesses.
        return vec![Blocker::NotAllowed(
            "only root may read the keys and replace them".to_owned(),
        )];
    }
    let mut found = Vec::new();
    let manifest = paths.manifests().join("kube-apiserver.yaml");
    if !manifest.is_file() {
        found.push(Blocker::NoControlPlane(manifest));
    }
    found.extend(not_writable(paths));
    found.extend(tree_blockers::blockers(paths));
    found.extend(kubeadm_obstacle(paths));
    found.extend(another_kubeadm(paths));
    found.extend(manifests::changed(paths, known, now).map(Blocker::ManifestChanged));
    found.extend(manifests::strays(paths).into_iter().map(Blocker::StrayManifest));
    found
}

fn not_writable(paths: &NodePaths) -> Vec<Blocker> {
    let pki = paths.pki();
    let mut dirs = vec![paths.kubernetes.clone(), pki.clone(), paths.manifests()];
    dirs.extend(Some(pki.join("etcd")).filter(|dir| dir.is_dir()));
    dirs.push(existing(&paths.work).to_owned());
    let blocker = |path: PathBuf| {
        let error = io::Error::from(is_writable(&path).err()?);
        Some(Blocker::NotWritable { path, why: error.to_string() })
    };
    dirs.into_iter().filter_map(blocker).collect()
}

/// Asked of the kernel, and not tried: a look leaves no trace, and `--dry-run` least of all. It knows of read-only
/// file systems and mounts, and of directories that nobody may change.
fn is_writable(dir: &Path) -> rustix::io::Result<()> {
    accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

/// The directory, or the nearest above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

/// What on the node tells the time beside the clock.
pub(crate) fn time_sources(paths: &NodePaths) -> TimeSources {
    witnesses_with(paths, Path::new(RTC))
}

fn witnesses_with(paths: &NodePaths, rtc: &Path) -> TimeSources {
    let file_paths = tree_files(&paths.kubernetes).unwrap_or_default();
    let modified =
        |path: &PathBuf| fs::metadata(paths.kubernetes.join(path)).ok().map(|it| it.mtime());
    let hardware =
        read::proc(rtc).and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
    TimeSources {
        ca_not_before: first_second(&paths.pki().join("ca.crt")),
        newest_file: file_paths.iter().filter_map(modified).max().map(UnixTime::new),
        hardware: hardware.map(UnixTime::new),
        nodes: Vec::new(),
    }
}

fn first_second(path: &Path) -> Option<UnixTime> {
    let bytes = read::optional(path).ok()??;
    let block = pem::certificates(&bytes).into_iter().next()?.ok()?;
    let read = x509::read(&block.der, block.trusted, Authority::Beside(&[]), &Issuers::default());
    Some(read.ok()?.not_before)
}

/// Whether it can be run, and is root's.
fn kubeadm_obstacle(paths: &NodePaths) -> Option<Blocker> {
    match trusted::executable(&paths.kubeadm) {
        Ok(_) => None,
        Err(error) if error.is_of_the_system() => {
            Some(Blocker::KubeadmMissing(paths.kubeadm.clone()))
        }
        Err(error) if error.is_of_a_mount() => {
            Some(Blocker::Path(tree_blockers::distrust(&paths.kubeadm, error)))
        }
        Err(error) => Some(Blocker::KubeadmNotRoots(error.component)),
    }
}

/// A kubeadm that runs on this node as root and was not started by this process, and what it does. If none certainly is
/// one, the first process that may be one.
pub(crate) fn another_kubeadm(paths: &NodePaths) -> Option<Blocker> {
    another_kubeadm_in(Path::new("/proc"), &paths.kubeadm)
}

fn another_kubeadm_in(proc: &Path, configured: &Path) -> Option<Blocker> {
    let entries = fs::read_dir(proc).ok()?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found: Vec<Blocker> =
        pids.filter_map(|pid| kubeadm_process(proc, pid, configured)).collect();
    let is_certain = |it: &&Blocker| matches!(it, Blocker::KubeadmRuns { .. });
    found.iter().find(is_certain).or(found.first()).cloned()
}

/// A stranger's is none, whatever it is called: it cannot write here. The executable is not asked for: the service may
/// not read whose it is, and a person's `renew` is to see the same.
fn kubeadm_process(proc: &Path, pid: u32, configured: &Path) -> Option<Blocker> {
    let at = proc.join(pid.to_string());
    let read = |name: &str| read::proc(at.join(name)).unwrap_or_default();
    let configured = configured.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let (comm, status) = (read("comm"), read("status"));
    let is_called = ["kubeadm", configured].iter().any(|it| process::is_called(&comm, it));
    if !is_called || !process::is_large_enough(&status) {
        return None;
    }
    let cgroup = read("cgroup");
    let owner = process::owner(&status, &cgroup);
    let stat = read("stat");
    let (state, parent) = process::state_and_parent(&stat)?;
    // A zombie writes no more.
    if owner == ProcessOwner::Other || state == 'Z' || parent == std::process::id() {
        return None;
    }
    let verb = process::kubeadm_verb(&read("cmdline"));
    if owner == ProcessOwner::Root {
        return Some(Blocker::KubeadmRuns { pid, verb });
    }
    let login = process::login(&read("loginuid"));
    let cgroup = process::cgroup(&cgroup);
    let started = sys::after_boot(process::started_after_boot(&stat)?, sys::now())?;
    Some(Blocker::KubeadmUnclear { pid, verb, login, cgroup, started })
}

#[cfg(test)]
#[path = "tests/preflight.rs"]
mod tests;
