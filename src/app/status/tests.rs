use super::*;
use crate::domain::alert::{Alert, AlertId, of_certwatch};
use crate::domain::renewal::sample::{NOW, journal};
use crate::domain::renewal::{Journal, Outcome, Step, Task};
use crate::domain::text::is_unsafe;
use crate::report::journal::{Progress, outcome};
use serde_json::Value;

/// ESC, BEL, CSI as one character, a line end, two that turn the reading direction, one that is not seen.
const HOSTILE: &str = "\u{1b}[2J\u{7}\u{9b}31m\nnext line\r\u{202e}\u{2066}\u{200b}";

/// Every text in `value` that may be any text, one at a time, replaced by a hostile one: what a damaged or a forged
/// state file may hold, as far as it is one.
fn forged<S: Serialize + serde::de::DeserializeOwned>(state: &S) -> Vec<S> {
    let value = serde_json::to_value(state).unwrap();
    let mut paths = Vec::new();
    texts(&value, String::new(), &mut paths);
    let one = |path: &String| {
        let mut forged = value.clone();
        *forged.pointer_mut(path).unwrap() = HOSTILE.into();
        serde_json::from_value(forged).ok()
    };
    paths.iter().filter_map(one).collect()
}

fn texts(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::String(_) => out.push(path),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(at, it)| texts(it, format!("{path}/{at}"), out));
        }
        Value::Object(all) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            all.iter().for_each(|(key, it)| texts(it, format!("{path}/{}", escaped(key)), out));
        }
        _ => {}
    }
}

fn memory() -> MonitorState {
    let mut memory = MonitorState::default();
    memory.writer.version = "0.1.0".to_owned();
    memory.writer.watch = "inotify".to_owned();
    memory.writer.since = Some(NOW);
    memory.scan = Some(ScanNote {
        at: NOW,
        took_ms: 9,
        judged: 16,
        severity: Severity::Ok,
        next: Some(("apiserver".to_owned(), NOW + Span::days(9))),
        failure: None,
    });
    let Alert { text, level, .. } = of_certwatch("code", Severity::Warning, "a", "b", "c");
    let open = serde_json::json!({
        "since": NOW, "path": "/x", "receiver": null, "level": level, "text": text
    });
    memory.ledger.open.insert(AlertId(HOSTILE.to_owned()), serde_json::from_value(open).unwrap());
    let id = ReceiverId(format!("webhook:{HOSTILE}"));
    let receiver = memory.ledger.receivers.entry(id).or_default();
    receiver.health.failing_since = Some(NOW);
    receiver.health.reason = Some("it refuses".to_owned());
    memory
}

fn shown(memory: &MonitorState, renewals: renew::RenewerState) -> [String; 2] {
    let specs: Vec<_> = memory.ledger.receivers.keys().map(remembered).collect();
    let renewals = RenewalStatus::of(None, Ok(renewals), memory.scan.as_ref(), NOW);
    let node = NodeIdentity { cluster: Some("prod".to_owned()), ..NodeIdentity::of_node("cp1") };
    let status = Status::of(node, &specs, memory, true, renewals, NOW);
    [status.table(NOW), status.json()]
}

fn assert_safe(text: &str) {
    let is_bad = |c: char| c != '\n' && is_unsafe(c);
    assert!(!text.chars().any(is_bad), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("next line")), "{text}");
}

#[test]
fn no_state_file_drives_a_terminal() {
    let renewals = || {
        let running = Journal {
            step: Step::Install,
            ended: None,
            ..journal(Task::Renew, Outcome::NeedsOperator)
        };
        let restored = Task::Restore("2026-11-01T02-00-00Z".to_owned());
        renew::RenewerState {
            current: Some(running),
            history: vec![journal(restored, Outcome::RolledBack)],
            ..renew::RenewerState::default()
        }
    };
    let states = forged(&memory());
    assert!(states.len() > 10, "{}", states.len());
    for state in states {
        shown(&state, renewals()).iter().for_each(|text| assert_safe(text));
    }
    let states = forged(&renewals());
    assert!(states.len() > 10, "{}", states.len());
    for state in states {
        for journal in state.current.iter().chain(&state.history) {
            assert_safe(&outcome(journal, Path::new("/backups"), Some(80)));
            let lines = Progress::new("/backups".into()).lines(journal, NOW);
            assert_safe(&lines.join("\n"));
        }
        shown(&memory(), state).iter().for_each(|text| assert_safe(text));
    }
}

#[test]
fn a_reason_that_renewals_are_not_known_is_one_line() {
    let renewals = RenewalStatus::of(None, Err(HOSTILE.to_owned()), None, NOW);
    let mut out = String::new();
    renewals.table(&mut out, NOW);
    assert_safe(&out);
}
