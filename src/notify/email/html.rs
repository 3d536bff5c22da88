//! The form for those who see HTML: one column, styles in each element and nothing from elsewhere,
//! since that is what mail clients leave alone. Every text has a colour and a background, so that
//! none is lost where a client makes the page dark.

use maud::{DOCTYPE, Markup, html};

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
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light";
                title { (words::heading(message)) }
            }
            "\n"
            body style="margin:0;padding:0;background:#e9ecf0;-webkit-text-size-adjust:100%" {
                "\n"
                table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"
                    style="background:#e9ecf0;table-layout:fixed" {
                    tr { td align="center" style="padding:16px 8px" { "\n" (column(message)) } }
                }
                "\n"
            }
        }
        "\n"
    };
    page.into_string()
}

fn column(message: &Message) -> Markup {
    let style = format!(
        "max-width:600px;margin:0 auto;text-align:left;{FONT};font-size:16px;line-height:1.45;\
         color:{INK};background:#ffffff;border-radius:8px;overflow:hidden"
    );
    html! {
        div style=(style) {
            "\n" (band(message))
            div style="padding:18px 20px 4px;background:#ffffff" { "\n" (rows(message)) }
            "\n" (footer(message))
        }
        "\n"
    }
}

fn rows(message: &Message) -> Markup {
    let Message { firing, resolved, next, .. } = message;
    html! {
        @if let Some(text) = words::lead(message) { (paragraph(INK, "16px", text)) }
        @for text in &message.text { (paragraph(INK, "16px", text)) }
        @for firing in firing.iter().take(MOST_SHOWN) { (fires(firing, message)) }
        (more(firing.len(), message))
        @for resolved in resolved.iter().take(MOST_SHOWN) { (is_over(resolved)) }
        (more(resolved.len(), message))
        @if !next.is_empty() { (paragraph(INK, "16px", next)) }
    }
}

/// What a person sees first, in the colour of how bad it is.
fn band(message: &Message) -> Markup {
    let colour = colour_of(message);
    let counts = words::counts(message);
    html! {
        div style=(format_args!("background:{colour};color:#ffffff;padding:16px 20px;{BREAK}")) {
            div style="font-size:13px;font-weight:700;letter-spacing:.06em" {
                (message.tag()) " · " (message.node)
            }
            div style="font-size:21px;line-height:1.3;font-weight:600;margin:4px 0" {
                (prose(&message.headline))
            }
            div style="font-size:14px" {
                (words::moment(message.at)) @if !counts.is_empty() { " · " (counts) }
            }
        }
        "\n"
    }
}

fn fires(firing: &Firing, message: &Message) -> Markup {
    let text = &firing.text;
    let facts = words::facts(firing, message.at);
    let severity = firing.level.severity.name().to_uppercase();
    card(
        colour(firing.level.severity),
        &html! { (severity) (mark(firing.change)) },
        &html! {
            (title(&text.name, &text.summary, &text.title, words::place(text)))
            @for line in &text.lines { (paragraph(INK, "16px", &words::sentence(line))) }
            p style=(format_args!("margin:8px 0;font-size:14px;color:{GREY};{BREAK}")) {
                @for (index, fact) in facts.iter().enumerate() {
                    @if index > 0 { br; }
                    (code(fact))
                }
            }
            @for remedy in &text.remedies { (self::remedy(remedy, &message.node.name)) }
        },
    )
}

fn is_over(resolved: &Resolved) -> Markup {
    let text = &resolved.text;
    card(
        GREEN,
        &html! { "RESOLVED" },
        &html! {
            (title(&text.name, "", &text.title, words::place(text)))
            (paragraph(INK, "16px", &words::sentence(&resolved.how)))
            (paragraph(GREY, "14px", &words::sentence(&words::was(resolved))))
        },
    )
}

fn title(name: &str, summary: &str, title: &str, place: &str) -> Markup {
    let small = format!("font-size:14px;color:{GREY};{BREAK}");
    html! {
        div style=(format_args!("font-size:18px;line-height:1.35;margin:2px 0;{BREAK}")) {
            strong { (name) } " " (prose(summary))
        }
        div style=(small) { (title) }
        @if !place.is_empty() {
            div style=(format_args!("{MONO};font-size:13px;color:{GREY};{BREAK}")) { (place) }
        }
    }
}

fn remedy(remedy: &Remedy, node: &str) -> Markup {
    let label = format!("font-size:14px;font-weight:600;margin:10px 0 4px;color:{INK};{BREAK}");
    let block = format!(
        "margin:0 0 6px;padding:10px 12px;background:#f0f2f5;border-radius:5px;{MONO};font-size:14px;\
         line-height:1.4;color:{INK};white-space:pre-wrap;{BREAK}"
    );
    html! {
        @match remedy {
            Remedy::Command(command) => {
                div style=(label) { "Run as root on " (node) ":" }
                pre style=(block) { (command) }
            }
            Remedy::Words(words) => {
                p style=(format_args!("margin:8px 0;color:{INK};{BREAK}")) {
                    strong style="font-size:14px" { "To do:" } " " (code(words))
                }
            }
        }
    }
}

fn card(colour: &str, label: &Markup, inside: &Markup) -> Markup {
    let style = format!(
        "border:1px solid #d9dee5;border-left:5px solid {colour};border-radius:6px;\
         padding:12px 14px 8px;margin:0 0 14px;background:#ffffff"
    );
    let bold = format!("font-size:12px;font-weight:700;letter-spacing:.05em;color:{colour}");
    html! {
        div style=(style) { div style=(bold) { (label) } (inside) } "\n"
    }
}

fn mark(change: AlertChange) -> Markup {
    let background = match change {
        AlertChange::New | AlertChange::Worse => "#ffe9a8",
        AlertChange::Better | AlertChange::Still => "#e9ecf0",
    };
    let style = format!("background:{background};color:{INK};border-radius:3px;padding:1px 6px");
    html! { " \u{a0}" span style=(style) { (words::change(change)) } }
}

fn paragraph(colour: &str, size: &str, text: &str) -> Markup {
    let style = format!("margin:8px 0;font-size:{size};color:{colour};{BREAK}");
    html! { p style=(style) { (code(text)) } "\n" }
}

fn more(count: usize, message: &Message) -> Markup {
    html! {
        @if let Some(text) = words::beyond(count, &message.node.name) { (paragraph(INK, "16px", &text)) }
    }
}

fn footer(message: &Message) -> Markup {
    let style = format!(
        "padding:12px 20px 16px;border-top:1px solid #d9dee5;background:#f7f8fa;font-size:13px;\
         color:{GREY};{BREAK}"
    );
    html! { div style=(style) { (code(&words::footer(message))) } "\n" }
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

/// What stands between backticks, as code. A backtick without its partner stays.
fn code(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    let last = parts.len() - 1;
    let style = format!(
        "{MONO};font-size:.9em;background:#f0f2f5;color:{INK};padding:1px 4px;border-radius:3px"
    );
    html! {
        @for (index, part) in parts.into_iter().enumerate() {
            @if index % 2 == 0 { (prose(part)) }
            @else if index < last { code style=(style) { (part) } }
            @else { "`" (prose(part)) }
        }
    }
}

/// With each number on one line with its unit: `5 d`.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        let (before, after) = (&text[..index], &text[index + c.len_utf8()..]);
        let unit = after.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let is_number = before.ends_with(|c: char| c.is_ascii_digit());
        let is_joint = c == ' ' && is_number && ["s", "min", "h", "d", "y"].contains(&unit);
        out.push(if is_joint { '\u{a0}' } else { c });
    }
    out
}
