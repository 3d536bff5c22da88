//! Where certificates live, and what a path says about the certificate in it.
//!
//! A path is judged by its tail, so that the same rules hold for the node itself, for a backup of
//! it (`certwatch check /mnt/backup/etc/kubernetes`) and for kubespray's `ssl` directory.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::role::{self, CertificateKind, Role};
use super::text::escape_control;

/// Directories that hold kubeadm's pki below `/etc/kubernetes`; `ssl` is kubespray's name.
pub(crate) const PKI_NAMES: [&str; 2] = ["pki", "ssl"];

/// Where kubeadm keeps its files.
pub const KUBERNETES: &str = "/etc/kubernetes";

/// Where the manifests of static pods are below [`KUBERNETES`]: the kubelet's directory, and the one in which certwatch
/// has them for a moment, on the same file system and out of the kubelet's sight.
pub(crate) const MANIFEST_DIRS: [&str; 2] = ["manifests", ".certwatch-manifests"];

/// Where certwatch-renew.service shows kubeadm's files, by a `BindPaths=`: what it shows as
/// [`KUBERNETES`] is the copy that kubeadm works on.
pub(crate) const LIVE_IN_UNIT: &str = "/run/certwatch-renew/kubernetes";

/// Where the kubelet keeps its certificates.
pub(crate) const KUBELET_PKI: &str = "/var/lib/kubelet/pki";

/// The kubelet's links to its client and its serving certificate in use.
pub(crate) const KUBELET_CURRENT: [&str; 2] =
    ["kubelet-client-current.pem", "kubelet-server-current.pem"];

/// Root's kubeconfig.
pub(crate) const ROOT_KUBECONFIG: &str = "/root/.kube/config";

/// How a place of another distribution is searched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Search {
    /// Everything below it.
    Below,
    /// The files of the directory itself: below k3s's agent directory lie the images of all
    /// containers, with certificates that are nobody's business here.
    FilesOf,
    /// It is a file.
    One,
}

/// A place to watch for changes: a directory or a file, there or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Watched {
    /// Where it is.
    pub path: PathBuf,
    /// How much of it counts.
    pub search: Search,
    /// That it comes counts too; else it is watched only if it is there.
    pub is_awaited: bool,
    /// Named by a person, so that it has to stand back where too much hangs.
    pub is_named: bool,
}

/// Other distributions: their directories and kubeconfigs, and the role of what lies there.
///
/// Sources: docs.k3s.io and docs.rke2.io (certificates), docs.k0sproject.io, microk8s.io.
pub(crate) const DISTRIBUTIONS: [(&str, Search, &Role); 13] = [
    ("/var/lib/rancher/k3s/server/tls", Search::Below, &role::K3S),
    ("/var/lib/rancher/k3s/server/cred", Search::FilesOf, &role::K3S),
    ("/var/lib/rancher/k3s/agent", Search::FilesOf, &role::K3S),
    ("/etc/rancher/k3s/k3s.yaml", Search::One, &role::K3S),
    ("/var/lib/rancher/rke2/server/tls", Search::Below, &role::RKE2),
    ("/var/lib/rancher/rke2/server/cred", Search::FilesOf, &role::RKE2),
    ("/var/lib/rancher/rke2/agent", Search::FilesOf, &role::RKE2),
    ("/etc/rancher/rke2/rke2.yaml", Search::One, &role::RKE2),
    ("/var/lib/k0s/pki", Search::Below, &role::K0S),
    ("/var/lib/k0s/kubelet/pki", Search::FilesOf, &role::K0S),
    ("/var/lib/k0s/kubelet.conf", Search::One, &role::K0S),
    ("/var/snap/microk8s/current/certs", Search::FilesOf, &role::MICROK8S),
    ("/var/snap/microk8s/current/credentials", Search::FilesOf, &role::MICROK8S),
];

/// In which k3s and RKE2 keep the certificate of their own port.
pub(crate) const DYNAMIC_CERT: &str = "dynamic-cert.json";

/// Endings of certificates in a searched directory; a file that is named itself may have any.
const EXTENSIONS: [&str; 14] = [
    "cer",
    "cert",
    "crt",
    "der",
    "jceks",
    "jks",
    "keystore",
    "kubeconfig",
    "p12",
    "p7b",
    "p7c",
    "pem",
    "pfx",
    "truststore",
];

/// What a path says about the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    /// What the file is for.
    pub role: &'static Role,
    /// The pki directory whose CAs sign there, where the path tells.
    pub pki: Option<PathBuf>,
}

/// `path` as people know it: [`LIVE_IN_UNIT`] is seen by that unit alone.
pub(crate) fn as_known(path: &Path) -> PathBuf {
    match path.strip_prefix(LIVE_IN_UNIT) {
        // The directory itself; `join` would end it with a slash.
        Ok(below) if below.as_os_str().is_empty() => PathBuf::from(KUBERNETES),
        Ok(below) => Path::new(KUBERNETES).join(below),
        Err(_) => path.to_owned(),
    }
}

/// A path as it may be printed.
pub(crate) fn shown(path: &Path) -> String {
    escape_control(&as_known(path).to_string_lossy()).into_owned()
}

/// The name of the pki directory that a `certificatesDir` means, below /etc/kubernetes.
///
/// `None` for any other place, and for one that is written with `..`: where that leads is for nobody to guess.
pub(crate) fn kubeadm_pki(dir: &Path) -> Option<&'static str> {
    let name = certificates_dir(dir)?;
    PKI_NAMES.into_iter().find(|known| name == Path::new(known))
}

/// Where a `certificatesDir` is, as renewals name their files: below /etc/kubernetes, or absolute.
///
/// `None` for one that is relative or written with `..`, and for one that holds more than kubeadm's pki: /etc/kubernetes
/// itself, and what is above it.
pub fn certificates_dir(dir: &Path) -> Option<PathBuf> {
    // `//`, `/./` and a slash at the end are no components.
    let mut parts = dir.components();
    let is_plain = parts.next() == Some(Component::RootDir)
        && parts.all(
            |part| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().contains(&0)),
        );
    if !is_plain || Path::new(KUBERNETES).starts_with(dir) {
        return None;
    }
    Some(dir.strip_prefix(KUBERNETES).unwrap_or(dir).components().collect())
}

/// Where a file or directory is in a copy of the tree, such as the one that kubeadm works on: what is absolute lies
/// outside of /etc/kubernetes.
pub fn in_copy(tree: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(below) => tree.join("elsewhere").join(below),
        Err(_) => tree.join(path),
    }
}

/// The location of `path` on a node whose API server has its certificates in `certificates_dir`, where that is neither
/// of kubeadm's own: then a pki directory of kubeadm's own is a leftover that nobody uses.
pub(crate) fn locate_in(path: &Path, certificates_dir: Option<&Path>) -> Location {
    let Some(dir) = certificates_dir else { return locate(path) };
    if let Some(pki) = below(path, dir) {
        return in_pki_of(&pki, path);
    }
    let location = locate(path);
    let kubernetes = Path::new(KUBERNETES);
    let is_nodes = |pki: &PathBuf| as_known(pki).parent() == Some(kubernetes);
    match &location.pki {
        Some(pki) if is_nodes(pki) && path.starts_with(pki) => {
            Location { role: &role::OTHER, pki: None }
        }
        Some(pki) if is_nodes(pki) => Location { pki: Some(dir.to_owned()), ..location },
        _ => location,
    }
}

/// `dir` as it is above `path`, which may be seen below [`LIVE_IN_UNIT`].
fn below(path: &Path, dir: &Path) -> Option<PathBuf> {
    let known = as_known(path);
    let depth = known.strip_prefix(dir).ok()?.components().count();
    path.ancestors().nth(depth).map(Path::to_owned)
}

/// The location of `path`: an absolute path, or one relative to anywhere.
pub(crate) fn locate(path: &Path) -> Location {
    // Most of a large tree is none of these, and to walk up each of its paths would cost more than
    // to read the certificates.
    let text = path.to_string_lossy();
    if !["kube", "rancher", "k0s", "microk8s"].iter().any(|name| text.contains(name)) {
        return Location { role: &role::OTHER, pki: None };
    }
    in_pki(path)
        .or_else(|| in_kubernetes(path))
        .or_else(|| in_kubelet(path))
        .or_else(|| user_kubeconfig(path))
        .or_else(|| in_distribution(path))
        .unwrap_or(Location { role: &role::OTHER, pki: None })
}

/// `…/kubernetes/pki/**`: kubeadm's NAME is the path below pki with `/` turned into `-`.
fn in_pki(path: &Path) -> Option<Location> {
    let pki = path.ancestors().skip(1).find(|dir| {
        PKI_NAMES.iter().any(|name| dir.ends_with(Path::new("kubernetes").join(name)))
    })?;
    Some(in_pki_of(pki, path))
}

fn in_pki_of(pki: &Path, path: &Path) -> Location {
    let below = path.strip_prefix(pki).unwrap_or(path).with_extension("");
    let name = below.to_string_lossy().replace('/', "-");
    let is_pair = ["crt", "key"].iter().any(|end| path.extension().is_some_and(|it| it == *end));
    let known = if is_pair { role::kubeadm(&name) } else { None };
    Location { role: known.unwrap_or(&role::OTHER), pki: Some(pki.to_owned()) }
}

/// `…/kubernetes/*.conf`.
fn in_kubernetes(path: &Path) -> Option<Location> {
    let dir = path.parent().filter(|dir| dir.ends_with("kubernetes"))?;
    let role = match path.file_name()?.to_str()? {
        "kubelet.conf" => &role::KUBELET_CONF,
        name if name.ends_with(".conf") => role::kubeadm(name).unwrap_or(&role::USER_KUBECONFIG),
        _ => return None,
    };
    Some(Location { role, pki: Some(dir.join(PKI_NAMES[0])) })
}

/// `…/kubelet/pki/*`.
fn in_kubelet(path: &Path) -> Option<Location> {
    path.parent().filter(|dir| dir.ends_with("kubelet/pki"))?;
    Some(Location { role: of_kubelet(path.file_name()?.to_str()?), pki: node_pki(path) })
}

/// What a file is by its name, in the directory in which a kubelet keeps its certificates.
pub(crate) fn of_kubelet(name: &str) -> &'static Role {
    match name {
        "kubelet.crt" => &role::KUBELET_SERVING,
        name if name.starts_with("kubelet-client-") => &role::KUBELET_CLIENT,
        name if name.starts_with("kubelet-server-") => &role::KUBELET_SERVER,
        _ => &role::OTHER,
    }
}

/// `…/.kube/config`.
fn user_kubeconfig(path: &Path) -> Option<Location> {
    path.ends_with(".kube/config").then(|| Location {
        role: &role::USER_KUBECONFIG,
        pki: Some(Path::new(KUBERNETES).join(PKI_NAMES[0])),
    })
}

/// True for the kubeconfigs of the node's own components: `…/kubernetes/*.conf`.
pub(crate) fn is_node_kubeconfig(path: &Path) -> bool {
    in_kubernetes(path).is_some_and(|location| location.role != &role::USER_KUBECONFIG)
}

/// The directory that stands for `/etc/kubernetes`, for a file of its pki directory.
pub(crate) fn kubernetes_dir(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|dir| dir.ends_with("kubernetes"))
}

fn in_distribution(path: &Path) -> Option<Location> {
    let (_, _, role) = DISTRIBUTIONS.iter().find(|(dir, ..)| {
        let tail = Path::new(dir.trim_start_matches('/'));
        path.ancestors().any(|above| above.ends_with(tail))
    })?;
    Some(Location { role, pki: None })
}

/// The pki directory of the node that holds `path` below `…/var/lib/kubelet/pki`.
fn node_pki(path: &Path) -> Option<PathBuf> {
    let root =
        path.ancestors().find(|dir| dir.ends_with("var/lib/kubelet/pki"))?.ancestors().nth(4)?;
    Some(root.join("etc/kubernetes").join(PKI_NAMES[0]))
}

/// The files a control-plane node must have and has not, by what `has` says of a path: missing
/// while their neighbours exist.
///
/// `kubernetes` is the directory that stands for `/etc/kubernetes`, `pki` its pki directory. On a
/// worker nothing is missing; with an external etcd, etcd's own certificates are not; a CA's key
/// may be kept elsewhere.
pub fn missing(kubernetes: &Path, pki: &Path, has: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let any = |names: &[&str]| names.iter().any(|name| has(&pki.join(name).with_extension("crt")));
    let manifest = |name: &str| has(&kubernetes.join("manifests").join(name));

    let api = ["apiserver", "apiserver-kubelet-client", "front-proxy-client"];
    if !manifest("kube-apiserver.yaml") && !any(&api) {
        return Vec::new();
    }
    let etcd = ["etcd/server", "etcd/peer", "etcd/healthcheck-client"];
    let has_own_etcd = manifest("etcd.yaml") || any(&etcd);

    let mut cas = vec!["ca", "front-proxy-ca"];
    let mut pairs = api.to_vec();
    if has_own_etcd {
        cas.push("etcd/ca");
        pairs.push("apiserver-etcd-client");
        pairs.extend(etcd);
    }
    let file = |name: &str, extension: &str| pki.join(name).with_extension(extension);
    let mut wanted: Vec<PathBuf> = cas.iter().map(|name| file(name, "crt")).collect();
    // Of a pair that is gone as a whole the certificate tells.
    let half =
        |name: &&str| if has(&file(name, "crt")) { file(name, "key") } else { file(name, "crt") };
    wanted.extend(pairs.iter().map(half));
    // No component needs admin.conf, and some take it off the node on purpose.
    let confs = ["controller-manager.conf", "kubelet.conf", "scheduler.conf"]
        .map(|name| kubernetes.join(name));
    // A pki directory alone, as an external CA hands it over, lacks no kubeconfig.
    if manifest("kube-apiserver.yaml") || confs.iter().any(|conf| has(conf)) {
        wanted.extend(confs);
    }
    wanted.retain(|file| !has(file));
    wanted
}

/// True for a file of a searched directory that is worth reading: by its ending, or because the
/// layout of a node knows it.
pub(crate) fn is_certificate_name(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return true;
    }
    let role = locate(path).role;
    match role.kind {
        CertificateKind::UserKubeconfig => path.ends_with(".kube/config"),
        // Kubeconfigs of other distributions.
        CertificateKind::File => {
            role.id != role::OTHER.id
                && (["conf", "config"].contains(&extension) || path.ends_with(DYNAMIC_CERT))
        }
        _ => extension == "conf",
    }
}

/// True for a file of a small directory that is opened to see what it is: all but keys.
pub(crate) fn is_worth_a_look(path: &Path) -> bool {
    path.extension() != Some(OsStr::new("key"))
}

/// True for a file that is an older version of one that a link leads to, by `links`: each link and where it leads.
/// certbot's `live/www/cert.pem` leads to `archive/www/cert3.pem`, and beside that lie 1 and 2.
pub(crate) fn is_older_version(links: &[(&Path, PathBuf)], path: &Path) -> bool {
    let name = |path: &Path| -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let letters: String = name.chars().filter(|c| c.is_alphabetic()).collect();
        letters.replace("current", "").replace("latest", "")
    };
    let is_newer = |(link, target): &(&Path, PathBuf)| {
        target.parent() == path.parent() && name(target) == name(path) && name(link) == name(path)
    };
    links.iter().any(is_newer) && !links.iter().any(|(_, target)| target == path)
}

/// True for a file of the kubelet's pki directory that nothing points at: older rotated files
/// stay there for ever. `has_server_current` tells whether `kubelet-server-current.pem` is there.
pub(crate) fn is_kubelet_leftover(name: &str, has_server_current: bool) -> bool {
    let rotated =
        ["kubelet-client-", "kubelet-server-"].iter().any(|start| name.starts_with(start));
    if rotated && !name.ends_with("-current.pem") {
        return true;
    }
    // With serverTLSBootstrap the kubelet no longer serves the self-signed pair of its first start.
    name == "kubelet.crt" && has_server_current
}

/// `/a/b/../c` as `/a/c`, by the text alone: so client-go resolves the paths of a kubeconfig
/// (`filepath.Join`).
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            _ => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_unit_shows_elsewhere_keeps_its_name() {
        for (seen, known) in [
            ("/run/certwatch-renew/kubernetes", "/etc/kubernetes"),
            ("/run/certwatch-renew/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/ca.crt"),
            ("/run/certwatch-renew/kubernetes2", "/run/certwatch-renew/kubernetes2"),
            ("/root/.kube/config", "/root/.kube/config"),
        ] {
            assert_eq!(as_known(Path::new(seen)).as_os_str(), known);
        }
    }

    #[test]
    fn only_kubeadms_own_directories_are_its_pki() {
        for (dir, name) in [
            ("/etc/kubernetes/pki", Some("pki")),
            ("/etc/kubernetes/pki/", Some("pki")),
            ("//etc/./kubernetes//ssl/.", Some("ssl")),
            ("/etc/kubernetes/../../run/x", None),
            ("/etc/kubernetes/pki/..", None),
            ("/etc/kubernetes/pki/../../../run/pki", None),
            ("/etc/kubernetes/..pki", None),
            ("/etc/kubernetes/pki/etcd", None),
            ("/etc/kubernetes", None),
            ("/etc/kubernetes-evil/pki", None),
            ("etc/kubernetes/pki", None),
            ("/run/pki", None),
            ("/etc/kubernetes/pki\0/x", None),
            ("", None),
        ] {
            assert_eq!(kubeadm_pki(Path::new(dir)), name, "{dir}");
        }
    }

    #[test]
    fn a_certificates_dir_may_be_anywhere_but_around_kubernetes() {
        for (dir, named) in [
            ("/etc/kubernetes/pki", Some("pki")),
            ("/etc/kubernetes//certs/./x/", Some("certs/x")),
            ("/etc/k8s-certs", Some("/etc/k8s-certs")),
            ("//etc/k8s-certs/", Some("/etc/k8s-certs")),
            ("/etc/k8s-certs/../x", None),
            ("/etc/kubernetes/../../run/x", None),
            ("/etc/kubernetes/", None),
            ("/etc", None),
            ("/", None),
            ("k8s-certs", None),
            ("/srv/a\0b", None),
            ("", None),
        ] {
            let found = certificates_dir(Path::new(dir));
            assert_eq!(found.as_deref().map(Path::as_os_str), named.map(OsStr::new), "{dir}");
        }
    }

    #[test]
    fn where_the_certificates_are_elsewhere_kubeadms_own_directory_is_a_leftover() {
        let at = |path: &str, dir: &str| {
            let Location { role, pki } = locate_in(Path::new(path), Some(Path::new(dir)));
            (role.id, pki.map(|pki| pki.display().to_string()).unwrap_or_default())
        };
        for (path, dir, id, pki) in [
            ("/etc/k8s/apiserver.crt", "/etc/k8s", "apiserver", "/etc/k8s"),
            ("/etc/k8s/etcd/server.key", "/etc/k8s", "etcd-server", "/etc/k8s"),
            ("/etc/k8s/web.crt", "/etc/k8s", "other", "/etc/k8s"),
            ("/etc/k8s-2/ca.crt", "/etc/k8s", "other", ""),
            ("/etc/kubernetes/pki/ca.crt", "/etc/k8s", "other", ""),
            ("/mnt/etc/kubernetes/pki/ca.crt", "/etc/k8s", "ca", "/mnt/etc/kubernetes/pki"),
            ("/etc/kubernetes/admin.conf", "/etc/k8s", "admin.conf", "/etc/k8s"),
            ("/run/certwatch-renew/kubernetes/admin.conf", "/etc/k8s", "admin.conf", "/etc/k8s"),
            ("/var/lib/kubelet/pki/kubelet.crt", "/etc/k8s", "kubelet-serving", "/etc/k8s"),
            (
                "/run/certwatch-renew/kubernetes/certs/ca.crt",
                "/etc/kubernetes/certs",
                "ca",
                "/run/certwatch-renew/kubernetes/certs",
            ),
        ] {
            assert_eq!(at(path, dir), (id, pki.to_owned()), "{path}");
        }
    }

    #[test]
    fn paths_tell_their_role() {
        for (path, id) in [
            ("/etc/kubernetes/pki/apiserver.crt", "apiserver"),
            ("/etc/kubernetes/pki/etcd/server.crt", "etcd-server"),
            ("/etc/kubernetes/pki/etcd/ca.crt", "etcd-ca"),
            ("/etc/kubernetes/ssl/front-proxy-ca.crt", "front-proxy-ca"),
            ("/mnt/old/etc/kubernetes/pki/ca.crt", "ca"),
            ("/etc/kubernetes/pki/custom/web.crt", "other"),
            ("/etc/kubernetes/pki/ca.pem", "other"),
            ("/etc/kubernetes/super-admin.conf", "super-admin.conf"),
            ("/etc/kubernetes/kubelet.conf", "kubelet.conf"),
            ("/etc/kubernetes/team-a.conf", "user-kubeconfig"),
            ("/var/lib/kubelet/pki/kubelet.crt", "kubelet-serving"),
            ("/var/lib/kubelet/pki/kubelet-client-current.pem", "kubelet-client"),
            ("/root/.kube/config", "user-kubeconfig"),
            ("/var/lib/rancher/k3s/server/tls/etcd/client.crt", "k3s"),
            ("/srv/tls/web.pem", "other"),
        ] {
            assert_eq!(locate(Path::new(path)).role.id, id, "{path}");
        }
    }

    #[test]
    fn a_kubelet_below_another_root_belongs_to_that_root_s_pki() {
        let location = locate(Path::new("/mnt/n1/var/lib/kubelet/pki/kubelet-client-current.pem"));
        assert_eq!(location.pki.unwrap(), Path::new("/mnt/n1/etc/kubernetes/pki"));
    }

    /// What `/k` lacks if it holds these files.
    fn absent(present: &[&str]) -> Vec<String> {
        let kubernetes = Path::new("/k");
        let has = |path: &Path| present.iter().any(|name| kubernetes.join(name) == path);
        let paths = missing(kubernetes, &kubernetes.join("pki"), &has);
        paths
            .iter()
            .map(|path| path.strip_prefix(kubernetes).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn a_worker_lacks_nothing() {
        assert!(absent(&["pki/ca.crt", "kubelet.conf"]).is_empty());
    }

    const PAIRS: [&str; 7] = [
        "apiserver",
        "apiserver-kubelet-client",
        "front-proxy-client",
        "apiserver-etcd-client",
        "etcd/server",
        "etcd/peer",
        "etcd/healthcheck-client",
    ];

    #[test]
    fn a_control_plane_lacks_what_its_neighbours_need() {
        let halves = |name: &&str| [format!("pki/{name}.crt"), format!("pki/{name}.key")];
        let mut all: Vec<String> = PAIRS.iter().flat_map(halves).collect();
        let others = ["pki/ca.crt", "pki/front-proxy-ca.crt", "pki/etcd/ca.crt"];
        all.extend(others.map(str::to_owned));
        all.extend(
            ["controller-manager.conf", "kubelet.conf", "scheduler.conf"].map(str::to_owned),
        );
        let without = |gone: &str| {
            let rest: Vec<&str> =
                all.iter().map(String::as_str).filter(|name| *name != gone).collect();
            absent(&rest)
        };
        assert!(without("").is_empty());
        for gone in &all {
            assert_eq!(without(gone), [gone.as_str()]);
        }
    }

    #[test]
    fn an_external_etcd_keeps_its_certificates_elsewhere() {
        let lacking = absent(&["pki/ca.crt", "pki/apiserver.crt", "manifests/kube-apiserver.yaml"]);
        assert!(!lacking.iter().any(|name| name.contains("etcd")), "{lacking:?}");
        assert!(lacking.contains(&"scheduler.conf".to_owned()));
        assert!(lacking.contains(&"pki/apiserver.key".to_owned()));
    }

    #[test]
    fn what_stands_beside_the_end_of_a_link_is_older() {
        let is = |link: &str, target: &str, path: &str| {
            is_older_version(&[(Path::new(link), PathBuf::from(target))], Path::new(path))
        };
        let (link, target) = ("/l/live/www/cert.pem", "/l/archive/www/cert3.pem");
        assert!(is(link, target, "/l/archive/www/cert1.pem"));
        assert!(!is(link, target, target));
        assert!(!is(link, target, "/l/archive/www/chain1.pem"));
        assert!(!is(link, target, "/l/archive/ftp/cert1.pem"));
        assert!(is("/a/web-current.pem", "/a/web-2026-01-01.pem", "/a/web-2025-01-01.pem"));
        // Two that are numbered may both be in use.
        assert!(!is("/a/default.pem", "/a/web2.pem", "/a/web1.pem"));
    }

    #[test]
    fn rotated_files_are_leftovers() {
        assert!(is_kubelet_leftover("kubelet-client-2025-01-01-00-00-00.pem", false));
        assert!(!is_kubelet_leftover("kubelet-client-current.pem", true));
        assert!(is_kubelet_leftover("kubelet.crt", true));
        assert!(!is_kubelet_leftover("kubelet.crt", false));
    }
}
