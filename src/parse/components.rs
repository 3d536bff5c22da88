//! What manifests and kubeconfigs say of the components of their node: which file signs, and by which
//! names its servers are reached.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::kubelet_settings::{self, KubeletSources};
use super::manifest::{self, StaticPod};
use super::yaml;
use crate::domain::model::{Components, ServerName};

/// The flags that name a CA to sign with; the first is the default of the others.
const SIGNING_FLAGS: [&str; 5] = [
    "cluster-signing-cert-file",
    "cluster-signing-kube-apiserver-client-cert-file",
    "cluster-signing-kubelet-client-cert-file",
    "cluster-signing-kubelet-serving-cert-file",
    "cluster-signing-legacy-unknown-cert-file",
];

/// The files of a node, as far as they are there.
#[derive(Debug, Default)]
pub(crate) struct ComponentFiles {
    /// The manifest of kube-apiserver.
    pub api_server: Option<Vec<u8>>,
    /// That of kube-controller-manager.
    pub controller_manager: Option<Vec<u8>>,
    /// That of etcd.
    pub etcd: Option<Vec<u8>>,
    /// The kubeconfigs of components and administrators.
    pub kubeconfigs: Vec<(PathBuf, Vec<u8>)>,
    /// What the kubelet is started with.
    pub kubelet: KubeletSources,
    /// Its kubeconfig.
    pub kubelet_conf: Option<Vec<u8>>,
}

/// What these files say together; `has` says whether there is a file.
pub(crate) fn read(files: &ComponentFiles, has: &dyn Fn(&Path) -> bool) -> Components {
    let pod = |manifest: &Option<Vec<u8>>| manifest::read(manifest.as_deref()?);
    let api_server = pod(&files.api_server);
    let mut server_names = Vec::new();
    if let Some(pod) = &api_server {
        server_names.extend(of_api_server(pod, &files.kubeconfigs));
    }
    if let Some(etcd) = pod(&files.etcd) {
        server_names.extend(of_etcd(&etcd, api_server.as_ref()));
    }
    let signing = pod(&files.controller_manager).map(|pod| signing_files(&pod, has));
    Components {
        version: api_server.and_then(|pod| pod.version),
        signing_files: signing.unwrap_or_default(),
        server_names,
        kubelet: kubelet_settings::settings(&files.kubelet, files.kubelet_conf.as_deref()),
    }
}

/// Without its key, nothing is signed, and the file is a bundle like any other.
fn signing_files(pod: &StaticPod, has: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let key = |flag: &str, certificate: &Path| {
        let own = file(pod, &flag.replace("-cert-file", "-key-file"));
        own.unwrap_or_else(|| certificate.with_extension("key"))
    };
    let signing = |flag: &&str| file(pod, flag).filter(|it| has(&key(flag, it)));
    SIGNING_FLAGS.iter().filter_map(signing).collect()
}

/// A file that a flag names, on the host.
fn file(pod: &StaticPod, flag: &str) -> Option<PathBuf> {
    Some(pod.on_host(Path::new(pod.flag(flag)?))).filter(|path| path.is_absolute())
}

/// The kubeconfigs dial it; a cluster reaches it by its address and its service's.
fn of_api_server(pod: &StaticPod, kubeconfigs: &[(PathBuf, Vec<u8>)]) -> Vec<ServerName> {
    let Some(certificate) = file(pod, "tls-cert-file") else { return Vec::new() };
    // It may have another certificate for some names.
    if pod.flag("tls-sni-cert-key").is_some() {
        return Vec::new();
    }
    let name = |host: String, by: String, is_dialed| ServerName {
        certificate: certificate.clone(),
        host,
        by,
        is_dialed,
    };
    let dialed = kubeconfigs.iter().filter_map(|(path, text)| {
        Some(name(server_name(text)?, path.to_string_lossy().into_owned(), true))
    });
    let mut server_names: Vec<ServerName> = dialed.collect();
    let address = pod.flag("advertise-address").filter(|it| is_specific(it));
    server_names.extend(address.map(|it| name(it.into(), "--advertise-address".into(), false)));
    if let Some(range) = pod.flag("service-cluster-ip-range") {
        let by = "the service kubernetes";
        server_names.extend(first_of(range).map(|it| name(it, by.into(), false)));
        server_names.push(name("kubernetes.default.svc".into(), by.into(), false));
    }
    server_names
}

/// Only what is no loopback address: whether etcd itself or its gRPC proxy, with a certificate of its own, listens
/// there is not in its manifest.
fn of_etcd(pod: &StaticPod, api_server: Option<&StaticPod>) -> Vec<ServerName> {
    let is_remote = |host: &String| {
        is_specific(host)
            && host.parse::<IpAddr>().map_or(host != "localhost", |it| !it.is_loopback())
    };
    let urls = |pod: &StaticPod, flag: &str| -> Vec<String> {
        let urls = pod.flag(flag).unwrap_or_default().split(',').filter_map(host_of);
        urls.filter(is_remote).collect()
    };
    let own = urls(pod, "advertise-client-urls");
    let mut server_names = Vec::new();
    if let Some(certificate) = file(pod, "cert-file") {
        let name = |host: String, by: &str, is_dialed| ServerName {
            certificate: certificate.clone(),
            host,
            by: by.to_owned(),
            is_dialed,
        };
        let dialed = api_server.map(|pod| urls(pod, "etcd-servers")).unwrap_or_default();
        let dialed = dialed.into_iter().filter(|host| own.contains(host));
        server_names.extend(dialed.map(|host| name(host, "kube-apiserver", true)));
        let advertised = own.iter().cloned();
        server_names.extend(advertised.map(|host| name(host, "--advertise-client-urls", false)));
    }
    if let Some(certificate) = file(pod, "peer-cert-file") {
        let peers = urls(pod, "initial-advertise-peer-urls").into_iter();
        server_names.extend(peers.map(|host| ServerName {
            certificate: certificate.clone(),
            host,
            by: "--initial-advertise-peer-urls".to_owned(),
            is_dialed: false,
        }));
    }
    server_names
}

/// An address of a host, and not of all or none.
fn is_specific(host: &str) -> bool {
    !host.is_empty() && host.parse::<IpAddr>().map_or(true, |it| !it.is_unspecified())
}

/// The first address of the first range of services, which is that of `kubernetes`.
fn first_of(ranges: &str) -> Option<String> {
    let network = ranges.split(',').next()?.split('/').next()?;
    Some(match network.trim().parse().ok()? {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address).checked_add(1)?).into()).to_string(),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address).checked_add(1)?).into()).to_string(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ServersYaml {
    current_context: Option<String>,
    contexts: Option<Vec<NamedContextYaml>>,
    clusters: Option<Vec<NamedServerYaml>>,
}

#[derive(Deserialize)]
struct NamedContextYaml {
    name: Option<String>,
    context: Option<ContextYaml>,
}

#[derive(Deserialize)]
struct ContextYaml {
    cluster: Option<String>,
}

#[derive(Deserialize)]
struct NamedServerYaml {
    name: Option<String>,
    cluster: Option<ServerYaml>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ServerYaml {
    server: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
}

/// The name that the user of this kubeconfig expects in the server's certificate; none if it expects none.
fn server_name(kubeconfig: &[u8]) -> Option<String> {
    let file: ServersYaml = yaml::read(kubeconfig).ok()?;
    let contexts = file.contexts.unwrap_or_default();
    let current = contexts.into_iter().find(|it| it.name == file.current_context)?.context?.cluster;
    let cluster = file.clusters?.into_iter().find(|it| it.name == current)?.cluster?;
    if cluster.insecure_skip_tls_verify == Some(true) {
        return None;
    }
    let host = host_of(cluster.server.as_deref()?)?;
    Some(cluster.tls_server_name.filter(|name| !name.is_empty()).unwrap_or(host))
}

/// The host of an https URL, an address of IPv6 without its brackets.
fn host_of(url: &str) -> Option<String> {
    let rest = url.trim().strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host() {
        for (url, host) in [
            ("https://10.0.0.1:6443", Some("10.0.0.1")),
            ("https://[fd00::1]:6443/path", Some("fd00::1")),
            ("https://me:pw@cp1.example.com", Some("cp1.example.com")),
            ("http://10.0.0.1", None),
            ("https://:6443", None),
            ("cp1:6443", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn the_service_has_the_first_address_of_its_range() {
        assert_eq!(first_of("10.96.0.0/12,fd00::/108").as_deref(), Some("10.96.0.1"));
        assert_eq!(first_of("fd00::/108").as_deref(), Some("fd00::1"));
        assert_eq!(first_of("255.255.255.255/32"), None);
        assert_eq!(first_of("x"), None);
    }

    #[test]
    fn a_kubeconfig_expects_the_name_that_it_says() {
        let config = |more: &str| {
            format!(
                "current-context: a\ncontexts: [{{name: a, context: {{cluster: c}}}}]\nclusters:\n\
                 - {{name: b, cluster: {{server: 'https://other'}}}}\n\
                 - {{name: c, cluster: {{server: 'https://cp1:6443'{more}}}}}\n"
            )
        };
        let name = |more: &str| server_name(config(more).as_bytes());
        assert_eq!(name("").as_deref(), Some("cp1"));
        assert_eq!(name(", tls-server-name: ''").as_deref(), Some("cp1"));
        assert_eq!(name(", tls-server-name: kubernetes").as_deref(), Some("kubernetes"));
        assert_eq!(name(", insecure-skip-tls-verify: true"), None);
        assert_eq!(server_name(b"clusters: []"), None);
    }

    fn pod(command: &str) -> Option<Vec<u8>> {
        let text =
            format!("spec:\n  containers:\n  - image: x/y:v1.34.1\n    command: [{command}]\n");
        Some(text.into_bytes())
    }

    #[test]
    fn the_files_that_sign_are_named_by_flags() {
        let read = |command: &str| {
            let controller_manager = pod(command);
            let files = ComponentFiles { controller_manager, ..Default::default() };
            super::read(&files, &|key| key != Path::new("/c.key")).signing_files
        };
        assert_eq!(
            read("kube-controller-manager, --root-ca-file=/pki/ca.crt"),
            Vec::<PathBuf>::new()
        );
        assert_eq!(
            read(
                "kube-controller-manager, --cluster-signing-cert-file=/a, --cluster-signing-legacy-unknown-cert-file, /b, \
                 --cluster-signing-kubelet-client-cert-file=/c.crt"
            ),
            [PathBuf::from("/a"), PathBuf::from("/b")]
        );
    }

    #[test]
    fn endpoints_come_from_flags_and_kubeconfigs() {
        let files = ComponentFiles {
            api_server: pod(
                "kube-apiserver, --tls-cert-file=/pki/a.crt, --advertise-address=10.0.0.1, --service-cluster-ip-range=10.96.0.0/12, \
                 '--etcd-servers=https://127.0.0.1:2379,https://10.0.0.1:2379,https://10.0.0.9:2379'",
            ),
            etcd: pod(
                "etcd, --cert-file=/pki/s.crt, --peer-cert-file=/pki/p.crt, --advertise-client-urls=https://10.0.0.1:2379, \
                 --initial-advertise-peer-urls=https://10.0.0.1:2380",
            ),
            ..Default::default()
        };
        let read = super::read(&files, &|_| true);
        let shown: Vec<_> = read
            .server_names
            .iter()
            .map(|it| (it.certificate.to_str().unwrap(), &*it.host, it.is_dialed))
            .collect();
        assert_eq!(
            shown,
            [
                ("/pki/a.crt", "10.0.0.1", false),
                ("/pki/a.crt", "10.96.0.1", false),
                ("/pki/a.crt", "kubernetes.default.svc", false),
                ("/pki/s.crt", "10.0.0.1", true),
                ("/pki/s.crt", "10.0.0.1", false),
                ("/pki/p.crt", "10.0.0.1", false),
            ]
        );
        assert_eq!(read.version.unwrap().minor, 34);
        assert_eq!(super::read(&ComponentFiles::default(), &|_| true), Components::default());
    }
}
