//! What the ledger promises: by examples, and by histories made up at random.

mod examples;
mod model;
mod properties;
mod wording;

use std::sync::LazyLock;

use super::*;
use crate::domain::alert::{Alert, AlertSnapshot};
use crate::domain::message::{Message, MessageKind};

static NODE: LazyLock<NodeIdentity> = LazyLock::new(|| NodeIdentity::of_node("cp1"));
const DAY: i64 = 86_400;

/// How bad an alert can be, mildest first.
fn level(step: usize) -> Level {
    let (severity, days, code) = [
        (Severity::Warning, Some(30), "expires"),
        (Severity::Warning, Some(14), "expires"),
        (Severity::Unknown, None, "permission_denied"),
        (Severity::Critical, Some(7), "expires"),
        (Severity::Critical, Some(1), "expires"),
        (Severity::Critical, Some(-1), "expired"),
        (Severity::Critical, None, "empty"),
    ][step];
    Level { severity, threshold: days.map(Span::days), codes: vec![code.to_owned()] }
}

/// What [`level`] has for a file that somebody may be writing.
const BROKEN: usize = 6;

fn id(key: u8) -> AlertId {
    AlertId(format!("{key:032x}"))
}

fn path(key: u8) -> String {
    format!("/d{}/f{key}", key / 2)
}

fn alert(key: u8, step: usize) -> Alert {
    let text = AlertText {
        name: format!("f{key}"),
        title: "serving certificate".to_owned(),
        place: path(key),
        summary: "expires in 5 d".to_owned(),
        expires: None,
        lines: vec!["expires".to_owned()],
        automatic: String::new(),
        remedies: Vec::new(),
    };
    Alert { id: id(key), path: path(key), level: level(step), is_transient: step == BROKEN, text }
}

fn spec(name: &str, mode: DeliveryMode, min_severity: Severity) -> ReceiverSpec {
    ReceiverSpec { id: ReceiverId(name.to_owned()), mode, min_severity }
}

fn restored(ledger: &Ledger) -> Ledger {
    serde_json::from_str(&serde_json::to_string(ledger).unwrap()).unwrap()
}
