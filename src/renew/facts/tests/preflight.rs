use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::domain::time::Span;
use crate::renew::testing::{NOW, Node, set_mode};

fn ids(node: &Node) -> Vec<&'static str> {
    blockers(&node.paths, None, NOW).iter().map(Blocker::code).collect()
}

#[test]
fn an_empty_node_is_no_control_plane_without_kubeadm() {
    let node = Node::new();
    let ids = ids(&node);
    assert!(ids.contains(&"no_control_plane") && ids.contains(&"kubeadm_missing"), "{ids:?}");
    assert!(!ids.contains(&"not_writable") && !ids.contains(&"disk_full"), "{ids:?}");
    assert!(!node.paths.work.exists(), "a look makes nothing");
}

#[test]
fn the_ca_the_newest_file_and_the_hardware_clock_tell_the_time() {
    let node = Node::new();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW.seconds()).unwrap());
    let newest = node.live("pki/apiserver.crt");
    fs::File::options().write(true).open(newest).unwrap().set_modified(time).unwrap();
    let rtc = node.path("since_epoch");
    assert_eq!(witnesses_with(&node.paths, &rtc).hardware, None);
    fs::write(&rtc, format!("{}\n", NOW.seconds())).unwrap();
    let TimeSources { ca_not_before, newest_file, hardware, .. } =
        witnesses_with(&node.paths, &rtc);
    assert_eq!(ca_not_before, Some(NOW - Span::days(10)));
    assert_eq!([newest_file, hardware], [Some(NOW); 2]);
}

#[test]
fn a_program_that_others_could_have_written_is_not_run() {
    let node = Node::new();
    let touched = node.path("touched");
    fs::write(&node.paths.kubeadm, format!("#!/bin/sh\ntouch {}\n", touched.display())).unwrap();
    set_mode(&node.paths.kubeadm, 0o777);
    let found = kubeadm_obstacle(&node.paths);
    assert_eq!(found, Some(Blocker::KubeadmNotRoots(node.paths.kubeadm.clone())));
    assert!(crate::renew::kubeadm::version(&node.paths).is_err());
    assert!(!touched.exists());
}

#[test]
fn what_a_link_leads_to_counts_as_well() {
    let mut node = Node::new();
    let real = node.path("real");
    fs::write(&real, "").unwrap();
    set_mode(&real, 0o777);
    let link = node.path("link");
    symlink(&real, &link).unwrap();
    node.paths.kubeadm = link;
    assert!(matches!(kubeadm_obstacle(&node.paths), Some(Blocker::KubeadmNotRoots(_))));
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let node = Node::new();
    fs::remove_dir(node.live("manifests")).unwrap();
    let [Blocker::NotWritable { path, .. }] = &not_writable(&node.paths)[..] else { panic!() };
    assert_eq!(*path, node.live("manifests"));
}

/// What `/proc` says of one process.
struct Proc {
    comm: &'static str,
    stat: &'static str,
    uid: u32,
    pids: &'static str,
    cgroup: &'static str,
    code: u32,
}

const ROOTS: Proc = Proc {
    comm: "kubeadm",
    stat: "S 1",
    uid: 0,
    pids: "",
    cgroup: "/user.slice/user-1000.slice/session-1.scope",
    code: 17_168,
};

const POD: &str = "/kubepods/besteffort/pod6c5f6e0a-9c1f-4a53-a2d0-1d9a4c7c0b11/c0ffee";

impl Proc {
    fn put(&self, node: &Node, pid: u32) {
        let Self { comm, stat, uid, pids, cgroup, code } = self;
        let dir = node.path(&format!("proc/{pid}"));
        fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, text: String| fs::write(dir.join(name), text).unwrap();
        write("comm", format!("{comm}\n"));
        let rest = "1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 10 20";
        write("stat", format!("{pid} ({comm}) {stat} {rest}"));
        let ids = format!("\t{uid}").repeat(4);
        write(
            "status",
            format!(
                "Name:\t{comm}\nUid:{ids}\nGid:{ids}\nNSpid:\t{pid}{pids}\nVmExe:\t{code:8} kB\n"
            ),
        );
        write("cgroup", format!("0::{cgroup}\n"));
        write("cmdline", format!("{comm}\0upgrade\0node\0--certificate-key\0secret\0"));
        write("loginuid", "1000".to_owned());
    }
}

fn found(node: &Node) -> Option<Blocker> {
    another_kubeadm_in(&node.path("proc"), Path::new("/opt/kubeadm-1.30"))
}

#[test]
fn another_kubeadm_is_root_s_and_outside_of_pods() {
    let node = Node::new();
    let ours: &'static str = format!("S {}", std::process::id()).leak();
    Proc { comm: "kubelet", ..ROOTS }.put(&node, 10);
    Proc { stat: ours, ..ROOTS }.put(&node, 11);
    Proc { stat: "Z 1", ..ROOTS }.put(&node, 9);
    Proc { uid: 1000, ..ROOTS }.put(&node, 7);
    Proc { pids: "\t1", cgroup: POD, ..ROOTS }.put(&node, 8);
    Proc { uid: 1000, cgroup: POD, ..ROOTS }.put(&node, 6);
    // sudo behind a link.
    Proc { code: 184, ..ROOTS }.put(&node, 5);
    assert_eq!(found(&node), None);
    ROOTS.put(&node, 12);
    let blocker = found(&node).unwrap();
    assert_eq!(blocker, Blocker::KubeadmRuns { pid: 12, verb: "upgrade node".to_owned() });
    assert!(!format!("{} {}", blocker.what(), blocker.remedy()).contains("secret"));
    Proc { comm: "kubelet", ..ROOTS }.put(&node, 12);
    assert_eq!(found(&node), None);
    Proc { comm: "kubeadm-1.30", ..ROOTS }.put(&node, 13);
    assert!(found(&node).is_some(), "the one that is configured");
}

#[test]
fn what_may_be_one_is_told_and_what_is_one_first() {
    for cgroup in [POD, "/docker/c0ffee", "/anything"] {
        let node = Node::new();
        Proc { cgroup, ..ROOTS }.put(&node, 8);
        let blocker = found(&node).unwrap();
        let Blocker::KubeadmUnclear { pid, verb, login, cgroup: told, .. } = &blocker else {
            panic!("{blocker:?}");
        };
        assert_eq!((*pid, &verb[..], *login, &told[..]), (8, "upgrade node", Some(1000), cgroup));
        assert!(!format!("{} {}", blocker.what(), blocker.remedy()).contains("secret"));
        ROOTS.put(&node, 9);
        assert!(matches!(found(&node), Some(Blocker::KubeadmRuns { pid: 9, .. })));
    }
}

/// On the machine's own /proc. As a user this can be no more than the first half.
#[test]
fn a_user_s_process_of_that_name_stops_nobody_and_root_s_does() {
    let node = Node::new();
    let is_root = rustix::process::geteuid().is_root();
    let user = if is_root { "setpriv --reuid=12345 --clear-groups" } else { "" };
    let large = std::env::current_exe().unwrap();
    assert!(!counts(&node, user, &large));
    if is_root {
        assert!(counts(&node, "", &large));
        let small = Path::new("/bin/sleep");
        assert!(!counts(&node, "", small), "root's, of that name, and far too small");
        let own_pids = "unshare --pid --fork --kill-child";
        assert!(!counts(&node, own_pids, &large), "in a container");
    }
}

/// Whether a copy of `program` that has the name of kubeadm and is run by `prefix` is found. It is a name of its own, so
/// that it is at work in this test alone; its parent is a shell, since this process's own would not count. `sleep` waits
/// by itself, and this test's own program, which is as large as kubeadm, because nobody reads what it prints.
fn counts(node: &Node, prefix: &str, program: &Path) -> bool {
    let dir = node.path("bin");
    let path = dir.join("kubeadm-here");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    fs::copy(program, &path).unwrap();
    [&node.path(""), &dir, &path].into_iter().for_each(|it| set_mode(it, 0o755));
    let word = if program.ends_with("sleep") { "300" } else { "--list" };
    let script = format!("{prefix} {} {word} & wait", path.display());
    let (_reader, writer) = full_socket();
    let mut shell = Command::new("sh").args(["-c", &script]).stdout(writer).spawn().unwrap();
    let is_there = |pid: &u32| {
        let comm = fs::read(format!("/proc/{pid}/comm"));
        comm.is_ok_and(|comm| comm == b"kubeadm-here\n")
    };
    let pids = || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
    };
    let pid = loop {
        if let Some(pid) = pids().find(is_there) {
            break pid;
        }
        assert_eq!(shell.try_wait().unwrap(), None, "it did not start");
        sleep(Duration::from_millis(5));
    };
    let counts = kubeadm_process(Path::new("/proc"), pid, &path).is_some();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    shell.wait().unwrap();
    counts
}

/// Who writes into it waits.
fn full_socket() -> (UnixStream, OwnedFd) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (reader, writer.into())
}

#[test]
fn a_look_leaves_no_trace() {
    let node = Node::new();
    let dirs = ["", "pki", "pki/etcd", "manifests"].map(|it| node.live(it));
    let stamps = || {
        dirs.clone().map(|dir| {
            let it = fs::metadata(dir).unwrap();
            (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())
        })
    };
    let before = stamps();
    let _ = blockers(&node.paths, None, NOW);
    assert_eq!(not_writable(&node.paths), []);
    assert_eq!(stamps(), before, "not even a file that is removed again");
}
