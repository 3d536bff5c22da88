//! The kubelet's own certificates, where it does not renew them by itself.

use std::time::Duration;

use crate::common::receiver::Receiver;
use crate::harness::{CERTWATCH, Cluster, KUBELET_CLIENT, Node, WORK, YEAR, wait_for};
use crate::renewal::start_daemon;

const SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";
const PORT: &str = "127.0.0.1:10250";

/// From the restart of the kubelet to what it gets by itself.
const SOON: Duration = Duration::from_secs(180);

/// From the first scan to the last message.
const RENEWAL: Duration = Duration::from_secs(300);

/// Its rotation has been slept through: the kubelet that runs has drawn a moment for another one.
fn oversleep(node: Node<'_>) -> String {
    node.age(KUBELET_CLIENT, "350 days ago", "15 days");
    node.serial(KUBELET_CLIENT)
}

/// It serves one that it has made, and that ends soon.
fn age_serving(node: Node<'_>) -> String {
    node.age(SERVING, "350 days ago", "15 days");
    node.run(&["systemctl", "restart", "kubelet"]);
    let serial = node.serial(SERVING);
    wait_until_served(node, &serial);
    serial
}

#[track_caller]
fn wait_until_served(node: Node<'_>, serial: &str) {
    wait_for("the kubelet to serve it", SOON, || {
        (node.served(PORT)?.serial == serial).then_some(())
    });
}

/// The headline and the notes of the last renewal.
fn last(node: Node<'_>) -> (String, String) {
    let (current, history) = node.journals();
    assert_eq!(current, None);
    let journal = &history.first().unwrap();
    (journal["step"]["end"].as_str().unwrap().to_owned(), journal["notes"].to_string())
}

#[test]
fn a_rotation_that_was_slept_through_is_made_up_for() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("kubelet = true");
    node.let_it_rest();
    let old = oversleep(node);
    let plan = node.renew(&["--dry-run"]).said;
    assert!(plan.contains("systemctl restart kubelet"), "{plan}");
    assert_eq!(node.serial(KUBELET_CLIENT), old, "nothing was done");
    let pids = node.pids();
    let run = node.renew(&[]);
    assert_ne!(node.serial(KUBELET_CLIENT), old, "{}", run.said);
    assert!(node.is_valid_for(KUBELET_CLIENT, YEAR));
    let (outcome, notes) = last(node);
    assert_eq!(outcome, "renewed", "{notes}");
    assert!(notes.contains("it has renewed its lease"), "{notes}");
    assert_eq!(node.pids(), pids, "the static pods went on");
    let again = node.renew(&[]);
    assert!(again.said.contains("Nothing to do."), "{}", again.said);

    let old = oversleep(node);
    node.configure_certwatch("");
    let off = node.renew(&[]);
    assert!(off.said.contains("Nothing to do."), "{}", off.said);
    assert_eq!(node.serial(KUBELET_CLIENT), old);
    node.renew(&["kubelet-client"]);
    assert_ne!(node.serial(KUBELET_CLIENT), old);
}

/// It does not even start.
#[test]
fn a_kubelet_whose_certificate_has_expired_is_brought_back() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("kubelet = true");
    node.let_it_rest();
    node.age(KUBELET_CLIENT, "13 months ago", "1 month ago");
    node.output(&["systemctl", "restart", "kubelet"]);
    node.wait_until_the_kubelet_refuses();
    let run = node.renew(&[]);
    assert!(node.is_valid_for(KUBELET_CLIENT, YEAR), "{}", run.said);
    let conf = String::from_utf8(node.read("/etc/kubernetes/kubelet.conf")).unwrap();
    assert!(conf.contains(KUBELET_CLIENT) && !conf.contains("client-key-data"), "{}", run.said);
    node.wait_until_healthy();
    assert_eq!(last(node).0, "renewed");
}

#[test]
fn the_kubelet_makes_its_serving_certificate_anew() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("kubelet = true");
    node.let_it_rest();
    let old = age_serving(node);
    let run = node.renew(&[]);
    let new = node.serial(SERVING);
    assert_ne!(new, old, "{}", run.said);
    assert_eq!(node.served(PORT).unwrap().serial, new);
    assert!(node.is_valid_for(SERVING, YEAR));
    assert_eq!(node.serial(&format!("{WORK}/kubelet-serving-before/kubelet.crt")), old);
    assert_eq!(last(node).0, "renewed");

    // One whose kubelet does not start again with it is put back.
    let old = age_serving(node);
    let hinder = "mkdir -p /etc/systemd/system/kubelet.service.d
        printf '[Service]\\nReadOnlyPaths=/var/lib/kubelet/pki\\n' >/etc/systemd/system/kubelet.service.d/z.conf
        systemctl daemon-reload";
    node.run(&["bash", "-euc", hinder]);
    let run = node.certwatch(&["renew"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert_eq!(node.serial(SERVING), old, "{}", run.said);
    assert_eq!(last(node).0, "rolled_back", "{}", run.said);
    wait_until_served(node, &old);
}

/// Killed where the kubelet has none.
#[test]
fn what_was_interrupted_is_taken_up_again() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("kubelet = true");
    node.let_it_rest();
    let old = age_serving(node);
    let kill = format!(
        "{CERTWATCH} renew & while [ -e {SERVING} ] && kill -0 $!; do :; done; kill -9 $!; wait $! || true"
    );
    node.run(&["bash", "-c", &kill]);
    let (current, _) = node.journals();
    assert_eq!(current.unwrap()["step"], "kubelet_serving");
    node.renew(&[]);
    let new = node.serial(SERVING);
    assert_ne!(new, old);
    assert_eq!(node.served(PORT).unwrap().serial, new);
    assert_eq!(last(node).0, "renewed");
    assert_eq!(node.serial(&format!("{WORK}/kubelet-serving-before/kubelet.crt")), old);
}

/// Nobody signs: kube-controller-manager is away.
#[test]
fn a_request_that_nobody_signs_is_waited_for_and_told() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("kubelet = true");
    node.let_it_rest();
    let manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    node.run(&["mv", manifest, "/root"]);
    wait_for("it to end", SOON, || node.pid("kube-controller-manager").is_none().then_some(()));
    let old = oversleep(node);
    let run = node.certwatch(&["renew"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("`kubectl get csr`"), "{}", run.said);
    assert_eq!((last(node).0.as_str(), node.serial(KUBELET_CLIENT)), ("unchanged", old.clone()));
    let waits = String::from_utf8(node.output(&["kubectl", "get", "csr"]).stdout).unwrap();
    assert!(waits.contains("Pending"), "{waits}");
    node.run(&["mv", "/root/kube-controller-manager.yaml", manifest]);
    wait_for("the kubelet's rotation", RENEWAL, || {
        (node.serial(KUBELET_CLIENT) != old).then_some(())
    });
}

/// In the sandbox of its unit, where kubeadm finds nothing but the stage.
#[test]
fn the_service_renews_the_kubelets_certificates() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("enabled = true");
    node.let_it_rest();
    let unit = include_str!("../../systemd/certwatch-renew.service");
    let unit = unit.replace("/usr/bin/certwatch", CERTWATCH);
    node.write("/etc/systemd/system/certwatch-renew.service", unit.as_bytes());
    node.run(&["systemctl", "daemon-reload"]);
    let renew = || {
        let is_done = node.output(&["systemctl", "start", "certwatch-renew"]).status.success();
        let said = node.journal("certwatch-renew");
        assert!(is_done, "{said}");
        assert_eq!(last(node).0, "renewed", "{said}");
        said
    };
    for [from, to] in [["350 days ago", "15 days"], ["13 months ago", "1 month ago"]] {
        node.age(KUBELET_CLIENT, from, to);
        let old = node.serial(KUBELET_CLIENT);
        let said = renew();
        assert_ne!(node.serial(KUBELET_CLIENT), old, "{said}");
        assert!(node.is_valid_for(KUBELET_CLIENT, YEAR), "{said}");
    }
    let old = age_serving(node);
    let said = renew();
    let new = node.serial(SERVING);
    assert_ne!(new, old, "{said}");
    assert_eq!(node.served(PORT).unwrap().serial, new);
}

/// When the kubelet was last started, as systemd writes it.
fn started(node: Node<'_>) -> String {
    let show = ["systemctl", "show", "--value", "-p", "ExecMainStartTimestampMonotonic", "kubelet"];
    String::from_utf8(node.output(&show).stdout).unwrap()
}

fn give_flags(node: Node<'_>, flags: &str) {
    node.write("/etc/default/kubelet", format!("KUBELET_EXTRA_ARGS=\"{flags}\"\n").as_bytes());
    node.run(&["systemctl", "restart", "kubelet"]);
    wait_for("the kubelet to serve", SOON, || node.served(PORT).map(drop));
}

/// What is in kubelet.conf, in a file.
fn embedded(node: Node<'_>) -> String {
    let extract = "grep -o 'client-certificate-data: .*' /etc/kubernetes/kubelet.conf | cut -d' ' -f2 | \
                   base64 -d >/root/embedded.crt";
    node.run(&["bash", "-euc", extract]);
    node.serial("/root/embedded.crt")
}

/// By its configuration or by a flag: a restart would change nothing.
#[test]
fn a_kubelet_that_never_rotates_is_given_one() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("enabled = true");
    node.let_it_rest();
    give_flags(node, "--rotate-certificates=false");
    let old = oversleep(node);
    let before = started(node);
    let run = node.certwatch(&["renew"]);
    assert_eq!((run.code, started(node)), (Some(0), before), "{}", run.said);
    assert!(run.said.contains("--rotate-certificates=false"), "{}", run.said);
    assert_eq!(node.serial(KUBELET_CLIENT), old);

    node.age(KUBELET_CLIENT, "360 days ago", "5 days");
    let run = node.renew(&[]);
    let first = embedded(node);
    assert!(node.is_valid_for("/root/embedded.crt", YEAR), "{}", run.said);
    assert_eq!(last(node).0, "renewed");
    let before = started(node);
    let again = node.renew(&[]);
    assert!(again.said.contains("Nothing to do."), "{}", again.said);
    assert_eq!(started(node), before);

    // The next one takes the place of that.
    give_flags(node, "");
    node.run(&[
        "sed",
        "-i",
        "s/^rotateCertificates: .*/rotateCertificates: false/",
        "/var/lib/kubelet/config.yaml",
    ]);
    node.age("/etc/kubernetes/kubelet.conf", "360 days ago", "5 days");
    let run = node.renew(&[]);
    assert_ne!(embedded(node), first, "{}", run.said);
    assert!(node.is_valid_for("/root/embedded.crt", YEAR), "{}", run.said);
    assert_eq!(last(node).0, "renewed");
    node.wait_until_healthy();
}

/// What it has made before lies there still.
#[test]
fn a_kubelet_that_is_given_its_serving_certificate_is_left_alone() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("enabled = true");
    node.let_it_rest();
    let give = "cp /var/lib/kubelet/pki/kubelet.crt /root/own.crt; cp /var/lib/kubelet/pki/kubelet.key /root/own.key";
    node.run(&["bash", "-euc", give]);
    give_flags(node, "--tls-cert-file=/root/own.crt --tls-private-key-file=/root/own.key");
    node.age(SERVING, "350 days ago", "15 days");
    let (left, before) = (node.serial(SERVING), started(node));
    for _ in 0..2 {
        let run = node.renew(&[]);
        assert!(run.said.contains("Nothing to do."), "{}", run.said);
    }
    let named = node.certwatch(&["renew", "kubelet-serving"]);
    assert_eq!(named.code, Some(1), "{}", named.said);
    assert!(named.said.contains("--tls-cert-file"), "{}", named.said);
    assert_eq!((node.serial(SERVING), started(node)), (left, before));
}

/// Nothing runs after the boot: the kubelet refuses to start, and without it there is no static pod.
#[test]
fn the_daemon_brings_a_node_back_that_boots_with_an_expired_certificate() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("enabled = true");
    node.let_it_rest();
    node.age(KUBELET_CLIENT, "13 months ago", "1 month ago");
    let unit = format!(
        "[Service]\nType=notify\nStateDirectory=certwatch\nExecStart={CERTWATCH} run\n[Install]\n\
         WantedBy=multi-user.target\n"
    );
    node.write("/etc/systemd/system/certwatch.service", unit.as_bytes());
    node.run(&["systemctl", "enable", "certwatch"]);
    node.run(&["sync"]);
    cluster.script(&["boot", "cp1"]);
    wait_for("the kubelet's certificate", RENEWAL, || {
        node.is_valid_for(KUBELET_CLIENT, YEAR).then_some(())
    });
    node.wait_until_healthy();
    wait_for("the end of the renewal", RENEWAL, || node.journals().0.is_none().then_some(()));
    let (outcome, notes) = last(node);
    assert_eq!(outcome, "renewed", "{notes}");
    node.run(&["systemctl", "stop", "certwatch"]);
}

#[test]
fn the_daemon_has_it_done_and_tells() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    let old = oversleep(node);
    let receiver = node.inside(Receiver::new);
    start_daemon(node, &receiver, &[]);
    let told = "the kubelet's client certificate is renewed";
    wait_for("the news of it", RENEWAL, || {
        let mut news = receiver.messages().into_iter();
        news.any(|it| it.to_string().contains(told)).then_some(())
    });
    assert_ne!(node.serial(KUBELET_CLIENT), old);
    assert!(node.is_valid_for(KUBELET_CLIENT, YEAR));
    node.run(&["systemctl", "stop", "certwatch"]);
}
