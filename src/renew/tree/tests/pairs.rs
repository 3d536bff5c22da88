use std::fs;

use super::*;
use crate::renew::testing::{Authority, Leaf, Node, Pair};

/// Valid on the day of the test, whenever that is.
const NOW: UnixTime = crate::renew::testing::NOW;

fn leaf(days: i64) -> Leaf {
    Leaf::new("kube-apiserver", days)
}

/// A node whose apiserver.crt has not its key beside it.
fn broken() -> Node {
    let node = Node::new();
    let Pair(_, key) = node.ca.sign(&leaf(5));
    fs::write(node.live("pki/apiserver.key"), key).unwrap();
    node
}

fn put(node: &Node, tree: &Path, pair: &Pair) {
    fs::create_dir_all(tree.join("pki")).unwrap();
    node.put_pair(tree, pair);
}

/// What is in `found`, as (certificate, key).
fn found(node: &Node) -> Option<(String, String)> {
    let before = tree(&node.paths).exists();
    let planned = repairable(&node.paths, NOW);
    assert_eq!(tree(&node.paths).exists(), before, "a plan copies nothing");
    let (names, told) = find(&node.paths, NOW).unwrap();
    assert_eq!((names.len(), &planned), (told.len(), &told));
    let read = |name: &str| fs::read_to_string(tree(&node.paths).join("pki").join(name)).unwrap();
    (names == ["apiserver"]).then(|| (read("apiserver.crt"), read("apiserver.key")))
}

#[test]
fn a_pair_that_matches_is_left_alone() {
    let node = Node::new();
    assert_eq!(mismatched(&node.paths), [""; 0]);
    assert_eq!(found(&node), None);
    assert!(!tree(&node.paths).exists());
}

#[test]
fn a_certificate_without_its_key_is_seen() {
    for key in [None, Some(""), Some("-----BEGIN PRIVATE KEY-----\nAA")] {
        let node = Node::new();
        match key {
            None => fs::remove_file(node.live("pki/apiserver.key")).unwrap(),
            Some(key) => fs::write(node.live("pki/apiserver.key"), key).unwrap(),
        }
        assert_eq!(mismatched(&node.paths), ["apiserver"], "{key:?}");
    }
}

/// Nobody can say whose it is.
#[test]
fn a_key_of_another_kind_is_no_mismatch() {
    let node = Node::new();
    // id-Ed448 (RFC 8410): a whole key, and none that is known here.
    let key = "-----BEGIN PRIVATE KEY-----\nMEcCAQAwBQYDK2VxBDsEOQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n";
    fs::write(node.live("pki/apiserver.key"), key).unwrap();
    assert_eq!(mismatched(&node.paths), [""; 0]);
}

#[test]
fn a_half_is_found_wherever_it_may_lie() {
    let paths: [fn(&Node) -> PathBuf; 3] =
        [|it| it.paths.stage(), |it| tree(&it.paths), |it| backup::tree(&it.paths, "a")];
    for place in paths {
        let node = broken();
        let live = node.ca.sign(&leaf(5));
        fs::write(node.live("pki/apiserver.crt"), &live.0).unwrap();
        backup::back_up(&node.paths, "a", &[], NOW).unwrap();
        put(&node, &place(&node), &live);
        assert_eq!(found(&node), Some((live.0, live.1)));
    }
}

#[test]
fn a_half_under_its_temporary_name_is_found() {
    let node = broken();
    let live = node.ca.sign(&leaf(5));
    fs::write(node.live("pki/apiserver.crt"), &live.0).unwrap();
    fs::write(node.live("pki/.certwatch-apiserver.key"), &live.1).unwrap();
    assert_eq!(found(&node), Some((live.0, live.1)));
}

/// A crash between two renames: both halves of both pairs are there.
#[test]
fn of_two_pairs_the_newer_is_taken() {
    let node = Node::new();
    let [old, new] = [5, 365].map(|days| node.ca.sign(&leaf(days)));
    node.put_pair(&node.paths.kubernetes, &Pair(old.0, new.1.clone()));
    fs::write(node.live("pki/.certwatch-apiserver.key"), old.1).unwrap();
    fs::write(node.live("pki/.certwatch-apiserver.crt"), &new.0).unwrap();
    assert_eq!(found(&node), Some((new.0, new.1)));
}

#[test]
fn what_nobody_should_use_is_not_taken() {
    let node = broken();
    let wrong = [
        ("expired", node.ca.sign(&leaf(-1))),
        ("not valid yet", node.ca.sign(&Leaf { age: -1, ..leaf(5) })),
        ("another CA's of the same name", Authority::new().sign(&leaf(5))),
        ("another subject's", node.ca.sign(&Leaf { name: "me", ..leaf(5) })),
        ("a CA", node.ca.sign(&Leaf { is_ca: true, ..leaf(5) })),
    ];
    for (what, pair) in wrong {
        put(&node, &node.paths.stage(), &pair);
        assert_eq!(found(&node), None, "{what}");
    }
    put(&node, &node.paths.stage(), &node.ca.sign(&leaf(5)));
    assert!(found(&node).is_some());
}
