//! `[heartbeat]`: a dead man's switch.

use serde::Serialize;

use crate::config::secret::{self, Secret};
use crate::config::section::Section;

/// A dead man's switch (healthchecks.io and the like): told that all is well, so that silence is
/// noticed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HeartbeatConfig {
    /// The URL; `/fail` is added to it when something is wrong with certwatch itself.
    pub url: Secret,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<HeartbeatConfig> {
    let url = secret::read(section, "url-credential", "url-file");
    section.require(&url, "the location of the URL: whoever knows it can fake a heartbeat");
    Some(HeartbeatConfig { url: url.value? })
}
