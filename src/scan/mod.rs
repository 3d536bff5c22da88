//! The scan: places on the node, bounded reads, parsing, an inventory.
//!
//! Two rounds of small jobs (`pool.rs`): each area is searched for files, each file is read. What
//! hangs is given up by itself and becomes an item like any other problem.

mod collect;
mod host;
mod pool;
mod process;
mod search;
mod walk;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glob::Pattern;

use crate::domain::layout::Search;
use crate::domain::model::{Inventory, Item, Reason};
use crate::domain::time::UnixTime;

use collect::Collector;
pub use collect::plain;
use host::Host;
use pool::{GivenUp, Limits};
use search::{Area, SearchJob, kubelet_leftovers, standard_areas};
pub(crate) use walk::is_pattern;
use walk::{Found, State, Walk};

/// Longest time for one file, and for one directory of a search.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// How often a search is begun again without the directories that hung.
const SEARCHES: usize = 8;

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
        inventory.leftovers = scan.leftovers();
    }
    let known: HashSet<_> = inventory.items.iter().map(|item| item.place.clone()).collect();
    inventory.items.extend(scan.named().into_iter().filter(|item| !known.contains(&item.place)));
    Ok(inventory)
}

/// What has to be watched to notice a change of what a scan of `request` sees: places that may be
/// directories, files or missing, and how much of them counts.
///
/// A distribution that is not there is left to the regular scan: to see it come, all of `/etc` and
/// `/var/lib` would have to be watched.
pub fn watched_places(request: &Request) -> Vec<(PathBuf, Search)> {
    let standard = request.standard && !request.only_paths;
    let mut areas = if standard { standard_areas() } else { Vec::new() };
    areas.extend(request.paths.iter().cloned().map(Area::Named));
    let below_root = |path: PathBuf| request.root.join(path.strip_prefix("/").unwrap_or(&path));
    let is_there = |area: &&Area| {
        !matches!(area, Area::Distribution(..)) || below_root(area.path().to_owned()).exists()
    };
    let places = areas.iter().filter(is_there).map(Area::watched);
    places.map(|(path, search)| (below_root(path), search)).collect()
}

impl pool::Job for Found {
    /// Files of one directory mostly lie on one file system.
    fn place(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.path.parent().map(Path::as_os_str).hash(&mut hasher);
        hasher.finish()
    }
}

/// Anything else that reads, by itself: one step that may hang.
struct Step;

impl pool::Job for Step {
    fn place(&self) -> u64 {
        0
    }
}

struct Scan<'a> {
    request: &'a Request,
    collector: Arc<Collector>,
    deadline: Instant,
}

impl Scan<'_> {
    /// The places that need no configuration, and the processes.
    fn standard(&self, now: UnixTime) -> Vec<Item> {
        let mut items = self.items(self.search(standard_areas()));
        items.extend(self.step(move |host| process::api_servers(host, now)).unwrap_or_default());
        items
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        self.step(kubelet_leftovers).unwrap_or_default()
    }

    /// What a person named.
    fn named(&self) -> Vec<Item> {
        self.items(self.search(self.request.paths.iter().cloned().map(Area::Named).collect()))
    }

    fn limits(&self) -> Limits {
        // One that hangs must leave time for the others.
        Limits { job: STEP_LIMIT.min(self.request.timeout / 4), deadline: self.deadline }
    }

    /// The files of all areas, each once.
    fn search(&self, areas: Vec<Area>) -> Vec<Found> {
        let is_one = areas.len() == 1;
        let mut jobs: Vec<SearchJob> = areas.into_iter().map(SearchJob::new).collect();
        let mut found = Vec::new();
        for _ in 0..SEARCHES {
            let (mut files, again) = self.search_once(jobs);
            found.append(&mut files);
            jobs = again;
            if jobs.is_empty() {
                break;
            }
        }
        if is_one { found } else { unique(found) }
    }

    /// What was found, and the searches to do again without what hung in them.
    fn search_once(&self, jobs: Vec<SearchJob>) -> (Vec<Found>, Vec<SearchJob>) {
        let (host, exclude) = (self.collector.host.clone(), self.request.exclude.clone());
        let max_files = self.request.max_files;
        let search = move |job: &SearchJob, gets_on: &dyn Fn()| {
            let enter = |path: &Path| job.enter(path, gets_on);
            let mut walk = Walk::new(&host, &exclude, max_files, &enter);
            job.area.search(&host, &mut walk);
            walk.into_found()
        };
        let jobs = Arc::new(jobs);
        let mut found = Vec::new();
        let given_up =
            pool::run(&jobs, self.limits(), search, |_, mut files| found.append(&mut files));
        let mut again = Vec::new();
        for job in given_up {
            match job {
                GivenUp::Hung(index) => {
                    let at = jobs[index].at();
                    found.push(self.not_read(at.as_path().into(), job));
                    again.push(jobs[index].without(at));
                }
                GivenUp::NotBegun(index) => {
                    found.push(self.not_read(jobs[index].area.path().into(), job));
                }
            }
        }
        (found, again)
    }

    /// What the files hold.
    fn items(&self, found: Vec<Found>) -> Vec<Item> {
        let mut items = Vec::with_capacity(found.len());
        let found = Arc::new(found);
        let collector = self.collector.clone();
        let read = move |file: &Found, _: &dyn Fn()| collector.file(file);
        let given_up =
            pool::run(&found, self.limits(), read, |_, mut of_file| items.append(&mut of_file));
        for job in given_up {
            let (GivenUp::Hung(index) | GivenUp::NotBegun(index)) = job;
            items.append(&mut self.collector.file(&self.not_read(found[index].path.clone(), job)));
        }
        items
    }

    /// One step; `None` if it hangs.
    fn step<R: Send + 'static>(
        &self,
        work: impl Fn(&Host) -> R + Send + Sync + 'static,
    ) -> Option<R> {
        let host = self.collector.host.clone();
        let mut result = None;
        let work = move |_: &Step, _: &dyn Fn()| work(&host);
        pool::run(&Arc::new(vec![Step]), self.limits(), work, |_, it| result = Some(it));
        result
    }

    /// A file or directory that could not be read in time.
    fn not_read(&self, path: Arc<Path>, job: GivenUp) -> Found {
        let reason = match job {
            GivenUp::Hung(_) => Reason::TimedOut(self.limits().job.as_secs().max(1)),
            GivenUp::NotBegun(_) => Reason::OutOfTime(self.request.timeout.as_secs()),
        };
        Found { path, state: State::Problem(reason), is_named: false }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_lies_below_the_root_of_the_request() {
        let mut request = Request {
            root: "/mnt/n1".into(),
            standard: true,
            paths: vec!["/srv/*.pem".to_owned()],
            only_paths: false,
            exclude: Vec::new(),
            max_files: 10,
            timeout: STEP_LIMIT,
        };
        let places = watched_places(&request);
        assert_eq!(places[0], ("/mnt/n1/etc/kubernetes".into(), Search::Below));
        assert!(places.contains(&("/mnt/n1/var/lib/kubelet/pki".into(), Search::FilesOf)));
        assert!(places.contains(&("/mnt/n1/root/.kube/config".into(), Search::One)));
        assert!(places.contains(&("/mnt/n1/srv".into(), Search::FilesOf)));
        request.root = "/".into();
        request.standard = false;
        assert_eq!(watched_places(&request), [("/srv".into(), Search::FilesOf)]);
    }
}
