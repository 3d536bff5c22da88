//! How long the kubelet holds a container back that has ended.
//!
//! It starts at once what ends for the first time, and holds back what ends again: for 10 s, then for twice as long each
//! time, up to 5 min. What has run for 10 min is forgotten, and so is everything when the kubelet starts
//! (`doBackOff` of `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `client-go/util/flowcontrol/backoff.go`,
//! `MaxCrashLoopBackOff` of `pkg/kubelet/kubelet.go`).

use crate::domain::time::{Span, UnixTime};

const FIRST: i64 = 10;
const MOST: i64 = 300;
const FORGOTTEN: Span = Span::seconds(2 * MOST);

/// The kubelet looks some seconds after it may, so what is held for longer than that was not held back, but down.
const LATEST: Span = Span::seconds(MOST + 30);

/// A container that runs, or did last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Run {
    /// How often the container was started again, ever.
    pub restarts: u32,
    /// When the one before it ended, if that is known.
    pub previous_ended: Option<UnixTime>,
    /// When it started.
    pub started: UnixTime,
    /// When the kubelet started, if that is known.
    pub kubelet_started: Option<UnixTime>,
}

impl Run {
    /// How long the next one is held back if this one ends at `ended`. An estimate: what the kubelet remembers it does
    /// not tell, but how long it has held this one back tells how long it will the next.
    pub(crate) fn back_off(&self, ended: UnixTime) -> Span {
        let started_before = |moment: UnixTime| self.kubelet_started.is_none_or(|it| it <= moment);
        if self.restarts == 0 || ended - self.started > FORGOTTEN || !started_before(self.started) {
            return Span::seconds(0);
        }
        let previous_ended = self.previous_ended.filter(|moment| started_before(*moment));
        let held = previous_ended.map(|moment| self.started - moment);
        let held = held.filter(|held| *held <= LATEST).map_or(0, Span::as_seconds);
        let mut next = FIRST;
        // The first time it is held by the least, whatever the logs seem to say.
        for _ in 1..self.restarts {
            if held < next || next == MOST {
                break;
            }
            next = (next * 2).min(MOST);
        }
        Span::seconds(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A kubelet as its source has it.
    #[derive(Default)]
    struct Kubelet {
        back_off: i64,
        last_start: Option<i64>,
    }

    impl Kubelet {
        /// How long it holds back what has ended at `ended`, and started `late` seconds after it could have.
        fn start(&mut self, ended: i64, late: i64) -> i64 {
            let remembers = self.last_start.is_some_and(|start| ended - start <= 2 * MOST);
            let held = if remembers { self.back_off } else { 0 };
            self.back_off = if remembers { (held * 2).min(MOST) } else { FIRST };
            self.last_start = Some(ended + held + late);
            held
        }
    }

    const fn at(seconds: i64) -> UnixTime {
        UnixTime::new(seconds)
    }

    fn run(restarts: u32, held: i64) -> Run {
        let started = at(10_000);
        let previous_ended = Some(started - Span::seconds(held));
        Run { restarts, previous_ended, started, kubelet_started: Some(at(1)) }
    }

    fn held(run: Run, after: i64) -> i64 {
        run.back_off(run.started + Span::seconds(after)).as_seconds()
    }

    #[test]
    fn what_has_run_well_or_never_ended_is_started_at_once() {
        assert_eq!(held(run(0, 0), 5), 0);
        assert_eq!(held(run(7, 300), 601), 0);
        assert_eq!(held(run(7, 300), 600), 300);
    }

    #[test]
    fn a_kubelet_that_was_restarted_has_forgotten() {
        let with = |kubelet: i64| Run { kubelet_started: Some(at(kubelet)), ..run(5, 40) };
        assert_eq!(held(with(10_001), 5), 0, "after this one had started");
        assert_eq!(held(with(9_990), 5), 10, "after the one before had ended");
        assert_eq!(held(with(9_000), 5), 80);
        assert_eq!(held(Run { kubelet_started: None, ..run(5, 40) }, 5), 80);
    }

    #[test]
    fn what_was_down_for_long_was_not_held_back() {
        assert_eq!(held(run(9, 3_600), 5), 10);
        assert_eq!(held(Run { previous_ended: None, ..run(9, 3_600) }, 5), 10);
        assert_eq!(held(run(1, 100), 5), 10, "it was the first time");
    }

    proptest! {
        /// Whatever has happened: it is what the kubelet does, and never less.
        #[test]
        fn it_is_as_the_kubelet_does(
            history in prop::collection::vec((0_i64..900, 0_i64..25), 1..20),
            last in 0_i64..900,
        ) {
            let (mut kubelet, mut now) = (Kubelet::default(), 1_000_000);
            let (mut previous_ended, mut is_prompt) = (now, true);
            for (up, late) in &history {
                previous_ended = now + up;
                now = previous_ended + kubelet.start(previous_ended, *late) + late;
                is_prompt = *late < FIRST;
            }
            let run = Run {
                restarts: u32::try_from(history.len()).unwrap(),
                previous_ended: Some(at(previous_ended)),
                started: at(now),
                kubelet_started: Some(at(1)),
            };
            let (said, is) = (held(run, last), kubelet.start(now + last, 0));
            prop_assert!(said >= is, "{said} for {is}");
            prop_assert!(!is_prompt || said == is, "{said} for {is}");
        }
    }
}
