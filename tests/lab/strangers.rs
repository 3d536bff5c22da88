//! Processes that are called as the node's own programs are, and whose they are: all of them real, and seen from a
//! process that has no more rights than the service.

use std::time::Duration;

use serde_json::Value;

use crate::common::run::rows;
use crate::harness::{CERTWATCH, Cluster, Node, wait_for};

/// Pipes: whoever reads the first one waits, and who writes into the second one.
const PIPES: &str = "mkfifo -m 666 /srv/wait /srv/full
    exec 3<>/srv/full
    dd if=/dev/zero of=/srv/full bs=4k oflag=nonblock 2>/dev/null || true
    systemd-run --unit=holder sh -c 'exec sleep infinity 3<>/srv/full'
    for _ in {1..100}; do ! pgrep -x sleep || break; sleep 0.1; done
    useradd guest
    install -m 755 /usr/bin/kubeadm /srv/kubeadm
    install -m 755 /proc/$(pgrep -x kube-apiserver)/root/usr/local/bin/kube-apiserver /srv/
    mkdir -m 755 /srv/su /srv/small
    ln -s /usr/bin/su /srv/su/kubeadm
    install -m 755 /bin/sleep /srv/small/kubeadm";

/// Starts a shell line as a unit in a cgroup of its own, if one is named.
fn start(node: Node<'_>, unit: &str, user: &str, cgroup: &str, line: &str) {
    let moved = "for it in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
            [ ! -e $it/cgroup.procs ] || mkdir -p $it/$0 || continue
            echo $BASHPID >$it/$0/cgroup.procs || true
        done 2>/dev/null";
    let script = if cgroup.is_empty() { line.to_owned() } else { format!("{moved}\n{line}") };
    let [unit, uid] = [format!("--unit={unit}"), format!("--uid={user}")];
    node.run(&["systemd-run", &unit, &uid, "bash", "-c", &script, cgroup]);
}

/// Waits for so many processes of this name, the cluster's own among them.
fn wait_until_running(node: Node<'_>, name: &str, count: usize) {
    wait_for(&format!("{count} processes called {name}"), Duration::from_secs(60), || {
        let output = node.output(&["pgrep", "-cx", name]);
        (String::from_utf8_lossy(&output.stdout).trim() == count.to_string()).then_some(())
    });
}

/// What is in the way of a renewal, as the service sees it: root, without root's rights.
fn blockers(node: Node<'_>) -> Vec<Value> {
    let confined = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let renew = [CERTWATCH, "renew", "--all", "--dry-run", "-o", "json"];
    let output = node.output(&[&confined[..], &renew].concat());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let blockers = document["plan"]["blockers"].as_array().unwrap();
    let is_about_processes =
        |it: &&Value| it["code"].as_str().is_some_and(|code| code.starts_with("kubeadm_"));
    blockers.iter().filter(is_about_processes).cloned().collect()
}

/// The rows of processes: which ones, and what is found of each.
fn processes(node: Node<'_>) -> Vec<(Value, String)> {
    let output = node.output(&[CERTWATCH, "check", "-o", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let is_process = |row: &&Value| row["entry"]["kind"] == "process";
    let found = rows(&document).iter().filter(is_process);
    found.map(|row| (row["entry"]["pid"].clone(), row["findings"].to_string())).collect()
}

fn pod(name: &str) -> String {
    format!(
        "for _ in {{1..600}}; do
            image=$(kubectl -n kube-system get pods -l component=etcd -o jsonpath='{{.items[*].spec.containers[0].image}}')
            [ -z \"$image\" ] || ! kubectl get serviceaccount default || break
            sleep 0.1
        done
        kubectl create -f - <<POD
{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"{name}\"}}, \"spec\": {{
  \"nodeName\": \"cp1\", \"hostNetwork\": true, \"hostPID\": true, \"automountServiceAccountToken\": false,
  \"containers\": [{{\"name\": \"c\", \"image\": \"$image\", \"imagePullPolicy\": \"Never\",
    \"command\": [\"/srv/kubeadm\", \"config\", \"migrate\", \"--old-config\", \"/srv/wait\"],
    \"volumeMounts\": [{{\"name\": \"srv\", \"mountPath\": \"/srv\"}}]}}],
  \"volumes\": [{{\"name\": \"srv\", \"hostPath\": {{\"path\": \"/srv\"}}}}]}}}}
POD"
    )
}

#[test]
fn only_a_kubeadm_of_root_s_on_the_node_is_waited_for_and_what_may_be_one_is_told() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.run(&["bash", "-euc", PIPES]);
    let kubeadm = "exec /srv/kubeadm config migrate --old-config /srv/wait";

    start(node, "asks", "guest", "", "exec /srv/su/kubeadm <>/srv/wait");
    start(node, "small", "root", "", "exec /srv/small/kubeadm 1000");
    start(node, "user", "guest", "", kubeadm);
    wait_until_running(node, "kubeadm", 3);
    assert_eq!(blockers(node), [Value::Null; 0], "nobody who counts");

    node.run(&["bash", "-euc", &pod("upgrader")]);
    wait_until_running(node, "kubeadm", 4);
    let found = blockers(node);
    let what = found[0]["message"].as_str().unwrap();
    assert_eq!((found.len(), &found[0]["code"]), (1, &"kubeadm_unrecognized".into()), "{found:#?}");
    assert!(what.contains("of root: `kubeadm config") && what.contains("/kubepods"), "{what}");
    node.run(&["kubectl", "delete", "pod", "upgrader", "--grace-period=0", "--force"]);
    wait_until_running(node, "kubeadm", 3);

    for cgroup in ["docker/c0ffee", "anything"] {
        start(node, "elsewhere", "root", cgroup, kubeadm);
        wait_until_running(node, "kubeadm", 4);
        let found = blockers(node);
        let what = found[0]["message"].as_str().unwrap();
        assert_eq!(
            (found.len(), &found[0]["code"]),
            (1, &"kubeadm_unrecognized".into()),
            "{found:#?}"
        );
        assert!(what.contains(&format!("in the cgroup /{cgroup}")), "{what}");
        node.run(&["pkill", "-u", "root", "-f", "^/srv/kubeadm config"]);
        wait_until_running(node, "kubeadm", 3);
        node.output(&["systemctl", "stop", "elsewhere"]);
    }

    start(node, "upgrade", "root", "", kubeadm);
    wait_until_running(node, "kubeadm", 4);
    let found = blockers(node);
    assert_eq!((found.len(), &found[0]["code"]), (1, &"kubeadm_running".into()), "{found:#?}");
}

#[test]
fn a_kube_apiserver_that_is_not_the_node_s_is_no_row_and_one_that_may_be_says_so() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let own = processes(node);
    assert_eq!(own.len(), 1, "{own:#?}");
    node.run(&["bash", "-euc", PIPES]);
    let apiserver = "exec /srv/kube-apiserver --help >/srv/full";
    start(node, "user", "guest", "", apiserver);
    start(node, "container", "root", "docker/c0ffee", apiserver);
    let small = "ln -s /bin/sleep /srv/small/kube-apiserver; exec /srv/small/kube-apiserver 1000";
    start(node, "small", "root", "", small);
    wait_until_running(node, "kube-apiserver", 4);
    assert_eq!(processes(node), own);

    start(node, "elsewhere", "root", "anything", apiserver);
    wait_until_running(node, "kube-apiserver", 5);
    let found = processes(node);
    let unclear: Vec<_> = found.iter().filter(|it| it.1.contains("unknown_owner")).collect();
    assert_eq!((found.len(), unclear.len()), (2, 1), "{found:#?}");
    assert!(unclear[0].1.contains("/anything"), "{found:#?}");

    start(node, "service", "root", "", apiserver);
    wait_until_running(node, "kube-apiserver", 6);
    let found = processes(node);
    assert_eq!(found.len(), 3, "one that root runs as a service is the node's: {found:#?}");
}
