use std::os::unix::fs::{chown, lchown, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::testing::{Authority, Leaf, Node, Pair, mode, set_mode};
use super::*;

const ADMIN_NAME: &str = "kubernetes-admin";

/// A node whose admin.conf was renewed, and the text of a copy from before.
fn renewed() -> (Node, String) {
    let node = Node::new();
    let old = fs::read_to_string(node.live("admin.conf")).unwrap();
    let tree = node.places.kubernetes.clone();
    node.put_conf(&tree, &node.ca.sign(&Leaf::new(ADMIN_NAME, 365)));
    (node, old)
}

fn copy(node: &Node, text: &str) -> PathBuf {
    let path = node.path("config");
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o640);
    path
}

fn is_stale(node: &Node, path: &Path, admin_is_renewed: bool) -> bool {
    !stale(&node.places, &[path.to_owned()], admin_is_renewed).is_empty()
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
    refresh(&node.places, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), odd(&new));
    assert_eq!(mode(&path), 0o640);
    assert!(!is_stale(&node, &path, false));
    assert!(is_stale(&node, &path, true), "a renewal to come would make it so");
    refresh(&node.places, &path).unwrap();
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
    refresh(&node.places, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), write(&new));
}

#[test]
fn a_form_that_cannot_be_edited_is_left_alone_with_advice() {
    let (node, old) = renewed();
    let key = field(&old, KEY);
    let folded = old.replace(&key, &format!("|\n      {}\n      {}", &key[..60], &key[60..]));
    let path = copy(&node, &folded);
    let fault = refresh(&node.places, &path).unwrap_err();
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
    assert!(refresh(&node.places, &path).is_err());
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
        assert!(refresh(&node.places, &path).is_err());
    }
    let path = copy(&node, "junk");
    assert!(!is_stale(&node, &path, true) && refresh(&node.places, &path).is_err());
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

#[test]
fn nothing_is_written_where_others_could_have_moved_things() {
    let (node, old) = renewed();
    let dir = node.path("open");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o777);
    let path = dir.join("config");
    fs::write(&path, &old).unwrap();
    assert!(!is_stale(&node, &path, true));
    assert!(
        refresh(&node.places, &path).unwrap_err().what.contains("can change a directory above")
    );
    set_mode(&dir, 0o755);
    refresh(&node.places, &path).unwrap();
}

#[test]
fn strangers_links_and_directories_are_not_followed() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (node, old) = renewed();
    set_mode(&node.path(""), 0o755);
    let root_s = copy(&node, &old);
    let home = node.path("home");
    fs::create_dir(&home).unwrap();
    let link = home.join("config");
    symlink(&root_s, &link).unwrap();
    for path in [&home, &link] {
        lchown(path, Some(7), Some(7)).unwrap();
    }
    assert!(refresh(&node.places, &link).unwrap_err().what.contains("link to a file of somebody"));
    let in_home = home.join("root-s");
    fs::write(&in_home, &old).unwrap();
    assert!(refresh(&node.places, &in_home).is_err(), "its directory is a stranger's");
    chown(&in_home, Some(7), Some(7)).unwrap();
    refresh(&node.places, &in_home).unwrap();
    let stat = fs::metadata(&in_home).unwrap();
    assert_eq!((stat.uid(), stat.gid()), (7, 7));
    assert_eq!(fs::read_to_string(&root_s).unwrap(), old);
}

#[test]
fn no_message_holds_a_key() {
    let (node, old) = renewed();
    let key = field(&old, KEY);
    let path = copy(&node, &old.replace("kind: Config", "kind: [Config"));
    let fault = refresh(&node.places, &path).unwrap_err();
    assert!(!fault.what.contains(&key[..20]));
    let Pair(_, pem) = node.ca.sign(&Leaf::new("x", 1));
    assert!(!fault.what.contains(&STANDARD.encode(pem)[..20]));
}
