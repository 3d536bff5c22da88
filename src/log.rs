//! The daemon's log: to the journal with fields, or as lines on standard error.
//!
//! Only our own words are logged in detail. What libraries say below a warning can hold secrets:
//! HTTP and mail clients log what they send.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Mutex;

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::domain::text::is_unsafe;
use crate::domain::time::UnixTime;
use crate::sys;

/// Where the log goes and how it looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// The journal if standard error leads there, else text.
    #[default]
    Auto,
    /// The journal, with fields.
    Journald,
    /// Lines on standard error.
    Text,
    /// Lines of JSON on standard error.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogLevel {
    /// What certwatch cannot do.
    Error,
    /// What may become a problem as well.
    Warn,
    /// What happens as well.
    #[default]
    Info,
    /// Every step as well.
    Debug,
}

/// Begins to log, once in the life of a process.
///
/// # Errors
/// The journal was asked for and is not there, or there is a log already.
pub fn init(format: LogFormat, level: LogLevel) -> io::Result<()> {
    let is_auto = format == LogFormat::Auto;
    if format == LogFormat::Journald || is_auto && leads_to_journal() {
        match tracing_journald::layer() {
            Ok(layer) => {
                let prefix = Some("CERTWATCH".to_owned());
                let layer =
                    layer.with_field_prefix(prefix).with_syslog_identifier("certwatch".to_owned());
                return begin(layer, level);
            }
            Err(error) if !is_auto => return Err(without_journal(&error)),
            Err(_) => {}
        }
    }
    let shape = match format {
        LogFormat::Json => Shape::Json,
        _ => Shape::Text { colour: sys::wants_colour(&io::stderr()) },
    };
    begin(Lines { shape, clock: sys::now, out: Mutex::new(io::stderr()) }, level)
}

/// Who asked for the journal learns what works instead.
fn without_journal(error: &io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no journal on this system".to_owned(),
        _ => format!("the journal cannot be reached: {error}"),
    };
    io::Error::new(error.kind(), format!("{why}; `--log text` works without it"))
}

fn begin<L>(layer: L, level: LogLevel) -> io::Result<()>
where
    L: Layer<tracing_subscriber::layer::Layered<Targets, tracing_subscriber::Registry>>
        + Send
        + Sync
        + 'static,
{
    let subscriber = tracing_subscriber::registry().with(wanted(level)).with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}

fn wanted(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), ours)
        .with_default(ours.min(LevelFilter::WARN))
}

/// True if standard error is the stream that systemd connected to the journal.
fn leads_to_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stat| stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino)))
}

#[derive(Clone, Copy)]
enum Shape {
    Text { colour: bool },
    Json,
}

/// Writes each event as one line. Spans are not shown: there are none.
struct Lines<W> {
    shape: Shape,
    clock: fn() -> UnixTime,
    out: Mutex<W>,
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = *event.metadata().level();
        let line = match self.shape {
            Shape::Text { colour } => said.text((self.clock)(), level, colour),
            Shape::Json => said.json((self.clock)(), level),
        };
        if let Ok(mut out) = self.out.lock() {
            // Nobody is left to be told if this fails.
            let _ = out.write_all(line.as_bytes());
        }
    }
}

/// The message of an event and its fields.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, serde_json::Value)>,
}

impl Said {
    fn add(&mut self, field: &Field, value: serde_json::Value) {
        match (field.name(), value) {
            ("message", serde_json::Value::String(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }

    fn text(&self, now: UnixTime, level: Level, colour: bool) -> String {
        let (begin, end) = if colour { (colour_of(level), "\u{1b}[0m") } else { ("", "") };
        let mut line = format!("{now} {begin}{level:<5}{end} {}", escaped(&self.message));
        for (name, value) in &self.fields {
            let text = match value {
                serde_json::Value::String(text) => escaped(text),
                other => other.to_string(),
            };
            // Writing to a String cannot fail.
            let _ = if text.is_empty() || text.contains([' ', '"', '=']) {
                write!(line, " {name}=\"{}\"", text.replace('"', "\\\""))
            } else {
                write!(line, " {name}={text}")
            };
        }
        line.push('\n');
        line
    }

    fn json(self, now: UnixTime, level: Level) -> String {
        let mut object = serde_json::Map::new();
        let named = [
            ("time", now.to_string()),
            ("level", level.as_str().to_ascii_lowercase()),
            ("message", self.message),
        ];
        // The last one stays, so that no field can pretend to be one of these.
        object.extend(self.fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        object.extend(named.map(|(name, value)| (name.to_owned(), value.into())));
        let line = serde_json::Value::Object(object).to_string();
        // JSON escapes the control characters below 0x20 alone.
        let mut safe = String::with_capacity(line.len() + 1);
        for c in line.chars() {
            if is_unsafe(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            } else {
                safe.push(c);
            }
        }
        safe.push('\n');
        safe
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    }
}

/// Like [`crate::domain::text::escape_control`], but as long as it is: a message is our own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(shape: Shape, level: LogLevel, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let out = Mutex::new(captured.clone());
        let lines = Lines { shape, clock: || UnixTime::new(1_800_000_000), out };
        let subscriber = tracing_subscriber::registry().with(wanted(level)).with(lines);
        tracing::subscriber::with_default(subscriber, events);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const TEXT: Shape = Shape::Text { colour: false };

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let line = logged(TEXT, LogLevel::Info, || {
            tracing::warn!(node = "cp1", left = 3_u64, why = %"disk full", "state not saved");
        });
        assert_eq!(
            line,
            "2027-01-15T08:00:00Z WARN  state not saved node=cp1 left=3 why=\"disk full\"\n"
        );
        let coloured =
            logged(Shape::Text { colour: true }, LogLevel::Info, || tracing::error!("x"));
        assert_eq!(coloured, "2027-01-15T08:00:00Z \u{1b}[31mERROR\u{1b}[0m x\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = logged(Shape::Json, LogLevel::Info, || {
            tracing::info!(node = "c\n1\u{202e}\u{e0001}", left = -3, ok = true, level = "x", "hi");
        });
        assert!(line.ends_with('\n') && !line.trim_end().chars().any(is_unsafe), "{line:?}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            object,
            serde_json::json!({
                "time": "2027-01-15T08:00:00Z", "level": "info", "message": "hi",
                "node": "c\n1\u{202e}\u{e0001}", "left": -3, "ok": true,
            })
        );
    }

    #[test]
    fn nothing_in_a_field_or_message_can_forge_a_line() {
        let evil = "a\n2027 ERROR forged\u{1b}[2J\u{202e}";
        for format in [TEXT, Shape::Json] {
            let line = logged(format, LogLevel::Info, || {
                tracing::info!(plain = evil, debug = ?evil, display = %evil, "{evil}");
            });
            assert_eq!(line.lines().count(), 1, "{line:?}");
            assert!(!line.trim_end_matches('\n').chars().any(is_unsafe), "{line:?}");
        }
        let line = logged(TEXT, LogLevel::Info, || tracing::info!(a = "x\" b=\"y", "m"));
        assert!(line.ends_with("m a=\"x\\\" b=\\\"y\"\n"), "{line}");
    }

    #[test]
    fn without_a_journal_there_is_something_that_works() {
        let of = |errno| without_journal(&io::Error::from_raw_os_error(errno)).to_string();
        assert_eq!(of(2), "there is no journal on this system; `--log text` works without it");
        assert_eq!(
            of(13),
            "the journal cannot be reached: Permission denied (os error 13); `--log text` works \
             without it"
        );
    }

    #[test]
    fn libraries_are_heard_from_warnings_up() {
        let lines = logged(TEXT, LogLevel::Debug, || {
            tracing::debug!(target: "lettre::transport", "AUTH PLAIN secret");
            tracing::info!(target: "ureq", "POST https://hooks.example/secret");
            tracing::warn!(target: "notify", "library warning");
            tracing::debug!("ours");
        });
        assert!(!lines.contains("secret"), "{lines}");
        assert!(lines.contains("library warning") && lines.contains("ours"), "{lines}");
        let lines = logged(TEXT, LogLevel::Error, || {
            tracing::warn!(target: "notify", "library warning");
            tracing::warn!("ours");
            tracing::error!("broken");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}
