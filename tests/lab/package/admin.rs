//! What an admin has decided, and the package leaves alone.

use crate::harness::{Cluster, Node};

use super::{bring, older, property};

const OPTIONAL: [&str; 2] = ["certwatch-renew.path", "certwatch-check.timer"];

fn states(node: Node<'_>) -> [String; 3] {
    ["certwatch.service", OPTIONAL[0], OPTIONAL[1]].map(|unit| {
        property(node, unit, "ActiveState") + " " + &property(node, unit, "UnitFileState")
    })
}

#[test]
fn what_an_admin_has_decided_outlives_a_removal_and_an_upgrade() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let (older, newer) = (older(node), bring(node));
    node.run(&["dpkg", "--install", &older]);
    let decided = "
        echo '# mine' >>/etc/certwatch/config.toml
        chmod 0750 /etc/certwatch
        systemctl disable --now certwatch.service
        systemctl enable --now certwatch-renew.path certwatch-check.timer";
    node.run(&["bash", "-euc", decided]);
    let before = states(node);
    assert_eq!(before, ["inactive disabled", "active enabled", "active enabled"]);

    node.run(&["dpkg", "--remove", "certwatch"]);
    assert_eq!(states(node).map(|it| it.starts_with("active")), [false; 3]);
    // Nobody is there to be asked, and the settings of both have changed.
    let install = ["apt-get", "--yes", "-o", "Dpkg::Options::=--force-confold", "install", &newer];
    node.run(&install);
    assert_eq!(states(node), before);
    let settings = String::from_utf8(node.read("/etc/certwatch/config.toml")).unwrap();
    assert!(settings.contains("Of old.") && settings.ends_with("# mine\n"), "{settings}");
    assert_eq!(node.run(&["stat", "-c", "%a", "/etc/certwatch"]), "750\n");

    // On a host without the daemon, the timer's check.
    node.run(&["systemctl", "start", "certwatch-check"]);
    assert!(node.journal("certwatch-check").contains("certwatch: OK - "));

    // A tool that knows no empty directories has been here.
    node.run(&["rmdir", "/etc/certwatch/credentials"]);
    node.run(&["systemctl", "enable", "--now", "certwatch"]);
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    let made = node.run(&["stat", "-c", "%a %U", "/etc/certwatch/credentials"]);
    assert_eq!(made, "700 certwatch\n");
}
