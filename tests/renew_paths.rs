//! What the file systems do to a renewal, on real ones and among real users: ACLs, attributes, flags, mounts, full disks,
//! and others who swap directories meanwhile.
//!
//! Needs root, ext4 and the tools of `tests/tools.sh`: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use certwatch::domain::renewal::blocker::Blocker;
use certwatch::domain::renewal::{Fault, FileChange};
use certwatch::fs::{mount, replace, trusted};
use certwatch::node::NodePaths;
use certwatch::renew::control_plane;
use certwatch::renew::facts::preflight;
use certwatch::renew::tree::install::{Direction, install};
use certwatch::renew::tree::{backup, files, stage};
use certwatch::sys;
use common::plain::Plain;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;

/// A user who is not root, and another.
const STRANGER: u32 = 4711;
const OTHER: u32 = 4712;

/// A mount that goes with it.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: &Path) -> Self {
        run(Command::new("mount").args(arguments).arg(at));
        Self(at.to_owned())
    }

    fn ext4(dir: &Path, at: &Path) -> Self {
        let image = dir.join("image");
        fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        Self::new(&["-o", "loop", image.to_str().unwrap()], at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn shell(script: &str) -> String {
    String::from_utf8(run(Command::new("sh").args(["-ec", script])).stdout).unwrap()
}

/// Whether that user, of that group, can read the file.
fn can_read(path: &Path, user: u32, group: u32) -> bool {
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={user}"),
        &format!("--regid={group}"),
        "--clear-groups",
        "cat",
    ]);
    command.arg(path).output().unwrap().status.success()
}

/// A tree with one pair and a kubeconfig, on a file system of its own if `kind` says so.
struct Node {
    places: NodePaths,
    mounts: Vec<Mount>,
    dir: TempDir,
}

impl Node {
    fn new(kind: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |below: &str| dir.path().join(below);
        let kubernetes = at("kubernetes");
        fs::create_dir(&kubernetes).unwrap();
        let mounts = match kind {
            "ext4" => vec![Mount::ext4(dir.path(), &kubernetes)],
            "tmpfs" => vec![Mount::new(&["-t", "tmpfs", "-o", "mode=0755", "none"], &kubernetes)],
            _ => Vec::new(),
        };
        for below in ["pki/etcd", "manifests"] {
            fs::create_dir_all(kubernetes.join(below)).unwrap();
        }
        for below in ["pki/apiserver.key", "pki/apiserver.crt", "pki/etcd/peer.key", "admin.conf"] {
            fs::write(kubernetes.join(below), "old").unwrap();
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(kubernetes.join(below), mode).unwrap();
        }
        fs::write(at("kubeadm"), "#!/bin/sh\necho v1.30.1\n").unwrap();
        fs::set_permissions(at("kubeadm"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at("new"), "new").unwrap();
        let places = NodePaths {
            kubernetes,
            kubelet: at("kubelet"),
            work: at("work"),
            kubeadm: at("kubeadm"),
            is_stage_shown: false,
        };
        Self { places, mounts, dir }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn live(&self, below: &str) -> PathBuf {
        self.places.kubernetes.join(below)
    }

    /// But for the API server that is missing here.
    fn blockers(&self) -> Vec<Blocker> {
        let mut found = preflight::blockers(&self.places, None, sys::now());
        found.retain(|it| !matches!(it, Blocker::NoControlPlane(_)));
        found
    }

    fn ids(&self) -> Vec<&'static str> {
        self.blockers().iter().map(Blocker::code).collect()
    }
}

/// With the group as root's, and its bits the mask of the ACL.
fn share(key: &Path) {
    let key = key.display();
    shell(&format!("setfacl -m u:{STRANGER}:r {key}; setfattr -n user.note -v mine {key}"));
}

fn look(key: &Path) -> String {
    let key = key.display();
    shell(&format!(
        "getfacl -cpn {key}; getfattr -d --absolute-names {key}; stat -c '%u %g %a' {key}"
    ))
}

#[test]
fn who_may_read_a_key_is_who_could_before() {
    for kind in ["ext4", "tmpfs"] {
        let node = Node::new(kind);
        let key = node.live("pki/apiserver.key");
        share(&key);
        let (before, inode) = (look(&key), fs::metadata(&key).unwrap().ino());
        assert!(can_read(&key, STRANGER, STRANGER) && !can_read(&key, OTHER, 0), "{kind}");
        replace::copy(&node.at("new"), &key).unwrap();
        assert_eq!(fs::read(&key).unwrap(), b"new");
        assert_ne!(fs::metadata(&key).unwrap().ino(), inode, "{kind}: by a rename");
        assert_eq!(look(&key), before, "{kind}");
        assert!(can_read(&key, STRANGER, STRANGER), "{kind}");
        assert!(!can_read(&key, OTHER, 0), "{kind}: the mask is not the group's mode");
    }
}

/// No copy is more readable than the file, also where it cannot have the ACL.
#[test]
fn a_copy_on_a_file_system_without_acls_is_root_s_alone() {
    let mut node = Node::new("ext4");
    let key = node.live("pki/apiserver.key");
    share(&key);
    fs::create_dir(node.at("work")).unwrap();
    node.mounts.push(Mount::new(&["-t", "ramfs", "-o", "mode=0755", "none"], &node.at("work")));
    let copy = node.at("work/key");
    replace::copy(&key, &copy).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
}

/// Root without its capabilities, as the service is.
#[test]
fn without_capabilities_all_stays_or_nothing_is_touched() {
    let node = Node::new("ext4");
    let [kept, labelled, strange] =
        ["pki/apiserver.key", "pki/apiserver.crt", "admin.conf"].map(|it| node.live(it));
    share(&kept);
    shell(&format!("setfattr -n security.note -v label {}", labelled.display()));
    chown(&strange, Some(STRANGER), Some(STRANGER)).unwrap();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let before = [&kept, &labelled].map(|path| (look(path), inode(path)));
    let label =
        || shell(&format!("getfattr -d -m security.note --absolute-names {}", labelled.display()));
    let before_label = label();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--no-new-privs"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "replaced_without_capabilities", "--ignored"]);
    let output = command.env("NODE", node.dir.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
    assert_eq!(
        [&kept, &labelled].map(|path| look(path)),
        [before[0].0.clone(), before[1].0.clone()]
    );
    assert_ne!(inode(&kept), before[0].1, "a new inode could have it all");
    assert_eq!(inode(&labelled), before[1].1, "only the old inode can have that label");
    assert_eq!(label(), before_label);
    assert_eq!(fs::read(&labelled).unwrap(), b"new");
    assert_eq!(fs::read(&strange).unwrap(), b"old");
    let left = fs::read_dir(node.live("pki")).unwrap().flatten();
    assert!(!left.into_iter().any(|it| it.file_name().to_string_lossy().starts_with(".certwatch")));
}

#[test]
#[ignore = "run by the one before it, without capabilities"]
fn replaced_without_capabilities() {
    let dir = PathBuf::from(std::env::var("NODE").unwrap());
    let live = |below: &str| dir.join("kubernetes").join(below);
    replace::copy(&dir.join("new"), &live("pki/apiserver.key")).unwrap();
    replace::copy(&dir.join("new"), &live("pki/apiserver.crt")).unwrap();
    replace::copy(&dir.join("new"), &live("admin.conf")).unwrap_err();
    let places = NodePaths {
        kubernetes: dir.join("kubernetes"),
        kubelet: dir.join("kubelet"),
        work: dir.join("work"),
        kubeadm: dir.join("kubeadm"),
        is_stage_shown: false,
    };
    let found = preflight::blockers(&places, None, sys::now());
    assert!(
        found.iter().any(|it| it.what().contains("admin.conf belongs to another user")),
        "{found:?}"
    );
}

#[test]
fn flags_of_chattr_are_seen_before_anything_is_touched() {
    for (flag, below) in
        [("i", "pki/apiserver.key"), ("a", "admin.conf"), ("a", "pki"), ("i", "pki/etcd")]
    {
        let node = Node::new("ext4");
        assert_eq!(node.ids(), [""; 0]);
        let path = node.live(below);
        run(Command::new("chattr").arg(format!("+{flag}")).arg(&path));
        let found = node.blockers();
        run(Command::new("chattr").arg(format!("-{flag}")).arg(&path));
        let ids: Vec<_> = found.iter().map(Blocker::code).collect();
        assert!(ids.contains(&"immutable"), "{flag} {below}: {found:?}");
        let said: String = found.iter().map(|it| it.what() + &it.remedy()).collect();
        assert!(said.contains(below) && said.contains("chattr -i -a"), "{said}");
    }
}

#[test]
fn a_file_that_is_mounted_by_itself_is_seen() {
    let mut node = Node::new("");
    let key = node.live("pki/apiserver.key");
    node.mounts.push(Mount::new(&["--bind", node.at("new").to_str().unwrap()], &key));
    assert_eq!(node.ids(), ["mount_point"]);
    // That is why.
    assert!(replace::copy(&node.at("kubeadm"), &key).is_err());
    assert_eq!(fs::read(node.at("new")).unwrap(), b"new");
}

/// On kernels before 5.8 nothing but these numbers tells.
#[test]
fn a_mount_of_a_single_file_has_a_number_of_its_own() {
    let mut node = Node::new("");
    let key = node.live("pki/apiserver.key");
    let number = |path: &Path| mount::id(fs::File::open(path).unwrap()).unwrap();
    assert_eq!(number(&key), number(&node.live("pki")));
    node.mounts.push(Mount::new(&["--bind", node.at("new").to_str().unwrap()], &key));
    assert_ne!(number(&key), number(&node.live("pki")));
    assert_eq!(number(&node.live("pki/apiserver.crt")), number(&node.live("pki")));
    let listed = shell(&format!("findmnt -no ID --mountpoint {}", key.display()));
    assert_eq!(number(&key).to_string(), listed.trim());
}

/// As fusermount does it for a user: in a place of his, with files that he calls root's.
#[test]
fn a_file_system_that_a_user_has_mounted_is_not_believed() {
    let mut node = Node::new("");
    let lies = node.at("lies");
    fs::create_dir(&lies).unwrap();
    symlink(&lies, node.at("link")).unwrap();
    for (user, is_believed) in [(0, true), (STRANGER, false)] {
        let plain = Plain::new(&lies, user, "");
        for name in ["kubeadm", "config"] {
            fs::write(lies.join(name), "old").unwrap();
            assert_eq!(fs::metadata(lies.join(name)).unwrap().uid(), 0);
        }
        let why = format!("user {user} has mounted");
        let judged = |what: Result<(), String>| match what {
            Ok(()) => assert!(is_believed),
            Err(said) => assert!(!is_believed && said.contains(&why), "{user}: {said}"),
        };
        for below in ["lies", "link"] {
            let at = node.at(below);
            judged(trusted::executable(&at.join("kubeadm")).map(drop).map_err(|it| it.to_string()));
            judged(trusted::open_dir(&at, 0).map(drop).map_err(|it| it.to_string()));
            judged(trusted::entry(&at.join("missing"), 0).map(drop).map_err(|it| it.to_string()));
            judged(replace::copy(&node.at("new"), &at.join("config")).map_err(|it| it.to_string()));
        }
        // It is not even asked.
        if !is_believed {
            plain.hang(true);
            let (sender, receiver) = mpsc::channel();
            let kubeadm = lies.join("kubeadm");
            std::thread::spawn(move || sender.send(trusted::executable(&kubeadm).is_err()));
            assert!(receiver.recv_timeout(Duration::from_secs(30)).unwrap());
            plain.hang(false);
        }
    }
    let _plain = Plain::new(&lies, STRANGER, "");
    fs::write(lies.join("kubeadm"), "#!/bin/sh\n").unwrap();
    node.places.kubeadm = lies.join("kubeadm");
    let found = node.blockers();
    assert!(matches!(&found[..], [it] if it.code() == "untrusted_path"), "{found:?}");
    assert!(found[0].remedy().contains(&format!("umount {}", lies.display())), "{found:?}");
}

#[test]
fn a_part_of_the_tree_that_a_user_has_mounted_is_in_the_way() {
    let node = Node::new("");
    chown(node.live("pki/etcd"), Some(STRANGER), None).unwrap();
    let _plain = Plain::new(&node.live("pki/etcd"), STRANGER, "");
    fs::write(node.live("pki/etcd/peer.key"), "old").unwrap();
    let found = node.blockers();
    assert!(found.iter().any(|it| it.what().contains("has mounted")), "{found:?}");
    assert!(found.iter().all(|it| it.code() == "untrusted_path"), "{found:?}");
}

/// What becomes of a pair whose certificate cannot be put, with `apiserver.key` and `.crt` in `live`.
fn half_a_pair(new: &Path, live: &Path) -> String {
    let sum = |path: &Path| files::sha256(path).unwrap();
    let change = |name: &str| FileChange {
        path: name.into(),
        before: sum(&live.join(name)),
        after: sum(&new.join(name)).unwrap(),
    };
    let changes = ["apiserver.key", "apiserver.crt"].map(change);
    install(new, live, &changes, Direction::Forward).unwrap_err().what
}

fn new_pair(node: &Node) -> PathBuf {
    let new = node.at("pair");
    fs::create_dir(&new).unwrap();
    for name in ["apiserver.key", "apiserver.crt"] {
        fs::write(new.join(name), format!("new {name}\n")).unwrap();
    }
    new
}

/// Where two files cannot be exchanged, the first is written back from memory.
#[test]
fn a_file_system_that_exchanges_nothing_keeps_a_pair_whole_too() {
    let node = Node::new("");
    let (new, live) = (new_pair(&node), node.at("plain"));
    fs::create_dir(&live).unwrap();
    for (stuck, is_whole) in [("apiserver.crt", true), ("", false)] {
        let _plain = Plain::new(&live, 0, stuck);
        for name in ["apiserver.key", "apiserver.crt"] {
            fs::write(live.join(name), "old").unwrap();
            fs::set_permissions(live.join(name), fs::Permissions::from_mode(0o640)).unwrap();
            chown(live.join(name), Some(0), Some(OTHER)).unwrap();
        }
        let exchanged = renameat_with(
            CWD,
            live.join("apiserver.key"),
            CWD,
            live.join("apiserver.crt"),
            RenameFlags::EXCHANGE,
        );
        assert_eq!(exchanged, Err(Errno::INVAL), "otherwise this shows nothing");
        let content = |name: &str| {
            let meta = fs::metadata(live.join(name)).unwrap();
            assert_eq!((meta.mode() & 0o777, meta.gid()), (0o640, OTHER));
            fs::read_to_string(live.join(name)).unwrap()
        };
        if is_whole {
            let said = half_a_pair(&new, &live);
            assert!(said.contains("apiserver.crt") && !said.contains("other half"), "{said}");
            assert_eq!(["apiserver.key", "apiserver.crt"].map(content), ["old", "old"]);
        } else {
            replace::copy(&new.join("apiserver.key"), &live.join("apiserver.key")).unwrap();
            assert_eq!(content("apiserver.key"), "new apiserver.key\n");
        }
        assert_eq!(fs::read_dir(&live).unwrap().count(), 2, "nothing is left over");
    }
}

/// Root without its capabilities, as the service is, at one of the ignored tests below.
fn without_capabilities(test: &str, node: &Node) {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--no-new-privs"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored"]).env("NODE", node.dir.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

/// A new inode could not have the label, so the old one is written, and written back.
#[test]
fn what_was_written_in_place_is_taken_back_in_place() {
    let node = Node::new("ext4");
    new_pair(&node);
    let [key, certificate] = ["pki/apiserver.key", "pki/apiserver.crt"].map(|it| node.live(it));
    shell(&format!("setfattr -n security.note -v label {}", key.display()));
    let state = || {
        let label = format!("getfattr -d -m security.note --absolute-names {}", key.display());
        (fs::metadata(&key).unwrap().ino(), shell(&label), fs::read_to_string(&key).unwrap())
    };
    let before = state();
    run(Command::new("chattr").arg("+i").arg(&certificate));
    without_capabilities("a_pair_is_taken_back_in_place", &node);
    run(Command::new("chattr").arg("-i").arg(&certificate));
    assert_eq!(state(), before);
    assert_eq!(fs::read(&certificate).unwrap(), b"old");
    let left = fs::read_dir(node.live("pki")).unwrap().flatten();
    assert!(!left.into_iter().any(|it| it.file_name().to_string_lossy().starts_with(".certwatch")));
}

#[test]
#[ignore = "run by the one before it, without capabilities"]
fn a_pair_is_taken_back_in_place() {
    let dir = PathBuf::from(std::env::var("NODE").unwrap());
    let said = half_a_pair(&dir.join("pair"), &dir.join("kubernetes/pki"));
    assert!(said.contains("apiserver.crt") && !said.contains("other half"), "{said}");
}

/// A directory can give its own group to what is made in it, and the key's group be one that root may not give.
#[test]
fn a_copy_whose_group_cannot_be_given_is_no_other_group_s() {
    let node = Node::new("");
    let (key, work) = (node.live("pki/apiserver.key"), node.at("work"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    chown(&key, None, Some(STRANGER)).unwrap();
    fs::create_dir(&work).unwrap();
    chown(&work, None, Some(OTHER)).unwrap();
    fs::set_permissions(&work, fs::Permissions::from_mode(0o2755)).unwrap();
    without_capabilities("copied_to_a_directory_of_another_group", &node);
    let meta = fs::metadata(work.join("key")).unwrap();
    assert_eq!((meta.gid(), meta.mode() & 0o777), (OTHER, 0o600));
    assert!(!can_read(&work.join("key"), OTHER, OTHER));
    // With the right to give it, it is what it was.
    replace::copy(&key, &work.join("second")).unwrap();
    let meta = fs::metadata(work.join("second")).unwrap();
    assert_eq!((meta.gid(), meta.mode() & 0o777), (STRANGER, 0o640));
}

#[test]
#[ignore = "run by the one before it, without capabilities"]
fn copied_to_a_directory_of_another_group() {
    let dir = PathBuf::from(std::env::var("NODE").unwrap());
    replace::copy(&dir.join("kubernetes/pki/apiserver.key"), &dir.join("work/key")).unwrap();
}

/// Whatever root makes, moves and removes is reached as what it writes is.
#[test]
fn nothing_is_made_or_removed_through_a_stranger_s_directory() {
    let node = Node::new("");
    let [home, victim] = ["home", "victim"].map(|it| node.at(it));
    fs::create_dir_all(victim.join("stage/old")).unwrap();
    fs::create_dir_all(victim.join("pki")).unwrap();
    fs::write(victim.join("pki/kubelet-client-1.pem"), "kept").unwrap();
    fs::create_dir(&home).unwrap();
    symlink(&victim, home.join("link")).unwrap();
    for path in [&home, &home.join("link")] {
        std::os::unix::fs::lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let before = shell(&format!("find {} -printf '%p %i %C@\n'", victim.display()));
    let places = NodePaths { work: home.join("link"), ..node.places.clone() };
    for done in [
        stage::clean(&places),
        stage::stage(&places),
        backup::back_up(&places, "a", &["admin.conf".into()], sys::now()).map(drop),
        backup::forget(&places, "stage"),
        replace::remove_temporaries(&[victim.clone(), home.join("link/stage")])
            .map_err(Fault::from),
    ] {
        let said = done.unwrap_err().what;
        assert!(said.contains("/home"), "{said}");
    }
    let after = shell(&format!("find {} -printf '%p %i %C@\n'", victim.display()));
    assert_eq!(after, before);
    let moved = NodePaths { kubernetes: home.join("link"), ..node.places.clone() };
    fs::create_dir_all(victim.join(".certwatch-manifests")).unwrap();
    fs::create_dir_all(victim.join("manifests")).unwrap();
    fs::write(victim.join(".certwatch-manifests/etcd.yaml"), "away").unwrap();
    let said = control_plane::put_manifests_back(&moved).unwrap_err().what;
    assert!(said.contains("etcd is stopped"), "{said}");
    assert!(victim.join(".certwatch-manifests/etcd.yaml").exists());
}

#[test]
fn a_small_file_system_of_its_own_that_is_full_or_read_only_is_seen() {
    for below in ["pki/etcd", "manifests"] {
        let mut node = Node::new("");
        let dir = node.live(below);
        node.mounts.push(Mount::new(&["-t", "tmpfs", "-o", "size=16k,mode=0755", "none"], &dir));
        fs::write(dir.join("peer.key"), "old").unwrap();
        assert_eq!(node.ids(), [""; 0], "{below}");
        fs::write(dir.join("filler"), vec![0; 12 << 10]).unwrap();
        let found = node.blockers();
        assert!(
            matches!(&found[..], [Blocker::DiskFull { path, .. }] if *path == dir),
            "{below}: {found:?}"
        );
        fs::remove_file(dir.join("filler")).unwrap();
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(&dir));
        assert!(node.ids().contains(&"not_writable"), "{below}");
    }
}

#[test]
fn a_link_to_a_file_system_that_is_read_only_is_seen() {
    let mut node = Node::new("");
    let dir = node.at("elsewhere");
    fs::create_dir(&dir).unwrap();
    node.mounts.push(Mount::new(&["-t", "tmpfs", "-o", "mode=0755", "none"], &dir));
    fs::rename(node.live("admin.conf"), node.at("kept")).unwrap();
    fs::copy(node.at("kept"), dir.join("admin.conf")).unwrap();
    symlink(dir.join("admin.conf"), node.live("admin.conf")).unwrap();
    assert_eq!(node.ids(), [""; 0]);
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(&dir));
    let found = node.blockers();
    assert!(matches!(&found[..], [Blocker::NotWritable { path, .. }] if *path == dir), "{found:?}");
}

/// The link in the middle, as it was found: a stranger's program ran as root.
#[test]
fn a_link_through_a_stranger_s_directory_runs_nothing() {
    let mut node = Node::new("");
    for below in ["mine", "usr"] {
        fs::create_dir(node.at(below)).unwrap();
    }
    let touched = node.at("touched");
    symlink(node.at("kubeadm"), node.at("mine/kubeadm")).unwrap();
    symlink(node.at("mine/kubeadm"), node.at("usr/kubeadm")).unwrap();
    chown(node.at("mine"), Some(STRANGER), Some(STRANGER)).unwrap();
    let manifest = "spec: {containers: [{image: 'a:v1.30.1'}]}";
    fs::write(node.live("manifests/kube-apiserver.yaml"), manifest).unwrap();
    fs::write(node.at("kubeadm"), format!("#!/bin/sh\ntouch {}\n", touched.display())).unwrap();
    node.places.kubeadm = node.at("usr/kubeadm");
    let found = node.blockers();
    let open = Blocker::KubeadmNotRoots(node.at("mine"));
    assert!(found.contains(&open) && !touched.exists(), "{found:?}");
    assert!(open.remedy().contains(&format!("chown -h root {}", node.at("mine").display())));
}

/// Another user who swaps, until it is dropped.
struct Swapper(Child);

impl Swapper {
    fn new(dir: &Path, script: &str) -> Self {
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={STRANGER}"),
            &format!("--regid={STRANGER}"),
            "--clear-groups",
        ]);
        command.args(["sh", "-c", &format!("while :; do {script}; done")]).current_dir(dir);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Whatever is opened or written is the user's own, however often a link takes its place; never root's.
#[test]
fn a_user_who_swaps_a_directory_for_a_link_leads_root_nowhere() {
    let node = Node::new("");
    let [home, secret] = ["home", "secret"].map(|it| node.at(it));
    for dir in [&home, &secret, &home.join("a")] {
        fs::create_dir(dir).unwrap();
    }
    fs::write(secret.join("file"), "secret").unwrap();
    fs::write(home.join("a/file"), "old").unwrap();
    for path in ["", "a", "a/file"] {
        chown(home.join(path), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let mine = fs::metadata(home.join("a")).unwrap().ino();
    let swapper = Swapper::new(&home, "mv a b; ln -s ../secret a; rm a; mv b a");
    let (mut opened, mut refused) = (0, 0);
    // Until both have been seen often enough to mean something.
    while opened < 2000 || refused < 200 {
        match trusted::open_dir(&home.join("a"), STRANGER) {
            Ok(dir) => {
                opened += 1;
                assert_eq!(rustix::fs::fstat(dir).unwrap().st_ino, mine);
            }
            Err(_) => refused += 1,
        }
        if opened % 20 == 0 {
            let _ = replace::copy(&node.at("new"), &home.join("a/file"));
        }
    }
    drop(swapper);
    assert_eq!(fs::read(secret.join("file")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
}
