//! `-o prometheus`: for node_exporter's textfile collector, in the names and labels of
//! enix/x509-certificate-exporter version 4, so that its dashboards and alerts work.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use super::series::{Collisions, labels, of_node};
use super::{Report, not_after};
use crate::domain::model::{Content, Entry, Item, Reason};
use crate::domain::policy::Severity;
use crate::domain::role::CertificateKind;
use crate::domain::time::UnixTime;
use crate::exit::Exit;

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    certificates(report, out)?;
    sources(report, out)?;
    own(report, out)
}

/// What is true of one item; `None` where the metric does not apply to it.
type Value = fn(&Item, UnixTime) -> Option<i64>;

const PER_CERTIFICATE: [(&str, &str, Value); 4] = [
    (
        "x509_cert_not_after",
        "Last second of the certificate's validity, as unix time.",
        |item, _| not_after(item).map(UnixTime::seconds),
    ),
    (
        "x509_cert_not_before",
        "First second of the certificate's validity, as unix time.",
        |item, _| item.certificate().map(|certificate| certificate.not_before.seconds()),
    ),
    ("x509_cert_expired", "1 if the certificate has expired.", |item, at| {
        not_after(item).map(|end| i64::from(at > end))
    }),
    // No zeros: they would be a quarter of all series, and alerts ask for `> 0`.
    ("x509_cert_error", "1 for what could not be read.", |item, _| problem(item).map(|_| 1)),
];

/// The exposition format wants all samples of a metric together: one pass for each.
fn certificates(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let collisions = Collisions::among(report.rows().map(|(_, item)| item));
    let mut text = String::new();
    for (name, help, value) in PER_CERTIFICATE {
        head(out, name, help, "gauge")?;
        for (_, item) in report.rows() {
            if let Some(value) = value(item, report.at) {
                labels(&mut text, item);
                collisions.discriminate(&mut text, item);
                writeln!(out, "{name}{{{text}}} {value}")?;
            }
        }
    }
    Ok(())
}

/// Where certificates come from, in the exporter's way; `endpoint` is certwatch's own.
#[derive(Clone, Copy, Eq, PartialEq)]
enum SourceKind {
    Endpoint,
    File,
    Kubeconfig,
}

impl SourceKind {
    fn of(item: &Item) -> Option<Self> {
        match item.place.entry {
            Entry::Presented(_) | Entry::Process(_) => None,
            Entry::Endpoint(_) => Some(Self::Endpoint),
            _ if in_kubeconfig(item) => Some(Self::Kubeconfig),
            _ => Some(Self::File),
        }
    }
}

/// What the exporter calls a source: here all files of one kind are one.
struct SourceCounts<'a> {
    /// Files; the exporter's word.
    bundles: usize,
    judged: usize,
    errors: BTreeMap<&'a str, usize>,
}

fn sources(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let kinds = [SourceKind::File, SourceKind::Kubeconfig, SourceKind::Endpoint];
    let counts = kinds.map(|kind| (kind, SourceCounts::of(report, kind)));
    // Nobody has to have any.
    let is_there = |(kind, source): &&(SourceKind, SourceCounts<'_>)| {
        *kind != SourceKind::Endpoint || source.bundles > 0
    };
    let sources: Vec<_> = counts.iter().filter(is_there).collect();
    head(out, "x509_source_up", "0 if nothing of the source could be read.", "gauge")?;
    for (kind, source) in &sources {
        let is_up = source.judged > 0 || source.failed() == 0;
        sample(out, "x509_source_up", &of_source(*kind), u8::from(is_up))?;
    }
    head(out, "x509_source_bundles", "Files of the source.", "gauge")?;
    for (kind, source) in &sources {
        sample(out, "x509_source_bundles", &of_source(*kind), source.bundles)?;
    }
    let name = "x509_source_errors_total";
    head(out, name, "What could not be read in the last scan, by reason.", "counter")?;
    for (kind, source) in &sources {
        for (reason, count) in &source.errors {
            let labels = format!("{},reason=\"{reason}\"", of_source(*kind));
            sample(out, name, &labels, count)?;
        }
    }
    let errors: usize = sources.iter().map(|(_, source)| source.failed()).sum();
    head(out, "x509_read_errors", "What could not be read in the last scan.", "gauge")?;
    sample(out, "x509_read_errors", "", errors)
}

impl<'a> SourceCounts<'a> {
    fn of(report: &Report<'a>, kind: SourceKind) -> Self {
        let errors = Reason::CODES.iter().map(|reason| (*reason, 0)).collect();
        let mut source = Self { bundles: 0, judged: 0, errors };
        let mut last = None;
        let is_ours = |item: &&Item| SourceKind::of(item) == Some(kind);
        // In the order of the scan, which does not leave a file and come back to it.
        for item in report.inventory.items.iter().filter(is_ours) {
            source.bundles += usize::from(last.replace(&item.place.path) != Some(&item.place.path));
            match problem(item) {
                Some(reason) => *source.errors.entry(reason.code()).or_default() += 1,
                None => source.judged += 1,
            }
        }
        source
    }

    fn failed(&self) -> usize {
        self.errors.values().sum()
    }
}

fn of_source(kind: SourceKind) -> String {
    let kind = match kind {
        SourceKind::Endpoint => "endpoint",
        SourceKind::File => "file",
        SourceKind::Kubeconfig => "kubeconfig",
    };
    format!("source_kind=\"{kind}\",source_name=\"certwatch\"")
}

fn own(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let name = "certwatch_node_info";
    head(out, name, "The node and its cluster, to join with; always 1.", "gauge")?;
    sample(out, name, &of_node(report.node), 1)?;
    let name = "certwatch_certificates";
    head(out, name, "Certificates by how they were judged.", "gauge")?;
    for severity in [Severity::Ok, Severity::Warning, Severity::Critical, Severity::Unknown] {
        let labels = format!("severity=\"{}\"", severity.name());
        sample(out, name, &labels, report.assessment.count(severity))?;
    }
    let name = "certwatch_severity";
    head(out, name, "Exit code of the check: 0 ok, 1 warning, 2 critical, 3 unknown.", "gauge")?;
    sample(out, name, "", Exit::Checked(report.assessment.severity()).code())?;
    let name = "certwatch_scan_timestamp_seconds";
    head(out, name, "When the scan was made, as unix time.", "gauge")?;
    sample(out, name, "", report.generated.seconds())
}

fn head(out: &mut impl Write, name: &str, help: &str, kind: &str) -> io::Result<()> {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn sample(out: &mut impl Write, name: &str, labels: &str, value: impl Display) -> io::Result<()> {
    if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    }
}

fn problem(item: &Item) -> Option<&Reason> {
    match &item.content {
        Content::Problem(reason) => Some(reason),
        Content::Certificate(_) | Content::Loopback(_) => None,
    }
}

fn in_kubeconfig(item: &Item) -> bool {
    match item.place.entry {
        Entry::Cluster { .. } | Entry::User { .. } => true,
        Entry::Endpoint(_) | Entry::Pem(_) | Entry::Presented(_) | Entry::Process(_) => false,
        Entry::Whole => {
            item.role.kind == CertificateKind::UserKubeconfig || item.role.id.ends_with(".conf")
        }
    }
}
