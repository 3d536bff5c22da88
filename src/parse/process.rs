//! What `/proc` says of a process (proc(5), cgroups(7)).

/// When it started, in clock ticks after boot: field 22 of `/proc/PID/stat`. The name in field 2 may
/// hold anything.
pub fn started_after_boot(stat: &[u8]) -> Option<u64> {
    let after_name = stat.rsplit(|byte| *byte == b')').next()?;
    let fields = std::str::from_utf8(after_name).ok()?;
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// The base name of the program, from `/proc/PID/cmdline`. A thread of the kernel has none.
pub fn program(cmdline: &[u8]) -> Option<&str> {
    let first = std::str::from_utf8(cmdline.split(|byte| *byte == 0).next()?).ok()?;
    first.rsplit('/').next().filter(|name| !name.is_empty())
}

/// The UID of the pod that it belongs to, from `/proc/PID/cgroup`; `None` outside of pods.
///
/// With cgroupfs the path is `/kubepods/burstable/podUID/CONTAINER`, with systemd
/// `/kubepods.slice/…/kubepods-burstable-podUID.slice/…`, where `_` stands for `-`.
pub fn pod(cgroup: &str) -> Option<&str> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter(|path| path.contains("kubepods")).find_map(pod_in)
}

fn pod_in(path: &str) -> Option<&str> {
    path.split('/').find_map(|part| {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        let uid = match name.rsplit_once("-pod") {
            Some((before, uid)) if before.contains("kubepods") => uid,
            _ => name.strip_prefix("pod")?,
        };
        (uid.len() >= 32).then_some(uid)
    })
}

/// True for the UID of a static pod: a hash of its manifest, where that of any other is a UUID
/// (`pkg/kubelet/config/common.go`).
pub fn is_static(pod: &str) -> bool {
    pod.len() == 32 && pod.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn pods_are_told_in_every_layout_of_cgroups() {
        for cgroup in [
            format!(
                "12:pids:/kubepods/burstable/pod{HASH}/c0ffee\n1:name=systemd:/kubepods/burstable/pod{HASH}/c0ffee\n"
            ),
            format!("0::/kubepods/burstable/pod{HASH}/c0ffee\n"),
            format!("0::/kubepods/pod{HASH}/c0ffee\n"),
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{HASH}.slice/cri-containerd-c0ffee.scope\n"
            ),
            format!("11:memory:/kubepods.slice/kubepods-pod{HASH}.slice/docker-c0ffee.scope\n"),
            format!(
                "0::/../../kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{HASH}.slice/x\n"
            ),
            format!(
                "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{HASH}.slice/cri-containerd-c0ffee.scope\n"
            ),
        ] {
            assert_eq!(pod(&cgroup), Some(HASH), "{cgroup}");
        }
        for cgroup in [
            "0::/system.slice/etcd.service\n",
            "0::/user.slice/kubepods-fan.scope\n",
            "0::/kubepods/burstable\n",
            "",
        ] {
            assert_eq!(pod(cgroup), None, "{cgroup}");
        }
    }

    #[test]
    fn a_static_pod_has_a_hash_for_its_uid() {
        assert!(is_static(HASH));
        let uuid = "0::/kubepods.slice/kubepods-besteffort-pod6c5f6e0a_9c1f_4a53_a2d0_1d9a4c7c0b11.slice/x";
        assert!(!is_static(pod(uuid).unwrap()));
    }
}
