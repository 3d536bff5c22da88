//! Many small jobs on a few threads, none of which can hold up the others.
//!
//! A read from a file system that is away cannot be called off. So a job that takes too long is
//! given up together with the thread that hangs in it, and another thread takes its place.

use std::collections::HashSet;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often results are taken and hanging threads are looked for; the end is noticed at once.
const TICK: Duration = Duration::from_millis(50);

/// Most threads that may be left hanging in one run; then the rest is given up at once.
const MAX_HANGING: usize = 16;

/// Jobs below this number are not worth a second thread.
const JOBS_PER_THREAD: usize = 64;

/// How long jobs may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Each job, from its last sign of life.
    pub(super) job: Duration,
    /// When everything must have ended.
    pub(super) deadline: Instant,
}

/// A job that was given up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum GivenUp {
    /// This one hung.
    Hung(usize),
    /// This one was not begun before the deadline.
    NotBegun(usize),
}

/// What the threads of a run share.
struct Shared<J, R, W> {
    jobs: Arc<Vec<J>>,
    work: W,
    state: Mutex<State<R>>,
}

struct State<R> {
    next: usize,
    /// Jobs like one that hung: they may hang as well, so all others come first.
    suspects: Vec<usize>,
    suspicious: HashSet<u64>,
    /// The jobs under way, and when they last showed life.
    running: Vec<(usize, Instant)>,
    /// Results that nobody has taken yet.
    results: Vec<(usize, R)>,
}

/// A job of a kind that shares its luck: where one hangs, the others of its place may hang too.
pub(super) trait Job: Send + Sync + 'static {
    /// A number for the place.
    fn place(&self) -> u64;
}

/// Does `work` for each of `jobs` and gives each result to `take`, in any order. `work` is given a
/// function to call when it gets on: only what does not get on is given up. Returns those.
pub(super) fn run<J, R, W>(
    jobs: &Arc<Vec<J>>,
    limits: Limits,
    work: W,
    mut take: impl FnMut(usize, R),
) -> Vec<GivenUp>
where
    J: Job,
    R: Send + 'static,
    W: Fn(&J, &dyn Fn()) -> R + Send + Sync + 'static,
{
    let count = jobs.len();
    let shared = Arc::new(Shared::new(jobs.clone(), work));
    let (ended, ends) = mpsc::channel();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (0..cores.min(count.div_ceil(JOBS_PER_THREAD))).for_each(|_| spawn(&shared, &ended));
    let mut is_done = vec![false; count];
    let mut hung: Vec<usize> = Vec::new();
    loop {
        for (index, result) in shared.take_results() {
            is_done[index] = true;
            take(index, result);
        }
        let is_over = Instant::now() >= limits.deadline || hung.len() >= MAX_HANGING;
        if is_over || is_done.iter().filter(|done| **done).count() + hung.len() == count {
            break;
        }
        // A thread that ends wakes this one; what it says besides does not matter.
        let _ = ends.recv_timeout(TICK);
        let given_up = shared.give_up(limits.job);
        hung.extend(&given_up);
        // At the end a new thread would only be one more that hangs.
        if hung.len() < MAX_HANGING {
            given_up.iter().for_each(|_| spawn(&shared, &ended));
        }
    }
    hung.extend(shared.close());
    let given_up = (0..count).filter(|index| !is_done[*index]);
    given_up
        .map(
            |index| {
                if hung.contains(&index) { GivenUp::Hung(index) } else { GivenUp::NotBegun(index) }
            },
        )
        .collect()
}

fn spawn<J, R, W>(shared: &Arc<Shared<J, R, W>>, ended: &Sender<()>)
where
    J: Job,
    R: Send + 'static,
    W: Fn(&J, &dyn Fn()) -> R + Send + Sync + 'static,
{
    let (shared, ended) = (shared.clone(), ended.clone());
    thread::spawn(move || {
        let mut finished = None;
        while let Some(index) = shared.next(finished) {
            let result = (shared.work)(&shared.jobs[index], &|| shared.gets_on(index));
            finished = Some((index, result));
        }
        // Nobody listens any more after the deadline.
        let _ = ended.send(());
    });
}

impl<J: Job, R, W> Shared<J, R, W> {
    fn new(jobs: Arc<Vec<J>>, work: W) -> Self {
        let state = State {
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
    fn next(&self, finished: Option<(usize, R)>) -> Option<usize> {
        let mut state = self.state();
        if let Some((index, result)) = finished {
            let position = state.running.iter().position(|(job, _)| *job == index)?;
            state.running.swap_remove(position);
            state.results.push((index, result));
        }
        let index = self.choose(&mut state)?;
        state.running.push((index, Instant::now()));
        Some(index)
    }

    fn choose(&self, state: &mut State<R>) -> Option<usize> {
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

    fn gets_on(&self, index: usize) {
        let mut state = self.state();
        if let Some((_, since)) = state.running.iter_mut().find(|(job, _)| *job == index) {
            *since = Instant::now();
        }
    }

    fn take_results(&self) -> Vec<(usize, R)> {
        std::mem::take(&mut self.state().results)
    }

    /// Gives up the jobs that have shown no life for longer than `limit`.
    fn give_up(&self, limit: Duration) -> Vec<usize> {
        let mut state = self.state();
        let is_hung = |(_, since): &(usize, Instant)| since.elapsed() >= limit;
        let hung: Vec<usize> =
            state.running.iter().filter(|it| is_hung(it)).map(|(job, _)| *job).collect();
        state.running.retain(|it| !is_hung(it));
        state.suspicious.extend(hung.iter().map(|job| self.jobs[*job].place()));
        hung
    }

    /// No further job is taken; returns those that are under way.
    fn close(&self) -> Vec<usize> {
        let mut state = self.state();
        state.next = self.jobs.len();
        state.suspects.clear();
        state.running.drain(..).map(|(job, _)| job).collect()
    }

    /// No thread leaves the state half-changed, so a panic in one spoils nothing.
    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(job: u64, all: u64) -> Limits {
        Limits {
            job: Duration::from_millis(job),
            deadline: Instant::now() + Duration::from_millis(all),
        }
    }

    /// A number; a hundred of them share a place.
    impl Job for usize {
        fn place(&self) -> u64 {
            (*self / 100) as u64
        }
    }

    /// The results, sorted, and the jobs that were given up.
    fn run_all(
        jobs: std::ops::Range<usize>,
        limits: Limits,
        work: impl Fn(&usize, &dyn Fn()) + Send + Sync + 'static,
    ) -> (Vec<usize>, Vec<GivenUp>) {
        let mut results = Vec::new();
        let given_up =
            run(&Arc::new(jobs.collect()), limits, work, |index, ()| results.push(index));
        results.sort_unstable();
        (results, given_up)
    }

    #[test]
    fn every_job_is_done_once() {
        let done = run_all(0..1000, limits(60_000, 60_000), |_, _| ());
        assert_eq!(done, ((0..1000).collect(), vec![]));
        assert_eq!(run_all(0..0, limits(60_000, 60_000), |_, _| ()), (vec![], vec![]));
    }

    #[test]
    fn a_job_that_hangs_costs_itself_alone() {
        let work = |number: &usize, _: &dyn Fn()| {
            if number % 100 == 7 {
                thread::park();
            }
        };
        let (results, given_up) = run_all(0..300, limits(2_000, 60_000), work);
        assert_eq!((results.len(), given_up), (297, [7, 107, 207].map(GivenUp::Hung).to_vec()));
    }

    /// The jobs in the order in which they are begun, one by one, without any clock.
    #[test]
    fn a_place_where_all_hangs_keeps_no_other_waiting() {
        let shared = Shared::new(Arc::new((0..300).collect::<Vec<usize>>()), ());
        let mut begun = Vec::new();
        let mut finished = None;
        while let Some(index) = shared.next(finished.take()) {
            begun.push(index);
            if index < 100 {
                assert_eq!(shared.give_up(Duration::ZERO), [index]);
            } else {
                finished = Some((index, ()));
            }
        }
        let others_first = [0].into_iter().chain(100..300).chain((1..100).rev());
        assert_eq!(begun, others_first.collect::<Vec<_>>());
        let results: Vec<_> = shared.take_results().iter().map(|(index, ())| *index).collect();
        assert_eq!(results, (100..300).collect::<Vec<_>>());
    }

    /// Of those under way when the most is reached it is not known whether they hang.
    #[test]
    fn few_threads_are_left_where_all_hangs() {
        let (results, given_up) = run_all(0..100, limits(50, 60_000), |_, _| thread::park());
        let hung = given_up.iter().filter(|job| matches!(job, GivenUp::Hung(_))).count();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(2);
        assert_eq!((results, given_up.len()), (vec![], 100));
        assert!((MAX_HANGING..MAX_HANGING + threads).contains(&hung), "{hung}");
    }

    #[test]
    fn what_gets_on_is_not_given_up() {
        let work = |_: &usize, gets_on: &dyn Fn()| {
            for _ in 0..30 {
                thread::sleep(Duration::from_millis(100));
                gets_on();
            }
        };
        assert_eq!(run_all(0..1, limits(2_000, 60_000), work), (vec![0], vec![]));
    }

    #[test]
    fn at_the_deadline_what_is_there_counts() {
        let work = |number: &usize, _: &dyn Fn()| {
            if *number > 0 {
                thread::park();
            }
        };
        let given_up = vec![GivenUp::Hung(1), GivenUp::NotBegun(2)];
        assert_eq!(run_all(0..3, limits(60_000, 2_000), work), (vec![0], given_up));
    }
}
