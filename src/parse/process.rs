//! What `/proc` says of a process (proc(5), cgroups(7)), and whose it is.

use super::cgroup::{self, CgroupScope};

/// When it started, in clock ticks after boot: field 22 of `/proc/PID/stat`.
pub(crate) fn started_after_boot(stat: &[u8]) -> Option<u64> {
    after_name(stat)?.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// The name in field 2 may hold anything.
fn after_name(stat: &[u8]) -> Option<&str> {
    std::str::from_utf8(stat.rsplit(|byte| *byte == b')').next()?).ok()
}

/// The base name of the program, from `/proc/PID/cmdline`. A thread of the kernel has none.
pub fn program(cmdline: &[u8]) -> Option<&str> {
    let first = std::str::from_utf8(cmdline.split(|byte| *byte == 0).next()?).ok()?;
    first.rsplit('/').next().filter(|name| !name.is_empty())
}

/// Whose a process is, for those who look for the node's own by a name that anybody can choose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProcessOwner {
    /// Root's, on the node itself: outside of pods and of other containers.
    Root,
    /// A static pod's.
    StaticPod,
    /// Root's, in a container or a pod that shares the node's processes (`hostPID`): it may work on the node.
    Container,
    /// Root's by its user ID, but in a cgroup of which nobody knows who makes it, or in somebody's group.
    Unknown,
    /// Anybody else's: a user's, or one in a pod or a container that has processes of its own. It says nothing about
    /// this node, whatever it is called.
    Other,
}

/// Whose a process is, by `/proc/PID/status` and `/proc/PID/cgroup`, which everybody may read; what `/proc/PID/exe`
/// and `/proc/PID/ns` say is closed to the services of certwatch, which have no right to trace root's processes.
///
/// All four user IDs have to be root's: the real one stays the user's in a program that runs as root for a user, and so
/// does the group where that takes even this one. They are those of the reader's namespace, so that the root of another
/// one is no root. What cannot be read belongs to a process that is gone.
pub fn owner(status: &[u8], cgroup: &[u8]) -> ProcessOwner {
    let is_large = is_large_enough(status);
    let status = String::from_utf8_lossy(status);
    let has_roots_ids = are_roots(&status, "Uid:");
    let is_root = has_roots_ids && is_in_this_pid_namespace(&status);
    match cgroup::place(&String::from_utf8_lossy(cgroup)) {
        Some(CgroupScope::StaticPod) => ProcessOwner::StaticPod,
        // Nobody but root has that, whoever made the cgroup.
        Some(CgroupScope::PodElsewhere) if has_roots_ids && is_large => ProcessOwner::StaticPod,
        Some(CgroupScope::Container) if is_root => ProcessOwner::Container,
        Some(CgroupScope::Node) if is_root && are_roots(&status, "Gid:") => ProcessOwner::Root,
        Some(CgroupScope::Node | CgroupScope::Unknown | CgroupScope::PodElsewhere) if is_root => {
            ProcessOwner::Unknown
        }
        _ => ProcessOwner::Other,
    }
}

/// The UID of the static pod that a process is in, by `/proc/PID/cgroup`.
pub(crate) fn static_pod(cgroup: &[u8]) -> Option<String> {
    cgroup::static_pod(&String::from_utf8_lossy(cgroup)).map(str::to_owned)
}

/// The cgroup that says most of where a process is, for messages.
pub fn cgroup(cgroup: &[u8]) -> String {
    let text = String::from_utf8_lossy(cgroup);
    let paths = cgroup::paths(&text).map(|path| path.trim_start_matches("/.."));
    paths.max_by_key(|path| path.len()).unwrap_or_default().to_owned()
}

fn are_roots(status: &str, name: &str) -> bool {
    let mut ids = field(status, name).split_ascii_whitespace();
    ids.clone().count() == 4 && ids.all(|id| id == "0")
}

/// `NSpid` has one number for each PID namespace from that of this `/proc` on (since Linux 4.1).
fn is_in_this_pid_namespace(status: &str) -> bool {
    field(status, "NSpid:").split_ascii_whitespace().count() <= 1
}

/// The kernel escapes line ends in the name, which stands above all fields.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

/// In KiB. kubeadm has 17 MiB of code in Kubernetes 1.20 and 32 in 1.37, the other programs of a control plane no less
/// than 10; of those that Debian installs to be run as root for a user (sudo, su, passwd, mount) none has half of one.
const LEAST_CODE: u64 = 4 * 1024;

/// True if a process can be a program of Kubernetes, by how much code it has: `VmExe` of `/proc/PID/status`. Whoever
/// starts another one behind a link chooses its name, and not this. Without any it is at its end.
pub fn is_large_enough(status: &[u8]) -> bool {
    let status = String::from_utf8_lossy(status);
    let code = field(&status, "VmExe:").trim().strip_suffix("kB");
    code.and_then(|code| code.trim().parse().ok()).is_some_and(|code: u64| code >= LEAST_CODE)
}

/// The user who has logged in and whose process this is, also where that became root since: `/proc/PID/loginuid`. `None`
/// for root, and for services.
pub fn login(loginuid: &[u8]) -> Option<u32> {
    let uid = std::str::from_utf8(loginuid).ok()?.trim().parse().ok()?;
    Some(uid).filter(|uid| ![0, u32::MAX].contains(uid))
}

/// True if a process is called as `program` is, by `/proc/PID/comm`, which the kernel cuts to 15 bytes.
pub fn is_called(comm: &[u8], program: &str) -> bool {
    comm.trim_ascii_end() == &program.as_bytes()[..program.len().min(15)]
}

/// The state of a process and its parent: fields 3 and 4 of `/proc/PID/stat`.
pub fn state_and_parent(stat: &[u8]) -> Option<(char, u32)> {
    let mut fields = after_name(stat)?.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The commands of kubeadm, and those below them.
const VERBS: [&[&str]; 2] = [
    &[
        "alpha",
        "certs",
        "config",
        "init",
        "join",
        "kubeconfig",
        "reset",
        "token",
        "upgrade",
        "version",
    ],
    &[
        "apply",
        "check-expiration",
        "create",
        "delete",
        "diff",
        "images",
        "list",
        "node",
        "phase",
        "plan",
        "renew",
    ],
];

/// What kubeadm was told to do, by `/proc/PID/cmdline`: `upgrade node`. Nothing else of it, which may be a token; empty
/// if it is none of kubeadm's commands.
pub fn kubeadm_verb(cmdline: &[u8]) -> String {
    let words = cmdline.split(|byte| *byte == 0).skip(1);
    let known = words
        .zip(VERBS)
        .map_while(|(word, verbs)| verbs.iter().find(|verb| verb.as_bytes() == word).copied());
    known.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn a_process_name_cannot_shift_the_fields() {
        let stat = b"7 (a) 9 (b)) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 10 20";
        assert_eq!(started_after_boot(stat), Some(4242));
        assert_eq!(started_after_boot(b""), None);
    }

    #[test]
    fn the_program_is_the_base_name_of_the_first_word() {
        assert_eq!(program(b"etcd\0--name=cp1\0"), Some("etcd"));
        assert_eq!(program(b"/usr/local/bin/kube-apiserver\0"), Some("kube-apiserver"));
        assert_eq!(program(b""), None);
        assert_eq!(program(b"\xff\0"), None);
    }

    const UUID: &str = "6c5f6e0a-9c1f-4a53-a2d0-1d9a4c7c0b11";
    const ROOT: &str = "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t7\n";
    const IN_CONTAINER: &str = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t7\t1\n";

    /// Every layout of a pod's cgroup.
    fn layouts(uid: &str) -> Vec<String> {
        let slice = uid.replace('-', "_");
        vec![
            format!(
                "12:pids:/kubepods/burstable/pod{uid}/c0ffee\n1:name=systemd:/kubepods/burstable/pod{uid}/c0ffee\n"
            ),
            format!("0::/kubepods/burstable/pod{uid}/c0ffee\n"),
            format!("0::/kubepods/pod{uid}/c0ffee\n"),
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-c0ffee.scope\n"
            ),
            format!("11:memory:/kubepods.slice/kubepods-pod{slice}.slice/docker-c0ffee.scope\n"),
            format!(
                "0::/../../kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/x\n"
            ),
            format!(
                "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/cri-containerd-c0ffee.scope\n"
            ),
            format!(
                "0::/system.slice/containerd.service/kubepods-burstable-pod{slice}.slice:cri-containerd:c0ffee\n"
            ),
        ]
    }

    #[test]
    fn pods_are_told_in_every_layout_of_cgroups() {
        for cgroup in layouts(HASH) {
            assert_eq!(owner(b"", cgroup.as_bytes()), ProcessOwner::StaticPod, "{cgroup}");
            assert_eq!(static_pod(cgroup.as_bytes()).as_deref(), Some(HASH), "{cgroup}");
        }
        for cgroup in layouts(UUID) {
            assert_eq!(static_pod(cgroup.as_bytes()), None, "{cgroup}");
            assert_eq!(
                owner(ROOT.as_bytes(), cgroup.as_bytes()),
                ProcessOwner::Container,
                "{cgroup}"
            );
            assert_eq!(
                owner(IN_CONTAINER.as_bytes(), cgroup.as_bytes()),
                ProcessOwner::Other,
                "{cgroup}"
            );
        }
    }

    #[test]
    fn only_places_that_are_known_are_the_node_s_own() {
        let root = |cgroup: &str| owner(ROOT.as_bytes(), cgroup.as_bytes());
        for cgroup in [
            "0::/\n",
            "9:name=systemd:/\n8:pids:/\n",
            "0::/init.scope\n",
            "0::/system.slice/etcd.service\n",
            "0::/system.slice/system-getty.slice/getty@tty1.service\n",
            "0::/system.slice/run-r0a1b2c3d.scope\n",
            "0::/runtime.slice/kubelet.service\n",
            "9:name=systemd:/system.slice/x.service\n8:cpuset:/\n7:devices:/system.slice\n",
            "9:name=systemd:/user.slice/user-0.slice/session-1.scope\n7:devices:/user.slice\n",
            "0::/user.slice/user-0.slice/session-1.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n",
            "9:name=systemd:/user.slice/user-1000.slice/session-1.scope\n8:freezer:/user/alice/0\n0::/\n",
        ] {
            assert_eq!(root(cgroup), ProcessOwner::Root, "{cgroup}");
        }
        for cgroup in [
            "0::/docker/c0ffee\n",
            "0::/system.slice/docker-c0ffee.scope\n",
            "0::/machine.slice/libpod-c0ffee.scope/container\n",
            "0::/lxc.payload.guest/init.scope\n",
            "5:memory:/lxc/guest\n1:name=systemd:/\n",
            "0::/k8s.io/c0ffee\n",
            "5:memory:/docker/c0ffee\n1:name=systemd:/system.slice/docker.service\n",
        ] {
            assert_eq!(root(cgroup), ProcessOwner::Container, "{cgroup}");
        }
        for cgroup in [
            "0::/anything\n",
            "0::/x.service\n",
            "0::/kubepods.slice/x\n",
            "0::/kubepods/burstable\n",
            "0::/system.slice/runner.service/job\n",
            "0::/system.slice/any.scope\n",
            "5:memory:/anything\n1:name=systemd:/\n",
        ] {
            assert_eq!(root(cgroup), ProcessOwner::Unknown, "{cgroup}");
        }
    }

    #[test]
    fn hierarchies_that_do_not_agree_make_no_static_pod() {
        let pod = format!("/kubepods/burstable/pod{HASH}/c0ffee");
        let mixed = |other: &str| format!("5:memory:{pod}\n4:cpu:{pod}\n1:name=systemd:{other}\n");
        for other in ["/", "/system.slice/containerd.service", &pod] {
            assert_eq!(owner(b"", mixed(other).as_bytes()), ProcessOwner::StaticPod, "{other}");
        }
        let another = pod.replace("0f1e", "ffff");
        for other in [&another, "/user.slice/user-1000.slice/session-1.scope", "/x"] {
            assert_eq!(owner(b"", mixed(other).as_bytes()), ProcessOwner::Other, "{other}");
            assert_eq!(
                owner(ROOT.as_bytes(), mixed(other).as_bytes()),
                ProcessOwner::Unknown,
                "{other}"
            );
        }
    }

    /// The kubelet's `cgroupRoot`.
    #[test]
    fn a_static_pod_in_a_place_of_its_own_is_one_if_it_is_root_s_and_large() {
        let large = format!("{IN_CONTAINER}VmExe:\t   40960 kB\n");
        for layout in layouts(HASH) {
            let cgroup = layout.replace(":/", ":/custom/");
            assert_eq!(
                owner(large.as_bytes(), cgroup.as_bytes()),
                ProcessOwner::StaticPod,
                "{cgroup}"
            );
            for status in [IN_CONTAINER, &large.replace("Uid:\t0", "Uid:\t7"), ""] {
                assert_eq!(
                    owner(status.as_bytes(), cgroup.as_bytes()),
                    ProcessOwner::Other,
                    "{cgroup}"
                );
            }
        }
        let in_lxc = format!("0::/lxc.payload.guest/kubepods/burstable/pod{HASH}/c0ffee\n");
        assert_eq!(owner(large.as_bytes(), in_lxc.as_bytes()), ProcessOwner::Other);
    }

    /// Places in which somebody else than root and the kubelet may make cgroups.
    const HANDED_OUT: [&str; 10] = [
        "user.slice/user-1000.slice/user@1000.service/app.slice",
        "user.slice/user-1000.slice/session-1.scope",
        "user/alice/0",
        "../user-1000.slice",
        "system.slice/runner.service",
        "machine.slice/machine-guest.scope",
        "lxc/guest",
        "docker/c0ffee",
        "anything",
        "kubepods/besteffort/pod6c5f6e0a-9c1f-4a53-a2d0-1d9a4c7c0b11/c0ffee",
    ];

    #[test]
    fn who_makes_cgroups_makes_no_static_pod() {
        for below in HANDED_OUT {
            for layout in layouts(HASH) {
                let cgroup = layout.replace(":/", &format!(":/{below}/"));
                let user = owner(b"Uid:\t1000\t1000\t1000\t1000\n", cgroup.as_bytes());
                assert_eq!(user, ProcessOwner::Other, "{cgroup}");
                assert_ne!(
                    owner(ROOT.as_bytes(), cgroup.as_bytes()),
                    ProcessOwner::StaticPod,
                    "{cgroup}"
                );
            }
        }
    }

    #[test]
    fn root_is_who_is_root_all_the_way_and_in_no_container() {
        let on_node = |status: &str| owner(status.as_bytes(), b"0::/system.slice/x.service\n");
        assert_eq!(on_node(ROOT), ProcessOwner::Root);
        assert_eq!(
            on_node("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"),
            ProcessOwner::Root,
            "before 4.1"
        );
        for status in [
            "Uid:\t1000\t0\t0\t0\nNSpid:\t7\n",
            "Uid:\t0\t1000\t0\t0\nNSpid:\t7\n",
            "Uid:\t65534\t65534\t65534\t65534\nNSpid:\t7\n",
            IN_CONTAINER,
            "Name:\tUid:\\t0\\t0\\t0\\t0\nUid:\t1\t1\t1\t1\n",
            "Uid:\n",
            "",
        ] {
            assert_eq!(on_node(status), ProcessOwner::Other, "{status}");
        }
        let in_group = ROOT.replace("Gid:\t0", "Gid:\t1000");
        assert_eq!(on_node(&in_group), ProcessOwner::Unknown);
        assert_eq!(owner(ROOT.as_bytes(), b""), ProcessOwner::Other, "it is gone");
    }

    #[test]
    fn a_program_is_known_by_its_name_and_how_much_code_it_has() {
        assert!(is_called(b"kubeadm\n", "kubeadm") && !is_called(b"kubeadm2\n", "kubeadm"));
        assert!(is_called(b"kube-controller\n", "kube-controller-manager"));
        let is_large = |code: &str| is_large_enough(format!("{ROOT}{code}").as_bytes());
        assert!(is_large("VmExe:\t   17168 kB\n"), "kubeadm 1.20");
        assert!(is_large("VmExe:\t    4096 kB\n") && !is_large("VmExe:\t    4095 kB\n"));
        assert!(!is_large("VmExe:\t     184 kB\n"), "sudo");
        for none in ["", "VmExe:\n", "VmExe:\t-1 kB\n", "VmLib:\t   17168 kB\n"] {
            assert!(!is_large(none), "{none}");
        }
        assert!(!is_large_enough(b"Name:\tVmExe:\\t9999999 kB\nVmExe:\t184 kB\n"));
    }

    #[test]
    fn who_has_logged_in_is_told_and_nobody_for_services() {
        assert_eq!([login(b"1000"), login(b"1000\n")], [Some(1000); 2]);
        assert_eq!([login(b"4294967295"), login(b"0"), login(b""), login(b"x")], [None; 4]);
    }

    #[test]
    fn the_cgroup_that_is_told_is_the_one_that_says_most() {
        assert_eq!(super::cgroup(b"2:cpu:/\n1:name=systemd:/docker/a:b\n0::/\n"), "/docker/a:b");
        assert_eq!(super::cgroup(b"1:name=systemd:/../docker/a\n"), "/docker/a");
        assert_eq!(super::cgroup(b""), "");
    }

    #[test]
    fn the_state_and_the_parent_stand_after_the_name() {
        assert_eq!(state_and_parent(b"7 (a) Z 9) S 41 7"), Some(('S', 41)));
        assert_eq!(state_and_parent(b"7 (a"), None);
    }

    #[test]
    fn of_a_command_line_only_kubeadm_s_own_words_are_told() {
        for (cmdline, verb) in [
            (&b"kubeadm\0upgrade\0node\0"[..], "upgrade node"),
            (
                b"/usr/bin/kubeadm\0join\x0010.0.0.1:6443\0--token\0abcdef.0123456789abcdef\0",
                "join",
            ),
            (b"kubeadm\0token\0create\0abcdef.0123456789abcdef\0", "token create"),
            (b"kubeadm\0--v=5\0init\0", ""),
            (b"kubeadm\x001000\0", ""),
            (b"", ""),
        ] {
            assert_eq!(kubeadm_verb(cmdline), verb);
        }
    }

    proptest! {
        /// Whatever a user's process is called and wherever he puts it, it is nobody who counts here.
        #[test]
        fn a_stranger_is_a_stranger(
            uids in prop::array::uniform4(1_u32..),
            name in "\\PC{0,15}",
            below in "(/[a-z.@:0-9-]{1,20}){0,3}",
            layout in 0_usize..8,
            pids in 1_usize..3,
        ) {
            let [real, effective, saved, fs] = uids;
            let nspid = "\t7".repeat(pids);
            let status = format!(
                "Name:\t{name}\nUid:\t{real}\t{effective}\t{saved}\t{fs}\nNSpid:{nspid}\n"
            );
            let user = format!(":/user.slice/user-1000.slice/user@1000.service{below}/");
            let cgroup = layouts(HASH)[layout].replace(":/", &user);
            prop_assert_eq!(owner(status.as_bytes(), cgroup.as_bytes()), ProcessOwner::Other);
            let pod = format!("{}{below}", layouts(UUID)[layout].trim_end());
            prop_assert_eq!(owner(status.as_bytes(), pod.as_bytes()), ProcessOwner::Other);
            // Nor is the root of a container or of a pod, unless it shares the node's processes.
            prop_assert_eq!(owner(IN_CONTAINER.as_bytes(), pod.as_bytes()), ProcessOwner::Other);
            prop_assert_eq!(owner(ROOT.as_bytes(), pod.as_bytes()), ProcessOwner::Container);
        }

        /// Who takes part in nothing that is known is not taken for the node's own: not by one hierarchy of several.
        #[test]
        fn what_is_not_known_is_not_the_node_s(
            name in "[a-zA-Z0-9_:.-]{1,20}",
            below in "(/[a-z.@:0-9-]{1,20}){1,3}",
            hierarchies in 0_usize..4,
        ) {
            prop_assume!(!name.ends_with(".slice") && !["user", ".."].contains(&&name[..]));
            prop_assume!(!name.contains("kubepods") && !name.starts_with("kubelet"));
            let known = "3:cpu:/system.slice/x.service\n".repeat(hierarchies);
            let cgroup = format!("{known}1:name=systemd:/{name}{below}\n");
            let owner = owner(ROOT.as_bytes(), cgroup.as_bytes());
            prop_assert!(matches!(owner, ProcessOwner::Container | ProcessOwner::Unknown), "{:?}", owner);
        }

        #[test]
        fn any_bytes_are_some_answer(status: Vec<u8>, cgroup: Vec<u8>, stat: Vec<u8>) {
            let _ = (owner(&status, &cgroup), state_and_parent(&stat), kubeadm_verb(&stat));
            let _ = (is_large_enough(&status), login(&stat), super::cgroup(&cgroup));
        }
    }
}
