//! The only file that knows the YAML library.
//!
//! Its errors can quote the lines around the fault, and in a kubeconfig those are private keys:
//! only the position leaves this file. Its budgets stop alias bombs and endless nesting.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, alias_limits, options};

use super::text;

/// Line and column of a fault, from 1, where known.
pub(crate) type YamlPosition = Option<(u64, u64)>;

/// Most events of anchors that their aliases repeat. With the library's million, each reading of a bomb takes a second.
const MOST_REPLAYED: usize = 50_000;

/// Reads the first YAML document, as kubectl does; a BOM in front is allowed, and UTF-16.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, YamlPosition> {
    let text = text::decode(bytes).ok_or(None)?;
    // Like kubectl, which lets the last of two equal keys win.
    let options = options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        alias_limits: alias_limits! { max_total_replayed_events: MOST_REPLAYED },
    };
    let (before, document) = first_document(&text);
    let skipped = before.matches('\n').count() as u64;
    serde_saphyr::from_str_with_options(document, options)
        .map_err(|error| error.location().map(|place| (skipped + place.line(), place.column())))
}

/// True if the first document is empty: kubectl and the components read no other.
pub(crate) fn begins_empty(bytes: &[u8]) -> bool {
    text::decode(bytes).is_some_and(|text| {
        let before = first_document(&text).0.lines();
        let markers: Vec<&str> = before.filter(|line| line.starts_with(['-', '.'])).collect();
        markers.len() > 1 || markers.iter().any(|line| line.starts_with('.'))
    })
}

/// What is before the first document that has content, and that document: up to the `---` or `...` that
/// ends it.
fn first_document(text: &str) -> (&str, &str) {
    let mut begin = None;
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let after = ["---", "..."].iter().find_map(|marker| line.strip_prefix(marker));
        let after = after.filter(|rest| !rest.starts_with(|c: char| !c.is_ascii_whitespace()));
        if let (Some(begin), Some(_)) = (begin, after) {
            return (&text[..begin], &text[begin..end]);
        }
        let content = after.unwrap_or(line).trim_start();
        if !content.is_empty() && !content.starts_with(['#', '%']) {
            begin.get_or_insert(end);
        }
        end += line.len();
    }
    text.split_at(begin.unwrap_or(end))
}
