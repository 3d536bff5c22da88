//! A static pod that mounts admin.conf by itself, as kube-vip does, and hooks.

use std::time::Duration;

use serde_json::Value;

use crate::common::run::{codes, rows};
use crate::harness::{CERTWATCH, Cluster, Node, wait_for};

/// The node's own programs, in whatever image there is: it reads the file at its start, as kube-vip does.
const VIP: &str = "apiVersion: v1
kind: Pod
metadata: {name: kube-vip, namespace: kube-system}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 2
  containers:
  - name: kube-vip
    image: IMAGE
    command: [/host/bin/sleep, '1000000']
    volumeMounts:
    - {name: conf, mountPath: /etc/kubernetes/admin.conf}
    - {name: bin, mountPath: /host/bin}
    - {name: lib, mountPath: /lib}
    - {name: lib64, mountPath: /lib64}
  volumes:
  - {name: conf, hostPath: {path: /etc/kubernetes/admin.conf, type: File}}
  - {name: bin, hostPath: {path: /usr/bin}}
  - {name: lib, hostPath: {path: /usr/lib}}
  - {name: lib64, hostPath: {path: /usr/lib64}}
";

const STARTS: Duration = Duration::from_secs(120);

/// Only root reads and writes here.
const TOLD: &str = "/var/lib/certwatch-renew/told";

/// Starts kube-vip, and lets the node rest.
fn start_vip(node: Node<'_>) {
    let scheduler = node.read("/etc/kubernetes/manifests/kube-scheduler.yaml");
    let text = String::from_utf8(scheduler).unwrap();
    let image = text.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap();
    let manifest = VIP.replace("IMAGE", image);
    node.write("/etc/kubernetes/manifests/kube-vip.yaml", manifest.as_bytes());
    wait_for("kube-vip", STARTS, || vip(node));
    node.let_it_rest();
}

fn vip(node: Node<'_>) -> Option<u32> {
    let output = node.output(&["pgrep", "--exact", "--full", "/host/bin/sleep 1000000"]);
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// What kube-vip has in place of admin.conf.
fn seen_by_vip(node: Node<'_>) -> Vec<u8> {
    let pid = vip(node).unwrap();
    node.read(&format!("/proc/{pid}/root/etc/kubernetes/admin.conf"))
}

fn check(node: Node<'_>) -> Value {
    serde_json::from_str(&node.certwatch(&["check", "-o", "json"]).said).unwrap()
}

/// The pod that has an older file, by the row of admin.conf.
fn stale(document: &Value) -> Option<String> {
    let mut stale = rows(document).iter().filter_map(|row| row["stale_use"]["component"].as_str());
    stale.next().map(str::to_owned)
}

#[test]
fn a_pod_that_mounts_a_file_by_itself_is_told_of_and_restarted_if_it_is_named() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    start_vip(node);
    let (old, first) = (node.read("/etc/kubernetes/admin.conf"), vip(node));
    let plan = node.certwatch(&["renew", "--dry-run", "admin.conf"]).said;
    assert!(plan.contains("uses the old admin.conf until it is restarted"), "{plan}");
    assert_eq!(stale(&check(node)), None);

    let run = node.renew(&["admin.conf"]);
    assert!(!run.said.contains("everything uses"), "{}", run.said);
    assert!(run.said.contains("is renewed, but kube-vip has to be restarted"), "{}", run.said);
    let new = node.read("/etc/kubernetes/admin.conf");
    assert_ne!(new, old);
    assert_eq!(seen_by_vip(node), old, "a single file stays the old one");
    let found = check(node);
    assert_eq!(stale(&found).as_deref(), Some("kube-vip-cp1"), "{found:#}");
    assert_eq!(codes(&found, "admin.conf"), ["stale_in_use"]);

    // The command that people are told.
    let begin = "crictl stop $(";
    let at = run.said.replace('\n', " ");
    let at = at.split(begin).nth(1).unwrap().split(')').next().unwrap().to_owned();
    node.run(&["bash", "-c", &format!("{begin}{at})")]);
    wait_for("another kube-vip", STARTS, || vip(node).filter(|pid| Some(*pid) != first));
    assert_eq!(seen_by_vip(node), new);
    assert_eq!(stale(&check(node)), None);

    node.configure_certwatch("restart-pods = ['kube-vip', 'kube-vop']");
    node.let_it_rest();
    let (before, pids) = (vip(node), node.pids());
    let run = node.renew(&["admin.conf"]);
    assert!(run.said.contains("names kube-vop, and this node has no static pod"), "{}", run.said);
    assert!(run.said.contains("kube-vip was restarted and uses the new files"), "{}", run.said);
    assert!(run.said.contains("RENEWED: admin.conf is renewed\n"), "{}", run.said);
    assert_ne!(vip(node), before);
    assert_eq!(node.pids(), pids, "no component was restarted");
    assert_eq!(seen_by_vip(node), node.read("/etc/kubernetes/admin.conf"));
    let (_, history) = node.journals();
    assert_eq!(history[0]["other_pods"][0]["result"], "done", "{:#}", history[0]);

    // Renewed by somebody else: what was named is restarted for that alone.
    let replace =
        "cp -p /etc/kubernetes/admin.conf /root/new; mv /root/new /etc/kubernetes/admin.conf";
    node.run(&["bash", "-c", replace]);
    assert_eq!(stale(&check(node)).as_deref(), Some("kube-vip-cp1"));
    node.renew(&["--restart-stale"]);
    assert_eq!(stale(&check(node)), None);
}

fn put_hook(node: Node<'_>, path: &str, script: &str) {
    node.write_program(path, format!("#!/bin/bash\n{script}\n").as_bytes());
}

#[test]
fn hooks_run_once_and_what_they_do_undoes_nothing() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let hooks = "[[renew.hook]]\ncommand = ['/usr/local/sbin/reload', 'a b']\n\
                 [[renew.hook]]\ncommand = ['/usr/local/sbin/fails']\n\
                 [[renew.hook]]\ncommand = ['/usr/local/sbin/hangs']\ntimeout = '2s'\n\
                 [[renew.hook]]\ncommand = ['/usr/local/sbin/open']\n\
                 [[renew.hook]]\nname = 'last'\ncommand = ['/usr/bin/touch', '/root/last']\n";
    node.install_certwatch(hooks);
    put_hook(
        node,
        "/usr/local/sbin/reload",
        &format!(
            "echo \"$1 $CERTWATCH_TASK $CERTWATCH_RENEWED $CERTWATCH_KUBERNETES\" >>{TOLD}; echo reloaded"
        ),
    );
    put_hook(node, "/usr/local/sbin/fails", "echo no such balancer; exit 3");
    put_hook(node, "/usr/local/sbin/hangs", "trap '' TERM; while :; do sleep 1; done");
    put_hook(node, "/usr/local/sbin/open", "touch /root/open");
    node.run(&["chmod", "757", "/usr/local/sbin/open"]);
    node.let_it_rest();
    let before = node.fingerprint();
    let plan = node.certwatch(&["renew", "--dry-run", "apiserver"]).said;
    assert!(plan.contains("reload, for 60 s at most: /usr/local/sbin/reload 'a b'"), "{plan}");
    assert!(plan.contains("the hook open will fail as it is now"), "{plan}");
    assert!(!node.output(&["ls", TOLD]).status.success(), "a dry run runs nothing");

    let run = node.certwatch(&["renew", "apiserver"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert_ne!(node.fingerprint(), before);
    node.assert_served();
    let told = node.read(TOLD);
    assert_eq!(String::from_utf8_lossy(&told), "a b renew apiserver /etc/kubernetes\n");
    for words in [
        "the hook reload was run: exit status: 0; it said: reloaded",
        "the hook fails failed: exit status: 3; it said: no such balancer",
        "the hook hangs failed: it timed out",
        "the hook open failed: /usr/local/sbin/open was not run",
        "is renewed, but the hooks fails, hangs and open failed",
    ] {
        let said = run.said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words}: {}", run.said);
    }
    node.run(&["ls", "/root/last"]);
    assert!(!node.output(&["ls", "/root/open"]).status.success());
    assert!(!node.output(&["pgrep", "-f", "/usr/local/sbin/hangs"]).status.success());
    let (_, history) = node.journals();
    assert_eq!(history[0]["step"]["end"], "renewed");
    let result = |index: usize| history[0]["hooks"][index]["result"].clone();
    assert_eq!([0, 1, 2, 3, 4].map(result), ["done", "failed", "failed", "failed", "done"]);
}

/// The unit as it is, with the program where the tests have it.
fn install_unit(node: Node<'_>) {
    let unit = include_str!("../../systemd/certwatch-renew.service");
    let unit = unit.replace("/usr/bin/certwatch", CERTWATCH);
    node.write("/etc/systemd/system/certwatch-renew.service", unit.as_bytes());
    node.run(&["systemctl", "daemon-reload"]);
}

/// In the service's sandbox `systemctl` reaches what has none.
#[test]
fn the_service_runs_hooks_and_restarts_pods_in_its_sandbox() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    start_vip(node);
    node.age("/etc/kubernetes/admin.conf", "360 days ago", "5 days");
    // It was written in place or not: from now on kube-vip has what is there.
    node.run(&["pkill", "-KILL", "-x", "-f", "/host/bin/sleep 1000000"]);
    wait_for("kube-vip", STARTS, || vip(node));
    let unit = "[Service]\nType=oneshot\nExecStart=/usr/bin/touch /root/after-renewal\n";
    node.write("/etc/systemd/system/after-renewal.service", unit.as_bytes());
    install_unit(node);
    put_hook(
        node,
        "/usr/local/sbin/told",
        &format!(
            "cmp $CERTWATCH_KUBERNETES/admin.conf /etc/kubernetes/admin.conf && echo \"$CERTWATCH_KUBERNETES\" >{TOLD}"
        ),
    );
    node.configure_certwatch(
        "enabled = true\nrestart-pods = ['kube-vip']\n\
         [[renew.hook]]\ncommand = ['/usr/bin/systemctl', 'start', 'after-renewal.service']\n\
         [[renew.hook]]\ncommand = ['/usr/local/sbin/told']\n",
    );
    node.let_it_rest();
    node.run(&["systemctl", "start", "certwatch-renew.service"]);
    let (_, history) = node.journals();
    let journal = &history[0];
    let results = ["/hooks/0/result", "/hooks/1/result", "/other_pods/0/result"];
    let results = results.map(|at| journal.pointer(at).cloned().unwrap_or_default());
    assert_eq!(results, ["done", "done", "done"], "{journal:#}");
    node.run(&["ls", "/root/after-renewal"]);
    let told = String::from_utf8(node.read(TOLD)).unwrap();
    assert_eq!(told, "/run/certwatch-renew/kubernetes\n");
    assert_eq!(seen_by_vip(node), node.read("/etc/kubernetes/admin.conf"));
}
