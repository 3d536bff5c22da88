//! A message in Slack's Block Kit: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde_json::{Value, json};

use super::markup::{block, code, escape, length, plain, sentence};
use crate::domain::advice::Remedy;
use crate::domain::message::{AlertChange, Firing, MOST_SHOWN, Message, MessageKind, Resolved};
use crate::domain::policy::Severity;

/// Most characters of a header.
const MAX_HEADER: usize = 150;

/// Most characters of a section, some below the limit of 3000.
const MAX_SECTION: usize = 2900;

/// Most characters of all alerts together. Slack refuses longer messages (`msg_blocks_too_long`) at
/// 11,000 to 13,000, and does not say where exactly.
const MAX_FIRING: usize = 5_000;

/// Most characters of all that is over.
const MAX_RESOLVED: usize = 1_500;

/// Most characters of the sentences before all else.
const MAX_TEXT: usize = 1_000;

/// Most alerts with a line below each. A message can have 50 blocks.
const MOST_DIVIDED: usize = 12;

/// Most findings of one alert.
const MOST_LINES: usize = 4;

const SEE_ALL: &str = "list them all with `certwatch check` on the node";

/// The JSON to post; a bot adds channel and thread.
pub fn payload(message: &Message) -> Value {
    let title = title(message);
    json!({
        // Only in notifications and for screen readers: what is shown is in the blocks.
        "text": escape(&title, 300),
        "blocks": blocks(message, &title),
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn blocks(message: &Message, title: &str) -> Vec<Value> {
    let text = plain(title, MAX_HEADER);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": false}}),
    ];
    if !message.text.is_empty() {
        let lines = message.text.iter().map(|line| sentence(line, MAX_TEXT / 2));
        blocks.extend(some_of(lines, MAX_TEXT).0.map(|text| section(&text)));
    }
    blocks.extend(firing(message));
    blocks.extend(resolved(&message.resolved));
    blocks.push(context(message));
    blocks
}

fn title(message: &Message) -> String {
    let mark = match message.kind {
        MessageKind::Resolved => "✅",
        MessageKind::Test => "🔵",
        MessageKind::Alert | MessageKind::News | MessageKind::Renewal => mark(message.severity),
    };
    format!("{mark} {} · {}: {}", message.tag(), message.node, message.headline)
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "🔴",
        Severity::Unknown => "❔",
        Severity::Warning => "🟡",
        Severity::Ok => "✅",
    }
}

/// The most urgent alerts, one section each, and how many there are beyond.
fn firing(message: &Message) -> Vec<Value> {
    let mut texts = Vec::new();
    let mut used = 0;
    for firing in message.firing.iter().take(MOST_SHOWN) {
        let text = alert(firing, &message.node.name);
        used += length(&text);
        if used > MAX_FIRING {
            break;
        }
        texts.push(text);
    }
    let more = message.firing.len() - texts.len();
    if more > 0 {
        texts.push(format!("*and {more} more*: {SEE_ALL}"));
    }
    let has_lines = texts.len() <= MOST_DIVIDED;
    let divider = || has_lines.then(|| json!({"type": "divider"}));
    texts.iter().flat_map(|text| [Some(section(text)), divider()]).flatten().collect()
}

/// What, where, why, and what to do, most important first.
fn alert(firing: &Firing, node: &str) -> String {
    let text = &firing.text;
    let severity = firing.level.severity;
    let change = match firing.change {
        AlertChange::New => "",
        AlertChange::Worse => ", worse than before",
        AlertChange::Better => ", better than before",
        AlertChange::Still => ", still",
    };
    let what = bold(&text.name, &text.summary);
    let mut lines = vec![
        format!("{} {what} · {}{change}", mark(severity), severity.name()),
        place(&text.title, &text.place),
    ];
    let findings = text.lines.iter().take(MOST_LINES);
    lines.extend(findings.map(|line| format!("• {}", sentence(line, 350))));
    if text.lines.len() > MOST_LINES {
        lines.push(format!("• and {} more", text.lines.len() - MOST_LINES));
    }
    if !text.automatic.is_empty() {
        lines.push(format!("• {}", sentence(&text.automatic, 200)));
    }
    add_remedies(&mut lines, &text.remedies, node);
    lines.join("\n")
}

/// The line that is read first, bold; a name that could be markup stands in a code span.
fn bold(name: &str, summary: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .,:/()-".contains(c);
    if name.chars().chain(summary.chars()).all(is_plain) && name.starts_with(|c| c != ' ') {
        return format!("*{}*", plain(format!("{name} {summary}").trim_end(), 250));
    }
    format!("*{}* {}", code(name, 100), sentence(summary, 150))
}

fn place(title: &str, place: &str) -> String {
    let title = sentence(title, 120);
    let place = code(place, 300);
    if place.is_empty() { title } else { format!("{title} · {place}") }
}

/// As many as there is room for. A command is told whole or not at all: somebody will paste it.
fn add_remedies(lines: &mut Vec<String>, remedies: &[Remedy], node: &str) {
    let mut room = MAX_SECTION.saturating_sub(lines.iter().map(|line| length(line) + 1).sum());
    for remedy in remedies {
        let line = match remedy {
            Remedy::Command(command) => {
                block(command).map(|command| format!("*Run on* {}:\n{command}", code(node, 100)))
            }
            Remedy::Words(text) => Some(format!("*To do:* {}", sentence(text, 600))),
        };
        let fits = |line: &String| length(line) + 100 < room;
        let line = line.filter(fits).unwrap_or_else(|| format!("*To do:* {SEE_ALL}"));
        if lines.last() == Some(&line) || length(&line) + 1 > room {
            break;
        }
        room -= length(&line) + 1;
        lines.push(line);
    }
}

/// What is over, a line each, in one section.
fn resolved(resolved: &[Resolved]) -> Option<Value> {
    let lines = resolved.iter().take(MOST_SHOWN).map(|resolved| {
        format!("✅ {} · {}", bold(&resolved.text.name, ""), sentence(&resolved.how, 250))
    });
    let (text, shown) = some_of(lines, MAX_RESOLVED);
    let mut text = text?;
    if shown < resolved.len() {
        text.push_str(&format!("\n✅ *and {} more* that are fine again", resolved.len() - shown));
    }
    Some(section(&text))
}

/// The first of `lines` that fit into `max`, and how many these are.
fn some_of(lines: impl Iterator<Item = String>, max: usize) -> (Option<String>, usize) {
    let mut used = 0;
    let fitting: Vec<String> = lines
        .take_while(|line| {
            used += length(line) + 1;
            used <= max
        })
        .collect();
    let text = (!fitting.is_empty()).then(|| fitting.join("\n"));
    (text, fitting.len())
}

/// Who says so and when, small at the end.
fn context(message: &Message) -> Value {
    let mut text =
        format!("certwatch on {} · {}", code(&message.node.to_string(), 100), moment(message));
    if !message.next.is_empty() {
        text.push_str(&format!(" · {}", sentence(&message.next, 300)));
    }
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": true}]})
}

/// `2026-11-23 02:00 UTC`
fn moment(message: &Message) -> String {
    let at = message.at.to_string();
    match at.split_once('T').and_then(|(date, time)| Some((date, time.get(..5)?))) {
        Some((date, time)) => format!("{date} {time} UTC"),
        None => at,
    }
}

/// `verbatim`: Slack makes no links and mentions of what only looks like them.
fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}
