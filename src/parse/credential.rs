//! The client pair of a kubeconfig: the one place that reads a key from one, to present it.

use serde::Deserialize;

use super::{kubeconfig, yaml};

/// What the user of the current context presents, and whom it trusts; all PEM. It is not `Debug`: it
/// holds a key.
pub(crate) struct Credential {
    /// The cluster's CA.
    pub ca: Vec<u8>,
    /// The client certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct KubeconfigWithKeys {
    current_context: String,
    contexts: Vec<NamedContext>,
    clusters: Vec<NamedClusterCa>,
    users: Vec<NamedAuthInfo>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: KubeconfigContext,
}

#[derive(Deserialize)]
struct KubeconfigContext {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedClusterCa {
    name: String,
    cluster: ClusterCaData,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterCaData {
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
struct NamedAuthInfo {
    name: String,
    user: AuthInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct AuthInfo {
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// The credential of the current context; `None` where it is not embedded, as kubeadm embeds it.
pub(crate) fn read(bytes: &[u8]) -> Option<Credential> {
    let KubeconfigWithKeys { current_context, contexts, clusters, users } =
        yaml::read(bytes).ok()?;
    let context = contexts.into_iter().find(|it| it.name == current_context)?.context;
    let cluster = clusters.into_iter().find(|it| it.name == context.cluster)?.cluster;
    let user = users.into_iter().find(|it| it.name == context.user)?.user;
    let decode = |data: Option<String>| kubeconfig::decode(&data?).ok();
    Some(Credential {
        ca: decode(cluster.certificate_authority_data)?,
        certificate: decode(user.client_certificate_data)?,
        key: decode(user.client_key_data)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "current-context: b@c\ncontexts:\n- {name: a@c, context: {cluster: c, user: a}}\n\
        - {name: b@c, context: {cluster: c, user: b}}\nclusters:\n- {name: c, cluster: {server: https://h, certificate-authority-data: Q0E=}}\n\
        users:\n- {name: a, user: {token: t}}\n- {name: b, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}\n";

    #[test]
    fn the_current_context_chooses_the_user() {
        let Credential { ca, certificate, key } = read(FILE.as_bytes()).unwrap();
        assert_eq!([&ca[..], &certificate, &key], [&b"CA"[..], b"CERT", b"KEY"]);
    }

    #[test]
    fn what_is_not_embedded_is_no_credential() {
        for (from, to) in [
            ("current-context: b@c", "current-context: a@c"),
            ("current-context: b@c", "current-context: z"),
            ("client-key-data: S0VZ", "client-key: /a/b.pem"),
            ("S0VZ", "'?'"),
        ] {
            assert!(read(FILE.replace(from, to).as_bytes()).is_none(), "{to}");
        }
    }
}
