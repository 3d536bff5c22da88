//! The Debian package on a real node: sandboxed, renewing, and gone without a trace.

use std::fs::read_dir;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::receiver::Receiver;
use crate::harness::{Cluster, NAMES, Node, wait_for};

const SOON: Duration = Duration::from_secs(60);
const RENEWAL: Duration = Duration::from_secs(300);

/// What `make deb` has built.
fn package() -> PathBuf {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/debian"));
    let files = read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut debs: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "deb")).collect();
    assert_eq!(debs.len(), 1, "run `make deb`: {debs:?}");
    debs.remove(0)
}

fn install(node: Node<'_>) {
    node.write("/root/certwatch.deb", &std::fs::read(package()).unwrap());
    node.run(&["dpkg", "--install", "/root/certwatch.deb"]);
}

fn property(node: Node<'_>, unit: &str, name: &str) -> String {
    node.run(&["systemctl", "show", unit, "--value", "--property", name]).trim().to_owned()
}

fn configure(node: Node<'_>, receiver: &Receiver) {
    node.write("/etc/certwatch/credentials/url", receiver.url("/hook").as_bytes());
    node.run(&["chmod", "600", "/etc/certwatch/credentials/url"]);
    let text = b"[renew]\nenabled = true\n[webhook]\nurl-credential = \"url\"\n";
    node.write("/etc/certwatch/conf.d/site.toml", text);
}

fn wait_for_news(receiver: &Receiver, word: &str, limit: Duration) {
    wait_for(word, limit, || {
        receiver.headlines().iter().any(|line| line.contains(word)).then_some(())
    });
}

/// Files that have to do with certwatch.
fn traces(node: Node<'_>) -> String {
    let line = r"find / -xdev -name '*certwatch*' -not -path '/proc/*' -not -path '/sys/*' \
        -not -path '/var/log/journal/*' -not -path /root/certwatch.deb";
    node.run(&["bash", "-c", line])
}

#[test]
#[ignore = "needs the package: `make test-package`"]
fn it_is_green_at_once_and_leaves_nothing() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let before = traces(node);
    install(node);
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    assert!(property(node, "certwatch", "StatusText").contains("certificates; next: "));
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "inactive");

    // An upgrade keeps what is there, and another process runs then.
    node.write("/etc/certwatch/conf.d/site.toml", b"node-name = \"x\"\n");
    let pid = property(node, "certwatch", "MainPID");
    install(node);
    assert_ne!(property(node, "certwatch", "MainPID"), pid);
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    assert_eq!(node.read("/etc/certwatch/conf.d/site.toml"), b"node-name = \"x\"\n");

    node.run(&["dpkg", "--remove", "certwatch"]);
    assert!(node.pid("/usr/bin/certwatch").is_none());
    node.read("/var/lib/certwatch/state.json");
    node.run(&["dpkg", "--purge", "certwatch"]);
    assert_eq!(traces(node), before);
}

#[test]
#[ignore = "needs the package: `make test-package`"]
fn it_renews_from_its_sandbox() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.let_it_rest();
    let serials = || NAMES.map(|(_, file)| node.serial(&format!("/etc/kubernetes/{file}")));
    let old = serials();
    install(node);
    let receiver = node.inside(Receiver::new);
    configure(node, &receiver);
    node.run(&["systemctl", "enable", "--now", "certwatch-renew.path"]);
    node.run(&["systemctl", "restart", "certwatch"]);
    wait_for_news(&receiver, "more are renewed", RENEWAL);
    assert!(serials().iter().zip(&old).all(|(new, old)| new != old));
    node.assert_served();
    assert_eq!(node.complaint(), None);
    assert_eq!(property(node, "certwatch-renew", "Result"), "success");
    assert_eq!(node.stray_keys(), [""; 0]);
    node.run(&["dpkg", "--purge", "certwatch"]);
    node.run(&[
        "bash",
        "-c",
        "! ls -d /var/lib/certwatch* /etc/certwatch /run/certwatch* 2>/dev/null",
    ]);
}

#[test]
#[ignore = "needs the package: `make test-package`"]
fn its_failure_is_told() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    install(node);
    let receiver = node.inside(Receiver::new);
    configure(node, &receiver);
    node.run(&["systemctl", "restart", "certwatch"]);
    // A kill is taken up again.
    let pid = property(node, "certwatch", "MainPID");
    node.run(&["systemctl", "kill", "--signal=SIGKILL", "certwatch"]);
    wait_for("another process", SOON, || {
        let is_new = property(node, "certwatch", "MainPID") != pid;
        (is_new && property(node, "certwatch", "ActiveState") == "active").then_some(())
    });
    assert_eq!(receiver.headlines(), [""; 0]);

    // A configuration that is wrong is refused by a reload, and ends a restart for good.
    node.write("/etc/certwatch/conf.d/wrong.toml", b"interval = \"soon\"\n");
    assert!(!node.output(&["systemctl", "reload", "certwatch"]).status.success());
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    assert!(!node.output(&["systemctl", "restart", "certwatch"]).status.success());
    wait_for_news(&receiver, "certwatch.service has failed", SOON);
}
