//! The scan: places on the node, bounded reads, parsing, an inventory.
//!
//! Two rounds of small jobs (`pool.rs`): each place is searched for files, each file is read. What
//! hangs is given up by itself and becomes an item like any other problem.

mod collect;
mod host;
mod pool;
mod process;
mod walk;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glob::Pattern;

use crate::domain::layout::{
    self, DISTRIBUTIONS, KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, PKI_NAMES, ROOT_KUBECONFIG,
    Search,
};
use crate::domain::model::{Inventory, Item, Reason};
use crate::domain::time::UnixTime;

use collect::Collector;
pub use collect::plain;
use host::Host;
use pool::Limits;
pub(crate) use walk::is_pattern;
use walk::{Found, State, Walk};

/// Longest time for one file.
const FILE_LIMIT: Duration = Duration::from_secs(5);

/// Longest time for the search of one place.
const PLACE_LIMIT: Duration = Duration::from_secs(30);

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
    /// Most files of one place.
    pub max_files: u64,
    /// After this time the scan is given up; what is there by then counts.
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
}

/// Scans the node as it is at `now`.
///
/// # Errors
/// Only if nothing can be said at all; whatever is wrong with a single file is in the inventory.
pub fn scan(request: &Request, now: UnixTime) -> Result<Inventory, ScanError> {
    let host = Host::new(&request.root)
        .map_err(|source| ScanError::Root { path: request.root.clone(), source })?;
    let scan = Scan {
        collector: Arc::new(Collector::new(Arc::new(host))),
        deadline: Instant::now() + request.timeout,
        request,
    };
    if request.only_paths {
        // What was asked for comes first, should the time run out.
        let items = scan.named();
        return Ok(Inventory { items, context: scan.standard(now), leftovers: Vec::new() });
    }
    let mut inventory = Inventory::default();
    if request.standard {
        inventory.items = scan.standard(now);
        inventory.leftovers = kubelet_leftovers(scan.host());
    }
    let known: HashSet<_> = inventory.items.iter().map(|item| item.place.clone()).collect();
    inventory.items.extend(scan.named().into_iter().filter(|item| !known.contains(&item.place)));
    Ok(inventory)
}

/// A place that is searched by itself.
#[derive(Clone, Debug)]
enum Job {
    Distribution(&'static str, Search),
    KubeletPki,
    Kubernetes,
    Named(String),
    RootKubeconfig,
}

fn standard_places() -> Vec<Job> {
    let mut jobs = vec![Job::Kubernetes, Job::KubeletPki, Job::RootKubeconfig];
    jobs.extend(DISTRIBUTIONS.iter().map(|(place, search, _)| Job::Distribution(place, *search)));
    jobs
}

struct Scan<'a> {
    request: &'a Request,
    collector: Arc<Collector>,
    deadline: Instant,
}

impl Scan<'_> {
    fn host(&self) -> &Host {
        &self.collector.host
    }

    /// The places that need no configuration, and the processes.
    fn standard(&self, now: UnixTime) -> Vec<Item> {
        let mut items = self.items(self.search(standard_places()));
        items.extend(process::api_servers(self.host(), now));
        items
    }

    /// What a person named.
    fn named(&self) -> Vec<Item> {
        self.items(self.search(self.request.paths.iter().cloned().map(Job::Named).collect()))
    }

    fn limits(&self, job: Duration) -> Limits {
        // One that hangs must leave time for the others.
        Limits { job: job.min(self.request.timeout / 4), deadline: self.deadline }
    }

    /// The files of all places, each once.
    fn search(&self, jobs: Vec<Job>) -> Vec<Found> {
        let (host, exclude) = (self.collector.host.clone(), self.request.exclude.clone());
        let max_files = self.request.max_files;
        let mut found = Vec::new();
        let jobs = Arc::new(jobs);
        let limits = self.limits(PLACE_LIMIT);
        let search = move |job: &Job| {
            let mut walk = Walk::new(&host, &exclude, max_files);
            job.search(&host, &mut walk);
            walk.into_found()
        };
        let given_up = pool::run(&jobs, limits, search, |mut files| found.append(&mut files));
        let hung = given_up.iter().map(|index| timed_out(jobs[*index].path().into(), limits));
        found.extend(hung);
        if jobs.len() > 1 { unique(found) } else { found }
    }

    /// What the files hold, and the files that they refer to.
    fn items(&self, found: Vec<Found>) -> Vec<Item> {
        let mut items = Vec::with_capacity(found.len());
        let found = Arc::new(found);
        let references = self.read(&found, &mut items);
        let known: HashSet<&OsStr> = found.iter().map(|file| file.path.as_os_str()).collect();
        let mut new: Vec<PathBuf> =
            references.into_iter().filter(|path| !known.contains(path.as_os_str())).collect();
        new.sort();
        new.dedup();
        let referred =
            |path: PathBuf| Found { path: path.into(), state: State::Unseen, is_named: true };
        // A certificate refers to nothing further.
        self.read(&Arc::new(new.into_iter().map(referred).collect()), &mut items);
        items
    }

    fn read(&self, found: &Arc<Vec<Found>>, items: &mut Vec<Item>) -> Vec<PathBuf> {
        let collector = self.collector.clone();
        let limits = self.limits(FILE_LIMIT);
        let mut references = Vec::new();
        let given_up = pool::run(
            found,
            limits,
            move |file| collector.file(file),
            |mut collected| {
                items.append(&mut collected.items);
                references.append(&mut collected.references);
            },
        );
        for index in given_up {
            let file = timed_out(found[index].path.clone(), limits);
            items.append(&mut self.collector.file(&file).items);
        }
        references
    }
}

impl Job {
    fn search(&self, host: &Host, walk: &mut Walk<'_>) {
        match self {
            Self::Distribution(place, Search::Below) => {
                walk.directories(&[Path::new(place)], &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::FilesOf) => {
                walk.files_of(Path::new(place), &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::One) => walk.optional(Path::new(place)),
            Self::KubeletPki => {
                let is_leftover = is_leftover(host);
                walk.files_of(Path::new(KUBELET_PKI), &|path| {
                    layout::is_certificate_name(path) && !is_leftover(path)
                });
            }
            Self::Kubernetes => kubernetes(host, walk),
            Self::Named(place) => walk.named(place),
            Self::RootKubeconfig => walk.optional(Path::new(ROOT_KUBECONFIG)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Distribution(place, _) => Path::new(place),
            Self::KubeletPki => Path::new(KUBELET_PKI),
            Self::Kubernetes => Path::new(KUBERNETES),
            Self::Named(place) => Path::new(place),
            Self::RootKubeconfig => Path::new(ROOT_KUBECONFIG),
        }
    }
}

/// `/etc/kubernetes`: the pki, the kubeconfigs, and what must be there beside them.
fn kubernetes(host: &Host, walk: &mut Walk<'_>) {
    let kubernetes = Path::new(KUBERNETES);
    let pkis = PKI_NAMES.map(|name| kubernetes.join(name));
    walk.directories(&pkis.each_ref().map(PathBuf::as_path), &layout::is_certificate_name);
    walk.files_of(kubernetes, &|path| {
        path.extension().is_some_and(|extension| extension == "conf")
    });
    // Not to be allowed to look is not to know that it is missing.
    let has = |path: &Path| !matches!(host.kind(path), Err(Reason::Missing));
    let pki = pkis.iter().find(|pki| has(pki)).unwrap_or(&pkis[0]);
    for path in layout::missing(kubernetes, pki, &has) {
        walk.missing(&path);
    }
}

/// The rotated files of the kubelet that nothing points at.
fn kubelet_leftovers(host: &Host) -> Vec<PathBuf> {
    let pki = Path::new(KUBELET_PKI);
    let is_leftover = is_leftover(host);
    let in_use = KUBELET_CURRENT.map(|link| host.identity(&pki.join(link)));
    let entries = host.list(pki).unwrap_or_default();
    let leftovers =
        entries.iter().map(|entry| pki.join(&entry.name)).filter(|path| is_leftover(path));
    leftovers.filter(|path| !in_use.contains(&host.identity(path))).collect()
}

fn is_leftover(host: &Host) -> impl Fn(&Path) -> bool + use<> {
    let has_server_current = host.exists(&Path::new(KUBELET_PKI).join(KUBELET_CURRENT[1]));
    move |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        layout::is_kubelet_leftover(&name, has_server_current)
    }
}

fn timed_out(path: Arc<Path>, limits: Limits) -> Found {
    Found {
        path,
        state: State::Problem(Reason::TimedOut(limits.job.as_secs().max(1))),
        is_named: false,
    }
}

fn unique(found: Vec<Found>) -> Vec<Found> {
    let mut seen: HashSet<&OsStr> = HashSet::with_capacity(found.len());
    let is_first: Vec<bool> = found.iter().map(|file| seen.insert(file.path.as_os_str())).collect();
    found
        .into_iter()
        .zip(is_first)
        .filter(|(_, is_first)| *is_first)
        .map(|(file, _)| file)
        .collect()
}
