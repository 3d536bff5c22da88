//! DER by its outline: which kind of thing it is, and where it ends. What is in it is not decoded.

use crate::domain::model::FileFormat;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The attributes of a signing request.
const ATTRIBUTES: u8 = 0xa0;

/// 1.2.840.113549.1.7, below which PKCS #7 has all its kinds of content.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];

/// True for a sequence that is longer than 127 bytes, as every certificate is. A text may begin with
/// `0` too.
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    matches!(bytes, [SEQUENCE, 0x80..=0x84, ..])
}

/// What it is by its outline, if that is something else than a certificate.
pub(super) fn format(bytes: &[u8]) -> Option<FileFormat> {
    let (_, content, _) = element(bytes)?;
    let (tag, first, rest) = element(content)?;
    match tag {
        INTEGER if first == [3] => Some(FileFormat::Pkcs12),
        INTEGER => Some(FileFormat::PrivateKey),
        OID if first.starts_with(PKCS7) => Some(FileFormat::Pkcs7),
        SEQUENCE => match (tags(first)[..].first(), tags(rest)[..].first()) {
            (Some(&OID), Some(&OCTET_STRING)) => Some(FileFormat::EncryptedKey),
            (Some(&OID), Some(&BIT_STRING)) => Some(FileFormat::PublicKey),
            _ => signed(&tags(first)),
        },
        _ => None,
    }
}

/// What is signed like a certificate, by the tags of what is signed.
fn signed(tags: &[u8]) -> Option<FileFormat> {
    match tags {
        [INTEGER, SEQUENCE, SEQUENCE, ATTRIBUTES, ..] => Some(FileFormat::Request),
        [SEQUENCE, SEQUENCE, UTC_TIME | GENERALIZED_TIME, ..]
        | [INTEGER, SEQUENCE, SEQUENCE, UTC_TIME | GENERALIZED_TIME, ..] => Some(FileFormat::Crl),
        _ => None,
    }
}

/// The first tags of a sequence's content.
fn tags(mut content: &[u8]) -> Vec<u8> {
    let mut tags = Vec::new();
    while let Some((tag, _, rest)) = element(content).filter(|_| tags.len() < 4) {
        tags.push(tag);
        content = rest;
    }
    tags
}

/// The elements that follow each other in a file, as Go's `ParseCertificates` takes them. A line break
/// behind them is nobody's; the last one has whatever else is left.
pub fn elements(bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = bytes;
    let is_over = |rest: &[u8]| rest.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace());
    while found.is_empty() || !is_over(rest) {
        let after = element(rest).map_or(&[][..], |(.., after)| after);
        found.push(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    found
}

/// The tag, the content, and what follows. Of an indefinite length, as in BER, the end is not looked for.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x80 => return Some((tag, rest, &[])),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, &content].concat()
    }

    #[test]
    fn the_outline_tells_what_it_is() {
        let oid = of(OID, &[&[PKCS7, &[2]].concat()]);
        let sequence = of(SEQUENCE, &[&oid]);
        let number = |value| of(INTEGER, &[&[value]]);
        let time = of(UTC_TIME, &[b"260101000000Z"]);
        let attributes = of(ATTRIBUTES, &[]);
        let bits = of(BIT_STRING, &[&[0, 1]]);
        let octets = of(OCTET_STRING, &[&[1]]);
        let signed = |parts: &[&[u8]]| of(SEQUENCE, &[&of(SEQUENCE, parts), &sequence, &bits]);
        for (der, format) in [
            (of(SEQUENCE, &[&number(3), &sequence]), Some(FileFormat::Pkcs12)),
            (of(SEQUENCE, &[&number(0), &sequence, &octets]), Some(FileFormat::PrivateKey)),
            (of(SEQUENCE, &[&oid, &attributes]), Some(FileFormat::Pkcs7)),
            (of(SEQUENCE, &[&sequence, &octets]), Some(FileFormat::EncryptedKey)),
            (of(SEQUENCE, &[&sequence, &bits]), Some(FileFormat::PublicKey)),
            (signed(&[&number(0), &sequence, &sequence, &attributes]), Some(FileFormat::Request)),
            (signed(&[&number(1), &sequence, &sequence, &time]), Some(FileFormat::Crl)),
            (signed(&[&sequence, &sequence, &time]), Some(FileFormat::Crl)),
            // Certificates of version 3 and 1.
            (signed(&[&attributes, &number(9), &sequence, &sequence, &sequence]), None),
            (signed(&[&number(9), &sequence, &sequence, &sequence]), None),
        ] {
            assert_eq!(super::format(&der), format);
            assert!(is_likely(&der));
        }
        assert!(!is_likely(b"01AB\n"));
    }

    #[test]
    fn elements_follow_each_other() {
        let one = of(SEQUENCE, &[&[1; 200]]);
        let two = [&one[..], &one, b"\r\n\0"].concat();
        assert_eq!(elements(&two), [&one[..], &one]);
        assert_eq!(elements(&[&one[..], b"text"].concat()), [&one[..], b"text"]);
        assert_eq!(elements(&one[..50]), [&one[..50]]);
        assert_eq!(elements(b""), [b""]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let found = elements(&bytes).concat();
            prop_assert!(bytes.starts_with(&found));
            prop_assert!(bytes[found.len()..].iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()));
            let _ = super::format(&bytes);
        }
    }
}
