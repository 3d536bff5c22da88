//! A node that was off for too long: all of it has expired, so that not even the kubelet starts.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{CERTWATCH, Cluster, KUBELET_CLIENT, Node, Run, WORK, YEAR, wait_for};

/// What kubernetes.io says ("Certificate Management with kubeadm", "Troubleshooting kubeadm"), typed by somebody who knows
/// it by heart. Nothing runs, so nothing has to be restarted but the kubelet.
const DOCUMENTED: &str = r#"
    config=$1 pem=/var/lib/kubelet/pki/kubelet-client-current.pem
    cp -a /etc/kubernetes /root/kubernetes-before
    kubeadm certs renew all --config "$config" >/dev/null
    mkdir /root/kubelet-before
    mv /etc/kubernetes/kubelet.conf /var/lib/kubelet/pki/kubelet-client* /root/kubelet-before
    user() { kubeadm kubeconfig user "$@" 2>/dev/null || kubeadm alpha kubeconfig user "$@"; } # alpha before 1.22
    (umask 077 && user --org system:nodes --client-name system:node:cp1 --config "$config" >/etc/kubernetes/kubelet.conf)
    systemctl restart kubelet
    until kubectl get nodes >/dev/null 2>&1; do sleep 0.2; done
    until [ -e $pem ]; do sleep 0.2; done
    sed -i "s,client-certificate-data: .*,client-certificate: $pem,; s,client-key-data: .*,client-key: $pem," \
        /etc/kubernetes/kubelet.conf
    systemctl restart kubelet"#;

const THREE: [&str; 3] = ["cp1", "cp2", "cp3"];

/// The kubelet asks for it at once.
const ROTATION: Duration = Duration::from_secs(120);

/// 10 s, 20 s, 40 s.
const BACK_OFF: Duration = Duration::from_secs(240);

/// As the node was when it was new, with other certificates, which the kubelet goes on to renew.
fn assert_rescued(node: Node<'_>) {
    node.assert_rescued();
    assert_rotation(node);
}

/// The kubelet gets itself another certificate when this one nears its end.
fn assert_rotation(node: Node<'_>) {
    node.age(KUBELET_CLIENT, "360 days ago", "5 days");
    let old = node.serial(KUBELET_CLIENT);
    node.run(&["systemctl", "restart", "kubelet"]);
    wait_for("the kubelet's rotation", ROTATION, || {
        (node.serial(KUBELET_CLIENT) != old).then_some(())
    });
    assert!(node.is_valid_for(KUBELET_CLIENT, YEAR));
    node.wait_until_healthy();
}

/// The kubelet renews its certificate by itself, and holds back what ends again and again, for up to five minutes.
#[test]
fn a_kubelet_that_lives_holds_nothing_back() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let config = node.keep_cluster_config();
    node.age_all("13 months ago", "1 month ago");
    cluster.script(&["boot", "cp1"]);
    wait_for("the kubelet to hold the API server back", BACK_OFF, || {
        node.journal("kubelet")
            .contains("back-off 40s restarting failed container=kube-apiserver")
            .then_some(())
    });
    let run = node.renew(&["--rescue", "--cluster-config", config]);
    node.wait_until_healthy();
    for (_, file) in node.names() {
        assert!(
            node.is_valid_for(&format!("/etc/kubernetes/{file}"), YEAR),
            "{file}: {}",
            run.said
        );
    }
    node.assert_served();
}

/// etcd serves nobody before most of its members are back: so it is begun on all of them, and each waits for the
/// others.
#[test]
fn three_control_planes_of_which_all_has_expired_are_brought_back_together() {
    let cluster = Cluster::fresh(3);
    let nodes = THREE.map(|name| cluster.node(name));
    let config = nodes.map(|node| {
        node.install_certwatch("");
        node.keep_cluster_config()
    })[0];
    for node in nodes {
        node.age_all("13 months ago", "1 month ago");
        node.age(KUBELET_CLIENT, "13 months ago", "1 month ago");
    }
    for (what, name) in ["stop", "boot"].into_iter().flat_map(|what| THREE.map(|name| (what, name)))
    {
        cluster.script(&[what, name]);
    }
    for node in nodes {
        node.wait_until_the_kubelet_refuses();
    }
    let arguments = [CERTWATCH, "renew", "--rescue", "--cluster-config", config];
    let begin = Instant::now();
    let begun = nodes.map(|node| {
        let mut command = node.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let runs = begun.map(|child| Run::from(child.wait_with_output().unwrap()));
    println!("three control planes: {:.1} s", begin.elapsed().as_secs_f64());
    for (node, run) in nodes.iter().zip(runs) {
        assert_eq!(run.code, Some(0), "{}", run.said);
        node.wait_until_healthy();
        node.run(&["kubectl", "get", "nodes"]);
        for (_, file) in node.names() {
            assert!(node.is_valid_for(&format!("/etc/kubernetes/{file}"), YEAR), "{file}");
        }
        assert!(node.is_valid_for(KUBELET_CLIENT, YEAR));
        assert_eq!(node.stray_keys(), [""; 0]);
    }
    nodes[0].assert_served();
}

#[test]
fn one_command_brings_back_a_node_of_which_all_has_expired() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let config = node.keep_cluster_config();
    cluster.expire(node);
    let begin = Instant::now();
    node.run(&["bash", "-euc", DOCUMENTED, "--", config]);
    node.wait_until_healthy();
    let by_hand = begin.elapsed();
    assert_rescued(node);
    println!("| way back | until all is well |\n|---|---|");
    println!("| the documented steps as one script | {:.1} s |", by_hand.as_secs_f64());

    cluster.reset();
    node.install_certwatch("");
    let config = node.keep_cluster_config();
    cluster.expire(node);
    let refused = node.certwatch(&["renew", "--cluster-config", config]);
    assert_eq!(refused.code, Some(1), "not without being asked: {}", refused.said);
    assert!(refused.said.contains("--rescue"), "{}", refused.said);
    let begin = Instant::now();
    let run = node.renew(&["--rescue", "--cluster-config", config]);
    node.wait_until_healthy();
    println!("| certwatch renew --rescue | {:.1} s |", begin.elapsed().as_secs_f64());
    assert_rescued(node);
    let (current, history) = node.journals();
    assert_eq!(current, None, "{}", run.said);
    assert_eq!(history.first().unwrap()["step"]["end"], "renewed", "{history:#?}");
    assert_eq!(node.stray_keys(), [""; 0]);
    let aside = format!("{WORK}/kubelet-before");
    assert_eq!(node.run(&["stat", "-c", "%a", &aside]), "700\n");
}

/// certwatch was installed after it had died, when people look for it: nobody has kept what the cluster was made with.
#[test]
fn a_node_on_which_nothing_was_kept_is_brought_back_by_what_is_on_it() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    cluster.expire(node);
    node.install_certwatch("");
    assert!(!node.output(&["test", "-e", &format!("{WORK}/cluster-config.yaml")]).status.success());
    let begin = Instant::now();
    let run = node.renew(&["--rescue"]);
    node.wait_until_healthy();
    println!("rescue without a kept configuration: {:.1} s", begin.elapsed().as_secs_f64());
    let said = run.said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("it is derived from the manifests and certificates of this node"),
        "{said}"
    );
    let kept = node.read(&format!("{WORK}/cluster-config.yaml"));
    assert!(String::from_utf8(kept).unwrap().contains("v1beta4"), "the API has answered since");
    assert_rescued(node);
    assert_eq!(node.stray_keys(), [""; 0]);
}
