use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;
use crate::renew::testing::{NOW, Node, mode};

#[test]
fn the_stage_has_certificates_keys_and_kubeconfigs_and_nothing_else() {
    let node = Node::new();
    fs::create_dir_all(node.live("tmp/kubeadm-backup")).unwrap();
    for other in ["manifests/etcd.yaml", "tmp/kubeadm-backup/admin.conf", "admin.conf.bak"] {
        fs::write(node.live(other), "x").unwrap();
    }
    stage(&node.paths).unwrap();
    let files = tree_files(&node.paths.stage()).unwrap();
    assert_eq!(
        files,
        ["admin.conf", "pki/apiserver.crt", "pki/apiserver.key", "pki/ca.crt"].map(PathBuf::from)
    );
    assert_eq!(fs::read_dir(node.paths.stage()).unwrap().count(), 2);
    assert_eq!(mode(&node.staged("pki/apiserver.key")), 0o600);
    assert_eq!([mode(&node.paths.work), mode(&node.paths.stage())], [0o700; 2]);
}

#[test]
fn staged_anew_it_is_fresh_and_the_same_directory() {
    let node = Node::new();
    stage(&node.paths).unwrap();
    let inode = fs::metadata(node.paths.stage()).unwrap().ino();
    fs::write(node.staged("pki/apiserver.crt"), "changed").unwrap();
    fs::write(node.staged("pki/left.key"), "left").unwrap();
    fs::create_dir_all(node.paths.work.join("root/etc")).unwrap();
    stage(&node.paths).unwrap();
    let read = |path| fs::read(path).unwrap();
    assert_eq!(read(node.staged("pki/apiserver.crt")), read(node.live("pki/apiserver.crt")));
    assert!(!node.staged("pki/left.key").exists());
    assert!(!node.paths.work.join("root").exists());
    assert_eq!(fs::metadata(node.paths.stage()).unwrap().ino(), inode, "it may be mounted");
}

#[test]
fn kubesprays_link_stays_inside_and_links_to_files_become_files() {
    let node = Node::new();
    fs::rename(node.live("pki"), node.live("ssl")).unwrap();
    symlink("/etc/kubernetes/ssl", node.live("pki")).unwrap();
    fs::write(node.path("outside.crt"), "x").unwrap();
    symlink(node.path("outside.crt"), node.live("ssl/linked.crt")).unwrap();
    assert_eq!(pki_name(&node.paths.kubernetes).unwrap(), Path::new("ssl"));
    stage(&node.paths).unwrap();
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
    let fault = stage(&node.paths).unwrap_err();
    assert!(fault.what.contains("more than 1000 files"), "{fault}");
}

#[test]
fn a_backup_is_laid_over() {
    let node = Node::new();
    let path = PathBuf::from("pki/apiserver.crt");
    let old = fs::read(node.live("pki/apiserver.crt")).unwrap();
    backup::back_up(&node.paths, "a", &[path, "absent.conf".into()], NOW).unwrap();
    fs::write(node.live("pki/apiserver.crt"), "newer").unwrap();
    stage(&node.paths).unwrap();
    lay_over(&node.paths, "a").unwrap();
    assert_eq!(fs::read(node.staged("pki/apiserver.crt")).unwrap(), old);
    assert!(!node.staged("absent.conf").exists());
}

/// As `certificatesDir: DIR` makes it.
fn move_pki(node: &Node, dir: &Path) {
    fs::rename(node.live("pki"), dir).unwrap();
    let dir = dir.display();
    let flags = format!("--client-ca-file={dir}/ca.crt, --tls-cert-file={dir}/apiserver.crt");
    let manifest = format!(
        "spec:\n  containers:\n  - image: r/a:v1.37.2\n    command: [kube-apiserver, {flags}]\n"
    );
    fs::write(node.live("manifests/kube-apiserver.yaml"), manifest).unwrap();
}

#[test]
fn certificates_of_another_directory_lie_on_the_stage_under_their_whole_path() {
    let node = Node::new();
    let dir = node.path("certs");
    move_pki(&node, &dir);
    // A leftover that nobody uses.
    fs::create_dir(node.live("pki")).unwrap();
    fs::write(node.live("pki/ca.crt"), "another").unwrap();
    assert_eq!(pki_name(&node.paths.kubernetes).unwrap(), dir);
    assert_eq!(node.paths.pki(), dir);
    stage(&node.paths).unwrap();
    let names = ["apiserver.crt", "apiserver.key", "ca.crt"].map(|name| dir.join(name));
    let expected: Vec<_> = [PathBuf::from("admin.conf")].into_iter().chain(names.clone()).collect();
    let sorted = |mut files: Vec<PathBuf>| {
        files.sort();
        files
    };
    assert_eq!(sorted(tree_files(&node.paths.kubernetes).unwrap()), sorted(expected.clone()));
    assert_eq!(sorted(staged_files(&node.paths).unwrap()), sorted(expected));
    for path in &names {
        let staged = in_copy(&node.paths.stage(), path);
        assert!(staged.starts_with(node.paths.stage().join("elsewhere")));
        assert_eq!(fs::read(staged).unwrap(), fs::read(path).unwrap());
    }
    assert!(!node.staged("pki").exists());
}

#[test]
fn a_backup_of_another_directory_is_laid_over_and_a_copy_elsewhere_is_not() {
    let node = Node::new();
    let (dir, copy) = (node.path("certs"), node.path("config"));
    move_pki(&node, &dir);
    fs::write(&copy, "a copy of admin.conf").unwrap();
    let path = dir.join("apiserver.crt");
    let old = fs::read(&path).unwrap();
    backup::back_up(&node.paths, "a", &[path.clone(), copy.clone()], NOW).unwrap();
    fs::write(&path, "newer").unwrap();
    stage(&node.paths).unwrap();
    lay_over(&node.paths, "a").unwrap();
    assert_eq!(fs::read(in_copy(&node.paths.stage(), &path)).unwrap(), old);
    assert!(!in_copy(&node.paths.stage(), &copy).exists());
}

/// The manifest is away while its pod restarts.
#[test]
fn a_manifest_that_is_away_still_tells_where_the_certificates_are() {
    let node = Node::new();
    let dir = node.live("certs");
    move_pki(&node, &dir);
    fs::create_dir(node.live(".certwatch-manifests")).unwrap();
    fs::rename(
        node.live("manifests/kube-apiserver.yaml"),
        node.live(".certwatch-manifests/kube-apiserver.yaml"),
    )
    .unwrap();
    assert_eq!(pki_name(&node.paths.kubernetes).unwrap(), dir);
}
