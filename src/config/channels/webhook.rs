//! `[webhook]`: a POST in the shape of Alertmanager's webhook.

use serde::Serialize;

use crate::config::secret::{self, Secret};
use crate::config::section::Section;
use crate::domain::policy::Severity;

use super::client::{self, ClientCertificate};
use super::min_severity;

/// A POST in the shape of Alertmanager's webhook.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WebhookConfig {
    /// The URL.
    pub url: Secret,
    /// Key of an HMAC-SHA256 of the body.
    pub key: Option<Secret>,
    /// What is presented to it.
    pub client: Option<ClientCertificate>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<WebhookConfig> {
    let url = secret::read(section, "url-credential", "url-file");
    let key = secret::read(section, "key-credential", "key-file").value;
    let (client, _) = client::read(section);
    let min_severity = min_severity(section);
    section.require(&url, "the location of the URL, which may contain a secret");
    Some(WebhookConfig { url: url.value?, key, client, min_severity })
}
