//! `-o nagios`: one line by the monitoring-plugin guidelines, text before the `|`, numbers after.

use std::collections::HashSet;
use std::io::{self, Write};

use super::Report;
use crate::domain::advice;
use crate::domain::policy::{self, Row, Severity};
use crate::domain::time::Span;

/// How many certificates have a number of their own: monitoring servers cut long lines, NRPE after
/// 1 or 64 KB, and half a number is a wrong one.
const MAX_NUMBERS: usize = 50;
/// How many more are named behind the first.
const MAX_NAMES: usize = 3;

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "CERTWATCH {} - {} | ", report.state(), text(report).replace('|', "_"))?;
    counts(report, out)?;
    numbers(report, out)?;
    writeln!(out)
}

fn text(report: &Report<'_>) -> String {
    let mut text = match report.shown().next() {
        Some((row, item)) => match row.findings.first() {
            Some(worst) => {
                let message = advice::message(item, &worst.kind, report.at);
                let end = row.end_behind_the_worst().map_or_else(String::new, |end| {
                    format!("; {}", advice::summary(item, end, report.at))
                });
                format!("{}: {message}{end}{}", report.name(row), others(report))
            }
            None => all_well(report),
        },
        None => "no certificate found".to_owned(),
    };
    if report.at != report.generated {
        text += &format!(" (as of {})", report.at);
    }
    text
}

/// ` (+2 more: admin.conf, etcd-server)`.
fn others(report: &Report<'_>) -> String {
    let bad = || report.shown().filter(|(row, _)| row.severity != Severity::Ok).skip(1);
    let names: Vec<_> = bad().take(MAX_NAMES).map(|(row, _)| report.name(row)).collect();
    match bad().count() {
        0 => String::new(),
        count if count > MAX_NAMES => format!(" (+{count} more: {}, …)", names.join(", ")),
        count => format!(" (+{count} more: {})", names.join(", ")),
    }
}

fn all_well(report: &Report<'_>) -> String {
    let count = report.assessment.count(Severity::Ok);
    let s = if count == 1 { "" } else { "s" };
    let next = report.next_expiry().map_or_else(String::new, |(row, end)| {
        format!(", next: {} in {}", report.name(row), end - report.at)
    });
    format!("{count} certificate{s} on {}{next}", report.node.shown())
}

fn counts(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let count = |severity| report.assessment.count(severity);
    write!(
        out,
        "'critical'={};;;0 'unknown'={};;;0 'warning'={};;;0 'ok'={};;;0",
        count(Severity::Critical),
        count(Severity::Unknown),
        count(Severity::Warning),
        count(Severity::Ok),
    )
}

/// Seconds left, most urgent first; a label that comes again would overwrite the first in a graph.
fn numbers(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut labels = HashSet::new();
    for (row, item) in report.shown() {
        let Some(left) = left(row, report) else { continue };
        let label = label(report, row);
        if labels.insert(label.clone()) {
            let [warning, critical] = policy::thresholds(item, report.policy).map(range);
            write!(out, " '{label}'={}s;{warning};{critical}", left.as_seconds())?;
        }
        if labels.len() == MAX_NUMBERS {
            break;
        }
    }
    Ok(())
}

fn left(row: &Row, report: &Report<'_>) -> Option<Span> {
    row.expires.map(|end| end - report.at)
}

/// `N:` means: alert below N.
fn range(threshold: Option<Span>) -> String {
    threshold.map_or_else(String::new, |span| format!("{}:", span.as_seconds()))
}

/// The guidelines forbid quotes and `=` in labels, and `|` would end the numbers.
fn label(report: &Report<'_>, row: &Row) -> String {
    report.name(row).replace(['\'', '=', '|'], "_")
}
