//! The form for those who see HTML: one column, styles in each element and nothing from elsewhere,
//! since that is what mail clients leave alone. Every text has a colour and a background, so that
//! none is lost where a client makes the page dark.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::words;
use crate::domain::advice::Remedy;
use crate::domain::message::{AlertChange, Firing, MOST_SHOWN, Message, MessageKind, Resolved};
use crate::domain::policy::Severity;

const FONT: &str =
    "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO: &str =
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";
const BREAK: &str = "overflow-wrap:anywhere;word-break:break-word";
const INK: &str = "#1c2430";
const GREY: &str = "#566172";
const GREEN: &str = "#2a7a3b";
const BLUE: &str = "#2459a8";

/// The whole page.
pub(super) fn body(message: &Message) -> String {
    let mut rows = String::new();
    for text in words::lead(message).into_iter().chain(message.text.iter().map(String::as_str)) {
        rows += &paragraph(INK, "16px", text);
    }
    for firing in message.firing.iter().take(MOST_SHOWN) {
        rows += &fires(firing, message);
    }
    rows += &more(message.firing.len(), message);
    for resolved in message.resolved.iter().take(MOST_SHOWN) {
        rows += &is_over(resolved);
    }
    rows += &more(message.resolved.len(), message);
    if !message.next.is_empty() {
        rows += &paragraph(INK, "16px", &message.next);
    }
    page(message, &rows)
}

fn page(message: &Message, rows: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:0;background:#e9ecf0;-webkit-text-size-adjust:100%\">\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" \
         style=\"background:#e9ecf0;table-layout:fixed\"><tr><td align=\"center\" style=\"padding:16px 8px\">\n\
         <div style=\"max-width:600px;margin:0 auto;text-align:left;{FONT};font-size:16px;line-height:1.45;\
         color:{INK};background:#ffffff;border-radius:8px;overflow:hidden\">\n{band}\
         <div style=\"padding:18px 20px 4px;background:#ffffff\">\n{rows}</div>\n{footer}</div>\n\
         </td></tr></table>\n</body></html>\n",
        title = escape(&words::heading(message)),
        band = band(message),
        footer = footer(message),
    )
}

/// What a person sees first, in the colour of how bad it is.
fn band(message: &Message) -> String {
    let counts = words::counts(message);
    let colon = if counts.is_empty() { "" } else { " · " };
    format!(
        "<div style=\"background:{colour};color:#ffffff;padding:16px 20px;{BREAK}\">\
         <div style=\"font-size:13px;font-weight:700;letter-spacing:.06em\">{tag} · {node}</div>\
         <div style=\"font-size:21px;line-height:1.3;font-weight:600;margin:4px 0\">{headline}</div>\
         <div style=\"font-size:14px\">{at}{colon}{counts}</div></div>\n",
        colour = colour_of(message),
        tag = message.tag(),
        node = escape(&message.node),
        headline = prose(&message.headline),
        at = words::moment(message.at),
    )
}

fn fires(firing: &Firing, message: &Message) -> String {
    let (text, colour) = (&firing.text, colour(firing.level.severity));
    let mut inside = format!(
        "<div style=\"font-size:12px;font-weight:700;letter-spacing:.05em;color:{colour}\">{}{}</div>",
        firing.level.severity.name().to_uppercase(),
        mark(firing.change),
    );
    inside += &title(&text.name, &text.summary, &text.title, words::place(text));
    for line in &text.lines {
        inside += &paragraph(INK, "16px", &words::sentence(line));
    }
    let facts: Vec<_> = words::facts(firing, message.at).iter().map(|fact| code(fact)).collect();
    let _ = write!(
        inside,
        "<p style=\"margin:8px 0;font-size:14px;color:{GREY};{BREAK}\">{}</p>",
        facts.join("<br>")
    );
    for remedy in &text.remedies {
        inside += &self::remedy(remedy, &message.node);
    }
    card(colour, &inside)
}

fn is_over(resolved: &Resolved) -> String {
    let text = &resolved.text;
    let mut inside = format!(
        "<div style=\"font-size:12px;font-weight:700;letter-spacing:.05em;color:{GREEN}\">RESOLVED</div>"
    );
    inside += &title(&text.name, "", &text.title, words::place(text));
    inside += &paragraph(INK, "16px", &words::sentence(&resolved.how));
    inside += &paragraph(GREY, "14px", &words::sentence(&words::was(resolved)));
    card(GREEN, &inside)
}

fn title(name: &str, summary: &str, title: &str, place: &str) -> String {
    let mut out = format!(
        "<div style=\"font-size:18px;line-height:1.35;margin:2px 0;{BREAK}\"><strong>{}</strong> {}</div>\
         <div style=\"font-size:14px;color:{GREY};{BREAK}\">{}</div>",
        escape(name),
        prose(summary),
        escape(title),
    );
    if !place.is_empty() {
        let _ = write!(
            out,
            "<div style=\"{MONO};font-size:13px;color:{GREY};{BREAK}\">{}</div>",
            escape(place)
        );
    }
    out
}

fn remedy(remedy: &Remedy, node: &str) -> String {
    match remedy {
        Remedy::Command(command) => format!(
            "<div style=\"font-size:14px;font-weight:600;margin:10px 0 4px;color:{INK};{BREAK}\">Run as \
             root on {}:</div><pre style=\"margin:0 0 6px;padding:10px 12px;background:#f0f2f5;\
             border-radius:5px;{MONO};font-size:14px;line-height:1.4;color:{INK};white-space:pre-wrap;\
             {BREAK}\">{}</pre>",
            escape(node),
            escape(command),
        ),
        Remedy::Words(words) => format!(
            "<p style=\"margin:8px 0;color:{INK};{BREAK}\"><strong style=\"font-size:14px\">To \
             do:</strong> {}</p>",
            code(words)
        ),
    }
}

fn card(colour: &str, inside: &str) -> String {
    format!(
        "<div style=\"border:1px solid #d9dee5;border-left:5px solid {colour};border-radius:6px;\
         padding:12px 14px 8px;margin:0 0 14px;background:#ffffff\">{inside}</div>\n"
    )
}

fn mark(change: AlertChange) -> String {
    let background = match change {
        AlertChange::New | AlertChange::Worse => "#ffe9a8",
        AlertChange::Better | AlertChange::Still => "#e9ecf0",
    };
    format!(
        " &nbsp;<span style=\"background:{background};color:{INK};border-radius:3px;padding:1px 6px\">{}</span>",
        words::change(change)
    )
}

fn paragraph(colour: &str, size: &str, text: &str) -> String {
    format!(
        "<p style=\"margin:8px 0;font-size:{size};color:{colour};{BREAK}\">{}</p>\n",
        code(text)
    )
}

fn more(count: usize, message: &Message) -> String {
    words::beyond(count, &message.node).map_or(String::new(), |text| paragraph(INK, "16px", &text))
}

fn footer(message: &Message) -> String {
    format!(
        "<div style=\"padding:12px 20px 16px;border-top:1px solid #d9dee5;background:#f7f8fa;\
         font-size:13px;color:{GREY};{BREAK}\">{}</div>\n",
        code(&words::footer(message))
    )
}

fn colour_of(message: &Message) -> &'static str {
    match message.kind {
        MessageKind::Test => BLUE,
        MessageKind::Resolved => GREEN,
        MessageKind::Alert | MessageKind::News | MessageKind::Renewal => colour(message.severity),
    }
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => GREEN,
        Severity::Warning => "#a35a00",
        Severity::Unknown => "#6b4aa0",
        Severity::Critical => "#b3261e",
    }
}

/// Escaped, and what stands between backticks as code. A backtick without its partner stays.
fn code(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    let last = parts.len() - 1;
    let mut out = String::with_capacity(text.len() * 2);
    for (index, part) in parts.iter().enumerate() {
        let _ = match index {
            _ if index % 2 == 1 && index < last => write!(
                out,
                "<code style=\"{MONO};font-size:.9em;background:#f0f2f5;color:{INK};padding:1px 4px;\
                 border-radius:3px\">{}</code>",
                escape(part)
            ),
            _ if index % 2 == 1 => write!(out, "`{}", prose(part)),
            _ => write!(out, "{}", prose(part)),
        };
    }
    out
}

/// Escaped, with each number on one line with its unit: `5 d`.
fn prose(text: &str) -> String {
    let text = escape(text);
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        let (before, after) = (&text[..index], &text[index + c.len_utf8()..]);
        let unit = after.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let is_number = before.ends_with(|c: char| c.is_ascii_digit());
        match c {
            ' ' if is_number && ["s", "min", "h", "d", "y"].contains(&unit) => out += "&nbsp;",
            _ => out.push(c),
        }
    }
    out
}

/// The five characters that mean something in HTML, in text and in quotes.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}
