//! A renewal that nobody notices, beside the documented one.

use std::time::{Duration, Instant};

use crate::common::receiver::Receiver;
use crate::harness::{
    CERTWATCH, CONTROLLER_MANAGER, Cluster, ETCD, Node, Outage, Poll, READY, SCHEDULER, WORK,
    Watch, wait_for,
};

/// What kubernetes.io says: renew, then restart the static pods by taking their manifests away for
/// the 20 seconds of fileCheckFrequency.
const DOCUMENTED: &str = "
    kubeadm certs renew all >/dev/null
    mkdir /root/held
    mv /etc/kubernetes/manifests/*.yaml /root/held
    sleep 20
    mv /root/held/*.yaml /etc/kubernetes/manifests";

/// From the first scan to the last message.
const RENEWAL: Duration = Duration::from_secs(300);

/// Four polls at once, one for each component.
struct Polls([Poll; 4]);

impl Polls {
    const NAMES: [&str; 4] = ["API", "etcd", "controller-manager", "scheduler"];

    fn start(node: Node<'_>) -> Self {
        Self([READY, ETCD, CONTROLLER_MANAGER, SCHEDULER].map(|url| Poll::start(node, url)))
    }

    fn stop(self) -> [Outage; 4] {
        self.0.map(Poll::stop)
    }
}

fn print(what: &str, total: Duration, outages: &[Outage; 4]) {
    for (name, outage) in Polls::NAMES.iter().zip(outages) {
        println!(
            "| {what} | {:.1} s | {name} | {} of {} | {:.1} s |",
            total.as_secs_f64(),
            outage.failed,
            outage.polls,
            outage.longest.as_secs_f64()
        );
    }
}

/// Starts the daemon as a unit would, with everybody told by `receiver`.
pub(crate) fn start_daemon(node: Node<'_>, receiver: &Receiver, properties: &[&str]) {
    node.write("/etc/certwatch/credentials/url", receiver.url("/hook").as_bytes());
    node.run(&["chmod", "600", "/etc/certwatch/credentials/url"]);
    node.configure_certwatch("enabled = true\n[webhook]\nurl-credential = \"url\"");
    let unit = [
        "systemd-run",
        "--unit=certwatch",
        "--property=Type=notify",
        "--property=StateDirectory=certwatch",
        "--property=LoadCredential=cred:/etc/certwatch/credentials",
    ];
    node.run(&[&unit[..], properties, &[CERTWATCH, "run"]].concat());
}

#[test]
fn the_daemon_renews_what_is_due_and_nobody_notices() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.run(&["install", "-D", "-m600", "/etc/kubernetes/admin.conf", "/root/.kube/config"]);
    let (old_serials, manifests, pids) = (node.serials(), node.manifests(), node.pids());
    let mut watch = Watch::start(node);
    watch.sees_a_change(node, "before");
    node.let_it_rest();

    let receiver = node.inside(Receiver::new);
    let polls = Polls::start(node);
    let begin = Instant::now();
    start_daemon(node, &receiver, &[]);
    wait_for("the news of a renewal", RENEWAL, || is_renewed(&receiver).then_some(()));
    let total = begin.elapsed();
    wait_for("the end of the alerts", RENEWAL, || {
        receiver.messages().iter().any(|it| it["status"] == "resolved").then_some(())
    });
    watch.sees_a_change(node, "after");
    let outages = polls.stop();

    print("certwatch run", total, &outages);
    let [api, etcd, _, _] = &outages;
    assert_eq!((api.failed, etcd.failed), (0, 0), "{outages:?}");
    node.assert_renewed(&old_serials);
    assert_eq!(node.manifests(), manifests);
    let [old_etcd, old_api, old_manager, old_scheduler] = pids;
    let [etcd, api, manager, scheduler] = node.pids();
    assert_eq!((etcd, api), (old_etcd, old_api), "neither was restarted");
    assert!(manager != old_manager && scheduler != old_scheduler, "both hold the old certificate");
    for kubeconfig in ["/etc/kubernetes/admin.conf", "/root/.kube/config"] {
        node.run(&["kubectl", "--kubeconfig", kubeconfig, "get", "nodes"]);
    }
    let copy = ["cmp", "/etc/kubernetes/admin.conf", "/root/.kube/config"];
    node.run(&copy);
    let kinds: Vec<_> =
        receiver.messages().iter().map(|it| it["certwatch"]["kind"].clone()).collect();
    assert!(kinds.contains(&"renewal".into()), "{kinds:?}");
    node.run(&["systemctl", "stop", "certwatch"]);
}

/// A copy is given admin's key where it is root's, or its owner is named; the others are told of.
#[test]
fn a_copy_of_another_user_is_refreshed_if_its_owner_is_named() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch(
        "kubeconfig-copies = ['/root/.kube/config', '/home/bob/.kube/config', \
         { path = '/home/anna/.kube/config', owner = 'anna' }]",
    );
    let users = "for user in anna bob; do useradd -m $user; mkdir /home/$user/.kube
        cp /etc/kubernetes/admin.conf /home/$user/.kube/config; chown -R $user: /home/$user/.kube
        done; mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config";
    node.run(&["bash", "-euc", users]);
    let before = node.read("/home/bob/.kube/config");
    node.let_it_rest();
    let run = node.renew(&["admin.conf"]);
    let line = "{ path = \"/home/bob/.kube/config\", owner = \"bob\" }";
    assert!(run.said.contains(line), "{}", run.said);
    let new = node.read("/etc/kubernetes/admin.conf");
    assert_ne!(new, before);
    for (user, text) in [("anna", &new), ("bob", &before)] {
        let path = format!("/home/{user}/.kube/config");
        assert_eq!(node.read(&path), *text, "{user}");
        assert_eq!(node.run(&["stat", "-c", "%U", &path]).trim(), user);
    }
    assert_eq!(node.read("/root/.kube/config"), new);
}

/// The figures for the documentation, with `--nocapture`.
#[test]
fn it_takes_no_outage_where_the_documented_way_takes_one() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    println!("| what | in all | polled | failed | longest |\n|---|---|---|---|---|");
    let by_hand = measure(node, "the documented procedure", || {
        let old = node.pids();
        node.run(&["bash", "-euc", DOCUMENTED]);
        wait_for("four new processes, all well", RENEWAL, || {
            let is_new = |(new, old): (&Option<u32>, &Option<u32>)| new.is_some() && new != old;
            (node.pids().iter().zip(&old).all(is_new) && node.complaint().is_none()).then_some(())
        });
    });
    assert!(by_hand[0].failed > 0, "the polls see nothing: {by_hand:?}");

    cluster.reset();
    node.install_certwatch("");
    let old_serials = node.serials();
    let [api, etcd, ..] = measure(node, "certwatch renew --all", || drop(node.renew(&["--all"])));
    assert_eq!((api.failed, etcd.failed), (0, 0), "{api:?} {etcd:?}");
    node.assert_renewed(&old_serials);

    cluster.reset();
    node.install_certwatch("restart = \"all\"");
    let (old_serials, old) = (node.serials(), node.pids());
    let what = "the same, restart = \"all\"";
    // How long the API is away depends on what else this machine has to do: docs/performance.md has it, of a run alone.
    let [api, ..] = measure(node, what, || drop(node.renew(&["--all"])));
    assert!(api.failed > 0, "the polls see nothing: {api:?}");
    assert!(node.pids().iter().zip(&old).all(|(new, old)| new != old), "{old:?}");
    node.assert_renewed(&old_serials);
}

/// What a renewal of certificates that are nearly over costs.
fn measure(node: Node<'_>, what: &str, renew: impl FnOnce()) -> [Outage; 4] {
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.let_it_rest();
    let polls = Polls::start(node);
    let begin = Instant::now();
    renew();
    let total = begin.elapsed();
    let outages = polls.stop();
    print(what, total, &outages);
    outages
}

/// Whether people were told that a renewal went well.
fn is_renewed(receiver: &Receiver) -> bool {
    let is_it = |message: &serde_json::Value| {
        let told = &message["certwatch"];
        told["kind"] == "renewal" && told["severity"] == "ok"
    };
    receiver.messages().iter().any(is_it)
}

/// The renewer's own unit, which starts when the file is touched: nothing is in it, so a daemon that
/// was taken over can ask and not command.
const UNITS: &str = "
    useradd --system certwatch
    cat >/etc/systemd/system/certwatch-renew.path <<END
[Path]
PathChanged=/run/certwatch/renew.request
END
    cat >/etc/systemd/system/certwatch-renew.service <<END
[Service]
Type=oneshot
ExecStart=/usr/local/bin/certwatch renew --auto
END
    systemctl daemon-reload
    systemctl start certwatch-renew.path";

#[test]
fn a_daemon_without_privileges_asks_and_the_renewer_decides() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    for file in ["pki/etcd/server.crt", "admin.conf"] {
        node.age(&format!("/etc/kubernetes/{file}"), "360 days ago", "5 days");
    }
    let before = node.fingerprint();
    node.let_it_rest();
    node.run(&["bash", "-euc", UNITS]);
    let receiver = node.inside(Receiver::new);
    start_daemon(
        node,
        &receiver,
        &[
            "--property=User=certwatch",
            "--property=AmbientCapabilities=CAP_DAC_READ_SEARCH",
            "--property=RuntimeDirectory=certwatch",
        ],
    );
    wait_for("the news of a renewal", RENEWAL, || is_renewed(&receiver).then_some(()));
    assert_ne!(node.fingerprint(), before);
    node.assert_served();
    let size = node.run(&["stat", "--format=%s %U", "/run/certwatch/renew.request"]);
    assert_eq!(size, "0 certwatch\n");
    let reads_keys = ["runuser", "-u", "certwatch", "--", "ls", WORK];
    assert!(!node.output(&reads_keys).status.success(), "backups are root's alone");
    node.run(&["systemctl", "stop", "certwatch", "certwatch-renew.path"]);
}

#[test]
fn a_backup_is_put_back_and_served_again() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    let before = node.fingerprint();
    node.renew(&["etcd-server", "etcd-peer", "admin.conf"]);
    let renewed = node.fingerprint();
    assert_ne!(renewed, before);

    // What is there is backed up first, so that this way can be gone back as well.
    for expected in [&before, &renewed] {
        let newest = node.journals().1[0]["id"].as_str().unwrap().to_owned();
        let run = node.certwatch(&["restore", &newest]);
        assert_eq!(run.code, Some(0), "{}", run.said);
        assert_eq!(&node.fingerprint(), expected, "{}", run.said);
        node.assert_served();
        node.run(&["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "nodes"]);
    }
    let run = node.certwatch(&["restore", "../stage"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert_eq!(node.stray_keys(), [""; 0]);
}
