//! PEM as every component of Kubernetes reads it, by the rules of Go's `encoding/pem`: where the
//! lenient reader finds a certificate and this one does not, the component has none.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A block that Go decodes.
#[derive(Debug, Eq, PartialEq)]
pub struct StrictBlock {
    /// Such as `CERTIFICATE`.
    pub label: Vec<u8>,
    /// The line where it begins, from 1.
    pub line: u32,
    /// Lines such as `Proc-Type: …` stand before the data.
    pub has_headers: bool,
    /// The decoded bytes.
    pub der: Vec<u8>,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// All blocks of any kind, in order.
pub fn blocks(bytes: &[u8]) -> Vec<StrictBlock> {
    let mut found = Vec::new();
    let (mut rest, mut line, mut counted) = (0, 1, 0);
    while let Some(decoded) = next_block(bytes, rest) {
        line += newlines(&bytes[counted..decoded.begin]);
        counted = decoded.begin;
        found.push(StrictBlock {
            label: decoded.label.to_vec(),
            line,
            has_headers: decoded.has_headers,
            der: decoded.der,
        });
        rest = decoded.rest;
    }
    found
}

struct Decoded<'a> {
    begin: usize,
    label: &'a [u8],
    has_headers: bool,
    der: Vec<u8>,
    /// Where the next search begins.
    rest: usize,
}

/// The first block from `start` on. An END decides: the last BEGIN before it has to fit it, and one
/// that does not is passed over together with all before it.
fn next_block(bytes: &[u8], start: usize) -> Option<Decoded<'_>> {
    let mut from = start;
    loop {
        let end = from + find(bytes.get(from..)?, END)?;
        let after_end = end + END.len();
        match between(bytes, from, end) {
            Ok(decoded) => return Some(decoded),
            // No search goes on behind a header that is no header.
            Err(Misfit::Endless) => return None,
            Err(Misfit::Skipped) => from = after_end,
        }
    }
}

enum Misfit {
    Skipped,
    Endless,
}

/// The block that ends at `end`, searched from `from` on.
fn between(bytes: &[u8], from: usize, end: usize) -> Result<Decoded<'_>, Misfit> {
    let begin = from + rfind(&bytes[from..end], BEGIN).ok_or(Misfit::Skipped)?;
    if begin > from && bytes[begin - 1] != b'\n' {
        return Err(Misfit::Skipped);
    }
    let (first, mut data) = line_at(bytes, begin + BEGIN.len());
    let label = first.strip_suffix(DASHES).ok_or(Misfit::Skipped)?;
    let before_headers = data;
    loop {
        if data == bytes.len() {
            return Err(Misfit::Endless);
        }
        let (line, next) = line_at(bytes, data);
        if !line.contains(&b':') {
            break;
        }
        data = next;
    }
    let has_headers = data > before_headers;
    let after_end = end + END.len();
    if has_headers && end < data {
        return Err(if after_end < data { Misfit::Endless } else { Misfit::Skipped });
    }
    let trailer = &bytes[after_end..];
    let after_label = trailer.strip_prefix(label).ok_or(Misfit::Skipped)?;
    let after_dashes = after_label.strip_prefix(DASHES).ok_or(Misfit::Skipped)?;
    if !line_at(after_dashes, 0).0.is_empty() {
        return Err(Misfit::Skipped);
    }
    let der = if end > data { decode(&bytes[data..end]).ok_or(Misfit::Skipped)? } else { vec![] };
    let (_, rest) = line_at(bytes, after_end - 1);
    Ok(Decoded { begin, label, has_headers, der, rest })
}

/// The line at `from` without spaces and tabs at its end, and where the next one begins.
fn line_at(bytes: &[u8], from: usize) -> (&[u8], usize) {
    let rest = &bytes[from..];
    let (mut line, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => (rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]), from + at + 1),
        None => (rest, bytes.len()),
    };
    while let [shorter @ .., b' ' | b'\t'] = line {
        line = shorter;
    }
    (line, next)
}

/// Blanks and line ends do not count, padding does.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const GO: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
            .with_decode_allow_trailing_bits(true),
    );
    let packed: Vec<u8> = text.iter().copied().filter(|byte| !b" \t\r\n".contains(byte)).collect();
    GO.decode(packed).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).rposition(|window| window == needle)
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";

    fn found(text: &str) -> Vec<(u32, usize)> {
        blocks(text.as_bytes()).into_iter().map(|it| (it.line, it.der.len())).collect()
    }

    #[test]
    fn reads_what_go_reads() {
        for text in [
            GOOD.to_owned(),
            GOOD.replace('\n', "\r\n"),
            GOOD.replace('\n', " \t\n"),
            GOOD.replace("AQID", "  AQ ID"),
            GOOD.replace("AQID", "\n\nA\nQID\n"),
            GOOD.replace("-----\nAQID", "-----\nProc-Type: 4\nDEK-Info: x\n\nAQID"),
            GOOD.trim_end().to_owned(),
        ] {
            assert_eq!(found(&text), [(1, 3)], "{text:?}");
        }
        assert_eq!(found(&format!("subject=x\n{GOOD}\ntext\n{GOOD}")), [(2, 3), (7, 3)]);
        // The BEGIN that has no END of its own is passed over.
        assert_eq!(found(&format!("-----BEGIN CERTIFICATE-----\nAQ\n{GOOD}")), [(3, 3)]);
    }

    #[test]
    fn does_not_read_what_go_does_not() {
        let joined = GOOD.trim_end().to_owned() + GOOD;
        for text in [
            format!("\u{feff}{GOOD}"),
            format!(" {GOOD}"),
            GOOD.replace('\n', "\r"),
            GOOD.replace("AQID\n", "AQID\n "),
            GOOD.replace("AQID", "AQ*D"),
            GOOD.replace("AQID", "AQI"),
            GOOD.replace("END CERT", "END X509 CERT"),
            GOOD.replace("END CERTIFICATE-----", "END CERTIFICATE----- #"),
            GOOD.replace("END CERTIFICATE-----", "END CERTIFICATE----"),
            GOOD.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----"),
            joined.clone(),
        ] {
            assert_eq!(found(&text), [], "{text:?}");
        }
        assert_eq!(found(&format!("{joined}{GOOD}")), [(6, 3)]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-:A=\r\n \t]{0,30}(-----(BEGIN|END) (A|B)(-----)?[:\r\n ]{0,3}|[AB=:]{0,9}\n){0,12}") {
            blocks(text.as_bytes());
        }
    }
}
