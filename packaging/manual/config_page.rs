//! certwatch.toml(5), from the example: its comments are the reasons, its values the defaults.

const BEGIN: &str = r#".TH certwatch.toml 5 "" certwatch "File formats"
.SH NAME
certwatch.toml \- configuration of certwatch
.SH SYNOPSIS
.IR /etc/certwatch/config.toml ", " /etc/certwatch/conf.d/*.toml
.SH DESCRIPTION
"#;

const END: &str = include_str!("config_end.roff");

/// The page in roff.
pub(crate) fn page(example: &str) -> String {
    let mut page = Page { text: BEGIN.to_owned(), reason: Vec::new(), keys: Vec::new() };
    example.lines().for_each(|line| page.add(line));
    page.end_entry();
    page.text + END
}

struct Page {
    text: String,
    /// The comment before what comes next.
    reason: Vec<String>,
    /// The keys that it is for: one, or some without a blank line or a comment between them.
    keys: Vec<String>,
}

impl Page {
    fn add(&mut self, line: &str) {
        if let Some(words) = line.strip_prefix("# ") {
            if !self.keys.is_empty() {
                self.end_entry();
            }
            self.reason.push(escaped(words));
        } else if line.is_empty() {
            self.end_entry();
        } else if line.starts_with('[') {
            self.end_entry();
            self.line(&format!(".SH {}", escaped(line)));
        } else {
            self.keys.push(key(line));
        }
    }

    fn end_entry(&mut self) {
        let reason = std::mem::take(&mut self.reason).join("\n");
        let keys = std::mem::take(&mut self.keys).join("\n.TQ\n");
        if !keys.is_empty() {
            self.line(&format!(".TP\n{keys}\n{reason}"));
        } else if let Some(reason) = reason.strip_prefix("The channels. ") {
            self.line(&format!(".SH CHANNELS\n{reason}"));
        } else if !reason.is_empty() {
            self.line(&reason);
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A key with its default, or, behind `#`, with an example.
fn key(line: &str) -> String {
    let (line, of) = match line.strip_prefix('#') {
        Some(line) => (line, "such as"),
        None => (line, "default"),
    };
    let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
    format!("\\fB{}\\fR ({of} {})", escaped(key), escaped(value))
}

/// Plain text for roff: neither a request at the beginning of a line, nor a hyphen for a minus.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
