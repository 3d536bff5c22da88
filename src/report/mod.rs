//! What was found, written for people and for machines.
//!
//! Every format streams: a row is written and forgotten before the next is looked at, so that a
//! hundred thousand certificates need no more memory than ten.

pub(crate) mod backups;
pub(crate) mod escape;
pub(crate) mod journal;
mod json;
pub(crate) mod lines;
mod nagios;
pub(crate) mod plan;
mod prometheus;
pub(crate) mod renewal;
mod series;
mod table;

use std::borrow::Cow;
use std::io;

use crate::domain::cluster::NodeIdentity;
use crate::domain::model::{Content, Inventory, Item};
use crate::domain::names;
use crate::domain::policy::{self, Assessment, Policy, Row, Severity};
use crate::domain::renewal::plan::Renewal;
use crate::domain::role::RenewedBy;
use crate::domain::time::UnixTime;

/// One scan and its judgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// The node's name, and its cluster's.
    pub node: &'a NodeIdentity,
    /// What was seen.
    pub inventory: &'a Inventory,
    /// The judgement of `inventory` as of `at`.
    pub assessment: &'a Assessment,
    /// The thresholds it was judged by.
    pub policy: &'a Policy,
    /// What `certwatch renew` renews.
    pub due: &'a [Renewal],
    /// When the scan was made.
    pub generated: UnixTime,
    /// The moment it was judged for: `generated`, unless `--at` or `--in` named another.
    pub at: UnixTime,
}

/// How to write it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For scripts: docs/check.schema.json.
    Json,
    /// One line and perfdata, by the monitoring-plugin guidelines.
    Nagios,
    /// For node_exporter's textfile collector.
    Prometheus,
}

/// What the reader's screen can do. Only the table looks at it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Style {
    /// Columns of the terminal. `None` where there is no terminal: nothing is cut or wrapped.
    pub width: Option<usize>,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// Writes `report` to `out` and flushes it.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn write(
    report: &Report<'_>,
    format: Format,
    style: &Style,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    match format {
        Format::Table => table::write(report, style, &mut out)?,
        Format::Json => json::write(report, &mut out)?,
        Format::Nagios => nagios::write(report, &mut out)?,
        Format::Prometheus => prometheus::write(report, &mut out)?,
    }
    io::Write::flush(&mut out)
}

impl<'a> Report<'a> {
    /// All rows with their items, most urgent first.
    fn rows(&self) -> impl Iterator<Item = (&'a Row, &'a Item)> + Clone + use<'a> {
        let Self { inventory, assessment, .. } = *self;
        assessment.rows.iter().map(|row| (row, &inventory.items[row.item]))
    }

    /// The rows people want to see: a CA once, however many kubeconfigs carry it.
    fn shown(&self) -> impl Iterator<Item = (&'a Row, &'a Item)> + use<'a> {
        self.rows().filter(|(row, _)| !row.repeats)
    }

    /// What has expired first and is not to be ignored, when, and how many others have.
    fn first_expired(&self) -> Option<(&'a Row, UnixTime, usize)> {
        let bad = self.shown().filter(|(row, _)| row.severity != Severity::Ok);
        let ends = bad.filter_map(|(row, _)| Some((row, row.expires?)));
        let expired: Vec<_> = ends.filter(|(_, end)| *end < self.at).collect();
        let (row, end) = expired.iter().copied().min_by_key(|(_, end)| *end)?;
        Some((row, end, expired.len() - 1))
    }

    /// What expires next, and when, of all that has not expired.
    fn next_expiry(&self) -> Option<(&'a Row, UnixTime)> {
        let ends = self.shown().filter_map(|(row, _)| Some((row, row.expires?)));
        ends.filter(|(_, end)| *end >= self.at).min_by_key(|(_, end)| *end)
    }

    /// The shortest name that people know the row's item by.
    fn name(&self, row: &Row) -> Cow<'a, str> {
        names::name(&self.inventory.items, row.item)
    }

    /// The word for the exit code.
    fn state(&self) -> &'static str {
        state(self.assessment.severity())
    }
}

/// Upper case, as monitoring plugins say it.
fn state(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "OK",
        Severity::Warning => "WARNING",
        Severity::Unknown => "UNKNOWN",
        Severity::Critical => "CRITICAL",
    }
}

/// Who renews it, in one word for machines: kubeadm cannot without the CA's key.
fn renewer(item: &Item) -> &'static str {
    if policy::is_externally_managed(item) {
        return "external_ca";
    }
    match item.role.renewer {
        RenewedBy::Hand => "nobody",
        RenewedBy::Kubeadm => "kubeadm",
        RenewedBy::Kubelet => "kubelet",
        RenewedBy::Restart => "restart",
        RenewedBy::Service(name) => name,
    }
}

/// The certificate's own last second, even if its CA's comes first.
fn not_after(item: &Item) -> Option<UnixTime> {
    match &item.content {
        Content::Certificate(certificate) => Some(certificate.not_after),
        Content::Loopback(loopback) => Some(loopback.not_after),
        Content::Problem(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
