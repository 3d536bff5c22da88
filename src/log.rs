//! The daemon's log: to the journal with fields, or as lines on standard error.
//!
//! Only our own words are logged in detail. What libraries say below a warning can hold secrets:
//! HTTP and mail clients log what they send.

use std::fmt;
use std::io;

use clap::ValueEnum;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_serde::fields::AsMap as _;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::text::{escaped, is_unsafe};
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
    begin(lines(LogLine { shape, clock: sys::now }, io::stderr), level)
}

/// Who asked for the journal learns what works instead.
fn without_journal(error: &io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no journal on this system".to_owned(),
        _ => format!("the journal cannot be reached: {error}"),
    };
    io::Error::new(error.kind(), format!("{why}; `--log text` works without it"))
}

type Filtered = Layered<Targets, Registry>;

fn begin(layer: impl Layer<Filtered> + Send + Sync + 'static, level: LogLevel) -> io::Result<()> {
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

fn lines<W>(line: LogLine, out: W) -> impl Layer<Filtered> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Nobody is left to be told if this fails; to say so on standard error could panic.
    tracing_subscriber::fmt::layer().event_format(line).with_writer(out).log_internal_errors(false)
}

/// How an event becomes one line. The formats that come with tracing-subscriber leave line breaks and bidi marks as
/// they are. Spans are not shown: there are none.
struct LogLine {
    shape: Shape,
    clock: fn() -> UnixTime,
}

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = (self.clock)();
        match self.shape {
            Shape::Text { colour } => text(&mut writer, now, event, colour),
            Shape::Json => json(&mut writer, now, event),
        }
    }
}

fn text(writer: &mut Writer<'_>, now: UnixTime, event: &Event<'_>, colour: bool) -> fmt::Result {
    let level = *event.metadata().level();
    let (begin, end) = if colour { (colour_of(level), "\u{1b}[0m") } else { ("", "") };
    write!(writer, "{now} {begin}{level:<5}{end}")?;
    let mut fields = Fields { writer, result: Ok(()) };
    event.record(&mut fields);
    fields.result?;
    writeln!(writer)
}

/// Writes the message as it is and a field as `name=value`; the message comes first.
struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        let value = escaped(&value);
        self.result = self.result.and_then(|()| match field.name() {
            "message" => write!(self.writer, " {value}"),
            name if value.is_empty() || value.contains([' ', '"', '=']) => {
                write!(self.writer, " {name}=\"{}\"", value.replace('"', "\\\""))
            }
            name => write!(self.writer, " {name}={value}"),
        });
    }
}

fn json(writer: &mut Writer<'_>, now: UnixTime, event: &Event<'_>) -> fmt::Result {
    let Ok(Value::Object(mut object)) = serde_json::to_value(event.field_map()) else {
        return Err(fmt::Error);
    };
    // Over all fields, so that none can pretend to be one of these.
    object.insert("time".to_owned(), now.to_string().into());
    let level = event.metadata().level().as_str().to_ascii_lowercase();
    object.insert("level".to_owned(), level.into());
    // JSON escapes the control characters below 0x20 alone.
    for c in Value::Object(object).to_string().chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        } else {
            writer.write_char(c)?;
        }
    }
    writeln!(writer)
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

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
        let line = LogLine { shape, clock: || UnixTime::new(1_800_000_000) };
        let out = captured.clone();
        let layer = lines(line, move || out.clone());
        let subscriber = tracing_subscriber::registry().with(wanted(level)).with(layer);
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
