//! The form for those who see plain text.

use std::fmt::Write as _;

use super::words;
use crate::domain::advice::Remedy;
use crate::domain::message::{Firing, MOST_SHOWN, Message, Resolved};
use crate::report::lines::wrap;

/// Columns that no client breaks a second time.
const WIDTH: usize = 76;

/// The whole text. A command has a line for itself, whole: somebody will paste it.
pub(super) fn body(message: &Message) -> String {
    let mut out = Page::default();
    out.line(0, &words::heading(message));
    let counts = words::counts(message);
    let colon = if counts.is_empty() { "" } else { ": " };
    out.line(0, &format!("{}{colon}{counts}", words::moment(message.at)));
    for text in words::lead(message).into_iter().chain(message.text.iter().map(String::as_str)) {
        out.gap();
        out.line(0, text);
    }
    for firing in message.firing.iter().take(MOST_SHOWN) {
        fires(&mut out, firing, message);
    }
    out.paragraph(words::beyond(message.firing.len(), &message.node.name).as_deref());
    for resolved in message.resolved.iter().take(MOST_SHOWN) {
        is_over(&mut out, resolved);
    }
    out.paragraph(words::beyond(message.resolved.len(), &message.node.name).as_deref());
    out.paragraph(Some(&message.next).filter(|next| !next.is_empty()).map(String::as_str));
    out.gap();
    // Clients know a signature by this line, the space included (RFC 3676, 4.3).
    out.0.push_str("-- \n");
    out.line(0, &words::footer(message));
    out.0
}

fn fires(out: &mut Page, firing: &Firing, message: &Message) {
    let text = &firing.text;
    let severity = firing.level.severity.name().to_uppercase();
    let change = words::change(firing.change);
    out.gap();
    out.line(0, &format!("{severity} ({change}): {} {}", text.name, text.summary));
    out.line(2, &text.title);
    out.whole(2, words::place(text));
    for line in &text.lines {
        out.line(2, &words::sentence(line));
    }
    for fact in words::facts(firing, message.at) {
        out.line(2, &fact);
    }
    for remedy in &text.remedies {
        match remedy {
            Remedy::Command(command) => {
                out.line(2, &format!("Run as root on {}:", message.node.name));
                out.whole(4, command);
            }
            Remedy::Words(what) => out.line(2, &format!("To do: {what}")),
        }
    }
}

fn is_over(out: &mut Page, resolved: &Resolved) {
    let text = &resolved.text;
    out.gap();
    out.line(0, &format!("RESOLVED: {}", text.name));
    out.line(2, &text.title);
    out.whole(2, words::place(text));
    out.line(2, &words::sentence(&resolved.how));
    out.line(2, &words::sentence(&words::was(resolved)));
}

/// Lines, indented and wrapped.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gap(&mut self) {
        self.0.push('\n');
    }

    /// `text`, wrapped at spaces; nothing for an empty one.
    fn line(&mut self, indent: usize, text: &str) {
        for line in wrap(text, WIDTH - indent) {
            self.whole(indent, line);
        }
    }

    /// `text` in one line, however long; nothing for an empty one.
    fn whole(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(self.0, "{:indent$}{text}", "");
        }
    }

    fn paragraph(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.gap();
            self.line(0, text);
        }
    }
}
