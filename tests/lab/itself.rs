//! The lab proves itself before anything is proved with it.

use std::fs::{read_to_string, remove_file};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::NamedTempFile;

use crate::harness::{Cluster, Poll, wait_for};

const READY: &str = "https://10.77.0.1:6443/readyz";

#[test]
fn nothing_fails_where_nothing_happens() {
    let cluster = Cluster::fresh(1);
    let poll = Poll::start(cluster.node("cp1"), READY);
    for _ in 0..20 {
        cluster.node("cp1").run(&["kubectl", "get", "nodes"]);
    }
    let outage = poll.stop();
    assert_eq!(outage.failed, 0, "{outage:?}");
    assert!(outage.polls > 20, "{outage:?}");
}

#[test]
fn a_restart_of_the_api_server_is_seen_as_an_outage() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let old = node.pid("kube-apiserver").unwrap();
    let poll = Poll::start(node, READY);
    // On SIGTERM it would finish its requests first, for up to a minute when it is young.
    node.run(&["kill", "-KILL", &old.to_string()]);
    wait_for("another process to serve", Duration::from_secs(60), || {
        node.pid("kube-apiserver").filter(|pid| *pid != old)?;
        node.output(&["curl", "-ksf", READY]).status.success().then_some(())
    });
    let outage = poll.stop();
    assert!(outage.failed > 0, "{outage:?}");
    assert!(outage.longest > Duration::from_secs(1), "{outage:?}");
}

#[test]
fn a_reset_undoes_files_certificates_and_what_is_in_etcd() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let serial = node.openssl("/etc/kubernetes/pki/apiserver.crt", "serial");
    node.run(&["kubectl", "create", "configmap", "a-trace"]);
    // From 1.23 on the API server presents at once what has expired.
    node.age("/etc/kubernetes/pki/apiserver.crt", "1 year ago", "1 month ago");
    node.age("/var/lib/kubelet/pki/kubelet-client-current.pem", "1 year ago", "1 month ago");
    node.write("/etc/certwatch/a-trace", b"here");
    assert_eq!(node.read("/etc/certwatch/a-trace"), b"here");

    cluster.reset();

    assert_eq!(node.openssl("/etc/kubernetes/pki/apiserver.crt", "serial"), serial);
    assert!(!node.output(&["test", "-e", "/etc/certwatch"]).status.success());
    assert!(!node.run(&["kubectl", "get", "configmaps"]).contains("a-trace"));
    assert_eq!(node.served("10.77.0.1:6443").unwrap().serial, serial);
}

#[test]
fn what_was_saved_comes_back_whatever_happened_since() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let new = node.served("10.77.0.1:6443").unwrap().serial;
    node.age("/etc/kubernetes/pki/apiserver.crt", "300 days ago", "20 days");
    node.run(&["kubectl", "create", "configmap", "a-trace"]);
    let aged = node.openssl("/etc/kubernetes/pki/apiserver.crt", "serial");
    cluster.save("aged");
    cluster.reset();
    assert_eq!(node.served("10.77.0.1:6443").unwrap().serial, new);

    cluster.restore("aged");

    assert_eq!(node.served("10.77.0.1:6443").unwrap().serial, aged);
    assert!(node.run(&["kubectl", "get", "configmaps"]).contains("a-trace"));
}

#[test]
fn three_control_planes_are_one_cluster_and_outlive_the_loss_of_one() {
    let cluster = Cluster::fresh(3);
    let others = [cluster.node("cp2"), cluster.node("cp3")];
    let members = others[0].run(&["etcdctl", "member", "list"]);
    assert_eq!(members.matches(", started, ").count(), 3, "{members}");
    let healthy = "cp1 10.77.0.1 healthy\ncp2 10.77.0.2 healthy\ncp3 10.77.0.3 healthy\n";
    assert_eq!(cluster.script(&["status"]), healthy);

    cluster.script(&["stop", "cp1"]);
    for node in others {
        wait_for("an answer without the first node", Duration::from_secs(60), || {
            node.output(&["kubectl", "get", "nodes"]).status.success().then_some(())
        });
    }
    cluster.script(&["start", "cp1"]);
    assert_eq!(cluster.script(&["status"]), healthy);

    cluster.script(&["down"]);
    let traces = cluster.command(&["leftovers"]).output().unwrap();
    assert!(traces.status.success(), "{}", String::from_utf8_lossy(&traces.stdout));
}

#[test]
fn a_command_that_fails_says_so() {
    let cluster = Cluster::fresh(1);
    let output = cluster.node("cp1").output(&["sh", "-c", "echo why >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stderr, b"why\n");
}

/// Whatever `up` was doing when it was killed, alone or with all that it had started, the next one gets there.
#[test]
fn up_resumes_after_a_kill_and_down_leaves_nothing() {
    let cluster = Cluster::take("killed");
    let traces = || cluster.command(&["leftovers"]).output().unwrap();
    cluster.script(&["down"]);
    kill_at(&cluster, "up", "make the disk", Killed::All);
    kill_at(&cluster, "up", "boot cp1", Killed::ScriptAlone);
    kill_at(&cluster, "up", "kubeadm init", Killed::All);
    kill_at(&cluster, "up", "[kubelet-start] Starting the kubelet", Killed::All);
    kill_at(&cluster, "up", "[wait-control-plane]", Killed::ScriptAlone);
    kill_at(&cluster, "up", "wait until", Killed::All);
    kill_at(&cluster, "up", "keep it", Killed::All);
    cluster.script(&["up"]);
    assert_eq!(cluster.script(&["status"]), "cp1 10.77.0.1 healthy\n");
    // An interrupted reset has half of the disks back.
    kill_at(&cluster, "reset", "reset cluster", Killed::All);
    cluster.script(&["up"]);
    assert_eq!(cluster.script(&["status"]), "cp1 10.77.0.1 healthy\n");
    assert!(
        !traces().status.success(),
        "a running cluster has left no trace: the check sees nothing"
    );

    cluster.script(&["down"]);
    let traces = traces();
    assert!(traces.status.success(), "{}", String::from_utf8_lossy(&traces.stdout));
}

#[derive(Clone, Copy)]
enum Killed {
    ScriptAlone,
    All,
}

/// Starts a command of the lab and kills it, when it or the log of its kubeadm comes to these words.
fn kill_at(cluster: &Cluster, verb: &str, words: &str, killed: Killed) {
    let said = NamedTempFile::new().unwrap();
    let log = cluster.log("kubeadm-init-on-cp1");
    let _ = remove_file(&log); // of the one before
    let mut command = cluster.command(&[verb]);
    let mut lab = command.stdout(said.reopen().unwrap()).process_group(0).spawn().unwrap();
    wait_for(words, Duration::from_secs(120), || {
        assert!(lab.try_wait().unwrap().is_none(), "it was over before it came to {words:?}");
        let says = |file: &Path| read_to_string(file).is_ok_and(|text| text.contains(words));
        (says(said.path()) || says(log.as_ref())).then_some(())
    });
    let pid = Pid::from_child(&lab);
    match killed {
        Killed::ScriptAlone => kill_process(pid, Signal::KILL).unwrap(),
        Killed::All => kill_process_group(pid, Signal::KILL).unwrap(),
    }
    lab.wait().unwrap();
}
