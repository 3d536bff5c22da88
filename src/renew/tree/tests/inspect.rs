use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::domain::time::Span;
use crate::parse::pem;
use crate::renew::testing::{Authority, Leaf, NOW, Node, Pair, words};
use crate::renew::tree::stage;

const SERVER: &str = "kube-apiserver";
const ADMIN: &str = "kubernetes-admin";

fn look(node: &Node, name: &str) -> Result<Vec<FileChange>, Fault> {
    inspect(&node.paths, &words(&[name]), NOW, true)
}

/// What is said of an apiserver that was staged so.
fn of_pair(make: impl FnOnce(&Node) -> Pair) -> Result<Vec<FileChange>, Fault> {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    node.put_pair(&node.paths.stage(), &make(&node));
    look(&node, "apiserver")
}

fn of_leaf(leaf: &Leaf) -> Result<Vec<FileChange>, Fault> {
    of_pair(|node| node.ca.sign(leaf))
}

/// What is said of an admin.conf that was staged so.
fn of_conf(make: impl FnOnce(&Node, String) -> String) -> Result<Vec<FileChange>, Fault> {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    let conf = node.conf(&node.ca.sign(&Leaf::new(ADMIN, 365)));
    fs::write(node.staged("admin.conf"), make(&node, conf)).unwrap();
    look(&node, "admin.conf")
}

/// With an algorithm that nobody knows, in both places.
fn unchecked(Pair(certificate, key): Pair) -> Pair {
    const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let mut der = pem::certificates(certificate.as_bytes()).remove(0).unwrap().der;
    let is_there = |der: &[u8], at: usize| der[at..].starts_with(&ECDSA_WITH_SHA256);
    for at in 0..der.len() {
        if is_there(&der, at) {
            der[at + 7] = 99;
        }
    }
    let body = STANDARD.encode(der);
    Pair(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"), key)
}

fn refused(result: Result<Vec<FileChange>, Fault>, why: &str) {
    let fault = result.expect_err(why);
    assert!(fault.what.contains(why), "{fault}");
}

#[test]
fn a_good_pair_is_a_change_of_the_key_and_then_the_certificate() {
    let changes = of_leaf(&Leaf::new(SERVER, 365)).unwrap();
    let file_paths: Vec<&Path> = changes.iter().map(|change| &*change.path).collect();
    assert_eq!(file_paths, ["pki/apiserver.key", "pki/apiserver.crt"].map(Path::new));
    assert!(changes.iter().all(|it| it.before.is_some() && it.before.as_ref() != Some(&it.after)));
}

#[test]
fn who_says_done_and_did_nothing_is_found_out() {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    refused(look(&node, "apiserver"), "expires no later than before");
    refused(look(&node, "admin.conf"), "expires no later than before");
    assert_eq!(inspect(&node.paths, &words(&["apiserver"]), NOW, false).unwrap(), []);
}

#[test]
fn every_fault_of_a_pair_is_found() {
    let good = Leaf::new(SERVER, 365);
    refused(of_leaf(&Leaf { name: "other", ..good.clone() }), "another common name");
    refused(of_leaf(&Leaf { group: "other", ..good.clone() }), "another organization");
    refused(of_leaf(&Leaf { san: "other", ..good.clone() }), "other names or addresses");
    refused(of_leaf(&Leaf { is_ca: true, ..good.clone() }), "has become a CA");
    refused(of_leaf(&Leaf { days: -1, ..good.clone() }), "has expired");
    refused(of_leaf(&Leaf { days: 4, ..good.clone() }), "expires no later");
    refused(of_pair(|_| Authority::new().sign(&good)), "not verifiably signed by the CA");
    refused(of_pair(|node| unchecked(node.ca.sign(&good))), "not verifiably signed");
    refused(
        of_pair(|node| Pair(node.ca.sign(&good).0, node.ca.sign(&good).1)),
        "has a key that does not match its certificate",
    );
    refused(of_pair(|_| Pair("junk".into(), "junk".into())), "cannot be read");
    refused(
        of_pair(|node| Pair(node.ca.sign(&good).0, String::new())),
        "has a key that does not match",
    );
}

#[test]
fn what_is_not_valid_yet_is_refused() {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    node.put_pair(&node.paths.stage(), &node.ca.sign(&Leaf::new(SERVER, 365)));
    let early = NOW - Span::days(11);
    refused(inspect(&node.paths, &words(&["apiserver"]), early, true), "is not valid yet");
}

#[test]
fn kubeadms_own_step_away_from_system_masters_is_allowed_to_admin_alone() {
    let step = Leaf { group: "kubeadm:cluster-admins", ..Leaf::new(ADMIN, 365) };
    of_conf(|node, _| node.conf(&node.ca.sign(&step))).unwrap();
    let leaf = Leaf { group: "kubeadm:cluster-admins", ..Leaf::new(SERVER, 365) };
    refused(of_leaf(&leaf), "another organization");
}

#[test]
fn what_nobody_asked_for_is_refused() {
    for path in ["pki/ca.crt", "admin.conf", "pki/extra.crt"] {
        let node = Node::new();
        stage::stage(&node.paths).unwrap();
        node.put_pair(&node.paths.stage(), &node.ca.sign(&Leaf::new(SERVER, 365)));
        fs::write(node.staged(path), &Authority::new().pem).unwrap();
        refused(look(&node, "apiserver"), "without having been requested");
        fs::remove_file(node.staged(path)).unwrap();
        assert_eq!(look(&node, "apiserver").is_ok(), path == "pki/extra.crt", "{path} is missing");
    }
}

#[test]
fn of_a_kubeconfig_only_certificate_key_and_ca_may_change() {
    assert_eq!(of_conf(|_, conf| conf).unwrap().len(), 1);
    of_conf(|_, conf| conf.replace("preferences: {}\n", "")).unwrap();
    let beyond = "changed in more than";
    refused(of_conf(|_, conf| conf.replace("10.0.0.1", "10.0.0.2")), beyond);
    refused(
        of_conf(|_, conf| conf.replace("    user: k", "    namespace: x\n    user: k")),
        beyond,
    );
    refused(of_conf(|_, conf| conf + "- name: mallory\n  user: {token: t}\n"), beyond);
    refused(
        of_conf(|_, conf| conf.replace("    client-key", "    token: t\n    client-key")),
        beyond,
    );
    refused(
        of_conf(|node, conf| {
            let other = Node::new();
            let [own, strange] =
                [node, &other].map(|it| it.conf(&Pair(String::new(), String::new())));
            let ca = |conf: &str| conf.lines().nth(3).unwrap().to_owned();
            conf.replace(&ca(&own), &ca(&strange))
        }),
        "trusts another CA",
    );
    refused(of_conf(|_, _| "junk".into()), "none that can be read");
}

#[test]
fn with_nothing_live_to_compare_it_is_judged_alone() {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    node.put_pair(&node.paths.stage(), &node.ca.sign(&Leaf::new("any", 365)));
    fs::write(node.live("pki/apiserver.crt"), "corrupt").unwrap();
    fs::remove_file(node.live("pki/apiserver.key")).unwrap();
    let changes = look(&node, "apiserver").unwrap();
    assert_eq!(changes[0].before, None);
    node.put_pair(&node.paths.stage(), &Authority::new().sign(&Leaf::new("any", 365)));
    refused(look(&node, "apiserver"), "not verifiably signed by the CA");
}

#[test]
fn a_restore_may_end_earlier() {
    let node = Node::new();
    stage::stage(&node.paths).unwrap();
    node.put_pair(&node.paths.stage(), &node.ca.sign(&Leaf::new(SERVER, 2)));
    let changes = inspect(&node.paths, &words(&["apiserver"]), NOW, false).unwrap();
    assert_eq!(changes.len(), 2);
}

#[test]
fn no_message_holds_a_byte_of_a_file() {
    let fault = of_pair(|_| Pair("SECRET".into(), "SECRET".into())).unwrap_err();
    assert!(!fault.what.contains("SECRET"));
}

#[test]
fn a_client_s_certificate_stays_one() {
    let usages = &[rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = Leaf { usages, ..Leaf::new(ADMIN, 365) };
    let staged = of_conf(|node, _| node.conf(&node.ca.sign(&leaf)));
    refused(staged, "is no longer a client certificate");
}
