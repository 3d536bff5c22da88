//! What the kubelet's files say of where it answers, and which runtime it uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::layout::KUBELET_CURRENT;

use super::yaml;

/// The kubelet's default for `healthzPort`.
const HEALTHZ_PORT: u16 = 10248;

/// The kubelet's default for `port`.
const PORT: u16 = 10250;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KubeletConfiguration {
    static_pod_path: Option<PathBuf>,
    tls_cert_file: Option<PathBuf>,
    #[serde(rename = "serverTLSBootstrap")]
    server_tls_bootstrap: Option<bool>,
    port: Option<u16>,
    address: Option<String>,
    authentication: Option<Authentication>,
    healthz_port: Option<u16>,
    healthz_bind_address: Option<IpAddr>,
    container_runtime_endpoint: Option<String>,
}

#[derive(Default, Deserialize)]
struct Authentication {
    x509: Option<X509Authentication>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct X509Authentication {
    #[serde(rename = "clientCAFile")]
    client_ca_file: Option<PathBuf>,
}

/// The files that the kubelet's configuration names, by the name of each field.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct KubeletFiles {
    /// `staticPodPath`.
    pub static_pod_path: Option<PathBuf>,
    /// `tlsCertFile`.
    pub tls_cert_file: Option<PathBuf>,
    /// `authentication.x509.clientCAFile`.
    pub client_ca_file: Option<PathBuf>,
}

/// Reads them; none where the configuration cannot be read.
pub(crate) fn files(config: &[u8]) -> KubeletFiles {
    let config: KubeletConfiguration = yaml::read(config).unwrap_or_default();
    KubeletFiles {
        static_pod_path: config.static_pod_path,
        tls_cert_file: config.tls_cert_file,
        client_ca_file: config
            .authentication
            .and_then(|it| it.x509)
            .and_then(|it| it.client_ca_file),
    }
}

/// Where the kubelet serves by its `config.yaml`, as it is reached from the node itself; `None` if it was told not to.
pub(crate) fn server(config: &[u8]) -> Option<SocketAddr> {
    let config: KubeletConfiguration = yaml::read(config).unwrap_or_default();
    let port = config.port.unwrap_or(PORT);
    let address = config.address.and_then(|it| it.parse().ok());
    (port != 0).then(|| SocketAddr::new(from_here(address), port))
}

/// The file of the certificate that the kubelet serves, in its directory `pki` unless its `config.yaml` names another one.
pub(crate) fn serving_file(config: &[u8], pki: &Path) -> PathBuf {
    let config: KubeletConfiguration = yaml::read(config).unwrap_or_default();
    let given = config.tls_cert_file.filter(|path| path.is_absolute());
    let requested = config.server_tls_bootstrap.unwrap_or_default();
    let own = if requested { KUBELET_CURRENT[1] } else { "kubelet.crt" };
    given.unwrap_or_else(|| pki.join(own))
}

/// The words of a file of variables such as `kubeadm-flags.env` that are flags or their values.
pub(crate) fn flag_words(env: &str) -> impl Iterator<Item = String> {
    let lines = env.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let values = lines.filter_map(|line| line.split_once('=')).map(|(_, value)| value);
    let words =
        values.flat_map(|value| value.split(|c: char| c.is_whitespace() || "\"'".contains(c)));
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

/// The words of a unit of systemd that are flags or their values.
pub(crate) fn unit_words(unit: &str) -> Vec<String> {
    let unit = unit.replace("\\\n", " ");
    let lines = unit.lines().map(str::trim);
    let value = |line: &'_ str| {
        let names = ["Environment=", "ExecStart="];
        names.iter().find_map(|name| line.strip_prefix(name)).map(str::to_owned)
    };
    // `NAME=--flag=value` as `--flag=value`.
    let flag = |word: &str| {
        let begin = if word.starts_with('-') { None } else { word.find("=-") };
        begin.map_or(word, |at| &word[at + 1..]).to_owned()
    };
    let is_word = |word: &&str| !word.is_empty() && !word.starts_with('$');
    let values = lines.filter_map(value);
    let words = values.flat_map(|value| {
        let words = value.split(|c: char| c.is_whitespace() || "\"'".contains(c));
        words.filter(is_word).map(flag).collect::<Vec<_>>()
    });
    words.collect()
}

/// Where the kubelet says how it is, by its `config.yaml`; its defaults for what that does not say.
/// `None` if it was told not to.
pub(crate) fn healthz(config: &[u8]) -> Option<SocketAddr> {
    let config: KubeletConfiguration = yaml::read(config).unwrap_or_default();
    let port = config.healthz_port.unwrap_or(HEALTHZ_PORT);
    (port != 0).then(|| SocketAddr::new(from_here(config.healthz_bind_address), port))
}

fn from_here(address: Option<IpAddr>) -> IpAddr {
    address.filter(|ip| !ip.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// The socket of the container runtime, by `kubeadm-flags.env` or else by the first of `configs` that names one:
/// `config.yaml`, and `instance-config.yaml`, which kubeadm writes from 1.34 on instead of the flag
/// (`NodeLocalCRISocket`).
pub(crate) fn runtime_socket(flags: &str, configs: [&[u8]; 2]) -> Option<PathBuf> {
    let mut words = flags.split(|c: char| c.is_whitespace() || c == '"' || c == '=');
    let flag = words.find(|word| *word == "--container-runtime-endpoint").and(words.next());
    let endpoint =
        |config| yaml::read::<KubeletConfiguration>(config).ok()?.container_runtime_endpoint;
    let named = configs.into_iter().filter_map(endpoint);
    flag.map(str::to_owned).into_iter().chain(named).find_map(|endpoint| {
        let path = PathBuf::from(endpoint.strip_prefix("unix://").unwrap_or(&endpoint));
        path.is_absolute().then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_answers_where_it_was_told() {
        let at = |config: &str| healthz(config.as_bytes()).map(|address| address.to_string());
        assert_eq!(at("kind: KubeletConfiguration\n").as_deref(), Some("127.0.0.1:10248"));
        assert_eq!(
            at("healthzPort: 1\nhealthzBindAddress: 10.0.0.1\n").as_deref(),
            Some("10.0.0.1:1")
        );
        assert_eq!(at("healthzBindAddress: '::'\n").as_deref(), Some("127.0.0.1:10248"));
        assert_eq!(at("healthzPort: 0\n"), None);
        assert_eq!(at("]").as_deref(), Some("127.0.0.1:10248"));
    }

    #[test]
    fn the_kubelet_serves_where_it_was_told() {
        let at = |config: &str| server(config.as_bytes()).map(|address| address.to_string());
        assert_eq!(at("address: 0.0.0.0\n").as_deref(), Some("127.0.0.1:10250"));
        assert_eq!(at("port: 1\naddress: 10.0.0.1\n").as_deref(), Some("10.0.0.1:1"));
        assert_eq!(at("address: ''\n").as_deref(), Some("127.0.0.1:10250"));
        assert_eq!(at("port: 0\n"), None);
    }

    #[test]
    fn the_kubelet_serves_what_it_was_given_or_has_got_or_made() {
        let file = |config: &str| serving_file(config.as_bytes(), Path::new("/pki"));
        assert_eq!(file("tlsCertFile: /a.crt\nserverTLSBootstrap: true\n"), Path::new("/a.crt"));
        assert_eq!(
            file("serverTLSBootstrap: true\n"),
            Path::new("/pki/kubelet-server-current.pem")
        );
        assert_eq!(file("serverTLSBootstrap: false\n"), Path::new("/pki/kubelet.crt"));
    }

    #[test]
    fn the_configuration_names_files() {
        let config = b"staticPodPath: /etc/pods\ntlsCertFile: /a.crt\nauthentication: {x509: {clientCAFile: /ca.crt}}\n";
        let named = KubeletFiles {
            static_pod_path: Some("/etc/pods".into()),
            tls_cert_file: Some("/a.crt".into()),
            client_ca_file: Some("/ca.crt".into()),
        };
        assert_eq!(files(config), named);
        assert_eq!(files(b"]"), KubeletFiles::default());
    }

    #[test]
    fn flags_stand_in_the_values_of_variables() {
        let env = "# A=--a=1\nKUBELET_KUBEADM_ARGS=\"--root-dir=/data/kubelet --x y\"\nB='--z'\n";
        assert_eq!(
            flag_words(env).collect::<Vec<_>>(),
            ["--root-dir=/data/kubelet", "--x", "y", "--z"]
        );
    }

    #[test]
    fn flags_stand_in_units() {
        let unit = "[Service]\n# ExecStart=/a --no\nEnvironment=\"KUBELET_EXTRA_ARGS=--tls-cert-file=/a --x\"\n\
            ExecStart=\nExecStart=/usr/bin/kubelet $A $B --cert-dir /pki \\\n  --rotate-certificates=false\n";
        let expected = [
            "--tls-cert-file=/a",
            "--x",
            "/usr/bin/kubelet",
            "--cert-dir",
            "/pki",
            "--rotate-certificates=false",
        ];
        assert_eq!(unit_words(unit), expected);
    }

    #[test]
    fn the_flag_names_the_runtime_before_the_files_do() {
        let flags = "KUBELET_KUBEADM_ARGS=\"--container-runtime=remote --container-runtime-endpoint=unix:///run/a.sock --x=y\"\n";
        let config: &[u8] = b"containerRuntimeEndpoint: /run/b.sock\n";
        assert_eq!(runtime_socket(flags, [config, b""]), Some("/run/a.sock".into()));
        assert_eq!(
            runtime_socket("A=\"--container-runtime-endpoint /run/c.sock\"", [b"", b""]),
            Some("/run/c.sock".into())
        );
        assert_eq!(runtime_socket("", [config, b""]), Some("/run/b.sock".into()));
        assert_eq!(runtime_socket("", [b"", b""]), None);
    }

    #[test]
    fn kubeadm_1_34_names_it_in_a_file_of_the_node_s_own() {
        let flags = "KUBELET_KUBEADM_ARGS=\"\"\n";
        let instance: &[u8] = b"apiVersion: kubelet.config.k8s.io/v1beta1\n\
            containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\nkind: KubeletConfiguration\n";
        let nothing: &[u8] = b"containerRuntimeEndpoint: \"\"\n";
        let socket = Some("/var/run/crio/crio.sock".into());
        assert_eq!(runtime_socket(flags, [nothing, instance]), socket);
        assert_eq!(runtime_socket(flags, [b"]", instance]), socket);
    }
}
