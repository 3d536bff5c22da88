//! Where threads hang, for as long as they do.
//!
//! A call into a file system that is away cannot be called off, so its thread is left behind. A place
//! where that happened is not entered again before that thread has come back: it costs one thread, or a
//! few, however often somebody looks. The owner of this record decides how long it is kept: one process
//! of the daemon has one, for its scans and for what it watches.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::domain::time::{Span, UnixTime};
use crate::fs::mount;
use crate::sys;

/// What a thread works for. Each claim tolerates more hanging places than the claims before it, so that none takes the
/// last threads of those after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// What somebody named in `scan.paths`.
    Named,
    /// The files of channels.
    Channel,
    /// The places of Kubernetes, whose certificates are judged whatever hangs elsewhere.
    Standard,
}

impl Claim {
    /// With so many places that hang it gets no further thread.
    pub const fn most(self) -> usize {
        match self {
            Self::Named => 16,
            Self::Channel => 24,
            Self::Standard => 32,
        }
    }
}

/// A place may cost a second thread before it counts as hanging as a whole: so many more threads than places
/// may hang. With these the unit's 64 leave room for all that does not hang.
pub const SPARE: usize = 8;

/// With so many threads that hang in one file system, or among the files of one directory, all of it counts as
/// hanging.
const PER_PLACE: usize = 2;

/// What is known of the threads that go to places which may hang.
#[derive(Debug, Default)]
pub struct Hangs(Mutex<HashMap<ThreadId, Visit>>);

/// A thread under way; it is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Visitor(Arc<Hangs>);

/// Why a place must not be entered: it has not answered since then, or the thread that asks was itself
/// given up then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Silent(pub UnixTime);

#[derive(Debug)]
struct Visit {
    /// Where it went last.
    at: PathBuf,
    /// Its last sign of life.
    since: Instant,
    fate: Fate,
}

#[derive(Debug, Eq, PartialEq)]
enum Fate {
    UnderWay,
    /// Given up, and has not been heard of again; `place` is what hangs with it.
    Hangs {
        since: UnixTime,
        place: PathBuf,
    },
    /// Came back after it was given up; nobody waits for its work.
    Back {
        since: UnixTime,
    },
}

impl Hangs {
    /// Announces this thread, which is about to go to such places.
    pub(crate) fn visitor(self: &Arc<Self>) -> Visitor {
        let visit = Visit { at: PathBuf::new(), since: Instant::now(), fate: Fate::UnderWay };
        self.visits().insert(thread::current().id(), visit);
        Visitor(self.clone())
    }

    /// Has to be called before each call that may hang at `path`, absolute: it is also the sign of life of
    /// its thread.
    ///
    /// # Errors
    /// The place hangs, or this thread was given up: leave it.
    pub(crate) fn enter(&self, path: &Path) -> Result<(), Silent> {
        let mut visits = self.visits();
        let me = thread::current().id();
        if let Some(visit) = visits.get_mut(&me)
            && let Fate::Hangs { since, .. } | Fate::Back { since } = visit.fate
        {
            visit.fate = Fate::Back { since };
            return Err(Silent(since));
        }
        if let Some(since) = hangs_since(&visits, path) {
            return Err(Silent(since));
        }
        if let Some(visit) = visits.get_mut(&me) {
            path.clone_into(&mut visit.at);
            visit.since = Instant::now();
        }
        Ok(())
    }

    /// Gives up a thread that has given no sign of life for `limit`: true if it has been. One that has
    /// ended, or was never announced, cannot be.
    pub(crate) fn give_up(&self, thread: ThreadId, limit: Duration) -> bool {
        let mut visits = self.visits();
        let Some(visit) = visits.get_mut(&thread) else { return false };
        if visit.fate != Fate::UnderWay || visit.since.elapsed() < limit {
            return false;
        }
        let silent = i64::try_from(visit.since.elapsed().as_secs()).unwrap_or(i64::MAX);
        let since = sys::now() - Span::seconds(silent);
        visit.fate = Fate::Hangs { since, place: place(&visit.at, &mount_points()) };
        true
    }

    /// The same, with the place that it hangs at.
    pub(crate) fn give_up_at(&self, thread: ThreadId, limit: Duration) -> Option<PathBuf> {
        let at = self.visits().get(&thread)?.at.clone();
        self.give_up(thread, limit).then_some(at)
    }

    /// How many threads hang.
    pub fn count(&self) -> usize {
        hanging(&self.visits()).count()
    }

    /// How many threads more may go to places which may hang, for this claim.
    pub fn room(&self, claim: Claim) -> usize {
        let visits = self.visits();
        let places = hanging(&visits).map(|(_, place, _)| place).collect::<BTreeSet<_>>().len();
        let threads = hanging(&visits).count();
        claim.most().saturating_sub(places).min((claim.most() + SPARE).saturating_sub(threads))
    }

    fn visits(&self) -> MutexGuard<'_, HashMap<ThreadId, Visit>> {
        // No thread leaves it half-changed, so a panic in one spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    /// A sign of life.
    pub(crate) fn goes_on(&self) {
        if let Some(visit) = self.0.visits().get_mut(&thread::current().id()) {
            visit.since = Instant::now();
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.0.visits().remove(&thread::current().id());
    }
}

/// Where each thread hangs, what hangs with it, and since when.
fn hanging(visits: &HashMap<ThreadId, Visit>) -> impl Iterator<Item = (&Path, &Path, UnixTime)> {
    visits.values().filter_map(|visit| match &visit.fate {
        Fate::Hangs { since, place } => Some((&*visit.at, &**place, *since)),
        Fate::UnderWay | Fate::Back { .. } => None,
    })
}

/// Since when `path`, or what is above it, has not answered.
fn hangs_since(visits: &HashMap<ThreadId, Visit>, path: &Path) -> Option<UnixTime> {
    let is_whole =
        |place: &Path| hanging(visits).filter(|(_, other, _)| *other == place).count() >= PER_PLACE;
    let holds = |at: &Path| !at.as_os_str().is_empty() && path.starts_with(at);
    let here =
        hanging(visits).filter(|(at, place, _)| holds(at) || holds(place) && is_whole(place));
    here.map(|(_, _, since)| since).min()
}

/// What hangs together with `path`: the file system below the longest mount point, or its directory where none
/// of these is away by itself.
fn place(path: &Path, mounts: &BTreeSet<PathBuf>) -> PathBuf {
    let mount = path.ancestors().find(|above| mounts.contains(*above));
    mount.or(path.parent()).unwrap_or(path).to_owned()
}

/// The file systems that may be away while all around them answers: not the root, and none on a block device
/// (a device number other than 0), on which all waits or nothing; there a link may lead elsewhere. Empty if the
/// kernel does not say. It asks none of the file systems for this.
fn mount_points() -> BTreeSet<PathBuf> {
    let text = mount::table().unwrap_or_default();
    let point = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let is_virtual = fields.next()?.starts_with(b"0:");
        let point = fields.nth(1).filter(|point| is_virtual && *point != b"/")?;
        Some(OsString::from_vec(unescaped(point)).into())
    };
    text.split(|byte| *byte == b'\n').filter_map(point).collect()
}

/// `\040` is a space.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, more @ ..] = rest {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match (first, more.get(..3).and_then(octal)) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = &more[3..];
            }
            _ => {
                out.push(*first);
                rest = more;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A thread that has gone to `path` and hangs there until it is told to come back.
    struct Stuck {
        back: mpsc::Sender<()>,
        thread: thread::JoinHandle<Result<(), Silent>>,
    }

    fn stuck(hangs: &Arc<Hangs>, path: &str) -> Stuck {
        let (back, come_back) = mpsc::channel::<()>();
        let (there, is_there) = mpsc::channel();
        let (hangs, path) = (hangs.clone(), PathBuf::from(path));
        let of_thread = hangs.clone();
        let thread = thread::spawn(move || {
            let _visitor = of_thread.visitor();
            of_thread.enter(&path).unwrap();
            there.send(()).unwrap();
            come_back.recv().unwrap();
            of_thread.enter(Path::new("/elsewhere"))
        });
        is_there.recv().unwrap();
        assert!(hangs.give_up(thread.thread().id(), Duration::ZERO));
        assert!(!hangs.give_up(thread.thread().id(), Duration::ZERO), "once");
        Stuck { back, thread }
    }

    fn is_closed(hangs: &Hangs, path: &str) -> bool {
        hangs.enter(Path::new(path)).is_err()
    }

    #[test]
    fn a_place_is_closed_with_all_below_it_until_its_thread_is_back() {
        let hangs = Arc::new(Hangs::default());
        let stuck = stuck(&hangs, "/srv/dead");
        assert!(is_closed(&hangs, "/srv/dead") && is_closed(&hangs, "/srv/dead/below/a.crt"));
        assert!(!is_closed(&hangs, "/srv") && !is_closed(&hangs, "/srv/dead.crt"));
        assert_eq!(hangs.count(), 1);
        stuck.back.send(()).unwrap();
        assert!(stuck.thread.join().unwrap().is_err(), "nobody waits for it any more");
        assert_eq!(hangs.count(), 0);
        assert!(!is_closed(&hangs, "/srv/dead"));
    }

    #[test]
    fn two_files_that_hang_close_their_directory_and_one_does_not() {
        let hangs = Arc::new(Hangs::default());
        let first = stuck(&hangs, "/srv/dead/a.crt");
        assert!(is_closed(&hangs, "/srv/dead/a.crt") && !is_closed(&hangs, "/srv/dead/b.crt"));
        let second = stuck(&hangs, "/srv/dead/b.crt");
        assert!(is_closed(&hangs, "/srv/dead/c.crt") && is_closed(&hangs, "/srv/dead"));
        assert!(!is_closed(&hangs, "/srv/a.crt"));
        first.back.send(()).unwrap();
        first.thread.join().unwrap().unwrap_err();
        assert!(is_closed(&hangs, "/srv/dead/b.crt") && !is_closed(&hangs, "/srv/dead/c.crt"));
        second.back.send(()).unwrap();
        second.thread.join().unwrap().unwrap_err();
    }

    #[test]
    fn one_that_goes_on_is_not_given_up() {
        let hangs = Arc::new(Hangs::default());
        let visitor = hangs.visitor();
        hangs.enter(Path::new("/srv")).unwrap();
        assert!(!hangs.give_up(thread::current().id(), Duration::from_secs(3600)));
        drop(visitor);
        assert!(!hangs.give_up(thread::current().id(), Duration::ZERO), "it has ended");
    }

    #[test]
    fn a_mount_hangs_as_a_whole_and_a_file_with_its_neighbours() {
        let mounts = ["/srv/dead", "/srv/dead/below/other"].map(PathBuf::from).into();
        let of = |path: &str| place(Path::new(path), &mounts);
        assert_eq!(of("/srv/dead"), Path::new("/srv/dead"));
        assert_eq!(of("/srv/dead/a.crt"), Path::new("/srv/dead"));
        assert_eq!(of("/srv/dead/below/b/c/a.crt"), Path::new("/srv/dead"));
        assert_eq!(of("/srv/dead/below/other/b/a.crt"), Path::new("/srv/dead/below/other"));
        assert_eq!(of("/srv/a.crt"), Path::new("/srv"));
        assert_eq!(of("/"), Path::new("/"));
        assert!(mount_points().contains(Path::new("/proc")));
        assert!(!mount_points().contains(Path::new("/")));
    }

    /// Below /proc, a file system of its own on every machine.
    #[test]
    fn many_files_of_a_dead_mount_are_one_place() {
        let hangs = Arc::new(Hangs::default());
        let first = stuck(&hangs, "/proc/a/a.crt");
        assert!(!is_closed(&hangs, "/proc/b/b.crt"));
        let second = stuck(&hangs, "/proc/b/b.crt");
        assert!(is_closed(&hangs, "/proc/c/c.crt"));
        let room = Claim::Named.most() - 1;
        assert_eq!((hangs.count(), hangs.room(Claim::Named)), (2, room));
        for it in [first, second] {
            it.back.send(()).unwrap();
            it.thread.join().unwrap().unwrap_err();
        }
        assert_eq!(hangs.room(Claim::Named), Claim::Named.most());
    }

    #[test]
    fn what_is_named_takes_nothing_from_the_others() {
        let hangs = Arc::new(Hangs::default());
        let all: Vec<_> = (0..Claim::Named.most())
            .map(|number| stuck(&hangs, &format!("/srv/{number}/a.crt")))
            .collect();
        let room = [Claim::Named, Claim::Channel, Claim::Standard].map(|claim| hangs.room(claim));
        assert_eq!(room, [0, 8, 16]);
        for it in all {
            it.back.send(()).unwrap();
            it.thread.join().unwrap().unwrap_err();
        }
    }

    #[test]
    fn the_kernel_s_escapes_are_read() {
        for (field, path) in [
            ("/mnt/a\\040b", "/mnt/a b"),
            ("/mnt/a\\134", "/mnt/a\\"),
            ("/mnt/\\9", "/mnt/\\9"),
            ("/mnt/\\04", "/mnt/\\04"),
            ("", ""),
        ] {
            assert_eq!(unescaped(field.as_bytes()), path.as_bytes());
        }
    }
}
