//! Many small jobs on a few threads, none of which can hold up the others.
//!
//! A read from a file system that is away cannot be called off. So a job that takes too long is
//! given up together with the thread that hangs in it, and another thread takes its place.

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
    /// Each job.
    pub(super) job: Duration,
    /// When everything must have ended.
    pub(super) deadline: Instant,
}

/// What the threads of a run share.
struct Shared<J, R, W> {
    jobs: Arc<Vec<J>>,
    work: W,
    state: Mutex<State<R>>,
}

struct State<R> {
    next: usize,
    /// The jobs under way, and when they began.
    running: Vec<(usize, Instant)>,
    /// Results that nobody has taken yet.
    results: Vec<(usize, R)>,
}

/// Does `work` for each of `jobs` and gives each result to `take`, in any order. Returns the
/// indices of the jobs that were given up.
pub(super) fn run<J, R, W>(
    jobs: &Arc<Vec<J>>,
    limits: Limits,
    work: W,
    mut take: impl FnMut(R),
) -> Vec<usize>
where
    J: Send + Sync + 'static,
    R: Send + 'static,
    W: Fn(&J) -> R + Send + Sync + 'static,
{
    let count = jobs.len();
    let state = Mutex::new(State { next: 0, running: Vec::new(), results: Vec::new() });
    let shared = Arc::new(Shared { jobs: jobs.clone(), work, state });
    let (ended, ends) = mpsc::channel();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (0..cores.min(count.div_ceil(JOBS_PER_THREAD))).for_each(|_| spawn(&shared, &ended));
    let mut is_done = vec![false; count];
    let mut hanging = 0;
    loop {
        for (index, result) in shared.take_results() {
            is_done[index] = true;
            take(result);
        }
        let is_over = Instant::now() >= limits.deadline || hanging >= MAX_HANGING;
        if is_over || is_done.iter().filter(|done| **done).count() + hanging == count {
            break;
        }
        // A thread that ends wakes this one; what it says besides does not matter.
        let _ = ends.recv_timeout(TICK);
        let given_up = shared.give_up(limits.job);
        (0..given_up).for_each(|_| spawn(&shared, &ended));
        hanging += given_up;
    }
    // Whoever still runs finds no further job.
    shared.state().next = count;
    (0..count).filter(|index| !is_done[*index]).collect()
}

fn spawn<J, R, W>(shared: &Arc<Shared<J, R, W>>, ended: &Sender<()>)
where
    J: Send + Sync + 'static,
    R: Send + 'static,
    W: Fn(&J) -> R + Send + Sync + 'static,
{
    let (shared, ended) = (shared.clone(), ended.clone());
    thread::spawn(move || {
        let mut finished = None;
        while let Some(index) = shared.next(finished) {
            finished = Some((index, (shared.work)(&shared.jobs[index])));
        }
        // Nobody listens any more after the deadline.
        let _ = ended.send(());
    });
}

impl<J, R, W> Shared<J, R, W> {
    /// Hands in a result and takes the next job. `None` where there is no further one, and for a
    /// thread whose job was given up: another has taken its place.
    fn next(&self, finished: Option<(usize, R)>) -> Option<usize> {
        let mut state = self.state();
        if let Some((index, result)) = finished {
            let position = state.running.iter().position(|(job, _)| *job == index)?;
            state.running.swap_remove(position);
            state.results.push((index, result));
        }
        let index = state.next;
        if index >= self.jobs.len() {
            return None;
        }
        state.next += 1;
        state.running.push((index, Instant::now()));
        Some(index)
    }

    fn take_results(&self) -> Vec<(usize, R)> {
        std::mem::take(&mut self.state().results)
    }

    /// Gives up the jobs that run for longer than `limit`; returns how many.
    fn give_up(&self, limit: Duration) -> usize {
        let running = &mut self.state().running;
        let before = running.len();
        running.retain(|(_, began)| began.elapsed() < limit);
        before - running.len()
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

    /// The results, sorted, and the jobs that were given up.
    fn run_all<R: Ord + Send + 'static>(
        jobs: std::ops::Range<usize>,
        limits: Limits,
        work: impl Fn(&usize) -> R + Send + Sync + 'static,
    ) -> (Vec<R>, Vec<usize>) {
        let mut results = Vec::new();
        let given_up = run(&Arc::new(jobs.collect()), limits, work, |result| results.push(result));
        results.sort();
        (results, given_up)
    }

    #[test]
    fn every_job_is_done_once() {
        let done = run_all(0..1000, limits(60_000, 60_000), |number| number * 2);
        assert_eq!(done, ((0..1000).map(|number| number * 2).collect(), vec![]));
        assert_eq!(run_all(0..0, limits(60_000, 60_000), |number| *number), (vec![], vec![]));
    }

    #[test]
    fn a_job_that_hangs_costs_itself_alone() {
        let work = |number: &usize| {
            if number % 100 == 7 {
                thread::park();
            }
            *number
        };
        let (results, given_up) = run_all(0..300, limits(2_000, 60_000), work);
        assert_eq!((results.len(), given_up), (297, vec![7, 107, 207]));
    }

    #[test]
    fn at_the_deadline_what_is_there_counts() {
        let work = |number: &usize| {
            if *number > 0 {
                thread::park();
            }
            *number
        };
        assert_eq!(run_all(0..3, limits(60_000, 2_000), work), (vec![0], vec![1, 2]));
    }
}
