//! What is planned on clusters that are not like the one kubeadm has made.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{CERTWATCH, Cluster, Node};

/// A plan, and what it says.
struct Plan(Value);

impl Plan {
    /// Asks for it, and makes sure that this alone has changed nothing.
    #[track_caller]
    fn of(node: Node<'_>, arguments: &[&str]) -> Self {
        let before = node.everything();
        let command =
            [&[CERTWATCH, "renew", "--dry-run", "--force", "-o", "json"], arguments].concat();
        let output = node.output(&command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let document: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))
        });
        assert_eq!(node.everything(), before);
        assert_eq!(node.journals(), (None, Vec::new()));
        Self(document["plan"].clone())
    }

    fn words(&self, list: &str, word: &str) -> Vec<&str> {
        let entries = self.0[list].as_array().unwrap_or_else(|| panic!("no {list}: {:#}", self.0));
        entries.iter().map(|entry| entry[word].as_str().unwrap()).collect()
    }

    fn renewed(&self) -> Vec<&str> {
        self.words("renew", "name")
    }

    fn restarted(&self) -> Vec<&str> {
        self.words("restart", "component")
    }

    fn skipped(&self) -> BTreeMap<&str, &str> {
        self.words("skip", "name").into_iter().zip(self.words("skip", "reason")).collect()
    }

    /// Nothing is in the way, but that the lab has just made the manifests.
    #[track_caller]
    fn assert_free(&self) {
        assert_eq!(self.words("blockers", "code"), [""; 0], "{:#}", self.0);
        assert!(
            self.words("overridden", "code").iter().all(|id| *id == "manifest_changed"),
            "{:#}",
            self.0
        );
    }
}

#[test]
fn without_the_key_of_the_ca_only_what_others_sign_is_renewed() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.run(&["mv", "/etc/kubernetes/pki/ca.key", "/root"]);
    let plan = Plan::of(node, &["--all"]);
    let by_others = [
        "apiserver-etcd-client",
        "etcd-healthcheck-client",
        "etcd-peer",
        "etcd-server",
        "front-proxy-client",
    ];
    assert_eq!(plan.renewed(), by_others);
    let skipped = plan.skipped();
    for name in [
        "admin.conf",
        "apiserver",
        "apiserver-kubelet-client",
        "controller-manager.conf",
        "scheduler.conf",
    ] {
        assert_eq!(skipped.get(name), Some(&"external_ca"), "{skipped:?}");
    }
    assert_eq!(plan.restarted(), [""; 0], "nothing that a restart would help");
    plan.assert_free();
}

#[test]
fn what_belongs_to_an_etcd_elsewhere_is_left_alone() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let config = node.keep_cluster_config();
    // The cluster does not survive this; its plan is all that is asked for.
    let line = r#"mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/pki/etcd /root
        sed -i '/^etcd:/,/^[^ ]/{s/^  local:/  external:/; s,^    dataDir:.*,    endpoints: [https://10.77.0.9:2379],}' "$1""#;
    node.run(&["bash", "-euc", line, "--", config]);
    let plan = Plan::of(node, &["--all", "--cluster-config", config]);
    assert!(!plan.renewed().iter().any(|name| name.contains("etcd")), "{:?}", plan.renewed());
    assert!(plan.renewed().contains(&"apiserver"), "{:?}", plan.renewed());
    let skipped = plan.skipped();
    for name in ["apiserver-etcd-client", "etcd-healthcheck-client", "etcd-peer", "etcd-server"] {
        assert_eq!(skipped.get(name), Some(&"external_etcd"), "{skipped:?}");
    }
}

#[test]
fn one_that_is_asked_for_is_renewed_alone_and_restarts_only_its_own() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    for (name, restarted) in [
        ("apiserver", &[][..]),
        ("etcd-peer", &[]),
        ("scheduler.conf", &["kube-scheduler"]),
        ("controller-manager.conf", &["kube-controller-manager"]),
    ] {
        let plan = Plan::of(node, &[name]);
        assert_eq!((plan.renewed(), plan.restarted()), (vec![name], restarted.to_vec()));
        plan.assert_free();
    }
    let nothing = Plan::of(node, &[]);
    assert_eq!(nothing.renewed(), [""; 0], "nothing is due");
}

#[test]
fn a_node_with_another_name_is_planned_as_before() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let before = Plan::of(node, &["--all"]);
    node.run(&["hostname", "renamed"]);
    let after = Plan::of(node, &["--all"]);
    assert_eq!(after.renewed(), before.renewed());
    assert_eq!(after.restarted(), ["kube-controller-manager", "kube-scheduler"]);
    after.assert_free();
}

#[test]
fn a_kubeconfig_that_names_files_and_one_that_is_absent_are_skipped() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let line = r"sed -n 's/^ *client-certificate-data: //p' $1 | base64 -d >/root/scheduler.crt
        sed -n 's/^ *client-key-data: //p' $1 | base64 -d >/root/scheduler.key
        sed -i 's,client-certificate-data: .*,client-certificate: /root/scheduler.crt,
            s,client-key-data: .*,client-key: /root/scheduler.key,' $1";
    node.run(&["bash", "-euc", line, "--", "/etc/kubernetes/scheduler.conf"]);
    // kubeadm makes it since 1.29.
    node.run(&["rm", "-f", "/etc/kubernetes/super-admin.conf"]);
    let plan = Plan::of(node, &["--all"]);
    let skipped = plan.skipped();
    assert_eq!(skipped.get("scheduler.conf"), Some(&"not_embedded"), "{skipped:?}");
    assert_eq!(skipped.get("super-admin.conf"), Some(&"absent"), "{skipped:?}");
    let mut expected: Vec<_> = node.names().iter().map(|(name, _)| *name).collect();
    expected.retain(|name| !["scheduler.conf", "super-admin.conf"].contains(name));
    assert_eq!(plan.renewed(), expected);
}

/// As root's unit does it when the daemon asks: nothing is renewed, and what a rescue needs is there.
#[test]
fn the_configuration_is_kept_where_renewals_are_off() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("enabled = false");
    node.age_all("13 months ago", "5 days");
    let before = node.fingerprint();
    let kept = "/var/lib/certwatch-renew/cluster-config.yaml";
    let auto = || {
        let run = node.certwatch(&["renew", "--auto"]);
        assert_eq!(run.code, Some(0), "{}", run.said);
        node.run(&["stat", "-c", "%a %U %y", kept])
    };
    let first = auto();
    assert!(first.starts_with("600 root "), "{first}");
    assert_eq!(auto(), first, "it is not old yet");
    let text = String::from_utf8(node.read(kept)).unwrap();
    for line in [
        "apiVersion: kubeadm.k8s.io/v1beta4",
        "certificatesDir: \"/etc/kubernetes/pki\"",
        "  local:",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    node.run(&["touch", "-d", "8 days ago", kept]);
    assert_ne!(auto(), first);
    assert_eq!(node.fingerprint(), before);
}
