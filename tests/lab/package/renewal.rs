//! What happens to a renewal while its package is replaced or removed.

use std::time::Instant;

use crate::common::receiver::Receiver;
use crate::harness::{Cluster, Node, wait_for};

use super::{RENEWAL, SOON, bring, install, older, property};

/// A node whose certificates are due, with the package `deb` and a renewal that has installed its
/// files and is not done.
fn in_the_middle(node: Node<'_>, deb: &str) -> Receiver {
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.let_it_rest();
    node.run(&["dpkg", "--install", deb]);
    let receiver = node.inside(Receiver::new);
    node.write("/etc/certwatch/credentials/url", receiver.url("/hook").as_bytes());
    node.run(&["chmod", "600", "/etc/certwatch/credentials/url"]);
    let settings = b"[renew]\nenabled = true\n[webhook]\nurl-credential = \"url\"\n";
    node.write("/etc/certwatch/conf.d/site.toml", settings);
    node.run(&["systemctl", "enable", "--now", "certwatch-renew.path"]);
    node.run(&["systemctl", "restart", "certwatch"]);
    wait_for("a renewal", RENEWAL, || {
        let step = node.journals().0?["step"].clone();
        step.get("activate").map(drop)
    });
    receiver
}

fn serials(node: Node<'_>) -> Vec<String> {
    node.names().iter().map(|(_, file)| node.serial(&format!("/etc/kubernetes/{file}"))).collect()
}

#[test]
fn an_upgrade_leaves_it_alone() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let old = serials(node);
    let older = older(node);
    let receiver = in_the_middle(node, &older);
    let daemon = property(node, "certwatch", "MainPID");
    let renewer = property(node, "certwatch-renew", "MainPID");
    let told = receiver.headlines();
    assert!(told[0].contains("expire"), "{told:?}");

    install(node);
    assert_eq!(property(node, "certwatch-renew", "MainPID"), renewer, "the same, and still at it");
    assert_ne!(property(node, "certwatch", "MainPID"), daemon);
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "active");

    wait_for("the news of it", RENEWAL, || {
        receiver.headlines().iter().any(|line| line.contains("more are renewed")).then_some(())
    });
    assert_eq!(property(node, "certwatch-renew", "Result"), "success");
    assert!(serials(node).iter().zip(&old).all(|(new, old)| new != old));
    node.assert_served();
    assert_eq!(node.complaint(), None);
    // What was told before the upgrade is not told again.
    let news = receiver.headlines();
    assert_eq!(news.iter().filter(|line| **line == told[0]).count(), 1, "{news:?}");
}

/// Half of a renewal is no reason to hold up a reboot, nor is a reboot to undo a renewal.
#[test]
fn a_shutdown_leaves_it_to_the_next_boot() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let old = serials(node);
    let deb = bring(node);
    let receiver = in_the_middle(node, &deb);
    let begin = Instant::now();
    node.output(&["systemctl", "poweroff"]);
    wait_for("the node to be off", RENEWAL, || {
        (!node.output(&["true"]).status.success()).then_some(())
    });
    println!("off after {:.0} s", begin.elapsed().as_secs_f64());
    cluster.script(&["boot", "cp1"]);
    wait_for("the news of it", RENEWAL * 2, || {
        receiver.headlines().iter().any(|line| line.contains("more are renewed")).then_some(())
    });
    assert!(serials(node).iter().zip(&old).all(|(new, old)| new != old));
    node.assert_served();
    let journal = node.journals().1.remove(0);
    assert_eq!((&journal["step"]["end"], &journal["resumed"]), (&"renewed".into(), &1.into()));
}

#[test]
fn a_removal_waits_for_its_end() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let deb = bring(node);
    let _receiver = in_the_middle(node, &deb);
    node.run(&["apt-get", "--yes", "purge", "certwatch"]);
    node.assert_served();
    assert_eq!(node.complaint(), None);
    for (_, file) in node.names() {
        assert!(node.is_valid_for(&format!("/etc/kubernetes/{file}"), SOON * 60 * 24 * 300));
    }
    let left = "ls -d /var/lib/certwatch* /etc/certwatch /run/certwatch*";
    assert!(!node.output(&["bash", "-c", left]).status.success());
    assert_eq!(node.stray_keys(), [""; 0]);
}
