//! The lines that begin and end PEM blocks: what a file holds by their labels, and headers that only
//! almost are some.

use crate::domain::model::FileFormat;

use super::pem::{BEGIN, END, label, lines};

/// What PEM without a certificate is, by the labels of its blocks: what could hold certificates wins.
pub(super) fn format(text: &[u8]) -> Option<FileFormat> {
    let is_encrypted = || super::contains(text, b"Proc-Type: 4,ENCRYPTED");
    let labels = lines(text).filter_map(|line| label(line, BEGIN));
    let known = labels.filter_map(of_label).map(|format| match format {
        FileFormat::PrivateKey if is_encrypted() => FileFormat::EncryptedKey,
        format => format,
    });
    known.min_by_key(|format| (!format.is_container(), format.is_companion()))
}

fn of_label(label: &[u8]) -> Option<FileFormat> {
    let label = std::str::from_utf8(label).ok()?;
    Some(match label {
        "CMS" | "PKCS #7 SIGNED DATA" | "PKCS7" => FileFormat::Pkcs7,
        "X509 CRL" => FileFormat::Crl,
        "ENCRYPTED PRIVATE KEY" => FileFormat::EncryptedKey,
        "OPENSSH PRIVATE KEY" => FileFormat::SshKey,
        _ if label.starts_with("PGP ") => FileFormat::Pgp,
        _ if label.ends_with("CERTIFICATE REQUEST") => FileFormat::Request,
        _ if label.ends_with("PUBLIC KEY") => FileFormat::PublicKey,
        _ if label.ends_with("PRIVATE KEY") => FileFormat::PrivateKey,
        _ if label.ends_with("PARAMETERS") => FileFormat::Parameters,
        _ => return None,
    })
}

/// The lines, from 1, of what was to be a certificate, and has a header that no program takes for one:
/// in lower case, quoted, with too few dashes, with more behind it, or with an end alone.
pub fn damaged(text: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(lines(text)) {
        if is_header(line, BEGIN) {
            is_open = true;
        } else if is_like(line, "BEGIN") && !line.starts_with(END) {
            found.push(number);
            is_open = true;
        } else if line.starts_with(END) || is_like(line, "END") {
            if !is_open && is_like(line, "END") {
                found.push(number);
            }
            // The next block may begin in the line in which this one ends.
            is_open = super::contains(line, BEGIN);
        }
    }
    if found.is_empty() { without_header(text).into_iter().collect() } else { found }
}

/// The first line of a certificate in base64 alone.
fn without_header(text: &[u8]) -> Option<u32> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let mut filled = (1..).zip(lines(text)).filter(|(_, line)| !line.is_empty());
    let (number, first) = filled.next()?;
    let is_whole = first.starts_with(b"MII") && first.len() >= 60;
    (is_whole && first.iter().chain(filled.flat_map(|(_, line)| line)).all(is_base64))
        .then_some(number)
}

/// True for a whole header: `-----BEGIN label-----` and nothing else.
fn is_header(line: &[u8], start: &[u8]) -> bool {
    let is_one = |label: &[u8]| !label.is_empty() && !super::contains(label, b"--");
    label(line, start).is_some_and(is_one)
}

/// True for a line that begins like a certificate's header, whatever its case, dashes and quotes.
fn is_like(line: &[u8], verb: &str) -> bool {
    // A header with base64 behind it is longer than a header, but its beginning is all that counts.
    let start = String::from_utf8_lossy(&line[..line.len().min(120)]).to_uppercase();
    let is_comment = ["#", "//", ";"].iter().any(|mark| start.starts_with(mark));
    let bare = start.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let rest = bare.strip_prefix(verb).map(|rest| rest.trim_start_matches([' ', '_', '-']));
    let has_dashes = start.len() > bare.len() || start.contains("--");
    let is_certificate = rest.is_some_and(|rest| {
        ["X509 ", "TRUSTED ", ""]
            .iter()
            .any(|kind| rest.strip_prefix(kind).is_some_and(is_label_of_certificate))
    });
    is_certificate && has_dashes && !is_comment
}

/// `CERTIFICATE` alone: requests and attribute certificates are something else.
fn is_label_of_certificate(rest: &str) -> bool {
    rest.strip_prefix("CERTIFICATE").is_some_and(|after| {
        let next = after.trim_start();
        !next.starts_with(|c: char| c.is_ascii_alphabetic()) || next.len() > 40
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &str = "AQID\n-----END CERTIFICATE-----\n";

    #[test]
    fn headers_that_are_almost_right_are_found() {
        for header in [
            "----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----",
            "-----BEGIN CERTIFICATE",
            "BEGIN CERTIFICATE-----",
            "------BEGIN CERTIFICATE------",
            "-----begin certificate-----",
            "-----Begin Certificate-----",
            "----- BEGIN CERTIFICATE -----",
            "-----BEGINCERTIFICATE-----",
            "\"-----BEGIN CERTIFICATE-----",
            "'-----BEGIN TRUSTED CERTIFICATE-----",
            "\u{2013}\u{2013}BEGIN CERTIFICATE\u{2013}\u{2013}",
            "-----BEGIN CERTIFICATE-----MIIBejCCASGgAwIBAgIUQ3qQlXB",
            "-----BEGIN CERTIFICATE-----\\nMIIB\\n",
            "-----BEGIN CERTIFICATE-----MIIBejCC-----END CERTIFICATE-----",
        ] {
            assert_eq!(damaged(format!("x\n{header}\n{BODY}").as_bytes()), [2], "{header}");
        }
        assert_eq!(damaged(BODY.as_bytes()), [2], "an end alone");
        assert_eq!(damaged(format!("\nMII{}\nAQ==\n", "a".repeat(61)).as_bytes()), [2]);
    }

    #[test]
    fn what_is_whole_or_something_else_is_not_damaged() {
        for text in [
            "-----BEGIN CERTIFICATE-----\n",
            "  -----BEGIN X509 CERTIFICATE-----\r\n",
            "-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n",
            "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n",
            "# -----BEGIN CERTIFICATE-----\n",
            "begin certificate rotation\n",
            "Bag Attributes\n    friendlyName: certificate\n",
        ] {
            let closed = if text.ends_with("CERTIFICATE-----\n") { BODY } else { "" };
            let closed = if text.starts_with('#') { "" } else { closed };
            let text = format!("{text}{closed}");
            assert!(damaged(text.as_bytes()).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            damaged(&bytes);
            format(&bytes);
        }
    }
}
