//! `[alerts]`: when reminders are sent, and what holds for all channels.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::domain::ledger::Repeat;
use crate::domain::time::Span;

use super::section::Section;
use super::{path, span, value};

const REPEAT: RangeInclusive<Span> = Span::hours(1)..=Span::days(365);

/// When reminders are sent, and what holds for all channels.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertsConfig {
    /// How long after an alert there is a reminder, each 1 h to 365 d.
    #[serde(serialize_with = "show_repeat")]
    pub repeat: Repeat,
    /// More CAs to trust when connecting: a PEM file. The system's are always trusted.
    pub ca_file: Option<PathBuf>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> AlertsConfig {
    let default = Repeat::default();
    let mut repeat =
        |key, default| section.take(key, default, |time| value::span(time, &REPEAT)).value;
    let repeat = Repeat {
        warning: repeat("repeat-warning", default.warning),
        critical: repeat("repeat-critical", default.critical),
        expired: repeat("repeat-expired", default.expired),
    };
    AlertsConfig { repeat, ca_file: section.optional("ca-file", path::file).value }
}

fn show_repeat<S: Serializer>(repeat: &Repeat, out: S) -> Result<S::Ok, S::Error> {
    let Repeat { warning, critical, expired } = *repeat;
    let all = [("warning", warning), ("critical", critical), ("expired", expired)];
    out.collect_map(all.map(|(key, length)| (key, span::write(length))))
}
