//! Where a chain ends: every certificate of a CA file is an anchor for Go, as for all of Kubernetes.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::common::node::{Node, TEN_YEARS, YEAR};
use super::common::pki::{Authority, Days};
use super::common::run::{check_json, codes, rows};

/// A node of a company's intermediate CA, with this in ca.crt and this behind each leaf.
fn node(root: &Path, intermediate: Authority, bundle: &str, behind: &str) -> Node {
    let mut node = Node::healthy(root);
    let old = STANDARD.encode(&node.ca.pair.certificate);
    node.ca = intermediate;
    node.ca.pair.certificate = bundle.to_owned();
    node.write_cas();
    fs::remove_file(node.path("etc/kubernetes/pki/ca.key")).unwrap();
    for name in ["apiserver", "apiserver-kubelet-client"] {
        let (path, mut pair) = node.new_leaf(name, YEAR);
        pair.certificate += behind;
        node.write_pair(&path, &pair);
    }
    for (name, user) in [
        ("admin.conf", "kubernetes-admin"),
        ("controller-manager.conf", "system:kube-controller-manager"),
        ("scheduler.conf", "system:kube-scheduler"),
    ] {
        let mut pair = node.ca.leaf(user, "", &[], YEAR);
        pair.certificate += behind;
        node.conf(name, &pair);
    }
    let kubelet = node.read("etc/kubernetes/kubelet.conf");
    node.write("etc/kubernetes/kubelet.conf", &kubelet.replace(&old, &STANDARD.encode(bundle)));
    node.write("root/.kube/config", &node.read("etc/kubernetes/admin.conf"));
    let kubelet = node.ca.leaf("system:node:cp1", "system:nodes", &[], YEAR);
    let current = node.path("var/lib/kubelet/pki/kubelet-client-current.pem");
    let target = node.root.join(fs::read_link(&current).unwrap().strip_prefix("/").unwrap());
    fs::write(target, kubelet.certificate + behind + &kubelet.key).unwrap();
    node
}

/// Judges a node with a bundle of the intermediate and its root, and perhaps the intermediate behind
/// each leaf.
fn judged(bundle: impl Fn(&str, &str) -> String, is_behind: bool, root_days: Days) -> Value {
    let root = TempDir::new().unwrap();
    let company = Authority::new("company root", root_days);
    let intermediate = company.intermediate("kubernetes", Days(-1, 1500));
    let [top, below] = [&company, &intermediate].map(|ca| ca.pair.certificate.clone());
    let behind = if is_behind { below.clone() } else { String::new() };
    node(root.path(), intermediate, &bundle(&below, &top), &behind);
    check_json(root.path(), &[]).0
}

#[test]
fn the_end_of_a_root_behind_its_intermediate_changes_nothing() {
    for days in [Days(-900, 199), Days(-900, 5), Days(-900, -3)] {
        for bundle in [|i: &str, r: &str| format!("{i}{r}"), |i: &str, r: &str| format!("{r}{i}")] {
            for behind in [false, true] {
                let document = judged(bundle, behind, days);
                let wrong: Vec<_> = rows(&document)
                    .iter()
                    .filter(|row| row["severity"] != "ok")
                    .map(|row| (&row["path"], &row["findings"]))
                    .collect();
                assert!(wrong.is_empty(), "{days:?} {behind}: {wrong:#?}");
            }
        }
    }
}

#[test]
fn the_end_of_a_root_counts_where_the_intermediate_comes_with_the_leaf() {
    let document = judged(|_, top| top.to_owned(), true, Days(-900, 5));
    assert_eq!(document["severity"], "critical");
    for path in ["pki/apiserver.crt", "kubernetes/scheduler.conf", "pki/ca.crt"] {
        let codes = codes(&document, path);
        assert!(codes.contains(&"expires".to_owned()), "{path}: {codes:?}");
    }
    assert!(codes(&document, "pki/etcd/server.crt").is_empty());
}

/// The intermediate's own end is the end, whatever its root says.
#[test]
fn an_intermediate_that_ends_takes_its_leaves_with_it() {
    let root = TempDir::new().unwrap();
    let company = Authority::new("company root", TEN_YEARS);
    let intermediate = company.intermediate("kubernetes", Days(-900, -3));
    let bundle = format!("{}{}", intermediate.pair.certificate, company.pair.certificate);
    let behind = intermediate.pair.certificate.clone();
    node(root.path(), intermediate, &bundle, &behind);
    let document = check_json(root.path(), &[]).0;
    for path in ["pki/apiserver.crt", "kubernetes/admin.conf", "kubelet-client-current.pem"] {
        assert_eq!(codes(&document, path).first().unwrap(), "expired", "{path}");
    }
}

/// What stands behind a leaf and is not on its way to the CA file is of no use, and no disaster.
#[test]
fn an_expired_root_behind_a_leaf_is_left_over() {
    let root = TempDir::new().unwrap();
    let old = Authority::new("old root", Days(-900, -3));
    let node = Node::healthy(root.path());
    let path = "etc/kubernetes/pki/apiserver.crt";
    node.write(path, &(node.read(path) + &old.pair.certificate));
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, path)), (1, vec!["retired_ca".to_owned()]));
}

/// A root that has signed something here directly is in use.
#[test]
fn a_root_that_signs_beside_its_intermediate_counts() {
    let root = TempDir::new().unwrap();
    let company = Authority::new("company root", Days(-900, 5));
    let direct = company.leaf("apiserver", "", &["cp1"], YEAR);
    let intermediate = company.intermediate("kubernetes", Days(-1, 1500));
    let bundle = format!("{}{}", intermediate.pair.certificate, company.pair.certificate);
    let node = node(root.path(), intermediate, &bundle, "");
    node.write_pair("etc/kubernetes/pki/apiserver", &direct);
    let document = check_json(root.path(), &[]).0;
    assert_eq!(codes(&document, "pki/ca.crt"), ["expires"]);
    assert!(codes(&document, "pki/apiserver.crt").contains(&"expires".to_owned()));
    assert!(codes(&document, "pki/apiserver-kubelet-client.crt").is_empty());
}
