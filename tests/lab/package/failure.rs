//! What becomes of a daemon that is killed, hangs, fails again and again, or is told nonsense.

use std::net::Ipv4Addr;

use crate::harness::{Cluster, Node, wait_for};

use super::{SOON, follow, install, mail_server, property, readme, wait_for_mail};

#[test]
fn it_comes_back_and_when_it_cannot_people_are_told() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let server = mail_server(node, Ipv4Addr::LOCALHOST);
    follow(node, &readme()[1]);
    wait_for_mail(&server, "TEST cp1", SOON);
    let drop_in = b"[Service]\nWatchdogSec=5s\n";
    node.write("/etc/systemd/system/certwatch.service.d/watchdog.conf", drop_in);
    node.run(&["systemctl", "daemon-reload"]);
    node.run(&["systemctl", "restart", "certwatch"]);

    is_not_moved_by_nonsense(node);
    comes_back_after(node, "SIGKILL");
    // It hangs, and the watchdog sees that.
    comes_back_after(node, "SIGSTOP");
    assert!(node.journal("certwatch").contains("Watchdog timeout"));
    let mails = server.subjects();
    assert!(!mails.iter().any(|subject| subject.contains("has failed")), "{mails:?}");

    wait_for("systemd to give up", SOON * 3, || {
        signal(node, "SIGKILL");
        (property(node, "certwatch", "ActiveState") == "failed").then_some(())
    });
    wait_for_mail(&server, "certwatch.service has failed", SOON);
    // As the mail says.
    let mend = "systemctl reset-failed certwatch.service && systemctl restart certwatch.service";
    node.run(&["bash", "-c", mend]);
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
}

/// A reload with a wrong configuration says so, and changes nothing.
fn is_not_moved_by_nonsense(node: Node<'_>) {
    let (pid, status) =
        (property(node, "certwatch", "MainPID"), property(node, "certwatch", "StatusText"));
    node.write("/etc/certwatch/conf.d/wrong.toml", b"[daemon]\ninterval = \"soon\"\n");
    assert!(!node.output(&["systemctl", "reload", "certwatch"]).status.success());
    let said = node.journal("certwatch");
    assert!(said.contains("/etc/certwatch/conf.d/wrong.toml:2:12: daemon.interval"), "{said}");
    assert_eq!(property(node, "certwatch", "MainPID"), pid);
    assert_eq!(property(node, "certwatch", "StatusText"), status);
    node.run(&["rm", "/etc/certwatch/conf.d/wrong.toml"]);
    node.run(&["systemctl", "reload", "certwatch"]);
    assert_eq!(property(node, "certwatch", "MainPID"), pid);
}

fn signal(node: Node<'_>, signal: &str) {
    // There may be no process at this moment.
    node.output(&["systemctl", "kill", &format!("--signal={signal}"), "certwatch"]);
}

fn comes_back_after(node: Node<'_>, name: &str) {
    let pid = property(node, "certwatch", "MainPID");
    signal(node, name);
    wait_for(&format!("another process after {name}"), SOON, || {
        let now = property(node, "certwatch", "MainPID");
        let is_new = now != pid && now != "0";
        (is_new && property(node, "certwatch", "ActiveState") == "active").then_some(())
    });
}

#[test]
fn a_wrong_configuration_ends_a_start_for_good() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let server = mail_server(node, Ipv4Addr::LOCALHOST);
    follow(node, &readme()[1]);
    // Written by a root with another umask.
    node.run(&["chmod", "600", "/etc/certwatch/conf.d/mail.toml"]);
    node.write("/etc/certwatch/conf.d/wrong.toml", b"interval = \"soon\"\n");
    assert!(!node.output(&["systemctl", "restart", "certwatch"]).status.success());
    // The channels are sound, though another part of the configuration is not.
    wait_for_mail(&server, "certwatch.service has failed", SOON);
    assert_eq!(property(node, "certwatch", "NRestarts"), "0");
    node.run(&["rm", "/etc/certwatch/conf.d/wrong.toml"]);

    // systemd takes no credential of such a name, and with it none at all.
    node.run(&["touch", "/etc/certwatch/credentials/a:b"]);
    node.run(&["systemctl", "reset-failed", "certwatch"]);
    assert!(!node.output(&["systemctl", "start", "certwatch"]).status.success());
    let mails = server.subjects().len();
    wait_for("another mail", SOON * 3, || (server.subjects().len() > mails).then_some(()));
}
