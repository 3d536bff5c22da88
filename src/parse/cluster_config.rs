//! kubeadm's ClusterConfiguration, as far as a renewal depends on it
//! (`kubeadm.k8s.io/v1beta2` to `v1beta4`).

use std::path::PathBuf;

use serde::Deserialize;

use super::yaml;
use crate::domain::model::Reason;
use crate::domain::time::Span;

/// What a renewal depends on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterConfig {
    /// `kubeadm.k8s.io/v1beta2`.
    pub api_version: String,
    /// Where kubeadm looks for the pki, if not at its default.
    pub certificates_dir: Option<PathBuf>,
    /// etcd is not kubeadm's.
    pub has_external_etcd: bool,
    /// How long leaves will live, if it says so (v1beta4).
    pub leaf_lifetime: Option<Span>,
    /// It is followed by an InitConfiguration of its own.
    pub has_init: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    certificates_dir: Option<PathBuf>,
    certificate_validity_period: Option<String>,
    etcd: Option<Etcd>,
}

#[derive(Deserialize)]
struct Etcd {
    external: Option<serde::de::IgnoredAny>,
}

/// Reads the ClusterConfiguration among the documents of a file.
///
/// # Errors
/// [`Reason::BadKubeconfig`] with the place in its document if one is no YAML;
/// [`Reason::Missing`] if none is a ClusterConfiguration of kubeadm.
pub fn read(text: &str) -> Result<ClusterConfig, Reason> {
    let mut found = None;
    let mut has_init = false;
    for document in documents(text) {
        let document: Document = match yaml::read(document.as_bytes()) {
            Ok(document) => document,
            Err(place) => return Err(Reason::BadKubeconfig(place)),
        };
        match document.kind.as_str() {
            "ClusterConfiguration" => found = Some(document),
            "InitConfiguration" => has_init = true,
            _ => {}
        }
    }
    let found = found.filter(|it| it.api_version.starts_with("kubeadm.k8s.io/"));
    let found = found.ok_or(Reason::Missing)?;
    Ok(ClusterConfig {
        api_version: found.api_version,
        certificates_dir: found.certificates_dir.filter(|dir| !dir.as_os_str().is_empty()),
        has_external_etcd: found.etcd.is_some_and(|etcd| etcd.external.is_some()),
        leaf_lifetime: found.certificate_validity_period.as_deref().and_then(go_duration),
        has_init,
    })
}

fn documents(text: &str) -> impl Iterator<Item = String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        match documents.last_mut() {
            Some(last) if line.trim_end() != "---" => {
                last.push_str(line);
                last.push('\n');
            }
            _ => documents.push(String::new()),
        }
    }
    documents.into_iter().filter(|document| !document.trim().is_empty())
}

/// Go's form of a duration, as Kubernetes writes it: `8760h0m0s`.
fn go_duration(text: &str) -> Option<Span> {
    let mut seconds = 0_i64;
    let mut number = 0_i64;
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number = number.checked_mul(10)?.checked_add(i64::from(c.to_digit(10)?))?;
                continue;
            }
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    (seconds > 0).then_some(Span::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubeadm_keeps_in_the_cluster() {
        let config = read(
            "apiVersion: kubeadm.k8s.io/v1beta4\ncertificateValidityPeriod: 8760h0m0s\n\
             certificatesDir: /etc/kubernetes/pki\netcd:\n  local:\n    dataDir: /var/lib/etcd\n\
             kind: ClusterConfiguration\n",
        )
        .unwrap();
        assert_eq!(config.leaf_lifetime, Some(Span::days(365)));
        assert_eq!(config.certificates_dir.unwrap(), PathBuf::from("/etc/kubernetes/pki"));
        assert!(!config.has_external_etcd && !config.has_init);
    }

    #[test]
    fn an_external_etcd_is_seen_in_any_of_several_documents() {
        let config = read(
            "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n---\n\
             apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n\
             etcd: {external: {endpoints: ['https://10.0.0.9:2379']}}\n",
        )
        .unwrap();
        assert!(config.has_external_etcd && config.has_init);
        assert_eq!(config.leaf_lifetime, None);
    }

    #[test]
    fn what_is_no_cluster_configuration_is_refused() {
        assert_eq!(read("apiVersion: v1\nkind: Pod\n"), Err(Reason::Missing));
        assert_eq!(read(""), Err(Reason::Missing));
        assert!(read("a: [").is_err());
    }

    #[test]
    fn durations_as_go_writes_them() {
        assert_eq!(go_duration("1h1m1s"), Some(Span::seconds(3_661)));
        for odd in ["", "0s", "h", "1d", "99999999999999999999h"] {
            assert_eq!(go_duration(odd), None, "{odd}");
        }
    }
}
