//! What somebody may have to be told: a judgement of one place, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use ring::digest;
use serde::{Deserialize, Serialize};

use super::cluster::NodeIdentity;
use super::model::{Content, Entry, Inventory, Item, Place, Reason};
use super::policy::{Assessment, FindingKind, Row, Severity};
use super::renewal::schedule::Schedule;
use super::time::{Span, UnixTime};
use super::{advice, names};

/// Most alerts that are told one by one; all beyond them are one alert. A glob can match anything.
pub(crate) const MOST: usize = 1_000;

/// Who an alert is about: a hash of the place, 32 hexadecimal digits. Neither serial nor date is in
/// it, since a renewal has to resolve the alert, not to make another; nor the node's name, since the
/// ledger is of one machine, which may be renamed.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct AlertId(pub String);

/// One thing that is wrong, in one place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Alert {
    /// Whom it is about.
    pub id: AlertId,
    /// The file; empty for what is about certwatch itself. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// How bad it is, and how near.
    pub level: Level,
    /// It may be gone in a moment: somebody is writing the file.
    pub is_transient: bool,
    /// What to say.
    pub text: AlertText,
}

/// How bad an alert is. What it was told at decides whether it has become worse.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Level {
    /// The worst of its findings.
    pub severity: Severity,
    /// The threshold it has reached; below zero once it has expired.
    pub threshold: Option<Span>,
    /// The stable names of its findings, worst first.
    pub codes: Vec<String>,
}

/// An alert in words, safe to print, as of the moment it was made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AlertText {
    /// The shortest name that people know it by, such as `apiserver`.
    pub name: String,
    /// What it is, such as `serving certificate of kube-apiserver`.
    pub title: String,
    /// Where it is; empty for what is no file.
    pub place: String,
    /// `expires in 5 d`: goes on after the name.
    pub summary: String,
    /// When it really stops working.
    pub expires: Option<UnixTime>,
    /// What is wrong and what breaks, one sentence each, worst first.
    pub lines: Vec<String>,
    /// What happens without anybody.
    pub automatic: String,
    /// What to do.
    pub remedies: Vec<advice::Remedy>,
}

/// All that one look at the node gives the ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct AlertSnapshot {
    /// What is wrong, most urgent first; at most [`MOST`] and one for the rest.
    pub alerts: Vec<Alert>,
    /// The alerts beyond the first [`MOST`]: they are neither sent one by one nor resolved.
    pub beyond: BTreeSet<AlertId>,
    /// Places where nothing is wrong, with the end of each.
    pub well: BTreeMap<AlertId, Option<UnixTime>>,
    /// What could not be looked into: nothing below these is known to be gone.
    pub blind: Vec<String>,
}

impl AlertId {
    /// The identity of `parts` on `node`.
    pub fn new(node: &str, parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(node.as_bytes());
        for part in parts {
            // Neither paths nor node names hold a zero byte.
            context.update(&[0]);
            context.update(part);
        }
        Self(hex(&context.finish().as_ref()[..16]))
    }

    /// The identity of `parts` on this machine, whatever its name.
    pub(super) fn local(parts: &[&[u8]]) -> Self {
        Self::new("", parts)
    }

    /// The identity among the alerts of all nodes of all clusters: for what leaves the machine.
    pub fn on(&self, node: &NodeIdentity) -> String {
        Self::new(&node.to_string(), &[b"alert", self.0.as_bytes()]).0
    }

    fn of_place(place: &Place) -> Self {
        let path = place.path.as_os_str().as_encoded_bytes();
        let part = match &place.entry {
            Entry::Pem(index) => format!("pem {index}"),
            Entry::Cluster { name, index, .. } => format!("cluster {index} {name}"),
            Entry::Endpoint(name) => format!("endpoint {}", name.as_deref().unwrap_or_default()),
            Entry::Presented(at) => format!("presented {at}"),
            Entry::Process(pid) => format!("process {pid}"),
            Entry::User { name, index } => format!("user {index} {name}"),
            Entry::Whole => "whole".to_owned(),
        };
        Self::local(&[b"place", path, part.as_bytes()])
    }
}

impl AlertText {
    /// Who it is, without what was said of it.
    pub(crate) fn name_only(&self) -> Self {
        Self {
            name: self.name.clone(),
            title: self.title.clone(),
            place: self.place.clone(),
            summary: String::new(),
            expires: self.expires,
            lines: Vec::new(),
            automatic: String::new(),
            remedies: Vec::new(),
        }
    }
}

impl Level {
    /// True once the last second has passed.
    pub(crate) fn has_expired(&self) -> bool {
        self.threshold.is_some_and(Span::is_negative)
    }

    /// True if somebody who was told `self` does not know `now`.
    pub(crate) fn is_outdone_by(&self, now: &Self) -> bool {
        let is_new = |code: &String| code != "expired" && !self.codes.contains(code);
        now.severity > self.severity
            || nearness(now.threshold) < nearness(self.threshold)
            || now.codes.iter().any(is_new)
    }
}

/// What is on no step is further than any.
fn nearness(threshold: Option<Span>) -> i64 {
    threshold.map_or(i64::MAX, Span::as_seconds)
}

impl AlertSnapshot {
    /// What `inventory`, judged as of `now`, means for the alerts of a node, whatever its name.
    /// `schedule` is how certwatch renews without being asked, if it does.
    pub(crate) fn of(
        inventory: &Inventory,
        assessment: &Assessment,
        schedule: Option<&Schedule>,
        now: UnixTime,
    ) -> Self {
        let mut snapshot = Self { blind: blind_spots(inventory), ..Self::default() };
        let mut untold = Severity::Ok;
        for row in assessment.rows.iter().filter(|row| !row.repeats) {
            let item = &inventory.items[row.item];
            let id = AlertId::of_place(&item.place);
            match row.severity {
                Severity::Ok => {
                    snapshot.well.insert(id, row.expires);
                }
                severity if snapshot.alerts.len() == MOST => {
                    untold = untold.max(severity);
                    snapshot.beyond.insert(id);
                }
                _ => snapshot.alerts.push(of_row(id, inventory, row, schedule, now)),
            }
        }
        if assessment.rows.is_empty() {
            snapshot.alerts.push(nothing_found());
        }
        if !snapshot.beyond.is_empty() {
            snapshot.alerts.push(too_many(snapshot.beyond.len(), untold));
        }
        snapshot
    }

    /// True if it cannot be told whether what is at `path` is still there.
    pub(crate) fn is_blind_to(&self, path: &str) -> bool {
        self.blind.iter().any(|spot| Path::new(path).starts_with(spot))
    }
}

/// What holds no certificate that was read may hide any below it. Of a glob, what is before its
/// first pattern counts.
///
/// What is missing hides nothing: the system has said that nothing is there. So the alerts about it are resolved, and
/// the alert that it is missing is in the same message. If a whole place that is named is missing, such as a mount that
/// went away, that message says of each file below it that it no longer exists. That is true, and better than ten
/// alerts whose text is of the day on which the place went away.
///
/// An endpoint is no directory: nothing is below it, and what is unknown of it goes on under its own identity. Nor is its
/// address a path: in `[2001:db8::1]:443` nothing would stand before the first pattern, and all of the node be out of sight.
fn blind_spots(inventory: &Inventory) -> Vec<String> {
    let hides = |item: &&Item| match &item.content {
        Content::Problem(reason) => {
            *reason != Reason::Missing && !matches!(item.place.entry, Entry::Endpoint(_))
        }
        Content::Certificate(_) | Content::Loopback(_) => false,
    };
    let problems = inventory.items.iter().chain(&inventory.context).filter(hides);
    problems.map(|item| lossy(&before_pattern(&item.place.path))).collect()
}

fn before_pattern(path: &Path) -> PathBuf {
    let is_plain = |part: &Component<'_>| {
        !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
    };
    if path.components().all(|part| is_plain(&part)) {
        return path.to_owned();
    }
    path.components().take_while(is_plain).collect()
}

fn of_row(
    id: AlertId,
    inventory: &Inventory,
    row: &Row,
    schedule: Option<&Schedule>,
    now: UnixTime,
) -> Alert {
    let item = &inventory.items[row.item];
    let facts = || row.findings.iter().map(|finding| &finding.kind);
    let threshold = facts().filter_map(threshold).min();
    let remedy = |kind| advice::remedy_among(item, kind, &row.findings);
    let mut remedies: Vec<_> = facts().map(remedy).collect();
    remedies.dedup();
    Alert {
        id,
        path: lossy(&item.place.path),
        level: Level {
            severity: row.severity,
            threshold,
            codes: facts().map(|kind| kind.code().to_owned()).collect(),
        },
        is_transient: facts().next().is_some_and(is_transient),
        text: AlertText {
            name: names::name(&inventory.items, row.item).into_owned(),
            title: advice::title(item.role),
            place: names::place(&inventory.items, row.item).into_owned(),
            summary: summary(item, row, now),
            expires: row.expires,
            lines: facts().map(|kind| advice::message(item, kind, now)).collect(),
            automatic: advice::automatic(
                item,
                row.expires,
                schedule.and_then(|schedule| schedule.begins_for(inventory, item, now)),
                now,
            ),
            remedies,
        },
    }
}

fn summary(item: &Item, row: &Row, now: UnixTime) -> String {
    let worst = row.findings.first().map(|finding| &finding.kind);
    let said = worst.into_iter().chain(row.end_behind_the_worst());
    said.map(|kind| advice::summary(item, kind, now)).collect::<Vec<_>>().join(", and ")
}

fn threshold(kind: &FindingKind) -> Option<Span> {
    match kind {
        FindingKind::Expired(_) => Some(Span::seconds(-1)),
        FindingKind::Expires { threshold, .. } => Some(*threshold),
        _ => None,
    }
}

/// While kubeadm or the kubelet writes a file it can be gone, cut off, or not match its neighbours.
fn is_transient(kind: &FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::Chain(_)
            | FindingKind::ForeignCa(_)
            | FindingKind::NotCompared(_)
            | FindingKind::Refused(_)
            | FindingKind::ServesOther { .. }
            | FindingKind::StaleUse { .. }
            | FindingKind::Unusable(_)
            | FindingKind::WrongSigner(_)
    )
}

fn nothing_found() -> Alert {
    let line = "no certificate was found: either this is not a control-plane node, or certwatch looks in the \
                wrong places";
    let alert = of_certwatch(
        "no_certificates_found",
        Severity::Unknown,
        "found no certificates",
        line,
        "list the places in `scan.paths` of the configuration",
    );
    // Whoever restores a backup moves all of /etc/kubernetes away for a moment.
    Alert { is_transient: true, ..alert }
}

fn too_many(count: usize, severity: Severity) -> Alert {
    let line = format!(
        "{count} more certificates have problems, beyond the {MOST} that are reported one by one"
    );
    of_certwatch(
        "too_many_alerts",
        severity,
        "found more problems than it reports one by one",
        &line,
        "list them all with `certwatch check`",
    )
}

/// An alert about certwatch itself.
pub(crate) fn of_certwatch(
    code: &str,
    severity: Severity,
    summary: &str,
    line: &str,
    remedy: &str,
) -> Alert {
    Alert {
        id: AlertId::local(&[b"certwatch", code.as_bytes()]),
        path: String::new(),
        level: Level { severity, threshold: None, codes: vec![code.to_owned()] },
        is_transient: false,
        text: AlertText {
            name: "certwatch".to_owned(),
            title: "certwatch itself".to_owned(),
            place: String::new(),
            summary: summary.to_owned(),
            expires: None,
            lines: vec![line.to_owned()],
            automatic: String::new(),
            remedies: vec![advice::Remedy::Words(remedy.to_owned())],
        },
    }
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests;
