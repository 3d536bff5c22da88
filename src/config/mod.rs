//! The configuration: TOML in, a [`Config`] or everything that is wrong with it out.
//!
//! Each section has a file of its own: its struct with the defaults, and how it is read. `sources` joins
//! the files; `section` takes the keys from there and remembers every problem; `error` prints the problems
//! with their places; `show` writes a configuration. Values are never printed in an error: a slip of the pen
//! may put a secret anywhere.

mod alerts;
pub mod channels;
mod cluster;
mod daemon;
mod endpoint;
mod error;
mod file;
mod http;
mod path;
mod renew;
mod scan;
mod secret;
mod section;
mod show;
mod sources;
pub(crate) mod span;
mod thresholds;
mod unknown;
mod value;

use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

use crate::domain::policy::Policy;
use crate::domain::renewal::plan::RenewalPolicy;
pub use alerts::AlertsConfig;
pub use channels::Channels;
pub use cluster::ClusterNameConfig;
pub use daemon::DaemonConfig;
pub use endpoint::EndpointConfig;
pub use error::ConfigErrors;
pub use http::{HttpConfig, ProxyConfig};
pub use renew::RenewConfig;
pub use scan::ScanConfig;
use section::{Reader, Section};
use sources::Sources;

/// Where the file is when nobody says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/certwatch/config.toml";

/// The settings of one node.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Config {
    /// The node's name in every message; without it, the host name.
    #[serde(rename = "node-name")]
    pub node: Option<String>,
    /// What the cluster is called.
    pub cluster: ClusterNameConfig,
    /// Where to look for certificates.
    pub scan: ScanConfig,
    /// When a certificate is a warning, and when it is critical.
    #[serde(rename = "thresholds", serialize_with = "thresholds::show")]
    pub policy: Policy,
    /// How the daemon runs.
    pub daemon: DaemonConfig,
    /// How certificates are renewed.
    pub renew: RenewConfig,
    /// When something is told again.
    pub alerts: AlertsConfig,
    /// How HTTP goes out.
    pub http: HttpConfig,
    /// Servers that are asked for their certificates.
    #[serde(rename = "endpoint")]
    pub endpoints: Vec<EndpointConfig>,
    /// How people are told.
    #[serde(flatten)]
    pub channels: Channels,
}

impl Config {
    /// The whole file.
    fn read(file: &mut Section<'_, '_>) -> Self {
        let node = file.optional("node-name", value::node_name).value;
        let cluster = file.section("cluster", cluster::read);
        let scan = file.section("scan", scan::read);
        let policy = file.section("thresholds", thresholds::read);
        let (daemon, state_dir) = file.section("daemon", daemon::read);
        Self {
            node,
            cluster,
            scan,
            policy,
            daemon,
            renew: file.section("renew", |section| renew::read(section, &state_dir)),
            alerts: file.section("alerts", alerts::read),
            http: file.section("http", http::read),
            endpoints: endpoint::read(file),
            channels: channels::read(file),
        }
    }

    /// What is looked at beside the standard places: what was named, the files that endpoints should
    /// serve, and the certificates that the channels present, which end too.
    pub fn paths(&self) -> Vec<String> {
        let clients = self.channels.clients().into_iter().map(|(_, it)| it.certificate.as_path());
        let served = self.endpoints.iter().filter_map(|it| it.file.as_deref());
        let own = served.chain(clients);
        let own = own.map(|path| glob::Pattern::escape(&path.to_string_lossy()));
        self.scan.paths.iter().cloned().chain(own).collect()
    }

    /// When something is due, and what is restarted for it.
    pub(crate) fn renewal_policy(&self) -> RenewalPolicy {
        self.renew.policy(self.policy.short_lived)
    }
}

/// Reads the configuration file at `path`, and on top of it `conf.d/*.toml` beside it, by name: of a
/// key that is in several, the last one holds.
///
/// # Errors
/// There is no such file; one is not a regular file, larger than 1 MiB or not UTF-8; there are more
/// than 100; or [`parse`] refuses one.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    // What else may be wrong with it is found when it is read.
    if std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(ConfigErrors::of_file(path, "does not exist", "a configuration file"));
    }
    load_if_present(path)
}

/// Like [`load`], but a file that does not exist is as good as an empty one. One that cannot be read
/// is an error all the same: the defaults in its place would hide what its owner wanted.
///
/// # Errors
/// As for [`load`].
pub(crate) fn load_if_present(path: &Path) -> Result<Config, ConfigErrors> {
    read_all(&Sources::read(path)?)
}

/// What can be understood of a file that [`load`] refuses, with defaults for the rest. Only to find
/// out what a daemon does that still goes by what was there before, and whom to tell that it has
/// failed: no certificate is judged by it.
pub(crate) fn salvage(path: &Path) -> Config {
    let sources = Sources::readable(path);
    Reader::new(&sources).read(Config::read)
}

/// Reads the text of a configuration file; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the text. With mistakes in the TOML itself it is only these:
/// what follows a torn quote may look like anything.
pub fn parse(text: &str, file: &Path) -> Result<Config, ConfigErrors> {
    read_all(&Sources::of(text, file))
}

fn read_all(sources: &Sources) -> Result<Config, ConfigErrors> {
    let mut reader = Reader::new(sources);
    let config = reader.read(Config::read);
    reader.finish().map(|()| config)
}

#[cfg(test)]
mod tests;
