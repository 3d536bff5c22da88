use std::fs;
use std::path::PathBuf;

use super::{parked_manifest, put_manifests_back};
use crate::domain::renewal::Component;
use crate::node::NodePaths;
use crate::node::tests::node;

fn manifest(paths: &NodePaths, component: Component, content: &str) -> PathBuf {
    let path = paths.manifests().join(format!("{component}.yaml"));
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_manifest_that_was_moved_away_comes_back() {
    let (_directory, paths) = node();
    let path = manifest(&paths, Component::Scheduler, "old");
    let content = fs::read(&path).unwrap();
    manifest(&paths, Component::Etcd, "old");
    parked_manifest::move_away(&paths, Component::Scheduler).unwrap();
    assert!(!path.exists());
    assert!(parked_manifest::move_away(&paths, Component::Etcd).is_err(), "one is away already");
    assert!(&paths.manifests().join("etcd.yaml").exists());
    assert_eq!(put_manifests_back(&paths), Ok(vec![path.clone()]));
    assert_eq!(fs::read(&path).unwrap(), content);
    assert_eq!(put_manifests_back(&paths), Ok(vec![]));
    assert_eq!(fs::read_dir(&paths.kubernetes).unwrap().count(), 1, "no trace is left");
}

#[test]
fn a_manifest_that_is_in_place_already_wins() {
    let (_directory, paths) = node();
    let path = manifest(&paths, Component::Scheduler, "old");
    parked_manifest::move_away(&paths, Component::Scheduler).unwrap();
    manifest(&paths, Component::Scheduler, "new");
    assert_eq!(put_manifests_back(&paths), Ok(vec![]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_dir(&paths.kubernetes).unwrap().count(), 1);
}
