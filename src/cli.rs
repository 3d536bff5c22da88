//! The command line, as data.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::domain::model::Sha256;
use crate::domain::time::{Span, UnixTime};
use crate::log::{LogFormat, LogLevel};
use crate::report::Format;

/// Watch and renew the certificates of a kubeadm control plane.
#[derive(Debug, Parser)]
#[command(name = "certwatch", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check every certificate of this node once, print a report, and exit with its status
    ///
    /// Without PATH it checks the places of kubeadm: /etc/kubernetes/pki and ssl,
    /// /etc/kubernetes/*.conf, /var/lib/kubelet/pki, /root/.kube/config; those of k3s, RKE2, k0s and
    /// MicroK8s; running API servers; and `scan.paths` and `[[endpoint]]` of the configuration.
    ///
    /// Exit status: 0 ok, 1 warning, 2 critical, 3 something could not be judged, or wrong
    /// usage.
    Check(CheckArgs),
    /// Check, show or print the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Internal: inspect or refresh one copy of admin.conf
    #[command(hide = true)]
    Copy(CopyArgs),
    /// Explain a finding: what it means, with an example and its remedy; without CODE, list all
    Explain(ExplainArgs),
    /// Test the notification channels
    #[command(subcommand)]
    Notify(NotifyVerb),
    /// Renew the certificates of this node that are due, and prove that they are in use
    ///
    /// kubeadm renews them in a copy. The copy is checked and installed, components that do not reload
    /// their files are restarted one at a time, and each is proved to use the new ones. If anything
    /// fails, the old files are restored and proved as well. --dry-run shows the plan and changes
    /// nothing.
    ///
    /// Exit status: 0 if it succeeded or there was nothing to do, 1 if it failed or was blocked.
    Renew(RenewArgs),
    /// Restore the backup of a renewal, by the same steps; without BACKUP, list the backups
    ///
    /// Exit status: 0 if it succeeded, 1 if it failed.
    Restore(RestoreArgs),
    /// Run the daemon: watch the certificates of this node and notify people before they expire
    ///
    /// It scans at its start, every hour, and whenever files change. SIGHUP reloads the configuration;
    /// SIGTERM stops the daemon.
    Run(RunArgs),
    /// Show the status of the daemon: the last scan, open alerts, renewals and channels
    ///
    /// If the configuration file is invalid, it shows what the daemon still uses, and says so.
    ///
    /// Exit status: 0 if a status was shown and the daemon runs, or only `check --notify` is used;
    /// 1 if the daemon is not running although it was, or there is no status.
    Status(StatusArgs),
}

/// The command line of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Check only these files, directories or globs (with **), and servers
    ///
    /// HOST:PORT is a server, with the settings of its `[[endpoint]]` if there is one; write ./HOST:PORT for a
    /// file of such a name.
    #[arg(value_name = "PATH|HOST:PORT")]
    pub paths: Vec<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
    /// Evaluate as of this time, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "in")]
    pub at: Option<UnixTime>,
    /// Evaluate as of this long from now, such as 90d
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub r#in: Option<Span>,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Root directory of the node, if it is mounted elsewhere
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Do not connect to anything: neither to the components of this node to see what they use, nor to
    /// endpoints
    #[arg(long)]
    pub offline: bool,
    /// Notify like the daemon, once and with the same state: for cron. Failed deliveries are reported on
    /// standard error and do not change the exit status
    #[arg(long, conflicts_with_all = ["paths", "at", "in"])]
    pub notify: bool,
}

/// The command line of `copy`.
#[derive(Args, Debug)]
pub struct CopyArgs {
    /// The copy
    pub path: PathBuf,
    /// The directory that stands for /etc/kubernetes
    #[arg(long)]
    pub kubernetes: PathBuf,
    /// Whose it has to be
    #[arg(long)]
    pub owner: u32,
    /// admin.conf is about to be renewed
    #[arg(long, conflicts_with = "refresh")]
    pub admin_is_renewed: bool,
    /// Refresh it
    #[arg(long)]
    pub refresh: bool,
    /// The certificate that a renewal has taken out of admin.conf
    #[arg(long, requires = "refresh", value_parser = sha256)]
    pub replaced: Option<Sha256>,
}

/// The command line of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The code of the finding, as in the JSON of `check` and in alerts: expired, stale_in_use, …
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// The command line of `renew`.
#[derive(Args, Debug)]
pub struct RenewArgs {
    /// Renew these, due or not, by kubeadm's names: apiserver, etcd-peer, scheduler.conf, …
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub names: Vec<String>,
    /// Renew all that kubeadm can renew, due or not
    #[arg(long)]
    pub all: bool,
    /// Renew nothing; restart only the components that do not use the certificates on disk
    #[arg(long, conflicts_with_all = ["names", "all", "rescue"])]
    pub restart_stale: bool,
    /// Override the blockers that can be overridden, and renew what another CA has signed
    #[arg(long)]
    pub force: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Recover a node whose certificates have expired, the kubelet's included
    #[arg(long)]
    pub rescue: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use this ClusterConfiguration instead of the one from the API server or the saved copy
    #[arg(long, value_name = "FILE")]
    pub cluster_config: Option<PathBuf>,
    /// For the service: only if `renew.enabled`, within windows, and not soon after a failure
    #[arg(long, hide = true, conflicts_with_all = ["names", "all", "force", "dry_run", "rescue"])]
    pub auto: bool,
    /// For the service: it already sees the copy as /etc/kubernetes, and the live tree below /run
    #[arg(long, hide = true, requires = "auto")]
    pub staged: bool,
}

/// The command line of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup to restore
    #[arg(value_name = "BACKUP")]
    pub backup: Option<String>,
    /// List the backups, newest first
    #[arg(long, conflicts_with = "backup")]
    pub list: bool,
    /// Override the blockers that can be overridden
    #[arg(long)]
    pub force: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The command line of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Root directory of the node, if it is mounted elsewhere
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Where and how to log
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub log: LogFormat,
    /// How much to log
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub log_level: LogLevel,
}

/// The command line of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Output format of a status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum StatusFormat {
    /// For people.
    Table,
    /// For scripts: /usr/share/doc/certwatch/output.md.
    Json,
}

/// What to do with the notification channels.
#[derive(Debug, Subcommand)]
pub enum NotifyVerb {
    /// Report the failure of a systemd unit to all channels: for OnFailure=
    ///
    /// systemd passes the reason in MONITOR_SERVICE_RESULT and MONITOR_EXIT_STATUS. Temporary errors
    /// are retried for some minutes.
    ///
    /// Exit status: 0 if all were notified, 1 if one was not.
    Failure(FailureArgs),
    /// Send one real message, marked as a test, through each channel, and report the results
    ///
    /// The heartbeat is tested only if it is named: one sent from here could hide that the daemon is
    /// dead.
    ///
    /// Exit status: 0 if all were delivered, 1 if one was not.
    Test(TestArgs),
}

/// The command line of `notify test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Test only these: email, slack, webhook, alertmanager, pagerduty, heartbeat
    #[arg(value_name = "CHANNEL")]
    pub channels: Vec<String>,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The command line of `notify failure`.
#[derive(Args, Debug)]
pub struct FailureArgs {
    /// The unit that has failed, such as certwatch.service
    #[arg(long)]
    pub unit: String,
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Report every error in the configuration
    Check(ConfigCheckArgs),
    /// Print the example configuration, with every key and its default
    Default,
    /// Print the configuration in effect; secrets are only named
    Show(ConfigFile),
}

/// The command line of `config check`.
#[derive(Args, Debug)]
pub struct ConfigCheckArgs {
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Skip checking whether its secrets can be read
    #[arg(long)]
    pub no_secrets: bool,
}

/// Which configuration.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// Path of the configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

fn sha256(text: &str) -> Result<Sha256, String> {
    Sha256::parse(text).ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
}

fn time(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse(text).map_err(|_| "expected RFC 3339, such as 2027-01-01T00:00:00Z".to_owned())
}

fn span(text: &str) -> Result<Span, String> {
    crate::config::span::read(text)
        .map_err(|error| format!("{error}: expected a length such as 90d"))
}
