//! The only file that knows the YAML library.
//!
//! Its errors can quote the lines around the fault, and in a kubeconfig those are private keys:
//! only the position leaves this file. Its budgets stop alias bombs and endless nesting.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, options};

/// Line and column of a fault, from 1, where known.
pub(crate) type YamlPosition = Option<(u64, u64)>;

/// Reads the first YAML document, as kubectl does; a BOM in front is allowed.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, YamlPosition> {
    let text = std::str::from_utf8(bytes).map_err(|_| None)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Like kubectl, which lets the last of two equal keys win.
    let options = options! { with_snippet: false, duplicate_keys: DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_str_with_options(first_document(text), options)
        .map_err(|error| error.location().map(|place| (place.line(), place.column())))
}

/// The text before the `---` or `...` that ends the first document.
fn first_document(text: &str) -> &str {
    let mut has_content = false;
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let is_marker = ["---", "..."].iter().any(|marker| line.trim_end() == *marker);
        if is_marker && has_content {
            return &text[..end];
        }
        has_content |= !is_marker && !line.trim().is_empty() && !line.starts_with('#');
        end += line.len();
    }
    text
}
