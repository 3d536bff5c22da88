use std::fs;
use std::path::PathBuf;

use super::*;
use crate::renew::testing::Node;

/// Two changed files on the stage; the second is new.
fn staged() -> (Node, Vec<FileChange>) {
    let node = Node::new();
    crate::renew::tree::stage::stage(&node.paths).unwrap();
    let changes = ["pki/apiserver.key", "pki/new.crt"].map(|path| {
        fs::write(node.staged(path), format!("new {path}")).unwrap();
        let sum = |tree: &Path| files::sha256(&tree.join(path)).unwrap();
        FileChange {
            path: PathBuf::from(path),
            before: sum(&node.paths.kubernetes),
            after: sum(&node.paths.stage()).unwrap(),
        }
    });
    (node, changes.to_vec())
}

fn forward(node: &Node, changes: &[FileChange]) -> Result<Vec<PathBuf>, Fault> {
    install(&node.paths.stage(), &node.paths.kubernetes, changes, Direction::Forward)
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
        install(&backup, &node.paths.kubernetes, &changes, Direction::Back).unwrap();
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
    assert!(fault.what.contains("was changed by somebody else"), "{fault}");
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
    assert_eq!(is_installed(&node.paths.kubernetes, &changes), Ok(()));

    let other = "-----BEGIN X-----\nAA==\n-----END X-----\n";
    fs::write(node.live("pki/apiserver.key"), other).unwrap();
    assert!(is_installed(&node.paths.kubernetes, &changes).is_err());
    let back = || install(&backup, &node.paths.kubernetes, &changes, Direction::Back);
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
    changes.push(FileChange { path: "nowhere/new.crt".into(), before: None, after: sum });
    fs::create_dir(node.staged("nowhere")).unwrap();
    fs::copy(node.staged("pki/new.crt"), node.staged("nowhere/new.crt")).unwrap();
    assert_eq!(forward(&node, &changes).unwrap_err().kind, FaultKind::Untouched);
    assert!(!node.live("pki/new.crt").exists());
    let left = fs::read_dir(node.live("pki")).unwrap().flatten();
    let left: Vec<_> =
        left.map(|it| it.file_name()).filter(|it| it.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Three pairs, and what changes of them.
fn pairs() -> (Node, Vec<FileChange>) {
    let node = Node::new();
    let file_paths: Vec<PathBuf> = ["a", "b", "c"]
        .iter()
        .flat_map(|name| ["key", "crt"].map(|ending| format!("pki/{name}.{ending}").into()))
        .collect();
    file_paths.iter().for_each(|path| fs::write(node.paths.kubernetes.join(path), "old").unwrap());
    crate::renew::tree::stage::stage(&node.paths).unwrap();
    file_paths.iter().for_each(|path| fs::write(node.paths.stage().join(path), "new").unwrap());
    let [before, after] = [b"old", b"new"].map(|text| files::hex_sha256(text));
    let change =
        |path: PathBuf| FileChange { path, before: Some(before.clone()), after: after.clone() };
    (node, file_paths.into_iter().map(change).collect())
}

fn contents(node: &Node, changes: &[FileChange]) -> Vec<String> {
    let read = |it: &FileChange| fs::read_to_string(node.paths.kubernetes.join(&it.path)).unwrap();
    changes.iter().map(read).collect()
}

fn hidden(node: &Node) -> Vec<std::ffi::OsString> {
    let names = fs::read_dir(node.live("pki")).unwrap().flatten().map(|it| it.file_name());
    names.filter(|name| name.to_string_lossy().starts_with('.')).collect()
}

/// What is prepared cannot take its place: somebody has put a directory there meanwhile.
#[test]
fn whichever_file_cannot_be_put_every_pair_stays_whole() {
    for spoilt in 0..6 {
        let (node, changes) = pairs();
        let todo: Vec<&FileChange> = changes.iter().collect();
        let stage = node.paths.stage();
        let units = prepare(&stage, &node.paths.kubernetes, &todo, Direction::Forward).unwrap();
        let [target, aside] =
            [node.paths.kubernetes.join(&changes[spoilt].path), node.path("aside")];
        fs::rename(&target, &aside).unwrap();
        fs::create_dir(&target).unwrap();
        put(units).unwrap_err();
        fs::remove_dir(&target).unwrap();
        fs::rename(&aside, &target).unwrap();

        let mut expected = vec!["new"; 6];
        expected[spoilt / 2 * 2..][..2].fill("old");
        assert_eq!(contents(&node, &changes), expected, "{spoilt}");
        assert_eq!(hidden(&node), [""; 0]);
        let state = state(&node.paths.kubernetes, &changes).unwrap();
        assert_eq!(state.matches(".crt").count(), 3, "{state}");
        // Once the cause is gone, both ways are open.
        install(&stage, &node.paths.kubernetes, &changes, Direction::Forward).unwrap();
        assert_eq!(contents(&node, &changes), ["new"; 6]);
    }
}

/// The way back is as good: a pair that was not there goes as a whole.
#[test]
fn going_back_leaves_whole_pairs_as_well() {
    for spoilt in 0..6 {
        let (node, changes) = pairs();
        let stage = node.paths.stage();
        let backup = node.path("backup");
        fs::create_dir_all(backup.join("pki")).unwrap();
        changes.iter().for_each(|it| fs::write(backup.join(&it.path), "old").unwrap());
        install(&stage, &node.paths.kubernetes, &changes, Direction::Forward).unwrap();
        let todo: Vec<&FileChange> = changes.iter().collect();
        let units = prepare(&backup, &node.paths.kubernetes, &todo, Direction::Back).unwrap();
        let [target, aside] =
            [node.paths.kubernetes.join(&changes[spoilt].path), node.path("aside")];
        fs::rename(&target, &aside).unwrap();
        fs::create_dir(&target).unwrap();
        put(units).unwrap_err();
        fs::remove_dir(&target).unwrap();
        fs::rename(&aside, &target).unwrap();
        let mut expected = vec!["old"; 6];
        expected[spoilt / 2 * 2..][..2].fill("new");
        assert_eq!(contents(&node, &changes), expected, "{spoilt}");
    }
}

/// kubeadm writes a key before its certificate.
#[test]
fn beside_a_key_that_somebody_else_wrote_nothing_is_put_back() {
    let (node, changes) = pairs();
    let backup = node.path("backup");
    fs::create_dir_all(backup.join("pki")).unwrap();
    changes.iter().for_each(|it| fs::write(backup.join(&it.path), "old").unwrap());
    install(&node.paths.stage(), &node.paths.kubernetes, &changes, Direction::Forward).unwrap();
    let other = "-----BEGIN X-----\nAA==\n-----END X-----\n";
    fs::write(node.live("pki/b.key"), other).unwrap();
    let others = install(&backup, &node.paths.kubernetes, &changes, Direction::Back).unwrap();
    assert_eq!(others, [node.live("pki/b.key")]);
    assert_eq!(contents(&node, &changes), ["old", "old", other, "new", "old", "old"]);
}
