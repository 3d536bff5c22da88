//! A small world, in which every step can fail, and certwatch can be killed in the middle of any.

use proptest::prelude::*;

use super::*;
use crate::domain::kubernetes::Version;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::other_pod::FileAccess;
use crate::domain::renewal::plan::{RenewReason, Renewal, Skip, SkipReason};
use crate::domain::renewal::sample::{hook, other_pod};
use crate::domain::renewal::words;

/// Two pairs, each a key before its certificate.
const FILES: usize = 4;
const LIFETIME: Span = Span::days(365);
const NOW: UnixTime = UnixTime::new(1_000_000);

/// Which set of certificates something belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Set {
    Old,
    New,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Pod {
    uses: Set,
    is_up: bool,
}

/// What chance does to one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Works,
    /// It does this much of its work and reports a fault.
    Fails(usize),
    /// It reports that the new certificate was not taken.
    NotTaken,
    /// It does this much of its work and certwatch is gone.
    Crashes(usize),
}

#[derive(Clone, Debug)]
struct World {
    disk: [Set; FILES],
    backup: Option<[Set; FILES]>,
    is_staged: bool,
    pods: [Pod; 4],
}

#[test]
fn only_those_who_insist_do_not_wait_for_other_control_planes() {
    let begin = |task, overridden| {
        let plan = Plan { overridden, ..Plan::default() };
        Journal::begin(task, &plan, RestartPolicy::Needed, NOW).wait_for_peers
    };
    let peer = || vec![Blocker::PeerUnhealthy("cp2".to_owned())];
    assert!(begin(Task::Renew, vec![]));
    assert!(begin(Task::Restore("a".to_owned()), vec![]));
    assert!(!begin(Task::Renew, peer()));
    assert!(!begin(Task::Rescue, vec![]));
}

fn position(component: Component) -> usize {
    Component::ALL.iter().position(|it| *it == component).unwrap()
}

fn change() -> FileChange {
    FileChange { path: "pki/apiserver.crt".into(), before: None, after: String::new() }
}

impl Pod {
    /// `number` is that among those that are activated together.
    fn after(self, set: Set, fate: Fate, takes: bool, number: usize) -> Self {
        let is_even = |how_far: usize| (how_far >> number).is_multiple_of(2);
        match fate {
            Fate::Works if takes => Self { uses: set, is_up: true },
            Fate::Works | Fate::NotTaken => self,
            // It was told to end or not, and killed or not; if it was, the kubelet starts it again.
            Fate::Crashes(how_far) => {
                Self { uses: if is_even(how_far) { self.uses } else { set }, is_up: true }
            }
            Fate::Fails(how_far) => Self { is_up: is_even(how_far), ..self },
        }
    }
}

impl World {
    fn new() -> Self {
        let pod = Pod { uses: Set::Old, is_up: true };
        Self { disk: [Set::Old; FILES], backup: None, is_staged: false, pods: [pod; 4] }
    }

    /// Lays `set` over the disk, as far as fate lets it: a pair that cannot be new as a whole stays old, unless
    /// certwatch is killed between its files.
    fn lay(&mut self, set: Set, fate: Fate) {
        let most = match fate {
            Fate::Fails(count) => count % (FILES + 1) / 2 * 2,
            Fate::Crashes(count) => count % (FILES + 1),
            Fate::Works | Fate::NotTaken => FILES,
        };
        self.disk.iter_mut().take(most).for_each(|file| *file = set);
        // etcd and the API server read their files whenever they like.
        if self.disk.iter().all(|file| *file == set) {
            self.pods.iter_mut().take(2).for_each(|pod| pod.uses = set);
        }
    }

    fn has_whole_pairs(&self) -> bool {
        self.disk.chunks(2).all(|pair| pair[0] == pair[1])
    }

    /// What every start does after it has brought a journal to its end: of both sets there are copies.
    fn repair(&mut self) {
        for pair in self.disk.chunks_mut(2).filter(|pair| pair[0] != pair[1]) {
            pair.fill(Set::New);
        }
    }

    /// The pod at `index`, and with it what is restarted in the same outage.
    fn activate(
        &mut self,
        journal: &Journal,
        index: usize,
        set: Set,
        fate: Fate,
    ) -> Result<Done, Fault> {
        let live = journal.live[index];
        let partner = journal.together_with(index);
        let are_down = [Some(live.component), partner].map(|it| it.map(position));
        let is_up = |(at, pod): (usize, &Pod)| pod.is_up || are_down.contains(&Some(at));
        assert!(self.pods.iter().enumerate().all(is_up), "another one goes down: {self:?}");
        assert!(self.disk.iter().all(|file| *file == set), "half a set is activated: {self:?}");
        let reloads = live.component.reloads(Version::parse("v1.20.2"));
        for (number, at) in are_down.into_iter().flatten().enumerate() {
            self.pods[at] = self.pods[at].after(set, fate, live.restart || reloads, number);
        }
        match fate {
            Fate::Works if live.restart || reloads => Ok(Done::default()),
            Fate::Works | Fate::NotTaken => Err(Fault::not_taken("it did not take it")),
            // Nobody is left to hear of it.
            Fate::Crashes(_) => Ok(Done::default()),
            Fate::Fails(_) => Err(Fault::failed("it does not get healthy")),
        }
    }

    fn verify(&self, live: &[Live], set: Set) -> Result<Done, Fault> {
        let is_well =
            |live: &Live| self.pods[position(live.component)] == Pod { uses: set, is_up: true };
        if live.iter().all(is_well) {
            Ok(Done::default())
        } else {
            Err(Fault::failed("not proved"))
        }
    }

    fn perform(&mut self, journal: &Journal, fate: Fate) -> Result<Done, Fault> {
        let is_bad = matches!(fate, Fate::Fails(_) | Fate::NotTaken);
        let worked = || if is_bad { Err(Fault::failed("no")) } else { Ok(Done::default()) };
        let is_whole = fate == Fate::Works;
        match journal.step {
            Step::BackUp => {
                if is_whole && self.backup.is_none() {
                    self.backup = Some(self.disk);
                }
                worked()
            }
            Step::Stage => {
                assert!(self.backup.is_some(), "kubeadm before the backup");
                self.is_staged = is_whole;
                worked()
            }
            Step::Inspect => {
                assert!(self.is_staged);
                worked().map(|done| Done { changes: vec![change()], ..done })
            }
            Step::Install => {
                assert_eq!(self.backup, Some([Set::Old; FILES]), "no way back");
                assert!(self.is_staged && !journal.changes.is_empty());
                self.lay(Set::New, fate);
                worked()
            }
            Step::RollBack => {
                assert_eq!(self.backup, Some([Set::Old; FILES]));
                self.lay(Set::Old, fate);
                worked()
            }
            Step::Activate(index) => self.activate(journal, index, Set::New, fate),
            Step::ActivateOld(index) => {
                // What would not come up with the new files does with the old ones.
                self.pods.iter_mut().for_each(|pod| pod.is_up = true);
                self.activate(journal, index, Set::Old, fate)
            }
            Step::Verify if is_bad => Err(Fault::failed("no")),
            Step::Verify => self.verify(&journal.live, Set::New),
            Step::VerifyOld if is_bad => Err(Fault::failed("no")),
            Step::VerifyOld => self.verify(&journal.live, Set::Old),
            Step::Kubelet
            | Step::KubeletRotation
            | Step::KubeletClient
            | Step::KubeletServing
            | Step::KubeletServingBack
            | Step::RestartPod(_)
            | Step::Copies
            | Step::Hook(_)
            | Step::CleanUp(_) => worked(),
            Step::End(_) => unreachable!("nothing follows the end"),
        }
    }
}

fn plan(restart: RestartPolicy, ends_in: i64) -> Plan {
    let renewal = Renewal {
        name: "apiserver",
        path: "/etc/kubernetes/pki/apiserver.crt".into(),
        ends: Some(NOW + Span::days(ends_in)),
        lifetime: Some(LIFETIME),
        why: RenewReason::Due,
    };
    let reloads = [Component::Etcd, Component::Apiserver];
    let holds = [Component::ControllerManager, Component::Scheduler];
    let mut plan = Plan {
        renew: vec![renewal],
        other_pods: vec![
            other_pod("haproxy", FileAccess::Visible, false),
            other_pod("kube-vip", FileAccess::Mounted, true),
        ],
        copies: vec!["/root/.kube/config".into()],
        hooks: vec![hook(), hook()],
        ..Plan::default()
    };
    if restart == RestartPolicy::All {
        plan.restart = Component::ALL.map(|it| (it, RestartReason::Always)).to_vec();
        return plan;
    }
    plan.skip_restart = reloads.map(|it| (it, SkipRestartReason::Reloads)).to_vec();
    match restart {
        RestartPolicy::None => {
            plan.skip_restart.extend(holds.map(|it| (it, SkipRestartReason::Forbidden)));
        }
        _ => plan.restart = holds.map(|it| (it, RestartReason::HoldsKubeconfig)).to_vec(),
    }
    plan
}

fn begin(restart: RestartPolicy, ends_in: i64) -> Journal {
    Journal::begin(Task::Renew, &plan(restart, ends_in), restart, NOW)
}

/// Runs it to its end; after the list of fates everything works.
fn run(mut journal: Journal, fates: &[Fate]) -> (Journal, World, Vec<Step>) {
    let mut world = World::new();
    let mut fates = fates.iter().copied();
    let mut steps = Vec::new();
    while journal.outcome().is_none() {
        assert!(steps.len() < 200, "it does not end: {steps:?}");
        steps.push(journal.step);
        let fate = fates.next().unwrap_or(Fate::Works);
        let result = world.perform(&journal, fate);
        if matches!(fate, Fate::Crashes(_)) {
            // What was on disk before the step is all that is left.
            let text = serde_json::to_string(&journal).unwrap();
            journal = serde_json::from_str(&text).unwrap();
            journal.resume(NOW);
        } else {
            journal.after(result, NOW);
        }
    }
    (journal, world, steps)
}

fn assert_is_true(journal: &Journal, world: &World, ends_in: i64) {
    if journal.resumed == 0 {
        assert!(world.has_whole_pairs(), "half a pair without a crash: {journal:#?}");
    }
    let mut repaired = world.clone();
    repaired.repair();
    assert!(repaired.has_whole_pairs());
    let disk_is = |set| world.disk.iter().all(|file| *file == set);
    match journal.outcome().unwrap() {
        Outcome::Renewed => {
            assert!(disk_is(Set::New) && journal.fault.is_none());
            // Each part has had its turn, and nobody is said to use what is new who was not restarted.
            assert_eq!(journal.other_pods[0].result, SideResult::Pending);
            assert_ne!(journal.other_pods[1].result, SideResult::Pending);
            assert!(journal.hooks.iter().all(|run| run.result != SideResult::Pending));
            let is_left = journal.other_pods[1].result == SideResult::Failed;
            assert_eq!(journal.pods_left().count(), 1 + usize::from(is_left));
            assert_eq!(words::outcome_headline(journal).contains("kube-vip has to be"), is_left);
            world.verify(&journal.live, Set::New).unwrap();
        }
        Outcome::Unchanged => {
            assert!(disk_is(Set::Old) && journal.fault.is_some());
            assert_eq!(world.pods, World::new().pods);
        }
        Outcome::RolledBack => {
            assert!(ends_in > 0, "what is over was put back");
            assert!(disk_is(Set::Old) && journal.fault.is_some());
            assert_eq!(world.pods, World::new().pods);
        }
        Outcome::PartiallyApplied => {
            assert!(disk_is(Set::New) && journal.fault.is_some() && ends_in < 3);
        }
        Outcome::NeedsOperator => {
            // As long as the old ones are good, it is stuck only where going back failed as well.
            let is_half_installed = journal.retried && ends_in <= 0;
            assert!(journal.rollback_error.is_some() || is_half_installed, "{journal:#?}");
        }
    }
}

#[test]
fn when_all_goes_well() {
    let (journal, _, steps) = run(begin(RestartPolicy::Needed, 5), &[]);
    assert_eq!(journal.outcome(), Some(Outcome::Renewed));
    let expected = [
        Step::BackUp,
        Step::Stage,
        Step::Inspect,
        Step::Install,
        Step::Activate(0),
        Step::Activate(1),
        Step::Activate(2),
        Step::Activate(3),
        Step::Verify,
        Step::RestartPod(1),
        Step::Copies,
        Step::Hook(0),
        Step::Hook(1),
        Step::CleanUp(Outcome::Renewed),
    ];
    assert_eq!(steps, expected);
    assert_eq!(journal.id, "1970-01-12T13-46-40Z");
}

#[test]
fn what_follows_the_proof_undoes_nothing() {
    let fates = [vec![Fate::Works; 9], vec![Fate::Fails(0); 3]].concat();
    let (journal, _, steps) = run(begin(RestartPolicy::Needed, 5), &fates);
    assert!(steps.contains(&Step::Copies) && !steps.contains(&Step::RollBack), "{steps:?}");
    assert_eq!(journal.outcome(), Some(Outcome::Renewed));
    assert!(journal.has_failed_part());
    assert!(steps.contains(&Step::Hook(1)), "the next one has its turn: {steps:?}");
    let results = [0, 1].map(|index: usize| journal.hooks[index].result);
    assert_eq!(results, [SideResult::Failed, SideResult::Done]);
    assert_eq!(
        words::outcome_headline(&journal),
        "apiserver is renewed, but kube-vip has to be restarted, and the hook reload-haproxy failed"
    );
    let text = words::outcome_text(&journal).join("\n");
    for pod in ["haproxy may use the old apiserver", "kube-vip uses the old apiserver"] {
        assert!(text.contains(pod), "{text}");
    }
    // One that kills certwatch again and again is left out.
    let fates = [vec![Fate::Works; 9], vec![Fate::Crashes(0); 4]].concat();
    let (journal, ..) = run(begin(RestartPolicy::Needed, 5), &fates);
    assert_eq!(journal.outcome(), Some(Outcome::Renewed));
    assert_eq!(journal.other_pods[1].result, SideResult::Failed);
}

#[test]
fn what_does_not_take_it_is_restarted_once() {
    let fates = [[Fate::Works; 4].as_slice(), &[Fate::NotTaken; 2]].concat();
    let (journal, world, steps) = run(begin(RestartPolicy::Needed, 5), &fates);
    assert_eq!(steps.iter().filter(|step| **step == Step::Activate(0)).count(), 2);
    assert_eq!(journal.outcome(), Some(Outcome::RolledBack));
    assert_is_true(&journal, &world, 5);
}

#[test]
fn restarts_that_are_forbidden_do_not_happen() {
    let fates = [[Fate::Works; 4].as_slice(), &[Fate::NotTaken]].concat();
    let (journal, ..) = run(begin(RestartPolicy::None, 5), &fates);
    assert!(journal.live.iter().all(|live| !live.restart));
    assert!(journal.notes[0].contains("`pkill -x kube-controller`"), "{:?}", journal.notes);
    assert_eq!(journal.outcome(), Some(Outcome::RolledBack));
}

/// Each has its step all the same: what a crash has left of the two is found there.
#[test]
fn an_api_server_is_restarted_together_with_its_etcd_and_with_nothing_else() {
    let together = |journal: &Journal| {
        (0..=journal.live.len()).map(|index| journal.together_with(index)).collect::<Vec<_>>()
    };
    let all = begin(RestartPolicy::All, 5);
    assert_eq!(together(&all), [Some(Component::Apiserver), None, None, None, None]);
    assert_eq!(together(&begin(RestartPolicy::Needed, 5)), [None; 5]);
    let (journal, world, steps) = run(all.clone(), &[]);
    assert!((0..4).all(|index| steps.contains(&Step::Activate(index))), "{steps:?}");
    assert_is_true(&journal, &world, 5);
    // One that fails takes the other back with it.
    let fates = [[Fate::Works; 4].as_slice(), &[Fate::Fails(3)]].concat();
    let (journal, world, _) = run(all, &fates);
    assert_eq!(journal.outcome(), Some(Outcome::RolledBack));
    assert_is_true(&journal, &world, 5);
}

#[test]
fn what_was_not_begun_says_why() {
    let skip = |name: &str, why| Skip { name: name.to_owned(), ends: Some(NOW), why };
    let skip =
        vec![skip("admin.conf", SkipReason::NotEmbedded), skip("apiserver", SkipReason::NotDue)];
    let journal = Journal::refused(&Plan { skip, ..Plan::default() }, NOW, NOW);
    let text = words::outcome_text(&journal).concat();
    assert!(text.starts_with("It was not started: admin.conf: refers to files"), "{text}");
    assert!(!text.contains("apiserver"), "{text}");
    let headline = words::outcome_headline(&journal);
    assert_eq!(headline, "admin.conf could not be renewed, nothing was changed");
}

#[test]
fn what_has_been_in_the_way_for_long_is_told_with_what_to_do() {
    let verb = "upgrade node".to_owned();
    let blockers = vec![Blocker::KubeadmRuns { pid: 4242, verb }];
    let plan = Plan { blockers, ..plan(RestartPolicy::Needed, 5) };
    let text = words::outcome_text(&Journal::refused(&plan, NOW - Span::hours(25), NOW)).join(" ");
    let told = [
        "process 4242: `kubeadm upgrade node`",
        "end it: `kill 4242`",
        "It has been blocked for 25 h",
    ];
    assert!(told.iter().all(|it| text.contains(it)), "{text}");
}

/// What somebody else wrote meanwhile stays.
#[test]
fn what_was_not_begun_is_not_put_back() {
    let mut journal = Journal { step: Step::Install, ..begin(RestartPolicy::Needed, 5) };
    let fault = Fault { kind: FaultKind::Untouched, what: "somebody else changed it".to_owned() };
    journal.after(Err(fault), NOW);
    assert_eq!(journal.step, Step::CleanUp(Outcome::Unchanged));
}

#[test]
fn what_is_over_is_not_put_back() {
    let fates = [[Fate::Works; 4].as_slice(), &[Fate::Fails(0)]].concat();
    let (journal, world, steps) = run(begin(RestartPolicy::Needed, -5), &fates);
    assert_eq!(journal.outcome(), Some(Outcome::PartiallyApplied));
    assert!(!steps.contains(&Step::RollBack));
    assert_is_true(&journal, &world, -5);
}

#[test]
fn what_is_over_is_not_put_back_over_half_a_set_either() {
    let install = [Fate::Works; 3].as_slice();
    let (journal, world, steps) =
        run(begin(RestartPolicy::Needed, -5), &[install, &[Fate::Fails(2)]].concat());
    assert_eq!(
        journal.outcome(),
        Some(Outcome::Renewed),
        "the second time it goes well: {steps:?}"
    );
    assert_is_true(&journal, &world, -5);
    let (journal, _, steps) =
        run(begin(RestartPolicy::Needed, -5), &[install, &[Fate::Fails(2); 2]].concat());
    assert_eq!(journal.outcome(), Some(Outcome::NeedsOperator));
    assert!(!steps.contains(&Step::RollBack));
}

/// A pair that does not match, or has no key at all, is not put back, so it keeps no other from it.
#[test]
fn a_pair_that_nobody_can_use_takes_the_way_back_from_no_other() {
    let with = |mismatched: &[usize]| {
        let mut plan = plan(RestartPolicy::Needed, 30);
        plan.renew = vec![plan.renew[0].clone(); 3];
        mismatched.iter().for_each(|index| plan.renew[*index].why = RenewReason::KeyMismatch);
        Journal::begin(Task::Renew, &plan, RestartPolicy::Needed, NOW)
    };
    let whole = with(&[]);
    for mismatched in [&[0][..], &[2], &[0, 1]] {
        let journal = with(mismatched);
        assert_eq!(journal.old_ends, whole.old_ends);
        assert_eq!(journal.back_until, whole.back_until);
        let fates = [[Fate::Works; 4].as_slice(), &[Fate::Fails(0)]].concat();
        let (journal, _, steps) = run(journal, &fates);
        assert!(steps.contains(&Step::RollBack), "{journal:#?}");
    }
    let lost = with(&[0, 1, 2]);
    assert!(lost.old_ends == Some(NOW) && lost.is_too_late(NOW + Span::seconds(1)));
}

/// What has read nothing new needs no restart to use the old.
#[test]
fn nothing_is_restarted_for_what_was_not_installed() {
    let mut journal = Journal { step: Step::Install, ..begin(RestartPolicy::Needed, 5) };
    journal.after(Err(Fault::failed("the disk is full")), NOW);
    assert_eq!(journal.step, Step::RollBack);
    assert!(journal.live.iter().all(|live| !live.restart));
}

#[test]
fn what_kills_certwatch_again_and_again_is_undone() {
    let fates = [[Fate::Works; 3].as_slice(), &[Fate::Crashes(2); 4]].concat();
    let (journal, world, _) = run(begin(RestartPolicy::Needed, 5), &fates);
    assert_eq!(journal.outcome(), Some(Outcome::RolledBack));
    assert_is_true(&journal, &world, 5);
}

#[test]
fn a_rescue_brings_the_kubelet_back_before_anything_is_restarted() {
    let mut plan = plan(RestartPolicy::Needed, -30);
    plan.kubelet = true;
    let journal = Journal::begin(Task::Rescue, &plan, RestartPolicy::Needed, NOW);
    let (journal, _, steps) = run(journal, &[]);
    let at = |step| steps.iter().position(|it| *it == step).unwrap();
    assert!(at(Step::Install) < at(Step::Kubelet) && at(Step::Kubelet) < at(Step::Activate(0)));
    assert!(at(Step::Verify) < at(Step::KubeletRotation));
    assert_eq!(journal.outcome(), Some(Outcome::Renewed));
}

#[test]
fn a_failed_installation_goes_back_as_long_as_the_old_ones_are_good() {
    let fates = [[Fate::Works; 3].as_slice(), &[Fate::Fails(2)]].concat();
    for ends_in in [1, 2, 5, 200] {
        let (journal, world, steps) = run(begin(RestartPolicy::Needed, ends_in), &fates);
        assert!(steps.contains(&Step::RollBack), "{ends_in} d: {steps:?}");
        assert_eq!(journal.outcome(), Some(Outcome::RolledBack));
        assert_is_true(&journal, &world, ends_in);
    }
}

/// Three days are nothing to one that lives for a year, and a third of its life to one that lives for nine.
#[test]
fn how_late_is_too_late_to_go_back_follows_from_how_long_they_live() {
    let goes_back = |lifetime: Option<Span>, left: Span| {
        let mut plan = plan(RestartPolicy::Needed, 5);
        plan.renew[0] = Renewal { ends: Some(NOW + left), lifetime, ..plan.renew[0].clone() };
        let journal = Journal::begin(Task::Renew, &plan, RestartPolicy::Needed, NOW);
        let mut journal = Journal { step: Step::Verify, changes: vec![change()], ..journal };
        journal.after(Err(Fault::failed("no")), NOW);
        journal.step == Step::RollBack
    };
    for (lifetime, enough, too_little) in [
        (Some(Span::days(365)), Span::days(4), Span::days(2)),
        (Some(Span::days(9)), Span::hours(22), Span::hours(21)),
        (Some(Span::hours(24)), Span::hours(3), Span::hours(2)),
        (Some(Span::hours(1)), Span::minutes(7), Span::minutes(5)),
        (None, Span::days(4), Span::days(2)),
    ] {
        assert!(goes_back(lifetime, enough), "{lifetime:?}, {enough}");
        assert!(!goes_back(lifetime, too_little), "{lifetime:?}, {too_little}");
    }
}

/// Each fault, alone and again and again, in each step, with each life that may be left.
#[test]
fn no_single_fault_leaves_half_a_pair() {
    let faults = (0..=FILES).map(Fate::Fails).chain([Fate::NotTaken]);
    for fault in faults {
        for (at, count, ends_in) in (0..14)
            .flat_map(|at| [1, 2, 9].map(|count| (at, count)))
            .flat_map(|(at, count)| [-5, 0, 1, 2, 5, 200].map(|ends| (at, count, ends)))
        {
            let fates = [vec![Fate::Works; at], vec![fault; count]].concat();
            let (journal, world, _) = run(begin(RestartPolicy::Needed, ends_in), &fates);
            assert_is_true(&journal, &world, ends_in);
            let is_restorable = count == 1;
            if ends_in > 0 && is_restorable {
                assert_ne!(
                    journal.outcome(),
                    Some(Outcome::NeedsOperator),
                    "{fault:?} at {at}, {ends_in} d"
                );
            }
        }
    }
}

/// What is repaired is of no use as it was.
#[test]
fn a_repair_never_goes_back() {
    let users = [Component::Etcd, Component::Apiserver];
    for at in 0..8 {
        let mut journal =
            Journal::repair(vec!["etcd-server".to_owned()], &users, "found".to_owned(), NOW);
        let mut steps = Vec::new();
        while journal.outcome().is_none() {
            let is_bad = steps.len() >= at;
            steps.push(journal.step);
            let done = Done { changes: vec![change()], ..Done::default() };
            journal.after(if is_bad { Err(Fault::failed("no")) } else { Ok(done) }, NOW);
        }
        assert!(!steps.contains(&Step::RollBack), "{steps:?}");
        assert!(journal.live.iter().all(|live| !live.restart));
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Works),
        1 => Just(Fate::NotTaken),
        2 => (0_usize..9).prop_map(Fate::Fails),
        3 => (0_usize..9).prop_map(Fate::Crashes),
    ]
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    prop_oneof![Just(RestartPolicy::Needed), Just(RestartPolicy::None), Just(RestartPolicy::All)]
}

proptest! {
    /// Whatever fails and however often it is killed: it ends, and what it says is so. That nothing
    /// is renewed before the backup, that only a whole set is activated, and that at most one pod is
    /// down at a time, the world asserts at each step.
    #[test]
    fn what_it_says_is_so(
        fates in prop::collection::vec(fate(), 0..30),
        restart in policy(),
        ends_in in prop_oneof![Just(5_i64), Just(1), Just(0), Just(-5)],
    ) {
        let (journal, world, steps) = run(begin(restart, ends_in), &fates);
        assert_is_true(&journal, &world, ends_in);
        // What was put back is activated and verified before anybody says so.
        if journal.outcome() == Some(Outcome::RolledBack) {
            let last = steps.iter().rposition(|step| *step == Step::RollBack).unwrap();
            for index in 0..journal.live.len() {
                prop_assert!(steps[last..].contains(&Step::ActivateOld(index)));
            }
            prop_assert!(steps[last..].contains(&Step::VerifyOld));
        }
    }

    /// From any point of any history: if nothing fails from there on, no person is needed.
    #[test]
    fn any_prefix_converges(crash_at in 0_usize..12, how_far in 0_usize..9, restart in policy()) {
        let fates = [vec![Fate::Works; crash_at], vec![Fate::Crashes(how_far)]].concat();
        let (journal, world, _) = run(begin(restart, 5), &fates);
        assert_is_true(&journal, &world, 5);
        prop_assert!(matches!(journal.outcome(), Some(Outcome::Renewed | Outcome::Unchanged)));
    }
}
