//! From the README's first command to the last, which leaves nothing.

use std::net::Ipv4Addr;

use crate::common::smtp::Guarded;
use crate::harness::{Cluster, Node, wait_for};

use super::{RENEWAL, SOON, bring, follow, mail_server, property, readme, traces, wait_for_mail};

#[test]
fn it_is_as_the_readme_says() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let before = traces(node);
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.run(&["install", "-D", "-m600", "/etc/kubernetes/admin.conf", "/root/.kube/config"]);
    node.let_it_rest();
    let blocks = readme();
    let [install, mail, renew, remove, purge] = &blocks[..] else { panic!("{blocks:#?}") };

    bring(node);
    assert!(follow(node, install).contains("CRITICAL  apiserver "));
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    let status = property(node, "certwatch", "StatusText");
    assert!(status.contains(" critical; next: admin.conf in "), "{status}");
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "inactive");

    let server = mail_server(node, Ipv4Addr::LOCALHOST);
    follow(node, mail);
    wait_for_mail(&server, "TEST cp1", SOON);
    wait_for_mail(&server, "[certwatch] CRITICAL cp1:", SOON);

    renews(node, &server, renew);

    follow(node, remove);
    assert!(node.pid("/usr/bin/certwatch").is_none());
    for kept in ["/var/lib/certwatch/state.json", "/etc/certwatch/credentials/smtp-password"] {
        node.read(kept);
    }
    follow(node, purge);
    assert_eq!(traces(node), before);
}

/// It asks, the path unit starts the renewer in its sandbox, and everybody is told.
fn renews(node: Node<'_>, server: &Guarded, enable: &str) {
    let of_file = |(_, file): &(&str, &str)| node.serial(&format!("/etc/kubernetes/{file}"));
    let serials = || node.names().iter().map(of_file).collect::<Vec<_>>();
    let old = serials();
    follow(node, enable);
    wait_for_mail(server, "more are renewed", RENEWAL);
    wait_for_mail(server, "RESOLVED", RENEWAL);
    assert!(serials().iter().zip(&old).all(|(new, old)| new != old));
    node.assert_served();
    assert_eq!(node.complaint(), None);
    node.run(&["cmp", "/etc/kubernetes/admin.conf", "/root/.kube/config"]);
    assert_eq!(node.stray_keys(), [""; 0]);
    wait_for("the end of the unit", SOON, || {
        (property(node, "certwatch-renew", "ActiveState") == "inactive").then_some(())
    });
    assert_eq!(property(node, "certwatch-renew", "Result"), "success");
    let said = node.journal("certwatch-renew") + &node.journal("certwatch");
    assert!(!said.contains("/run/certwatch-renew"), "names that only the unit knows: {said}");
}
