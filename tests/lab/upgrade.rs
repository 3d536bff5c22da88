//! A real `kubeadm upgrade node` beside a renewal: each of the two renews certificates and moves manifests.
//! Whoever comes first, the node has to be well afterwards, upgraded, with the certificates on disk in use.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Cluster, Fingerprint, Node, Run, STAND_IN, wait_for};

/// kubeadm asks for it and does nothing with it: all images are there.
const CRICTL: &str = "/usr/local/bin/crictl";

/// In a unit of its own, so that it sees the live tree whoever begins it.
const UPGRADE: &str = "systemd-run --quiet --unit=upgrade --remain-after-exit --property=Environment=PATH=/usr/local/bin:/usr/bin:/bin \
    kubeadm upgrade node --ignore-preflight-errors=all";

/// Gives the upgrade something to do: one flag of the scheduler's more.
fn want_verbosity(node: Node<'_>, verbosity: &str) {
    let script = format!(
        "config=$(kubectl -n kube-system get configmap kubeadm-config -o jsonpath='{{.data.ClusterConfiguration}}' |
            sed '/^scheduler:/,$d')
        case $config in
            *v1beta4*) flag='  - {{name: v, value: \"{verbosity}\"}}' ;;
            *) flag='    v: \"{verbosity}\"' ;;
        esac
        printf '%s\nscheduler:\n  extraArgs:\n%s\n' \"$config\" \"$flag\" |
            python3 -c 'import json, sys; print(json.dumps({{\"data\": {{\"ClusterConfiguration\": sys.stdin.read()}}}}))' >/root/patch
        kubectl -n kube-system patch configmap kubeadm-config --patch \"$(cat /root/patch)\""
    );
    node.run(&["bash", "-euc", &script]);
}

/// The upgrade has done its work, and everything else is as it should be.
fn assert_upgraded(node: Node<'_>, verbosity: &str, context: &str) {
    let state = || node.run(&["systemctl", "show", "--property=SubState,Result", "upgrade"]);
    let ended = wait_for("the end of the upgrade", Duration::from_secs(400), || {
        Some(state()).filter(|state| !state.contains("SubState=running"))
    });
    assert!(ended.contains("SubState=exited"), "{context}: {}", node.journal("upgrade"));
    node.run(&["systemctl", "stop", "upgrade"]);
    node.wait_until_healthy();
    node.assert_served();
    node.wait_for_lease("kube-scheduler");
    let flag = format!("--v={verbosity}");
    wait_for("the upgraded scheduler", Duration::from_secs(60), || {
        let pid = node.pid("kube-scheduler")?;
        let arguments = node.output(&["cat", &format!("/proc/{pid}/cmdline")]).stdout;
        String::from_utf8_lossy(&arguments).contains(&flag).then_some(())
    });
    let manifest = node.read("/etc/kubernetes/manifests/kube-scheduler.yaml");
    assert!(String::from_utf8_lossy(&manifest).contains(&flag), "{context}");
    node.run(&["kubectl", "get", "nodes"]);
    assert_eq!(node.stray_keys(), [""; 0], "{context}");
    let check = node.certwatch(&["check"]);
    assert_eq!(check.code, Some(0), "{context}: {}", check.said);
}

/// Whose `certs renew etcd-peer` does this first.
fn stand_in(node: Node<'_>, first: &str) {
    let text = format!(
        "#!/bin/bash\n[ \"$1 $2 $3\" != 'certs renew etcd-peer' ] || {{ {first}; }}\nexec /usr/bin/kubeadm \"$@\"\n"
    );
    node.write_program(STAND_IN, text.as_bytes());
    // What the upgrade before has left tells of somebody at work for two minutes.
    node.run(&["rm", "-rf", "/etc/kubernetes/tmp"]);
    node.let_it_rest();
}

fn renew_beside(node: Node<'_>, verbosity: &str) -> Run {
    let run = node.certwatch(&["renew", "--all"]);
    assert_upgraded(node, verbosity, &format!("{run:?}"));
    run
}

#[test]
fn an_upgrade_and_a_renewal_do_each_other_no_harm() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.write_program(CRICTL, b"#!/bin/sh\n");
    node.install_certwatch(&format!("kubeadm = \"{STAND_IN}\""));

    // The upgrade is first: certwatch steps back.
    stand_in(node, ":");
    want_verbosity(node, "2");
    let before = node.fingerprint();
    node.run(&["bash", "-euc", &format!("{UPGRADE}; until pgrep -x kubeadm; do :; done")]);
    let run = renew_beside(node, "2");
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("another kubeadm is running"), "{}", run.said);
    assert_only_the_upgrades(node, &before);

    // It begins while the new certificates are being made: they are dropped.
    stand_in(node, UPGRADE);
    want_verbosity(node, "3");
    let before = node.fingerprint();
    let run = renew_beside(node, "3");
    assert_eq!(run.code, Some(1), "{}", run.said);
    let told = ["another kubeadm is running", "changed by somebody else"];
    assert!(told.iter().any(|words| run.said.contains(words)), "{}", run.said);
    assert_only_the_upgrades(node, &before);

    // It begins as soon as the first new file is in its place.
    stand_in(node, ":");
    want_verbosity(node, "4");
    let before = node.fingerprint();
    let begin = format!("systemd-run --quiet --unit=begin-upgrade lab-on-install {UPGRADE}");
    node.run(&["bash", "-c", &begin]);
    let run = node.certwatch(&["renew", "--all"]);
    wait_for("the upgrade to begin", Duration::from_secs(60), || {
        node.output(&["systemctl", "cat", "upgrade"]).status.success().then_some(())
    });
    assert_upgraded(node, "4", &format!("{run:?}"));
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("somebody else has changed"), "{}", run.said);
    assert_only_the_upgrades(node, &before);
}

/// The upgrade renews the certificates of what it has changed, as it says, and those of the admins at its end. Which manifests
/// differ depends on the version.
fn assert_only_the_upgrades(node: Node<'_>, before: &Fingerprint) {
    let after = node.fingerprint();
    let is_changed = |(path, sum): &(&String, &String)| before.get(*path) != Some(*sum);
    let changed: BTreeSet<_> =
        after.iter().filter(is_changed).map(|(path, _)| path.clone()).collect();
    let journal = node.journal("upgrade");
    let (_, last) = journal.rsplit_once("[upgrade] Reading configuration from the").unwrap();
    let renewed = |name: &str| {
        name.ends_with("admin.conf") || last.contains(&format!("Renewing {name} certificate"))
    };
    let files = node.names().iter().filter(|(name, _)| renewed(name));
    let with_keys = files.flat_map(|(_, file)| [(*file).to_owned(), file.replace(".crt", ".key")]);
    let expected: BTreeSet<_> = with_keys.map(|file| format!("/etc/kubernetes/{file}")).collect();
    assert!(last.contains("Renewing scheduler.conf certificate"), "{last}");
    assert_eq!(changed, expected, "{last}");
}
