//! PEM (RFC 7468), read as leniently as openssl does: BOM, indentation, CR LF, text around the
//! blocks, `TRUSTED CERTIFICATE`.
//!
//! The only file that calls rustls-pemfile (archived; see `deny.toml`). It would return nothing,
//! and no error, for a file with a BOM or indented blocks, and it would decode private keys. So
//! the certificate blocks are cut out here, line by line, and only those are given to it.

use std::collections::BTreeMap;

use crate::domain::model::{PemFault, PemFaultKind, Reason};

use super::strict_pem;

/// The DER of one certificate block.
#[derive(Debug, Eq, PartialEq)]
pub struct Block {
    /// The decoded bytes.
    pub der: Vec<u8>,
    /// An openssl `TRUSTED CERTIFICATE`: trust settings follow the certificate.
    pub trusted: bool,
    /// Why Kubernetes does not read it.
    pub fault: Option<PemFault>,
}

impl Block {
    /// The whole of a file, which Kubernetes does not read.
    pub(crate) fn of_der(der: &[u8]) -> Self {
        let fault = Some(PemFault { line: 1, kind: PemFaultKind::Der });
        Self { der: der.to_vec(), trusted: false, fault }
    }
}

impl From<Damaged> for Reason {
    fn from(damaged: Damaged) -> Self {
        match damaged {
            Damaged::Block(line) => Self::BadPem(line),
            Damaged::Joint(line) => Self::JoinedPem(line),
        }
    }
}

/// What cannot be read, with its line, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Damaged {
    /// A block without its end or with damaged base64, beginning at this line.
    Block(u32),
    /// The END of one block and the BEGIN of another in this line: openssl reads neither.
    Joint(u32),
}

const BOM: &[u8] = b"\xef\xbb\xbf";
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";
pub(super) const END: &[u8] = b"-----END ";

/// All certificate blocks, in order; blocks of other kinds are stepped over unread. What Kubernetes
/// reads is always among them.
pub fn certificates(bytes: &[u8]) -> Vec<Result<Block, Damaged>> {
    let mut found: BTreeMap<u32, _> = leniently(bytes).into_iter().collect();
    for block in strict_pem::blocks(bytes) {
        if block.label != b"CERTIFICATE" {
            continue;
        }
        let headers = PemFault { line: block.line, kind: PemFaultKind::Headers };
        let fault = block.has_headers.then_some(headers);
        found.insert(block.line, Ok(Block { der: block.der, trusted: false, fault }));
    }
    found.into_values().collect()
}

/// The blocks that openssl reads, or should, by the lines where they begin.
fn leniently(bytes: &[u8]) -> Vec<(u32, Result<Block, Damaged>)> {
    let mut found = Vec::new();
    let mut open: Option<OpenBlock> = None;
    for (number, raw) in (1..).zip(raw_lines(bytes)) {
        let line = stripped(raw);
        if let Some(label) = label(line, BEGIN) {
            found.extend(open.take().and_then(OpenBlock::cut_off));
            open = Some(OpenBlock::new(label, number, fault_of_begin(bytes, raw, number)));
        } else if let Some(next) = joined(line) {
            let is_lost = open.take().is_some_and(|block| block.text.is_some()) || next;
            found.extend(is_lost.then_some((number, Err(Damaged::Joint(number)))));
        } else if let Some(label) = label(line, END) {
            let fault = fault_of_end(raw, label, number);
            found.extend(open.take().and_then(|block| block.close(fault)));
        } else if let Some(block) = &mut open {
            block.push(line);
        }
    }
    found.extend(open.and_then(OpenBlock::cut_off));
    found
}

/// Why Kubernetes does not see this BEGIN.
fn fault_of_begin(bytes: &[u8], raw: &[u8], line: u32) -> Option<PemFault> {
    let kind = if !bytes.contains(&b'\n') && bytes.contains(&b'\r') {
        PemFaultKind::CarriageReturns
    } else if raw.starts_with(BOM) {
        PemFaultKind::ByteOrderMark
    } else if !raw.starts_with(BEGIN) {
        PemFaultKind::Indented
    } else if !is_certificate(label(stripped(raw), BEGIN)?) {
        PemFaultKind::Label
    } else {
        return None;
    };
    Some(PemFault { line, kind })
}

/// Why it does not see this END. What is wrong between the two is left: the data.
fn fault_of_end(raw: &[u8], label: &[u8], line: u32) -> PemFault {
    let kind = if !raw.starts_with(END) {
        PemFaultKind::Indented
    } else if !is_certificate(label) || !stripped(raw).ends_with(b"CERTIFICATE-----") {
        PemFaultKind::End
    } else {
        PemFaultKind::Data
    };
    PemFault { line, kind }
}

fn is_certificate(label: &[u8]) -> bool {
    label == b"CERTIFICATE"
}

/// Whether the block begun in a line that ends another one is of a certificate; none without such.
fn joined(line: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(END)?;
    let at = rest.windows(BEGIN.len()).position(|window| window == BEGIN)?;
    Some(label(&rest[at..], BEGIN).is_some_and(is_wanted))
}

fn is_wanted(label: &[u8]) -> bool {
    [&b"CERTIFICATE"[..], b"TRUSTED CERTIFICATE", b"X509 CERTIFICATE"].contains(&label)
}

/// A block whose end has not come yet. Only certificates keep their text.
struct OpenBlock {
    line: u32,
    text: Option<Vec<u8>>,
    trusted: bool,
    fault: Option<PemFault>,
}

impl OpenBlock {
    fn new(label: &[u8], line: u32, fault: Option<PemFault>) -> Self {
        let text = is_wanted(label).then(|| b"-----BEGIN CERTIFICATE-----\n".to_vec());
        Self { line, text, trusted: label == b"TRUSTED CERTIFICATE", fault }
    }

    fn push(&mut self, line: &[u8]) {
        if let Some(text) = &mut self.text {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }

    /// `fault` is that of its end.
    fn close(self, fault: PemFault) -> Option<(u32, Result<Block, Damaged>)> {
        let mut text = self.text?;
        text.extend_from_slice(b"-----END CERTIFICATE-----\n");
        let decoded = match rustls_pemfile::read_one_from_slice(&text) {
            Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) => Ok(der.to_vec()),
            Ok(_) | Err(_) => Err(Damaged::Block(self.line)),
        };
        let fault = Some(self.fault.unwrap_or(fault));
        Some((self.line, decoded.map(|der| Block { der, trusted: self.trusted, fault })))
    }

    fn cut_off(self) -> Option<(u32, Result<Block, Damaged>)> {
        self.text.map(|_| (self.line, Err(Damaged::Block(self.line))))
    }
}

/// Lines without BOM and without white space at both ends.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw_lines(bytes).map(stripped)
}

fn raw_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A file of a classic Mac has CR alone.
    let newline = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    bytes.split(move |byte| *byte == newline)
}

fn stripped(raw: &[u8]) -> &[u8] {
    raw.strip_prefix(BOM).unwrap_or(raw).trim_ascii()
}

/// The label of a `-----BEGIN label-----` line.
pub(super) fn label<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    Some(line.strip_prefix(start)?.strip_suffix(b"-----").unwrap_or_default().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";

    fn ders(text: &str) -> Vec<Result<Vec<u8>, u32>> {
        let blocks = certificates(text.as_bytes());
        let line = |damaged| match damaged {
            Damaged::Block(line) | Damaged::Joint(line) => line,
        };
        blocks.into_iter().map(|block| block.map(|b| b.der).map_err(line)).collect()
    }

    #[test]
    fn reads_what_people_keep_in_files() {
        let indented = GOOD.replace('\n', "\r\n   \t");
        for text in [
            GOOD.to_owned(),
            format!("\u{feff}{GOOD}"),
            GOOD.replace('\n', "\r\n"),
            GOOD.replace('\n', "\r"),
            format!("  {indented}"),
            format!("Bag Attributes\n  friendlyName: x\n{GOOD}trailing text"),
            GOOD.trim_end().to_owned(),
            format!(
                "-----BEGIN PRIVATE KEY-----\n!!not base64!!\n-----END PRIVATE KEY-----\n{GOOD}"
            ),
            GOOD.replace("CERTIFICATE", "X509 CERTIFICATE"),
            GOOD.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        ] {
            assert_eq!(ders(&text), [Ok(vec![1, 2, 3])], "{text:?}");
        }
    }

    #[test]
    fn says_where_the_damage_is() {
        let cut = "-----BEGIN CERTIFICATE-----\nAQID\n";
        assert_eq!(ders(&format!("{GOOD}{cut}")), [Ok(vec![1, 2, 3]), Err(4)]);
        assert_eq!(ders(&format!("{cut}{GOOD}")), [Err(1), Ok(vec![1, 2, 3])]);
        assert_eq!(ders(&GOOD.replace("AQID", "A!!D")), [Err(1)]);
    }

    /// As `openssl x509` and `openssl storeutl` do.
    #[test]
    fn what_is_joined_in_one_line_is_lost_on_both_sides() {
        let joined = GOOD.trim_end().to_owned() + GOOD;
        assert_eq!(ders(&joined), [Err(3)]);
        assert_eq!(ders(&format!("{joined}{GOOD}")), [Err(3), Ok(vec![1, 2, 3])]);
        assert_eq!(ders(&format!("{}{joined}", GOOD.trim_end())), [Err(3), Err(5)]);
        let key = GOOD.replace("CERTIFICATE", "EC PRIVATE KEY");
        assert_eq!(ders(&format!("{}{GOOD}", key.trim_end())), [Err(3)]);
        assert_eq!(ders(&format!("{}{key}", key.trim_end())), []);
    }

    fn faults(text: &str) -> Vec<Option<(u32, PemFaultKind)>> {
        let blocks = certificates(text.as_bytes()).into_iter();
        blocks.map(|it| it.unwrap().fault.map(|fault| (fault.line, fault.kind))).collect()
    }

    #[test]
    fn says_why_kubernetes_does_not_read_a_block() {
        for (text, line, kind) in [
            (format!("\u{feff}{GOOD}"), 1, PemFaultKind::ByteOrderMark),
            (format!("x\n  {GOOD}"), 2, PemFaultKind::Indented),
            (GOOD.replace("-----END", "\t-----END"), 3, PemFaultKind::Indented),
            (GOOD.replace('\n', "\r"), 1, PemFaultKind::CarriageReturns),
            (GOOD.replace("CERTIFICATE", "X509 CERTIFICATE"), 1, PemFaultKind::Label),
            (GOOD.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), 1, PemFaultKind::Label),
            (GOOD.replace("END CERTIFICATE-----", "END CERTIFICATE----- #"), 3, PemFaultKind::End),
            (GOOD.replace("END CERT", "END X509 CERT"), 3, PemFaultKind::End),
            (GOOD.replace("AQID", "A: b\n\nAQID"), 1, PemFaultKind::Headers),
        ] {
            assert_eq!(faults(&text), [Some((line, kind))], "{text:?}");
        }
        let crlf = GOOD.replace('\n', "\r\n");
        assert_eq!(faults(&format!("# x\n{crlf}\n{GOOD}")), [None, None]);
        assert_eq!(faults(&format!("{GOOD} {GOOD}")), [None, Some((4, PemFaultKind::Indented))]);
    }

    #[test]
    fn keys_alone_hold_no_certificate() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nAQID\n-----END EC PRIVATE KEY-----\n";
        assert!(ders(key).is_empty());
    }

    proptest! {
        #[test]
        fn what_kubernetes_reads_is_read(text in "(-----(BEGIN|END) CERTIFICATE-----[\r\n ]{0,3}|AQID[=:]?\n?){0,12}") {
            let strict = strict_pem::blocks(text.as_bytes());
            let read = certificates(text.as_bytes());
            let of_kubernetes = read.iter().flatten().filter(|it| {
                it.fault.is_none_or(|fault| fault.kind == PemFaultKind::Headers)
            });
            let strict = strict.iter().filter(|block| block.label == b"CERTIFICATE");
            prop_assert_eq!(of_kubernetes.count(), strict.count());
        }

        #[test]
        fn a_certificate_header_is_never_passed_over(before in "[ -~\n]{0,80}", after in "[ -~\n]{0,80}") {
            let text = format!("{before}\n-----BEGIN CERTIFICATE-----\n{after}");
            prop_assert!(!ders(&text).is_empty());
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            certificates(&bytes);
        }
    }
}
