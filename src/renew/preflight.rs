//! What can be known to stand in the way before anything is touched: programs, room, rights, and
//! others at work.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::domain::renewal::clock::Witnesses;
use crate::domain::renewal::obstacle::Obstacle;
use crate::domain::time::UnixTime;
use crate::parse::manifest::{self, Version};
use crate::parse::pem;
use crate::parse::x509::{self, Authority, Issuers};

use super::Places;
use super::stage::{pki_name, tree_files};
use super::{files, kubeadm, manifests};

/// Beside the backup and the stage.
const SPARE_BYTES: u64 = 1 << 20;

/// Backup, stage and temporaries have one for each file, and a few directories.
const SPARE_INODES: u64 = 32;

/// The hardware clock, in seconds (Linux, `Documentation/ABI/testing/rtc-cdev` and `drivers/rtc/sysfs.c`).
const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";

/// What stands in the way of a renewal on this node at `now`; nothing is changed by the look.
pub fn obstacles(places: &Places, now: UnixTime) -> Vec<Obstacle> {
    if !rustix::process::geteuid().is_root() {
        // Without the rights to look, the rest would be guesses.
        return vec![Obstacle::NotAllowed(
            "only root may read the keys and replace them".to_owned(),
        )];
    }
    let mut found = Vec::new();
    let manifest = places.manifests().join("kube-apiserver.yaml");
    if !manifest.is_file() {
        found.push(Obstacle::NoControlPlane(manifest));
    }
    found.extend(not_writable(places));
    found.extend(disk_full(places));
    found.extend(kubeadm_obstacle(places));
    found.extend(another_kubeadm().map(Obstacle::KubeadmRuns));
    found.extend(manifests::changed(places, now).map(Obstacle::ManifestChanged));
    found.extend(manifests::strays(places).into_iter().map(Obstacle::StrayManifest));
    found
}

fn not_writable(places: &Places) -> Vec<Obstacle> {
    let pki = pki_name(&places.kubernetes).unwrap_or("pki");
    let pki = places.kubernetes.join(pki);
    let mut dirs = vec![places.kubernetes.clone(), pki.clone(), places.manifests()];
    dirs.extend(Some(pki.join("etcd")).filter(|dir| dir.is_dir()));
    dirs.push(existing(&places.work).to_owned());
    let obstacle = |path: PathBuf| {
        let error = try_to_write(&path).err()?;
        Some(Obstacle::NotWritable { path, why: error.to_string() })
    };
    dirs.into_iter().filter_map(obstacle).collect()
}

fn try_to_write(dir: &Path) -> io::Result<()> {
    let probe = dir.join(".certwatch-probe");
    match fs::remove_file(&probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::File::create_new(&probe)?;
    fs::remove_file(&probe)
}

/// The directory, or the nearest above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn disk_full(places: &Places) -> Option<Obstacle> {
    let paths = tree_files(&places.kubernetes).ok()?;
    let size = |path: &PathBuf| fs::metadata(places.kubernetes.join(path)).map_or(0, |it| it.len());
    let needed = 2 * paths.iter().map(size).sum::<u64>() + SPARE_BYTES;
    let inodes = 2 * paths.len() as u64 + SPARE_INODES;
    let dirs = [existing(&places.work), &places.kubernetes];
    dirs.into_iter().find_map(|dir| too_little(dir, needed, inodes))
}

fn too_little(dir: &Path, needed: u64, inodes: u64) -> Option<Obstacle> {
    let disk = statvfs(dir).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Some(Obstacle::DiskFull { path: dir.to_owned(), needed, free });
    }
    // File systems without a fixed number of inodes say 0 of 0.
    let is_short = disk.f_files > 0 && disk.f_favail < inodes;
    is_short.then(|| Obstacle::NotWritable {
        path: dir.to_owned(),
        why: format!("{} inodes are free, and {inodes} are needed (`df -i`)", disk.f_favail),
    })
}

/// What on the node tells the time beside the clock.
pub fn witnesses(places: &Places) -> Witnesses {
    witnesses_with(places, Path::new(RTC))
}

fn witnesses_with(places: &Places, rtc: &Path) -> Witnesses {
    let paths = tree_files(&places.kubernetes).unwrap_or_default();
    let modified =
        |path: &PathBuf| fs::metadata(places.kubernetes.join(path)).ok().map(|it| it.mtime());
    let hardware = fs::read_to_string(rtc).ok().and_then(|text| text.trim().parse().ok());
    Witnesses {
        ca_not_before: first_second(&places.pki().join("ca.crt")),
        newest_file: paths.iter().filter_map(modified).max().map(UnixTime::new),
        hardware: hardware.map(UnixTime::new),
        nodes: Vec::new(),
    }
}

fn first_second(path: &Path) -> Option<UnixTime> {
    let bytes = files::read(path).ok()??;
    let block = pem::certificates(&bytes).into_iter().next()?.ok()?;
    let read = x509::read(&block.der, block.trusted, Authority::Beside(&[]), &Issuers::default());
    Some(read.ok()?.not_before)
}

/// It is not run before it is known to be root's.
fn kubeadm_obstacle(places: &Places) -> Option<Obstacle> {
    let path = &places.kubeadm;
    let Some(real) = fs::canonicalize(path).ok().filter(|path| path.is_file()) else {
        return Some(Obstacle::KubeadmMissing(path.clone()));
    };
    let named = path.ancestors().chain(real.ancestors());
    let open = named.filter(|path| !path.as_os_str().is_empty()).find(|path| !is_roots(path));
    if let Some(open) = open {
        return Some(Obstacle::KubeadmNotRoots(open.to_owned()));
    }
    version_obstacle(places)
}

/// A link has no mode of its own.
fn is_roots(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|it| it.uid() == 0 && (it.is_symlink() || it.mode() & 0o022 == 0))
}

fn version_obstacle(places: &Places) -> Option<Obstacle> {
    let Version(major, minor) = api_version(places)?;
    let cluster = format!("{major}.{minor}");
    match kubeadm::version(places) {
        Ok(own) if own.0 == major && own.1.abs_diff(minor) <= 1 => None,
        Ok(own) => {
            Some(Obstacle::KubeadmVersion { kubeadm: format!("{}.{}", own.0, own.1), cluster })
        }
        Err(_) => Some(Obstacle::KubeadmVersion { kubeadm: "unknown".to_owned(), cluster }),
    }
}

fn api_version(places: &Places) -> Option<Version> {
    let manifest = files::read(&places.manifests().join("kube-apiserver.yaml")).ok()??;
    manifest::version(&manifest)
}

/// One that runs, but for this process's own.
pub(super) fn another_kubeadm() -> Option<u32> {
    another_kubeadm_in(Path::new("/proc"))
}

fn another_kubeadm_in(proc: &Path) -> Option<u32> {
    let entries = fs::read_dir(proc).ok()?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids = pids.filter(|pid: &u32| is_kubeadm(&proc.join(pid.to_string())));
    pids.next()
}

/// The state and the parent stand in /proc/PID/stat (proc(5)) after the name in parentheses. A
/// zombie writes no more.
fn is_kubeadm(process: &Path) -> bool {
    let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    let is_zombie = fields.next() == Some("Z");
    let is_ours = fields.next() == Some(&std::process::id().to_string());
    comm.trim_end() == "kubeadm" && !is_zombie && !is_ours
}

#[cfg(test)]
#[path = "tests/preflight.rs"]
mod tests;
