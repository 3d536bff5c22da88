//! certwatch comes when all is over.

use std::time::{Duration, Instant};

use crate::harness::{Cluster, Run, bring, follow, readme, wait_for};

/// The kubelet reports at least every five minutes.
const REPORT: Duration = Duration::from_secs(600);

#[test]
fn a_node_that_died_before_it_was_installed_is_rescued() {
    let cluster = Cluster::with_a_clock();
    let node = cluster.node("cp1");
    node.run(&["lab-clock", "+400 days"]);
    let refused = Run::from(node.output(&["kubectl", "get", "nodes"]));
    assert!(refused.said.contains("certificate has expired"), "{}", refused.said);

    bring(node);
    follow(node, &readme()[0]);
    let check = Run::from(node.output(&["certwatch", "check"]));
    println!("{}", check.said);
    assert_eq!(check.code, Some(2));
    for (name, _) in node.names() {
        let row = node.judged().into_iter().find(|it| it["role"] == *name).unwrap();
        let finding = &row["findings"][0];
        let said = [&finding["code"], &finding["command"]];
        assert_eq!(said, ["expired", "certwatch renew --rescue"], "{name}");
    }

    let begun = Instant::now();
    let rescue = Run::from(node.output(&["certwatch", "renew", "--rescue"]));
    println!("{}\nThe rescue took {} s.", rescue.said, begun.elapsed().as_secs());
    assert_eq!(rescue.code, Some(0));
    node.assert_rescued();
    // Ready it never was: the lab has no network plugin. It reports, so it is let in.
    let rescued = node.run(&["date", "-u", "+%FT%TZ"]);
    let path = r#"jsonpath={.status.conditions[?(@.type=="MemoryPressure")].lastHeartbeatTime}"#;
    wait_for("the kubelet to report", REPORT, || {
        (node.run(&["kubectl", "get", "node", "cp1", "-o", path]) > rescued).then_some(())
    });

    // The kubelet's serving certificate is its own, so that it is left to its owner, who is told how.
    assert_eq!(node.expired_in_use(), "127.0.0.1:10250 cp1\n");
    assert_eq!(node.output(&["certwatch", "check"]).status.code(), Some(1));
    let serving = node.judged().into_iter().find(|it| it["role"] == "kubelet-serving").unwrap();
    node.run(&["bash", "-euc", serving["findings"][0]["command"].as_str().unwrap()]);
    wait_for("nothing that has expired", REPORT, || node.expired_in_use().is_empty().then_some(()));
    assert_eq!(node.output(&["certwatch", "check"]).status.code(), Some(0));
}
