//! Text from outside, made safe to print.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest text from outside that is printed, in characters; the rest is cut with `…`.
const MAX_CHARS: usize = 256;

/// True for characters that move the cursor, start an escape sequence, break a line or turn the
/// reading direction: C0, DEL, C1, the Unicode line breaks, bidi controls and invisible marks.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{2028}' | '\u{2029}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{061c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// `text` with every unsafe character written as `\u{…}` and cut to 256 characters.
///
/// Whatever comes from a certificate, a kubeconfig or a file name passes through here before it
/// reaches a terminal, a log or a label.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    // Nearly every text is plain, and there can be a million of them.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.len() <= MAX_CHARS && (is_plain || !text.chars().any(is_unsafe)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(MAX_CHARS * 4));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            out.push('…');
            break;
        }
        push_escaped(&mut out, c);
    }
    Cow::Owned(out)
}

/// The same, whole: for a line that is put together from texts of any origin, which it leaves as it is if they are
/// safe already.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut out, c));
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, c: char) {
    if is_unsafe(c) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// `text` without its unsafe characters, and whole: for sentences of our own, which end with what to do.
pub(crate) fn strip_control(text: &str) -> String {
    text.chars().filter(|c| !is_unsafe(*c)).collect()
}

/// `text` as one word of a POSIX shell, quoted only where it has to be.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The absolute paths in a text, such as a flag or a line of YAML: what begins with a `/` that nothing of a path stands before.
pub(crate) fn absolute_paths(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "\"'=:,;{}[]()<>|&".contains(c);
    text.split(ends)
        .filter(|word| word.len() > 1 && word.starts_with('/') && !word.starts_with("//"))
}

/// How many names stand in a sentence.
pub(crate) const LISTED: usize = 3;

/// At most three names, then a number.
pub(crate) fn listed(names: &[Cow<'_, str>]) -> String {
    match names {
        [first @ .., last] if (2..=LISTED).contains(&names.len()) => {
            format!("{} and {last}", first.join(", "))
        }
        [first, rest @ ..] if !rest.is_empty() => format!("{first} and {} more", rest.len()),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_attacks_a_terminal() {
        assert_eq!(
            escape_control("a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}e"),
            r"a\u{1b}[2Jb\u{d}\u{a}c\u{202e}d\u{9b}e"
        );
        assert_eq!(escape_control("kubernetes-admin"), "kubernetes-admin");
        assert_eq!(escape_control(&"x".repeat(300)).chars().count(), 257);
    }

    #[test]
    fn shell_words_survive_a_shell() {
        assert_eq!(shell_word("/root/.kube/config"), "/root/.kube/config");
        assert_eq!(shell_word("/a b/$(reboot)'"), r"'/a b/$(reboot)'\'''");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            prop_assert!(!escape_control(&text).chars().any(is_unsafe));
            prop_assert!(!strip_control(&text).chars().any(is_unsafe));
            prop_assert!(!escaped(&text).chars().any(is_unsafe));
            let once = escaped(&text);
            prop_assert_eq!(&escaped(&once), &once);
        }
    }

    #[test]
    fn paths_are_found_within_words() {
        let found = |text| absolute_paths(text).collect::<Vec<_>>();
        assert_eq!(found("--tls-sni-cert-key=/a/b.crt,/a/b.key:*.x"), ["/a/b.crt", "/a/b.key"]);
        assert_eq!(found("sh -c 'exec x --a=/p/q; y'"), ["/p/q"]);
        assert_eq!(found("caBundle: \"/a b\"\nserver: https://h/x"), ["/a"]);
        assert!(found("a/b ./c / //d").is_empty());
    }
}
