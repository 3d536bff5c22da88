//! Lines of a container's log, as the runtime writes them (`RFC 3339 time, stream, F or P, text`; kubelet's CRI logging), of
//! programs that log with klog or as JSON.

use serde_json::Value;

/// What says that a line is about a certificate.
const ABOUT: [&str; 5] = ["x509: ", "tls: ", "certificate", "unable to load", "PEM"];

/// Longest line that is passed on, in characters.
const LONGEST: usize = 200;

/// The last line that is about a certificate: its text alone.
pub(crate) fn complaint(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log);
    let lines = text.lines().rev().filter_map(|line| line.splitn(4, ' ').nth(3));
    let line = lines.map(message).find(|line| ABOUT.iter().any(|word| line.contains(word)))?;
    Some(line.chars().take(LONGEST).collect())
}

/// Without klog's header (`E1130 09:00:00.000000       1 file.go:12] text`); of etcd's JSON, message and error.
fn message(line: &str) -> String {
    if let Ok(Value::Object(fields)) = serde_json::from_str(line) {
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        return [field("msg"), field("error")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    }
    let is_klog = line.starts_with(['I', 'W', 'E', 'F'])
        && line[1..].starts_with(|it: char| it.is_ascii_digit());
    let text = if is_klog { line.split_once("] ").map_or(line, |(_, text)| text) } else { line };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_about_a_certificate_counts() {
        let log = "2026-11-30T09:00:00.1Z stderr F E1130 09:00:00.000000       1 run.go:72] \"command failed\" err=\"x509: certificate has expired\"\n\
                   2026-11-30T09:00:01.1Z stderr F I1130 09:00:01.000000       1 leader.go:1] became leader\n";
        let said = complaint(log.as_bytes()).unwrap();
        assert_eq!(said, "\"command failed\" err=\"x509: certificate has expired\"");
    }

    #[test]
    fn etcd_says_it_in_json() {
        let log = br#"2026-11-30T09:00:00.1Z stderr F {"level":"warn","msg":"rejected connection","error":"tls: bad certificate"}"#;
        assert_eq!(complaint(log).unwrap(), "rejected connection: tls: bad certificate");
    }

    #[test]
    fn nothing_else_is_passed_on() {
        for log in ["", "x", "2026-11-30T09:00:00.1Z stderr F all is well", "\u{0}\u{ffff} a b E"] {
            assert_eq!(complaint(log.as_bytes()), None, "{log}");
        }
    }
}
