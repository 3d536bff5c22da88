//! `certwatch check` on nodes in every state, as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::node::{Node, SERVER, TEN_YEARS, YEAR};
use common::pki::{Authority, Days, kubeconfig};
use common::run::{certwatch, check_json, codes, rows};
use serde_json::Value;
use tempfile::TempDir;

fn healthy() -> (TempDir, Node) {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    (root, node)
}

#[test]
fn a_healthy_node_is_ok_to_the_last_row() {
    let (root, _) = healthy();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, &document["severity"]), (0, &Value::from("ok")), "{document:#}");
    let roles: Vec<&str> =
        rows(&document).iter().map(|row| row["role"].as_str().unwrap()).collect();
    for role in [
        "admin.conf",
        "apiserver",
        "apiserver-etcd-client",
        "apiserver-kubelet-client",
        "ca",
        "controller-manager.conf",
        "etcd-ca",
        "etcd-healthcheck-client",
        "etcd-peer",
        "etcd-server",
        "front-proxy-ca",
        "front-proxy-client",
        "kubelet-client",
        "kubelet-serving",
        "scheduler.conf",
        "user-kubeconfig",
    ] {
        assert!(roles.contains(&role), "{role} is not in {roles:?}");
    }
    // The rotated one that nothing points at, and not the one in use.
    let leftover = "/var/lib/kubelet/pki/kubelet-client-2024-12-01-10-00-00.pem";
    assert_eq!(document["leftovers"], Value::from(vec![leftover]));
}

#[test]
fn facts_are_those_of_the_certificate() {
    let (root, _) = healthy();
    let (document, _) = check_json(root.path(), &[]);
    let row = rows(&document).iter().find(|row| row["role"] == "apiserver").unwrap();
    let openssl = |what: &str| {
        let path = root.path().join("etc/kubernetes/pki/apiserver.crt");
        let mut command = std::process::Command::new("openssl");
        let run = common::run::finish(
            command.args(["x509", "-noout", what, "-in", path.to_str().unwrap()]).arg("-sha256"),
        );
        run.stdout.trim().split_once('=').unwrap().1.to_owned()
    };
    let fingerprint = openssl("-fingerprint").replace(':', "").to_lowercase();
    assert_eq!(row["sha256"], Value::from(fingerprint));
    assert_eq!(row["serial"].as_str().unwrap().replace(':', "").to_uppercase(), openssl("-serial"));
    assert_eq!(row["subject"], "CN = apiserver");
    assert_eq!(
        row["sans"],
        serde_json::json!(["DNS:cp1", "DNS:kubernetes.default.svc", "IP:10.0.0.11"])
    );
    assert_eq!(row["renewable_by"], "kubeadm");
}

/// Kubernetes 1.38 makes such ones if it is told to.
#[test]
fn ml_dsa_is_unchecked_and_never_damaged() {
    let (root, node) = healthy();
    let chain = include_str!("certificates/ml-dsa.pem");
    let leaf = chain.rfind("-----BEGIN").unwrap();
    node.write("etc/kubernetes/pki/ca.crt", &chain[..leaf]);
    node.write("etc/kubernetes/pki/apiserver.crt", &chain[leaf..]);
    let (document, _) = check_json(root.path(), &[]);
    let row = rows(&document).iter().find(|row| row["role"] == "apiserver").unwrap();
    assert_eq!(row["subject"], "CN = kube-apiserver");
    assert_eq!(row["not_after"], "2027-11-29T09:01:02Z");
    let found = codes(&document, "pki/apiserver.crt");
    assert!(found.contains(&"signature_unchecked".into()), "{found:?}");
    for path in ["pki/apiserver.crt", "pki/ca.crt"] {
        let found = codes(&document, path);
        let is_wrong = |code: &String| code.starts_with("bad_") || code == "wrong_signer";
        assert!(!found.iter().any(is_wrong), "{path}: {found:?}");
    }
}

#[test]
fn the_exit_code_is_the_worst_row() {
    let (root, node) = healthy();
    node.leaf("apiserver-kubelet-client", Days(-345, 20));
    assert_eq!(check_json(root.path(), &[]).1, 1);
    fs::write(node.path("etc/kubernetes/pki/web.crt"), "no certificate").unwrap();
    assert_eq!(check_json(root.path(), &[]).1, 3);
    node.leaf("etcd-server", Days(-400, -35));
    assert_eq!(check_json(root.path(), &[]).1, 2);
}

#[test]
fn at_and_in_judge_another_time() {
    let (root, _) = healthy();
    assert_eq!(check_json(root.path(), &["--in", "300d"]).1, 0);
    assert_eq!(check_json(root.path(), &["--in", "335d"]).1, 1);
    assert_eq!(check_json(root.path(), &["--in", "358d"]).1, 2);
    let (document, code) = check_json(root.path(), &["--at", "2100-01-01T00:00:00Z"]);
    assert_eq!((code, &document["at"]), (2, &Value::from("2100-01-01T00:00:00Z")));
}

#[test]
fn mistakes_in_its_use_are_unknown_never_critical() {
    for words in [
        &["chekc"][..],
        &["check", "--bogus"],
        &["check", "--at", "tomorrow"],
        &["check", "--in", "1month"],
        &["check", "-o", "xml"],
        &["check", "--config", "/nonexistent.toml"],
        &["check", "--root", "/nonexistent"],
    ] {
        let run = certwatch(words);
        assert_eq!(run.code, 3, "{words:?}: {run:?}");
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{words:?}: {run:?}");
    }
    assert_eq!(certwatch(["config", "chekc"]).code, 64);
    assert_eq!(certwatch(["config", "check", "--config", "/nonexistent.toml"]).code, 78);
    assert_eq!(certwatch(["--help"]).code, 0);
}

#[test]
fn nothing_to_look_at_is_unknown() {
    let root = TempDir::new().unwrap();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, rows(&document).len()), (3, 0));
}

#[test]
fn a_half_done_ca_rotation_shows() {
    let (root, mut node) = healthy();
    let old_ca = std::mem::replace(&mut node.ca, Authority::new("kubernetes", TEN_YEARS));
    node.write_cas();
    node.leaf("apiserver", YEAR);
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    assert!(codes(&document, "pki/apiserver.crt").is_empty());
    assert_eq!(codes(&document, "pki/apiserver-kubelet-client.crt"), ["wrong_signer"]);
    assert_eq!(codes(&document, "scheduler.conf"), ["wrong_signer", "foreign_ca"]);
    assert_eq!(codes(&document, "kubelet-client-current.pem"), ["wrong_signer"]);
    // With both CAs in the file, as in the middle of a rotation, both are trusted.
    node.sign_elsewhere();
    node.write(
        "etc/kubernetes/pki/ca.crt",
        &(node.ca.pair.certificate.clone() + &old_ca.pair.certificate),
    );
    assert_eq!(check_json(root.path(), &[]).1, 0);
}

#[test]
fn a_ca_signed_again_with_its_key_is_the_same_ca() {
    let (root, mut node) = healthy();
    node.ca = node.ca.reissued("kubernetes", Days(-1, 3000));
    node.write_cas();
    assert_eq!(check_json(root.path(), &[]).1, 0);
}

#[test]
fn a_leaf_ends_with_its_ca() {
    let (root, mut node) = healthy();
    node.etcd_ca = node.etcd_ca.reissued("etcd-ca", Days(-3000, 5));
    node.write_cas();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    assert_eq!(codes(&document, "etcd/server.crt"), ["expires"]);
    let server = rows(&document).iter().find(|row| row["role"] == "etcd-server").unwrap();
    let ca = rows(&document).iter().find(|row| row["role"] == "etcd-ca").unwrap();
    assert_eq!(server["expires"], ca["not_after"]);
    assert_ne!(server["not_after"], ca["not_after"]);
}

#[test]
fn an_external_ca_is_told_from_the_missing_key() {
    let (root, node) = healthy();
    node.remove("etc/kubernetes/pki/ca.key");
    node.leaf("apiserver", Days(-345, 20));
    let (document, _) = check_json(root.path(), &[]);
    let external = |role: &str| {
        let row = rows(&document).iter().find(|row| row["role"] == role).unwrap().clone();
        row["externally_managed"].as_bool().unwrap()
    };
    assert!(external("ca") && external("apiserver") && external("admin.conf"));
    assert!(!external("etcd-ca") && !external("etcd-server") && !external("front-proxy-client"));
    let row = rows(&document).iter().find(|row| row["role"] == "apiserver").unwrap();
    assert!(row["findings"][0]["remedy"].as_str().unwrap().contains("owner of the CA"), "{row:#}");
}

#[test]
fn missing_neighbours_are_findings_and_optional_files_are_not() {
    let (root, node) = healthy();
    node.remove("etc/kubernetes/pki/etcd/peer.crt");
    node.remove("etc/kubernetes/scheduler.conf");
    node.remove("root/.kube/config");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    assert_eq!(codes(&document, "etcd/peer.crt"), ["not_found"]);
    assert_eq!(codes(&document, "scheduler.conf"), ["not_found"]);
    assert_eq!(rows(&document).iter().filter(|row| row["severity"] != "ok").count(), 2);
}

#[test]
fn a_worker_lacks_nothing() {
    let (root, node) = healthy();
    fs::remove_dir_all(node.path("etc/kubernetes/manifests")).unwrap();
    for name in ["admin.conf", "controller-manager.conf", "scheduler.conf"] {
        node.remove(&format!("etc/kubernetes/{name}"));
    }
    fs::remove_dir_all(node.path("etc/kubernetes/pki")).unwrap();
    node.write("etc/kubernetes/pki/ca.crt", &node.ca.pair.certificate);
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 0, "{document:#}");
}

#[test]
fn kubespray_s_names_are_known_with_and_without_its_link() {
    let (root, node) = healthy();
    fs::rename(node.path("etc/kubernetes/pki"), node.path("etc/kubernetes/ssl")).unwrap();
    node.manifests("/etc/kubernetes/ssl");
    let (without_link, code) = check_json(root.path(), &[]);
    assert_eq!(code, 0, "{without_link:#}");
    symlink("ssl", node.path("etc/kubernetes/pki")).unwrap();
    let (with_link, code) = check_json(root.path(), &[]);
    assert_eq!((code, rows(&with_link).len()), (0, rows(&without_link).len()));
}

fn role_of<'a>(document: &'a Value, path: &str) -> &'a str {
    rows(document).iter().find(|row| row["path"] == path).unwrap()["role"].as_str().unwrap()
}

/// With `certificatesDir: /etc/k8s-certs`.
#[test]
fn certificates_of_another_directory_are_found_by_the_flags_of_the_api_server() {
    let (root, node) = healthy();
    let (at_home, _) = check_json(root.path(), &[]);
    fs::rename(node.path("etc/kubernetes/pki"), node.path("etc/k8s-certs")).unwrap();
    node.manifests("/etc/k8s-certs");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, rows(&document).len()), (0, rows(&at_home).len()), "{document:#}");
    assert_eq!(role_of(&document, "/etc/k8s-certs/etcd/server.crt"), "etcd-server");
    // What nobody uses any more is not taken for what is used.
    let pair = node.ca.leaf("kube-apiserver", "", &[], Days(-400, -30));
    node.write_pair("etc/kubernetes/pki/apiserver", &pair);
    let (document, _) = check_json(root.path(), &[]);
    assert_eq!(role_of(&document, "/etc/kubernetes/pki/apiserver.crt"), "left-over");
    node.remove("etc/k8s-certs/apiserver.crt");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(
        (code, codes(&document, "k8s-certs/apiserver.crt")),
        (2, vec!["not_found".to_owned()])
    );
}

/// They end the API server when they end, wherever they are; kubeadm does not know of them.
#[test]
fn what_the_api_server_presents_to_an_external_etcd_is_found_by_its_flags() {
    let (root, node) = healthy();
    fs::remove_dir_all(node.path("etc/kubernetes/pki/etcd")).unwrap();
    for file in
        ["manifests/etcd.yaml", "pki/apiserver-etcd-client.crt", "pki/apiserver-etcd-client.key"]
    {
        node.remove(&format!("etc/kubernetes/{file}"));
    }
    let mount = "volumeMounts: [{name: etcd, mountPath: /certs}]";
    let volume = "volumes: [{name: etcd, hostPath: {path: /srv/etcd}}]";
    let flags = "--etcd-cafile=/certs/ca.crt, --etcd-certfile=/certs/client.crt";
    let manifest = format!(
        "spec: {{{volume}, containers: [{{image: a, {mount}, command: [kube-apiserver, {flags}]}}]}}"
    );
    node.write("etc/kubernetes/manifests/kube-apiserver.yaml", &manifest);
    node.write("srv/etcd/ca.crt", &node.etcd_ca.pair.certificate);
    node.write_pair("srv/etcd/client", &node.etcd_ca.leaf("root", "", &[], Days(-360, 5)));
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(role_of(&document, "/srv/etcd/ca.crt"), "external-etcd-ca");
    assert_eq!(role_of(&document, "/srv/etcd/client.crt"), "etcd-client");
    assert_eq!((code, codes(&document, "etcd/client.crt")), (2, vec!["expires".to_owned()]));
    let all: Vec<_> = rows(&document).iter().filter(|row| row["severity"] != "ok").collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    node.remove("srv/etcd/client.crt");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "etcd/client.crt")), (2, vec!["not_found".to_owned()]));
}

#[test]
fn root_s_older_copy_is_stale() {
    let (root, node) = healthy();
    let copy = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf("kubernetes-admin", "system:masters", &[], Days(0, 365)));
    node.write("root/.kube/config", &copy);
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, ".kube/config")), (1, vec!["stale_copy".to_owned()]));
    // The same when it is asked about alone.
    let (alone, code) = check_json(root.path(), &["/root/.kube/config"]);
    assert_eq!((code, codes(&alone, ".kube/config")), (1, vec!["stale_copy".to_owned()]));
    assert_eq!(rows(&alone).len(), 2, "its user and its cluster, nothing else: {alone:#}");
}

#[test]
fn an_overdue_kubelet_rotation_shows_before_the_end() {
    let (root, node) = healthy();
    node.kubelet_client(Days(-330, 33));
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "current.pem")), (1, vec!["rotation_overdue".to_owned()]));
}

#[test]
fn kubeconfigs_by_path_by_data_and_without_certificates() {
    let (root, node) = healthy();
    let relative = node.ca.leaf("team-a", "", &[], Days(-345, 20));
    node.write_pair("srv/team/client", &relative);
    node.write("srv/team/ca.crt", &node.ca.pair.certificate);
    node.write(
        "srv/team/config.kubeconfig",
        "apiVersion: v1\nkind: Config\nclusters:\n\
         - {name: a, cluster: {server: 'https://a', certificate-authority: ca.crt}}\n\
         - {name: b, cluster: {server: 'https://b', insecure-skip-tls-verify: true}}\nusers:\n\
         - {name: by-path, user: {client-certificate: ./x/../client.crt, client-key: client.key}}\n\
         - {name: token, user: {token: abc}}\n- {name: plugin, user: {exec: {command: aws, args: [eks]}}}\n\
         - {name: gone, user: {client-certificate: gone.crt, client-key: gone.key}}\n",
    );
    let (document, code) = check_json(root.path(), &["/srv/team/config.kubeconfig"]);
    // What a kubeconfig names is judged as if it stood in it; what is not there, by its own name.
    let of_user =
        |name: &str| rows(&document).iter().find(|row| row["entry"]["name"] == name).unwrap();
    assert_eq!(of_user("by-path")["findings"][0]["code"], "expires");
    assert_eq!(of_user("a")["severity"], "ok");
    assert_eq!(codes(&document, "/srv/team/gone.crt"), ["not_found"]);
    assert_eq!((code, rows(&document).len()), (3, 3), "{document:#}");
}

#[test]
fn several_users_and_contexts_each_have_a_row() {
    let (root, node) = healthy();
    let one =
        kubeconfig(SERVER, &node.ca.pair.certificate, "one", &node.ca.leaf("one", "", &[], YEAR));
    let two = kubeconfig(
        SERVER,
        &node.ca.pair.certificate,
        "two",
        &node.ca.leaf("two", "", &[], Days(-360, 3)),
    );
    let (_, second_user) = two.split_once("users:\n").unwrap();
    node.write("root/.kube/config", &(one + second_user));
    let (document, code) = check_json(root.path(), &["/root/.kube/config"]);
    let names: Vec<&str> =
        rows(&document).iter().filter_map(|row| row["entry"]["name"].as_str()).collect();
    assert_eq!((code, names), (2, vec!["two", "one", "kubernetes"]));
}

#[test]
fn configured_globs_directories_and_files() {
    let (root, node) = healthy();
    let days = Days(-345, 20);
    for path in [
        "srv/tls/a/one.pem",
        "srv/tls/b/c/two.pem",
        "srv/tls/b/c/skip/three.pem",
        "opt/four.txt",
        "opt/five",
    ] {
        node.write(path, &node.ca.leaf("x", "", &[], days).certificate);
    }
    let config = root.path().join("config.toml");
    fs::write(
        &config,
        "[scan]\nstandard = false\npaths = [\"/srv/tls/**/*.pem\", \"/opt/five\", \"/opt\", \"/gone/*.pem\"]\n\
         exclude = [\"**/skip/**\"]\n",
    )
    .unwrap();
    let (document, code) = check_json(root.path(), &["--config", config.to_str().unwrap()]);
    let mut paths: Vec<&str> =
        rows(&document).iter().map(|row| row["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    // A directory holds certificates by their endings; a glob that matches nothing is a finding.
    assert_eq!(paths, ["/gone/*.pem", "/opt/five", "/srv/tls/a/one.pem", "/srv/tls/b/c/two.pem"]);
    assert_eq!(code, 3);
}

#[test]
fn other_distributions_are_known() {
    let root = TempDir::new().unwrap();
    let node = Node {
        root: root.path().to_owned(),
        ca: Authority::new("k3s-server-ca@1700000000", TEN_YEARS),
        etcd_ca: Authority::new("x", TEN_YEARS),
        front_proxy_ca: Authority::new("y", TEN_YEARS),
    };
    for (directory, role) in [
        ("var/lib/rancher/k3s/server/tls", "k3s"),
        ("var/lib/rancher/rke2/server/tls", "rke2"),
        ("var/lib/k0s/pki", "k0s"),
        ("var/snap/microk8s/current/certs", "microk8s"),
    ] {
        node.write(&format!("{directory}/server-ca.crt"), &node.ca.pair.certificate);
        node.write_pair(
            &format!("{directory}/serving"),
            &node.ca.leaf(role, "", &[], Days(-360, 5)),
        );
        let foreign = Authority::new("k3s-server-ca@1700000000", TEN_YEARS);
        node.write_pair(&format!("{directory}/foreign"), &foreign.leaf(role, "", &[], YEAR));
    }
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    for role in ["k3s", "rke2", "k0s", "microk8s"] {
        let of_role: Vec<&Value> =
            rows(&document).iter().filter(|row| row["role"] == role).collect();
        assert_eq!(of_role.len(), 3, "{role}: {document:#}");
        let serving = of_role
            .iter()
            .find(|row| row["path"].as_str().unwrap().ends_with("serving.crt"))
            .unwrap();
        assert_eq!(serving["findings"][0]["code"], "expires");
        let foreign = of_role
            .iter()
            .find(|row| row["path"].as_str().unwrap().ends_with("foreign.crt"))
            .unwrap();
        assert_eq!(foreign["findings"][0]["code"], "wrong_signer");
    }
    let table = certwatch(["check", "--root", root.path().to_str().unwrap()]).stdout;
    assert!(
        table.contains("systemctl try-restart k3s k3s-agent")
            && table.contains("microk8s refresh-certs"),
        "{table}"
    );
}

#[test]
fn a_pipe_gets_no_colour_and_no_cut_paths() {
    let (root, node) = healthy();
    let long =
        format!("srv/{}/web.pem", "directory-with-a-long-name/".repeat(6).trim_end_matches('/'));
    node.write(&long, &node.ca.leaf("web", "", &[], Days(-345, 20)).certificate);
    let run = certwatch(["check", "--root", root.path().to_str().unwrap(), &format!("/{long}")]);
    assert!(!run.stdout.contains('\u{1b}') && run.stdout.contains(&long), "{}", run.stdout);
    assert!(run.stdout.lines().last().unwrap().starts_with("certwatch: WARNING"), "{}", run.stdout);
}

/// A company's CA often signs over an intermediate, which stands in the leaf's file or in ca.crt.
#[test]
fn an_intermediate_ca_is_followed_from_either_file() {
    let (root, mut node) = healthy();
    let company = Authority::new("company root", TEN_YEARS);
    node.ca = company.intermediate("kubernetes", Days(-1, 2000));
    let [intermediate, top] = [&node.ca, &company].map(|ca| ca.pair.certificate.clone());
    let sign_all = |ca_file: &str, behind: &str| {
        node.write("etc/kubernetes/pki/ca.crt", ca_file);
        let _ = fs::remove_file(node.path("etc/kubernetes/pki/ca.key"));
        for name in ["apiserver", "apiserver-kubelet-client"] {
            node.leaf(name, YEAR);
            let path = format!("etc/kubernetes/pki/{name}.crt");
            node.write(&path, &(node.read(&path) + behind));
        }
        let (document, _) = check_json(root.path(), &["/etc/kubernetes/pki"]);
        assert_eq!(document["severity"], "ok", "{document:#}");
    };
    sign_all(&top, &intermediate);
    sign_all(&intermediate, &intermediate);
    sign_all(&intermediate, "");
    sign_all(&(intermediate.clone() + &top), "");
    // Without the link between them nobody can know.
    node.write("etc/kubernetes/pki/ca.crt", &top);
    node.leaf("apiserver", YEAR);
    assert_eq!(codes(&check_json(root.path(), &[]).0, "pki/apiserver.crt"), ["wrong_signer"]);
}

#[test]
fn a_leaf_ends_with_the_intermediate_in_its_file() {
    let (root, mut node) = healthy();
    let company = Authority::new("company root", TEN_YEARS);
    node.ca = company.intermediate("kubernetes", Days(-300, 20));
    node.write("etc/kubernetes/pki/ca.crt", &company.pair.certificate);
    node.leaf("apiserver", YEAR);
    let path = "etc/kubernetes/pki/apiserver.crt";
    node.write(path, &(node.read(path) + &node.ca.pair.certificate));
    let (document, _) = check_json(root.path(), &["/etc/kubernetes/pki/apiserver.crt"]);
    assert_eq!(codes(&document, "pki/apiserver.crt"), ["expires", "expires"]);
    assert!(
        rows(&document)[0]["findings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("expires with its CA")
    );
}

#[test]
fn the_right_key_under_another_name_is_another_ca() {
    let (root, mut node) = healthy();
    node.ca = node.ca.reissued("kubernetes-ca", TEN_YEARS);
    node.write_cas();
    assert_eq!(codes(&check_json(root.path(), &[]).0, "pki/apiserver.crt"), ["wrong_signer"]);
}

#[test]
fn half_a_pair_is_a_finding() {
    let (root, node) = healthy();
    node.remove("etc/kubernetes/pki/etcd/server.key");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "etcd/server.key")), (2, vec!["not_found".to_owned()]));
    let row = rows(&document)
        .iter()
        .find(|row| row["path"].as_str().unwrap().ends_with("server.key"))
        .unwrap();
    assert_eq!(row["findings"][0]["command"], "kubeadm certs renew etcd-server");
}

#[test]
fn a_component_s_kubeconfig_without_users_is_broken() {
    let (root, node) = healthy();
    node.write(
        "etc/kubernetes/scheduler.conf",
        "apiVersion: v1\nkind: Config\nusers: []\nclusters: []\n",
    );
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(
        (code, codes(&document, "scheduler.conf")),
        (2, vec!["no_certificate_found".to_owned()])
    );
    // One with a token has nothing that expires here.
    node.write(
        "etc/kubernetes/scheduler.conf",
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: s}}]\n\
         users: [{name: s, user: {token: t}}]\nclusters: [{name: k, cluster: {server: 'https://10.0.0.11:6443'}}]\n",
    );
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 0, "{document:#}");
}

#[test]
fn files_that_hold_keys_and_requests_are_nobody_s_alarm() {
    let (root, node) = healthy();
    let pair = node.ca.leaf("x", "", &[], YEAR);
    node.write("etc/ssl/etcd/ssl/node-cp1-key.pem", &pair.key);
    node.write("etc/ssl/etcd/ssl/node-cp1.pem", &pair.certificate);
    node.write(
        "etc/kubernetes/pki/x.csr",
        "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n",
    );
    node.write("etc/kubernetes/cloud.conf", "");
    node.write(
        "etc/kubernetes/init.conf",
        "# clusters\napiVersion: kubeadm.k8s.io/v1beta3\n---\nkind: Config\n",
    );
    let (document, code) = check_json(
        root.path(),
        &["/etc/ssl/etcd/ssl", "/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/x.csr"],
    );
    assert_eq!((code, rows(&document).len()), (0, 1), "{document:#}");
    assert_eq!(check_json(root.path(), &[]).1, 0);
}

#[test]
fn a_slip_of_the_pen_is_unknown() {
    let (root, _) = healthy();
    let (document, code) = check_json(root.path(), &["/etc/kubernetes/pkl/ca.crt"]);
    assert_eq!((code, codes(&document, "pkl/ca.crt")), (3, vec!["not_found".to_owned()]));
    for glob in ["/etc/[oops/*.crt", "/etc/a**b/*.crt"] {
        let run = certwatch(["check", "--root", root.path().to_str().unwrap(), glob]);
        assert_eq!(run.code, 3, "{run:?}");
        assert!(run.stderr.contains(glob), "{run:?}");
    }
}

/// Below k3s's agent lie the file systems of all containers.
#[test]
fn the_images_of_containers_are_not_searched() {
    let root = TempDir::new().unwrap();
    let below = root.path().join("var/lib/rancher/k3s/agent");
    let image = below.join("containerd/snapshots/7/fs/etc/ssl/certs");
    fs::create_dir_all(&image).unwrap();
    fs::write(image.join("old-root.pem"), "no certificate").unwrap();
    fs::write(below.join("client-kubelet.crt"), Authority::new("x", TEN_YEARS).pair.certificate)
        .unwrap();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, rows(&document).len()), (0, 1), "{document:#}");
}

#[test]
fn a_link_to_the_pki_is_the_pki() {
    let (root, _) = healthy();
    let link = root.path().join("link");
    symlink(root.path().join("etc/kubernetes/pki"), &link).unwrap();
    let run = certwatch(["check", "-o", "json", link.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, rows(&document).len()), (0, 10));
    assert!(rows(&document).iter().any(|row| row["role"] == "etcd-server"), "{document:#}");
    // `..` behind a link leads where the kernel says.
    let behind = link.join("../admin.conf");
    assert_eq!(certwatch(["check", behind.to_str().unwrap()]).code, 0);
}

#[test]
fn only_a_copy_of_admin_conf_is_overwritten() {
    let (root, node) = healthy();
    let old = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf("kubernetes-admin", "system:masters", &[], Days(0, 365)));
    let command = |below: &str| {
        let (document, _) = check_json(root.path(), &[below]);
        let row =
            rows(&document).iter().find(|row| row["entry"]["kind"] == "user").unwrap().clone();
        row["findings"][0]["command"].as_str().map(str::to_owned)
    };
    node.write("root/.kube/config", &old);
    let names_the_user =
        |command: Option<String>| command.unwrap().contains("user=kubernetes-admin");
    assert!(names_the_user(command("/root/.kube/config")));
    // One with a second user keeps it: the user is edited in place.
    let second = kubeconfig(
        SERVER,
        &node.ca.pair.certificate,
        "two",
        &node.ca.leaf("two", "", &[], Days(-340, 25)),
    );
    let (_, second_user) = second.split_once("users:\n").unwrap();
    node.write("root/.kube/config", &(old + second_user));
    let (document, _) = check_json(root.path(), &["/root/.kube/config"]);
    assert!(codes(&document, ".kube/config").contains(&"stale_copy".to_owned()));
    let edits = |row: &Value| row["findings"][0]["command"].as_str().map(str::to_owned);
    assert!(rows(&document).iter().filter_map(edits).any(|it| names_the_user(Some(it))));
    // A person's own is not replaced by the admin's.
    node.write("root/.kube/config", &second);
    assert_eq!(command("/root/.kube/config"), None);
}

#[test]
fn a_component_s_kubeconfig_by_path_is_held_to_the_same() {
    let (root, node) = healthy();
    node.write_pair(
        "etc/kubernetes/pki/scheduler",
        &node.etcd_ca.leaf("system:kube-scheduler", "", &[], YEAR),
    );
    let conf = |user: &str, ca: &str| {
        let text = format!(
            "kind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: s}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{SERVER}', certificate-authority: {ca}}}}}]\n\
             users: [{{name: s, user: {{client-certificate: {user}.crt, client-key: {user}.key}}}}]\n"
        );
        node.write("etc/kubernetes/scheduler.conf", &text);
        let (document, code) = check_json(root.path(), &[]);
        (codes(&document, "/scheduler.conf"), code)
    };
    let found = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    assert_eq!(conf("pki/scheduler", "pki/ca.crt"), (found(&["wrong_signer"]), 2));
    node.write_pair(
        "etc/kubernetes/pki/scheduler",
        &node.ca.leaf("system:kube-scheduler", "", &[], YEAR),
    );
    assert_eq!(conf("pki/scheduler", "pki/etcd/ca.crt"), (found(&["foreign_ca"]), 2));
    assert_eq!(conf("pki/scheduler", "pki/ca.crt"), (vec![], 0));
    node.remove("etc/kubernetes/pki/scheduler.key");
    let lost = conf("pki/scheduler", "pki/ca.crt");
    assert_eq!(lost, (found(&["refused_kubeconfig"]), 2));
    node.conf("scheduler.conf", &node.ca.leaf("system:kube-scheduler", "", &[], YEAR));
    node.remove("var/lib/kubelet/pki/kubelet-client-current.pem");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "kubelet-client-current.pem")), (2, found(&["not_found"])));
}

#[test]
fn a_stale_copy_is_found_under_any_name() {
    let (root, node) = healthy();
    let old = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf("kubernetes-admin", "system:masters", &[], Days(0, 365)));
    for copy in ["srv/admin.conf", "srv/kc.yaml", "home/jane/.kube/config"] {
        node.write(copy, &old);
        let (document, code) = check_json(root.path(), &[&format!("/{copy}")]);
        assert_eq!((code, codes(&document, copy)), (1, vec!["stale_copy".to_owned()]));
    }
}

/// As after `openssl x509 -signkey`: the old and the new certificate of one CA in one file.
#[test]
fn of_two_certificates_of_one_ca_the_later_one_counts() {
    let (root, mut node) = healthy();
    node.sign_elsewhere();
    node.ca = node.ca.reissued("kubernetes", Days(-3000, 5));
    let [old, new] = [Days(-3000, 5), TEN_YEARS]
        .map(|days| node.ca.reissued("kubernetes", days).pair.certificate);
    for both in [old.clone() + &new, new + &old] {
        node.write("etc/kubernetes/pki/ca.crt", &both);
        let (document, code) = check_json(root.path(), &["/etc/kubernetes/pki"]);
        assert!(codes(&document, "pki/apiserver.crt").is_empty(), "{document:#}");
        assert_eq!((code, codes(&document, "pki/ca.crt")), (1, vec!["retired_ca".to_owned()]));
    }
}

#[test]
fn a_glob_looks_nowhere_else() {
    let (root, node) = healthy();
    node.write("home/u/.kube/config", &node.read("etc/kubernetes/admin.conf"));
    fs::create_dir_all(root.path().join(format!("home/u/{}", ["d"; 30].join("/")))).unwrap();
    let (document, code) = check_json(root.path(), &["/home/*/.kube/config"]);
    assert_eq!((code, rows(&document).len()), (0, 2), "{document:#}");
    // With ** it has to, down to its limit, and says so.
    assert_eq!(check_json(root.path(), &["/home/**/.kube/config"]).1, 3);
}

#[test]
fn rotated_kubelet_files_are_no_alarm_by_path_either() {
    let (root, _) = healthy();
    for path in ["/var/lib/kubelet/pki", "/var/lib/kubelet/**/*.pem"] {
        let (document, code) = check_json(root.path(), &[path]);
        assert_eq!(code, 0, "{path}: {document:#}");
    }
    let rotated = "/var/lib/kubelet/pki/kubelet-client-2024-12-01-10-00-00.pem";
    assert_eq!(check_json(root.path(), &[rotated]).1, 2, "unless it is asked for by its name");
}
