//! A configuration as a file that reads back to the same.

use crate::domain::policy::Thresholds;

use super::section_writer::{list, quote, time};
use super::{Config, ScanConfig, renew, write_channels};

impl Config {
    /// The configuration as TOML, every key in it: [`parse`](super::parse) gives back the same.
    pub fn to_toml(&self) -> String {
        let ScanConfig { standard, paths, exclude, max_files, timeout } = &self.scan;
        let policy = &self.policy;
        let node = match &self.node {
            Some(node) => format!("node-name = {}", quote(node)),
            None => "# node-name: the host name".to_owned(),
        };
        format!(
            "\
{node}

[scan]
standard = {standard}
paths = {paths}
exclude = {exclude}
max-files = {max_files}
timeout = \"{timeout}s\"

[thresholds]
leaf = {leaf}
leaf-critical = {leaf_critical}
ca = {ca}
ca-critical = {ca_critical}
short-lived = {short_lived}
rotation-percent = {rotation_percent}

[daemon]
interval = {interval}
state-dir = {state_dir}
{renew}{alerts}{http}{channels}",
            interval = time(self.daemon.interval),
            state_dir = quote(&self.daemon.state_dir.to_string_lossy()),
            renew = renew::write(&self.renew),
            alerts = write_channels::alerts(&self.alerts),
            http = write_channels::http(&self.http),
            channels = write_channels::channels(&self.channels),
            paths = list(paths.iter().map(|path| quote(path))),
            exclude = list(exclude.iter().map(|glob| quote(glob))),
            timeout = timeout.as_secs(),
            leaf = stages(&policy.leaf),
            leaf_critical = time(policy.leaf.critical()),
            ca = stages(&policy.ca),
            ca_critical = time(policy.ca.critical()),
            short_lived = time(policy.short_lived),
            rotation_percent = policy.rotation_percent,
        )
    }
}

fn stages(thresholds: &Thresholds) -> String {
    list(thresholds.stages().iter().map(|stage| time(*stage)))
}
