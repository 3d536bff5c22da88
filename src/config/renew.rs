//! `[renew]`: how certificates are renewed.

mod hook;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use toml::de::DeValue;

use crate::domain::layout::KUBERNETES;
use crate::domain::renewal::copy::{ListedCopy, SystemUser};
use crate::domain::renewal::hook::Hook;
use crate::domain::renewal::plan::{RenewalPolicy, RestartPolicy};
use crate::domain::renewal::{Component, MaintenanceWindow};
use crate::domain::time::Span;

use super::error::Problem;
use super::section::{Section, Setting};
use super::value::{self, wrong};
use super::{path, span};

const BEFORE: RangeInclusive<Span> = Span::hours(1)..=Span::days(36_500);
const DEADLINE: RangeInclusive<Span> = Span::minutes(1)..=Span::days(36_500);
const BACKUPS: RangeInclusive<usize> = 1..=50;
const RESTARTS: [(&str, RestartPolicy); 3] =
    [("needed", RestartPolicy::Needed), ("all", RestartPolicy::All), ("none", RestartPolicy::None)];

/// How certificates are renewed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RenewConfig {
    /// The daemon asks for a renewal by itself.
    pub enabled: bool,
    /// The kubelet's own certificates are renewed too; as `enabled` unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<bool>,
    /// A certificate is due when it has less than this left, 1 h to 36,500 d.
    #[serde(serialize_with = "span::show")]
    pub before: Span,
    /// What is restarted.
    pub restart: RestartPolicy,
    /// A component that does not use its files is restarted though nothing is due.
    pub restart_stale: bool,
    /// Static pods other than the components that are restarted when a certificate of theirs is renewed.
    pub restart_pods: Vec<String>,
    /// When the daemon may ask; with none, at any time.
    #[serde(serialize_with = "show_windows")]
    pub windows: Vec<MaintenanceWindow>,
    /// With less than this left, windows no longer count; 1 min to 36,500 d, and below `before`.
    #[serde(serialize_with = "span::show")]
    pub deadline: Span,
    /// Copies of admin.conf that are refreshed with it; absolute.
    #[serde(rename = "kubeconfig-copies", serialize_with = "show_copies")]
    pub copies: Vec<ListedCopy>,
    /// Commands that are run after a renewal.
    #[serde(rename = "hook", serialize_with = "hook::show")]
    pub hooks: Vec<Hook>,
    /// The program; absolute.
    pub kubeadm: PathBuf,
    /// Where root keeps journal, staging copy and backups; absolute, neither below /etc/kubernetes nor
    /// in the daemon's directory.
    pub state_dir: PathBuf,
    /// How many backups are kept, 1 to 50.
    pub keep_backups: usize,
    /// The file by which the daemon asks; absolute. Nothing is in it.
    pub request_file: PathBuf,
}

impl Default for RenewConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            kubelet: None,
            before: Span::days(30),
            restart: RestartPolicy::default(),
            restart_stale: false,
            restart_pods: Vec::new(),
            windows: Vec::new(),
            deadline: Span::days(7),
            copies: vec![ListedCopy { path: "/root/.kube/config".into(), owner: None }],
            hooks: Vec::new(),
            kubeadm: "/usr/bin/kubeadm".into(),
            state_dir: "/var/lib/certwatch-renew".into(),
            keep_backups: 3,
            request_file: "/run/certwatch/renew.request".into(),
        }
    }
}

impl RenewConfig {
    /// The settings that a plan goes by; what lives shorter than `short_lived` is due in the last third of its life.
    pub(crate) fn policy(&self, short_lived: Span) -> RenewalPolicy {
        RenewalPolicy {
            before: self.before,
            short_lived,
            restart: self.restart,
            restart_stale: self.restart_stale,
            kubelet: self.kubelet.unwrap_or(self.enabled).then_some(self.deadline),
        }
    }
}

/// The section; `daemons_dir` is where the daemon's user may write.
pub(super) fn read(section: &mut Section<'_, '_>, daemons_dir: &Setting<PathBuf>) -> RenewConfig {
    let default = RenewConfig::default();
    let (before, deadline) = times(section, &default);
    let (restart, restart_pods) = restarts(section, &default);
    RenewConfig {
        enabled: section.take("enabled", default.enabled, value::flag).value,
        kubelet: section.take("kubelet", default.kubelet, |it| value::flag(it).map(Some)).value,
        before,
        restart,
        restart_stale: section.take("restart-stale", default.restart_stale, value::flag).value,
        restart_pods,
        windows: section.list("windows", default.windows, window).value,
        deadline,
        copies: copies(section, default.copies),
        hooks: hook::hooks(section),
        kubeadm: section.take("kubeadm", default.kubeadm, path::file).value,
        state_dir: state_dir(section, default.state_dir, daemons_dir),
        keep_backups: section
            .take("keep-backups", default.keep_backups, |count| value::number(count, &BACKUPS))
            .value,
        request_file: section.take("request-file", default.request_file, path::file).value,
    }
}

fn restarts(section: &mut Section<'_, '_>, default: &RenewConfig) -> (RestartPolicy, Vec<String>) {
    let read = |word: &DeValue<'_>| value::one_of(word, &RESTARTS);
    let restart = section.take("restart", default.restart, read);
    let pods = section.list("restart-pods", Vec::new(), other_pod);
    if restart.value == RestartPolicy::None && !pods.value.is_empty() {
        let expected = "one of the two: with \"none\" nothing is restarted";
        section.refuse_both(&pods, "does not go with", &restart, expected);
    }
    (restart.value, pods.value)
}

/// The components are restarted by `restart`.
fn other_pod(value: &DeValue<'_>) -> Result<String, Problem> {
    let name = value::node_name(value).map_err(|_| {
        let expected = "the name in the manifest of a static pod, such as \"kube-vip\"";
        if value.is_str() {
            wrong("is not the name of a pod", expected)
        } else {
            value::wrong_kind(value, expected)
        }
    })?;
    if Component::ALL.iter().any(|component| component.name() == name) {
        return Err(wrong(
            "is a component of the control plane",
            "other pods: renew.restart is for the components",
        ));
    }
    Ok(name)
}

fn times(section: &mut Section<'_, '_>, default: &RenewConfig) -> (Span, Span) {
    let before = section.take("before", default.before, |time| value::span(time, &BEFORE));
    let deadline = section.take("deadline", default.deadline, |time| value::span(time, &DEADLINE));
    if deadline.value >= before.value {
        let expected = "deadline to be shorter: windows count between the two";
        section.refuse_both(&deadline, "is not below", &before, expected);
    }
    (before.value, deadline.value)
}

/// Keys are copied there, so nobody but root may reach it, and kubeadm must not see it as its own.
fn state_dir(
    section: &mut Section<'_, '_>,
    default: PathBuf,
    daemons_dir: &Setting<PathBuf>,
) -> PathBuf {
    let dir = section.take("state-dir", default, path::file);
    if dir.value.starts_with(KUBERNETES) {
        let expected =
            "a directory elsewhere: backups there would be mistaken for the files themselves";
        section.refuse(&dir, &format!("is below {KUBERNETES}"), expected);
    } else if dir.value == Path::new("/") {
        section.refuse(&dir, "is the root directory", "a directory of its own");
    } else if dir.value.starts_with(&daemons_dir.value) {
        let expected = "a directory of its own, for root only: backups contain keys";
        section.refuse_both(&dir, "is in", daemons_dir, expected);
    }
    dir.value
}

fn window(value: &DeValue<'_>) -> Result<MaintenanceWindow, Problem> {
    MaintenanceWindow::parse(value::text(value)?).map_err(|error| {
        let expected = "days and times in UTC, such as \"sat,sun 02:00-05:00\" or \"22:00-04:00\"";
        wrong(&error.to_string(), expected)
    })
}

fn copies(section: &mut Section<'_, '_>, default: Vec<ListedCopy>) -> Vec<ListedCopy> {
    let copies = section.list("kubeconfig-copies", default, copy);
    let mut paths = HashSet::new();
    if !copies.value.iter().all(|copy| paths.insert(&copy.path)) {
        section.refuse(&copies, "lists a file twice", "each file once, with its owner");
    }
    copies.value
}

/// `"/root/.kube/config"`, or `{ path = "/home/anna/.kube/config", owner = "anna" }`.
fn copy(value: &DeValue<'_>) -> Result<ListedCopy, Problem> {
    let DeValue::Table(table) = value else {
        return match value {
            DeValue::String(_) => Ok(ListedCopy { path: path::file(value)?, owner: None }),
            _ => Err(value::wrong_kind(value, COPY)),
        };
    };
    if table.keys().any(|key| !["path", "owner"].contains(&key.get_ref().as_ref())) {
        return Err(wrong("has a key other than path and owner", COPY));
    }
    let get = |key| table.get(key).map(toml::Spanned::get_ref);
    let path = get("path").ok_or_else(|| wrong("has no path", COPY))?;
    let path = path::file(path).map_err(|problem| problem.of("path"))?;
    let owner = get("owner").map(user).transpose().map_err(|problem| problem.of("owner"))?;
    Ok(ListedCopy { path, owner })
}

const COPY: &str = "a path, or { path = \"/home/anna/.kube/config\", owner = \"anna\" }";

/// A name as useradd(8) takes it, or a number.
fn user(value: &DeValue<'_>) -> Result<SystemUser, Problem> {
    let expected = "the name of a user, or a number from 0 to 4294967294";
    if let DeValue::Integer(_) = value {
        return value::number(value, &(0..=u32::MAX - 1))
            .map(SystemUser::Uid)
            .map_err(|_| wrong("is out of range", expected));
    }
    let DeValue::String(name) = value else { return Err(value::wrong_kind(value, expected)) };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-$@\\".contains(c);
    let is_name = (1..=256).contains(&name.len()) && name.chars().all(is_plain);
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    match name {
        _ if is_name && is_number => Err(wrong("is a quoted number", "the number without quotes")),
        name if is_name && !name.starts_with('-') => Ok(SystemUser::Name(name.to_string())),
        _ => Err(wrong("is not a user name", expected)),
    }
}

fn show_windows<S: Serializer>(windows: &[MaintenanceWindow], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(windows.iter().map(ToString::to_string))
}

fn show_copies<S: Serializer>(copies: &[ListedCopy], out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum CopyEntry<'c> {
        Path(&'c Path),
        Owned { path: &'c Path, owner: &'c SystemUser },
    }
    out.collect_seq(copies.iter().map(|ListedCopy { path, owner }| match owner {
        None => CopyEntry::Path(path),
        Some(owner) => CopyEntry::Owned { path, owner },
    }))
}
