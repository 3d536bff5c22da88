//! Fitting text into columns.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::text::escaped;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The last of several columns is not broken into lines shorter than this.
const LEAST_LAST: usize = 20;

/// `text` in at most `width` columns; what is too much is cut out of the middle. Of a path the end
/// tells more than the beginning, so the end gets three quarters.
pub(super) fn cut_middle(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    let head = prefix(text, room / 4);
    let tail = suffix(text, room - head.width());
    Cow::Owned(format!("{head}…{tail}"))
}

/// `text` in at most `width` columns, cut at its end.
pub(crate) fn cut_end(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", prefix(text, width.saturating_sub(1))))
}

/// `text` broken at spaces into lines of at most `width` columns. A longer word keeps a line for
/// itself, whole, and so does what stands between backticks: somebody will paste that.
pub(crate) fn wrap(text: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_at(break_at(rest, width));
        rest = after.trim_start_matches(' ');
        Some(line.trim_end_matches(' '))
    })
}

/// One line of text from any origin: only its own end breaks it, and nothing in it drives a terminal.
pub(crate) fn line(out: &mut String, text: &str) {
    out.push_str(&escaped(text));
    out.push('\n');
}

/// Columns as wide as they need to be, each cell made safe to print. Of the last, what goes beyond `width` is put below
/// it.
pub(crate) fn columns<const N: usize>(
    out: &mut String,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    width: Option<usize>,
) {
    let mut all = vec![head.map(str::to_owned)];
    all.extend(rows.map(|row| row.map(|cell| escaped(&cell).into_owned())));
    let widest = |column: usize| all.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(widest);
    let before: usize = widths.iter().take(N - 1).map(|width| width + 2).sum();
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(LEAST_LAST));
    for row in &all {
        let padded = |(cell, width): (&String, &usize)| {
            format!("{cell}{:1$}", "", width.saturating_sub(cell.width()) + 2)
        };
        let mut line: String = row.iter().zip(&widths).take(N - 1).map(padded).collect();
        for part in wrap(&row[N - 1], room) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{line}{part}");
            line = " ".repeat(before);
        }
        if row[N - 1].is_empty() {
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// The byte at which the first line ends.
fn break_at(text: &str, width: usize) -> usize {
    if text.width() <= width {
        return text.len();
    }
    let in_command = |at: usize| text[..at].matches('`').count() % 2 == 1;
    let spaces =
        || text.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 0 && !in_command(*at));
    let fits = |at: &usize| text[..*at].width() <= width;
    spaces().take_while(fits).last().or_else(|| spaces().next()).unwrap_or(text.len())
}

fn prefix(text: &str, width: usize) -> &str {
    &text[..fitting(text.chars(), width)]
}

fn suffix(text: &str, width: usize) -> &str {
    &text[text.len() - fitting(text.chars().rev(), width)..]
}

/// How many bytes of `chars` fit into `width` columns.
fn fitting(chars: impl Iterator<Item = char>, width: usize) -> usize {
    let mut columns = 0;
    chars
        .take_while(|c| {
            columns += c.width().unwrap_or(0);
            columns <= width
        })
        .map(char::len_utf8)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_a_path_is_kept() {
        assert_eq!(cut_middle("pki/apiserver-kubelet-client.crt", 20), "pki/…elet-client.crt");
        assert_eq!(cut_middle("admin.conf", 10), "admin.conf");
        assert_eq!(cut_end("break-glass kubeconfig", 12), "break-glass…");
    }

    #[test]
    fn lines_break_at_spaces_only() {
        let lines: Vec<_> = wrap("have it renewed by https://example.org/long now", 16).collect();
        assert_eq!(lines, ["have it renewed", "by", "https://example.org/long", "now"]);
        let lines: Vec<_> =
            wrap("or make it: `mv old /root/; kubeadm init`, then wait", 16).collect();
        assert_eq!(lines, ["or make it:", "`mv old /root/; kubeadm init`,", "then wait"]);
    }

    proptest! {
        #[test]
        fn cuts_fit(text in any::<String>(), width in 1_usize..40) {
            prop_assert!(cut_middle(&text, width).width() <= width);
            prop_assert!(cut_end(&text, width).width() <= width);
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z日 ]{0,60}", width in 1_usize..20) {
            let words: Vec<_> = wrap(&text, width).flat_map(str::split_whitespace).collect();
            prop_assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
