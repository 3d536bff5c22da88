//! `[alertmanager]`: Prometheus Alertmanagers, all told.

use serde::Serialize;

use crate::config::secret::{self, Secret};
use crate::config::section::Section;
use crate::config::value;
use crate::domain::policy::Severity;

use super::client::{self, ClientCertificate};
use super::min_severity;

/// Prometheus Alertmanagers, all told.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertmanagerConfig {
    /// Their base URLs, such as `http://alertmanager.example.org:9093`; at least one.
    pub urls: Vec<String>,
    /// A bearer token.
    pub token: Option<Secret>,
    /// What is presented to them.
    pub client: Option<ClientCertificate>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<AlertmanagerConfig> {
    let urls = section.list("urls", Vec::new(), value::url);
    let token = secret::read(section, "token-credential", "token-file");
    let (client, certificate) = client::read(section);
    let min_severity = min_severity(section);
    if urls.value.is_empty() {
        section.refuse_or_require(&urls, "is empty", "the URL of each Alertmanager");
    }
    let in_clear = |url: &String| !value::is_private(url);
    if token.value.is_some() && urls.value.iter().any(in_clear) {
        let expected = "https: the token would be sent in clear text";
        section.refuse_both(&urls, "contains an http URL, but there is", &token, expected);
    }
    if client.is_some() && urls.value.iter().any(|url| url.starts_with("http://")) {
        let expected = "https: client certificates need TLS";
        section.refuse_both(&urls, "contains an http URL, but there is", &certificate, expected);
    }
    (!urls.value.is_empty()).then_some(AlertmanagerConfig {
        urls: urls.value,
        token: token.value,
        client,
        min_severity,
    })
}
