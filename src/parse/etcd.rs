//! etcd's own configuration file (`--config-file`; etcd's server/embed/config.go). With it, etcd passes over all flags
//! and variables.

use std::collections::HashMap;

use serde::Deserialize;

use super::yaml;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct EtcdConfiguration {
    client_transport_security: TransportSecurity,
    peer_transport_security: TransportSecurity,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct TransportSecurity {
    cert_file: Option<String>,
    key_file: Option<String>,
    trusted_ca_file: Option<String>,
}

/// The files that it names, by the flags that would name them; none where it cannot be read.
pub(crate) fn flags(config: &[u8]) -> HashMap<&'static str, String> {
    let EtcdConfiguration { client_transport_security: client, peer_transport_security: peer } =
        yaml::read(config).unwrap_or_default();
    let flags = [
        ("cert-file", client.cert_file),
        ("key-file", client.key_file),
        ("trusted-ca-file", client.trusted_ca_file),
        ("peer-cert-file", peer.cert_file),
        ("peer-key-file", peer.key_file),
        ("peer-trusted-ca-file", peer.trusted_ca_file),
    ];
    flags.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sections_are_read_and_all_else_is_passed_over() {
        let config = "name: cp1\nclient-transport-security:\n  cert-file: /etc/etcd/server.crt\n  \
                      client-cert-auth: true\npeer-transport-security:\n  trusted-ca-file: /etc/etcd/ca.crt\n";
        let flags = flags(config.as_bytes());
        assert_eq!(flags.get("cert-file").map(String::as_str), Some("/etc/etcd/server.crt"));
        assert_eq!(flags.get("peer-trusted-ca-file").map(String::as_str), Some("/etc/etcd/ca.crt"));
        assert_eq!(flags.len(), 2);
        assert!(super::flags(b"a: [").is_empty());
    }
}
