//! What this node says of its files: the manifests of static pods, the programs that run, the kubelet's files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::domain::kubernetes::Version;
use crate::domain::layout::{
    self, KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, LIVE_IN_UNIT, Location, MANIFEST_DIRS, lexical,
};
use crate::domain::reference::{self, API_SERVER, ETCD, NamedPlace, Reference, References};
use crate::domain::role::{self, CertificateKind, custom};
use crate::domain::text;
use crate::parse::etcd;
use crate::parse::kubeconfig::{self, PemSource};
use crate::parse::kubelet as kubelet_files;
use crate::parse::manifest::{self, StaticPod};

use super::host::{Host, Identity};
use super::kubelet;
use super::programs::processes;
use super::walk::{FileState, FoundFile, is_meant_by};

/// Where RKE2 has the manifests of its static pods.
const RKE2_MANIFESTS: &str = "/var/lib/rancher/rke2/agent/pod-manifests";

/// Most files of a directory of manifests that are read.
const MOST_MANIFESTS: usize = 100;

/// The kubelet's configuration; kubeadm writes the second from 1.34 on, which has the last word.
const KUBELET_CONFIGS: [&str; 2] =
    ["/var/lib/kubelet/instance-config.yaml", "/var/lib/kubelet/config.yaml"];

/// The kubeconfigs of kubelets: kubeadm's, and k0s'.
const KUBELET_CONFS: [&str; 2] = ["/etc/kubernetes/kubelet.conf", "/var/lib/k0s/kubelet.conf"];

/// Where the variables of an etcd are that systemd runs: kubespray's, Debian's and Red Hat's.
const ETCD_ENVS: [&str; 3] = ["/etc/etcd.env", "/etc/default/etcd", "/etc/etcd/etcd.conf"];

/// Where its configuration file is, by its documentation and packages; nothing else says so if systemd starts it with a flag.
const ETCD_CONFIGS: [&str; 2] = ["/etc/etcd/etcd.conf.yml", "/etc/etcd/etcd.conf.yaml"];

/// Endings of settings that may name further files; no key is read for that.
const SETTINGS: [&str; 5] = ["conf", "json", "kubeconfig", "yaml", "yml"];

/// All of it, and which files of the node are meant.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeReferences {
    pub(super) named: References,
    /// This node's API server, if its manifest can be read.
    pub(super) api_server: Option<StaticPod>,
    /// The version of Kubernetes: the API server's, or that of another component.
    pub(super) version: Option<Version>,
    /// What a person named: judged as what it is, whoever uses it.
    pub(super) asked_for: Vec<String>,
    /// The files behind the paths: a link leads to the same file under another name.
    files: HashMap<Identity, PathBuf>,
}

impl NodeReferences {
    /// The location of `path` on this node.
    pub(super) fn locate(&self, host: &Host, path: &Path) -> Location {
        self.named.locate(path, self.reference(host, path))
    }

    /// What names the file at `path`.
    pub(super) fn reference(&self, host: &Host, path: &Path) -> Option<&Reference> {
        let known = layout::as_known(path);
        self.named.of(&known).or_else(|| self.named.of(self.alias(host, path)?))
    }

    /// True for a file of the control plane's directories that nothing on this node points at.
    pub(super) fn is_left_over(&self, host: &Host, found: &FoundFile) -> bool {
        let path = &found.path;
        if found.is_older && !found.is_named {
            return true;
        }
        let is_asked_for = || self.asked_for.iter().any(|place| is_meant_by(place, path));
        if found.is_named || matches!(found.state, FileState::Problem(_)) || is_asked_for() {
            return false;
        }
        // A person's own kubeconfig is named by nobody; an old copy of admin.conf is told by what is in it.
        if layout::locate(path).role.kind == CertificateKind::UserKubeconfig {
            return false;
        }
        let known = layout::as_known(path);
        self.named.is_left_over(path)
            && !self.named.paths().any(|it| it == known)
            && self.alias(host, path).is_none()
    }

    /// The name under which something points at the file at `path`. Only where links are usual: a look at each of
    /// very many files would take long.
    fn alias(&self, host: &Host, path: &Path) -> Option<&Path> {
        let dirs = [Some(Path::new(KUBERNETES)), self.named.certificates_dir.as_deref()];
        let known = layout::as_known(path);
        dirs.into_iter().flatten().find(|dir| known.starts_with(dir))?;
        self.files.get(&host.identity(path)?).map(PathBuf::as_path)
    }
}

/// Where nothing can be read, all is as kubeadm has it.
pub(super) fn node_references(host: &Host) -> NodeReferences {
    let mut found = NodeReferences::default();
    let kubelet = kubelet::flags(host);
    let configs: Vec<Vec<u8>> =
        KUBELET_CONFIGS.iter().filter_map(|path| host.read(Path::new(path), false).ok()).collect();
    let mut pods = static_pods(host, &configs);
    let has_pod =
        |pods: &[StaticPod], name: &str| pods.iter().any(|pod| pod.program() == Some(name));
    let of_node =
        processes(host).into_iter().filter(|it| !has_pod(&pods, it.program().unwrap_or_default()));
    pods.extend(of_node.collect::<Vec<_>>());
    found.api_server = pods.iter().find(|pod| pod.program() == Some(API_SERVER)).cloned();
    // The API server's own words come first.
    pods.sort_by_key(|pod| pod.program() != Some(API_SERVER));
    found.version = pods.iter().filter(|pod| is_of_kubernetes(pod)).find_map(|pod| pod.version);
    if let Some(pod) = &found.api_server {
        take_api_server(&mut found.named, pod);
    }
    for pod in &pods {
        take_pod(host, &mut found.named, pod);
    }
    take_etcd(host, &mut found.named);
    take_kubelet(host, &mut found.named, &kubelet, &configs);
    mention_settings(host, &mut found.named);
    found.files = files(host, &found.named);
    found
}

fn is_of_kubernetes(pod: &StaticPod) -> bool {
    pod.program().is_some_and(|program| program.starts_with("kube-"))
}

fn take_api_server(named: &mut References, pod: &StaticPod) {
    let dir = pod.certificates_dir().filter(|dir| layout::kubeadm_pki(dir).is_none());
    let dir = dir.and_then(|dir| layout::certificates_dir(&dir));
    named.certificates_dir = dir.map(|dir| Path::new(KUBERNETES).join(dir));
    let servers = pod.flag("etcd-servers").unwrap_or_default();
    named.is_etcd_elsewhere = reference::are_elsewhere(servers, pod.flag("advertise-address"));
}

fn take_pod(host: &Host, named: &mut References, pod: &StaticPod) {
    let place = |path: &Path| match pod.host_path(path) {
        Some(path) => NamedPlace::OnNode(lexical(&path)),
        None => NamedPlace::InContainer(lexical(path)),
    };
    let program = pod.program().unwrap_or_default();
    let file = pod.flag("config-file").filter(|_| program == ETCD);
    let path = file.and_then(|file| pod.host_path(Path::new(file)));
    match path.and_then(|path| host.read(&path, false).ok()).map(|it| etcd::flags(&it)) {
        Some(flags) => named.take(ETCD, |flag| flags.get(flag).map(String::as_str), place),
        None => named.take(program, |flag| pod.flag(flag), place),
    }
    named.take_sni(program, pod.flags(reference::SNI_FLAG), place);
    pod.mentioned().for_each(|path| named.mention(lexical(&path)));
}

/// All containers of the static pods of this node.
fn static_pods(host: &Host, kubelet_configs: &[Vec<u8>]) -> Vec<StaticPod> {
    // certwatch-renew.service shows the first without manifests.
    let kubernetes = [KUBERNETES, LIVE_IN_UNIT].into_iter().map(Path::new);
    let mut dirs: Vec<PathBuf> =
        kubernetes.flat_map(|dir| MANIFEST_DIRS.map(|name| dir.join(name))).collect();
    let configured = kubelet_configs.iter().find_map(|it| kubelet_files::files(it).static_pod_path);
    dirs.extend(configured.filter(|dir| dir.is_absolute()));
    dirs.push(RKE2_MANIFESTS.into());
    let mut seen = HashSet::new();
    dirs.retain(|dir| seen.insert(host.identity(dir)));
    let mut pods = Vec::new();
    for dir in dirs {
        let entries = host.list(&dir).unwrap_or_default();
        // The kubelet passes over hidden files as well.
        let shown = entries.iter().filter(|entry| !entry.name.as_encoded_bytes().starts_with(b"."));
        for entry in shown.take(MOST_MANIFESTS) {
            let bytes = host.read(&dir.join(&entry.name), false);
            pods.extend(bytes.map(|bytes| manifest::containers(&bytes)).unwrap_or_default());
        }
    }
    pods
}

/// An etcd that systemd runs may have its settings in a file, or in variables: `ETCD_CERT_FILE` for `--cert-file`.
fn take_etcd(host: &Host, named: &mut References) {
    if named.knows(ETCD) || named.is_etcd_elsewhere {
        return;
    }
    let read = |path: &str| host.read(Path::new(path), false).ok();
    let env = ETCD_ENVS.iter().find_map(|path| read(path)).unwrap_or_default();
    let env = String::from_utf8_lossy(&env);
    let variable = |flag: &str| {
        let name = format!("ETCD_{}", flag.replace('-', "_").to_uppercase());
        let value = |line: &'_ str| {
            let (key, value) = line.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches(['"', '\'']).to_owned())
        };
        env.lines().rev().find_map(value)
    };
    let of_variables = || -> HashMap<&str, String> {
        reference::flags_of(ETCD).filter_map(|flag| Some((flag, variable(flag)?))).collect()
    };
    let of_file = |path: &str| read(path).map(|file| etcd::flags(&file));
    let flags = variable("config-file").and_then(|path| of_file(&path));
    let flags = flags.or_else(|| Some(of_variables()).filter(|flags| !flags.is_empty()));
    let flags = flags.or_else(|| ETCD_CONFIGS.into_iter().find_map(of_file)).unwrap_or_default();
    let place = |path: &Path| NamedPlace::OnNode(lexical(path));
    named.take(ETCD, |flag| flags.get(flag).map(String::as_str), place);
}

fn take_kubelet(host: &Host, named: &mut References, kubelet: &StaticPod, configs: &[Vec<u8>]) {
    take_pod(host, named, kubelet);
    let mut add = |path: Option<PathBuf>, role, field: &str| {
        let named_by = format!("kubelet {field}").into();
        if let Some(path) = path.filter(|path| path.is_absolute()) {
            let place = NamedPlace::OnNode(lexical(&path));
            named.add(Reference { place, role, named_by, is_key: false });
        }
    };
    for files in configs.iter().map(|config| kubelet_files::files(config)) {
        add(files.tls_cert_file, &custom::KUBELET_SERVING, "tlsCertFile");
        add(files.client_ca_file, &custom::KUBELET_CLIENT_CA, "clientCAFile");
    }
    let of_flag = kubelet.flag("kubeconfig").map(Path::new);
    let confs = of_flag.into_iter().chain(KUBELET_CONFS.map(Path::new));
    let client = confs.filter_map(|conf| kubelet_client(host, conf)).next();
    let root = kubelet.flag("root-dir").map(|dir| Path::new(dir).join("pki"));
    let dir = kubelet.flag("cert-dir").map(PathBuf::from).or(root);
    let is_current = |path: &&PathBuf| path.ends_with(KUBELET_CURRENT[0]);
    let of_client = || client.as_ref().filter(is_current)?.parent().map(Path::to_owned);
    named.kubelet_pki =
        dir.or_else(of_client).filter(|dir| dir.is_absolute() && dir != Path::new(KUBELET_PKI));
    if let Some(path) = client {
        let role = if is_current(&&path) { &role::KUBELET_CLIENT } else { &role::KUBELET_CONF };
        let named_by = "kubelet.conf client-certificate".into();
        named.add(Reference { place: NamedPlace::OnNode(path), role, named_by, is_key: false });
    }
}

/// The client certificate that a kubelet.conf names.
fn kubelet_client(host: &Host, conf: &Path) -> Option<PathBuf> {
    let config = kubeconfig::read(&host.read(conf, false).ok()?).ok()?;
    config.users.into_iter().find_map(|user| match user.certificate {
        PemSource::File(path) => Some(lexical(&conf.parent().unwrap_or(conf).join(path))),
        PemSource::Inline(_) => None,
    })
}

/// What the settings say that are named, and the kubeconfigs beside them: a kubeconfig, an egress
/// configuration or one for admission may name further files.
fn mention_settings(host: &Host, named: &mut References) {
    let is_setting = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| SETTINGS.contains(&extension))
    };
    let confs = host.list(Path::new(KUBERNETES)).unwrap_or_default();
    let beside = confs.iter().map(|entry| Path::new(KUBERNETES).join(&entry.name));
    let mut settings: Vec<PathBuf> = beside.chain(named.paths().map(Path::to_owned)).collect();
    settings.retain(|path| is_setting(path));
    settings.sort();
    settings.dedup();
    for setting in settings.iter().take(MOST_MANIFESTS) {
        let Ok(bytes) = host.read(setting, false) else { continue };
        let (bytes, dir) = (String::from_utf8_lossy(&bytes), setting.parent().unwrap_or(setting));
        text::absolute_paths(&bytes).for_each(|path| named.mention(lexical(Path::new(path))));
        for path in relative_files(bytes.as_bytes()) {
            named.mention(lexical(&dir.join(path)));
        }
    }
}

/// The files that a kubeconfig names, as it writes them.
fn relative_files(bytes: &[u8]) -> Vec<PathBuf> {
    let Ok(config) = kubeconfig::read(bytes) else { return Vec::new() };
    let sources = config.users.into_iter().map(|user| user.certificate);
    let sources = sources.chain(config.clusters.into_iter().map(|cluster| cluster.ca));
    let file = |source| match source {
        PemSource::File(path) => Some(path),
        PemSource::Inline(_) => None,
    };
    sources.filter_map(file).collect()
}

/// The files behind all paths. In certwatch-renew.service, those of kubeadm are shown elsewhere as well.
fn files(host: &Host, named: &References) -> HashMap<Identity, PathBuf> {
    let mut files = HashMap::new();
    for path in named.paths() {
        let live = path.strip_prefix(KUBERNETES).map(|below| Path::new(LIVE_IN_UNIT).join(below));
        for seen in [Some(path.to_owned()), live.ok()].into_iter().flatten() {
            if let Some(identity) = host.identity(&seen) {
                files.entry(identity).or_insert_with(|| path.to_owned());
            }
        }
    }
    files
}
