//! What the components of a node say of its files: the flags that name one, and what for.
//!
//! Where a component says nothing, because its manifest cannot be read, kubeadm's layout is all there is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{self, KUBERNETES, Location};
use super::role::{self, CertificateKind, Role, custom};

/// The programs whose flags are known, as their processes are called.
pub(crate) const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
pub(crate) const ETCD: &str = "etcd";
pub(crate) const KUBELET: &str = "kubelet";

/// All of them.
pub(crate) const PROGRAMS: [&str; 5] = [API_SERVER, CONTROLLER_MANAGER, SCHEDULER, ETCD, KUBELET];

/// Flags that name a certificate or a kubeconfig, without dashes, and what it is where it is not in its place.
const FLAGS: [(&str, &str, &Role); 34] = [
    (API_SERVER, "tls-cert-file", &custom::APISERVER),
    (API_SERVER, "client-ca-file", &custom::CLIENT_CA),
    (API_SERVER, "etcd-cafile", &role::EXTERNAL_ETCD_CA),
    (API_SERVER, "etcd-certfile", &role::ETCD_CLIENT),
    (API_SERVER, "kubelet-client-certificate", &custom::APISERVER_KUBELET_CLIENT),
    (API_SERVER, "kubelet-certificate-authority", &custom::KUBELET_CA),
    (API_SERVER, "proxy-client-cert-file", &custom::FRONT_PROXY_CLIENT),
    (API_SERVER, "requestheader-client-ca-file", &custom::FRONT_PROXY_CA),
    (API_SERVER, "oidc-ca-file", &custom::OIDC_CA),
    (CONTROLLER_MANAGER, "kubeconfig", &custom::CONTROLLER_MANAGER_CONF),
    (CONTROLLER_MANAGER, "authentication-kubeconfig", &custom::CONTROLLER_MANAGER_CONF),
    (CONTROLLER_MANAGER, "authorization-kubeconfig", &custom::CONTROLLER_MANAGER_CONF),
    (CONTROLLER_MANAGER, "client-ca-file", &custom::CLIENT_CA),
    (CONTROLLER_MANAGER, "requestheader-client-ca-file", &custom::FRONT_PROXY_CA),
    (CONTROLLER_MANAGER, "cluster-signing-cert-file", &custom::SIGNING_CA),
    (CONTROLLER_MANAGER, "cluster-signing-kubelet-serving-cert-file", &custom::SIGNING_CA),
    (CONTROLLER_MANAGER, "cluster-signing-kubelet-client-cert-file", &custom::SIGNING_CA),
    (CONTROLLER_MANAGER, "cluster-signing-kube-apiserver-client-cert-file", &custom::SIGNING_CA),
    (CONTROLLER_MANAGER, "cluster-signing-legacy-unknown-cert-file", &custom::SIGNING_CA),
    (CONTROLLER_MANAGER, "root-ca-file", &custom::ROOT_CA),
    (CONTROLLER_MANAGER, "tls-cert-file", &custom::CONTROLLER_MANAGER),
    (SCHEDULER, "kubeconfig", &custom::SCHEDULER_CONF),
    (SCHEDULER, "authentication-kubeconfig", &custom::SCHEDULER_CONF),
    (SCHEDULER, "authorization-kubeconfig", &custom::SCHEDULER_CONF),
    (SCHEDULER, "client-ca-file", &custom::CLIENT_CA),
    (SCHEDULER, "requestheader-client-ca-file", &custom::FRONT_PROXY_CA),
    (SCHEDULER, "tls-cert-file", &custom::SCHEDULER),
    (ETCD, "cert-file", &custom::ETCD_SERVER),
    (ETCD, "trusted-ca-file", &custom::ETCD_CA),
    (ETCD, "peer-cert-file", &custom::ETCD_PEER),
    (ETCD, "peer-trusted-ca-file", &custom::ETCD_CA),
    (KUBELET, "kubeconfig", &role::KUBELET_CONF),
    (KUBELET, "tls-cert-file", &custom::KUBELET_SERVING),
    (KUBELET, "client-ca-file", &custom::KUBELET_CLIENT_CA),
];

/// Flags that name the key of a certificate; a CA's key may be kept elsewhere.
const KEY_FLAGS: [(&str, &str, &Role); 6] = [
    (API_SERVER, "tls-private-key-file", &custom::APISERVER),
    (API_SERVER, "etcd-keyfile", &role::ETCD_CLIENT),
    (API_SERVER, "kubelet-client-key", &custom::APISERVER_KUBELET_CLIENT),
    (API_SERVER, "proxy-client-key-file", &custom::FRONT_PROXY_CLIENT),
    (ETCD, "key-file", &custom::ETCD_SERVER),
    (ETCD, "peer-key-file", &custom::ETCD_PEER),
];

/// The flag for pairs that are presented to who asks for their names; it may be given several times.
pub(crate) const SNI_FLAG: &str = "tls-sni-cert-key";

/// What such a pair is.
const SNI_ROLES: [(&str, &Role); 4] = [
    (API_SERVER, &custom::APISERVER_SNI),
    (CONTROLLER_MANAGER, &custom::CONTROLLER_MANAGER),
    (SCHEDULER, &custom::SCHEDULER),
    (KUBELET, &custom::KUBELET_SERVING),
];

/// Where the file is that something names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NamedPlace {
    /// There, on the node.
    OnNode(PathBuf),
    /// Under this path in a container, and nowhere on the node.
    InContainer(PathBuf),
}

/// A file that a component needs, by its own words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reference {
    /// Where it is.
    pub place: NamedPlace,
    /// What it is, if its path does not say more.
    pub role: &'static Role,
    /// Who says so: `kube-apiserver --tls-cert-file`.
    pub named_by: Arc<str>,
    /// It is a key: whether it is there is all that is looked at.
    pub is_key: bool,
}

/// All that a node says of its files.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    /// The API server's certificates, if they are in neither of kubeadm's own directories.
    pub certificates_dir: Option<PathBuf>,
    /// Where the kubelet keeps its certificates, if that is not kubeadm's place.
    pub kubelet_pki: Option<PathBuf>,
    /// No etcd of this node is among the `--etcd-servers`.
    pub is_etcd_elsewhere: bool,
    all: Vec<Reference>,
    by_path: HashMap<PathBuf, usize>,
    mentioned: HashSet<PathBuf>,
    known: BTreeSet<&'static str>,
}

impl Reference {
    /// Its path, on the node or in its container.
    pub(crate) fn path(&self) -> &Path {
        match &self.place {
            NamedPlace::OnNode(path) | NamedPlace::InContainer(path) => path,
        }
    }
}

impl References {
    /// Takes the flags of `program`: `flag` has their values, and `place` says where a path of theirs is.
    pub(crate) fn take<'a>(
        &mut self,
        program: &str,
        flag: impl Fn(&str) -> Option<&'a str>,
        place: impl Fn(&Path) -> NamedPlace,
    ) {
        for (table, is_key) in [(&FLAGS[..], false), (&KEY_FLAGS[..], true)] {
            for (of, name, role) in table.iter().filter(|(of, ..)| *of == program) {
                let Some(path) = flag(name).map(Path::new).filter(|path| path.is_absolute()) else {
                    continue;
                };
                self.known.insert(of);
                let named_by = format!("{of} --{name}").into();
                self.add(Reference { place: place(path), role, named_by, is_key });
            }
        }
    }

    /// Takes the values of [`SNI_FLAG`]: each is `CERTIFICATE,KEY` or `CERTIFICATE,KEY:NAME,…`, or several of them with
    /// semicolons (component-base's cli/flag/namedcertkey_flag.go).
    pub(crate) fn take_sni<'a>(
        &mut self,
        program: &str,
        values: impl Iterator<Item = &'a str>,
        place: impl Fn(&Path) -> NamedPlace,
    ) {
        let Some((_, role)) = SNI_ROLES.iter().find(|(of, _)| *of == program) else { return };
        let named_by: Arc<str> = format!("{program} --{SNI_FLAG}").into();
        for pair in values.flat_map(|value| value.split(';')) {
            let files = pair.split_once(':').map_or(pair, |(files, _)| files);
            for (file, is_key) in files.splitn(2, ',').zip([false, true]) {
                let path = Path::new(file.trim());
                if path.is_absolute() {
                    self.add(Reference {
                        place: place(path),
                        role,
                        named_by: named_by.clone(),
                        is_key,
                    });
                }
            }
        }
    }

    /// Of several that name a file, the first counts.
    pub(crate) fn add(&mut self, reference: Reference) {
        self.by_path.entry(reference.path().to_owned()).or_insert(self.all.len());
        self.all.push(reference);
    }

    /// Something mentions this path, whatever for.
    pub(crate) fn mention(&mut self, path: PathBuf) {
        self.mentioned.insert(path);
    }

    /// All files that components need, in the order in which they were found.
    pub(crate) fn all(&self) -> &[Reference] {
        &self.all
    }

    /// What names `path`.
    pub(crate) fn of(&self, path: &Path) -> Option<&Reference> {
        self.by_path.get(path).map(|index| &self.all[*index])
    }

    /// All paths of the node that are named or mentioned.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let named = self.all.iter().map(Reference::path);
        named.chain(self.mentioned.iter().map(PathBuf::as_path))
    }

    /// True if this program was read, and named a file.
    pub(crate) fn knows(&self, program: &str) -> bool {
        self.known.contains(program)
    }

    /// The location of `path`: as kubeadm has it, or else as the component that names it says.
    pub(crate) fn locate(&self, path: &Path, reference: Option<&Reference>) -> Location {
        let location = layout::locate_in(path, self.certificates_dir.as_deref());
        if self.kubelet_pki.is_some() && path.parent() == self.kubelet_pki.as_deref() {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let role = layout::of_kubelet(name);
            if role != &role::OTHER {
                return Location { role, pki: self.pki(role) };
            }
        }
        let says_little = location.role == &role::OTHER || location.role == &role::USER_KUBECONFIG;
        match reference {
            Some(reference) if says_little => {
                let pki =
                    (reference.role.ca).and(location.pki).or_else(|| self.pki(reference.role));
                Location { role: reference.role, pki }
            }
            _ => location,
        }
    }

    /// The node's pki directory, for what its CA has signed.
    fn pki(&self, role: &Role) -> Option<PathBuf> {
        let pki = || Path::new(KUBERNETES).join(layout::PKI_NAMES[0]);
        role.ca.map(|_| self.certificates_dir.clone().unwrap_or_else(pki))
    }

    /// True for a file of the control plane's directories that nothing needs, if nothing points at it.
    pub(crate) fn is_left_over(&self, path: &Path) -> bool {
        let known = layout::as_known(path);
        let dirs = [Some(Path::new(KUBERNETES)), self.certificates_dir.as_deref()];
        if !dirs.into_iter().flatten().any(|dir| known.starts_with(dir)) || !self.knows(API_SERVER)
        {
            return false;
        }
        let role = layout::locate_in(path, self.certificates_dir.as_deref()).role;
        match role.kind {
            CertificateKind::File | CertificateKind::UserKubeconfig => true,
            // People use them, and kubeadm does.
            _ if ["admin.conf", "super-admin.conf", "kubelet.conf"].contains(&role.id) => false,
            CertificateKind::Ca if role.owner != ETCD => {
                let pki = known.parent();
                !self.all.iter().any(|it| pki.is_some_and(|pki| it.path().starts_with(pki)))
            }
            _ => self.is_told(path),
        }
    }

    /// True if the flags of the component that this file of kubeadm's is for are known: then it is needed if
    /// they name it, and only then.
    pub(crate) fn is_told(&self, path: &Path) -> bool {
        let role = layout::locate_in(path, self.certificates_dir.as_deref()).role;
        match role.owner {
            "cluster" | API_SERVER => self.knows(API_SERVER),
            "controller-manager" => self.knows(CONTROLLER_MANAGER),
            "scheduler" => self.knows(SCHEDULER),
            _ if role.id == "etcd-healthcheck-client" => {
                self.is_etcd_told() && !self.uses_dir_of(path)
            }
            ETCD => self.is_etcd_told(),
            KUBELET => self.all.iter().any(|it| it.role == &role::KUBELET_CONF),
            _ => false,
        }
    }

    fn is_etcd_told(&self) -> bool {
        self.knows(ETCD) || self.knows(API_SERVER) && self.is_etcd_elsewhere
    }

    /// True if etcd itself has files beside `path`: kubeadm looks after etcd with a certificate that no flag names.
    fn uses_dir_of(&self, path: &Path) -> bool {
        let known = layout::as_known(path);
        let dir = known.parent();
        let of_etcd = self.all.iter().filter(|it| it.named_by.starts_with("etcd "));
        of_etcd.map(Reference::path).any(|it| it.parent() == dir)
    }
}

/// The flags of a program that name files.
pub(crate) fn flags_of(program: &str) -> impl Iterator<Item = &'static str> {
    let all = FLAGS.iter().chain(&KEY_FLAGS);
    all.filter(move |(of, ..)| *of == program).map(|(_, flag, _)| *flag)
}

/// True if none of an API server's `--etcd-servers` is on its own node, whose address is `advertised`.
pub(crate) fn are_elsewhere(servers: &str, advertised: Option<&str>) -> bool {
    let host = |url: &str| {
        let rest = url.trim().split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    };
    let is_here = |host: &String| {
        let is_loopback = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        is_loopback || host == "localhost" || host.is_empty() || Some(host.as_str()) == advertised
    };
    let hosts: Vec<String> = servers.split(',').map(host).collect();
    !servers.trim().is_empty() && !hosts.iter().any(is_here)
}

#[cfg(test)]
mod tests;
