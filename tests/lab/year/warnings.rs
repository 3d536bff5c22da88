//! Nobody renews anything.

use crate::harness::Cluster;

use super::year::Year;

/// The days that are left at each step: as seldom as the stages and the reminders between them allow.
const STEPS: [i64; 19] = [264, 164, 66, 31, 29, 26, 22, 18, 15, 13, 10, 7, 6, 5, 4, 3, 2, 1, 0];

/// The mails, each with the days that were left.
const EXPECTED: [(i64, &str); 14] = [
    (29, "WARNING cp1: kubelet-serving and 11 more expire in 29 d"),
    (22, "WARNING cp1: still: kubelet-serving and 11 more expire in 22 d"),
    (15, "WARNING cp1: still: kubelet-serving and 11 more expire in 15 d"),
    (13, "WARNING cp1: kubelet-serving and 11 more expire in 13 d"),
    (6, "CRITICAL cp1: admin.conf and 11 more expire in 6 d"),
    (5, "CRITICAL cp1: still: admin.conf and 11 more expire in 5 d"),
    (4, "CRITICAL cp1: still: admin.conf and 11 more expire in 4 d"),
    (3, "CRITICAL cp1: still: admin.conf and 11 more expire in 3 d"),
    (2, "CRITICAL cp1: admin.conf and 11 more expire in 2 d"),
    (1, "CRITICAL cp1: still: admin.conf and 11 more expire in 35 h"),
    (0, "CRITICAL cp1: admin.conf and 11 more expire in 11 h"),
    (-1, "CRITICAL cp1: admin.conf and 11 more expired 12 h ago"),
    (-1, "CRITICAL cp1: still: admin.conf and 11 more expired 18 h ago"),
    (-2, "CRITICAL cp1: still: admin.conf and 11 more expired 24 h ago"),
];

#[test]
fn with_renewal_off_each_stage_is_one_mail() {
    let cluster = Cluster::with_a_clock();
    let mut year = Year::begin(cluster.node("cp1"), None);
    for left in STEPS {
        year.step(&format!("+{} days", year.days_left() - left));
        year.let_the_kubelet_rotate();
    }
    year.step("+1 day");
    for _ in 0..2 {
        year.step("+6 hours");
    }
    let mails: Vec<_> = year
        .mails
        .iter()
        .map(|(left, it)| (*left, it.trim_start_matches("[certwatch] ")))
        .collect();
    assert_eq!(mails, EXPECTED);
}
