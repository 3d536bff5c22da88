use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::model::{Ca, ClientAuth, Entry, Name, Place, Sha256, Signer};
use crate::domain::role::{self, Role};

const DAY: i64 = 86_400;

fn certificate(not_before: i64, not_after: i64) -> Certificate {
    Certificate {
        subject: Name::default(),
        issuer: Name::default(),
        serial: Box::default(),
        sans: Box::default(),
        not_before: UnixTime::new(not_before),
        not_after: UnixTime::new(not_after),
        sha256: Sha256([0; 32]),
        key_sha256: Sha256([0; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::NoCa,
    }
}

fn item(role: &'static Role, path: &str, entry: Entry, content: Content) -> Item {
    Item::new(Place::new(Path::new(path), entry), role, content)
}

fn leaf(role: &'static Role, not_before: i64, not_after: i64) -> Item {
    let content = Content::Certificate(Box::new(certificate(not_before, not_after)));
    item(role, "/etc/kubernetes/pki/x.crt", Entry::Pem(0), content)
}

fn ca(until: i64, has_key: bool) -> Arc<Ca> {
    let path = Path::new("/etc/kubernetes/pki/ca.crt").into();
    Arc::new(Ca { path, sha256: Sha256([9; 32]), not_after: UnixTime::new(until), has_key })
}

fn judge(items: Vec<Item>, now: i64) -> Assessment {
    assess(&inventory(items), &Policy::default(), UnixTime::new(now))
}

fn inventory(items: Vec<Item>) -> Inventory {
    Inventory { items, ..Inventory::default() }
}

fn apiserver() -> &'static Role {
    role::kubeadm("apiserver").unwrap()
}

fn codes(assessment: &Assessment) -> Vec<(Severity, &'static str)> {
    let findings = assessment.rows.iter().flat_map(|row| &row.findings);
    findings.map(|finding| (finding.severity, finding.kind.code())).collect()
}

#[test]
fn the_thresholds_of_a_leaf() {
    let end = 400 * DAY;
    for (left, expected) in [
        (31 * DAY, vec![]),
        (30 * DAY + 1, vec![]),
        (30 * DAY, vec![(Severity::Warning, "expires")]),
        (7 * DAY + 1, vec![(Severity::Warning, "expires")]),
        (7 * DAY, vec![(Severity::Critical, "expires")]),
        (0, vec![(Severity::Critical, "expires")]),
        (-1, vec![(Severity::Critical, "expired")]),
    ] {
        assert_eq!(
            codes(&judge(vec![leaf(apiserver(), 0, end)], end - left)),
            expected,
            "{left} s left"
        );
    }
}

#[test]
fn a_ca_is_told_about_a_year_ahead() {
    let cluster_ca = role::kubeadm("ca").unwrap();
    let end = 3650 * DAY;
    assert_eq!(codes(&judge(vec![leaf(cluster_ca, 0, end)], end - 366 * DAY)), []);
    assert_eq!(
        codes(&judge(vec![leaf(cluster_ca, 0, end)], end - 365 * DAY)),
        [(Severity::Warning, "expires")]
    );
    assert_eq!(
        codes(&judge(vec![leaf(cluster_ca, 0, end)], end - 90 * DAY)),
        [(Severity::Critical, "expires")]
    );
}

#[test]
fn a_self_made_ca_of_one_year_is_no_warning_from_its_first_day() {
    let mut one_year = leaf(&role::OTHER, 0, 365 * DAY);
    let Content::Certificate(certificate) = &mut one_year.content else { unreachable!() };
    certificate.is_ca = true;
    assert_eq!(codes(&judge(vec![one_year], DAY)), []);
}

#[test]
fn a_short_life_is_judged_by_fractions() {
    let day_long = || vec![leaf(apiserver(), 0, DAY)];
    assert_eq!(codes(&judge(day_long(), DAY / 2)), []);
    assert_eq!(codes(&judge(day_long(), DAY - DAY / 3)), [(Severity::Warning, "expires")]);
    assert_eq!(codes(&judge(day_long(), DAY - DAY / 6)), [(Severity::Critical, "expires")]);
}

#[test]
fn what_counts_is_the_earlier_of_leaf_and_ca() {
    let mut outliving = leaf(apiserver(), 0, 400 * DAY);
    let Content::Certificate(certificate) = &mut outliving.content else { unreachable!() };
    certificate.signer = Signer::Verified(ca(100 * DAY, true));
    let assessment = judge(vec![outliving], 98 * DAY);
    assert_eq!(assessment.rows[0].expires, Some(UnixTime::new(100 * DAY)));
    assert_eq!(codes(&assessment), [(Severity::Critical, "expires")]);
}

#[test]
fn a_leaf_of_another_ca_is_refused_everywhere() {
    let mut foreign = leaf(apiserver(), 0, 400 * DAY);
    let Content::Certificate(certificate) = &mut foreign.content else { unreachable!() };
    certificate.signer = Signer::Refused(Path::new("/etc/kubernetes/pki/ca.crt").into());
    assert_eq!(codes(&judge(vec![foreign], DAY)), [(Severity::Critical, "wrong_signer")]);
}

fn unchecked(mut item: Item, ca_until: i64) -> Item {
    let Content::Certificate(certificate) = &mut item.content else { unreachable!() };
    let algorithm = "ML-DSA-44".into();
    certificate.signer = Signer::Unchecked { ca: ca(ca_until, true), algorithm };
    item
}

#[test]
fn a_signature_that_is_not_checked_is_unknown_and_hides_no_end() {
    let apiserver = || unchecked(leaf(apiserver(), 0, 400 * DAY), 900 * DAY);
    let finding = (Severity::Unknown, "signature_unchecked");
    assert_eq!(codes(&judge(vec![apiserver()], DAY)), [finding]);
    assert_eq!(
        codes(&judge(vec![apiserver()], 380 * DAY)),
        [finding, (Severity::Warning, "expires")]
    );
    assert_eq!(
        codes(&judge(vec![apiserver()], 401 * DAY)),
        [(Severity::Critical, "expired"), finding]
    );
    for (role, severity) in [
        (&role::KUBELET_CLIENT, Severity::Unknown),
        (&role::OTHER, Severity::Warning),
        (&role::USER_KUBECONFIG, Severity::Warning),
    ] {
        let item = unchecked(leaf(role, 0, 400 * DAY), 900 * DAY);
        assert_eq!(codes(&judge(vec![item], DAY)), [(severity, "signature_unchecked")]);
    }
}

#[test]
fn a_ca_that_cannot_be_checked_still_bounds_a_life() {
    let assessment = judge(vec![unchecked(leaf(apiserver(), 0, 400 * DAY), 100 * DAY)], 98 * DAY);
    assert_eq!(assessment.rows[0].expires, Some(UnixTime::new(100 * DAY)));
    assert_eq!(
        codes(&assessment),
        [(Severity::Critical, "expires"), (Severity::Unknown, "signature_unchecked")]
    );
}

#[test]
fn a_clock_before_not_before_is_critical() {
    assert_eq!(
        codes(&judge(vec![leaf(apiserver(), 10 * DAY, 400 * DAY)], DAY)),
        [(Severity::Critical, "not_yet_valid")]
    );
}

#[test]
fn an_overdue_rotation_is_told_before_the_end() {
    let kubelet = || vec![leaf(&role::KUBELET_CLIENT, 0, 1000 * DAY)];
    assert_eq!(codes(&judge(kubelet(), 899 * DAY)), []);
    assert_eq!(codes(&judge(kubelet(), 900 * DAY)), [(Severity::Warning, "rotation_overdue")]);
}

fn user(role: &'static Role, path: &str, serial: u8, until: i64) -> Item {
    let mut certificate = certificate(0, until);
    certificate.sha256 = Sha256([serial; 32]);
    certificate.signer = Signer::Verified(ca(9999 * DAY, true));
    let entry = Entry::User { name: "kubernetes-admin".into(), index: 0 };
    item(role, path, entry, Content::Certificate(Box::new(certificate)))
}

#[test]
fn an_older_copy_of_admin_conf_is_stale_and_the_same_one_is_not() {
    let admin =
        || user(role::kubeadm("admin.conf").unwrap(), "/etc/kubernetes/admin.conf", 2, 700 * DAY);
    let copy = |serial, until| user(&role::USER_KUBECONFIG, "/root/.kube/config", serial, until);
    assert_eq!(
        codes(&judge(vec![admin(), copy(1, 400 * DAY)], DAY)),
        [(Severity::Warning, "stale_copy")]
    );
    assert_eq!(codes(&judge(vec![admin(), copy(2, 700 * DAY)], DAY)), []);
    assert_eq!(codes(&judge(vec![admin(), copy(3, 800 * DAY)], DAY)), []);

    let context = Inventory {
        items: vec![copy(1, 400 * DAY)],
        context: vec![admin()],
        ..Inventory::default()
    };
    let alone = assess(&context, &Policy::default(), UnixTime::new(DAY));
    assert_eq!(codes(&alone), [(Severity::Warning, "stale_copy")]);
}

fn cluster(path: &str, server: &str, key: u8) -> Item {
    let mut certificate = certificate(0, 9000 * DAY);
    certificate.key_sha256 = Sha256([key; 32]);
    certificate.sha256 = Sha256([key; 32]);
    let entry = Entry::Cluster { name: "kubernetes".into(), server: server.into(), index: 0 };
    item(&role::CLUSTER_CA, path, entry, Content::Certificate(Box::new(certificate)))
}

fn cluster_ca(key: u8) -> Item {
    let mut ca = leaf(role::kubeadm("ca").unwrap(), 0, 9000 * DAY);
    ca.place.path = Path::new("/etc/kubernetes/pki/ca.crt").into();
    let Content::Certificate(certificate) = &mut ca.content else { unreachable!() };
    certificate.key_sha256 = Sha256([key; 32]);
    certificate.sha256 = Sha256([key; 32]);
    ca
}

#[test]
fn a_kubeconfig_must_hold_the_cluster_s_ca() {
    let conf = |key| cluster("/etc/kubernetes/scheduler.conf", "https://a:6443", key);
    assert_eq!(codes(&judge(vec![cluster_ca(1), conf(1)], DAY)), []);
    assert_eq!(
        codes(&judge(vec![cluster_ca(1), conf(2)], DAY)),
        [(Severity::Critical, "foreign_ca")]
    );
    // During a rotation a file holds the old CA and the new one.
    assert_eq!(codes(&judge(vec![cluster_ca(1), conf(2), conf(1)], DAY)), []);
}

#[test]
fn a_person_may_have_kubeconfigs_of_other_clusters() {
    let own = |server| cluster("/root/.kube/config", server, 2);
    let conf = || cluster("/etc/kubernetes/scheduler.conf", "https://a:6443", 1);
    assert_eq!(codes(&judge(vec![cluster_ca(1), conf(), own("https://elsewhere")], DAY)), []);
    assert_eq!(
        codes(&judge(vec![cluster_ca(1), conf(), own("https://a:6443")], DAY)),
        [(Severity::Warning, "foreign_ca")]
    );
}

#[test]
fn copies_of_a_ca_are_marked() {
    let assessment =
        judge(vec![cluster_ca(1), cluster("/etc/kubernetes/scheduler.conf", "", 1)], DAY);
    assert_eq!(assessment.rows.iter().filter(|row| row.repeats).count(), 1);
    assert_eq!(assessment.count(Severity::Ok), 1);
}

#[test]
fn what_a_component_needs_and_lacks_is_critical_the_rest_unknown() {
    let lacking = |role, reason| {
        judge(vec![item(role, "/x", Entry::Whole, Content::Problem(reason))], 0).severity()
    };
    assert_eq!(lacking(apiserver(), Reason::Missing), Severity::Critical);
    assert_eq!(lacking(apiserver(), Reason::PermissionDenied), Severity::Unknown);
    assert_eq!(lacking(&role::OTHER, Reason::Missing), Severity::Unknown);
    assert_eq!(lacking(&role::OTHER, Reason::NoCertificate), Severity::Unknown);
}

#[test]
fn a_long_running_api_server_is_a_finding() {
    let process = |days| {
        let loopback = Loopback { not_after: UnixTime::new(365 * DAY) };
        let item =
            item(&role::LOOPBACK, "kube-apiserver", Entry::Process(1), Content::Loopback(loopback));
        codes(&judge(vec![item], days * DAY))
    };
    assert_eq!(process(334), []);
    assert_eq!(process(335), [(Severity::Warning, "expires")]);
    assert_eq!(process(358), [(Severity::Critical, "expires")]);
    assert_eq!(process(366), [(Severity::Critical, "expired")]);
}

/// The kubelet rotates at 70 to 90 % of the life, however long that is.
#[test]
fn a_kubelet_that_still_has_time_to_rotate_is_no_alarm() {
    for life in [DAY, 30 * DAY, 180 * DAY, 365 * DAY] {
        let at = |percent: i64| {
            judge(vec![leaf(&role::KUBELET_CLIENT, 0, life)], life * percent / 100).severity()
        };
        assert_eq!(at(89), Severity::Ok, "{life}");
        assert!(at(91) == Severity::Warning, "{life}");
        assert!(at(99) == Severity::Critical, "{life}");
    }
}

#[test]
fn a_ca_left_over_from_a_rotation_is_no_disaster() {
    let with_key = |key: u8, until: i64, index: u32| {
        let mut ca = cluster_ca(key);
        ca.place.entry = Entry::Pem(index);
        let Content::Certificate(certificate) = &mut ca.content else { unreachable!() };
        certificate.not_after = UnixTime::new(until);
        ca
    };
    let mut signed = leaf(apiserver(), 0, 3000 * DAY);
    let Content::Certificate(certificate) = &mut signed.content else { unreachable!() };
    certificate.signer = Signer::Verified(Arc::new(Ca {
        sha256: Sha256([2; 32]),
        ..(*ca(9000 * DAY, true)).clone()
    }));
    let [old, new] = [with_key(1, 10 * DAY, 0), with_key(2, 9000 * DAY, 1)];
    assert_eq!(
        codes(&judge(vec![old.clone(), new.clone(), signed.clone()], 11 * DAY)),
        [(Severity::Warning, "retired_ca")]
    );
    // What cannot be checked may be of the old one.
    let unknown = unchecked(leaf(apiserver(), 0, 3000 * DAY), 9000 * DAY);
    let found = codes(&judge(vec![old.clone(), new, signed, unknown], 11 * DAY));
    assert_eq!(found[0], (Severity::Critical, "expired"));
    // Alone it is the cluster's.
    assert_eq!(codes(&judge(vec![old], 11 * DAY)), [(Severity::Critical, "expired")]);
}

#[test]
fn nothing_found_is_not_fine() {
    assert_eq!(judge(vec![], 0).severity(), Severity::Unknown);
}

#[test]
fn external_is_what_kubeadm_cannot_sign() {
    for role in [apiserver(), role::kubeadm("ca").unwrap()] {
        let mut item = leaf(role, 0, DAY);
        assert!(!is_externally_managed(&item));
        item.has_key = Some(false);
        assert!(is_externally_managed(&item));
    }
    let mut kubelet = leaf(&role::KUBELET_CLIENT, 0, DAY);
    kubelet.has_key = Some(false);
    assert!(!is_externally_managed(&kubelet), "kubeadm has nothing to do with it");
}

fn any_role() -> impl Strategy<Value = &'static Role> {
    let others = [
        &role::OTHER,
        &role::KUBELET_CLIENT,
        &role::KUBELET_SERVING,
        &role::USER_KUBECONFIG,
        &role::K3S,
    ];
    let roles: Vec<&'static Role> =
        role::KUBEADM.iter().chain(&role::KUBEADM_CAS).chain(others).collect();
    prop::sample::select(roles)
}

fn any_reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(vec![
        Reason::Missing,
        Reason::PermissionDenied,
        Reason::BadPem(3),
        Reason::Empty,
        Reason::TooLarge { size: 9, limit: 1 },
    ])
}

prop_compose! {
    fn any_certificate()(
        not_before in -2_000 * DAY..2_000 * DAY,
        life in -10 * DAY..5_000 * DAY,
        ca_life in prop::option::of(0..5_000 * DAY),
        signed_elsewhere in any::<bool>(),
        is_checked in any::<bool>(),
        is_ca in any::<bool>(),
    ) -> Certificate {
        let mut made = certificate(not_before, not_before + life);
        made.is_ca = is_ca;
        made.signer = match ca_life {
            Some(life) if is_checked => Signer::Verified(ca(not_before + life, true)),
            Some(life) => {
                Signer::Unchecked { ca: ca(not_before + life, true), algorithm: "ED448".into() }
            }
            None if signed_elsewhere => Signer::Refused(Path::new("/ca.crt").into()),
            None => Signer::NoCa,
        };
        made
    }
}

fn any_item() -> impl Strategy<Value = Item> {
    let content = prop_oneof![
        4 => any_certificate().prop_map(|made| Content::Certificate(Box::new(made))),
        1 => any_reason().prop_map(Content::Problem),
    ];
    (any_role(), content, 0..1000_u32).prop_map(|(role, content, index)| {
        item(role, &format!("/p/{index}"), Entry::Pem(index), content)
    })
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(any_item(), 0..12)
}

/// The judgement by place: what a reader sees, whatever the order of the scan.
fn by_place(items: &[Item], now: i64) -> Vec<(Place, Severity, Vec<Finding>)> {
    let rows = judge(items.to_vec(), now).rows;
    rows.into_iter()
        .map(|row| (items[row.item].place.clone(), row.severity, row.findings.to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn every_item_has_exactly_one_row(items in any_items(), now in -3_000 * DAY..9_000 * DAY) {
        let mut seen: Vec<usize> = judge(items.clone(), now).rows.iter().map(|row| row.item).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_the_scan_does_not_matter(items in any_items(), now in -3_000 * DAY..9_000 * DAY) {
        let mut places = std::collections::HashSet::new();
        let items: Vec<Item> = items.into_iter().filter(|item| places.insert(item.place.clone())).collect();
        let reversed: Vec<Item> = items.iter().rev().cloned().collect();
        prop_assert_eq!(by_place(&items, now), by_place(&reversed, now));
    }

    #[test]
    fn it_never_gets_better_by_waiting(role in any_role(), made in any_certificate(), now in 0..9_000 * DAY, wait in 0..2_000 * DAY) {
        let start = now.max(made.not_before.seconds());
        let items = vec![item(role, "/p", Entry::Pem(0), Content::Certificate(Box::new(made)))];
        let [before, after] = [start, start + wait].map(|at| judge(items.clone(), at).severity());
        prop_assert!(before <= after, "{before:?} then {after:?}");
    }

    #[test]
    fn what_cannot_be_judged_is_never_ok(role in any_role(), reason in any_reason(), now in 0..9_000 * DAY) {
        let severity = judge(vec![item(role, "/p", Entry::Whole, Content::Problem(reason))], now).severity();
        prop_assert!(severity >= Severity::Unknown);
    }

    #[test]
    fn an_expired_certificate_is_never_ok(role in any_role(), made in any_certificate(), after in 1..1_000 * DAY) {
        let now = made.not_after.seconds() + after;
        let severity = judge(vec![item(role, "/p", Entry::Pem(0), Content::Certificate(Box::new(made)))], now).severity();
        prop_assert!(severity >= Severity::Warning);
    }

    #[test]
    fn nothing_changes_before_the_next_change(items in any_items(), now in -3_000 * DAY..9_000 * DAY) {
        if let Some(next) = judge(items.clone(), now).next_change {
            prop_assert!(next.seconds() > now);
            prop_assert_eq!(by_place(&items, now), by_place(&items, next.seconds() - 1));
        }
    }

    #[test]
    fn without_a_next_change_nothing_ever_changes(items in any_items(), now in 8_000 * DAY..9_000 * DAY, wait in 0..9_000 * DAY) {
        if judge(items.clone(), now).next_change.is_none() {
            prop_assert_eq!(by_place(&items, now), by_place(&items, now + wait));
        }
    }

    #[test]
    fn the_worst_comes_first(items in any_items(), now in -3_000 * DAY..9_000 * DAY) {
        let rows = judge(items, now).rows;
        prop_assert!(rows.windows(2).all(|pair| pair[0].severity >= pair[1].severity));
        prop_assert!(rows.iter().all(|row| row.findings.windows(2).all(|pair| pair[0].severity >= pair[1].severity)));
        prop_assert!(rows.iter().all(|row| row.severity == row.findings.first().map_or(Severity::Ok, |worst| worst.severity)));
    }
}
