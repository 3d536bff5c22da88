//! `[pagerduty]`: PagerDuty, Events API v2.

use serde::Serialize;

use crate::config::secret::{self, Secret};
use crate::config::section::Section;
use crate::config::value;
use crate::domain::policy::Severity;

use super::min_severity;

/// Where PagerDuty takes events.
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

/// PagerDuty, Events API v2.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PagerDutyConfig {
    /// The integration key of a service.
    pub routing_key: Secret,
    /// `https://events.pagerduty.com/v2/enqueue`, but in tests and for the EU region.
    pub url: String,
    /// What is less is not told here.
    pub min_severity: Severity,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<PagerDutyConfig> {
    let routing_key = secret::read(section, "routing-key-credential", "routing-key-file");
    let url = section.take("url", EVENTS.to_owned(), value::private_url).value;
    let min_severity = min_severity(section);
    section.require(&routing_key, "the location of the integration key of the service");
    Some(PagerDutyConfig { routing_key: routing_key.value?, url, min_severity })
}
