//! certwatch.toml(5), from the example: its comments are the reasons, its values the defaults.

const BEGIN: &str = r#".TH certwatch.toml 5 "" certwatch "File formats"
.SH NAME
certwatch.toml \- configuration of certwatch
.SH SYNOPSIS
\fI/etc/certwatch/config.toml\fR, \fI/etc/certwatch/conf.d/*.toml\fR
.SH DESCRIPTION
"#;

const END: &str = ".SH SEE ALSO
.BR certwatch (8)
";

/// The page in roff.
pub(crate) fn page(example: &str) -> String {
    let mut page = Page { text: BEGIN.to_owned(), reason: Vec::new() };
    example.lines().for_each(|line| page.add(line));
    page.say();
    page.text + END
}

struct Page {
    text: String,
    /// The comment before what comes next.
    reason: Vec<String>,
}

impl Page {
    fn add(&mut self, line: &str) {
        if let Some(words) = line.strip_prefix("# ") {
            self.reason.push(escaped(words));
        } else if line.is_empty() {
            self.say();
        } else if line.starts_with('[') {
            self.say();
            self.line(&format!(".SH {}", escaped(line)));
        } else {
            self.key(line);
        }
    }

    /// A comment that stands by itself.
    fn say(&mut self) {
        if !self.reason.is_empty() {
            let reason = self.take_reason();
            self.line(&format!(".PP\n{reason}"));
        }
    }

    /// A key with its default, or, behind `#`, with an example.
    fn key(&mut self, line: &str) {
        let (line, of) = match line.strip_prefix('#') {
            Some(line) => (line, "such as"),
            None => (line, "default"),
        };
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let reason = self.take_reason();
        // Without a reason, a line that shows nothing: the next key would be taken for it.
        let reason = if reason.is_empty() { "\\&" } else { &reason };
        self.line(&format!(".TP\n\\fB{}\\fR ({of} {})\n{reason}", escaped(key), escaped(value)));
    }

    fn take_reason(&mut self) -> String {
        std::mem::take(&mut self.reason).join("\n")
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// Plain text for roff: neither a request at the beginning of a line, nor a hyphen for a minus.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
