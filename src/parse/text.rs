//! Text in the encodings that a YAML parser reads (YAML 1.2, 5.2), but UTF-32.

use std::borrow::Cow;

const BOM: char = '\u{feff}';

/// The text without its BOM; `None` if it is neither UTF-8 nor UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match utf16(bytes) {
        Some(text) => Some(Cow::Owned(text)),
        None => std::str::from_utf8(bytes).ok().map(|text| text.trim_start_matches(BOM).into()),
    }
}

/// The text, if it is UTF-16: by the BOM, or by the zero bytes of a first character in ASCII.
pub(super) fn utf16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [1..=0xff, 0, _, 0, ..] => u16::from_le_bytes,
        [0, 1..=0xff, 0, _, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    let is_text = bytes.len().is_multiple_of(2) && !text.contains('\0');
    is_text.then(|| text.trim_start_matches(BOM).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_survives_its_encoding(text in "[a-z][ -~\u{a1}-\u{2ff}\n]{1,80}") {
            for bom in ["", "\u{feff}"] {
                let units: Vec<u16> = bom.encode_utf16().chain(text.encode_utf16()).collect();
                let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
                let utf8 = format!("{bom}{text}").into_bytes();
                // Without a BOM the second character counts too.
                let is_ascii = text.chars().take(2).all(|c| c.is_ascii());
                for bytes in [utf8, little, big] {
                    if is_ascii || !bom.is_empty() {
                        let decoded = decode(&bytes);
                        prop_assert_eq!(decoded.as_deref(), Some(&*text));
                    }
                }
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            decode(&bytes);
        }
    }
}
