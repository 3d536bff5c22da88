//! Which keys there are, and what holds for them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::policy::{Policy, Thresholds};
use crate::domain::time::Span;

use super::section::{Section, Setting};
use super::{Config, DaemonConfig, ScanConfig, path, read_channels, renew, value};

/// 100 years: the longest that a CA lives in practice, and far from any overflow.
const THRESHOLD: RangeInclusive<Span> = Span::seconds(1)..=Span::days(36_500);
const TIMEOUT: RangeInclusive<Span> = Span::seconds(1)..=Span::seconds(3_600);
const INTERVAL: RangeInclusive<Span> = Span::minutes(1)..=Span::hours(24);
const MAX_FILES: RangeInclusive<u64> = 1..=10_000_000;
const PERCENT: RangeInclusive<u8> = 1..=100;

/// The whole file.
pub(super) fn config(file: &mut Section<'_, '_>) -> Config {
    let node = file.take("node-name", None, |name| value::node_name(name).map(Some)).value;
    let scan = file.section("scan", scan);
    let policy = file.section("thresholds", thresholds);
    let (daemon, state_dir) = file.section("daemon", daemon);
    Config {
        node,
        scan,
        policy,
        daemon,
        renew: file.section("renew", |section| renew::read(section, &state_dir)),
        alerts: file.section("alerts", read_channels::alerts),
        http: file.section("http", read_channels::http),
        channels: read_channels::channels(file),
    }
}

fn scan(section: &mut Section<'_, '_>) -> ScanConfig {
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
        timeout: timeout(section, default.timeout),
    }
}

fn timeout(section: &mut Section<'_, '_>, default: Duration) -> Duration {
    let default = Span::seconds(i64::try_from(default.as_secs()).unwrap_or(i64::MAX));
    let timeout = section.take("timeout", default, |time| value::span(time, &TIMEOUT)).value;
    Duration::from_secs(timeout.as_seconds().unsigned_abs())
}

/// The section, with the setting of its directory.
fn daemon(section: &mut Section<'_, '_>) -> (DaemonConfig, Setting<PathBuf>) {
    let default = DaemonConfig::default();
    let interval = |time: &_| value::span(time, &INTERVAL);
    let interval = section.take("interval", default.interval, interval).value;
    let state_dir = section.take("state-dir", default.state_dir, path::file);
    (DaemonConfig { interval, state_dir: state_dir.value.clone() }, state_dir)
}

fn thresholds(section: &mut Section<'_, '_>) -> Policy {
    let default = Policy::default();
    let (leaf, stages) = expiry_thresholds(section, ["leaf", "leaf-critical"], &default.leaf);
    let (ca, _) = expiry_thresholds(section, ["ca", "ca-critical"], &default.ca);
    let short_lived =
        section.take("short-lived", default.short_lived, |time| value::span(time, &THRESHOLD));
    if stages.value.iter().max() > Some(&short_lived.value) {
        let expected = "short-lived to be at least the longest stage: a certificate with a lifetime between \
                        the two would be a warning from its first day";
        section.refuse_both(&short_lived, "is below the longest stage of", &stages, expected);
    }
    let percent = default.rotation_percent;
    Policy {
        leaf,
        ca,
        short_lived: short_lived.value,
        rotation_percent: section
            .take("rotation-percent", percent, |percent| value::number(percent, &PERCENT))
            .value,
    }
}

/// Thresholds and the critical one, with the setting that holds the stages.
fn expiry_thresholds(
    section: &mut Section<'_, '_>,
    [stages, critical]: [&'static str; 2],
    default: &Thresholds,
) -> (Thresholds, Setting<Vec<Span>>) {
    let threshold = |time: &_| value::span(time, &THRESHOLD);
    let stages = section.list(stages, default.stages().to_vec(), threshold);
    let critical = section.take(critical, default.critical(), threshold);
    match stages.value.iter().max() {
        None => {
            section.refuse(&stages, "is empty", "at least one stage, such as [\"30d\", \"7d\"]");
        }
        Some(longest) if critical.value > *longest => {
            let expected = "critical to begin with a stage or after one";
            section.refuse_both(&critical, "is above the longest stage of", &stages, expected);
        }
        Some(_) => {}
    }
    (Thresholds::new(stages.value.clone(), critical.value), stages)
}
