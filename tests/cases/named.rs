//! What the node's own files name is followed; what nothing names any more is left over.

use std::fs;
use std::os::unix::fs::symlink;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::manifests::{
    api_server_flags, controller_manager_flags, etcd_flags, manifest, scheduler_flags,
};
use crate::common::node::{Node, TEN_YEARS, YEAR};
use crate::common::pki::{Authority, Days, Pair};
use crate::common::run::{check_json, codes, rows};

const EXPIRED: Days = Days(-370, -5);
const PKI: &str = "/etc/kubernetes/pki";

fn healthy() -> (TempDir, Node) {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    (root, node)
}

/// Path, severity and code of each finding.
fn found(node: &Node, more: &[&str]) -> Vec<(String, String, String)> {
    let (document, _) = check_json(&node.root, more);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_row = |row: &Value| {
        let path = text(&row["path"]);
        let findings = row["findings"].as_array().unwrap().clone();
        let one = move |it: &Value| (path.clone(), text(&it["severity"]), text(&it["code"]));
        findings.iter().map(one).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = rows(&document).iter().flat_map(of_row).collect();
    all.sort();
    all
}

fn row(node: &Node, path: &str) -> Value {
    let (document, _) = check_json(&node.root, &[]);
    let row = rows(&document).iter().find(|row| row["path"] == path);
    row.unwrap_or_else(|| panic!("{path} has no row: {document:#}")).clone()
}

fn one(path: &str, severity: &str, code: &str) -> Vec<(String, String, String)> {
    vec![(path.to_owned(), severity.to_owned(), code.to_owned())]
}

/// The flags with `name` set to `value`, or without it.
fn with(mut flags: Vec<String>, name: &str, value: Option<&str>) -> Vec<String> {
    flags.retain(|flag| flag.split('=').next() != Some(name));
    flags.extend(value.map(|value| format!("{name}={value}")));
    flags
}

/// As the kubelet keeps it: a dated file, and the link to it.
fn write_rotated(node: &Node, dir: &str, pair: &Pair) {
    let dated = format!("{dir}/kubelet-client-2026-11-01-10-00-00.pem");
    write_pem(node, &dated, pair);
    let link = node.path(&format!("{dir}/kubelet-client-current.pem"));
    std::os::unix::fs::symlink(format!("/{dated}"), link).unwrap();
}

fn write_pem(node: &Node, path: &str, pair: &Pair) {
    node.write(path.trim_start_matches('/'), &(pair.certificate.clone() + &pair.key));
}

#[test]
fn every_file_that_a_flag_names_is_judged_as_its_component_s() {
    let (_root, node) = healthy();
    let flags = [
        ("kube-apiserver", "tls-cert-file", "custom-apiserver", false),
        ("kube-apiserver", "etcd-certfile", "etcd-client", false),
        ("kube-apiserver", "kubelet-client-certificate", "custom-apiserver-kubelet-client", false),
        ("kube-apiserver", "proxy-client-cert-file", "custom-front-proxy-client", false),
        ("kube-apiserver", "client-ca-file", "custom-client-ca", true),
        ("kube-apiserver", "etcd-cafile", "external-etcd-ca", true),
        ("kube-apiserver", "requestheader-client-ca-file", "custom-front-proxy-ca", true),
        ("kube-apiserver", "kubelet-certificate-authority", "custom-kubelet-ca", true),
        ("kube-controller-manager", "cluster-signing-cert-file", "custom-signing-ca", true),
        (
            "kube-controller-manager",
            "cluster-signing-kubelet-client-cert-file",
            "custom-signing-ca",
            true,
        ),
        ("kube-controller-manager", "root-ca-file", "custom-root-ca", true),
        ("kube-controller-manager", "tls-cert-file", "custom-controller-manager", false),
        ("kube-scheduler", "tls-cert-file", "custom-scheduler", false),
        ("etcd", "cert-file", "custom-etcd-server", false),
        ("etcd", "peer-cert-file", "custom-etcd-peer", false),
        ("etcd", "trusted-ca-file", "custom-etcd-ca", true),
    ];
    let expired_ca = Authority::new("x", EXPIRED);
    let leaf = Authority::new("y", TEN_YEARS).leaf("x", "", &["cp1"], EXPIRED);
    for (program, flag, role, is_ca) in flags {
        node.manifests(PKI);
        let usual = match program {
            "kube-apiserver" => api_server_flags(PKI),
            "kube-controller-manager" => controller_manager_flags(PKI),
            "kube-scheduler" => scheduler_flags(),
            _ => etcd_flags(PKI),
        };
        // Another name and ending, which no search would find.
        let path = "/srv/own tls/a.certificate";
        write_pem(&node, path, if is_ca { &expired_ca.pair } else { &leaf });
        let confs = "/etc/kubernetes";
        node.manifest(program, &with(usual, flag, Some(path)), &[confs, "/srv/own tls"]);
        let row = row(&node, path);
        assert_eq!((&row["role"], &row["severity"]), (&role.into(), &"critical".into()), "{row:#}");
        let named_by = format!("{program} --{flag}");
        assert_eq!(row["named_by"], Value::from(named_by.clone()));
        let finding = &row["findings"][0];
        assert_eq!(finding["code"], "expired", "{row:#}");
        assert!(finding["message"].as_str().unwrap().contains(&named_by), "{row:#}");
        assert!(!finding["remedy"].as_str().unwrap().contains("kubeadm certs"), "{row:#}");
        assert!(found(&node, &[]).iter().all(|it| it.0 == path), "{:?}", found(&node, &[]));
        node.remove("srv/own tls/a.certificate");
        assert_eq!(found(&node, &[]), one(path, "critical", "not_found"), "{flag}");
    }
}

/// Each of them is presented to who asks for its names, so each is judged.
#[test]
fn pairs_for_sni_are_judged() {
    let (_root, node) = healthy();
    let leaf = |end| Authority::new("y", TEN_YEARS).leaf("x", "", &["api.example.com"], end);
    let [ends, lasts] = ["/srv/own tls/ends.certificate", "/srv/own tls/lasts.certificate"];
    write_pem(&node, ends, &leaf(EXPIRED));
    write_pem(&node, lasts, &leaf(TEN_YEARS));
    node.write("srv/own tls/lasts.key", "");
    let value =
        format!("{lasts},/srv/own tls/lasts.key;{ends},/srv/own tls/ends.key:*.example.com,b");
    let flags = with(api_server_flags(PKI), "tls-sni-cert-key", Some(&value));
    node.manifest("kube-apiserver", &flags, &["/etc/kubernetes", "/srv/own tls"]);
    for (path, severity) in [(ends, "critical"), (lasts, "ok")] {
        let row = row(&node, path);
        let role = (&row["role"], &row["severity"], &row["named_by"]);
        let by = "kube-apiserver --tls-sni-cert-key".into();
        assert_eq!(role, (&"custom-apiserver-sni".into(), &severity.into(), &by), "{row:#}");
    }
    assert_eq!(row(&node, "/srv/own tls/ends.key")["findings"][0]["code"], "not_found");
    assert!(!found(&node, &[]).iter().any(|it| it.0.ends_with("lasts.key")));
}

#[test]
fn a_kubeconfig_elsewhere_is_its_component_s() {
    let (_root, node) = healthy();
    for (program, flags) in [
        ("kube-controller-manager", controller_manager_flags(PKI)),
        ("kube-scheduler", scheduler_flags()),
    ] {
        node.manifests(PKI);
        node.conf("own.kubeconfig", &node.ca.leaf("system:x", "", &[], EXPIRED));
        let path = "/etc/kubernetes/own.kubeconfig";
        let flags = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
            .iter()
            .fold(flags, |flags, name| with(flags, name, Some(path)));
        node.manifest(program, &flags, &["/etc/kubernetes"]);
        assert_eq!(found(&node, &[]), one(path, "critical", "expired"), "{program}");
        // Its old one is not needed any more, be it there or not, ended or not.
        let old = format!("{}.conf", program.trim_start_matches("kube-"));
        node.conf(&old, &node.ca.leaf("system:x", "", &[], EXPIRED));
        node.conf("own.kubeconfig", &node.ca.leaf("system:x", "", &[], YEAR));
        let old = format!("/etc/kubernetes/{old}");
        assert_eq!(found(&node, &[]), one(&old, "warning", "left_over"));
        node.remove(old.trim_start_matches('/'));
        assert_eq!(found(&node, &[]), []);
        node.conf(old.rsplit('/').next().unwrap(), &node.ca.leaf("system:x", "", &[], YEAR));
    }
}

/// kubernetes/kubernetes#110708, kubernetes/kubeadm#1493.
#[test]
fn another_certificates_dir_lacks_nothing_and_hides_nothing() {
    for dir in ["/etc/kubernetes/certs", "/srv/k8s/certificates", "/etc/kubernetes/pki/v2"] {
        let (_root, node) = healthy();
        fs::create_dir_all(node.path(dir.trim_start_matches('/')).parent().unwrap()).unwrap();
        let moved = node.path("moved");
        fs::rename(node.path("etc/kubernetes/pki"), &moved).unwrap();
        let to = node.path(dir.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(&moved, &to).unwrap();
        node.manifests(dir);
        assert_eq!(found(&node, &[]), [], "{dir}");
        let (_, pair) = node.new_leaf("apiserver", EXPIRED);
        node.write_pair(format!("{dir}/apiserver").trim_start_matches('/'), &pair);
        let path = format!("{dir}/apiserver.crt");
        assert_eq!(found(&node, &[]), one(&path, "critical", "expired"), "{dir}");
        let command = row(&node, &path)["findings"][0]["command"].clone();
        assert_eq!(command, "certwatch renew --rescue");
        node.remove(path.trim_start_matches('/'));
        assert_eq!(found(&node, &[]), one(&path, "critical", "not_found"), "{dir}");
    }
}

/// enix/x509-certificate-exporter#371, kubernetes-sigs/kubespray#11403.
#[test]
fn a_kubelet_s_own_directory_is_found_by_its_kubelet_conf() {
    for dir in ["data/kubelet/pki", "srv/k/certs"] {
        let (_root, node) = healthy();
        fs::create_dir_all(node.path(dir)).unwrap();
        let pair = node.ca.leaf("system:node:cp1", "system:nodes", &[], EXPIRED);
        write_pem(&node, &format!("{dir}/kubelet-client-2025-11-23-10-00-00.pem"), &pair);
        let older = node.ca.leaf("system:node:cp1", "system:nodes", &[], Days(-800, -400));
        write_pem(&node, &format!("{dir}/kubelet-client-2024-11-23-10-00-00.pem"), &older);
        let current = format!("{dir}/kubelet-client-current.pem");
        symlink(format!("/{dir}/kubelet-client-2025-11-23-10-00-00.pem"), node.path(&current))
            .unwrap();
        let serving = Authority::new("cp1-ca", EXPIRED).leaf("cp1", "", &["cp1"], EXPIRED);
        node.write_pair(&format!("{dir}/kubelet"), &serving);
        fs::remove_dir_all(node.path("var/lib/kubelet")).unwrap();
        let conf = node.read("etc/kubernetes/kubelet.conf");
        let conf =
            conf.replace("/var/lib/kubelet/pki/kubelet-client-current.pem", &format!("/{current}"));
        node.write("etc/kubernetes/kubelet.conf", &conf);
        // The serving certificate that the kubelet has made for itself stays a minor thing.
        let both = |code: &str| {
            let mut both = one(&format!("/{dir}/kubelet.crt"), "warning", "expired");
            both.extend(one(&format!("/{current}"), "critical", code));
            both.sort();
            both
        };
        assert_eq!(found(&node, &[]), both("expired"));
        let row = row(&node, &format!("/{current}"));
        assert_eq!(row["role"], "kubelet-client");
        assert_eq!(row["named_by"], "kubelet.conf client-certificate");
        node.remove(&current);
        assert_eq!(found(&node, &[]), both("not_found"));
    }
}

#[test]
fn a_kubelet_s_own_directory_is_found_by_its_flags() {
    for (file, text, dir) in [
        (
            "etc/default/kubelet",
            "KUBELET_EXTRA_ARGS=--root-dir=/data/kubelet\n",
            "data/kubelet/pki",
        ),
        ("etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS='--cert-dir /srv/k'\n", "srv/k"),
        (
            "var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--v=2 --cert-dir=/srv/k\"\n",
            "srv/k",
        ),
    ] {
        let (_root, node) = healthy();
        node.write(file, text);
        let pair = node.ca.leaf("system:node:cp1", "system:nodes", &[], EXPIRED);
        write_rotated(&node, dir, &pair);
        let path = format!("/{dir}/kubelet-client-current.pem");
        assert_eq!(found(&node, &[]), one(&path, "critical", "expired"), "{file}");
    }
}

#[test]
fn what_the_kubelet_s_configuration_names_is_the_kubelet_s() {
    let (_root, node) = healthy();
    node.write(
        "var/lib/kubelet/config.yaml",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ntlsCertFile: /srv/kubelet/web.crt\n\
         authentication: {x509: {clientCAFile: /srv/kubelet/clients.crt}}\nstaticPodPath: /etc/pods\n",
    );
    write_pem(&node, "/srv/kubelet/web.crt", &node.ca.leaf("cp1", "", &["cp1"], EXPIRED));
    write_pem(&node, "/srv/kubelet/clients.crt", &Authority::new("x", EXPIRED).pair);
    let flags = with(scheduler_flags(), "tls-cert-file", Some("/srv/scheduler.crt"));
    node.remove("etc/kubernetes/manifests/kube-scheduler.yaml");
    node.write("etc/pods/kube-scheduler.yaml", &manifest("kube-scheduler", "x", &flags, &[]));
    let mut expected = one("/srv/kubelet/clients.crt", "critical", "expired");
    expected.extend(one("/srv/kubelet/web.crt", "warning", "expired"));
    expected.extend(one("/srv/scheduler.crt", "critical", "not_found"));
    assert_eq!(found(&node, &[]), expected);
    node.remove("srv/kubelet/web.crt");
    expected[1] = one("/srv/kubelet/web.crt", "critical", "not_found").remove(0);
    assert_eq!(found(&node, &[]), expected);
}

/// kubernetes/kubeadm#3106, kubernetes/kubeadm#1992.
#[test]
fn etcd_s_files_are_left_over_once_it_was_moved_out() {
    let (_root, node) = healthy();
    node.remove("etc/kubernetes/manifests/etcd.yaml");
    let names = ["healthcheck-client", "peer", "server"];
    for name in names {
        node.leaf(&format!("etcd-{name}"), EXPIRED);
    }
    let servers = "https://192.0.2.21:2379,https://192.0.2.22:2379";
    let flags = with(api_server_flags(PKI), "etcd-servers", Some(servers));
    node.manifest("kube-apiserver", &flags, &[PKI]);
    let left_over = names.map(|name| format!("{PKI}/etcd/{name}.crt"));
    let expected: Vec<_> =
        left_over.iter().flat_map(|path| one(path, "warning", "left_over")).collect();
    assert_eq!(found(&node, &[]), expected);
    let (document, code) = check_json(&node.root, &[]);
    assert_eq!((code, document["summary"]["critical"].as_u64()), (1, Some(0)));
    for path in &left_over {
        let row = row(&node, path);
        assert_eq!(row["renewable_by"], "nobody");
        let remedy = row["findings"][0]["remedy"].as_str().unwrap();
        assert!(
            remedy.contains("delete it") && remedy.contains(&format!("exclude = [\"{path}\"]"))
        );
    }
    // What the API server still names of etcd counts as before, and what is gone is not missed.
    node.leaf("apiserver-etcd-client", EXPIRED);
    for name in names {
        node.remove(&format!("etc/kubernetes/pki/etcd/{name}.crt"));
        node.remove(&format!("etc/kubernetes/pki/etcd/{name}.key"));
    }
    let path = format!("{PKI}/apiserver-etcd-client.crt");
    assert_eq!(found(&node, &[]), one(&path, "critical", "expired"));
    // With files of its own for the other etcd, nothing of kubeadm's for etcd is used.
    let flags = with(flags, "etcd-cafile", Some("/srv/etcd/ca.pem"));
    let flags = with(flags, "etcd-certfile", Some("/srv/etcd/client.pem"));
    let flags = with(flags, "etcd-keyfile", Some("/srv/etcd/client.pem"));
    node.manifest("kube-apiserver", &flags, &[PKI, "/srv/etcd"]);
    write_pem(&node, "/srv/etcd/client.pem", &node.etcd_ca.leaf("x", "", &[], YEAR));
    node.write("srv/etcd/ca.pem", &node.etcd_ca.pair.certificate);
    node.write("etc/kubernetes/pki/etcd/ca.crt", &Authority::new("old", EXPIRED).pair.certificate);
    let mut expected = one(&path, "warning", "left_over");
    expected.extend(one(&format!("{PKI}/etcd/ca.crt"), "warning", "left_over"));
    assert_eq!(found(&node, &[]), expected);
}

#[test]
fn a_local_etcd_without_its_manifest_is_judged_as_before() {
    let (_root, node) = healthy();
    node.remove("etc/kubernetes/manifests/etcd.yaml");
    node.leaf("etcd-server", EXPIRED);
    let path = format!("{PKI}/etcd/server.crt");
    assert_eq!(found(&node, &[]), one(&path, "critical", "expired"));
}

#[test]
fn without_a_readable_manifest_kubeadm_s_layout_counts() {
    let (_root, node) = healthy();
    for text in ["]", "kind: Pod\n", "spec: {containers: [{command: [sh, -c, run]}]}\n"] {
        for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"] {
            node.write(&format!("etc/kubernetes/manifests/{name}.yaml"), text);
        }
        assert_eq!(found(&node, &[]), []);
        node.leaf("etcd-peer", EXPIRED);
        let old = node.ca.leaf("x", "", &["x"], EXPIRED);
        node.write_pair("etc/kubernetes/pki/old/apiserver", &old);
        let mut expected = one(&format!("{PKI}/etcd/peer.crt"), "critical", "expired");
        expected.extend(one(&format!("{PKI}/old/apiserver.crt"), "critical", "expired"));
        assert_eq!(found(&node, &[]), expected);
        node.remove("etc/kubernetes/scheduler.conf");
        assert_eq!(codes(&check_json(&node.root, &[]).0, "scheduler.conf"), ["not_found"]);
        node.conf("scheduler.conf", &node.ca.leaf("system:kube-scheduler", "", &[], YEAR));
        node.leaf("etcd-peer", YEAR);
        fs::remove_dir_all(node.path("etc/kubernetes/pki/old")).unwrap();
    }
}

/// enix/helm-charts#21.
#[test]
fn backups_that_nothing_points_at_are_left_over() {
    let (_root, node) = healthy();
    let mut expected = Vec::new();
    for below in ["pki/old/pki/apiserver", "pki/expired/apiserver", "pki/backup-2025/ca", "ssl/x"] {
        node.write_pair(&format!("etc/kubernetes/{below}"), &node.ca.leaf("x", "", &[], EXPIRED));
        let path = format!("/etc/kubernetes/{below}.crt");
        expected.extend(one(&path, "warning", "left_over"));
    }
    node.conf("admin-2025.conf", &node.ca.leaf("kubernetes-admin", "system:masters", &[], EXPIRED));
    expected.extend(one("/etc/kubernetes/admin-2025.conf", "warning", "left_over"));
    expected.sort();
    assert_eq!(found(&node, &[]), expected);
    // The same below what is searched anyway, and more for what is asked for.
    let below_pki = |it: &&(String, String, String)| it.0.starts_with(PKI);
    let in_pki: Vec<_> = expected.iter().filter(below_pki).cloned().collect();
    assert_eq!(found(&node, &[PKI]), in_pki);
    let path = "/etc/kubernetes/pki/expired/apiserver.crt";
    for named in [path, "/etc/kubernetes/pki/expired", "/etc/kubernetes/pki/exp*/*.crt"] {
        assert_eq!(found(&node, &[named]), one(path, "critical", "expired"), "{named}");
    }
}

#[test]
fn the_line_that_is_offered_leaves_it_out() {
    let (root, node) = healthy();
    node.write_pair("etc/kubernetes/pki/old/x", &node.ca.leaf("x", "", &[], EXPIRED));
    let row = row(&node, "/etc/kubernetes/pki/old/x.crt");
    let remedy = row["findings"][0]["remedy"].as_str().unwrap();
    let line = remedy.split('`').nth(1).unwrap();
    let config = root.path().join("config.toml");
    fs::write(&config, format!("[scan]\n{line}\n")).unwrap();
    assert_eq!(found(&node, &["--config", config.to_str().unwrap()]), []);
}

#[test]
fn what_anything_mentions_is_not_left_over() {
    let path = "/etc/kubernetes/pki/extra/web.crt";
    let flag = |flag: &str| {
        with(api_server_flags(PKI), "x", None)
            .into_iter()
            .chain([flag.to_owned()])
            .collect::<Vec<_>>()
    };
    let of_flag: &dyn Fn(&Node) = &|node| {
        let flags = flag(&format!("tls-sni-cert-key={path},/etc/kubernetes/pki/extra/web.key"));
        node.manifest("kube-apiserver", &flags, &[PKI]);
    };
    let of_host_path: &dyn Fn(&Node) = &|node| {
        node.write("etc/kubernetes/manifests/web.yaml", &manifest("web", "x", &[], &[path]));
    };
    let of_settings: &dyn Fn(&Node) = &|node| {
        let flags = flag("egress-selector-config-file=/etc/kubernetes/egress.yaml");
        node.manifest("kube-apiserver", &flags, &["/etc/kubernetes"]);
        node.write(
            "etc/kubernetes/egress.yaml",
            &format!("tlsConfig:\n  clientCert: \"{path}\"\n"),
        );
    };
    let of_kubeconfig: &dyn Fn(&Node) = &|node| {
        node.write(
            "etc/kubernetes/webhook.kubeconfig",
            "clusters: []\nusers: [{name: a, user: {client-certificate: pki/extra/web.crt, client-key: b}}]\n",
        );
    };
    let of_link: &dyn Fn(&Node) = &|node| {
        symlink("extra/web.crt", node.path("etc/kubernetes/pki/link.crt")).unwrap();
        let flags =
            with(api_server_flags(PKI), "oidc-ca-file", Some("/etc/kubernetes/pki/link.crt"));
        node.manifest("kube-apiserver", &flags, &[PKI]);
    };
    for mention in [of_flag, of_host_path, of_settings, of_kubeconfig, of_link] {
        let (_root, node) = healthy();
        node.write_pair("etc/kubernetes/pki/extra/web", &node.ca.leaf("x", "", &[], EXPIRED));
        assert_eq!(found(&node, &[]), one(path, "warning", "left_over"));
        mention(&node);
        let of_it = |it: &(String, String, String)| it.0 == path && it.2 != "not_a_ca";
        let of_it: Vec<_> = found(&node, &[]).into_iter().filter(of_it).collect();
        assert_eq!(of_it, one(path, "critical", "expired"));
    }
}

/// As kubespray has it: `pki` is a link to `ssl`, and the flags say `ssl`.
#[test]
fn a_link_to_the_directory_is_the_directory() {
    let (_root, node) = healthy();
    fs::rename(node.path("etc/kubernetes/pki"), node.path("etc/kubernetes/ssl")).unwrap();
    symlink("ssl", node.path("etc/kubernetes/pki")).unwrap();
    node.manifests("/etc/kubernetes/ssl");
    assert_eq!(found(&node, &[]), []);
    node.leaf("apiserver", EXPIRED);
    assert_eq!(found(&node, &[]), one("/etc/kubernetes/pki/apiserver.crt", "critical", "expired"));
    node.manifests(PKI);
    assert_eq!(found(&node, &[]), one("/etc/kubernetes/pki/apiserver.crt", "critical", "expired"));
}

/// As kubespray has it: etcd is run by systemd.
#[test]
fn kubespray_s_etcd_is_followed() {
    let (_root, node) = healthy();
    fs::remove_dir_all(node.path("etc/kubernetes/pki/etcd")).unwrap();
    node.remove("etc/kubernetes/manifests/etcd.yaml");
    for end in ["crt", "key"] {
        node.remove(&format!("etc/kubernetes/pki/apiserver-etcd-client.{end}"));
    }
    let dir = "/etc/ssl/etcd/ssl";
    let flags = with(api_server_flags(PKI), "etcd-cafile", Some(&format!("{dir}/ca.pem")));
    let flags = with(flags, "etcd-certfile", Some(&format!("{dir}/node-cp1.pem")));
    let flags = with(flags, "etcd-keyfile", Some(&format!("{dir}/node-cp1-key.pem")));
    let flags = with(flags, "etcd-servers", Some("https://10.0.0.11:2379,https://10.0.0.12:2379"));
    node.manifest("kube-apiserver", &flags, &[PKI, "/etc/ssl/etcd/ssl"]);
    node.write(
        "etc/etcd.env",
        "# Environment file\nETCD_NAME=etcd1\nETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem\n\
         ETCD_CERT_FILE=/etc/ssl/etcd/ssl/member-cp1.pem\nETCD_KEY_FILE=/etc/ssl/etcd/ssl/member-cp1-key.pem\n\
         ETCD_PEER_CERT_FILE=\"/etc/ssl/etcd/ssl/member-cp1.pem\"\n",
    );
    let write = |name: &str, days: Days| {
        let pair = node.etcd_ca.leaf(name, "", &["cp1"], days);
        node.write(&format!("etc/ssl/etcd/ssl/{name}.pem"), &pair.certificate);
        node.write(&format!("etc/ssl/etcd/ssl/{name}-key.pem"), &pair.key);
    };
    node.write("etc/ssl/etcd/ssl/ca.pem", &node.etcd_ca.pair.certificate);
    write("node-cp1", YEAR);
    write("member-cp1", YEAR);
    assert_eq!(found(&node, &[]), []);
    write("node-cp1", EXPIRED);
    let client = one(&format!("{dir}/node-cp1.pem"), "critical", "expired");
    assert_eq!(found(&node, &[]), client);
    write("node-cp1", YEAR);
    write("member-cp1", EXPIRED);
    assert_eq!(found(&node, &[]), one(&format!("{dir}/member-cp1.pem"), "critical", "expired"));
    assert_eq!(row(&node, &format!("{dir}/member-cp1.pem"))["role"], "custom-etcd-server");
    let variables = node.read("etc/etcd.env");
    let config = format!(
        "client-transport-security:\n  cert-file: {dir}/member-cp1.pem\n  key-file: {dir}/member-cp1-key.pem\n\
         peer-transport-security:\n  trusted-ca-file: {dir}/ca.pem\n"
    );
    for (path, env) in [
        (
            "etc/etcd/own.yml",
            Some("ETCD_CONFIG_FILE=/etc/etcd/own.yml\nETCD_CERT_FILE=/not/used\n"),
        ),
        ("etc/etcd/etcd.conf.yml", None),
    ] {
        node.write(path, &config);
        match env {
            Some(env) => node.write("etc/etcd.env", env),
            None => node.remove("etc/etcd.env"),
        }
        assert_eq!(found(&node, &[]), one(&format!("{dir}/member-cp1.pem"), "critical", "expired"));
    }
    node.write("etc/etcd.env", &variables);
    write("member-cp1", YEAR);
    node.remove("etc/ssl/etcd/ssl/member-cp1-key.pem");
    assert_eq!(
        found(&node, &[]),
        one(&format!("{dir}/member-cp1-key.pem"), "critical", "not_found")
    );
}

#[test]
fn a_path_of_the_container_is_followed_to_the_node_or_unknown() {
    let (_root, node) = healthy();
    let flags = with(api_server_flags(PKI), "tls-cert-file", Some("/certs/web.crt"));
    let text = manifest("kube-apiserver", "x", &flags, &[PKI]);
    let path = "etc/kubernetes/manifests/kube-apiserver.yaml";
    let mounted = text
        .replace("    volumeMounts:\n", "    volumeMounts:\n    - {mountPath: /certs, name: own}\n")
        .replace("  volumes:\n", "  volumes:\n  - {name: own, hostPath: {path: /srv/tls}}\n");
    node.write(path, &mounted);
    write_pem(&node, "/srv/tls/web.crt", &node.ca.leaf("x", "", &["x"], EXPIRED));
    node.remove("etc/kubernetes/pki/apiserver.crt");
    assert_eq!(found(&node, &[]), one("/srv/tls/web.crt", "critical", "expired"));
    for volume in ["emptyDir: {}", "secret: {secretName: tls}"] {
        let hidden = mounted.replace("hostPath: {path: /srv/tls}", volume);
        node.write(path, &hidden);
        assert_eq!(found(&node, &[]), one("/certs/web.crt", "unknown", "in_container_only"));
        let message = row(&node, "/certs/web.crt")["findings"][0]["message"].clone();
        let message = message.as_str().unwrap();
        assert!(message.starts_with("named by kube-apiserver --tls-cert-file"), "{message}");
        assert!(message.contains("in its container only"), "{message}");
    }
    node.write(path, &text);
    assert_eq!(found(&node, &[]), one("/certs/web.crt", "unknown", "in_container_only"));
}

#[test]
fn admin_conf_may_be_taken_off_the_node() {
    let (_root, node) = healthy();
    node.remove("etc/kubernetes/admin.conf");
    node.remove("root/.kube/config");
    assert_eq!(found(&node, &[]), []);
    let (document, code) = check_json(&node.root, &[]);
    assert_eq!((code, &document["severity"]), (0, &"ok".into()));
    // Others are named by a manifest.
    node.remove("etc/kubernetes/controller-manager.conf");
    let path = "/etc/kubernetes/controller-manager.conf";
    assert_eq!(found(&node, &[]), one(path, "critical", "not_found"));
    let row = row(&node, path);
    // Of several flags that name it, one is said.
    assert!(row["named_by"].as_str().unwrap().starts_with("kube-controller-manager --"), "{row:#}");
}

#[test]
fn in_kubeadm_s_places_the_row_says_who_names_it() {
    let (_root, node) = healthy();
    for (path, by) in [
        ("apiserver.crt", "kube-apiserver --tls-cert-file"),
        ("ca.crt", "kube-apiserver --client-ca-file"),
        ("etcd/peer.crt", "etcd --peer-cert-file"),
    ] {
        let row = row(&node, &format!("{PKI}/{path}"));
        assert_eq!((&row["named_by"], &row["severity"]), (&by.into(), &"ok".into()));
    }
    assert_eq!(row(&node, "/etc/kubernetes/admin.conf")["named_by"], Value::Null);
}

/// A process as /proc has it, started when this machine was.
fn process(node: &Node, pid: u32, program: &str, words: &[&str]) {
    let proc = |name: &str, text: &str| node.write(&format!("proc/{pid}/{name}"), text);
    proc("comm", &format!("{}\n", &program[..program.len().min(15)]));
    proc(
        "status",
        &format!(
            "Name:\t{program}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t{pid}\nVmExe:\t   40960 kB\n"
        ),
    );
    proc("cgroup", "0::/system.slice/x.service\n");
    let fields = "0 ".repeat(18);
    proc("stat", &format!("{pid} ({program}) S {fields}{} 0\n", 360_000));
    proc("cmdline", &([&[program], words].concat().join("\0") + "\0"));
}

/// Its directory, its name and its text.
type ManifestFile<'a> = (&'a str, &'a str, String);

#[test]
fn the_loopback_certificate_s_life_is_that_of_the_version_that_runs() {
    let digest = "registry.k8s.io/kube-apiserver@sha256:00";
    let rke2 = "var/lib/rancher/rke2/agent/pod-manifests/";
    let home = "etc/kubernetes/manifests/";
    let pod = |program: &str, image: &str| manifest(program, image, &[], &[]);
    let hardened = "index.docker.io/rancher/hardened-kubernetes:v1.34.1-rke2r1-build20250910";
    let labelled = pod("kube-apiserver", digest)
        .replace("  namespace:", "  labels: {version: v1.34.1}\n  namespace:");
    let cases: [(&[ManifestFile<'_>], &str); 6] = [
        (&[(rke2, "kube-apiserver", pod("kube-apiserver", hardened))], "ok"),
        (
            &[(rke2, "kube-apiserver", pod("kube-apiserver", &hardened.replace("34", "32")))],
            "warning",
        ),
        (
            &[
                (home, "kube-apiserver", pod("kube-apiserver", digest)),
                (home, "kube-scheduler", pod("kube-scheduler", "x/kube-scheduler:v1.34.1")),
            ],
            "ok",
        ),
        (
            &[
                (home, "kube-apiserver", pod("kube-apiserver", digest)),
                (home, "etcd", pod("etcd", "x/etcd:v1.34.1")),
            ],
            "warning",
        ),
        (&[(home, "kube-apiserver", labelled)], "ok"),
        (&[], "warning"),
    ];
    for (manifests, severity) in cases {
        let root = TempDir::new().unwrap();
        let node = Node {
            root: root.path().to_owned(),
            ca: Authority::new("a", TEN_YEARS),
            etcd_ca: Authority::new("b", TEN_YEARS),
            front_proxy_ca: Authority::new("c", TEN_YEARS),
        };
        process(&node, 7, "kube-apiserver", &[]);
        for (dir, name, text) in manifests {
            node.write(&format!("{dir}{name}.yaml"), text);
        }
        let (document, _) = check_json(root.path(), &["--in", "345d"]);
        let of_process = |row: &&Value| row["role"] == "apiserver-loopback";
        let found: Vec<&Value> = rows(&document).iter().filter(of_process).collect();
        assert_eq!(found.len(), 1, "{document:#}");
        assert_eq!(found[0]["severity"], severity, "{manifests:?} {document:#}");
    }
}

#[test]
fn a_program_that_root_runs_on_the_node_says_what_it_uses() {
    let (_root, node) = healthy();
    node.remove("etc/kubernetes/manifests/etcd.yaml");
    let pair = node.etcd_ca.leaf("x", "", &["cp1"], EXPIRED);
    write_pem(&node, "/opt/etcd/member.pem", &pair);
    let kubelet = node.ca.leaf("system:node:cp1", "system:nodes", &[], EXPIRED);
    write_rotated(&node, "data/kubelet/pki", &kubelet);
    process(&node, 7, "etcd", &["--cert-file", "/opt/etcd/member.pem", "--data-dir=/x"]);
    process(&node, 8, "kubelet", &["--root-dir=/data/kubelet"]);
    let mut expected = one("/data/kubelet/pki/kubelet-client-current.pem", "critical", "expired");
    expected.extend(one("/opt/etcd/member.pem", "critical", "expired"));
    assert_eq!(found(&node, &[]), expected);
    // kubeadm's own is not what it uses.
    node.leaf("etcd-server", EXPIRED);
    expected.insert(1, one(&format!("{PKI}/etcd/server.crt"), "warning", "left_over").remove(0));
    assert_eq!(found(&node, &[]), expected);
    // Anybody may call a program so, and a container has files of its own.
    for (file, text) in [
        ("proc/7/cgroup", "0::/docker/c0ffee\n"),
        ("proc/7/status", "Uid:\t1000\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t7\nVmExe:\t40960 kB\n"),
        ("proc/7/status", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t7\nVmExe:\t400 kB\n"),
    ] {
        process(&node, 7, "etcd", &["--cert-file", "/opt/etcd/member.pem", "--data-dir=/x"]);
        node.write(file, text);
        assert!(!found(&node, &[]).iter().any(|it| it.0.starts_with("/opt")), "{text}");
    }
}

/// certbot's links lead to the newest version; the others stay for ever.
#[test]
fn what_a_link_has_left_behind_is_left_over() {
    let (root, node) = healthy();
    fs::create_dir_all(node.path("etc/letsencrypt/live/www")).unwrap();
    let web = Authority::new("web", TEN_YEARS);
    let mut expected = Vec::new();
    for file in ["cert", "chain", "fullchain"] {
        for (number, days) in [(1, Days(-200, -110)), (2, Days(-140, -50)), (3, Days(-20, 70))] {
            let pair = web.leaf("www", "", &["www"], days);
            let path = format!("etc/letsencrypt/archive/www/{file}{number}.pem");
            node.write(&path, &pair.certificate);
            if number < 3 {
                expected.extend(one(&format!("/{path}"), "warning", "left_over"));
            }
        }
        let link = node.path(&format!("etc/letsencrypt/live/www/{file}.pem"));
        symlink(format!("../../archive/www/{file}3.pem"), link).unwrap();
    }
    for place in ["/etc/letsencrypt", "/etc/letsencrypt/**/*.pem"] {
        assert_eq!(found(&node, &[place]), expected, "{place}");
        let config = root.path().join("config.toml");
        fs::write(&config, format!("[scan]\npaths = [\"{place}\"]\n")).unwrap();
        assert_eq!(found(&node, &["--config", config.to_str().unwrap()]), expected, "{place}");
    }
    // What is asked for by its name is judged as what it is, and so is what the links lead to.
    let old = "/etc/letsencrypt/archive/www/cert1.pem";
    assert_eq!(found(&node, &[old]), one(old, "critical", "expired"));
    let pair = web.leaf("www", "", &["www"], Days(-100, -10));
    node.write("etc/letsencrypt/archive/www/cert3.pem", &pair.certificate);
    let live = "/etc/letsencrypt/live/www/cert.pem";
    let of_live: Vec<_> =
        found(&node, &["/etc/letsencrypt"]).into_iter().filter(|it| it.0 == live).collect();
    assert_eq!(of_live, one(live, "critical", "expired"));
}

#[test]
fn the_certificate_of_k3s_s_own_port_is_read_from_its_secret() {
    for distribution in ["k3s", "rke2"] {
        let (_root, node) = healthy();
        let pair = node.ca.leaf("k3s", "", &["cp1"], EXPIRED);
        let path = format!("/var/lib/rancher/{distribution}/server/tls/dynamic-cert.json");
        let secret = |certificate: &str| {
            let encoded = STANDARD.encode(certificate);
            format!(
                "{{\"kind\":\"Secret\",\"data\":{{\"tls.crt\":\"{encoded}\",\"tls.key\":\"a2V5\"}}}}"
            )
        };
        node.write(path.trim_start_matches('/'), &secret(&pair.certificate));
        assert_eq!(found(&node, &[]), one(&path, "critical", "expired"));
        assert_eq!(row(&node, &path)["role"], distribution);
        let fresh = node.ca.leaf("k3s", "", &["cp1"], YEAR).certificate;
        node.write(path.trim_start_matches('/'), &secret(&fresh));
        assert_eq!(found(&node, &[]), []);
        node.write(path.trim_start_matches('/'), "{\"data\":{}}");
        assert_eq!(found(&node, &[]), one(&path, "unknown", "no_certificate_found"));
    }
}

#[test]
fn k0s_s_kubelet_is_looked_at() {
    let (_root, node) = healthy();
    fs::remove_dir_all(node.path("etc")).unwrap();
    fs::remove_dir_all(node.path("var")).unwrap();
    fs::remove_dir_all(node.path("root")).unwrap();
    let dir = "/var/lib/k0s/kubelet/pki";
    let client = |days: Days| {
        let pair = node.ca.leaf("system:node:w1", "system:nodes", &[], days);
        write_pem(&node, &format!("{dir}/kubelet-client-2026-01-01-10-00-00.pem"), &pair);
    };
    client(EXPIRED);
    let older = node.ca.leaf("system:node:w1", "system:nodes", &[], Days(-800, -400));
    write_pem(&node, &format!("{dir}/kubelet-client-2025-01-01-10-00-00.pem"), &older);
    let current = format!("{dir}/kubelet-client-current.pem");
    symlink(
        format!("{dir}/kubelet-client-2026-01-01-10-00-00.pem"),
        node.path(current.trim_start_matches('/')),
    )
    .unwrap();
    node.write(
        "var/lib/k0s/kubelet.conf",
        &format!(
            "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- name: default-auth\n  user:\n    \
             client-certificate: {current}\n    client-key: {current}\n"
        ),
    );
    assert_eq!(found(&node, &[]), one(&current, "critical", "expired"));
    let remedy = row(&node, &current)["findings"][0]["remedy"].clone();
    assert!(remedy.as_str().unwrap().contains("k0s token create"), "{remedy}");
    client(YEAR);
    let (document, code) = check_json(&node.root, &[]);
    assert_eq!((code, rows(&document).len()), (0, 1), "{document:#}");
    node.remove(current.trim_start_matches('/'));
    assert_eq!(found(&node, &[]), one(&current, "critical", "not_found"));
}

/// In certwatch-renew.service: what it shows as /etc/kubernetes is the copy that kubeadm works on.
#[test]
fn what_a_renewal_has_set_aside_is_not_missing() {
    let (_root, node) = healthy();
    let before = rows(&check_json(&node.root, &[]).0).len();
    fs::create_dir_all(node.path("run/certwatch-renew")).unwrap();
    let live = "run/certwatch-renew/kubernetes";
    fs::rename(node.path("etc/kubernetes"), node.path(live)).unwrap();
    fs::create_dir(node.path("etc/kubernetes")).unwrap();
    node.write("srv/certwatch.toml", &format!("[scan]\npaths = [\"/{live}\"]\n"));
    let config = node.path("srv/certwatch.toml");
    let options = ["--config", config.to_str().unwrap()];
    assert_eq!(found(&node, &options), []);
    assert_eq!(rows(&check_json(&node.root, &options).0).len(), before);
    node.remove(&format!("{live}/pki/apiserver.crt"));
    let path = format!("/{live}/pki/apiserver.crt");
    assert_eq!(found(&node, &options), one(&path, "critical", "not_found"));
}
