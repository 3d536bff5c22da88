use std::os::unix::fs::symlink;

use super::*;
use crate::renew::testing::{Node, set_mode};

fn ids(node: &Node) -> Vec<&'static str> {
    blockers(&node.paths).iter().map(Blocker::code).collect()
}

fn said(node: &Node) -> String {
    blockers(&node.paths).iter().map(Blocker::what).collect()
}

#[test]
fn a_node_as_kubeadm_makes_it_has_none_and_is_not_written_to() {
    let node = Node::new();
    let before = fs::metadata(&node.paths.kubernetes).unwrap();
    assert_eq!(blockers(&node.paths), []);
    let after = fs::metadata(&node.paths.kubernetes).unwrap();
    assert_eq!(
        (after.mtime_nsec(), after.ctime_nsec()),
        (before.mtime_nsec(), before.ctime_nsec())
    );
    assert!(!node.paths.work.exists());
}

#[test]
fn a_file_with_two_names_is_named_with_a_way_to_part_it() {
    let node = Node::new();
    let key = node.live("pki/apiserver.key");
    fs::hard_link(&key, node.path("snapshot")).unwrap();
    let [Blocker::Path(found)] = &blockers(&node.paths)[..] else { panic!() };
    assert_eq!(*found, PathBlocker::HardLinked { path: key, names: 2 });
    assert!(found.remedy().contains("find / -xdev -samefile "), "{}", found.remedy());
    // A CA's file is not replaced.
    fs::remove_file(node.path("snapshot")).unwrap();
    fs::hard_link(node.live("pki/ca.crt"), node.path("snapshot")).unwrap();
    assert_eq!(ids(&node), [""; 0]);
}

#[test]
fn links_that_lead_nowhere_are_named_whatever_they_are_called() {
    for below in ["pki/apiserver.key", "pki/extra", "old.conf", "pki/etcd/peer.crt"] {
        let node = Node::new();
        fs::remove_file(node.live(below)).unwrap_or_default();
        symlink("nothing", node.live(below)).unwrap();
        assert_eq!(ids(&node), ["bad_link"], "{below}");
        assert!(said(&node).contains(below), "{}", said(&node));
    }
    let node = Node::new();
    symlink("nothing", node.live("socket")).unwrap();
    assert_eq!(ids(&node), [""; 0], "it is not copied");
}

#[test]
fn a_link_to_another_directory_is_fine_if_that_is_root_s_alone() {
    let node = Node::new();
    fs::create_dir(node.path("elsewhere")).unwrap();
    fs::rename(node.live("pki/apiserver.key"), node.path("elsewhere/key")).unwrap();
    symlink(node.path("elsewhere/key"), node.live("pki/apiserver.key")).unwrap();
    assert_eq!(ids(&node), [""; 0]);
    set_mode(&node.path("elsewhere"), 0o777);
    let [Blocker::Path(found)] = &blockers(&node.paths)[..] else { panic!() };
    assert_eq!(found.code(), "untrusted_path");
    let fix = format!("chmod go-w {}", node.path("elsewhere").display());
    assert!(found.remedy().contains(&fix), "{}", found.remedy());
}

#[test]
fn a_directory_that_others_can_write_to_is_not_trusted() {
    for below in ["", "pki", "pki/etcd", "manifests"] {
        let node = Node::new();
        set_mode(&node.live(below), 0o775);
        let ids = ids(&node);
        assert!(
            !ids.is_empty() && ids.iter().all(|id| *id == "untrusted_path"),
            "{below}: {ids:?}"
        );
    }
    let node = Node::new();
    fs::create_dir(&node.paths.work).unwrap();
    set_mode(&node.paths.work, 0o1777);
    assert_eq!(ids(&node), ["untrusted_path"]);
}

#[test]
fn where_the_service_shows_its_copy_a_link_into_it_is_told() {
    let mut node = Node::new();
    node.paths.is_stage_shown = true;
    fs::remove_file(node.live("pki/apiserver.key")).unwrap();
    symlink("/etc/kubernetes/pki/apiserver.key", node.live("pki/apiserver.key")).unwrap();
    // On a machine with such a file too, it is not the one that is meant.
    assert_eq!(ids(&node)[0], "bad_link");
}

#[test]
fn each_file_system_has_to_take_what_is_written_to_it() {
    let node = Node::new();
    let disk = |f_bavail, f_favail| StatVfs {
        f_bsize: 4096,
        f_frsize: 4096,
        f_blocks: 100,
        f_bfree: f_bavail,
        f_bavail,
        f_files: 100,
        f_ffree: f_favail,
        f_favail,
        f_fsid: 0,
        f_flag: StatVfsMountFlags::empty(),
        f_namemax: 255,
    };
    let mut rooms = BTreeMap::new();
    for path in [node.live("pki"), node.live("manifests")] {
        add(&mut rooms, &path, on_disk(5000), 2);
    }
    let [room] = rooms.into_values().collect::<Vec<_>>().try_into().ok().unwrap();
    assert_eq!((room.bytes, room.inodes), (4 * BLOCK, 4), "one file system: the sum");
    let new = || Room {
        path: node.live("pki"),
        dir: sys::open("/", OFlags::RDONLY, Mode::empty()).unwrap(),
        bytes: 4 * BLOCK,
        inodes: 4,
    };
    assert_eq!(new().lacks(&disk(4, 4)), None);
    let full = Blocker::DiskFull { path: node.live("pki"), needed: 4 * BLOCK, free: 3 * BLOCK };
    assert_eq!(new().lacks(&disk(3, 4)), Some(full));
    let lacks = new().lacks(&disk(4, 3));
    assert!(matches!(&lacks, Some(Blocker::NotWritable { why, .. }) if why.contains("inodes")));
}
