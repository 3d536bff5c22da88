//! Whether the clock can be right. A renewal under one that is ahead replaces what is not due, and once the
//! clock is set, the new certificates may not be valid yet: kubeadm 1.20 lets them begin with the CA, but its
//! newer releases five minutes before they are made (`CertificateBackdate`).

use crate::domain::time::{Span, UnixTime};

/// How far clocks may be apart: a copy from a node that is ahead, a hardware clock in local time.
const TOLERANCE: Span = Span::days(1);

/// What else tells the time.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// The CA is valid from then on.
    pub ca_not_before: Option<UnixTime>,
    /// When the newest of the control plane's files was written.
    pub newest_file: Option<UnixTime>,
    /// What the hardware clock says, if there is one.
    pub hardware: Option<UnixTime>,
    /// Other nodes that are alive.
    pub nodes: Vec<Heartbeat>,
}

/// The latest sign of life of another node, by its own clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heartbeat {
    /// The node's name, safe to print.
    pub node: String,
    /// When.
    pub at: UnixTime,
}

/// Why a clock that says `now` cannot be right, as a clause. A clock is held to be right if any other node agrees
/// with it: a hardware clock may stand still, and a single node may be the one that is wrong.
pub fn doubt(now: UnixTime, witnesses: &Witnesses) -> Option<String> {
    let Witnesses { ca_not_before, newest_file, hardware, nodes } = witnesses;
    if let Some(begin) = ca_not_before.filter(|begin| now < *begin) {
        return Some(format!("it says {now}, and the cluster's CA is valid from {begin} on"));
    }
    if let Some(newest) = newest_file.filter(|newest| now < *newest - TOLERANCE) {
        return Some(format!(
            "it says {now}, and a file of the control plane was written at {newest}"
        ));
    }
    if nodes.iter().any(|node| agree(now, node.at)) {
        return None;
    }
    if let [Heartbeat { node, at }, _, ..] = &nodes[..] {
        let count = nodes.len();
        return Some(format!(
            "it says {now}, and node {node}, which is alive, says {at}; none of {count} others agrees with this one"
        ));
    }
    // One with an empty battery begins again in the past.
    let has_power = |hardware: &UnixTime| newest_file.is_none_or(|it| *hardware >= it - TOLERANCE);
    let hardware = hardware.filter(has_power).filter(|hardware| !agree(now, *hardware))?;
    Some(format!("it says {now}, and the hardware clock {hardware}"))
}

/// True if two clocks are as near to each other as clocks are.
pub fn agree(one: UnixTime, other: UnixTime) -> bool {
    (one - other).max(other - one) <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixTime = UnixTime::new(1_800_000_000);

    #[test]
    fn a_clock_behind_the_ca_or_the_files_is_wrong() {
        let ca = Witnesses { ca_not_before: Some(NOW), ..Witnesses::default() };
        assert_eq!(doubt(NOW, &ca), None);
        assert!(doubt(NOW - Span::seconds(1), &ca).unwrap().contains("CA is valid from"));
        let file = Witnesses { newest_file: Some(NOW), ..Witnesses::default() };
        assert_eq!(doubt(NOW - TOLERANCE, &file), None);
        assert!(doubt(NOW - TOLERANCE - Span::seconds(1), &file).unwrap().contains("was written"));
    }

    fn hardware(hardware: UnixTime) -> Witnesses {
        Witnesses { newest_file: Some(NOW), hardware: Some(hardware), ..Witnesses::default() }
    }

    #[test]
    fn a_hardware_clock_counts_unless_its_battery_is_empty() {
        let year = Span::days(365);
        assert!(doubt(NOW + year, &hardware(NOW)).unwrap().contains("hardware clock"));
        assert!(doubt(NOW, &hardware(NOW + year)).unwrap().contains("hardware clock"));
        let local = hardware(NOW + year + Span::hours(14));
        assert_eq!(doubt(NOW + year, &local), None, "in local time");
        assert_eq!(doubt(NOW + year, &hardware(UnixTime::new(0))), None, "no battery");
    }

    #[test]
    fn other_nodes_count_if_none_agrees() {
        let heartbeat = |at| Heartbeat { node: "w1".to_owned(), at };
        let [alike, other] = [NOW - Span::minutes(6), NOW - Span::days(300)].map(heartbeat);
        let by = |nodes: &[&Heartbeat]| {
            let nodes = nodes.iter().map(|it| (*it).clone()).collect();
            doubt(NOW, &Witnesses { nodes, ..Witnesses::default() })
        };
        assert_eq!(by(&[&other]), None, "it may be the one that is wrong");
        assert_eq!(by(&[&other, &alike]), None);
        let all = by(&[&other, &other]).unwrap();
        assert!(all.contains("node w1, which is alive") && all.contains("none of 2"), "{all}");
    }

    proptest! {
        /// Whatever else is wrong, who agrees with one other node is ahead of nothing.
        #[test]
        fn a_clock_that_one_node_agrees_with_is_not_ahead(
            age in 0_i64..400, drift in -86_400_i64..=86_400, others in prop::collection::vec(-900_000_000_i64..900_000_000, 0..5),
            hardware in -900_000_000_i64..900_000_000,
        ) {
            let past = NOW - Span::days(age);
            let nodes = others.into_iter().chain([drift]);
            let nodes = nodes.map(|by| Heartbeat { node: "w".to_owned(), at: NOW + Span::seconds(by) });
            let witnesses = Witnesses {
                ca_not_before: Some(past),
                newest_file: Some(past),
                hardware: Some(NOW + Span::seconds(hardware)),
                nodes: nodes.collect(),
            };
            prop_assert_eq!(doubt(NOW, &witnesses), None);
        }
    }
}
