//! `[scan]`: where to look for certificates, and how much of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::domain::time::Span;

use super::section::Section;
use super::{path, value};

const MAX_FILES: RangeInclusive<u64> = 1..=10_000_000;
const TIMEOUT: RangeInclusive<Span> = Span::seconds(1)..=Span::seconds(3_600);

/// Where to look for certificates, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanConfig {
    /// Look where kubeadm and the other distributions keep theirs.
    pub standard: bool,
    /// More files, directories and globs: absolute, `**` stands for any directories.
    pub paths: Vec<String>,
    /// Globs of what to leave out; each begins with `/` or `**/`.
    pub exclude: Vec<String>,
    /// The most files to look at in one place, 1 to 10,000,000.
    pub max_files: u64,
    /// The longest a scan may take, whole seconds, 1 s to 1 h.
    #[serde(serialize_with = "show_timeout")]
    pub timeout: Duration,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self {
            standard: true,
            paths: Vec::new(),
            exclude: Vec::new(),
            max_files: 200_000,
            timeout: Duration::from_secs(60),
        }
    }
}

impl ScanConfig {
    /// What is left out, ready for comparing.
    pub(crate) fn excluded(&self) -> Vec<glob::Pattern> {
        // They were checked when they were read.
        self.exclude.iter().filter_map(|glob| glob::Pattern::new(glob).ok()).collect()
    }
}

pub(super) fn read(section: &mut Section<'_, '_>) -> ScanConfig {
    let default = ScanConfig::default();
    let standard = section.take("standard", default.standard, value::flag);
    let paths = section.list("paths", default.paths, path::absolute);
    if !standard.value && paths.value.is_empty() {
        let expected = "at least one path, or standard = true";
        section.refuse_both(&standard, "is false and there are no", &paths, expected);
    }
    ScanConfig {
        standard: standard.value,
        paths: paths.value,
        exclude: section.list("exclude", default.exclude, path::exclude).value,
        max_files: section
            .take("max-files", default.max_files, |count| value::number(count, &MAX_FILES))
            .value,
        timeout: section.take("timeout", default.timeout, timeout).value,
    }
}

fn timeout(value: &toml::de::DeValue<'_>) -> Result<Duration, super::error::Problem> {
    let span = value::span(value, &TIMEOUT)?;
    Ok(Duration::from_secs(span.as_seconds().unsigned_abs()))
}

fn show_timeout<S: Serializer>(timeout: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&format_args!("{}s", timeout.as_secs()))
}
