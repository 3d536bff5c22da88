//! `-o json`: every fact, under names that stay. The contract is docs/check.schema.json.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::escape::Escaping;
use super::{Report, not_after, renewer};
use crate::domain::advice;
use crate::domain::layout;
use crate::domain::model::{Certificate, Entry, Item, StaleEvidence, StaleUse};
use crate::domain::policy::{self, Finding, Row, Severity};
use crate::domain::role::CertificateKind;
use crate::domain::time::UnixTime;

/// Raised when a field changes its meaning or goes away; new fields alone do not raise it.
const SCHEMA_VERSION: u32 = 1;

pub(super) fn write(report: &Report<'_>, out: &mut impl io::Write) -> io::Result<()> {
    let document = CheckDocument::of(report);
    let mut json = serde_json::Serializer::with_formatter(&mut *out, Escaping::default());
    document.serialize(&mut json).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct CheckDocument<'a> {
    schema_version: u32,
    cluster: Option<&'a str>,
    node: &'a str,
    #[serde(flatten)]
    times: Times,
    severity: &'static str,
    summary: Summary,
    in_use_checked: bool,
    endpoints_left_out: usize,
    leftovers: Vec<Cow<'a, str>>,
    #[serde(serialize_with = "one_by_one")]
    certificates: &'a Report<'a>,
}

#[derive(Serialize)]
struct Times {
    generated_at: String,
    generated_at_unix: i64,
    at: String,
    at_unix: i64,
    next_change: Option<String>,
    next_change_unix: Option<i64>,
}

#[derive(Serialize)]
struct Summary {
    critical: usize,
    unknown: usize,
    warning: usize,
    ok: usize,
    repeats: usize,
}

/// One item. What needs a certificate is null where there is none.
#[derive(Serialize)]
struct Object<'a> {
    path: Cow<'a, str>,
    entry: EntryJson<'a>,
    role: &'static str,
    title: &'static str,
    owner: &'static str,
    impact: &'static str,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    serial_decimal: Option<String>,
    sans: Option<&'a [Box<str>]>,
    not_before: Option<String>,
    not_before_unix: Option<i64>,
    not_after: Option<String>,
    not_after_unix: Option<i64>,
    expires: Option<String>,
    expires_unix: Option<i64>,
    seconds_left: Option<i64>,
    sha256: Option<String>,
    key_sha256: Option<String>,
    is_ca: Option<bool>,
    ca: Option<Issuer<'a>>,
    stale_use: Option<StaleUseJson>,
    externally_managed: bool,
    named_by: Option<&'a str>,
    renewable_by: &'static str,
    repeats: bool,
    severity: &'static str,
    findings: Vec<Judgement>,
}

#[derive(Default, Serialize)]
struct EntryJson<'a> {
    kind: &'static str,
    name: Option<&'a str>,
    index: Option<u32>,
    server: Option<&'a str>,
    pid: Option<u32>,
    address: Option<String>,
}

#[derive(Serialize)]
struct StaleUseJson {
    component: String,
    address: Option<String>,
    started: Option<String>,
    until: String,
    until_unix: i64,
    is_upper_bound: bool,
}

#[derive(Serialize)]
struct Issuer<'a> {
    name: Option<&'static str>,
    path: Cow<'a, str>,
    sha256: String,
    not_after: String,
    not_after_unix: i64,
    has_key: bool,
}

#[derive(Serialize)]
struct Judgement {
    code: &'static str,
    severity: &'static str,
    message: String,
    remedy: String,
    command: Option<String>,
}

impl<'a> CheckDocument<'a> {
    fn of(report: &'a Report<'a>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            cluster: report.node.cluster.as_deref(),
            node: &report.node.name,
            times: Times::of(report),
            severity: report.assessment.severity().name(),
            summary: Summary::of(report),
            in_use_checked: report.inventory.has_asked,
            endpoints_left_out: report.inventory.endpoints_left_out,
            leftovers: report
                .inventory
                .leftovers
                .iter()
                .map(|path| path.to_string_lossy())
                .collect(),
            certificates: report,
        }
    }
}

fn one_by_one<S: Serializer>(report: &Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(report.rows().map(|(row, item)| Object::of(row, item, report.at)))
}

impl Times {
    fn of(report: &Report<'_>) -> Self {
        let next_change = report.assessment.next_change;
        Self {
            generated_at: report.generated.to_string(),
            generated_at_unix: report.generated.seconds(),
            at: report.at.to_string(),
            at_unix: report.at.seconds(),
            next_change: next_change.map(text),
            next_change_unix: next_change.map(UnixTime::seconds),
        }
    }
}

impl Summary {
    fn of(report: &Report<'_>) -> Self {
        let count = |severity| report.assessment.count(severity);
        Self {
            critical: count(Severity::Critical),
            unknown: count(Severity::Unknown),
            warning: count(Severity::Warning),
            ok: count(Severity::Ok),
            repeats: report.rows().filter(|(row, _)| row.repeats).count(),
        }
    }
}

impl<'a> Object<'a> {
    fn of(row: &Row, item: &'a Item, at: UnixTime) -> Self {
        let certificate = item.certificate();
        let not_before = certificate.map(|certificate| certificate.not_before);
        let not_after = not_after(item);
        Self {
            path: item.place.path.to_string_lossy(),
            entry: EntryJson::of(&item.place.entry),
            role: item.role.id,
            title: item.role.title,
            owner: item.role.owner,
            impact: item.role.impact,
            subject: certificate.map(|certificate| certificate.subject.to_string()),
            issuer: certificate.map(|certificate| certificate.issuer.to_string()),
            serial: certificate.map(Certificate::serial_hex),
            serial_decimal: certificate.and_then(Certificate::serial_decimal),
            sans: certificate.map(|certificate| &*certificate.sans),
            not_before: not_before.map(text),
            not_before_unix: not_before.map(UnixTime::seconds),
            not_after: not_after.map(text),
            not_after_unix: not_after.map(UnixTime::seconds),
            expires: row.expires.map(text),
            expires_unix: row.expires.map(UnixTime::seconds),
            seconds_left: row.expires.map(|end| (end - at).as_seconds()),
            sha256: certificate.map(|certificate| certificate.sha256.to_string()),
            key_sha256: certificate.map(|certificate| certificate.key_sha256.to_string()),
            is_ca: certificate.map(|certificate| certificate.is_ca),
            ca: certificate.and_then(Issuer::of),
            stale_use: StaleUseJson::of(item),
            externally_managed: policy::is_externally_managed(item),
            named_by: item.named_by.as_deref(),
            renewable_by: renewer(item),
            repeats: row.repeats,
            severity: row.severity.name(),
            findings: Judgement::all(item, &row.findings, at),
        }
    }
}

impl<'a> EntryJson<'a> {
    fn of(entry: &'a Entry) -> Self {
        let none = Self::default();
        match entry {
            Entry::Cluster { name, server, index } => Self {
                kind: "cluster",
                name: Some(name),
                index: Some(*index),
                server: Some(server),
                ..none
            },
            Entry::Endpoint(name) => Self { kind: "endpoint", name: name.as_deref(), ..none },
            Entry::Pem(index) => Self { kind: "pem", index: Some(*index), ..none },
            Entry::Presented(at) => {
                Self { kind: "presented", address: Some(at.to_string()), ..none }
            }
            Entry::Process(pid) => Self { kind: "process", pid: Some(*pid), ..none },
            Entry::User { name, index } => {
                Self { kind: "user", name: Some(name), index: Some(*index), ..none }
            }
            Entry::Whole => Self { kind: "file", ..none },
        }
    }
}

impl StaleUseJson {
    fn of(item: &Item) -> Option<Self> {
        let StaleUse { component, evidence } = &**item.stale_use.as_ref()?;
        let until = policy::used_until(item)?;
        let (address, started) = match evidence {
            StaleEvidence::Presents { at, .. } => (Some(at.to_string()), None),
            StaleEvidence::Mounted { started } | StaleEvidence::Read { started, .. } => {
                (None, Some(text(*started)))
            }
        };
        let is_upper_bound = matches!(
            evidence,
            StaleEvidence::Mounted { .. } | StaleEvidence::Read { not_after: None, .. }
        );
        let component = component.to_string();
        let until_unix = until.seconds();
        Some(Self { component, address, started, until: text(until), until_unix, is_upper_bound })
    }
}

impl<'a> Issuer<'a> {
    fn of(certificate: &'a Certificate) -> Option<Self> {
        let ca = certificate.signer.verified()?;
        Some(Self {
            name: ca_name(&ca.path),
            path: ca.path.to_string_lossy(),
            sha256: ca.sha256.to_string(),
            not_after: ca.not_after.to_string(),
            not_after_unix: ca.not_after.seconds(),
            has_key: ca.has_key,
        })
    }
}

/// kubeadm's own name for the CA: `ca`, `etcd-ca` or `front-proxy-ca`.
fn ca_name(path: &Path) -> Option<&'static str> {
    Some(layout::locate(path).role)
        .filter(|role| role.kind == CertificateKind::Ca)
        .map(|role| role.id)
}

impl Judgement {
    fn all(item: &Item, findings: &[Finding], at: UnixTime) -> Vec<Self> {
        let one = |finding: &Finding| {
            let remedy = advice::remedy_among(item, &finding.kind, findings);
            Self {
                code: finding.kind.code(),
                severity: finding.severity.name(),
                message: advice::message(item, &finding.kind, at),
                command: remedy.command().map(str::to_owned),
                remedy: remedy.to_string(),
            }
        };
        findings.iter().map(one).collect()
    }
}

fn text(time: UnixTime) -> String {
    time.to_string()
}
