use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::domain::time::Span;
use crate::renew::testing::{NOW, Node, mode};

const PATHS: [&str; 3] = ["pki/apiserver.key", "pki/apiserver.crt", "pki/absent.crt"];

fn paths() -> Vec<PathBuf> {
    PATHS.iter().map(PathBuf::from).collect()
}

#[test]
fn a_backup_has_the_files_with_their_modes_and_what_was_absent() {
    let node = Node::new();
    let elsewhere = node.path("config");
    fs::write(&elsewhere, "x").unwrap();
    let mut all = paths();
    all.push(elsewhere.clone());
    let backup = back_up(&node.paths, "a", &all, NOW).unwrap();
    assert_eq!(read(&node.paths, "a").unwrap(), backup);
    let copy_of_key = tree(&node.paths, "a").join(PATHS[0]);
    assert_eq!(fs::read(&copy_of_key).unwrap(), fs::read(node.live(PATHS[0])).unwrap());
    assert_eq!(mode(&copy_of_key), 0o600);
    assert_eq!(mode(copy_of_key.parent().unwrap()), 0o700);
    assert_eq!(backup.files[2].sha256, None);
    let copy = copy(&node.paths, "a", &elsewhere).unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"x");
}

#[test]
fn a_whole_one_is_never_made_again_and_an_unfinished_one_always() {
    let node = Node::new();
    let first = back_up(&node.paths, "a", &paths(), NOW).unwrap();
    fs::write(node.live(PATHS[1]), "renewed meanwhile").unwrap();
    assert_eq!(back_up(&node.paths, "a", &paths(), NOW + Span::seconds(9)).unwrap(), first);

    let list = node.paths.backups().join("a").join(LIST);
    let inode = fs::metadata(&list).unwrap().ino();
    fs::remove_file(&list).unwrap();
    let stray = tree(&node.paths, "a").join("pki/stray.key");
    fs::write(&stray, "x").unwrap();
    let again = back_up(&node.paths, "a", &paths(), NOW).unwrap();
    assert_ne!(again, first, "it has what is live now ({inode})");
    assert!(!stray.exists());
}

#[test]
fn what_others_change_after_it_is_found() {
    let node = Node::new();
    back_up(&node.paths, "a", &paths(), NOW).unwrap();
    assert_eq!(is_current(&node.paths, "a"), Ok(()));
    fs::write(node.live(PATHS[2]), "new").unwrap();
    let fault = is_current(&node.paths, "a").unwrap_err();
    assert!(fault.what.contains(PATHS[2]), "{fault}");
}

#[test]
fn damage_is_found() {
    let node = Node::new();
    back_up(&node.paths, "a", &paths(), NOW).unwrap();
    fs::write(tree(&node.paths, "a").join(PATHS[0]), "bit rot").unwrap();
    let fault = read(&node.paths, "a").unwrap_err();
    assert!(fault.what.ends_with("is damaged; use another backup"), "{fault}");
    assert!(back_up(&node.paths, "a", &paths(), NOW).is_err());
}

#[test]
fn names_and_paths_cannot_lead_out() {
    let node = Node::new();
    for id in ["", ".", "..", "../x", "a/b", "a\n", ".hidden"] {
        assert!(back_up(&node.paths, id, &paths(), NOW).is_err(), "{id:?}");
        assert!(read(&node.paths, id).is_err(), "{id:?}");
    }
    for path in ["../x", "pki/../../x", "/etc/../x", ""] {
        assert!(back_up(&node.paths, "a", &[path.into()], NOW).is_err(), "{path:?}");
    }
    assert!(list(&node.paths).unwrap().is_empty());
}

#[test]
fn the_newest_stay_and_the_one_in_use() {
    let node = Node::new();
    for (age, id) in ["new", "old", "older", "oldest"].iter().enumerate() {
        let at = NOW - Span::hours(i64::try_from(age).unwrap());
        back_up(&node.paths, id, &paths(), at).unwrap();
    }
    fs::create_dir(node.paths.backups().join("unfinished")).unwrap();
    prune(&node.paths, 2, "oldest").unwrap();
    let left: Vec<String> = list(&node.paths).unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(left, ["new", "old", "oldest"]);
    assert!(!node.paths.backups().join("unfinished").exists());
}

/// Whoever may not look is not told that there is none.
#[test]
fn what_cannot_be_listed_is_not_nothing() {
    let node = Node::new();
    assert_eq!(list(&node.paths), Ok(Vec::new()));
    fs::create_dir_all(&node.paths.work).unwrap();
    fs::write(node.paths.backups(), "no directory").unwrap();
    assert!(list(&node.paths).is_err());
}
