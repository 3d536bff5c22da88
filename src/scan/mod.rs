//! The scan: places on the node, bounded reads, parsing, an inventory.
//!
//! Two rounds of small jobs (`pool.rs`): each area is searched for files, each file is read. What
//! hangs is given up by itself and becomes an item like any other problem; it is not entered again
//! while it hangs (`hangs.rs`).

mod collect;
mod components;
mod contents;
mod endpoint;
mod host;
mod in_use;
mod kubelet;
mod memo;
mod paths;
mod pool;
mod process;
mod programs;
mod references;
mod search;
mod starttls;
mod walk;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glob::Pattern;

use crate::beside::Lost;
use crate::config::EndpointConfig;
use crate::domain::layout::Watched;
use crate::domain::model::{Content, HeldFile, Inventory, Item, Reason};
use crate::domain::role::RenewedBy;
use crate::domain::time::UnixTime;
use crate::hangs::{Claim, Hangs};

use collect::Collector;
use endpoint::Probing;
use host::{HangGuard, Host};
pub use paths::plain;
use pool::{GivenUp, Limits};
use references::{NodeReferences, node_references};
use search::{Area, kubelet_leftovers, standard_areas};
pub(crate) use walk::is_pattern;
use walk::{FileState, FoundFile, Walk};

/// Longest time for one file, and for one directory of a search.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// What to scan.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The node's root directory: `/`, or where a node's file system is mounted.
    pub root: PathBuf,
    /// kubeadm's places and those of other distributions.
    pub standard: bool,
    /// Files, directories and globs beyond these, absolute.
    pub paths: Vec<String>,
    /// Judge `paths` alone; the standard places are read only to compare with.
    pub only_paths: bool,
    /// Servers that are asked for their certificates, unless nothing may be connected to.
    pub endpoints: Vec<EndpointConfig>,
    /// What to leave out.
    pub exclude: Vec<Pattern>,
    /// Most files of one place.
    pub max_files: u64,
    /// Whether the components of this machine are asked what they use, and endpoints; of a node that is mounted, none is.
    pub in_use: bool,
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
        source: io::Error,
    },
    /// The system gives no thread to scan with.
    #[error("there is no thread to scan with: {0}")]
    NoThread(io::Error),
    /// A mistake of this program.
    #[error("internal error during the scan; please report it")]
    Panicked,
    /// It should have ended long ago.
    #[error("the scan has not finished after {} s", .0.as_secs())]
    Overdue(Duration),
}

impl ScanError {
    /// True for what a new process may be free of.
    pub(crate) fn is_of_this_process(&self) -> bool {
        !matches!(self, Self::Root { .. })
    }
}

impl From<Lost> for ScanError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::BrokeOff => Self::Panicked,
            Lost::NoThread(error) => Self::NoThread(error),
        }
    }
}

/// Scans the node as it is at `now`. Where threads of this process hang already, by `hangs`, nothing is
/// entered; where others hang is noted there.
///
/// # Errors
/// Only if nothing can be said at all; whatever is wrong with a single file is in the inventory.
pub fn scan(
    request: &ScanRequest,
    hangs: &Arc<Hangs>,
    now: UnixTime,
) -> Result<Inventory, ScanError> {
    // One that hangs must leave time for the others.
    let job = STEP_LIMIT.min(request.timeout / 4);
    let deadline = Instant::now() + request.timeout;
    let limits = Limits { job, deadline, claim: Claim::Standard };
    let watch = HangGuard {
        root: request.root.clone(),
        hangs: hangs.clone(),
        begun: now,
        limit: job.as_secs().max(1),
    };
    let host = open_root(watch, limits)?;
    let collector = Arc::new(Collector::new(Arc::new(host), NodeReferences::default()));
    let scan = Scan { collector, limits, hangs, request };
    let mut references = scan.step(node_references)?.unwrap_or_default();
    references.asked_for.clone_from(&request.paths);
    let collector = Arc::new(Collector::new(scan.collector.host.clone(), references));
    let scan = Scan { collector, ..scan };
    let probing = scan.ask_endpoints()?;
    let mut inventory = scan.files(now)?;
    match probing {
        Some(probing) => inventory.items.extend(probing.finish(deadline, request.timeout)),
        None => inventory.endpoints_left_out = request.endpoints.len(),
    }
    Ok(inventory)
}
/// Beside, like all that may hang.
fn open_root(watch: HangGuard, limits: Limits) -> Result<Host, ScanError> {
    let (path, hangs) = (watch.root.clone(), watch.hangs.clone());
    let mut opened = Err(io::ErrorKind::TimedOut.into());
    let open = move |_: &SingleJob| Host::new(watch.clone());
    pool::run(&Arc::new(vec![SingleJob]), limits, &hangs, open, |_, host| opened = host)
        .map_err(ScanError::NoThread)?;
    opened.map_err(|source| ScanError::Root { path, source })
}

/// What has to be watched to notice a change of what a scan of `request` sees.
pub(crate) fn watched_places(request: &ScanRequest) -> Vec<Watched> {
    let standard = request.standard && !request.only_paths;
    let mut areas = if standard { standard_areas() } else { Vec::new() };
    areas.extend(request.paths.iter().cloned().map(Area::Named));
    let below_root = |path: PathBuf| request.root.join(path.strip_prefix("/").unwrap_or(&path));
    let places = areas.iter().map(Area::watched);
    places.map(|place| Watched { path: below_root(place.path), ..place }).collect()
}

/// Files of one directory share their luck.
impl pool::Job for FoundFile {
    fn place(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.path.parent().hash(&mut hasher);
        hasher.finish()
    }
}

/// A job of which there is one.
#[derive(Clone)]
struct SingleJob;

impl pool::Job for SingleJob {
    fn place(&self) -> u64 {
        0
    }
}

struct Scan<'a> {
    request: &'a ScanRequest,
    collector: Arc<Collector>,
    limits: Limits,
    hangs: &'a Arc<Hangs>,
}

impl Scan<'_> {
    /// All but the endpoints.
    fn files(&self, now: UnixTime) -> Result<Inventory, ScanError> {
        let components = self.step(components::components)?.unwrap_or_default();
        if self.request.only_paths {
            // What was asked for comes first, should the time run out.
            let items = self.named()?;
            let node = self.standard(now)?;
            let items = self.with_use(items, &node.items);
            return Ok(Inventory { items, context: node.items, components, ..node });
        }
        let mut inventory = Inventory::default();
        if self.request.standard {
            inventory = self.standard(now)?;
            let dir = self.collector.references.named.kubelet_pki.clone();
            let leftovers = self.step(move |host| kubelet_leftovers(host, dir.as_deref()))?;
            inventory.leftovers = leftovers.unwrap_or_default();
        }
        inventory.components = components;
        let known: HashSet<_> = inventory.items.iter().map(|item| item.place.clone()).collect();
        let named = self.named()?.into_iter();
        inventory.items.extend(named.filter(|item| !known.contains(&item.place)));
        Ok(inventory)
    }

    /// Begins to ask the endpoints, beside all else; `None` if that may not be.
    fn ask_endpoints(&self) -> Result<Option<Probing>, ScanError> {
        if self.request.endpoints.is_empty() || !self.asks() {
            return Ok(None);
        }
        let endpoints = self.request.endpoints.clone();
        let probes = self.step(move |host| endpoint::probes(host, &endpoints))?;
        let untrusting = || endpoint::without_trust(&self.request.endpoints);
        Ok(Some(Probing::begin(probes.unwrap_or_else(untrusting))))
    }

    /// The places that need no configuration, and the processes.
    fn standard(&self, now: UnixTime) -> Result<Inventory, ScanError> {
        let mut items = self.items(self.search(standard_areas())?)?;
        let (references, asks) = (self.collector.references.clone(), self.asks());
        let servers = self.step(move |host| process::api_servers(host, &references, asks, now))?;
        items.extend(servers.unwrap_or_default());
        // What cannot be read may be found, and named by a kubeconfig as well.
        let mut unread = HashSet::new();
        let is_problem = |item: &Item| matches!(item.content, Content::Problem(_));
        items.retain(|item| !is_problem(item) || unread.insert(item.place.clone()));
        let has_asked = self.asks();
        let held = if has_asked { self.in_use(&mut items)? } else { Vec::new() };
        Ok(Inventory { items, held, has_asked, ..Inventory::default() })
    }

    /// What is mounted here does not run here.
    fn asks(&self) -> bool {
        self.request.in_use && self.collector.host.is_this_machine()
    }

    /// What was named, with what the rest of the scan knows of its use.
    fn with_use(&self, mut items: Vec<Item>, context: &[Item]) -> Vec<Item> {
        for item in &mut items {
            let same = context.iter().find(|it| it.place == item.place);
            item.stale_use = same.and_then(|it| it.stale_use.clone());
        }
        items
    }

    /// What the components use, laid over what is on disk.
    fn in_use(&self, items: &mut Vec<Item>) -> Result<Vec<HeldFile>, ScanError> {
        let mut seen = Vec::new();
        let left = self.each(in_use::looks(), |look| look.take(), |it| seen.push(it))?;
        let held =
            seen.into_iter().flatten().filter_map(|it| in_use::lay_over(items, it)).collect();
        items.extend(left.into_iter().map(|(look, reason)| look.not_taken(reason)));
        let kubelet = self.step(in_use::kubelet)?.flatten();
        kubelet.into_iter().for_each(|it| in_use::lay_over_kubelet(items, it));
        let kubeadms = items.iter().filter(|item| item.role.renewer == RenewedBy::Kubeadm);
        let files: Vec<PathBuf> = kubeadms.map(|item| item.place.path.to_path_buf()).collect();
        let mounts = self.step(move |_| in_use::old_mounts(&files))?;
        in_use::lay_old_mounts_over(items, mounts.unwrap_or_default());
        Ok(held)
    }

    /// What a person named.
    fn named(&self) -> Result<Vec<Item>, ScanError> {
        let limits = Limits { claim: Claim::Named, ..self.limits };
        let scan = Scan { limits, collector: self.collector.clone(), ..*self };
        scan.items(scan.search(self.request.paths.iter().cloned().map(Area::Named).collect())?)
    }

    /// The files of all areas, each once.
    fn search(&self, areas: Vec<Area>) -> Result<Vec<FoundFile>, ScanError> {
        let is_one = areas.len() == 1;
        let (host, exclude) = (self.collector.host.clone(), self.request.exclude.clone());
        let max_files = self.request.max_files;
        let references = self.collector.references.clone();
        let search = move |area: &Area| {
            let mut walk = Walk::new(&host, &exclude, max_files);
            area.search(&host, &references, &mut walk);
            walk.into_found()
        };
        let mut found = Vec::new();
        let left = self.each(areas, search, |mut files| found.append(&mut files))?;
        found.extend(left.into_iter().map(|(area, reason)| {
            let state = FileState::Problem(
                self.collector.host.known_to_hang(area.path()).unwrap_or(reason),
            );
            FoundFile { path: area.path().into(), state, is_named: false, is_older: false }
        }));
        Ok(if is_one { found } else { unique(found) })
    }

    /// What the files hold.
    fn items(&self, found: Vec<FoundFile>) -> Result<Vec<Item>, ScanError> {
        let mut items = Vec::with_capacity(found.len());
        let collector = self.collector.clone();
        let read = move |file: &FoundFile| collector.file(file);
        let left = self.each(found, read, |mut of_file| items.append(&mut of_file))?;
        items.extend(left.into_iter().map(|(file, reason)| {
            let reason = match file.state {
                FileState::Problem(reason) => reason,
                _ => self.collector.host.known_to_hang(&file.path).unwrap_or(reason),
            };
            self.collector.not_read(&file.path, reason)
        }));
        Ok(items)
    }

    /// One step; `None` if there was no time for it.
    fn step<R: Send + 'static>(
        &self,
        work: impl Fn(&Host) -> R + Send + Sync + 'static,
    ) -> Result<Option<R>, ScanError> {
        let host = self.collector.host.clone();
        let mut result = None;
        self.each(vec![SingleJob], move |_: &SingleJob| work(&host), |it| result = Some(it))?;
        Ok(result)
    }

    /// Does `work` for each of `jobs`. One that hangs is begun again: where it hung is closed to it then, so
    /// that it comes to its end. Returns the jobs that have no result, and why.
    fn each<J: pool::Job + Clone, R: Send + 'static>(
        &self,
        mut jobs: Vec<J>,
        work: impl Fn(&J) -> R + Send + Sync + 'static,
        mut take: impl FnMut(R),
    ) -> Result<Vec<(J, Reason)>, ScanError> {
        let work = Arc::new(work);
        let mut left = Vec::new();
        while !jobs.is_empty() {
            let (these, work) = (Arc::new(jobs), work.clone());
            let work = move |job: &J| work(job);
            let given_up =
                pool::run(&these, self.limits, self.hangs, work, |_, result| take(result))
                    .map_err(ScanError::NoThread)?;
            jobs = Vec::new();
            let is_over = Instant::now() >= self.limits.deadline;
            for job in given_up {
                let it = these[job.index()].clone();
                match job {
                    GivenUp::Hung(_) if !is_over => jobs.push(it),
                    _ => left.push((it, self.reason(job))),
                }
            }
        }
        Ok(left)
    }

    fn reason(&self, job: GivenUp) -> Reason {
        match job {
            GivenUp::Hung(_) => Reason::TimedOut(self.limits.job.as_secs().max(1)),
            GivenUp::NotBegun(_) => Reason::OutOfTime(self.request.timeout.as_secs()),
            GivenUp::NoThread(_) => Reason::TooManyHang,
            GivenUp::Panicked(_) => {
                Reason::ReadFailed("an internal error; please report it".into())
            }
        }
    }
}

fn unique(found: Vec<FoundFile>) -> Vec<FoundFile> {
    let mut seen: HashSet<&OsStr> = HashSet::with_capacity(found.len());
    let is_first: Vec<bool> = found.iter().map(|file| seen.insert(file.path.as_os_str())).collect();
    found
        .into_iter()
        .zip(is_first)
        .filter(|(_, is_first)| *is_first)
        .map(|(file, _)| file)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::layout::Search;

    #[test]
    fn what_is_watched_lies_below_the_root_of_the_request() {
        let mut request = ScanRequest {
            root: "/mnt/n1".into(),
            standard: true,
            paths: vec!["/srv/*.pem".to_owned()],
            endpoints: Vec::new(),
            only_paths: false,
            in_use: false,
            exclude: Vec::new(),
            max_files: 10,
            timeout: STEP_LIMIT,
        };
        let places = || {
            let of = |it: Watched| (it.path, it.search, it.is_awaited);
            watched_places(&request).into_iter().map(of).collect::<Vec<_>>()
        };
        let known = places();
        assert_eq!(known[0], ("/mnt/n1/etc/kubernetes".into(), Search::Below, true));
        assert!(known.contains(&("/mnt/n1/var/lib/kubelet/pki".into(), Search::FilesOf, true)));
        assert!(known.contains(&("/mnt/n1/root/.kube/config".into(), Search::One, true)));
        assert!(known.contains(&("/mnt/n1/srv".into(), Search::FilesOf, true)));
        let k3s = "/mnt/n1/var/lib/rancher/k3s/server/tls";
        assert!(known.contains(&(k3s.into(), Search::Below, false)));
        request.root = "/".into();
        request.standard = false;
        let named = watched_places(&request);
        assert_eq!((named.len(), &*named[0].path), (1, std::path::Path::new("/srv")));
    }
}
