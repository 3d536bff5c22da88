//! The command line, as data.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::domain::model::Sha256;
use crate::domain::time::{Span, UnixTime};
use crate::log::{LogFormat, LogLevel};
use crate::report::Format;

/// Keeps a kubeadm control plane from dying of expired certificates.
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
    /// Look at every certificate of this node once, print a judgement, and exit with it
    ///
    /// Without PATH it looks where kubeadm keeps certificates: /etc/kubernetes/pki and ssl,
    /// /etc/kubernetes/*.conf, /var/lib/kubelet/pki, /root/.kube/config; where k3s, RKE2, k0s and
    /// MicroK8s keep theirs; at running API servers; and at what `paths` in the configuration
    /// names.
    ///
    /// Exit status: 0 all is well, 1 a warning, 2 critical, 3 something could not be judged, or
    /// wrong usage.
    Check(CheckArgs),
    /// Check, show or print the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// For certwatch itself: look at one copy of admin.conf, or refresh it
    #[command(hide = true)]
    Copy(CopyArgs),
    /// Try the ways in which people are told
    #[command(subcommand)]
    Notify(NotifyVerb),
    /// Renew the certificates of this node that are due, and see to it that they are used
    ///
    /// kubeadm renews them in a copy. The copy is checked and put in place, what does not read it by
    /// itself is restarted, one component at a time, and everything is proved to use it. If anything
    /// fails, the old files are put back and proved as well. --dry-run shows the plan and changes
    /// nothing.
    ///
    /// Exit status: 0 if it is done or nothing is to do, 1 if it failed or something stands in the way.
    Renew(RenewArgs),
    /// Put a backup of a renewal back, by the same steps; without BACKUP, list them
    ///
    /// Exit status: 0 if it is done, 1 if it failed.
    Restore(RestoreArgs),
    /// Watch the certificates of this node and tell people ahead of their end: the daemon
    ///
    /// It scans at its start, every hour, and whenever something changes on disk. SIGHUP lets it read
    /// its configuration again; SIGTERM ends it.
    Run(RunArgs),
    /// Show what the daemon knows: the last scan, what fires, and how people are told
    ///
    /// With a configuration that is wrong it shows what the daemon holds on to, and says so.
    ///
    /// Exit status: 0 if a status was shown and the daemon runs, or only `check --notify` is used;
    /// 1 if the daemon does not run though it did, or there is no status.
    Status(StatusArgs),
}

/// The command line of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Judge these files, directories or globs (with **) alone
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
    /// Judge as of this time, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "in")]
    pub at: Option<UnixTime>,
    /// Judge as of this long from now, such as 90d
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub r#in: Option<Span>,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the node whose root directory is mounted here
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Tell people as the daemon would, once and with the same memory: for cron. What could not be
    /// delivered is said on standard error and does not change the exit status
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

/// The command line of `renew`.
#[derive(Args, Debug)]
pub struct RenewArgs {
    /// Renew these, due or not, by kubeadm's names: apiserver, etcd-peer, scheduler.conf, …
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub names: Vec<String>,
    /// Renew all that kubeadm can renew, due or not
    #[arg(long)]
    pub all: bool,
    /// Go on in spite of what stands in the way and says so
    #[arg(long)]
    pub force: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Bring a node back whose certificates have expired, the kubelet's included
    #[arg(long)]
    pub rescue: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go by this ClusterConfiguration of kubeadm's, and not by what the API server or a kept copy says
    #[arg(long, value_name = "FILE")]
    pub cluster_config: Option<PathBuf>,
    /// For the service: only if `renew.enabled`, within windows, and not again at once after a failure
    #[arg(long, hide = true, conflicts_with_all = ["names", "all", "force", "dry_run", "rescue"])]
    pub auto: bool,
    /// For the service: it already sees the copy as /etc/kubernetes, and the live tree below /run
    #[arg(long, hide = true, requires = "auto")]
    pub staged: bool,
}

/// The command line of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// Put this backup back
    #[arg(value_name = "BACKUP")]
    pub backup: Option<String>,
    /// List the backups, the newest first
    #[arg(long, conflicts_with = "backup")]
    pub list: bool,
    /// Go on in spite of what stands in the way and says so
    #[arg(long)]
    pub force: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The command line of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the node whose root directory is mounted here
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
    /// How to print
    #[arg(short, long, value_enum, default_value_t = StatusFormat::Table, value_name = "FORMAT")]
    pub output: StatusFormat,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How to print a status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum StatusFormat {
    /// For people.
    Table,
    /// For scripts: /usr/share/doc/certwatch/output.md.
    Json,
}

/// What to do with the ways in which people are told.
#[derive(Debug, Subcommand)]
pub enum NotifyVerb {
    /// Tell everybody that a unit of systemd has failed: for OnFailure=
    ///
    /// systemd says how it failed in MONITOR_SERVICE_RESULT and MONITOR_EXIT_STATUS. What may pass is
    /// tried again for some minutes.
    ///
    /// Exit status: 0 if all were told, 1 if one was not.
    Failure(FailureArgs),
    /// Send one real message, marked as a test, through each channel, and say how each went
    ///
    /// The heartbeat is tried only where it is named: one from here would hide that the daemon is
    /// dead.
    ///
    /// Exit status: 0 if all were taken, 1 if one was not.
    Test(TestArgs),
}

/// The command line of `notify test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Try these alone: email, slack, webhook, alertmanager, pagerduty, heartbeat
    #[arg(value_name = "CHANNEL")]
    pub channels: Vec<String>,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The command line of `notify failure`.
#[derive(Args, Debug)]
pub struct FailureArgs {
    /// The unit that has failed, such as certwatch.service
    #[arg(long)]
    pub unit: String,
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Say everything that is wrong with the configuration
    Check(ConfigCheckArgs),
    /// Print the example configuration, with every key and its default
    Default,
    /// Print the configuration in effect; secrets are only named
    Show(ConfigFile),
}

/// The command line of `config check`.
#[derive(Args, Debug)]
pub struct ConfigCheckArgs {
    /// Read this configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Leave out whether the secrets that it names can be read
    #[arg(long)]
    pub no_secrets: bool,
}

/// Which configuration.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// Read this configuration file
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
