use std::os::unix::fs::symlink;

use super::super::testing::{NOW, Node, set_mode};
use super::*;
use crate::domain::time::Span;

fn ids(node: &Node) -> Vec<&'static str> {
    obstacles(&node.places, NOW).iter().map(Obstacle::id).collect()
}

#[test]
fn an_empty_node_is_no_control_plane_without_kubeadm() {
    let node = Node::new();
    let ids = ids(&node);
    assert!(ids.contains(&"no-control-plane") && ids.contains(&"kubeadm-missing"), "{ids:?}");
    assert!(!ids.contains(&"not-writable") && !ids.contains(&"disk-full"), "{ids:?}");
    assert!(!node.places.work.exists(), "a look makes nothing");
}

#[test]
fn the_ca_the_newest_file_and_the_hardware_clock_tell_the_time() {
    let node = Node::new();
    let time = std::time::UNIX_EPOCH
        + std::time::Duration::from_secs(u64::try_from(NOW.seconds()).unwrap());
    let newest = node.live("pki/apiserver.crt");
    fs::File::options().write(true).open(newest).unwrap().set_modified(time).unwrap();
    let rtc = node.path("since_epoch");
    assert_eq!(witnesses_with(&node.places, &rtc).hardware, None);
    fs::write(&rtc, format!("{}\n", NOW.seconds())).unwrap();
    let Witnesses { ca_not_before, newest_file, hardware, .. } = witnesses_with(&node.places, &rtc);
    assert_eq!(ca_not_before, Some(NOW - Span::days(10)));
    assert_eq!([newest_file, hardware], [Some(NOW); 2]);
}

#[test]
fn a_program_that_others_could_have_written_is_not_run() {
    let node = Node::new();
    let touched = node.path("touched");
    fs::write(&node.places.kubeadm, format!("#!/bin/sh\ntouch {}\n", touched.display())).unwrap();
    set_mode(&node.places.kubeadm, 0o777);
    fs::write(
        node.live("manifests/kube-apiserver.yaml"),
        "spec: {containers: [{image: 'a:v1.30.1'}]}",
    )
    .unwrap();
    assert_eq!(api_version(&node.places), Some(Version(1, 30)));
    let found = kubeadm_obstacle(&node.places);
    assert_eq!(found, Some(Obstacle::KubeadmNotRoots(node.places.kubeadm.clone())));
    assert!(!touched.exists());
    assert!(is_roots(Path::new("/")));
}

#[test]
fn what_a_link_leads_to_counts_as_well() {
    let mut node = Node::new();
    let real = node.path("real");
    fs::write(&real, "").unwrap();
    set_mode(&real, 0o777);
    let link = node.path("link");
    symlink(&real, &link).unwrap();
    node.places.kubeadm = link;
    assert!(matches!(kubeadm_obstacle(&node.places), Some(Obstacle::KubeadmNotRoots(_))));
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let node = Node::new();
    fs::remove_dir(node.live("manifests")).unwrap();
    let [Obstacle::NotWritable { path, .. }] = &not_writable(&node.places)[..] else { panic!() };
    assert_eq!(*path, node.live("manifests"));
}

#[test]
fn too_little_room_is_told_with_numbers() {
    let node = Node::new();
    let dir = &node.places.kubernetes;
    assert_eq!(too_little(dir, 0, 0), None);
    let full = too_little(dir, u64::MAX, 0);
    assert!(matches!(full, Some(Obstacle::DiskFull { needed: u64::MAX, free: 1.., .. })));
}

#[test]
fn another_kubeadm_is_found_by_its_name() {
    let node = Node::new();
    let put = |pid: u32, name: &str, state: &str, parent: u32| {
        let dir = node.path(&format!("proc/{pid}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("comm"), format!("{name}\n")).unwrap();
        fs::write(dir.join("stat"), format!("{pid} ({name}) {state} {parent} 1 1 0")).unwrap();
    };
    put(10, "kubelet", "S", 1);
    put(11, "kubeadm", "S", std::process::id());
    put(9, "kubeadm", "Z", 1);
    assert_eq!(another_kubeadm_in(&node.path("proc")), None);
    put(12, "kubeadm", "R", 1);
    assert_eq!(another_kubeadm_in(&node.path("proc")), Some(12));
}
