//! Many small jobs on a few threads, none of which can hold up the others.
//!
//! A read from a file system that is away cannot be called off. So a job that takes too long is
//! given up together with the thread that hangs in it, and another thread takes its place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How often hanging threads are looked for.
const TICK: Duration = Duration::from_millis(100);

/// Most threads that may be left hanging in one run; then the rest is given up at once.
const MAX_HANGING: usize = 16;

/// How long jobs may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Each job.
    pub(super) job: Duration,
    /// When everything must have ended.
    pub(super) deadline: Instant,
}

struct Shared<J, W> {
    jobs: Arc<Vec<J>>,
    next: AtomicUsize,
    /// For each job under way, when it began.
    running: Mutex<Vec<(usize, Instant)>>,
    work: W,
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
    let shared = Arc::new(Shared {
        jobs: jobs.clone(),
        next: AtomicUsize::new(0),
        running: Mutex::default(),
        work,
    });
    let (sender, receiver) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count.div_ceil(64));
    (0..threads).for_each(|_| spawn(&shared, &sender));
    let mut is_done = vec![false; count];
    let [mut done, mut hanging] = [0, 0];
    while done + hanging < count && hanging < MAX_HANGING && Instant::now() < limits.deadline {
        match receiver.recv_timeout(TICK) {
            Ok((index, result)) => {
                is_done[index] = true;
                done += 1;
                take(result);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let given_up = shared.give_up(limits.job);
                (0..given_up).for_each(|_| spawn(&shared, &sender));
                hanging += given_up;
            }
        }
    }
    // Whoever still runs finds no further job.
    shared.next.store(count, Ordering::Relaxed);
    (0..count).filter(|index| !is_done[*index]).collect()
}

fn spawn<J, R, W>(shared: &Arc<Shared<J, W>>, sender: &mpsc::Sender<(usize, R)>)
where
    J: Send + Sync + 'static,
    R: Send + 'static,
    W: Fn(&J) -> R + Send + Sync + 'static,
{
    let (shared, sender) = (shared.clone(), sender.clone());
    thread::spawn(move || {
        while let Some(index) = shared.take() {
            let result = (shared.work)(&shared.jobs[index]);
            // Nobody listens any more after the deadline.
            if !shared.finish(index) || sender.send((index, result)).is_err() {
                return;
            }
        }
    });
}

impl<J, W> Shared<J, W> {
    fn take(&self) -> Option<usize> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.jobs.len() {
            return None;
        }
        self.running.lock().ok()?.push((index, Instant::now()));
        Some(index)
    }

    /// False if the job was given up meanwhile.
    fn finish(&self, index: usize) -> bool {
        let Ok(mut running) = self.running.lock() else { return false };
        let before = running.len();
        running.retain(|(job, _)| *job != index);
        running.len() < before
    }

    /// Gives up the jobs that run for longer than `limit`; returns how many.
    fn give_up(&self, limit: Duration) -> usize {
        let Ok(mut running) = self.running.lock() else { return 0 };
        let before = running.len();
        running.retain(|(_, began)| began.elapsed() < limit);
        before - running.len()
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
        let (results, given_up) = run_all(0..300, limits(200, 60_000), work);
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
        assert_eq!(run_all(0..3, limits(60_000, 300), work), (vec![0], vec![1, 2]));
    }
}
