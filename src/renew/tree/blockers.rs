//! What the file systems have against a renewal: paths that are not to be trusted, files that would not take a new
//! content, and too little room. Nothing is written by the look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    self as sys, Access, AtFlags, IFlags, Mode, OFlags, Stat, StatVfs, StatVfsMountFlags,
};
use rustix::process::geteuid;

use crate::domain::layout::KUBERNETES;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::path_blocker::PathBlocker;
use crate::domain::role;
use crate::fs::trusted::{self, ResolvedPath, Untrusted};
use crate::fs::{mount, read};
use crate::node::NodePaths;
use crate::node::paths::pki_name;

use super::inspect;
use super::stage::tree_files;

/// Beside the backup and the stage: the journal.
const SPARE_BYTES: u64 = 1 << 20;

/// Backup and stage have a few directories beside the files.
const SPARE_INODES: u64 = 32;

/// What a file takes at least, on the usual file systems.
const BLOCK: u64 = 4096;

/// What stands in the way, in the order of a plan.
pub(crate) fn blockers(paths: &NodePaths) -> Vec<Blocker> {
    let owner = owner(paths);
    let mut found: Vec<PathBlocker> = Vec::new();
    let own = geteuid().as_raw();
    found.extend(dir_obstacle(existing(&paths.work), own));
    let kubelet = Some(paths.kubelet.join("pki")).filter(|dir| dir.is_dir());
    found.extend(dirs(paths).iter().chain(&kubelet).filter_map(|dir| dir_obstacle(dir, owner)));
    let mut entries = Vec::new();
    for path in files(paths) {
        match look(paths, &path, owner) {
            Ok(entry) => entries.push(entry),
            Err(blocker) => found.push(blocker),
        }
    }
    found.extend(dangling(paths));
    found.dedup();
    let file_paths = found.into_iter().map(Blocker::Path);
    file_paths.chain(read_only(paths, &entries)).chain(room(paths, &entries)).collect()
}

/// Whose directories are trusted beside root's: the user to whom root gave all of `/etc/kubernetes`, as kubespray does.
fn owner(paths: &NodePaths) -> u32 {
    fs::metadata(&paths.kubernetes).map_or(0, |it| it.uid())
}

/// In which files take the place of others.
fn dirs(paths: &NodePaths) -> Vec<PathBuf> {
    let pki = paths.pki();
    let dirs = [paths.kubernetes.clone(), pki.clone(), pki.join("etcd"), paths.manifests()];
    dirs.into_iter().filter(|dir| dir.is_dir()).collect()
}

/// What kubeadm renews, and is there; links that lead nowhere too.
fn files(paths: &NodePaths) -> Vec<PathBuf> {
    let names = role::KUBEADM.iter().map(|role| role.id);
    let file_paths =
        names.filter_map(|name| inspect::paths_of(&paths.kubernetes, name).ok()).flatten();
    let file_paths = file_paths.chain([PathBuf::from("kubelet.conf")]);
    let file_paths = file_paths.map(|path| paths.kubernetes.join(path));
    file_paths.filter(|path| fs::symlink_metadata(path).is_ok()).collect()
}

/// The directory, or the nearest above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn dir_obstacle(path: &Path, owner: u32) -> Option<PathBlocker> {
    match trusted::open_dir(path, owner) {
        Ok(dir) => flagged(path, dir),
        Err(error) => untrusted(path, error),
    }
}

/// What the system does not let be opened, others tell of.
fn untrusted(path: &Path, error: Untrusted) -> Option<PathBlocker> {
    if error.is_of_the_system() {
        return None;
    }
    Some(distrust(path, error))
}

/// What is not of the system.
pub(crate) fn distrust(path: &Path, error: Untrusted) -> PathBlocker {
    let (path, why, is_of_a_mount) = (path.to_owned(), error.to_string(), error.is_of_a_mount());
    let component = error.component;
    if is_of_a_mount {
        PathBlocker::UsersMount { path, component, why }
    } else {
        PathBlocker::Untrusted { path, component, why }
    }
}

fn flagged(path: &Path, opened: impl AsFd) -> Option<PathBlocker> {
    let flags = sys::ioctl_getflags(opened).unwrap_or(IFlags::empty());
    let found = [(IFlags::IMMUTABLE, "immutable"), (IFlags::APPEND, "append-only")];
    let flag = found.into_iter().find(|(flag, _)| flags.contains(*flag));
    flag.map(|(_, flag)| PathBlocker::Flagged { path: path.to_owned(), flag })
}

/// One file that may be replaced.
fn look(paths: &NodePaths, path: &Path, owner: u32) -> Result<ResolvedPath, PathBlocker> {
    let bad_link = |why: &str| PathBlocker::BadLink { path: path.to_owned(), why: why.to_owned() };
    let entry = match trusted::entry(path, owner) {
        Ok(entry) => entry,
        Err(error) if error.is_of_the_system() => {
            return Err(bad_link(&format!("cannot be followed: {error}")));
        }
        Err(error) => return Err(distrust(path, error)),
    };
    let Some(stat) = entry.stat else { return Err(bad_link("leads to nothing")) };
    let leads_to_stage = paths.is_stage_shown && entry.path.starts_with(KUBERNETES);
    if leads_to_stage {
        return Err(bad_link(
            "is an absolute one into /etc/kubernetes, where the service sees its copy",
        ));
    }
    match on_file(&entry, &stat).or_else(|| flagged(parent(&entry.path), &entry.dir)) {
        Some(blocker) => Err(blocker),
        None => Ok(entry),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn on_file(entry: &ResolvedPath, stat: &Stat) -> Option<PathBlocker> {
    let path = entry.path.clone();
    if stat.st_nlink > 1 {
        #[allow(clippy::useless_conversion, reason = "its type differs between machines")]
        return Some(PathBlocker::HardLinked { path, names: stat.st_nlink.into() });
    }
    if is_mount_point(entry) {
        return Some(PathBlocker::MountPoint(path));
    }
    let is_ours = stat.st_uid == geteuid().as_raw();
    let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
    if !is_ours && sys::accessat(&entry.dir, &entry.name, Access::WRITE_OK, flags).is_err() {
        return Some(PathBlocker::NotOurs(path));
    }
    let opened = read::open(&entry.dir, Path::new(&entry.name), OFlags::NOFOLLOW);
    flagged(&entry.path, opened.ok()?)
}

/// On another mount than its directory.
fn is_mount_point(entry: &ResolvedPath) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = sys::openat(&entry.dir, &entry.name, flags, Mode::empty());
    opened.and_then(mount::id).ok() != mount::id(&entry.dir).ok()
}

/// Of all files: one that cannot be read ends the copying.
fn dangling(paths: &NodePaths) -> Option<PathBlocker> {
    pki_name(&paths.kubernetes).ok()?;
    let is_dangling = |path: &&PathBuf| path.is_symlink() && !path.exists();
    let path = all_links(paths).iter().find(is_dangling)?.clone();
    Some(PathBlocker::BadLink { path, why: "leads to nothing".to_owned() })
}

fn all_links(paths: &NodePaths) -> Vec<PathBuf> {
    let dirs = [paths.kubernetes.clone(), paths.pki(), paths.pki().join("etcd")];
    let read = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok());
    let file_paths = read.flatten().flatten().map(|entry| entry.path());
    let is_copied = |path: &PathBuf| {
        let is_conf = path.extension().is_some_and(|it| it == "conf");
        is_conf || path.parent() != Some(&paths.kubernetes)
    };
    file_paths.filter(is_copied).collect()
}

/// Directories to which links lead, and which are mounted so, or shown so by a sandbox. The tree's own are asked for
/// their rights elsewhere.
fn read_only(paths: &NodePaths, entries: &[ResolvedPath]) -> Vec<Blocker> {
    let known = dirs(paths);
    let linked = entries.iter().map(|entry| parent(&entry.path).to_owned());
    let dirs: BTreeSet<PathBuf> = linked.filter(|dir| !known.contains(dir)).collect();
    let is_read_only = |path: &PathBuf| {
        sys::statvfs(path).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
    };
    let blocker = |path| Blocker::NotWritable { path, why: "it is mounted read-only".to_owned() };
    dirs.into_iter().filter(is_read_only).map(blocker).collect()
}

/// What is written to one file system.
struct Room {
    path: PathBuf,
    dir: OwnedFd,
    bytes: u64,
    inodes: u64,
}

/// Each file system has to take all that is written to it: the new files beside the old ones, and where certwatch works
/// two copies of all.
fn room(paths: &NodePaths, entries: &[ResolvedPath]) -> Vec<Blocker> {
    let mut rooms: BTreeMap<u64, Room> = BTreeMap::new();
    let work = existing(&paths.work);
    let copies: Vec<u64> = tree_files(&paths.kubernetes)
        .unwrap_or_default()
        .iter()
        .filter_map(|path| Some(fs::metadata(paths.kubernetes.join(path)).ok()?.len()))
        .collect();
    let bytes = 2 * copies.iter().map(|size| on_disk(*size)).sum::<u64>() + SPARE_BYTES;
    add(&mut rooms, work, bytes, 2 * copies.len() as u64 + SPARE_INODES);
    for dir in dirs(paths) {
        // The manifests that are moved away for a moment.
        add(&mut rooms, &dir, BLOCK, 1);
    }
    for entry in entries {
        let size = entry.stat.map_or(0, |it| it.st_size).cast_unsigned();
        add(&mut rooms, parent(&entry.path), on_disk(size), 1);
    }
    rooms.into_values().filter_map(Room::blocker).collect()
}

fn on_disk(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

fn add(rooms: &mut BTreeMap<u64, Room>, path: &Path, bytes: u64, inodes: u64) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = sys::open(path, flags, Mode::empty()) else { return };
    let Ok(stat) = sys::fstat(&dir) else { return };
    let new = Room { path: path.to_owned(), dir, bytes: 0, inodes: 0 };
    let room = rooms.entry(stat.st_dev).or_insert(new);
    room.bytes += bytes;
    room.inodes += inodes;
}

impl Room {
    fn blocker(self) -> Option<Blocker> {
        let disk = sys::fstatvfs(&self.dir).ok()?;
        self.lacks(&disk)
    }

    fn lacks(self, disk: &StatVfs) -> Option<Blocker> {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.bytes {
            return Some(Blocker::DiskFull { path: self.path, needed: self.bytes, free });
        }
        // File systems without a fixed number of inodes say 0 of 0.
        let is_short = disk.f_files > 0 && disk.f_favail < self.inodes;
        let (free, needed) = (disk.f_favail, self.inodes);
        is_short.then(|| Blocker::NotWritable {
            path: self.path,
            why: format!("{free} inodes are free, and {needed} are needed (`df -i`)"),
        })
    }
}

#[cfg(test)]
#[path = "tests/blockers.rs"]
mod tests;
