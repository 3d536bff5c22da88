//! What the components use, where that is not what is on disk.

use std::time::Duration;

use serde_json::Value;

use crate::common::receiver::Receiver;
use crate::common::run::{codes, rows};
use crate::daemon::start;
use crate::harness::{Cluster, Node, Poll, wait_for};

const STALE: &str = "stale_in_use";

fn check(node: Node<'_>, options: &[&str]) -> Value {
    let arguments = [&["check", "-o", "json"], options].concat();
    serde_json::from_str(&node.certwatch(&arguments).said).unwrap()
}

/// The components that do not use their files.
fn stale(document: &Value) -> Vec<&str> {
    let mut stale: Vec<&str> =
        rows(document).iter().filter_map(|row| row["stale_use"]["component"].as_str()).collect();
    stale.sort_unstable();
    stale
}

/// The most common way to break a cluster that was just renewed.
#[test]
fn a_renewal_by_hand_without_a_restart_is_found_and_mended() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    let before = check(node, &[]);
    assert_eq!((stale(&before).len(), &before["severity"]), (0, &"ok".into()), "{before:#}");
    assert_eq!(before["in_use_checked"], true);
    node.run(&["kubeadm", "certs", "renew", "all"]);
    node.wait_until_served();
    let found = check(node, &[]);
    assert_eq!(stale(&found), ["kube-controller-manager", "kube-scheduler"], "{found:#}");
    for conf in ["controller-manager.conf", "scheduler.conf"] {
        assert_eq!(codes(&found, conf), [STALE], "{found:#}");
    }
    assert_eq!(found["severity"], "warning", "what they use ends in a year");
    assert_eq!(stale(&check(node, &["--offline"])).len(), 0);
    assert_eq!(stale(&check(node, &["/etc/kubernetes/scheduler.conf"])), ["kube-scheduler"]);

    let poll = Poll::start(node, "https://10.77.0.1:6443/readyz");
    let serials = node.serials();
    let run = node.renew(&["--restart-stale"]);
    let outage = poll.stop();
    assert_eq!(outage.failed, 0, "{} {outage:?}", run.said);
    assert_eq!(node.serials(), serials, "nothing is renewed");
    let mended = check(node, &[]);
    assert_eq!((stale(&mended).len(), &mended["severity"]), (0, &"ok".into()), "{mended:#}");
    let again = node.renew(&["--restart-stale"]);
    assert!(again.said.contains("Nothing to do."), "{}", again.said);
}

/// The daemon has seen what they read, so it knows when that ends.
#[test]
fn the_daemon_tells_what_is_still_in_use() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let receiver = node.inside(Receiver::new);
    start(node, &receiver, "");
    node.run(&["kubeadm", "certs", "renew", "all"]);
    let message = receiver.wait_for_messages(1).remove(0);
    let alerts = message["alerts"].as_array().unwrap();
    let mut names: Vec<_> =
        alerts.iter().map(|it| it["labels"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["controller-manager.conf", "scheduler.conf"], "{message:#}");
    for alert in alerts {
        let said = alert.to_string();
        assert!(said.contains("still uses") && !said.contains("at the latest"), "{said}");
    }
    let said = node.certwatch(&["check"]).said;
    assert!(said.contains("still uses") && !said.contains("at the latest"), "{said}");
    node.run(&["systemctl", "stop", "certwatch"]);
}

/// It is there, and does nothing, and nobody is told.
#[test]
fn a_scheduler_that_does_not_run_is_found() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let conf = String::from_utf8(node.read("/etc/kubernetes/scheduler.conf")).unwrap();
    let broken = conf.replace("client-certificate-data: LS0t", "client-certificate-data: AAAA");
    node.write("/etc/kubernetes/scheduler.conf", broken.as_bytes());
    node.run(&["pkill", "-x", "kube-scheduler"]);
    let row = wait_for("it to be missed", Duration::from_secs(60), || {
        let found = check(node, &[]);
        let row = rows(&found).iter().find(|row| row["role"] == "kube-scheduler")?;
        let finding = row["findings"][0].clone();
        finding["message"].as_str()?.contains("its log says").then_some(finding)
    });
    assert_eq!((&row["code"], &row["severity"]), (&"not_running".into(), &"critical".into()));
    node.write("/etc/kubernetes/scheduler.conf", conf.as_bytes());
    wait_for("it to run again", Duration::from_secs(120), || {
        let found = check(node, &[]);
        rows(&found).iter().all(|row| row["role"] != "kube-scheduler").then_some(())
    });
}
