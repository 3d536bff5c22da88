//! What can go wrong around a renewal, row by row: how it ends, what it says, and that the cluster is
//! well afterwards, with every file renewed or every file as it was. `--nocapture` prints the table.

use std::process::Stdio;
use std::time::Duration;

use crate::harness::{CERTWATCH, Cluster, Node, Run, STAND_IN, wait_for};

/// Which files have changed at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    AsBefore,
    Renewed,
}

/// A row.
struct Row {
    what: &'static str,
    /// Lines of `[renew]`.
    config: &'static str,
    /// What the stand-in does to `certs renew etcd-peer`; nothing if it is kubeadm itself.
    kubeadm: &'static str,
    /// Shell before the renewal, and after it.
    before: &'static str,
    after: &'static str,
    code: i32,
    /// Words of what it says; some of these, if `|` stands between them.
    told: &'static str,
    /// How the journal says that it ended; not looked at if empty.
    outcome: &'static str,
    end: End,
}

const ROW: Row = Row {
    what: "nothing",
    config: "",
    kubeadm: "",
    before: "",
    after: "",
    code: 1,
    told: "",
    outcome: "",
    end: End::AsBefore,
};

/// What kubeadm does, and the disk.
const OF_KUBEADM: &[Row] = &[
    Row { code: 0, end: End::Renewed, told: "renewed", ..ROW },
    Row {
        what: "kubeadm fails half-way",
        kubeadm: "echo no more >&2; exit 3",
        told: "kubeadm certs renew etcd-peer",
        ..ROW
    },
    Row {
        what: "kubeadm writes a key that does not fit",
        kubeadm: "/usr/bin/kubeadm \"$@\" && openssl genrsa -out /etc/kubernetes/pki/etcd/peer.key 2048",
        told: "etcd-peer",
        ..ROW
    },
    Row { what: "kubeadm hangs", kubeadm: "exec sleep 1000", told: "it timed out", ..ROW },
    Row {
        what: "kubeadm prints garbage and does nothing",
        kubeadm: "head -c 1000000 /dev/urandom",
        told: "etcd-peer",
        ..ROW
    },
    Row {
        what: "kubeadm fills the disk",
        config: "state-dir = \"/var/lib/small\"",
        kubeadm: "head -c 16M /dev/zero >/etc/kubernetes/pki/fill; exec /usr/bin/kubeadm \"$@\"",
        before: "mkdir -p /var/lib/small; mount -t tmpfs -o size=8M,mode=700 small /var/lib/small",
        after: "umount /var/lib/small",
        told: "kubeadm certs renew etcd-peer",
        ..ROW
    },
    Row {
        what: "no room for the backup",
        config: "state-dir = \"/var/lib/small\"",
        before: "mkdir -p /var/lib/small; mount -t tmpfs -o size=64k,mode=700 small /var/lib/small",
        after: "umount /var/lib/small",
        told: "KiB are needed",
        ..ROW
    },
    Row {
        what: "the disk fills up once the backup has begun",
        config: "state-dir = \"/var/lib/small\"",
        before: "mkdir -p /var/lib/small
            mount -t tmpfs -o size=8M,mode=700 small /var/lib/small
            systemd-run --unit=filler bash -c \
                'until [ -d /var/lib/small/backups ]; do :; done; cat /dev/zero >/var/lib/small/fill'",
        after: "systemctl stop filler || true; umount /var/lib/small",
        // The next that needs room may be the backup, the copy or the journal.
        told: "No space left on device|the disk is full",
        ..ROW
    },
];

/// What the node does, and others on it.
const OF_THE_NODE: &[Row] = &[
    Row {
        what: "the manifests cannot be written",
        before: "mount --bind /etc/kubernetes/manifests /etc/kubernetes/manifests
            mount -o remount,ro,bind /etc/kubernetes/manifests",
        after: "umount /etc/kubernetes/manifests",
        told: "cannot be written",
        ..ROW
    },
    Row {
        what: "the kubelet is dead",
        before: "systemctl stop kubelet",
        after: "systemctl start kubelet",
        told: "the kubelet does not respond",
        ..ROW
    },
    Row {
        what: "containerd is dead",
        before: "systemctl stop containerd",
        after: "systemctl start containerd; systemctl restart kubelet",
        told: "the container runtime does not respond",
        ..ROW
    },
    Row {
        what: "the kubelet dies in the middle, and comes back after 20 s",
        kubeadm: "systemctl stop kubelet; systemd-run --on-active=20 --timer-property=AccuracySec=1s systemctl start kubelet
            exec /usr/bin/kubeadm \"$@\"",
        code: 0,
        told: "renewed",
        end: End::Renewed,
        ..ROW
    },
    Row {
        what: "containerd dies in the middle, and comes back after 20 s",
        kubeadm: "systemctl stop containerd; systemd-run --on-active=20 --timer-property=AccuracySec=1s systemctl start containerd
            exec /usr/bin/kubeadm \"$@\"",
        code: 0,
        told: "renewed",
        end: End::Renewed,
        ..ROW
    },
    Row {
        what: "another kubeadm is running",
        before: "mkfifo /srv/wait; systemd-run --unit=upgrade kubeadm config migrate --old-config /srv/wait
            for _ in {1..600}; do ! pgrep -x kubeadm || break; sleep 0.1; done",
        after: "systemctl stop upgrade; rm /srv/wait",
        told: "another kubeadm is running",
        ..ROW
    },
    Row {
        what: "a user's process called kubeadm, and one in a pod, which is the container's root",
        before: "install -m 755 /usr/bin/kubeadm /srv/kubeadm; mkfifo -m 666 /srv/wait
            systemd-run --unit=stranger --uid=nobody /srv/kubeadm config migrate --old-config /srv/wait
            image=$(kubectl -n kube-system get pods -l component=etcd -o jsonpath='{.items[0].spec.containers[0].image}')
            kubectl create -f - <<POD
{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"stranger\"}, \"spec\": {
  \"nodeName\": \"cp1\", \"hostNetwork\": true, \"automountServiceAccountToken\": false,
  \"containers\": [{\"name\": \"c\", \"image\": \"$image\", \"imagePullPolicy\": \"Never\",
    \"command\": [\"/srv/kubeadm\", \"config\", \"migrate\", \"--old-config\", \"/srv/wait\"],
    \"volumeMounts\": [{\"name\": \"srv\", \"mountPath\": \"/srv\"}]}],
  \"volumes\": [{\"name\": \"srv\", \"hostPath\": {\"path\": \"/srv\"}}]}}
POD
            for _ in {1..600}; do [ \"$(pgrep -cx kubeadm)\" != 2 ] || break; sleep 0.1; done
            [ \"$(pgrep -cx kubeadm)\" = 2 ]",
        after: "systemctl stop stranger; kubectl delete pod stranger --grace-period=0 --force; rm /srv/kubeadm /srv/wait",
        code: 0,
        told: "renewed",
        end: End::Renewed,
        ..ROW
    },
    Row {
        what: "another kubeadm begins in the middle",
        kubeadm: "mkfifo /run/wait; systemd-run --unit=upgrade /usr/bin/kubeadm config migrate --old-config /run/wait
            for _ in {1..600}; do ! pgrep -x kubeadm -P 1 || break; sleep 0.1; done; exec /usr/bin/kubeadm \"$@\"",
        after: "systemctl stop upgrade; rm /run/wait",
        told: "another kubeadm is running",
        ..ROW
    },
    Row {
        what: "the clock is not that of the other nodes",
        // Two kubelets whose clocks are behind.
        before: "lease() { kubectl create -f - <<LEASE
{\"apiVersion\": \"coordination.k8s.io/v1\", \"kind\": \"Lease\", \"metadata\": {\"name\": \"$1\",
    \"namespace\": \"kube-node-lease\"}, \"spec\": {\"renewTime\": \"2020-01-31T02:00:00.000000Z\"}}
LEASE
            }
            lease worker1; lease worker2
            systemd-run --unit=workers --setenv=KUBECONFIG=/etc/kubernetes/admin.conf bash -c 'while sleep 2; do for n in 1 2; do
                kubectl -n kube-node-lease patch lease worker$n --patch \
                    \"{\\\"spec\\\":{\\\"renewTime\\\":\\\"2020-01-31T02:00:$(date +%S).000000Z\\\"}}\"
                done; done'",
        after: "systemctl stop workers; kubectl -n kube-node-lease delete lease worker1 worker2",
        told: "node worker1, which is alive, says 2020-01-31",
        ..ROW
    },
    Row {
        what: "the API server reaches the kubelet no longer",
        config: "restart = \"none\"",
        kubeadm: "iptables -I INPUT -p tcp --dport 10250 -j REJECT --reject-with tcp-reset; exec /usr/bin/kubeadm \"$@\"",
        after: "iptables -D INPUT -p tcp --dport 10250 -j REJECT --reject-with tcp-reset",
        told: "cannot get a log from the kubelet",
        outcome: "rolled_back",
        ..ROW
    },
    Row {
        what: "a person works on a manifest",
        before: "touch /etc/kubernetes/manifests/etcd.yaml",
        after: "touch -d '1 hour ago' /etc/kubernetes/manifests/etcd.yaml",
        told: "changed within the last two minutes",
        ..ROW
    },
];

/// What starts a component again is gone for good: nothing is ended then.
const OF_WHAT_STAYS_DEAD: &[Row] = &[
    Row {
        what: "the kubelet dies while kubeadm works, and stays dead",
        kubeadm: "systemctl stop kubelet; exec /usr/bin/kubeadm \"$@\"",
        after: "pgrep -x kube-controller; systemctl start kubelet",
        told: "the kubelet does not respond",
        outcome: "unchanged",
        ..ROW
    },
    Row {
        what: "containerd dies while kubeadm works, and stays dead",
        kubeadm: "systemctl stop containerd; exec /usr/bin/kubeadm \"$@\"",
        after: "pgrep -x kube-controller; systemctl start containerd; systemctl restart kubelet",
        told: "the container runtime does not respond",
        outcome: "unchanged",
        ..ROW
    },
    Row {
        what: "the kubelet dies once the first file is in its place, and stays dead",
        before: "systemd-run --unit=killer lab-on-install systemctl stop kubelet",
        after: "systemctl stop killer || true; pgrep -x kube-controller; systemctl start kubelet",
        told: "the kubelet does not respond",
        outcome: "needs_operator",
        ..ROW
    },
];

impl Row {
    /// What is wrong with how it went, if anything is.
    fn complaint(&self, node: Node<'_>) -> Option<String> {
        let stand_in =
            if self.kubeadm.is_empty() { "exec /usr/bin/kubeadm \"$@\"" } else { self.kubeadm };
        let text = format!(
            "#!/bin/bash\n[ \"$1 $2 $3\" = 'certs renew etcd-peer' ] || exec /usr/bin/kubeadm \"$@\"\n{stand_in}\n"
        );
        node.write_program(STAND_IN, text.as_bytes());
        node.configure_certwatch(&format!("kubeadm = \"{STAND_IN}\"\n{}", self.config));
        let before = (node.fingerprint(), node.manifests());
        node.run(&["bash", "-euc", self.before]);
        let run = node.certwatch(&["renew", "--all"]);
        node.run(&["bash", "-euc", self.after]);
        node.wait_until_healthy();

        println!("| {} | {} | {} | {:?}, well |", self.what, self.code, self.told, self.end);
        let after = node.fingerprint();
        let changed = after.iter().filter(|(path, sum)| before.0.get(*path) != Some(*sum)).count();
        let expected = match self.end {
            End::AsBefore => 0,
            // A kubeconfig is one file, and a pair two.
            End::Renewed => {
                let files = |(name, _): &(&str, &str)| if name.ends_with(".conf") { 1 } else { 2 };
                node.names().iter().map(files).sum()
            }
        };
        node.assert_served();
        let strays = node.stray_keys();
        let outcome = node.journals().1.first().map(|it| it["step"]["end"].clone());
        let is_as_expected = run.code == Some(self.code)
            && self.told.split('|').any(|words| run.said.contains(words))
            && changed == expected
            && (self.outcome.is_empty() || outcome.is_some_and(|it| it == self.outcome))
            && node.manifests() == before.1
            && strays.is_empty();
        let what = self.what;
        (!is_as_expected).then(|| format!("{what}: {changed} files changed, {strays:?}, {run:#?}"))
    }
}

/// Each is told, and leaves the node as it was or renewed.
#[track_caller]
fn assert_each(rows: &[Row]) {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    println!("| what | exit | told | files and cluster after |\n|---|---|---|---|");
    let complaints: Vec<_> = rows.iter().filter_map(|row| row.complaint(node)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn each_fault_of_kubeadm_is_told_and_leaves_all_as_it_was() {
    assert_each(OF_KUBEADM);
}

#[test]
fn each_fault_of_the_node_is_told_and_leaves_it_as_it_was_or_renewed() {
    assert_each(OF_THE_NODE);
}

#[test]
fn nothing_is_ended_that_nobody_would_start_again() {
    assert_each(OF_WHAT_STAYS_DEAD);
}

#[test]
fn of_two_at_the_same_time_one_steps_back() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch(&format!("kubeadm = \"{STAND_IN}\""));
    // The first one is held within kubeadm until the second has had its say.
    let text = "#!/bin/sh\n[ \"$1\" = certs ] || exec /usr/bin/kubeadm \"$@\"
        touch /root/is-held\nwhile [ -e /root/hold ]; do sleep 0.1; done\nexec /usr/bin/kubeadm \"$@\"\n";
    node.write_program(STAND_IN, text.as_bytes());
    node.run(&["touch", "/root/hold"]);
    let mut command = node.command(&[CERTWATCH, "renew", "--force", "etcd-peer"]);
    let first = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the first to be held", Duration::from_secs(30), || {
        node.output(&["test", "-e", "/root/is-held"]).status.success().then_some(())
    });
    let second = node.certwatch(&["renew", "--force", "etcd-peer"]);
    node.run(&["rm", "/root/hold"]);
    assert_eq!(second.code, Some(1), "{}", second.said);
    assert!(second.said.contains("another renewal or restoration"), "{}", second.said);
    let first = Run::from(first.wait_with_output().unwrap());
    assert_eq!(first.code, Some(0), "{}", first.said);
    assert_eq!(node.complaint(), None);
}

/// The longest row: certwatch waits as long as a kubelet may hold the new process back.
#[test]
#[ignore = "takes a quarter of an hour; `make renew-faults` runs it"]
fn an_api_server_that_does_not_come_back_is_told_and_can_be_mended() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch(&format!("restart = \"all\"\nkubeadm = \"{STAND_IN}\""));
    // The stand-in sees the copy as /etc/kubernetes, so it reaches for the live one through process 1.
    let text = "#!/bin/sh
        [ \"$1 $2 $3\" != 'certs renew apiserver' ] ||
            sed -i 's/- kube-apiserver$/&\\n    - --no-such-flag/' /proc/1/root/etc/kubernetes/manifests/kube-apiserver.yaml
        exec /usr/bin/kubeadm \"$@\"\n";
    node.write_program(STAND_IN, text.as_bytes());
    node.let_it_rest();
    let before = node.fingerprint();
    let run = node.certwatch(&["renew", "--all"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("kube-apiserver"), "{}", run.said);
    assert_eq!(node.fingerprint(), before, "all was put back: {}", run.said);

    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    node.run(&["sed", "-i", "/--no-such-flag/d", manifest]);
    node.run(&["systemctl", "restart", "kubelet"]);
    node.wait_until_healthy();
    node.let_it_rest();
    node.configure_certwatch("");
    node.renew(&["--all"]);
    node.assert_served();
    assert_eq!(node.stray_keys(), [""; 0]);
}
