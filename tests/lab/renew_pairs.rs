//! Whatever happens to an installation: each key in place is the one of the certificate beside it, and the next
//! renewal is not refused because of what this one has left.

use std::time::Duration;

use tempfile::NamedTempFile;

use crate::common::receiver::Receiver;
use crate::daemon;
use crate::harness::{CERTWATCH, Cluster, Node, Run, STAND_IN, WORK, certwatch, traced, wait_for};

/// The key of each certificate, by openssl and not by what is tested.
const PAIRS: &str = r#"
    for key in /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key; do
        certificate=${key%.key}.crt
        [ -e "$certificate" ] || continue
        [ "$(openssl pkey -in "$key" -pubout)" = "$(openssl x509 -in "$certificate" -noout -pubkey)" ] || echo "$key"
    done"#;

fn mismatched(node: Node<'_>) -> String {
    node.run(&["bash", "-euc", PAIRS])
}

fn assert_well(node: Node<'_>) {
    node.wait_until_healthy();
    node.run(&["kubectl", "get", "nodes"]);
    assert_eq!(mismatched(node), "");
    node.assert_served();
    assert_eq!(node.stray_keys(), [""; 0]);
}

/// The certificate cannot be replaced, which is found out when its key has been: it becomes immutable while kubeadm
/// works on the copy.
#[test]
fn two_days_before_the_end_a_failed_installation_goes_back_and_the_next_renews() {
    const STUBBORN: &str = "/etc/kubernetes/pki/etcd/server.crt";
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch(&format!("kubeadm = \"{STAND_IN}\""));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" != certs ] || chattr +i /proc/1/root{STUBBORN}\nexec /usr/bin/kubeadm \"$@\"\n"
    );
    node.write_program(STAND_IN, text.as_bytes());
    node.age_all("363 days ago", "2 days");
    node.let_it_rest();
    let before = node.fingerprint();
    let run = node.certwatch(&["renew"]);
    assert_eq!(mismatched(node), "", "{}", run.said);
    node.run(&["chattr", "-i", STUBBORN]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("everything is as it was before"), "{}", run.said);
    assert_eq!(node.fingerprint(), before, "{}", run.said);
    assert_well(node);

    node.configure_certwatch("");
    node.let_it_rest();
    node.renew(&[]);
    assert_well(node);
    let after = node.fingerprint();
    for (name, file) in node.names() {
        let path = format!("/etc/kubernetes/{file}");
        assert_ne!(after[&path], before[&path], "{name}");
    }
}

/// Kills a renewal between the two files of etcd's serving pair, so that it ends every handshake; and nobody knows of it
/// any more.
fn cut_etcds_pair_in_two(node: Node<'_>) {
    // The first one keeps the cluster's configuration; after it, each makes the same calls.
    node.renew(&["front-proxy-client"]);
    let renew = |name: &str| certwatch(node, &["renew", name].map(str::to_owned));
    let log = NamedTempFile::new().unwrap();
    let whole = Run::from(traced(&renew("etcd-peer"), &["-o", log.path().to_str().unwrap()]));
    assert_eq!(whole.code, Some(0), "{}", whole.said);
    let log = std::fs::read_to_string(log.path()).unwrap();
    let mut calls = log.lines().filter(|line| line.contains("renameat2("));
    let is_certificate = |line: &str| line.contains(" \"peer.crt\", RENAME_EXCHANGE) = 0");
    let nth = 1 + calls.position(is_certificate).unwrap();
    let inject = format!("inject=renameat2:signal=KILL:when={nth}");
    let struck = Run::from(traced(&renew("etcd-server"), &["-o", "/dev/null", "-e", &inject]));
    assert_eq!(mismatched(node), "/etc/kubernetes/pki/etcd/server.key\n", "{struck:?}");
    node.run(&["rm", "-rf", WORK]);
}

#[test]
fn a_state_dir_that_is_wiped_in_the_middle_leaves_nothing_half() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    cut_etcds_pair_in_two(node);
    let plan = node.certwatch(&["renew", "--dry-run"]);
    assert!(plan.said.contains("the key of etcd-server did not match its certificate"), "{plan:?}");
    assert_eq!(mismatched(node), "/etc/kubernetes/pki/etcd/server.key\n", "a plan changes nothing");

    let run = node.renew(&[]);
    let headline = "repaired etcd-server: its key did not match its certificate";
    assert_eq!(run.said.matches(headline).count(), 1, "{}", run.said);
    assert_well(node);
    let (current, history) = node.journals();
    assert_eq!((current, history[0]["task"].as_str()), (None, Some("repair")));
    let run = node.renew(&[]);
    assert!(run.said.contains("Nothing to do"), "{}", run.said);
}

/// Neither half has its other one anywhere: then there is a new pair, though nothing is due.
#[test]
fn a_key_that_is_lost_for_good_is_made_anew() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    node.renew(&["apiserver-etcd-client"]);
    node.run(&["rm", "-rf", WORK]);
    let key = "/etc/kubernetes/pki/apiserver-etcd-client.key";
    let line = "(umask 077; openssl genrsa -out \"$1\" 2048)";
    node.run(&["bash", "-euc", line, "--", key]);
    assert_eq!(mismatched(node), format!("{key}\n"));
    let shown = node.certwatch(&["renew", "--dry-run"]);
    assert!(shown.said.contains("its key does not match"), "{}", shown.said);
    node.let_it_rest();
    node.renew(&[]);
    assert_well(node);
}

/// The daemon asks for a look at its start, whatever is remembered.
#[test]
fn a_daemon_alone_brings_to_rights_what_nobody_knows_of() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let receiver = node.inside(Receiver::new);
    node.install_certwatch("");
    node.let_it_rest();
    cut_etcds_pair_in_two(node);
    daemon::start(node, &receiver, "[renew]\nenabled = true\n");
    wait_for("the pair to be whole", Duration::from_secs(300), || {
        mismatched(node).is_empty().then_some(())
    });
    wait_for("the news of it", Duration::from_secs(300), || {
        receiver.headlines().iter().any(|it| it.contains("repaired etcd-server")).then_some(())
    });
    assert_well(node);
}

/// No half of it is left, and kubeadm cannot make it anew: people are told, and it is not tried again and again.
#[test]
fn a_pair_that_cannot_be_mended_is_told_and_keeps_to_the_pace() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let receiver = node.inside(Receiver::new);
    node.install_certwatch(&format!("enabled = true\nkubeadm = \"{STAND_IN}\""));
    let text = "#!/bin/sh\n[ \"$1\" != certs ] || exit 1\nexec /usr/bin/kubeadm \"$@\"\n";
    node.write_program(STAND_IN, text.as_bytes());
    let key = "/etc/kubernetes/pki/apiserver-kubelet-client.key";
    let line = "(umask 077; openssl genrsa -out \"$1\" 2048)";
    node.run(&["bash", "-euc", line, "--", key]);
    node.let_it_rest();
    for _ in 0..3 {
        node.certwatch(&["renew", "--auto"]);
    }
    let (_, history) = node.journals();
    assert_eq!(history.len(), 1, "{history:#?}");
    assert_eq!(history[0]["names"][0], "apiserver-kubelet-client");
    let settings = format!("[renew]\nenabled = true\nkubeadm = \"{STAND_IN}\"\n");
    daemon::start(node, &receiver, &settings);
    let told = receiver.wait_for_messages(1)[0].to_string();
    assert!(told.contains("apiserver-kubelet-client is unusable"), "{told}");

    node.write_program(STAND_IN, b"#!/bin/sh\nexec /usr/bin/kubeadm \"$@\"\n");
    // The daemon's look at its start may still be at work.
    wait_for("a renewal", Duration::from_secs(180), || {
        (node.certwatch(&["renew"]).code == Some(0)).then_some(())
    });
    assert_well(node);
    node.run(&["systemctl", "restart", "certwatch"]);
    wait_for("its end", Duration::from_secs(60), || {
        let told = receiver.messages();
        told.iter().any(|it| it["certwatch"]["kind"] == "resolved").then_some(())
    });
}

/// Another kubeadm hangs. It is waited for in silence, but not without end: the clock of one look is a day ahead.
#[test]
fn what_is_in_the_way_for_longer_than_a_day_reaches_a_receiver() {
    const PRELOADED: &str = "/root/libfaketime.so.1";
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let receiver = node.inside(Receiver::new);
    node.age_all("345 days ago", "20 days");
    node.install_certwatch("enabled = true");
    node.let_it_rest();
    let hang =
        "mkfifo /srv/wait; systemd-run --unit=upgrade kubeadm config migrate --old-config /srv/wait
        for _ in {1..600}; do ! pgrep -x kubeadm || break; sleep 0.1; done";
    node.run(&["bash", "-euc", hang]);
    daemon::start(node, &receiver, "[renew]\nenabled = true\n");
    wait_for("a look", Duration::from_secs(120), || {
        let state = node.output(&["cat", &format!("{WORK}/state.json")]).stdout;
        let state: serde_json::Value = serde_json::from_slice(&state).ok()?;
        state["state"]["held_up"].is_number().then_some(())
    });
    let news = || {
        let told = receiver.messages();
        told.iter().map(ToString::to_string).find(|it| it.contains("another kubeadm is running"))
    };
    assert_eq!((node.journals().1.len(), news()), (0, None), "not yet");

    node.install("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", PRELOADED);
    let look = format!("LD_PRELOAD={PRELOADED} FAKETIME=+25h {CERTWATCH} renew --auto");
    // The daemon's own look, by the clock of today, may still be at work.
    wait_for("a look a day later", Duration::from_secs(120), || {
        node.output(&["bash", "-c", &look]);
        (node.journals().1.len() == 1).then_some(())
    });
    node.run(&["systemctl", "restart", "certwatch"]);
    let told = wait_for("the news of it", Duration::from_secs(120), news);
    assert!(told.contains("It has been blocked for 25 h"), "{told}");
}
