//! certwatch renews, for three years and longer.

use std::time::Duration;

use crate::harness::{Cluster, READY, readme, wait_for};

use super::year::{DAY, Year};

const SOON: Duration = Duration::from_secs(120);

/// Longer than a loopback certificate lives, from 1.33 on.
const END: i64 = 1_130;

const BEFORE: i64 = 30;

/// The mails of a renewal. The kubelet's serving certificate is left to its owner, who does as told.
const EACH: [&str; 4] = [
    "WARNING cp1: kubelet-serving and 11 more expire in 28 d",
    "RESOLVED cp1: admin.conf is well again, and 10 more (1 still open)",
    "RENEWED cp1: admin.conf and 10 more are renewed",
    "RESOLVED cp1: kubelet-serving is well again",
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
        do_what_mails_say(&mut year);
        year.let_the_kubelet_rotate();
        assert_well(&year);
    }
    let mails: Vec<_> =
        year.mails.iter().map(|(_, it)| it.trim_start_matches("[certwatch] ")).collect();
    assert_eq!(mails, [EACH; 3].concat());
}

/// The kubelet's serving certificate is nobody's to renew but its owner's.
fn do_what_mails_say(year: &mut Year<'_>) {
    let serving = year.row("kubelet-serving");
    if let Some(command) = serving["findings"][0]["command"].as_str().map(str::to_owned) {
        year.node.run(&["bash", "-euc", &command]);
        year.after(&format!("(done as told: {command})"));
    }
}

#[track_caller]
fn assert_well(year: &Year<'_>) {
    wait_for("the API", SOON, || {
        year.node.output(&["curl", "-ksf", READY]).status.success().then_some(())
    });
    assert_eq!(year.node.expired_in_use(), "");
    assert_eq!(year.expired(), [""; 0]);
}
