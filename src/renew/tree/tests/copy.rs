use std::os::unix::fs::symlink;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::ExtendedKeyUsagePurpose::{self, Any, ClientAuth, ServerAuth};

use super::*;
use crate::parse::kubeconfig_document::{CERTIFICATE, KEY};
use crate::renew::testing::{Authority, Leaf, NOW, Node, Pair, mode, set_mode};

const ADMIN_NAME: &str = "kubernetes-admin";

/// A node whose admin.conf was renewed, and the text of a copy from before.
fn renewed() -> (Node, String) {
    let node = Node::new();
    let old = fs::read_to_string(node.live("admin.conf")).unwrap();
    let tree = node.paths.kubernetes.clone();
    node.put_conf(&tree, &node.ca.sign(&Leaf::new(ADMIN_NAME, 365)));
    (node, old)
}

fn copy(node: &Node, text: &str) -> PathBuf {
    let path = node.path("config");
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o640);
    path
}

fn as_copy<'a>(node: &'a Node, path: &'a Path) -> Copy<'a> {
    let owner = rustix::process::geteuid().as_raw();
    Copy { kubernetes: &node.paths.kubernetes, path, owner, now: NOW }
}

fn is_stale(node: &Node, path: &Path, admin_is_renewed: bool) -> bool {
    as_copy(node, path).look(admin_is_renewed).is_stale
}

fn refresh(node: &Node, path: &Path) -> Result<(), Fault> {
    as_copy(node, path).refresh(None)
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.contains(name)).unwrap();
    line.rsplit(": ").next().unwrap().to_owned()
}

#[test]
fn only_the_certificate_and_the_key_change() {
    let (node, old) = renewed();
    let new = fs::read_to_string(node.live("admin.conf")).unwrap();
    let odd =
        |text: &str| format!("# mine: {{x}}\n{text}- name: ci\n  user: {{token: 'a b'}}  # CI\r\n");
    let path = copy(&node, &odd(&old));
    assert!(is_stale(&node, &path, false));
    refresh(&node, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), odd(&new));
    assert_eq!(mode(&path), 0o640);
    assert!(!is_stale(&node, &path, false));
    assert!(is_stale(&node, &path, true), "a renewal to come would make it so");
    refresh(&node, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), odd(&new));
}

#[test]
fn flow_style_and_json_are_edited_alike() {
    let (node, old) = renewed();
    let new = fs::read_to_string(node.live("admin.conf")).unwrap();
    let write = |text: &str| {
        let [certificate, key] = [CERTIFICATE, KEY].map(|name| field(text, name));
        format!(
            r#"{{"users": [{{"name": "me", "user": {{"{KEY}": "{key}", "{CERTIFICATE}": "{certificate}"}}}}], "clusters": []}}"#
        )
    };
    let path = copy(&node, &write(&old));
    refresh(&node, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), write(&new));
}

#[test]
fn a_form_that_cannot_be_edited_is_left_alone_with_advice() {
    let (node, old) = renewed();
    let key = field(&old, KEY);
    let folded = old.replace(&key, &format!("|\n      {}\n      {}", &key[..60], &key[60..]));
    let path = copy(&node, &folded);
    let fault = refresh(&node, &path).unwrap_err();
    assert!(fault.what.contains("run `cp -i "), "{fault}");
    assert_eq!(fs::read_to_string(&path).unwrap(), folded);
}

/// The certificate is public: it goes over the wire and into logs.
#[test]
fn who_has_the_certificate_without_the_key_does_not_get_the_key() {
    let (node, old) = renewed();
    let other = node.conf(&node.ca.sign(&Leaf::new(ADMIN_NAME, 5)));
    let text = old.replace(&field(&old, KEY), &field(&other, KEY));
    let path = copy(&node, &text);
    assert!(!is_stale(&node, &path, true));
    assert!(refresh(&node, &path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn others_users_and_other_clusters_are_no_copies() {
    let (node, _) = renewed();
    let strange = Authority::new().sign(&Leaf::new(ADMIN_NAME, 5));
    let other = node.ca.sign(&Leaf::new("jane", 5));
    for pair in [strange, other] {
        let path = copy(&node, &node.conf(&pair));
        assert!(!is_stale(&node, &path, true));
        assert!(refresh(&node, &path).is_err());
    }
    let path = copy(&node, "junk");
    assert!(!is_stale(&node, &path, true) && refresh(&node, &path).is_err());
    assert!(!is_stale(&node, &node.path("absent"), true));
}

#[test]
fn a_link_to_admin_conf_is_no_copy() {
    let (node, _) = renewed();
    let link = node.path("link");
    symlink(node.live("admin.conf"), &link).unwrap();
    assert!(!is_stale(&node, &link, true));
    assert!(!is_stale(&node, &node.live("admin.conf"), true));
}

/// The CA that signed it is looked for by its signature, not by its name.
#[test]
fn a_name_and_a_key_id_make_no_ca() {
    let (node, _) = renewed();
    let own_ca = Authority::new().sign(&Leaf::new(ADMIN_NAME, 5));
    let a_leaf = node.ca.leaf_that_signs(&Leaf::new("jane", 5));
    let beneath = a_leaf.sign(&Leaf::new(ADMIN_NAME, 5));
    let chain = Pair(format!("{}{}", beneath.0, a_leaf.pem), beneath.1.clone());
    for pair in [own_ca, beneath, chain] {
        let path = copy(&node, &node.conf(&pair));
        assert!(!is_stale(&node, &path, true));
        assert!(refresh(&node, &path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), node.conf(&pair));
    }
}

/// One user's right is not another's, though they share a file.
#[test]
fn of_several_users_only_those_that_are_admin_are_given_the_key() {
    let (node, old) = renewed();
    let new = fs::read_to_string(node.live("admin.conf")).unwrap();
    let jane = node.conf(&node.ca.sign(&Leaf::new("jane", 5)));
    let with = |admin: &str| {
        let (certificate, key) = (field(&jane, CERTIFICATE), field(&jane, KEY));
        format!(
            "{admin}- name: jane\n  user:\n    {CERTIFICATE}: {certificate}\n    {KEY}: {key}\n"
        )
    };
    let path = copy(&node, &with(&old));
    refresh(&node, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), with(&new));
    // Beside admin, one with admin's certificate and a key of his own: it cannot be told apart in the text.
    let mixed = with(&old).replace(&field(&jane, CERTIFICATE), &field(&old, CERTIFICATE));
    let path = copy(&node, &mixed);
    assert!(refresh(&node, &path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), mixed);
}

#[test]
fn another_administrator_is_left_alone_and_told_of() {
    let (node, _) = renewed();
    for (name, group) in
        [("kubernetes-super-admin", "system:masters"), (ADMIN_NAME, "kubeadm:cluster-admins")]
    {
        let path = copy(&node, &node.conf(&node.ca.sign(&Leaf { group, ..Leaf::new(name, 5) })));
        let left = as_copy(&node, &path).look(true).left.unwrap();
        assert!(left.contains("its user of this cluster is not the one of admin.conf"), "{left}");
        assert!(refresh(&node, &path).is_err());
    }
}

/// Whoever may have certificates for servers signed can put admin's name into one: no API server takes it for a client's.
#[test]
fn a_certificate_for_servers_gets_no_key() {
    let (node, _) = renewed();
    let with = |usages: &'static [ExtendedKeyUsagePurpose]| {
        let leaf = Leaf { usages, ..Leaf::new(ADMIN_NAME, 5) };
        copy(&node, &node.conf(&node.ca.sign(&leaf)))
    };
    let path = with(&[ServerAuth]);
    let before = fs::read(&path).unwrap();
    let left = as_copy(&node, &path).look(true).left.unwrap();
    assert!(left.contains("not a client certificate (extended key usage)"), "{left}");
    assert!(refresh(&node, &path).is_err());
    assert!(as_copy(&node, &path).refresh(certificate_of(&path)).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    for usages in [&[ServerAuth, ClientAuth][..], &[Any], &[]] {
        refresh(&node, &with(usages)).unwrap();
    }
}

/// Whoever was admin once may have been told to be it no more.
#[test]
fn a_right_that_has_ended_is_not_given_back_where_others_reach_the_file() {
    let (node, _) = renewed();
    let ended = node.conf(&node.ca.sign(&Leaf::new(ADMIN_NAME, -1)));
    // Its group can read it.
    let path = copy(&node, &ended);
    let left = as_copy(&node, &path).look(true).left.unwrap();
    assert!(left.contains("has expired and is not the last one of admin.conf"), "{left}");
    assert!(refresh(&node, &path).is_err());
    // But it may be what this renewal replaces, on a node that has expired.
    let replaced = certificate_of(&path).unwrap();
    as_copy(&node, &path).refresh(Some(replaced)).unwrap();
    let new = fs::read_to_string(node.live("admin.conf")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), new);
}

#[test]
fn nothing_is_written_where_others_could_have_moved_things() {
    let (node, old) = renewed();
    let dir = node.path("open");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o777);
    let path = dir.join("config");
    fs::write(&path, &old).unwrap();
    set_mode(&path, 0o600);
    assert!(!is_stale(&node, &path, true));
    assert!(
        refresh(&node, &path)
            .unwrap_err()
            .what
            .contains("users other than its owner can write to /")
    );
    set_mode(&dir, 0o755);
    refresh(&node, &path).unwrap();
}

#[test]
fn no_message_holds_a_key() {
    let (node, old) = renewed();
    let key = field(&old, KEY);
    let path = copy(&node, &old.replace("kind: Config", "kind: [Config"));
    let fault = refresh(&node, &path).unwrap_err();
    assert!(!fault.what.contains(&key[..20]));
    let Pair(_, pem) = node.ca.sign(&Leaf::new("x", 1));
    assert!(!fault.what.contains(&STANDARD.encode(pem)[..20]));
}
