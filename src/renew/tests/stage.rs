use std::os::unix::fs::{MetadataExt as _, symlink};

use super::super::testing::{NOW, Node, mode};
use super::*;

#[test]
fn the_stage_has_certificates_keys_and_kubeconfigs_and_nothing_else() {
    let node = Node::new();
    fs::create_dir_all(node.live("tmp/kubeadm-backup")).unwrap();
    for other in ["manifests/etcd.yaml", "tmp/kubeadm-backup/admin.conf", "admin.conf.bak"] {
        fs::write(node.live(other), "x").unwrap();
    }
    stage(&node.places).unwrap();
    let files = tree_files(&node.places.stage()).unwrap();
    assert_eq!(
        files,
        ["admin.conf", "pki/apiserver.crt", "pki/apiserver.key", "pki/ca.crt"].map(PathBuf::from)
    );
    assert_eq!(fs::read_dir(node.places.stage()).unwrap().count(), 2);
    assert_eq!(mode(&node.staged("pki/apiserver.key")), 0o600);
    assert_eq!([mode(&node.places.work), mode(&node.places.stage())], [0o700; 2]);
}

#[test]
fn staged_anew_it_is_fresh_and_the_same_directory() {
    let node = Node::new();
    stage(&node.places).unwrap();
    let inode = fs::metadata(node.places.stage()).unwrap().ino();
    fs::write(node.staged("pki/apiserver.crt"), "changed").unwrap();
    fs::write(node.staged("pki/left.key"), "left").unwrap();
    fs::create_dir_all(node.places.work.join("root/etc")).unwrap();
    stage(&node.places).unwrap();
    let read = |path| fs::read(path).unwrap();
    assert_eq!(read(node.staged("pki/apiserver.crt")), read(node.live("pki/apiserver.crt")));
    assert!(!node.staged("pki/left.key").exists());
    assert!(!node.places.work.join("root").exists());
    assert_eq!(fs::metadata(node.places.stage()).unwrap().ino(), inode, "it may be mounted");
}

#[test]
fn kubesprays_link_stays_inside_and_links_to_files_become_files() {
    let node = Node::new();
    fs::rename(node.live("pki"), node.live("ssl")).unwrap();
    symlink("/etc/kubernetes/ssl", node.live("pki")).unwrap();
    fs::write(node.path("outside.crt"), "x").unwrap();
    symlink(node.path("outside.crt"), node.live("ssl/linked.crt")).unwrap();
    assert_eq!(pki_name(&node.places.kubernetes).unwrap(), "ssl");
    stage(&node.places).unwrap();
    assert_eq!(fs::read_link(node.staged("pki")).unwrap(), Path::new("ssl"));
    assert!(!node.staged("ssl/linked.crt").is_symlink());
    assert_eq!(fs::read(node.staged("pki/linked.crt")).unwrap(), b"x");
}

#[test]
fn a_tree_without_end_is_refused() {
    let node = Node::new();
    for number in 0..=MAX_FILES {
        fs::write(node.live(&format!("pki/{number}.crt")), "").unwrap();
    }
    let fault = stage(&node.places).unwrap_err();
    assert!(fault.what.contains("more than 1000 files"), "{fault}");
}

#[test]
fn a_backup_is_laid_over() {
    let node = Node::new();
    let path = PathBuf::from("pki/apiserver.crt");
    let old = fs::read(node.live("pki/apiserver.crt")).unwrap();
    backup::back_up(&node.places, "a", &[path, "absent.conf".into()], NOW).unwrap();
    fs::write(node.live("pki/apiserver.crt"), "newer").unwrap();
    stage(&node.places).unwrap();
    lay_over(&node.places, "a").unwrap();
    assert_eq!(fs::read(node.staged("pki/apiserver.crt")).unwrap(), old);
    assert!(!node.staged("absent.conf").exists());
}
