//! The configuration: TOML in, a [`Config`] or everything that is wrong with it out.
//!
//! `read` says which keys there are and what holds for them; `sources` joins the files; `section`
//! takes the keys from there and remembers every problem; `error` prints the problems with their
//! places. Values are never printed: a later section may hold a secret, and a slip of the pen may put
//! one anywhere.

pub mod channels;
mod error;
mod file;
mod path;
mod read;
mod read_channels;
mod renew;
mod section;
mod section_writer;
mod sources;
pub(crate) mod span;
mod unknown;
mod value;
mod write;
mod write_channels;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::policy::Policy;
use crate::domain::time::Span;
pub use channels::{AlertsConfig, Channels, HttpConfig};
pub use error::ConfigErrors;
pub use renew::RenewConfig;
use section::Reader;
use sources::Sources;

/// Where the file is when nobody says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/certwatch/config.toml";

/// The settings of one node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// The node's name in every message; without it, the host name.
    pub node: Option<String>,
    /// Where to look for certificates.
    pub scan: ScanConfig,
    /// When a certificate is a warning, and when it is critical.
    pub policy: Policy,
    /// How the daemon runs.
    pub daemon: DaemonConfig,
    /// How certificates are renewed.
    pub renew: RenewConfig,
    /// When something is told again.
    pub alerts: AlertsConfig,
    /// How HTTP goes out.
    pub http: HttpConfig,
    /// How people are told.
    pub channels: Channels,
}

impl Config {
    /// What is looked at beside the standard places: what was named, and the certificates that the
    /// channels present, which end too.
    pub fn paths(&self) -> Vec<String> {
        let clients = self.channels.clients().into_iter();
        let own = clients.map(|(_, it)| glob::Pattern::escape(&it.certificate.to_string_lossy()));
        self.scan.paths.iter().cloned().chain(own).collect()
    }
}

/// Where to look for certificates, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq)]
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

/// How the daemon runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DaemonConfig {
    /// How often everything is scanned whatever happens, 1 min to 24 h, ± 10 %.
    pub interval: Span,
    /// Where it keeps what it has told whom; absolute.
    pub state_dir: PathBuf,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { interval: Span::hours(1), state_dir: PathBuf::from("/var/lib/certwatch") }
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
    Reader::new(&sources).read(read::config)
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
    let config = reader.read(read::config);
    reader.finish().map(|()| config)
}

#[cfg(test)]
mod tests;
