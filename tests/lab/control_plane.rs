//! `renew::control_plane` on a live control plane.
//!
//! It has to run in the node, where the processes are: so this test program is installed there, and
//! runs the one test of its own that only does what it is told ([`in_the_node`]).
#![expect(clippy::print_stdout, reason = "how the node answers, and what a failed test shows")]

use std::fmt::Debug;
use std::time::{Duration, Instant};

use certwatch::domain::renewal::Component;
use certwatch::domain::renewal::restart::RestartOptions;
use certwatch::domain::time::{Span, UnixTime};
use certwatch::node::ControlPlane;
use certwatch::node::NodePaths;
use certwatch::renew::control_plane::put_manifests_back;
use certwatch::sys;

use crate::harness::{Cluster, Node, Poll, wait_for};

const DRIVER: &str = "/usr/local/bin/control-plane-driver";
const TOLD: &str = "CONTROL_PLANE_DRIVER";
const KUBERNETES: &str = "/etc/kubernetes";
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";

/// Does what `CONTROL_PLANE_DRIVER` says: what to do, and with which component.
#[test]
#[ignore = "is run in the node by the other tests"]
fn in_the_node() {
    let told = std::env::var(TOLD).unwrap();
    let (order, name) = told.split_once(' ').unwrap();
    let places = NodePaths {
        kubernetes: KUBERNETES.into(),
        kubelet: "/var/lib/kubelet".into(),
        work: "/var/lib/certwatch".into(),
        kubeadm: "/usr/bin/kubeadm".into(),
        is_stage_shown: false,
    };
    let plane = ControlPlane::read(&places).unwrap();
    let component = Component::ALL.into_iter().find(|it| it.name() == name);
    match order {
        "facts" => say(plane.facts()),
        "blockers" => say(plane.blockers()),
        "cluster-config" => say(plane.cluster_config()),
        "put-back" => say(put_manifests_back(&places)),
        "live" => say(plane.activate(component.unwrap(), RestartOptions::default())),
        "restart" => say(plane.activate(component.unwrap(), restart(sys::now()))),
        "finish" => {
            say(plane.activate(component.unwrap(), restart(sys::now() - Span::minutes(10))));
        }
        "verify" => say(plane.verify(component.unwrap())),
        _ => panic!("{told}"),
    }
}

fn restart(since: UnixTime) -> RestartOptions {
    RestartOptions {
        restart: Some(since),
        wait_for_peers: true,
        wait_for_kubelet_and_runtime: true,
        ..RestartOptions::default()
    }
}

fn say(what: impl Debug) {
    println!("said: {what:?}");
}

/// A control plane with the driver in it.
fn prepare(cluster: &Cluster) -> Node<'_> {
    let node = cluster.node("cp1");
    node.install(std::env::current_exe().unwrap().to_str().unwrap(), DRIVER);
    node
}

#[track_caller]
fn tell(node: Node<'_>, order: &str) -> String {
    let told = format!("{TOLD}={order}");
    let test = "control_plane::in_the_node";
    let output = node.run(&["env", &told, DRIVER, test, "--exact", "--ignored", "--nocapture"]);
    let said = output.lines().find_map(|line| line.split_once("said: ")).unwrap().1.to_owned();
    println!("{order}: {said}");
    said
}

#[track_caller]
fn prove(node: Node<'_>, order: &str) {
    let said = tell(node, order);
    assert!(said.starts_with("Ok("), "{order}: {said}");
}

#[test]
fn a_control_plane_that_is_well_is_found_to_be() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let facts = tell(node, "facts -");
    for component in Component::ALL {
        assert!(facts.contains(&format!("component: {component:?}")), "{facts}");
        // A leader that was reset waits for the lease of its former self to end.
        prove(node, &format!("live {component}"));
        prove(node, &format!("verify {component}"));
    }
    assert_eq!(facts.matches("started: Some").count(), 4, "{facts}");
    assert_eq!(facts.matches("stale: None").count(), 4, "{facts}");
    assert_eq!(facts.matches("served: Some").count(), 2, "{facts}");
    assert_eq!(tell(node, "blockers -"), "[]");
    assert!(tell(node, "cluster-config -").contains("kind: ClusterConfiguration"));
}

#[test]
fn new_certificates_are_taken_without_a_restart_and_without_an_outage() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let pids = || Component::ALL.map(|component| node.pid(component.name()));
    let before = pids();
    let poll = Poll::start(node, "https://10.77.0.1:6443/readyz");
    for name in ["etcd/server", "etcd/peer", "apiserver"] {
        node.age(&format!("{KUBERNETES}/pki/{name}.crt"), "1 day ago", "300 days");
    }
    prove(node, "live etcd");
    prove(node, "live kube-apiserver");
    assert_eq!(poll.stop().failed, 0);
    assert_eq!(pids(), before);
}

#[test]
fn each_is_restarted_once() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    for component in Component::ALL {
        let before = node.pid(component.name()).unwrap();
        prove(node, &format!("restart {component}"));
        let after = node.pid(component.name()).unwrap();
        assert_ne!(before, after, "{component}");
        prove(node, &format!("finish {component}"));
        assert_eq!(node.pid(component.name()), Some(after), "{component}");
    }
}

#[test]
fn a_credential_that_is_not_in_use_is_noticed() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    node.age(&format!("{KUBERNETES}/scheduler.conf"), "1 day ago", "300 days");
    assert!(tell(node, "facts -").contains("scheduler.conf was written"));
    assert!(tell(node, "verify kube-scheduler").contains("NotTaken"));
    prove(node, "restart kube-scheduler");
    prove(node, "verify kube-scheduler");
}

#[test]
fn what_hangs_is_killed_and_its_manifest_stays() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let inode = || node.run(&["stat", "-c", "%i %z", MANIFEST]);
    let (before, manifest) = (node.pid("kube-scheduler").unwrap(), inode());
    node.run(&["kill", "-STOP", &before.to_string()]);
    prove(node, "restart kube-scheduler");
    assert_ne!(node.pid("kube-scheduler"), Some(before));
    assert_eq!(inode(), manifest);
}

/// As where it runs as a user, and the renewer has no capabilities.
#[test]
fn what_must_not_be_signalled_ends_without_its_manifest() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let (before, content) = (node.pid("kube-scheduler").unwrap(), node.read(MANIFEST));
    let refuse = [
        "--property=SystemCallFilter=~pidfd_send_signal",
        "--property=SystemCallErrorNumber=EPERM",
    ];
    let told = format!("--setenv={TOLD}=restart kube-scheduler");
    let driver = [DRIVER, "control_plane::in_the_node", "--exact", "--ignored", "--nocapture"];
    let run = ["systemd-run", "--wait", "--pipe", "--quiet", &told];
    let said = node.run(&[&run[..], &refuse, &driver].concat());
    assert!(said.contains("said: Ok("), "{said}");
    assert_ne!(node.pid("kube-scheduler"), Some(before));
    assert_eq!(node.read(MANIFEST), content);
    node.run(&["test", "!", "-e", &format!("{KUBERNETES}/.certwatch-manifests")]);
}

/// A person who stops to look sees it in the plan; whoever goes on has it waited for.
#[test]
fn what_was_restarted_lately_is_held_back_as_long_as_is_told() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let held_back = |seconds: u64| {
        let facts = tell(node, "facts -");
        let scheduler = facts.split("component: Scheduler").nth(1).unwrap().to_owned();
        assert!(scheduler.contains(&format!("back_off: Span({seconds})")), "{scheduler}");
    };
    node.run(&["systemctl", "restart", "kubelet"]);
    node.wait_until_healthy();
    for told in [0, 10] {
        held_back(told);
        let begun = Instant::now();
        prove(node, "restart kube-scheduler");
        assert!(begun.elapsed() >= Duration::from_secs(told));
    }
}

#[test]
fn a_manifest_that_a_killed_certwatch_left_is_put_back() {
    let cluster = Cluster::fresh(1);
    let node = prepare(&cluster);
    let away = &format!("{KUBERNETES}/.certwatch-manifests");
    let manifest = format!("{KUBERNETES}/manifests/kube-scheduler.yaml");
    node.run(&["mkdir", away]);
    node.run(&["mv", &manifest, away]);
    wait_for("the scheduler to end", Duration::from_secs(60), || {
        node.pid("kube-scheduler").is_none().then_some(())
    });
    assert!(tell(node, "put-back -").contains("kube-scheduler.yaml"));
    wait_for("the scheduler to be well", Duration::from_secs(60), || {
        tell(node, "verify kube-scheduler").starts_with("Ok(").then_some(())
    });
    assert_eq!(tell(node, "put-back -"), "Ok([])");
}

#[test]
fn a_member_that_is_down_is_named_while_etcd_has_a_majority() {
    let cluster = Cluster::fresh(3);
    let node = prepare(&cluster);
    assert_eq!(tell(node, "blockers -"), "[]");
    cluster.script(&["stop", "cp3"]);
    let said = tell(node, "blockers -");
    assert!(
        said.contains("PeerUnhealthy(\"etcd's member cp3: https://10.77.0.3:2379/health: "),
        "{said}"
    );
    assert!(!said.contains("cp2"), "{said}");

    cluster.script(&["start", "cp3"]);
    waits_for_the_api_server_of(cluster.node("cp2"), node);
}

/// While another control plane has no API server, the one here is not restarted.
fn waits_for_the_api_server_of(other: Node<'_>, node: Node<'_>) {
    let move_away = "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root";
    let move_back = "mv /root/kube-apiserver.yaml /etc/kubernetes/manifests";
    other.run(&["sh", "-c", move_away]);
    let said = wait_for("the other API server to be missed", Duration::from_secs(90), || {
        Some(tell(node, "blockers -")).filter(|said| said != "[]")
    });
    assert!(
        said.starts_with("[PeerUnhealthy(\"kube-apiserver: https://10.77.0.2:6443/readyz: "),
        "{said}"
    );

    let before = node.pid("kube-apiserver").unwrap();
    std::thread::scope(|scope| {
        let restart = scope.spawn(|| prove(node, "restart kube-apiserver"));
        // It would be told to end at once, and not be ready from then on.
        let poll = Poll::start(node, "https://10.77.0.1:6443/readyz");
        std::thread::sleep(Duration::from_secs(20));
        assert_eq!((poll.stop().failed, node.pid("kube-apiserver")), (0, Some(before)));
        other.run(&["sh", "-c", move_back]);
        restart.join().unwrap();
    });
    assert_ne!(node.pid("kube-apiserver"), Some(before));
}
