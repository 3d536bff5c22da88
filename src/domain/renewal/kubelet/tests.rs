use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::model::{
    Ca, ClientAuth, Components, Content, KubeletSettings, Name, Place, Sha256,
};
use crate::domain::renewal::plan::RestartPolicy;
use crate::domain::role::Role;

const NOW: UnixTime = UnixTime::new(1_000 * 86_400);

const DEADLINE: Span = Span::days(7);

const POLICY: RenewalPolicy = RenewalPolicy {
    before: Span::days(30),
    short_lived: Span::days(60),
    restart: RestartPolicy::Needed,
    restart_stale: false,
    kubelet: Some(DEADLINE),
};

fn ca(not_after: UnixTime) -> Arc<Ca> {
    let path = Path::new("/etc/kubernetes/pki/ca.crt").into();
    Arc::new(Ca { path, sha256: Sha256([9; 32]), not_after, has_key: true })
}

fn name(cn: &str) -> Name {
    Name([(Attribute::Cn, cn.into())].into())
}

/// One that has lived and will live so long.
fn certificate(lived: Span, left: Span) -> Certificate {
    Certificate {
        subject: name("cp1@1700000000"),
        issuer: name("cp1-ca@1700000000"),
        serial: Box::default(),
        sans: Box::default(),
        not_before: NOW - lived,
        not_after: NOW + left,
        sha256: Sha256([0; 32]),
        key_sha256: Sha256([0; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::Verified(ca(NOW + Span::days(3_000))),
    }
}

fn item(path: &str, role: &'static Role, entry: Entry, certificate: Certificate) -> Item {
    let content = Content::Certificate(Box::new(certificate));
    Item { has_key: Some(true), ..Item::new(Place::new(Path::new(path), entry), role, content) }
}

fn client_of(certificate: Certificate) -> Item {
    let path = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    item(path, &KUBELET_CLIENT, Entry::Pem(0), certificate)
}

fn embedded(certificate: Certificate) -> Item {
    let entry = Entry::User { name: "u".into(), index: 0 };
    item("/etc/kubernetes/kubelet.conf", &KUBELET_CONF, entry, certificate)
}

fn serving_of(certificate: Certificate) -> Item {
    item("/var/lib/kubelet/pki/kubelet.crt", &KUBELET_SERVING, Entry::Pem(0), certificate)
}

fn inventory(items: Vec<Item>) -> Inventory {
    let kubelet = KubeletSettings { rotates: Some(true), makes_serving: true, is_elsewhere: false };
    let components = Components { kubelet, ..Components::default() };
    Inventory { items, components, ..Inventory::default() }
}

fn never_rotating(items: Vec<Item>) -> Inventory {
    let mut inventory = inventory(items);
    inventory.components.kubelet.rotates = Some(false);
    inventory
}

/// So many days after it was signed for a year.
fn year(days: i64) -> Certificate {
    certificate(Span::days(days), Span::days(365 - days))
}

fn way(inventory: &Inventory) -> Option<KubeletWay> {
    next(inventory, &Selection::Kubelet, &POLICY, NOW).map(|it| it.way)
}

fn why_not(name: &str, inventory: &Inventory, selection: &Selection) -> Option<SkipReason> {
    Some(judge(name, inventory, selection, &POLICY, NOW)?.err()?.why)
}

fn named(name: &str) -> Selection {
    Selection::Named(vec![name.to_owned()])
}

#[test]
fn a_rotation_is_overdue_once_nine_tenths_of_the_life_and_an_hour_are_over() {
    let at = |hours: i64| {
        let lived = Span::hours(hours);
        let left = Span::seconds(Span::days(365).as_seconds() - lived.as_seconds());
        way(&inventory(vec![client_of(certificate(lived, left))]))
    };
    // 328.5 days and an hour.
    assert_eq!(at(7_884), None);
    assert_eq!(at(7_885), Some(KubeletWay::Rotation));
    assert_eq!(at(8_759), Some(KubeletWay::Rotation));
    assert_eq!(at(8_760), Some(KubeletWay::Recovery));
}

#[test]
fn a_certificate_of_an_hour_is_not_given_an_hour() {
    let short = |minutes: i64| {
        way(&inventory(vec![client_of(certificate(
            Span::minutes(minutes),
            Span::minutes(60 - minutes),
        ))]))
    };
    assert_eq!((short(54), short(55)), (None, Some(KubeletWay::Rotation)));
}

#[test]
fn a_kubelet_that_never_rotates_is_given_one_before_it_is_too_late() {
    let at = |left: i64| never_rotating(vec![client_of(year(365 - left))]);
    assert_eq!(way(&at(20)), None);
    let given = NOW + Span::days(13);
    let other = |days| never_rotating(vec![client_of(year(100)), embedded(year(days))]);
    assert_eq!(way(&other(360)), Some(KubeletWay::Recovery), "what is in kubelet.conf is used");
    assert_eq!(way(&never_rotating(vec![client_of(year(360)), embedded(year(100))])), None);
    let short = |hours| {
        never_rotating(vec![client_of(certificate(Span::hours(hours), Span::hours(72 - hours)))])
    };
    assert_eq!(
        (way(&short(47)), way(&short(48))),
        (None, Some(KubeletWay::Recovery)),
        "not at once again"
    );
    let due = Selection::Kubelet;
    assert_eq!(why_not("kubelet-client", &at(20), &due), Some(SkipReason::RotationOff(given)));
    assert_eq!(why_not("kubelet-client", &at(90), &due), Some(SkipReason::NotDue));
    assert_eq!(way(&at(7)), Some(KubeletWay::Recovery));
    let asked = next(&at(300), &named("kubelet-client"), &POLICY, NOW).map(|it| it.way);
    assert_eq!(asked, Some(KubeletWay::Recovery));
}

#[test]
fn a_certificate_in_another_place_is_left_alone() {
    for (rotates, days) in [(true, 350), (true, 400), (false, 360), (false, 350)] {
        let mut elsewhere = inventory(vec![client_of(year(days)), serving_of(year(10))]);
        elsewhere.components.kubelet.rotates = Some(rotates);
        elsewhere.components.kubelet.is_elsewhere = true;
        assert_eq!(way(&elsewhere), None);
        let why = why_not("kubelet-client", &elsewhere, &Selection::Kubelet);
        assert_eq!(why, Some(SkipReason::KubeletElsewhere), "{rotates} {days}");
        assert_eq!(next_due(&elsewhere, &POLICY, NOW), Some(NOW + Span::days(325)), "the other");
    }
}

#[test]
fn what_stands_in_kubelet_conf_counts_where_the_kubelets_own_has_expired() {
    let items = |own, conf| inventory(vec![client_of(year(own)), embedded(year(conf))]);
    assert_eq!(way(&items(400, 10)), None);
    assert_eq!(way(&items(400, 350)), None, "nobody rotates that");
    assert_eq!(way(&items(350, 400)), Some(KubeletWay::Rotation));
    assert_eq!(way(&items(400, 400)), Some(KubeletWay::Recovery));
}

#[test]
fn nothing_is_done_that_gains_nothing() {
    let signed = |days, signer| inventory(vec![client_of(Certificate { signer, ..year(days) })]);
    let why = |inventory| why_not("kubelet-client", &inventory, &Selection::Kubelet);
    let ended = NOW - Span::days(1);
    let ends = NOW + Span::days(5);
    let verified = |end| Signer::Verified(ca(end));
    assert_eq!(why(signed(350, verified(ends))), Some(SkipReason::CaTooShort(ends)));
    assert_eq!(why(signed(350, verified(ended))), Some(SkipReason::CaExpired(ended)));
    assert_eq!(why(signed(400, verified(ended))), Some(SkipReason::CaExpired(ended)));
    let other = || Signer::Refused(Path::new("/ca.crt").into());
    assert_eq!(why(signed(400, other())), Some(SkipReason::OtherCa));
    assert_eq!(way(&signed(350, other())), Some(KubeletWay::Rotation), "another one may sign");
    let mut external = inventory(vec![client_of(year(400))]);
    external.items[0].has_key = Some(false);
    assert_eq!(why(external), Some(SkipReason::ExternalCa));
}

#[test]
fn only_a_serving_certificate_of_the_kubelets_own_is_made_anew() {
    let at = |days| inventory(vec![serving_of(year(days))]);
    assert_eq!(way(&at(330)), None);
    assert_eq!(
        (way(&at(335)), way(&at(400))),
        (Some(KubeletWay::Serving), Some(KubeletWay::Serving))
    );
    let mut given = at(400);
    given.components.kubelet.makes_serving = false;
    assert_eq!(way(&given), None);
    assert_eq!(why_not("kubelet-serving", &given, &Selection::Kubelet), None, "a left-over");
    let why = why_not("kubelet-serving", &given, &named("kubelet-serving"));
    assert!(matches!(why, Some(SkipReason::NotKubeadms(_))), "{why:?}");
    let soon = RenewalPolicy { before: Span::days(400), ..POLICY };
    let made = next(&at(100), &Selection::Kubelet, &soon, NOW);
    assert_eq!(made, None, "a new one is not due at once");
    for (subject, issuer) in
        [("cp1", "corp-ca"), ("cp1@1", "cp2-ca@1"), ("cp1@x", "cp1-ca@x"), ("cp1@1", "cp1@1")]
    {
        let (subject, issuer) = (name(subject), name(issuer));
        let theirs = inventory(vec![serving_of(Certificate { subject, issuer, ..year(400) })]);
        let why = why_not("kubelet-serving", &theirs, &named("kubelet-serving"));
        assert_eq!(why, Some(SkipReason::NotKubeadms("its issuer renews it")));
        assert_eq!(way(&theirs), None);
    }
    let elsewhere = "/data/kubelet/pki/kubelet.crt";
    let elsewhere = item(elsewhere, &KUBELET_SERVING, Entry::Pem(0), year(400));
    assert_eq!(way(&inventory(vec![elsewhere])), None);
}

#[test]
fn one_thing_at_a_time_and_the_most_urgent_first() {
    let both =
        |client, serving| way(&inventory(vec![client_of(year(client)), serving_of(year(serving))]));
    assert_eq!(both(350, 350), Some(KubeletWay::Serving), "that restart rotates as well");
    assert_eq!(both(400, 350), Some(KubeletWay::Recovery));
    assert_eq!(both(350, 10), Some(KubeletWay::Rotation));
    assert_eq!(both(10, 10), None);
}

#[test]
fn who_has_not_enabled_it_gets_what_is_named_alone() {
    let off = RenewalPolicy { kubelet: None, ..POLICY };
    let all = inventory(vec![client_of(year(350)), serving_of(year(10))]);
    let way = |selection: &Selection| next(&all, selection, &off, NOW).map(|it| it.way);
    for selection in [Selection::All, Selection::Due, Selection::Kubelet, Selection::Stale] {
        assert_eq!(way(&selection), None, "{selection:?}");
    }
    assert_eq!(way(&named("kubelet-client")), Some(KubeletWay::Rotation));
    assert_eq!(way(&named("kubelet-serving")), Some(KubeletWay::Serving));
}

#[test]
fn it_is_known_when_it_will_be_due() {
    let due = |inventory: &Inventory| next_due(inventory, &POLICY, NOW);
    let overdue = NOW + Span::hours(7_885 - 24 * 100);
    assert_eq!(due(&inventory(vec![client_of(year(100))])), Some(overdue));
    let dead = NOW + Span::days(365 - 100 - 7);
    assert_eq!(due(&never_rotating(vec![client_of(year(100))])), Some(dead));
    let serving = NOW + Span::days(365 - 100 - 30);
    assert_eq!(due(&inventory(vec![serving_of(year(100))])), Some(serving));
    assert_eq!(due(&inventory(vec![client_of(year(350))])), None);
}

proptest! {
    /// One that has expired cannot ask for another, and one that has not is never taken away from a kubelet that rotates.
    #[test]
    fn the_way_is_that_of_its_age(
        lived in 1_i64..40_000_000, left in -40_000_000_i64..40_000_000, rotates in any::<Option<bool>>(),
    ) {
        prop_assume!(lived + left > 0);
        let certificate = certificate(Span::seconds(lived), Span::seconds(left));
        let life = lived + left;
        let mut node = inventory(vec![client_of(certificate)]);
        node.components.kubelet.rotates = rotates;
        match way(&node) {
            Some(KubeletWay::Recovery) => {
                prop_assert!(left <= 0 || rotates == Some(false) && left <= DEADLINE.as_seconds());
            }
            Some(KubeletWay::Rotation) => {
                prop_assert!(left > 0 && rotates != Some(false));
                prop_assert!(i128::from(lived) * 10 >= i128::from(life) * 9);
            }
            Some(KubeletWay::Serving) => prop_assert!(false, "there is none"),
            None => prop_assert!(left > 0),
        }
    }

    /// Nothing is due before the moment that was told for it, and it is then.
    #[test]
    fn what_is_told_comes_true(lived in 1_i64..30_000_000, left in 1_i64..30_000_000) {
        let certificate = certificate(Span::seconds(lived), Span::seconds(left));
        let node = inventory(vec![client_of(certificate.clone()), serving_of(certificate)]);
        let way = |now| next(&node, &Selection::Kubelet, &POLICY, now);
        match next_due(&node, &POLICY, NOW) {
            Some(at) => prop_assert!(way(at).is_some()),
            None => prop_assert!(way(NOW).is_some()),
        }
        if way(NOW).is_none() {
            let at = next_due(&node, &POLICY, NOW).unwrap();
            prop_assert!(way(at - Span::seconds(1)).is_none());
        }
    }
}
