//! The kubelet's own certificates, of which a renewal has one: its step, and what follows a fault in it.

use crate::domain::renewal::kubelet_renewal::{KubeletRenewal, KubeletWay};
use crate::domain::renewal::{FaultKind, Journal, Outcome, Step};

pub(super) const fn first(renewal: KubeletRenewal) -> Step {
    match renewal.way {
        KubeletWay::Serving => Step::KubeletServing,
        KubeletWay::Rotation | KubeletWay::Recovery => Step::KubeletClient,
    }
}

/// True if what follows a fault is the same whatever else is renewed.
pub(super) fn is_judge_of(journal: &Journal, kind: FaultKind) -> bool {
    match journal.step {
        Step::KubeletClient | Step::KubeletServing => true,
        Step::Kubelet => kind == FaultKind::Untouched && journal.kubelet_renewal.is_some(),
        _ => false,
    }
}

/// A client certificate that has not come is missed by nobody yet, as long as the kubelet is well.
pub(super) const fn failed(step: Step, kind: FaultKind) -> Step {
    match (step, kind) {
        (_, FaultKind::Untouched) => Step::CleanUp(Outcome::Unchanged),
        (Step::KubeletServing, _) => Step::KubeletServingBack,
        (_, FaultKind::NotTaken) => Step::CleanUp(Outcome::Unchanged),
        (_, FaultKind::Failed) => Step::CleanUp(Outcome::NeedsOperator),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::plan::{Plan, RestartPolicy};
    use crate::domain::renewal::{Done, Fault, Task};
    use crate::domain::time::UnixTime;

    const NOW: UnixTime = UnixTime::new(1_000_000);

    fn begin(way: KubeletWay) -> Journal {
        let plan = Plan {
            kubelet: way == KubeletWay::Recovery,
            kubelet_renewal: Some(KubeletRenewal { way, ends: NOW }),
            ..Plan::default()
        };
        Journal::begin(Task::Renew, &plan, RestartPolicy::Needed, NOW)
    }

    /// Its steps, where these fail so and all others work.
    fn steps(way: KubeletWay, faults: &[(Step, FaultKind)]) -> (Vec<Step>, Journal) {
        let mut journal = begin(way);
        let mut steps = Vec::new();
        while journal.outcome().is_none() {
            steps.push(journal.step);
            let fault = faults.iter().find(|(step, _)| *step == journal.step);
            let fault = fault.map(|(_, kind)| Fault { kind: *kind, what: "no".to_owned() });
            journal.after(fault.map_or_else(|| Ok(Done::default()), Err), NOW);
        }
        (steps, journal)
    }

    #[test]
    fn each_way_has_its_steps() {
        let end = Step::CleanUp(Outcome::Renewed);
        let of = |way| steps(way, &[]).0;
        assert_eq!(of(KubeletWay::Rotation), [Step::Verify, Step::KubeletClient, end]);
        assert_eq!(of(KubeletWay::Serving), [Step::Verify, Step::KubeletServing, end]);
        let recovery = [Step::Kubelet, Step::Verify, Step::KubeletRotation, end];
        assert_eq!(of(KubeletWay::Recovery), recovery);
        assert_eq!(
            begin(KubeletWay::Recovery).kubelet_renewal.unwrap().ends,
            NOW,
            "what it is to outlive"
        );
    }

    #[test]
    fn what_fails_ends_as_it_is() {
        let ends = |way, faults: &[_]| {
            let (steps, journal) = steps(way, faults);
            assert!(journal.fault.is_some());
            (steps.contains(&Step::KubeletServingBack), journal.outcome().unwrap())
        };
        let client = |kind| ends(KubeletWay::Rotation, &[(Step::KubeletClient, kind)]);
        assert_eq!(client(FaultKind::NotTaken), (false, Outcome::Unchanged));
        assert_eq!(client(FaultKind::Failed), (false, Outcome::NeedsOperator));
        for (way, step) in
            [(KubeletWay::Serving, Step::KubeletServing), (KubeletWay::Recovery, Step::Kubelet)]
        {
            let untouched = ends(way, &[(step, FaultKind::Untouched)]);
            assert_eq!(untouched, (false, Outcome::Unchanged), "{step:?}");
        }
        let given = (Step::Kubelet, FaultKind::Failed);
        assert_eq!(ends(KubeletWay::Recovery, &[given]), (false, Outcome::NeedsOperator));
        let serving = (Step::KubeletServing, FaultKind::Failed);
        let back = (Step::KubeletServingBack, FaultKind::Failed);
        assert_eq!(ends(KubeletWay::Serving, &[serving]), (true, Outcome::RolledBack));
        assert_eq!(ends(KubeletWay::Serving, &[serving, back]), (true, Outcome::NeedsOperator));
        let given = [(Step::Kubelet, FaultKind::Failed)];
        assert_eq!(ends(KubeletWay::Recovery, &given), (false, Outcome::NeedsOperator));
    }

    #[test]
    fn what_is_interrupted_is_taken_again_and_put_back_in_the_end() {
        for (way, step, outcome) in [
            (KubeletWay::Serving, Step::KubeletServing, Outcome::RolledBack),
            (KubeletWay::Rotation, Step::KubeletClient, Outcome::NeedsOperator),
        ] {
            let mut journal = begin(way);
            journal.after(Ok(Done::default()), NOW);
            for _ in 0..3 {
                journal.resume(NOW);
                assert_eq!(journal.step, step);
            }
            journal.resume(NOW);
            while journal.outcome().is_none() {
                assert_ne!(journal.step, step);
                journal.after(Ok(Done::default()), NOW);
            }
            assert_eq!(journal.outcome(), Some(outcome));
        }
    }
}
