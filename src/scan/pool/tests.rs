use std::path::{Path, PathBuf};

use super::*;
use crate::hangs::SPARE;

fn limits(job: u64, all: u64) -> Limits {
    Limits {
        job: Duration::from_millis(job),
        deadline: Instant::now() + Duration::from_millis(all),
        claim: Claim::Standard,
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
    work: impl Fn(&usize) + Send + Sync + 'static,
) -> (Vec<usize>, Vec<GivenUp>) {
    run_beside(&Arc::default(), jobs, limits, work)
}

fn run_beside(
    hangs: &Arc<Hangs>,
    jobs: std::ops::Range<usize>,
    limits: Limits,
    work: impl Fn(&usize) + Send + Sync + 'static,
) -> (Vec<usize>, Vec<GivenUp>) {
    let mut results = Vec::new();
    let jobs = Arc::new(jobs.collect());
    let given_up = run(&jobs, limits, hangs, work, |index, ()| results.push(index)).unwrap();
    results.sort_unstable();
    (results, given_up)
}

fn forever() {
    loop {
        thread::park();
    }
}

#[test]
fn every_job_is_done_once() {
    let done = run_all(0..1000, limits(60_000, 60_000), |_| ());
    assert_eq!(done, ((0..1000).collect(), vec![]));
    assert_eq!(run_all(0..0, limits(60_000, 60_000), |_| ()), (vec![], vec![]));
}

#[test]
fn a_job_that_hangs_costs_itself_alone() {
    let work = |number: &usize| {
        if number % 100 == 7 {
            forever();
        }
    };
    let (results, given_up) = run_all(0..300, limits(2_000, 60_000), work);
    assert_eq!((results.len(), given_up), (297, [7, 107, 207].map(GivenUp::Hung).to_vec()));
}

#[test]
fn a_job_that_panics_costs_itself_alone() {
    let work = |number: &usize| assert_ne!(*number, 7, "on purpose");
    let (results, given_up) = run_all(0..100, limits(60_000, 60_000), work);
    assert_eq!((results.len(), given_up), (99, vec![GivenUp::Panicked(7)]));
}

/// The jobs in the order in which they are begun, one by one, without any clock.
#[test]
fn a_place_where_all_hangs_keeps_no_other_waiting() {
    let hangs = Arc::new(Hangs::default());
    let shared = Shared::new(Arc::new((0..300).collect::<Vec<usize>>()), ());
    let mut begun = Vec::new();
    let mut finished = None;
    while let Some(index) = shared.next(finished.take()) {
        begun.push(index);
        // As another thread each time.
        let _visitor = hangs.visitor();
        if index < 100 {
            assert_eq!(shared.give_up(&hangs, Duration::ZERO), [index]);
        } else {
            finished = Some((index, Some(())));
        }
    }
    let others_first = [0].into_iter().chain(100..300).chain((1..100).rev());
    assert_eq!(begun, others_first.collect::<Vec<_>>());
    let results: Vec<_> = shared.take_results().iter().map(|(index, _)| *index).collect();
    assert_eq!(results, (100..300).collect::<Vec<_>>());
}

/// What is done of a run in which all hangs: the numbers of those that hung, and of those that were
/// not begun.
fn all_hang(hangs: &Arc<Hangs>, claim: Claim) -> (usize, usize) {
    let limits = Limits { claim, ..limits(50, 60_000) };
    let (results, given_up) = run_beside(hangs, 0..100, limits, |_| forever());
    assert_eq!((results, given_up.len()), (vec![], 100));
    let is_hung = |job: &&GivenUp| matches!(job, GivenUp::Hung(_));
    let hung = given_up.iter().filter(is_hung).count();
    let left = given_up.iter().filter(|job| matches!(job, GivenUp::NoThread(_))).count();
    (hung, left)
}

#[test]
fn what_is_named_leaves_threads_for_the_rest_where_all_hangs() {
    let hangs = Arc::new(Hangs::default());
    let [named, all] = [Claim::Named, Claim::Standard].map(|claim| claim.most() + SPARE);
    assert_eq!(all_hang(&hangs, Claim::Named), (named, 100 - named));
    // That is no failure of the scan, and no reason to leave anything else out.
    assert_eq!(all_hang(&hangs, Claim::Named), (0, 100));
    assert_eq!(run_beside(&hangs, 0..100, limits(60_000, 60_000), |_| ()).0.len(), 100);
    assert_eq!(all_hang(&hangs, Claim::Standard), (all - named, 100 - (all - named)));
    // And then there is none.
    let refused = run(&Arc::new(vec![1]), limits(1, 1), &hangs, |_| (), |_, ()| ());
    assert_eq!(refused.unwrap_err().to_string(), format!("{all} of them hang"));
    assert_eq!(hangs.count(), all);
}

#[test]
fn what_gets_on_is_not_given_up() {
    let hangs = Arc::new(Hangs::default());
    let of_work = hangs.clone();
    let work = move |_: &usize| {
        for _ in 0..30 {
            thread::sleep(Duration::from_millis(100));
            of_work.enter(Path::new("/srv")).unwrap();
        }
    };
    assert_eq!(run_beside(&hangs, 0..1, limits(2_000, 60_000), work), (vec![0], vec![]));
}

#[test]
fn at_the_deadline_what_is_there_counts() {
    let work = |number: &usize| {
        if *number > 0 {
            forever();
        }
    };
    let given_up = vec![GivenUp::Hung(1), GivenUp::NotBegun(2)];
    assert_eq!(run_all(0..3, limits(60_000, 2_000), work), (vec![0], given_up));
}

/// Two hundred files of one directory that does not answer.
#[test]
fn a_directory_that_hangs_costs_a_few_threads_however_often_it_is_looked_at() {
    let hangs = Arc::new(Hangs::default());
    let of_work = hangs.clone();
    let work = move |number: &usize| {
        let file = PathBuf::from(format!("/srv/dead/{number}.crt"));
        if of_work.enter(&file).is_ok() {
            forever();
        }
    };
    let work = Arc::new(work);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    for scan in 0..20 {
        let work = work.clone();
        // Only the first has anybody to give up: a thread that a busy machine holds up shows no life either.
        let limits = limits(if scan == 0 { 2_000 } else { 60_000 }, 60_000);
        let (results, given_up) = run_beside(&hangs, 0..200, limits, move |it| work(it));
        assert_eq!(results.len() + given_up.len(), 200);
        assert!(scan == 0 || given_up.is_empty(), "{given_up:?}");
        // A busy machine can hold up another few beside those that hang.
        assert!(hangs.count() <= 4 * threads, "{}", hangs.count());
    }
}
