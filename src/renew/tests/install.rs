use std::fs;
use std::path::PathBuf;

use super::super::testing::Node;
use super::*;

/// Two changed files on the stage; the second is new.
fn staged() -> (Node, Vec<Change>) {
    let node = Node::new();
    super::super::stage::stage(&node.places).unwrap();
    let changes = ["pki/apiserver.key", "pki/new.crt"].map(|path| {
        fs::write(node.staged(path), format!("new {path}")).unwrap();
        let sum = |tree: &Path| files::sha256(&tree.join(path)).unwrap();
        Change {
            path: PathBuf::from(path),
            before: sum(&node.places.kubernetes),
            after: sum(&node.places.stage()).unwrap(),
        }
    });
    (node, changes.to_vec())
}

fn forward(node: &Node, changes: &[Change]) -> Result<Vec<PathBuf>, Fault> {
    install(&node.places.stage(), &node.places.kubernetes, changes, Direction::Forward)
}

#[test]
fn there_and_back_and_each_of_them_twice() {
    let (node, changes) = staged();
    let old = fs::read(node.live("pki/apiserver.key")).unwrap();
    let backup = node.path("backup");
    fs::create_dir_all(backup.join("pki")).unwrap();
    fs::write(backup.join("pki/apiserver.key"), &old).unwrap();
    for _ in 0..2 {
        forward(&node, &changes).unwrap();
        assert_eq!(fs::read(node.live("pki/apiserver.key")).unwrap(), b"new pki/apiserver.key");
        assert!(node.live("pki/new.crt").exists());
    }
    for _ in 0..2 {
        install(&backup, &node.places.kubernetes, &changes, Direction::Back).unwrap();
        assert_eq!(fs::read(node.live("pki/apiserver.key")).unwrap(), old);
        assert!(!node.live("pki/new.crt").exists());
    }
}

#[test]
fn after_a_crash_in_the_middle_it_goes_on() {
    let (node, changes) = staged();
    forward(&node, &changes[..1]).unwrap();
    assert!(!node.live("pki/new.crt").exists());
    forward(&node, &changes).unwrap();
    assert!(node.live("pki/new.crt").exists());
}

#[test]
fn nothing_is_begun_where_somebody_else_wrote() {
    let (node, changes) = staged();
    let old = fs::read(node.live("pki/apiserver.key")).unwrap();
    fs::write(node.live("pki/new.crt"), "by another\n").unwrap();
    let fault = forward(&node, &changes).unwrap_err();
    assert!(fault.what.starts_with("somebody else changed"), "{fault}");
    assert_eq!(fault.kind, FaultKind::Untouched);
    assert_eq!(fs::read(node.live("pki/apiserver.key")).unwrap(), old);
}

#[test]
fn nothing_is_begun_with_a_file_that_was_not_checked() {
    let (node, changes) = staged();
    let old = fs::read(node.live("pki/apiserver.key")).unwrap();
    fs::write(node.staged("pki/new.crt"), "damaged").unwrap();
    assert!(forward(&node, &changes).is_err());
    assert_eq!(fs::read(node.live("pki/apiserver.key")).unwrap(), old);
}

#[test]
fn what_is_begun_has_to_be_put_back() {
    let (node, changes) = staged();
    fs::write(node.live("pki/new.crt"), "by another\n").unwrap();
    let new = fs::read(node.staged("pki/apiserver.key")).unwrap();
    for begun in [&new[..], &new[..5], b""] {
        fs::write(node.live("pki/apiserver.key"), begun).unwrap();
        assert_eq!(forward(&node, &changes).unwrap_err().kind, FaultKind::Failed);
    }
}

/// A `kubeadm upgrade` may have renewed some of them meanwhile.
#[test]
fn what_somebody_else_wrote_is_not_put_back_and_is_no_proof() {
    let (node, changes) = staged();
    let backup = node.path("backup");
    fs::create_dir_all(backup.join("pki")).unwrap();
    fs::copy(node.live("pki/apiserver.key"), backup.join("pki/apiserver.key")).unwrap();
    forward(&node, &changes).unwrap();
    assert_eq!(is_installed(&node.places.kubernetes, &changes), Ok(()));

    let other = "-----BEGIN X-----\nAA==\n-----END X-----\n";
    fs::write(node.live("pki/apiserver.key"), other).unwrap();
    assert!(is_installed(&node.places.kubernetes, &changes).is_err());
    let back = || install(&backup, &node.places.kubernetes, &changes, Direction::Back);
    assert_eq!(back(), Ok(vec![node.live("pki/apiserver.key")]));
    assert_eq!(fs::read_to_string(node.live("pki/apiserver.key")).unwrap(), other);
    assert!(!node.live("pki/new.crt").exists());

    // What a crash has cut off is ours.
    fs::write(node.live("pki/apiserver.key"), &other[..20]).unwrap();
    assert_eq!(back(), Ok(Vec::new()));
    assert_ne!(fs::read_to_string(node.live("pki/apiserver.key")).unwrap(), other[..20]);
}

#[test]
fn nothing_takes_its_place_before_all_is_written() {
    let (node, mut changes) = staged();
    let sum = changes[1].after.clone();
    // A file that cannot be written, for it lies where there is no directory.
    changes.push(Change { path: "nowhere/new.crt".into(), before: None, after: sum });
    fs::create_dir(node.staged("nowhere")).unwrap();
    fs::copy(node.staged("pki/new.crt"), node.staged("nowhere/new.crt")).unwrap();
    assert_eq!(forward(&node, &changes).unwrap_err().kind, FaultKind::Untouched);
    assert!(!node.live("pki/new.crt").exists());
    let left = fs::read_dir(node.live("pki")).unwrap().flatten();
    let left: Vec<_> =
        left.map(|it| it.file_name()).filter(|it| it.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}
