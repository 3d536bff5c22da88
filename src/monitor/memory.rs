//! What is remembered from one run to the next.

use serde::{Deserialize, Serialize};

use crate::domain::held::HeldCertificates;
use crate::domain::ledger::Ledger;
use crate::domain::policy::Severity;
use crate::domain::renewal::rate_limit::Attempt;
use crate::domain::time::UnixTime;

/// The content of the state file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct MonitorState {
    /// Who has been told what.
    pub ledger: Ledger,
    /// The cluster's name, as admin.conf had it when it was read last.
    pub cluster: Option<String>,
    /// The last scan.
    pub scan: Option<ScanNote>,
    /// Who wrote this.
    pub writer: Writer,
    /// What is known of renewals.
    pub renewals: Renewals,
    /// What components have read at their start.
    pub held: HeldCertificates,
    /// When the daemon last ended itself because its scans ended badly, and people were told.
    pub given_up: Option<UnixTime>,
}

/// What the daemon remembers of renewals; the renewer has a memory of its own.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Renewals {
    /// When it asked for one, and how that went.
    pub attempts: Vec<Attempt>,
    /// The name of the last one that people were told of; `None` before the first look.
    pub notified: Option<String>,
}

/// One scan in figures.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScanNote {
    /// When it was made.
    pub at: UnixTime,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many certificates and places were judged.
    pub judged: usize,
    /// The worst of them.
    pub severity: Severity,
    /// What ends next, and when.
    pub next: Option<(String, UnixTime)>,
    /// Why there was no scan, if it failed.
    pub failure: Option<String>,
}

/// A process of certwatch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Writer {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Since when it runs.
    pub since: Option<UnixTime>,
    /// How it sees changes on disk; empty for `check --notify`.
    pub watch: String,
}
