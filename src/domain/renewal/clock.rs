//! Whether the clock can be right. A renewal under one that is ahead replaces what is not due, and once the
//! clock is set, the new certificates may not be valid yet: kubeadm 1.20 lets them begin with the CA, but its
//! newer releases five minutes before they are made (`CertificateBackdate`).

use crate::domain::time::{Span, UnixTime};

/// How far clocks may be apart: a copy from a node that is ahead, a hardware clock in local time.
const TOLERANCE: Span = Span::days(1);

/// What else on a node tells the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Witnesses {
    /// The CA is valid from then on.
    pub ca_not_before: Option<UnixTime>,
    /// When the newest of the control plane's files was written.
    pub newest_file: Option<UnixTime>,
    /// What the hardware clock says, if there is one.
    pub hardware: Option<UnixTime>,
}

/// The latest sign of life of another node, by its own clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// The node's name, safe to print.
    pub node: String,
    /// When.
    pub at: UnixTime,
}

/// Why a clock that says `now` cannot be right, as a clause.
pub fn doubt(now: UnixTime, witnesses: Witnesses) -> Option<String> {
    let Witnesses { ca_not_before, newest_file, hardware } = witnesses;
    if let Some(begin) = ca_not_before.filter(|begin| now < *begin) {
        return Some(format!("it says {now}, and the cluster's CA is valid from {begin} on"));
    }
    if let Some(newest) = newest_file.filter(|newest| now < *newest - TOLERANCE) {
        return Some(format!(
            "it says {now}, and a file of the control plane was written at {newest}"
        ));
    }
    // One with an empty battery begins again in the past.
    let has_power = |hardware: &UnixTime| newest_file.is_none_or(|it| *hardware >= it - TOLERANCE);
    let hardware = hardware.filter(has_power).filter(|hardware| are_apart(now, *hardware))?;
    Some(format!("it says {now}, and the hardware clock {hardware}"))
}

/// The same by the other nodes, as far as they are known to be alive. Only if no two agree with this one: it
/// may be theirs that is wrong.
pub fn doubt_by_nodes(now: UnixTime, others: &[Heartbeat]) -> Option<String> {
    let first = others.first()?;
    let all_differ = others.iter().all(|other| are_apart(now, other.at));
    all_differ.then(|| {
        let Heartbeat { node, at } = first;
        let all = match others.len() {
            1 => String::new(),
            count => format!(", and so do all {count} nodes that were asked"),
        };
        format!("it says {now}, and node {node}, which is alive, says {at}{all}")
    })
}

fn are_apart(one: UnixTime, other: UnixTime) -> bool {
    (one - other).max(other - one) > TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixTime = UnixTime::new(1_800_000_000);

    #[test]
    fn a_clock_behind_the_ca_or_the_files_is_wrong() {
        let ca = Witnesses { ca_not_before: Some(NOW), ..Witnesses::default() };
        assert_eq!(doubt(NOW, ca), None);
        assert!(doubt(NOW - Span::seconds(1), ca).unwrap().contains("CA is valid from"));
        let file = Witnesses { newest_file: Some(NOW), ..Witnesses::default() };
        assert_eq!(doubt(NOW - TOLERANCE, file), None);
        assert!(doubt(NOW - TOLERANCE - Span::seconds(1), file).unwrap().contains("was written"));
    }

    #[test]
    fn a_hardware_clock_counts_unless_its_battery_is_empty() {
        let by = |hardware| Witnesses {
            newest_file: Some(NOW),
            hardware: Some(hardware),
            ..Witnesses::default()
        };
        let year = Span::days(365);
        assert!(doubt(NOW + year, by(NOW)).unwrap().contains("hardware clock"));
        assert!(doubt(NOW, by(NOW + year)).unwrap().contains("hardware clock"));
        assert_eq!(doubt(NOW + year, by(NOW + year + Span::hours(14))), None, "in local time");
        assert_eq!(doubt(NOW + year, by(UnixTime::new(0))), None, "no battery");
    }

    fn heartbeat(at: UnixTime) -> Heartbeat {
        Heartbeat { node: "w1".to_owned(), at }
    }

    #[test]
    fn other_nodes_count_if_all_differ() {
        let [alike, other] = [NOW - Span::minutes(6), NOW - Span::days(300)].map(heartbeat);
        assert_eq!(doubt_by_nodes(NOW, &[]), None);
        assert_eq!(doubt_by_nodes(NOW, &[alike.clone(), other.clone()]), None);
        let one = doubt_by_nodes(NOW, std::slice::from_ref(&other)).unwrap();
        assert!(one.contains("node w1") && !one.contains("nodes"), "{one}");
        let all = doubt_by_nodes(NOW, &[other.clone(), other]).unwrap();
        assert!(all.contains("all 2 nodes"), "{all}");
        assert!(doubt_by_nodes(alike.at - Span::days(2), &[alike]).is_some(), "it is behind");
    }

    proptest! {
        /// Whatever else is wrong, who agrees with all witnesses is never held up.
        #[test]
        fn a_clock_with_its_witnesses_is_right(age in 0_i64..400, drift in -80_000_i64..80_000) {
            let near = NOW + Span::seconds(drift);
            let past = NOW - Span::days(age);
            let witnesses = Witnesses {
                ca_not_before: Some(past), newest_file: Some(past), hardware: Some(near),
            };
            prop_assert_eq!(doubt(NOW, witnesses), None);
            prop_assert_eq!(doubt_by_nodes(NOW, &[heartbeat(past), heartbeat(near)]), None);
        }
    }
}
