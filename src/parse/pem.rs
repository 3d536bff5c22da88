//! PEM (RFC 7468), read as leniently as openssl does: BOM, indentation, CR LF, text around the
//! blocks, `TRUSTED CERTIFICATE`.
//!
//! The only file that calls rustls-pemfile (archived; see `deny.toml`). It would return nothing,
//! and no error, for a file with a BOM or indented blocks, and it would decode private keys. So
//! the certificate blocks are cut out here, line by line, and only those are given to it.

/// The DER of one certificate block.
#[derive(Debug, Eq, PartialEq)]
pub struct Block {
    /// The decoded bytes.
    pub der: Vec<u8>,
    /// An openssl `TRUSTED CERTIFICATE`: trust settings follow the certificate.
    pub trusted: bool,
}

/// A block without its end or with damaged base64, beginning at this line, from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Damaged(pub u32);

pub(super) const BEGIN: &[u8] = b"-----BEGIN ";
pub(super) const END: &[u8] = b"-----END ";

/// All certificate blocks, in order; blocks of other kinds are stepped over unread.
pub fn certificates(bytes: &[u8]) -> Vec<Result<Block, Damaged>> {
    let mut found = Vec::new();
    let mut open: Option<OpenBlock> = None;
    for (number, line) in (1..).zip(lines(bytes)) {
        if let Some(label) = label(line, BEGIN) {
            found.extend(open.take().and_then(OpenBlock::cut_off));
            open = Some(OpenBlock::new(label, number));
        } else if label(line, END).is_some() {
            found.extend(open.take().and_then(OpenBlock::close));
        } else if let Some(block) = &mut open {
            block.push(line);
        }
    }
    found.extend(open.and_then(OpenBlock::cut_off));
    found
}

/// A block whose end has not come yet. Only certificates keep their text.
struct OpenBlock {
    line: u32,
    text: Option<Vec<u8>>,
    trusted: bool,
}

impl OpenBlock {
    fn new(label: &[u8], line: u32) -> Self {
        let trusted = label == b"TRUSTED CERTIFICATE";
        let wanted = trusted || label == b"CERTIFICATE" || label == b"X509 CERTIFICATE";
        Self { line, text: wanted.then(|| b"-----BEGIN CERTIFICATE-----\n".to_vec()), trusted }
    }

    fn push(&mut self, line: &[u8]) {
        if let Some(text) = &mut self.text {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }

    fn close(self) -> Option<Result<Block, Damaged>> {
        let mut text = self.text?;
        text.extend_from_slice(b"-----END CERTIFICATE-----\n");
        let decoded = match rustls_pemfile::read_one_from_slice(&text) {
            Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) => Ok(der.to_vec()),
            Ok(_) | Err(_) => Err(Damaged(self.line)),
        };
        Some(decoded.map(|der| Block { der, trusted: self.trusted }))
    }

    fn cut_off(self) -> Option<Result<Block, Damaged>> {
        self.text.map(|_| Err(Damaged(self.line)))
    }
}

/// Lines without BOM and without white space at both ends.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A file of a classic Mac has CR alone.
    let newline = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    text.split(move |byte| *byte == newline).map(<[u8]>::trim_ascii)
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
        blocks.into_iter().map(|block| block.map(|b| b.der).map_err(|Damaged(line)| line)).collect()
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

    #[test]
    fn keys_alone_hold_no_certificate() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nAQID\n-----END EC PRIVATE KEY-----\n";
        assert!(ders(key).is_empty());
    }

    proptest! {
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
