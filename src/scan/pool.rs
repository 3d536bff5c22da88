//! Many small jobs on a few threads, none of which can hold up the others.
//!
//! A read from a file system that is away cannot be called off. So a job that takes too long is
//! given up together with the thread that hangs in it, and another thread takes its place.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::hangs::{Claim, Hangs};

/// How often results are taken and hanging threads are looked for; the end is noticed at once.
const TICK: Duration = Duration::from_millis(50);

/// Jobs below this number are not worth a second thread.
const JOBS_PER_THREAD: usize = 64;

/// How long jobs may take, and how much may hang meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Each job, from its last sign of life.
    pub(super) job: Duration,
    /// When everything must have ended.
    pub(super) deadline: Instant,
    /// Whom the jobs serve.
    pub(super) claim: Claim,
}

/// A job without a result, by its index.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum GivenUp {
    /// This one hung.
    Hung(usize),
    /// This one was not begun before the deadline.
    NotBegun(usize),
    /// This one was not begun because too many threads hang.
    NoThread(usize),
    /// This one panicked.
    Panicked(usize),
}

/// What the threads of a run share.
struct Shared<J, R, W> {
    jobs: Arc<Vec<J>>,
    work: W,
    state: Mutex<PoolState<R>>,
}

struct PoolState<R> {
    next: usize,
    /// Jobs like one that hung: they may hang as well, so all others come first.
    suspects: Vec<usize>,
    suspicious: HashSet<u64>,
    /// The jobs under way, and who does them.
    running: Vec<(usize, ThreadId)>,
    /// Results that nobody has taken yet; `None` of a job that panicked.
    results: Vec<(usize, Option<R>)>,
}

/// A job of a kind that shares its luck: where one hangs, the others of its place may hang too.
pub(super) trait Job: Send + Sync + 'static {
    /// A number for the place.
    fn place(&self) -> u64;
}

/// Does `work` for each of `jobs` and gives each result to `take`, in any order. A job is given up if its
/// thread shows no life in `hangs`. Returns those without a result.
///
/// # Errors
/// There is no thread to begin with; not so where too much hangs for places that were named.
pub(super) fn run<J, R, W>(
    jobs: &Arc<Vec<J>>,
    limits: Limits,
    hangs: &Arc<Hangs>,
    work: W,
    mut take: impl FnMut(usize, R),
) -> io::Result<Vec<GivenUp>>
where
    J: Job,
    R: Send + 'static,
    W: Fn(&J) -> R + Send + Sync + 'static,
{
    let mut crew = Crew::new(Shared::new(jobs.clone(), work), hangs.clone(), limits.claim);
    crew.begin()?;
    let mut is_done = vec![false; jobs.len()];
    let mut given_up = Vec::new();
    loop {
        for (index, result) in crew.shared.take_results() {
            is_done[index] = true;
            match result {
                Some(result) => take(index, result),
                None => given_up.push(GivenUp::Panicked(index)),
            }
        }
        let is_late = Instant::now() >= limits.deadline;
        if is_late || crew.threads == 0 || is_done.iter().all(|it| *it) {
            break;
        }
        // A thread that ends wakes this one; what it says besides does not matter.
        let _ = crew.ends.recv_timeout(TICK);
        for index in crew.replace_hung(limits.job) {
            is_done[index] = true;
            given_up.push(GivenUp::Hung(index));
        }
    }
    let has_threads = crew.threads > 0;
    for index in crew.close() {
        is_done[index] = true;
        given_up.push(GivenUp::Hung(index));
    }
    let left = (0..jobs.len()).filter(|index| !is_done[*index]);
    given_up.extend(left.map(if has_threads { GivenUp::NotBegun } else { GivenUp::NoThread }));
    given_up.sort_unstable_by_key(GivenUp::index);
    Ok(given_up)
}

impl GivenUp {
    pub(super) fn index(&self) -> usize {
        let (Self::Hung(index)
        | Self::NotBegun(index)
        | Self::NoThread(index)
        | Self::Panicked(index)) = self;
        *index
    }
}

/// The threads of a run, seen by whoever waits for them.
struct Crew<J, R, W> {
    shared: Arc<Shared<J, R, W>>,
    hangs: Arc<Hangs>,
    claim: Claim,
    /// Those that were started and do not hang.
    threads: usize,
    ended: Sender<()>,
    ends: Receiver<()>,
}

impl<J, R, W> Crew<J, R, W>
where
    J: Job,
    R: Send + 'static,
    W: Fn(&J) -> R + Send + Sync + 'static,
{
    fn new(shared: Shared<J, R, W>, hangs: Arc<Hangs>, claim: Claim) -> Self {
        let (ended, ends) = mpsc::channel();
        Self { shared: Arc::new(shared), hangs, claim, threads: 0, ended, ends }
    }

    /// No more threads than may hang.
    fn begin(&mut self) -> io::Result<()> {
        let jobs = self.shared.jobs.len();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let room = self.hangs.room(self.claim);
        if room == 0 && self.claim != Claim::Named {
            return Err(io::Error::other(format!("{} of them hang", self.hangs.count())));
        }
        for _ in 0..cores.min(jobs.div_ceil(JOBS_PER_THREAD)).min(room) {
            match self.start() {
                // Those that are there do it all.
                Err(_) if self.threads > 0 => break,
                started => started?,
            }
        }
        // Nothing to do is done already.
        self.threads = self.threads.max(usize::from(jobs == 0));
        Ok(())
    }

    fn start(&mut self) -> io::Result<()> {
        let (shared, hangs, ended) = (self.shared.clone(), self.hangs.clone(), self.ended.clone());
        thread::Builder::new().name("scan".to_owned()).spawn(move || {
            let visitor = hangs.visitor();
            let mut finished = None;
            while let Some(index) = shared.next(finished) {
                visitor.goes_on();
                let work = || (shared.work)(&shared.jobs[index]);
                finished = Some((index, catch_unwind(AssertUnwindSafe(work)).ok()));
            }
            // Nobody listens any more after the deadline.
            let _ = ended.send(());
        })?;
        self.threads += 1;
        Ok(())
    }

    /// Gives up what has shown no life for longer than `limit`, and starts threads in the place of those
    /// that hang in it, as far as there are any to be had.
    fn replace_hung(&mut self, limit: Duration) -> Vec<usize> {
        let hung = self.shared.give_up(&self.hangs, limit);
        self.threads -= hung.len();
        for _ in &hung {
            if self.hangs.room(self.claim) > self.threads {
                // Without it the others do it all, or this run ends.
                let _ = self.start();
            }
        }
        hung
    }

    /// No further job is taken; returns those that are under way.
    fn close(&self) -> Vec<usize> {
        self.shared.forget_jobs();
        self.shared.give_up(&self.hangs, Duration::ZERO)
    }
}

impl<J: Job, R, W> Shared<J, R, W> {
    fn new(jobs: Arc<Vec<J>>, work: W) -> Self {
        let state = PoolState {
            next: 0,
            suspects: Vec::new(),
            suspicious: HashSet::new(),
            running: Vec::new(),
            results: Vec::new(),
        };
        Self { jobs, work, state: Mutex::new(state) }
    }

    /// Hands in a result and takes the next job. `None` where there is no further one, and for a
    /// thread whose job was given up: another has taken its place.
    fn next(&self, finished: Option<(usize, Option<R>)>) -> Option<usize> {
        let mut state = self.state();
        if let Some((index, result)) = finished {
            let position = state.running.iter().position(|(job, _)| *job == index)?;
            state.running.swap_remove(position);
            state.results.push((index, result));
        }
        let index = self.choose(&mut state)?;
        state.running.push((index, thread::current().id()));
        Some(index)
    }

    fn choose(&self, state: &mut PoolState<R>) -> Option<usize> {
        while state.next < self.jobs.len() {
            let index = state.next;
            state.next += 1;
            if state.suspicious.is_empty() || !state.suspicious.contains(&self.jobs[index].place())
            {
                return Some(index);
            }
            state.suspects.push(index);
        }
        state.suspects.pop()
    }

    fn take_results(&self) -> Vec<(usize, Option<R>)> {
        std::mem::take(&mut self.state().results)
    }

    /// Gives up the jobs whose threads have shown no life for longer than `limit`.
    fn give_up(&self, hangs: &Hangs, limit: Duration) -> Vec<usize> {
        let mut state = self.state();
        let running = std::mem::take(&mut state.running);
        let is_hung = |(_, thread): &(usize, ThreadId)| hangs.give_up(*thread, limit);
        let (hung, running): (Vec<_>, Vec<_>) = running.into_iter().partition(is_hung);
        state.running = running;
        state.suspicious.extend(hung.iter().map(|(job, _)| self.jobs[*job].place()));
        hung.into_iter().map(|(job, _)| job).collect()
    }

    fn forget_jobs(&self) {
        let mut state = self.state();
        state.next = self.jobs.len();
        state.suspects.clear();
    }

    /// No thread leaves the state half-changed, so a panic in one spoils nothing.
    fn state(&self) -> MutexGuard<'_, PoolState<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
