//! certwatch renews, for three years and longer.

use std::time::Duration;

use crate::harness::{Cluster, READY, readme, wait_for};

use super::year::{DAY, Year};

const SOON: Duration = Duration::from_secs(120);

/// Longer than a loopback certificate lives, from 1.33 on.
const END: i64 = 1_130;

const BEFORE: i64 = 30;

/// What the kubelet takes to get another certificate, with the daemon's looks before it.
const LONG: Duration = Duration::from_secs(900);

/// What is renewed in a year, by its mails, whatever comes before and between them.
const EACH: [&str; 3] = [
    "RENEWED cp1: admin.conf and 10 more are renewed",
    "RENEWED cp1: the kubelet's client certificate is renewed",
    "RENEWED cp1: the kubelet's serving certificate is renewed",
];

#[test]
fn three_years_are_three_renewals_and_nothing_expires() {
    let cluster = Cluster::with_a_clock();
    let node = cluster.node("cp1");
    let mut year = Year::begin(node, Some(&readme()[2]));
    while node.now() < year.begun + END * DAY {
        let left = year.days_left() - BEFORE;
        let days = if left > 30 { 30 } else { 2.max(left) };
        year.step(&format!("+{days} days"));
        wait_for_the_kubelets_own(&mut year);
        assert_well(&year);
    }
    let mails: Vec<_> =
        year.mails.iter().map(|(_, it)| it.trim_start_matches("[certwatch] ")).collect();
    for renewed in EACH {
        assert_eq!(mails.iter().filter(|it| **it == renewed).count(), 3, "{renewed}: {mails:#?}");
    }
    assert!(!mails.iter().any(|it| it.starts_with("CRITICAL")), "{mails:#?}");
}

/// Its timer does not notice that the clock was moved, so nothing but certwatch has the kubelet renew them: in a run of its
/// own, after that of kubeadm's certificates.
#[track_caller]
fn wait_for_the_kubelets_own(year: &mut Year<'_>) {
    let is_well = |year: &Year<'_>| {
        let own = year.node.judged().into_iter();
        let mut own =
            own.filter(|it| it["role"].as_str().is_some_and(|it| it.starts_with("kubelet-")));
        own.all(|it| it["findings"].as_array().unwrap().is_empty())
    };
    if is_well(year) {
        return;
    }
    wait_for("the kubelet's own certificates", LONG, || is_well(year).then_some(()));
    year.after("(the kubelet's own certificates are renewed)");
}

#[track_caller]
fn assert_well(year: &Year<'_>) {
    wait_for("the API", SOON, || {
        year.node.output(&["curl", "-ksf", READY]).status.success().then_some(())
    });
    assert_eq!(year.node.expired_in_use(), "");
    assert_eq!(year.expired(), [""; 0]);
}
