//! Whether the clock can be right. A renewal under one that is ahead replaces what is not due, and once the
//! clock is set, the new certificates may not be valid yet: kubeadm 1.20 lets them begin with the CA, but its
//! newer releases five minutes before they are made (`CertificateBackdate`).

use crate::domain::time::{Span, UnixTime};

/// How far clocks may be apart: a copy from a node that is ahead, a hardware clock in local time.
const TOLERANCE: Span = Span::days(1);

/// What else tells the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeSources {
    /// The CA is valid from then on.
    pub ca_not_before: Option<UnixTime>,
    /// When the newest of the control plane's files was written.
    pub newest_file: Option<UnixTime>,
    /// What the hardware clock says, if there is one.
    pub hardware: Option<UnixTime>,
    /// Other nodes that are alive.
    pub nodes: Vec<NodeLease>,
}

/// The latest sign of life of another node, by its own clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NodeLease {
    /// The node's name, safe to print.
    pub node: String,
    /// When.
    pub at: UnixTime,
}

/// Why a clock that says `now` cannot be right, as a clause. A clock is held to be right if any other node agrees
/// with it: a hardware clock may stand still, and a single node may be the one that is wrong.
pub(crate) fn implausibility(now: UnixTime, time_sources: &TimeSources) -> Option<String> {
    let TimeSources { ca_not_before, newest_file, hardware, nodes } = time_sources;
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
    if let [NodeLease { node, at }, _, ..] = &nodes[..] {
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
pub(crate) fn agree(one: UnixTime, other: UnixTime) -> bool {
    (one - other).max(other - one) <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixTime = UnixTime::new(1_800_000_000);

    #[test]
    fn a_clock_behind_the_ca_or_the_files_is_wrong() {
        let ca = TimeSources { ca_not_before: Some(NOW), ..TimeSources::default() };
        assert_eq!(implausibility(NOW, &ca), None);
        assert!(implausibility(NOW - Span::seconds(1), &ca).unwrap().contains("CA is valid from"));
        let file = TimeSources { newest_file: Some(NOW), ..TimeSources::default() };
        assert_eq!(implausibility(NOW - TOLERANCE, &file), None);
        assert!(
            implausibility(NOW - TOLERANCE - Span::seconds(1), &file)
                .unwrap()
                .contains("was written")
        );
    }

    fn hardware(hardware: UnixTime) -> TimeSources {
        TimeSources { newest_file: Some(NOW), hardware: Some(hardware), ..TimeSources::default() }
    }

    #[test]
    fn a_hardware_clock_counts_unless_its_battery_is_empty() {
        let year = Span::days(365);
        assert!(implausibility(NOW + year, &hardware(NOW)).unwrap().contains("hardware clock"));
        assert!(implausibility(NOW, &hardware(NOW + year)).unwrap().contains("hardware clock"));
        let local = hardware(NOW + year + Span::hours(14));
        assert_eq!(implausibility(NOW + year, &local), None, "in local time");
        assert_eq!(implausibility(NOW + year, &hardware(UnixTime::new(0))), None, "no battery");
    }

    #[test]
    fn other_nodes_count_if_none_agrees() {
        let heartbeat = |at| NodeLease { node: "w1".to_owned(), at };
        let [alike, other] = [NOW - Span::minutes(6), NOW - Span::days(300)].map(heartbeat);
        let by = |nodes: &[&NodeLease]| {
            let nodes = nodes.iter().map(|it| (*it).clone()).collect();
            implausibility(NOW, &TimeSources { nodes, ..TimeSources::default() })
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
            let nodes = nodes.map(|by| NodeLease { node: "w".to_owned(), at: NOW + Span::seconds(by) });
            let time_sources = TimeSources {
                ca_not_before: Some(past),
                newest_file: Some(past),
                hardware: Some(NOW + Span::seconds(hardware)),
                nodes: nodes.collect(),
            };
            prop_assert_eq!(implausibility(NOW, &time_sources), None);
        }
    }
}
