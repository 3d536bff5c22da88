//! The scan: places on the node, bounded reads, parsing, an inventory.

mod collect;
mod host;
mod process;
mod walk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glob::Pattern;

use crate::domain::layout::{
    self, DISTRIBUTIONS, KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, PKI_NAMES, ROOT_KUBECONFIG,
};
use crate::domain::model::{Inventory, Item};
use crate::domain::time::UnixTime;

use collect::Collector;
pub use collect::normal;
use host::Host;
use walk::{Found, Walk, is_certificate_name};

/// What to scan.
#[derive(Clone, Debug)]
pub struct Request {
    /// The node's root directory: `/`, or where a node's file system is mounted.
    pub root: PathBuf,
    /// kubeadm's places and those of other distributions.
    pub standard: bool,
    /// Files, directories and globs beyond these, absolute.
    pub paths: Vec<String>,
    /// Judge `paths` alone; the standard places are read only to compare with.
    pub only_paths: bool,
    /// What to leave out.
    pub exclude: Vec<Pattern>,
    /// Most files of one scan.
    pub max_files: u64,
    /// After this time the scan is given up.
    pub timeout: Duration,
}

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The root directory cannot be opened.
    #[error("cannot open the root directory {path}: {source}", path = path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Some file did not answer in time: a network file system that is away, a failing disk.
    #[error(
        "the scan was given up after {} s while reading {}: is its file system alive?",
        timeout.as_secs(), path.display()
    )]
    Timeout {
        /// The file that was being read.
        path: PathBuf,
        /// The limit.
        timeout: Duration,
    },
}

/// Scans the node as it is at `now`.
///
/// # Errors
/// Only if nothing can be said at all; whatever is wrong with a single file is in the inventory.
pub fn scan(request: &Request, now: UnixTime) -> Result<Inventory, ScanError> {
    let host = Host::new(&request.root)
        .map_err(|source| ScanError::Root { path: request.root.clone(), source })?;
    let current = Arc::new(Mutex::new(PathBuf::new()));
    let (sender, receiver) = mpsc::channel();
    let (request_there, current_there) = (request.clone(), current.clone());
    // A read that hangs cannot be called off; the thread that hangs in it is left behind.
    std::thread::spawn(move || {
        let inventory = scan_node(&host, &request_there, now, &current_there);
        // Nobody listens any more after a timeout.
        let _ = sender.send(inventory);
    });
    match receiver.recv_timeout(request.timeout) {
        Ok(inventory) => Ok(inventory),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            let path = current.lock().map(|path| path.clone()).unwrap_or_default();
            Err(ScanError::Timeout { path, timeout: request.timeout })
        }
    }
}

fn scan_node(host: &Host, request: &Request, now: UnixTime, current: &Mutex<PathBuf>) -> Inventory {
    let standard = if request.standard || request.only_paths {
        standard_items(host, request, now, current)
    } else {
        Scanned::default()
    };
    let named = named_items(host, request, current);
    if request.only_paths {
        return Inventory { items: named, context: standard.items, leftovers: Vec::new() };
    }
    let mut items = standard.items;
    let known: BTreeSet<_> = items.iter().map(|item| item.place.clone()).collect();
    items.extend(named.into_iter().filter(|item| !known.contains(&item.place)));
    Inventory { items, context: Vec::new(), leftovers: standard.leftovers }
}

#[derive(Default)]
struct Scanned {
    items: Vec<Item>,
    leftovers: Vec<PathBuf>,
}

/// What the person named, in the configuration or on the command line.
fn named_items(host: &Host, request: &Request, current: &Mutex<PathBuf>) -> Vec<Item> {
    let mut walk = Walk::new(host, &request.exclude, request.max_files);
    for place in &request.paths {
        walk.named(place);
    }
    collect(host, walk.found, &[], current)
}

/// The places that need no configuration.
fn standard_items(
    host: &Host,
    request: &Request,
    now: UnixTime,
    current: &Mutex<PathBuf>,
) -> Scanned {
    let kubernetes = Path::new(KUBERNETES);
    let mut walk = Walk::new(host, &request.exclude, request.max_files);
    let pkis = PKI_NAMES.map(|name| kubernetes.join(name));
    walk.directories(&pkis.each_ref().map(PathBuf::as_path), &is_certificate_name);
    walk.files_of(kubernetes, &|path| {
        path.extension().is_some_and(|extension| extension == "conf")
    });
    let leftovers = kubelet(host, &mut walk);
    walk.optional(Path::new(ROOT_KUBECONFIG));
    for (place, _) in DISTRIBUTIONS {
        distribution(host, &mut walk, Path::new(place));
    }
    let mut missing = missing(host, kubernetes, &walk.found);
    missing.retain(|path| !walk.is_excluded(path));
    let mut items = collect(host, walk.found, &missing, current);
    items.extend(process::api_servers(host, now));
    Scanned { items, leftovers }
}

/// The kubelet's certificates, and the rotated ones that nothing points at.
fn kubelet(host: &Host, walk: &mut Walk<'_>) -> Vec<PathBuf> {
    let pki = Path::new(KUBELET_PKI);
    let current = KUBELET_CURRENT.map(|name| pki.join(name));
    let has_server_current = host.exists(&current[1]);
    let is_leftover = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        layout::is_kubelet_leftover(&name, has_server_current)
    };
    walk.files_of(pki, &|path| is_certificate_name(path) && !is_leftover(path));
    let in_use = current.map(|link| host.identity(&link));
    let entries = host.list(pki).unwrap_or_default();
    let leftovers =
        entries.iter().map(|entry| pki.join(&entry.name)).filter(|path| is_leftover(path));
    leftovers.filter(|path| !in_use.contains(&host.identity(path))).collect()
}

/// A directory, or a single kubeconfig, of another distribution.
fn distribution(host: &Host, walk: &mut Walk<'_>, place: &Path) {
    match host.kind(place) {
        Ok(host::Kind::Directory(_)) => walk.directories(&[place], &is_certificate_name),
        _ => walk.optional(place),
    }
}

/// What must be there beside what was found.
fn missing(host: &Host, kubernetes: &Path, found: &[Found]) -> Vec<PathBuf> {
    let manifests = kubernetes.join("manifests");
    let static_pods = host.list(&manifests).unwrap_or_default();
    let present: BTreeSet<PathBuf> = found
        .iter()
        .map(|file| file.path.clone())
        .chain(static_pods.iter().map(|entry| manifests.join(&entry.name)))
        .collect();
    let has = |pki: &&&str| present.iter().any(|path| path.starts_with(kubernetes.join(pki)));
    let pki = PKI_NAMES.iter().find(has).unwrap_or(&PKI_NAMES[0]);
    layout::missing(kubernetes, &kubernetes.join(pki), &present)
}

fn collect(
    host: &Host,
    found: Vec<Found>,
    missing: &[PathBuf],
    current: &Mutex<PathBuf>,
) -> Vec<Item> {
    let mut collector = Collector::new(host);
    for file in found {
        if let Ok(mut current) = current.lock() {
            current.clone_from(&file.path);
        }
        collector.file(&file);
    }
    for path in missing {
        collector.missing(path);
    }
    collector.items
}
