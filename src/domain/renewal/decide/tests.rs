use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::Component;
use super::super::blocker::Blocker;
use super::super::kubelet_renewal::KubeletWay;
use super::super::plan::{ComponentFacts, RestartPolicy, RestartReason, SkipRestartReason};
use super::*;
use crate::domain::kubernetes::Version;
use crate::domain::model::{Ca, ClientAuth, Name, Place, Sha256};

const DAY: i64 = 86_400;
const NOW: i64 = 1_000 * DAY;

fn now() -> UnixTime {
    UnixTime::new(NOW)
}

fn days(from_now: i64) -> UnixTime {
    UnixTime::new(NOW + from_now * DAY)
}

fn certificate(left: i64, ca_left: i64) -> Certificate {
    let ca = Ca {
        path: Path::new("/etc/kubernetes/pki/ca.crt").into(),
        sha256: Sha256([9; 32]),
        not_after: days(ca_left),
        has_key: true,
    };
    Certificate {
        subject: Name::default(),
        issuer: Name::default(),
        serial: Box::default(),
        sans: Box::default(),
        not_before: days(left - 365),
        not_after: days(left),
        sha256: Sha256([0; 32]),
        key_sha256: Sha256([0; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::Verified(Arc::new(ca)),
    }
}

fn item(name: &str, certificate: Certificate) -> Item {
    let role = role::kubeadm(name).unwrap();
    let (file, entry) = if name.ends_with(".conf") {
        (name.to_owned(), Entry::User { name: "user".into(), index: 0 })
    } else {
        (format!("pki/{name}.crt"), Entry::Pem(0))
    };
    Item {
        place: Place::new(Path::new("/etc/kubernetes").join(file), entry),
        role,
        content: Content::Certificate(Box::new(certificate)),
        has_key: Some(true),
        named_by: None,
        stale_use: None,
        chain: None,
    }
}

/// A control plane whose leaves all have so many days left.
fn inventory(left: i64) -> Inventory {
    let names = role::KUBEADM.iter().map(|role| role.id).filter(|id| *id != "super-admin.conf");
    let items = names.map(|name| item(name, certificate(left, 4_000))).collect();
    Inventory { items, ..Inventory::default() }
}

fn facts(component: Component) -> ComponentFacts {
    ComponentFacts {
        component,
        version: Version::parse("v1.20.2"),
        started: Some(days(-1)),
        served: None,
        stale: None,
        loopback_not_after: None,
        is_ours_to_signal: true,
        back_off: Span::seconds(0),
    }
}

fn node() -> NodeFacts {
    NodeFacts { components: Component::ALL.map(facts).to_vec(), ..NodeFacts::default() }
}

fn request(selection: Selection) -> RenewRequest {
    RenewRequest { selection, force: false, rescue: false }
}

fn named(names: &[&str]) -> Selection {
    Selection::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

const TERMS: RenewalPolicy = RenewalPolicy {
    restart_stale: false,
    kubelet: None,
    before: Span::days(30),
    short_lived: Span::days(60),
    restart: RestartPolicy::Needed,
};

fn planned(inventory: &Inventory, node: &NodeFacts, selection: Selection) -> Plan {
    plan(inventory, node, &request(selection), &TERMS, now())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.renew.iter().map(|renewal| renewal.name).collect()
}

fn why_not<'a>(plan: &'a Plan, name: &str) -> &'a SkipReason {
    &plan
        .skip
        .iter()
        .find(|skip| skip.name == name)
        .unwrap_or_else(|| panic!("{name}: {plan:#?}"))
        .why
}

#[test]
fn other_pods_are_in_the_plan_with_what_is_renewed_of_theirs() {
    use crate::domain::renewal::other_pod::{FileAccess, PodUse};
    use crate::domain::renewal::sample::other_pod;
    let mut pod = other_pod("kube-vip", FileAccess::Mounted, true);
    let other = PodUse { certificate: "admin.conf".to_owned(), ..pod.uses[0].clone() };
    pod.uses.push(other);
    let facts = |is_stale| {
        let mut pod = pod.clone();
        pod.uses[0].is_stale = is_stale;
        NodeFacts { other_pods: vec![pod], ..node() }
    };
    let uses = |plan: &Plan| -> Vec<String> {
        plan.other_pods.iter().flat_map(|it| &it.uses).map(|it| it.certificate.clone()).collect()
    };
    let due = planned(&inventory(5), &facts(false), Selection::Due);
    assert_eq!(uses(&due), ["apiserver", "admin.conf"]);
    let one = planned(&inventory(300), &facts(false), named(&["admin.conf"]));
    assert_eq!(uses(&one), ["admin.conf"]);
    // What has an old file is restarted though nothing is renewed; nothing else is.
    for selection in [Selection::Due, Selection::Stale, named(&["apiserver"])] {
        let is_named = matches!(selection, Selection::Named(_));
        let stale = planned(&inventory(300), &facts(true), selection.clone());
        assert_eq!(uses(&stale), ["apiserver"]);
        assert!(!stale.is_empty());
        let fresh = planned(&inventory(300), &facts(false), selection);
        assert_eq!(uses(&fresh).is_empty(), !is_named);
    }
    let policy = RenewalPolicy { restart: RestartPolicy::None, ..TERMS };
    let none = plan(&inventory(5), &facts(false), &request(Selection::Due), &policy, now());
    assert!(!none.other_pods[0].restart);
    let restored = restoring(&["admin.conf"], &inventory(5), &facts(false), false, &TERMS, now());
    assert_eq!(uses(&restored), ["admin.conf"]);
}

#[test]
fn what_is_due_is_renewed_and_two_are_restarted() {
    let plan = planned(&inventory(5), &node(), Selection::Due);
    assert_eq!(plan.renew.len(), 10, "{plan:#?}");
    assert!(plan.renew.iter().all(|renewal| renewal.why == RenewReason::Due));
    let restarted = [Component::ControllerManager, Component::Scheduler];
    assert_eq!(plan.restart, restarted.map(|it| (it, RestartReason::HoldsKubeconfig)));
    let left = [Component::Etcd, Component::Apiserver];
    assert_eq!(plan.skip_restart, left.map(|it| (it, SkipRestartReason::Reloads)));
    assert_eq!(why_not(&plan, "super-admin.conf"), &SkipReason::Absent);
}

#[test]
fn what_is_well_is_left_alone() {
    let plan = planned(&inventory(300), &node(), Selection::Due);
    assert!(plan.is_empty() && !plan.incomplete, "{plan:#?}");
    assert_eq!(why_not(&plan, "apiserver"), &SkipReason::NotDue);
    assert!(plan.skip_restart.iter().all(|(_, why)| *why == SkipRestartReason::NotConcerned));
}

#[test]
fn a_wish_for_what_is_due_concerns_what_is_due() {
    let concerns = |selection, left| {
        concerns(&request(selection), "admin.conf", &inventory(left), &TERMS, now())
    };
    assert!(concerns(Selection::Due, 5), "its copies grow stale");
    assert!(!concerns(Selection::Due, 300));
    assert!(concerns(Selection::All, 300));
    assert!(!concerns(named(&["apiserver"]), 5));
}

/// What has been started again lately is away for longer, and so is an API server whose etcd is.
#[test]
fn what_the_kubelet_holds_back_is_told() {
    let mut node = node();
    let policy = RenewalPolicy { restart: RestartPolicy::All, ..TERMS };
    let plan_of =
        |node: &NodeFacts| plan(&inventory(5), node, &request(Selection::Due), &policy, days(0));
    let usual = plan_of(&node);
    assert_eq!(usual.outage(Component::Apiserver), "about 15 s");
    assert!(usual.warnings.is_empty(), "{usual:#?}");
    node.components[1].version = Version::parse("v1.37.2");
    assert_eq!(plan_of(&node).outage(Component::Apiserver), "about 10 s");
    node.components[1].version = Version::parse("v1.20.2");
    node.components[0].back_off = Span::seconds(40);
    let held_back = plan_of(&node);
    assert_eq!(held_back.outage(Component::Etcd), "that of kube-apiserver");
    assert_eq!(held_back.outage(Component::Apiserver), "about 55 s");
    assert_eq!(held_back.outage(Component::Scheduler), usual.outage(Component::Scheduler));
    let said = "the kubelet holds etcd back for about 40 s";
    assert!(held_back.warnings[0].starts_with(said), "{held_back:#?}");
    node.kubelet_is_stranded = true;
    let rescue = RenewRequest { rescue: true, ..request(Selection::Due) };
    let rescued = plan(&inventory(5), &node, &rescue, &policy, days(0));
    assert_eq!(rescued.outage(Component::Apiserver), "about 15 s", "a new kubelet has forgotten");
}

#[test]
fn by_name_only_that_one_is_touched() {
    let plan = planned(&inventory(300), &node(), named(&["scheduler.conf"]));
    assert_eq!(names(&plan), ["scheduler.conf"]);
    assert_eq!(plan.renew[0].why, RenewReason::Asked);
    assert_eq!(plan.restart, [(Component::Scheduler, RestartReason::HoldsKubeconfig)]);
}

#[test]
fn names_that_are_not_kubeadms_get_a_reason() {
    let plan = planned(&inventory(300), &node(), named(&["ca", "kubelet-server", "apisrver"]));
    assert!(plan.renew.is_empty());
    assert_eq!(why_not(&plan, "ca"), &SkipReason::Ca);
    assert!(matches!(why_not(&plan, "kubelet-server"), SkipReason::NotKubeadms(_)));
    assert_eq!(why_not(&plan, "apisrver"), &SkipReason::Unknown);
}

/// With the kubelet's client certificate, of which so many days are left.
fn with_kubelet(mut inventory: Inventory, left: i64) -> Inventory {
    let current = Path::new("/var/lib/kubelet/pki/kubelet-client-current.pem");
    let content = Content::Certificate(Box::new(certificate(left, 4_000)));
    let place = Place::new(current, Entry::Pem(0));
    inventory.items.push(Item::new(place, &role::KUBELET_CLIENT, content));
    inventory
}

#[test]
fn the_kubelet_waits_until_nothing_of_kubeadms_is_due() {
    let policy = RenewalPolicy { kubelet: Some(Span::days(7)), ..TERMS };
    let planned = |inventory: &Inventory, selection| {
        plan(inventory, &node(), &request(selection), &policy, now())
    };
    let alone = planned(&with_kubelet(inventory(300), 20), Selection::Due);
    assert_eq!(alone.kubelet_renewal.map(|it| it.way), Some(KubeletWay::Rotation));
    assert!(!alone.kubelet && !alone.is_empty() && !alone.incomplete && alone.renew.is_empty());
    let later = planned(&with_kubelet(inventory(5), 20), Selection::Due);
    assert_eq!((later.kubelet_renewal, later.kubelet), (None, false));
    assert!(later.warnings.iter().any(|it| it.contains("`certwatch renew` once more")));
    let turn = planned(&with_kubelet(inventory(5), 20), Selection::Kubelet);
    assert!(turn.kubelet_renewal.is_some() && turn.renew.is_empty() && turn.restart.is_empty());
    assert!(planned(&with_kubelet(inventory(300), 300), Selection::Due).is_empty());
    let named = planned(&with_kubelet(inventory(300), 300), named(&["kubelet-client"]));
    assert_eq!(why_not(&named, "kubelet-client"), &SkipReason::NotDue);
    assert!(
        super::plan(
            &with_kubelet(inventory(300), 20),
            &node(),
            &request(Selection::Due),
            &TERMS,
            now()
        )
        .is_empty()
    );
}

/// It does not answer for want of a certificate. Before it only rotates one, it has to be well.
#[test]
fn a_kubelet_that_is_down_is_brought_back_where_its_certificate_has_expired() {
    let policy = RenewalPolicy { kubelet: Some(Span::days(7)), ..TERMS };
    let none = || "its port refuses connections".to_owned();
    // As after a boot.
    let down = vec![
        Blocker::KubeletDown(none()),
        Blocker::Unhealthy(Component::Etcd, none()),
        Blocker::Unhealthy(Component::Apiserver, none()),
    ];
    let node = NodeFacts { blockers: down.clone(), ..node() };
    let blocked = |left| {
        let inventory = with_kubelet(inventory(300), left);
        let plan = plan(&inventory, &node, &request(Selection::Due), &policy, now());
        (plan.kubelet, plan.blockers, plan.overridden)
    };
    assert_eq!(blocked(-1), (true, vec![], down.clone()));
    assert_eq!(blocked(20), (false, down, vec![]));
    let runtime = Blocker::RuntimeDown { socket: "/run/a.sock".into(), why: none() };
    let node = NodeFacts { blockers: vec![runtime.clone()], ..node };
    let inventory = with_kubelet(inventory(300), -1);
    let plan = plan(&inventory, &node, &request(Selection::Due), &policy, now());
    assert_eq!(plan.blockers, [runtime], "it would not start");
}

#[test]
fn the_ca_decides_what_can_be_gained() {
    for (left, ca_left, expected) in [
        (5, 5, Some(SkipReason::CaTooShort(days(5)))),
        (5, 6, None),
        (5, -1, Some(SkipReason::CaExpired(days(-1)))),
        (-5, 100, None),
        (400, 3_000, Some(SkipReason::Shorter(days(365)))),
    ] {
        let inventory = Inventory {
            items: vec![item("apiserver", certificate(left, ca_left))],
            ..Inventory::default()
        };
        let plan = planned(&inventory, &node(), named(&["apiserver"]));
        match expected {
            Some(why) => assert_eq!(why_not(&plan, "apiserver"), &why),
            None => assert_eq!(names(&plan), ["apiserver"], "{left} {ca_left}: {plan:#?}"),
        }
    }
}

#[test]
fn what_was_renewed_a_moment_ago_lets_nobody_wait_in_vain() {
    let by_name = |left| planned(&inventory(left), &node(), named(&["apiserver"]));
    assert!(!by_name(365).incomplete, "it is as good as new");
    assert!(by_name(3_650).incomplete, "a stock kubeadm would make it shorter");
}

#[test]
fn an_external_ca_signs_elsewhere() {
    let mut inventory = inventory(5);
    for item in &mut inventory.items {
        item.has_key = Some(item.role.ca != Some("ca.crt"));
    }
    let plan = planned(&inventory, &node(), Selection::Due);
    assert_eq!(why_not(&plan, "apiserver"), &SkipReason::ExternalCa);
    assert!(plan.incomplete, "somebody has to do it");
    assert!(names(&plan).contains(&"etcd-server"), "the others can be renewed: {plan:#?}");
}

#[test]
fn an_external_etcd_keeps_its_own() {
    let mut node = node();
    node.has_external_etcd = true;
    node.components.retain(|facts| facts.component != Component::Etcd);
    let plan = planned(&inventory(5), &node, Selection::Due);
    for name in ["apiserver-etcd-client", "etcd-server", "etcd-peer", "etcd-healthcheck-client"] {
        assert_eq!(why_not(&plan, name), &SkipReason::ExternalEtcd);
    }
    assert_eq!(plan.renew.len(), 6);
}

#[test]
fn a_kubeconfig_that_names_files_is_not_kubeadms() {
    let node = NodeFacts { not_embedded: vec!["admin.conf"], ..node() };
    let plan = planned(&inventory(5), &node, Selection::Due);
    assert_eq!(why_not(&plan, "admin.conf"), &SkipReason::NotEmbedded);
}

#[test]
fn a_short_life_is_due_in_its_last_third() {
    let mut short = certificate(0, 3_000);
    short.not_before = days(-6);
    short.not_after = days(3);
    let with = |certificate| Inventory {
        items: vec![item("apiserver", certificate)],
        ..Inventory::default()
    };
    assert_eq!(names(&planned(&with(short.clone()), &node(), Selection::Due)), ["apiserver"]);
    short.not_after = days(4);
    assert!(planned(&with(short), &node(), Selection::Due).renew.is_empty());
}

#[test]
fn the_certificate_in_memory_decides_about_the_api_server() {
    let mut node = node();
    let mut planned_with = |loopback: i64, left| {
        node.components[1].loopback_not_after = Some(days(loopback));
        planned(&inventory(left), &node, Selection::Due).restart.first().cloned()
    };
    let restart = |end| Some((Component::Apiserver, RestartReason::Loopback(days(end))));
    // The next renewal is in 335 days.
    assert_eq!(planned_with(334, 5), restart(334));
    assert_eq!(
        planned_with(336, 5),
        Some((Component::ControllerManager, RestartReason::HoldsKubeconfig))
    );
    // With nothing else to do it is restarted when its own time has come.
    assert_eq!(planned_with(29, 300), restart(29));
    assert_eq!(planned_with(31, 300), None);
}

#[test]
fn old_versions_are_restarted() {
    let mut node = node();
    node.components[1].version = Version::parse("v1.19.16");
    let plan = planned(&inventory(5), &node, Selection::Due);
    assert!(plan.restart.contains(&(Component::Apiserver, RestartReason::OldVersion)));
}

#[test]
fn what_does_not_use_its_files_is_restarted_though_nothing_is_due() {
    let mut node = node();
    node.components[3].stale = Some("it started before its kubeconfig was written".to_owned());
    let plan = planned(&inventory(300), &node, Selection::Due);
    assert!(matches!(&plan.restart[..], [(Component::Scheduler, RestartReason::Stale(_))]));
    assert!(
        planned(&inventory(300), &node, named(&["apiserver"]))
            .restart
            .iter()
            .all(|(it, _)| *it != Component::Scheduler)
    );
}

#[test]
fn what_cannot_be_proved_is_not_restarted() {
    let mut node = node();
    node.components[3].stale = Some("it started before its kubeconfig was written".to_owned());
    assert!(!planned(&inventory(300), &node, Selection::Due).restart.is_empty());
    node.not_embedded = vec!["scheduler.conf"];
    assert!(planned(&inventory(300), &node, Selection::Due).is_empty());
}

#[test]
fn restarts_can_be_forbidden_or_wanted() {
    let with = |restart| {
        let policy = RenewalPolicy { restart, ..TERMS };
        plan(&inventory(5), &node(), &request(Selection::Due), &policy, now())
    };
    let none = with(RestartPolicy::None);
    assert!(none.restart.is_empty());
    assert!(none.skip_restart.contains(&(Component::Scheduler, SkipRestartReason::Forbidden)));
    assert!(none.skip_restart.contains(&(Component::Etcd, SkipRestartReason::Reloads)));
    assert_eq!(with(RestartPolicy::All).restart.len(), 4);
}

#[test]
fn what_stands_in_the_way_yields_to_those_who_insist() {
    let stray = Blocker::StrayManifest("/etc/kubernetes/manifests/x.bak".into());
    let busy = Blocker::Busy { pid: None };
    let node = NodeFacts { blockers: vec![stray.clone(), busy.clone()], ..node() };
    let plain = planned(&inventory(5), &node, Selection::Due);
    assert_eq!(plain.blockers, [stray.clone(), busy.clone()]);
    let insisting = RenewRequest { selection: Selection::Due, force: true, rescue: false };
    let forced = plan(&inventory(5), &node, &insisting, &TERMS, now());
    assert_eq!((forced.blockers, forced.overridden), (vec![busy], vec![stray]));
}

#[test]
fn what_nobody_can_check_is_left_alone_unless_forced() {
    let unchecked = |left, ca_left| {
        let mut certificate = certificate(left, ca_left);
        let ca = match &certificate.signer {
            Signer::Verified(ca) => ca.clone(),
            other => panic!("{other:?}"),
        };
        certificate.signer = Signer::Unchecked { ca, algorithm: "ED448".into() };
        Inventory { items: vec![item("apiserver", certificate)], ..Inventory::default() }
    };
    let why = SkipReason::SignatureUnchecked("ED448".into());
    for (left, ca_left) in [(-1, 3_000), (5, 3_000), (300, 5)] {
        let plan = planned(&unchecked(left, ca_left), &node(), Selection::Due);
        assert_eq!(why_not(&plan, "apiserver"), &why, "{left} {ca_left}");
        assert!(plan.renew.is_empty() && plan.incomplete);
        assert_eq!(due(&unchecked(left, ca_left), &TERMS, now()), []);
    }
    let words = why.words();
    assert!(words.contains("ED448") && words.contains("--force"), "{words}");
    let forced = RenewRequest { selection: Selection::Due, force: true, rescue: false };
    let plan = plan(&unchecked(5, 3_000), &node(), &forced, &TERMS, now());
    assert_eq!(plan.renew.len(), 1);
}

#[test]
fn a_restoration_knows_what_nobody_wants_back() {
    let live = Inventory {
        items: vec![
            item("apiserver", certificate(-1, 3_000)),
            item("etcd-peer", certificate(1, 3_000)),
        ],
        ..Inventory::default()
    };
    let names = ["apiserver", "etcd-peer", "admin.conf"];
    let plan = restoring(&names, &live, &node(), false, &TERMS, now());
    let ends: Vec<_> = plan.renew.iter().map(|renewal| renewal.ends).collect();
    assert_eq!(ends, [Some(days(-1)), None, None]);
}

#[test]
fn a_rescue_minds_the_kubelet() {
    let node = NodeFacts { kubelet_not_after: Some(days(-3)), ..node() };
    let plain = planned(&inventory(-3), &node, Selection::Due);
    let [clock, kubelet] = &plain.warnings[..] else { panic!("{plain:#?}") };
    assert!(!plain.kubelet && kubelet.contains("--rescue"), "{kubelet}");
    assert!(clock.contains("clock"), "{clock}");
    let rescue = RenewRequest { selection: Selection::Due, force: false, rescue: true };
    let plan = plan(&inventory(-3), &node, &rescue, &TERMS, now());
    assert!(plan.kubelet && plan.warnings == [clock.as_str()]);
    assert!(plan.renew.iter().all(|renewal| renewal.why == RenewReason::Expired));
}

#[test]
fn an_api_server_that_reaches_the_kubelet_has_to_afterwards() {
    let of = |reaches_kubelet, selection| {
        planned(&inventory(5), &NodeFacts { reaches_kubelet, ..node() }, selection)
    };
    let refused = || Some(Err("it returns status 500".to_owned()));
    assert!(of(Some(Ok(())), Selection::All).reaches_kubelet);
    assert!(!of(Some(Ok(())), named(&["apiserver"])).reaches_kubelet);
    assert!(!of(None, Selection::All).reaches_kubelet);

    let plan = of(refused(), Selection::All);
    let [warning] = &plan.warnings[..] else { panic!("{plan:#?}") };
    assert!(!plan.reaches_kubelet && warning.ends_with("does not: it returns status 500"));
    assert_eq!(of(refused(), named(&["apiserver"])).warnings, [""; 0]);
    let restored = |name| {
        let node = NodeFacts { reaches_kubelet: Some(Ok(())), ..node() };
        restoring(&[name], &inventory(5), &node, false, &TERMS, now())
    };
    assert!(restored("apiserver-kubelet-client").reaches_kubelet);
    assert!(!restored("apiserver").reaches_kubelet);
}

proptest! {
    /// Nothing is passed over in silence, and a CA is never touched.
    #[test]
    fn everything_has_a_verdict(left in -400_i64..400, ca_left in -10_i64..4_000, all in any::<bool>(), has_key in any::<bool>()) {
        let mut inventory = inventory(left);
        for item in &mut inventory.items {
            item.content = Content::Certificate(Box::new(certificate(left, ca_left)));
            item.has_key = Some(has_key);
        }
        let selection = if all { Selection::All } else { Selection::Due };
        let plan = planned(&inventory, &node(), selection);
        prop_assert_eq!(plan.renew.len() + plan.skip.len(), role::KUBEADM.len());
        prop_assert_eq!(plan.restart.len() + plan.skip_restart.len(), Component::ALL.len());
        prop_assert!(has_key || plan.renew.is_empty());
        // What is renewed ends later than before.
        for renewal in &plan.renew {
            prop_assert!(renewal.ends.unwrap() < days(365.min(ca_left)));
        }
    }

    /// What is not due now is due at the moment that is told, and no second before.
    #[test]
    fn the_next_is_due_when_it_is_said(left in 31_i64..400) {
        let inventory = inventory(left);
        let next = next_due(&inventory, &TERMS, now()).unwrap();
        prop_assert!(due(&inventory, &TERMS, next - Span::seconds(1)).is_empty());
        prop_assert!(!due(&inventory, &TERMS, next).is_empty());
    }
}

/// It serves nobody, however long it lives and whatever is not well because of it.
#[test]
fn a_pair_that_does_not_match_is_due() {
    let ill = Blocker::Unhealthy(Component::Etcd, "it ends every handshake".to_owned());
    let full = Blocker::NoClusterConfig("no answer".to_owned());
    let node = NodeFacts {
        mismatched: vec!["etcd-server"],
        blockers: vec![ill.clone(), full.clone()],
        ..node()
    };
    let items = inventory(3_000);
    let plan = planned(&items, &node, Selection::Due);
    assert_eq!(names(&plan), ["etcd-server"]);
    assert_eq!(plan.renew[0].why, RenewReason::KeyMismatch);
    assert_eq!((plan.overridden, plan.blockers), (vec![ill.clone()], vec![full]));
    // By name, only what was named is touched.
    let plan = planned(&items, &node, named(&["apiserver"]));
    assert_eq!(names(&plan), [""; 0]);
    assert!(plan.blockers.contains(&ill));
}

/// Neither for ever, nor before anybody could have looked.
#[test]
fn what_may_be_a_kubeadm_is_waited_for_as_long_as_people_have_to_look() {
    let is_overridden = |held_up: Span, runs: Span, left: Option<Span>| {
        let (verb, cgroup) = (String::new(), "/x".to_owned());
        let started = now() - runs;
        let unclear = Blocker::KubeadmUnclear { pid: 7, verb, login: None, cgroup, started };
        let certain = Blocker::KubeadmRuns { pid: 8, verb: String::new() };
        let blockers = vec![unclear.clone(), certain.clone()];
        let mut plan = Plan { blockers, ..Plan::default() };
        let since = now() - held_up;
        plan.wait_no_longer(since, left.map(|left| since.max(started) + left), now());
        assert!(plan.blockers.contains(&certain), "one that is at work is never run beside");
        plan.overridden == [unclear]
    };
    let long = Span::days(100);
    assert!(!is_overridden(Span::hours(0), long, None));
    assert!(!is_overridden(Span::hours(23), long, None));
    assert!(is_overridden(Span::hours(24), long, None));
    assert!(!is_overridden(Span::minutes(71), long, Some(Span::hours(12))));
    assert!(is_overridden(Span::minutes(72), long, Some(Span::hours(12))));
    assert!(!is_overridden(Span::minutes(9), long, Some(Span::hours(-1))));
    assert!(is_overridden(Span::minutes(10), long, Some(Span::hours(-1))));
    // Something else was in the way before it came.
    assert!(!is_overridden(long, Span::hours(23), None));
    assert!(is_overridden(long, Span::hours(24), None));
    assert!(!is_overridden(Span::days(-365), long, None), "a clock that was ahead");
}
