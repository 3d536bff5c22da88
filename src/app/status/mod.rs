//! `certwatch status`: what the daemon knows, read from its state.

mod receivers;
mod renewal;

use std::path::Path;

use serde::Serialize;

use crate::cli::{StatusArgs, StatusFormat};
use crate::config::{self, Config};
use crate::domain::advice::Remedy;
use crate::domain::cluster::NodeIdentity;
use crate::domain::ledger::{DeliveryMode, OpenAlert, ReceiverId, ReceiverSpec};
use crate::domain::policy::Severity;
use crate::domain::time::{Span, UnixTime};
use crate::exit::Exit;
use crate::monitor::{MonitorState, ScanNote, identity};
use crate::notify::route;
use crate::renew;
use crate::report::escape;
use crate::report::lines::{columns, line};
use crate::{monitor, store, sys};
use receivers::ReceiverStatus;
use renewal::RenewalStatus;

const NO_STATUS: &str =
    "no status yet: neither `certwatch run` nor `certwatch check --notify` has run";

/// Under the scan, where the file is wrong that a daemon would read.
const REFUSED: &str = "The configuration file is invalid (see `certwatch config check`): the previous \
                       configuration is in effect.\n";

/// Prints the status: 0 if there is one, 1 if there is none to be had or the daemon has gone.
pub(crate) fn run(args: &StatusArgs) -> Exit {
    // The daemon goes on without a configuration that is wrong, so that its state counts.
    let (config, refused) = match super::config::effective(args.config.as_deref()) {
        Ok(config) => (config, None),
        Err(errors) => (salvaged(args.config.as_deref()), Some(errors)),
    };
    let why = match store::peek::<MonitorState>(&config.daemon.state_dir) {
        Ok(Some(memory)) => return show(&config, refused.is_some(), &memory, args.output),
        Ok(None) => NO_STATUS.to_owned(),
        Err(error) => error.to_string(),
    };
    if let Some(errors) = refused {
        super::print_error(&errors.to_string());
    }
    super::print_error(&why);
    Exit::Failed
}

fn salvaged(path: Option<&Path>) -> Config {
    config::salvage(path.unwrap_or(Path::new(config::DEFAULT_PATH)))
}

fn show(
    config: &Config,
    config_invalid: bool,
    memory: &MonitorState,
    output: StatusFormat,
) -> Exit {
    let specs = match config_invalid {
        true => memory.ledger.receivers.keys().map(remembered).collect(),
        false => route::receivers(&config.channels),
    };
    let now = sys::now();
    let in_use = store::is_in_use(&config.daemon.state_dir);
    let schedule = monitor::schedule(config);
    let renewals =
        RenewalStatus::of(schedule.as_ref(), renewals(config), memory.scan.as_ref(), now);
    let status = Status {
        config_invalid,
        ..Status::of(
            identity(config, memory.cluster.as_deref()),
            &specs,
            memory,
            in_use,
            renewals,
            now,
        )
    };
    let printed = super::print(&match output {
        StatusFormat::Table => status.table(now),
        StatusFormat::Json => status.json(),
    });
    if status.daemon.has_gone() { Exit::Failed } else { printed }
}

/// What is remembered of renewals, which is root's alone.
fn renewals(config: &Config) -> Result<renew::RenewerState, String> {
    let memory = store::peek(&config.renew.state_dir).map_err(|error| error.to_string())?;
    Ok(memory.unwrap_or_default())
}

/// A receiver of which the state alone is known. Its min-severity is not in there, so that more may
/// seem to wait for it than does.
fn remembered(id: &ReceiverId) -> ReceiverSpec {
    let is_heartbeat = route::channel(id) == "heartbeat";
    let mode = if is_heartbeat { DeliveryMode::Heartbeat } else { DeliveryMode::Grouped };
    ReceiverSpec { id: id.clone(), mode, min_severity: Severity::Warning }
}

/// What is printed; the names of the fields are those of the JSON.
#[derive(Serialize)]
struct Status<'a> {
    schema_version: u32,
    cluster: Option<String>,
    node: String,
    #[serde(skip)]
    shown: String,
    config_invalid: bool,
    daemon: DaemonStatus<'a>,
    last_scan: Option<ScanStatus<'a>>,
    renewal: RenewalStatus,
    alerts: Vec<AlertStatus<'a>>,
    receivers: Vec<ReceiverStatus>,
}

#[derive(Serialize)]
struct DaemonStatus<'a> {
    running: bool,
    pid: u32,
    version: &'a str,
    #[serde(serialize_with = "rfc3339")]
    started_at: Option<UnixTime>,
    watch: &'a str,
}

#[derive(Serialize)]
struct ScanStatus<'a> {
    #[serde(serialize_with = "rfc3339")]
    at: Option<UnixTime>,
    duration_ms: u64,
    certificates: usize,
    severity: Severity,
    next_to_expire: Option<&'a str>,
    #[serde(serialize_with = "rfc3339")]
    next_expiry: Option<UnixTime>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct AlertStatus<'a> {
    id: String,
    severity: Severity,
    codes: &'a [String],
    name: &'a str,
    title: &'a str,
    place: &'a str,
    summary: &'a str,
    #[serde(serialize_with = "rfc3339")]
    since: Option<UnixTime>,
    #[serde(serialize_with = "rfc3339")]
    expires: Option<UnixTime>,
    messages: &'a [String],
    remedies: Vec<String>,
}

// serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option)]
fn rfc3339<S: serde::Serializer>(at: &Option<UnixTime>, out: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(out)
}

impl<'a> Status<'a> {
    fn of(
        node: NodeIdentity,
        specs: &[ReceiverSpec],
        memory: &'a MonitorState,
        is_in_use: bool,
        renewal: RenewalStatus,
        now: UnixTime,
    ) -> Self {
        let writer = &memory.writer;
        let mut firing: Vec<_> = memory.ledger.open.iter().collect();
        firing.sort_by_key(|(_, open)| {
            (std::cmp::Reverse(open.level.severity), open.text.expires, open.text.name.clone())
        });
        Self {
            schema_version: 1,
            config_invalid: false,
            daemon: DaemonStatus {
                running: is_in_use && !writer.watch.is_empty(),
                pid: writer.pid,
                version: &writer.version,
                started_at: writer.since,
                watch: &writer.watch,
            },
            last_scan: memory.scan.as_ref().map(ScanStatus::of),
            renewal,
            alerts: firing
                .into_iter()
                .map(|(id, open)| AlertStatus::of(id.on(&node), open))
                .collect(),
            receivers: specs.iter().map(|spec| ReceiverStatus::of(spec, memory, now)).collect(),
            shown: node.shown(),
            cluster: node.cluster,
            node: node.name,
        }
    }

    fn json(&self) -> String {
        escape::json(self)
    }

    fn table(&self, now: UnixTime) -> String {
        let mut out = String::new();
        line(&mut out, &format!("certwatch on {}: {}", self.shown, self.daemon.line(now)));
        match &self.last_scan {
            None => out.push_str("No scan has finished yet.\n"),
            Some(scan) => line(&mut out, &scan.line(now)),
        }
        if self.config_invalid {
            out.push_str(REFUSED);
        }
        out.push('\n');
        self.table_of_firing(&mut out, now);
        out.push('\n');
        self.renewal.table(&mut out, now);
        out.push('\n');
        receivers::table(&self.receivers, &mut out, now);
        out
    }

    fn table_of_firing(&self, out: &mut String, now: UnixTime) {
        if self.alerts.is_empty() {
            out.push_str("Nothing is wrong.\n");
            return;
        }
        let rows = self.alerts.iter().map(|it| {
            let since = it.since.map(|since| ago(since, now)).unwrap_or_default();
            let state = it.severity.name().to_uppercase();
            [state, it.name.to_owned(), it.now(now), since, it.place.to_owned()]
        });
        columns(out, ["STATE", "NAME", "WHAT", "SINCE", "WHERE"], rows, None);
        out.push_str("To see what to do about each: certwatch check\n");
    }
}

impl DaemonStatus<'_> {
    /// It should run, and does not.
    fn has_gone(&self) -> bool {
        self.started_at.is_some() && !self.running
    }

    fn line(&self, now: UnixTime) -> String {
        match self.started_at {
            Some(since) if self.running => format!(
                "running (process {}, version {}) since {}, file changes: {}",
                self.pid,
                self.version,
                ago(since, now),
                self.watch
            ),
            Some(_) => "NOT RUNNING: nobody is notified. Start it with `systemctl start certwatch`"
                .to_owned(),
            None => "no daemon; as of the last `certwatch check --notify`".to_owned(),
        }
    }
}

impl<'a> ScanStatus<'a> {
    fn of(note: &'a ScanNote) -> Self {
        let next = note.next.as_ref();
        Self {
            at: Some(note.at),
            duration_ms: note.took_ms,
            certificates: note.judged,
            severity: note.severity,
            next_to_expire: next.map(|(name, _)| name.as_str()),
            next_expiry: next.map(|(_, at)| *at),
            error: note.failure.as_deref(),
        }
    }

    fn line(&self, now: UnixTime) -> String {
        let at = self.at.map(|at| ago(at, now)).unwrap_or_default();
        if let Some(error) = self.error {
            return format!("Last scan: {at}, failed: {error}");
        }
        let scan = format!(
            "Last scan: {at}, {} certificates in {} ms.",
            self.certificates, self.duration_ms
        );
        match (self.next_to_expire, self.next_expiry) {
            (Some(name), Some(end)) => {
                format!("{scan} Next to expire is {name} in {}, on {}.", end - now, end.date())
            }
            _ => scan,
        }
    }
}

impl<'a> AlertStatus<'a> {
    fn of(id: String, open: &'a OpenAlert) -> Self {
        let words = &open.text;
        Self {
            id,
            severity: open.level.severity,
            codes: &open.level.codes,
            name: &words.name,
            title: &words.title,
            place: &words.place,
            summary: &words.summary,
            since: Some(open.since),
            expires: words.expires,
            messages: &words.lines,
            remedies: words.remedies.iter().map(Remedy::to_string).collect(),
        }
    }

    /// What is wrong as of now: the words are as old as the last scan.
    fn now(&self, now: UnixTime) -> String {
        match self.expires {
            Some(end) if self.summary.starts_with("expire") && end < now => {
                format!("expired {}", ago(end, now))
            }
            Some(end) if self.summary.starts_with("expire") => format!("expires in {}", end - now),
            _ => self.summary.to_owned(),
        }
    }
}

/// `4 min ago`; a few seconds do not count, nor does a clock that was set back.
fn ago(at: UnixTime, now: UnixTime) -> String {
    let is_recent = now - at < Span::seconds(10);
    if is_recent { "just now".to_owned() } else { format!("{} ago", now - at) }
}

#[cfg(test)]
mod tests;
