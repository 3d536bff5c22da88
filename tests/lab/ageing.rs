//! Ageing really ages: on disk, and in what the components serve.

use std::time::Duration;

use crate::harness::{Cluster, wait_for};

const PKI: &str = "/etc/kubernetes/pki";
const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// apiserver reads its pair again within a minute.
const RELOAD: Duration = Duration::from_secs(90);

#[test]
fn only_the_dates_change() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let facts = |path: &str| {
        ["subject", "issuer", "pubkey", "ext subjectAltName,extendedKeyUsage,keyUsage"]
            .map(|field| node.openssl(path, field))
    };
    for path in [
        &format!("{PKI}/apiserver.crt"),
        &format!("{PKI}/etcd/peer.crt"),
        &format!("{PKI}/front-proxy-client.crt"),
        &format!("{PKI}/ca.crt"),
        KUBELET_CLIENT,
        "/var/lib/kubelet/pki/kubelet.crt",
    ] {
        let before = facts(path);
        node.age(path, "2001-02-03 04:05:06 UTC", "2051-06-05 04:03:02 UTC");
        assert_eq!(facts(path), before, "{path}");
        assert_eq!(node.openssl(path, "startdate"), "Feb  3 04:05:06 2001 GMT", "{path}");
        assert_eq!(node.openssl(path, "enddate"), "Jun  5 04:03:02 2051 GMT", "{path}");
    }
}

#[test]
fn an_aged_certificate_is_signed_by_the_clusters_own_ca() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    for (ca, leaf) in
        [("ca", "apiserver"), ("etcd/ca", "etcd/server"), ("front-proxy-ca", "front-proxy-client")]
    {
        let (ca, leaf) = (format!("{PKI}/{ca}.crt"), format!("{PKI}/{leaf}.crt"));
        node.age(&leaf, "360 days ago", "5 days");
        node.run(&["openssl", "verify", "-CAfile", &ca, &leaf]);
    }
}

#[test]
fn the_api_server_and_etcd_serve_the_aged_certificate() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    for (file, address) in [("apiserver", "10.77.0.1:6443"), ("etcd/server", "10.77.0.1:2379")] {
        let path = format!("{PKI}/{file}.crt");
        node.age(&path, "360 days ago", "5 days");
        let serial = node.openssl(&path, "serial");
        let served = wait_for(&format!("{file} to be served"), RELOAD, || {
            node.served(address).filter(|served| served.serial == serial)
        });
        assert_eq!(served.not_after, node.openssl(&path, "enddate"));
    }
}

#[test]
fn a_kubeconfig_that_expired_is_refused() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.age("/etc/kubernetes/admin.conf", "1 year ago", "1 month ago");
    let refused = node.output(&["kubectl", "get", "nodes"]);
    assert!(!refused.status.success());
    assert!(node.run(&["kubeadm", "certs", "check-expiration"]).contains("<invalid>"));
}

#[test]
fn a_kubelet_that_expired_does_not_start() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.age(KUBELET_CLIENT, "1 year ago", "1 month ago");
    node.run(&["systemctl", "restart", "kubelet"]);
    node.wait_until_the_kubelet_refuses();
}
