//! Where a process is, by `/proc/PID/cgroup` (cgroups(7)).
//!
//! Only places that are known count for something: those that systemd makes for the services and sessions of a node, and
//! those that the kubelet makes for pods. Below a cgroup that was delegated anybody can make one of any name.

/// Where a process is by all hierarchies of cgroups together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CgroupScope {
    /// The node's own: a service or a login.
    Node,
    /// A static pod, made by the kubelet.
    StaticPod,
    /// Named as a static pod, but below a cgroup of which it is not known who may make others there: a `cgroupRoot`
    /// of the kubelet's, or anybody.
    PodElsewhere,
    /// Any other pod, or a container of a runtime that is known by its name.
    Container,
    /// None of these.
    Unknown,
}

/// Where it is by one hierarchy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HierarchyScope<'a> {
    /// The root of the hierarchy, which is where all are that nobody has moved, or a service.
    System,
    /// A login, and whatever its user made below it.
    Session,
    StaticPod(&'a str),
    PodElsewhere(&'a str),
    Container,
    Unknown,
}

/// `None` if there is nothing to read, because the process is gone.
///
/// On cgroup v1 all hierarchies have to agree: who is in a container by one of them is in a container, and who is in a
/// static pod by one is so by all, but for those in which pods have no place of their own.
pub(super) fn place(cgroup: &str) -> Option<CgroupScope> {
    let parts: Vec<HierarchyScope> = paths(cgroup).map(part).collect();
    let is_pod = |it: &&HierarchyScope| {
        matches!(it, HierarchyScope::StaticPod(_) | HierarchyScope::PodElsewhere(_))
    };
    let pod = parts.iter().find(is_pod);
    let is_one_pod = parts.iter().filter(is_pod).all(|it| Some(it) == pod);
    Some(match pod {
        _ if parts.is_empty() => return None,
        _ if parts.contains(&HierarchyScope::Container) => CgroupScope::Container,
        _ if parts.contains(&HierarchyScope::Unknown) => CgroupScope::Unknown,
        None => CgroupScope::Node,
        Some(_) if !is_one_pod || parts.contains(&HierarchyScope::Session) => CgroupScope::Unknown,
        Some(HierarchyScope::StaticPod(_)) => CgroupScope::StaticPod,
        Some(_) => CgroupScope::PodElsewhere,
    })
}

/// The UID of the static pod that it is in, by the first hierarchy that tells.
pub(super) fn static_pod(cgroup: &str) -> Option<&str> {
    let is_in_one = matches!(place(cgroup)?, CgroupScope::StaticPod | CgroupScope::PodElsewhere);
    let uid = |path| match part(path) {
        HierarchyScope::StaticPod(uid) | HierarchyScope::PodElsewhere(uid) => Some(uid),
        _ => None,
    };
    paths(cgroup).find_map(uid).filter(|_| is_in_one)
}

/// The kernel accepts no line end in the name of a cgroup.
pub(super) fn paths(cgroup: &str) -> impl Iterator<Item = &str> {
    cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2))
}

fn part(path: &str) -> HierarchyScope<'_> {
    // Seen from another namespace of cgroups it begins with `/..`.
    let parts: Vec<&str> = path.split('/').filter(|part| !["", ".."].contains(part)).collect();
    match parts[..] {
        [] | ["init.scope"] => HierarchyScope::System,
        // With libpam-cgfs.
        ["user", _, session] if session.bytes().all(|it| it.is_ascii_digit()) => {
            HierarchyScope::Session
        }
        ["user.slice", ..] => HierarchyScope::Session,
        _ => pod(&parts).unwrap_or_else(|| match &parts[..] {
            [slices @ .., unit] if are_slices(slices) && is_of_root(slices, unit) => {
                HierarchyScope::System
            }
            _ if parts.iter().any(|it| is_container(it)) => HierarchyScope::Container,
            _ => HierarchyScope::Unknown,
        }),
    }
}

fn are_slices(parts: &[&str]) -> bool {
    parts.iter().all(|it| it.ends_with(".slice"))
}

/// Only root makes units outside of `user.slice`. A service is meant that has no cgroups below its own, so that it
/// can have handed none out; of scopes only those of `systemd-run`, since a runtime's are its containers; and a slice
/// by itself is where a hierarchy of v1 ends that counts nothing for units.
fn is_of_root(slices: &[&str], unit: &str) -> bool {
    let is_run = unit.starts_with("run-") && unit.ends_with(".scope");
    unit.ends_with(".slice") || !slices.is_empty() && (is_run || unit.ends_with(".service"))
}

/// Services below which pods are found where the kubelet and the runtime disagree about who makes cgroups.
const RUNTIMES: [&str; 4] =
    ["containerd.service", "cri-docker.service", "crio.service", "docker.service"];

/// With cgroupfs the path is `/kubepods/burstable/podUID/CONTAINER`, with systemd
/// `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/…`, where `_` stands for `-`. Both may lie
/// below `kubelet`, as in nodes of kind.
///
/// `None` if it is in no pod.
fn pod<'a>(parts: &[&'a str]) -> Option<HierarchyScope<'a>> {
    let first = parts.iter().position(|part| part.contains("kubepods"))?;
    let (above, below) = parts.split_at(first);
    // Of pods within a pod, the outermost is the node's.
    let uid = below.iter().take(3).find_map(|part| uid(part))?;
    let is_kubelets = match above {
        [] | ["kubelet" | "kubelet.slice"] => true,
        ["system.slice", service] => RUNTIMES.contains(service),
        _ => false,
    };
    Some(match uid {
        _ if !is_kubelets && above.iter().any(|it| is_container(it)) => HierarchyScope::Container,
        uid if is_hash(uid) && is_kubelets => HierarchyScope::StaticPod(uid),
        uid if is_hash(uid) => HierarchyScope::PodElsewhere(uid),
        _ if is_kubelets => HierarchyScope::Container,
        _ => HierarchyScope::Unknown,
    })
}

fn uid(part: &str) -> Option<&str> {
    let name = part.split(['.', ':']).next()?;
    let uid = match name.rsplit_once("-pod") {
        Some((before, uid)) if before.contains("kubepods") => uid,
        _ => name.strip_prefix("pod")?,
    };
    (uid.len() >= 32).then_some(uid)
}

/// The UID of a static pod is a hash of its manifest, where that of any other is a UUID, which the API server
/// chooses (`pkg/kubelet/config/common.go`).
fn is_hash(uid: &str) -> bool {
    uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How runtimes name what they make: `/docker/ID`, `docker-ID.scope`, `lxc.payload.NAME`, `machine.slice`, and `k8s.io`
/// for pods of a kubelet with `cgroupsPerQOS: false`.
const CONTAINERS: [&str; 8] =
    ["cri-containerd", "crio", "docker", "k8s.io", "libpod", "lxc", "machine", "nerdctl"];

fn is_container(part: &str) -> bool {
    let is_of = |name| {
        let rest = part.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_']))
    };
    CONTAINERS.into_iter().any(is_of)
}
