//! `[daemon]`: how the daemon runs.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Serialize;

use crate::domain::time::Span;

use super::section::{Section, Setting};
use super::{path, span, value};

const INTERVAL: RangeInclusive<Span> = Span::minutes(1)..=Span::hours(24);

/// How the daemon runs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DaemonConfig {
    /// How often everything is scanned whatever happens, 1 min to 24 h, ± 10 %.
    #[serde(serialize_with = "span::show")]
    pub interval: Span,
    /// Where the notification state is saved; absolute.
    pub state_dir: PathBuf,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { interval: Span::hours(1), state_dir: PathBuf::from("/var/lib/certwatch") }
    }
}

/// The section, with the setting of its directory.
pub(super) fn read(section: &mut Section<'_, '_>) -> (DaemonConfig, Setting<PathBuf>) {
    let default = DaemonConfig::default();
    let interval = |time: &_| value::span(time, &INTERVAL);
    let interval = section.take("interval", default.interval, interval).value;
    let state_dir = section.take("state-dir", default.state_dir, path::file);
    (DaemonConfig { interval, state_dir: state_dir.value.clone() }, state_dir)
}
