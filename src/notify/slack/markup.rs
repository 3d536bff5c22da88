//! Text as Slack's mrkdwn, so that no name can mention, link or format.
//!
//! Slack's markup begins with `<`, and `&`, `<`, `>` are the only characters that it wants escaped:
//! <https://docs.slack.dev/messaging/formatting-message-text#escaping>. Backticks end a code span
//! and have no escape; inside a span they become `'`.

/// Length as the limits count it at worst: a character beyond the basic plane is two.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text` escaped, in at most `max` units; what is too much is cut, never within an entity.
pub(super) fn escape(text: &str, max: usize) -> String {
    fit(text, max, |c, buffer| match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => c.encode_utf8(buffer),
    })
}

/// `text` as it is, for `plain_text`, in at most `max` units.
pub(super) fn plain(text: &str, max: usize) -> String {
    fit(text, max, |c, buffer| c.encode_utf8(buffer))
}

/// A name or a path as a code span, in at most `max` units.
pub(super) fn code(text: &str, max: usize) -> String {
    let inner = escape(&text.replace('`', "'"), max.saturating_sub(2));
    if inner.is_empty() { inner } else { format!("`{inner}`") }
}

/// A sentence of ours, in which commands stand between backticks. If what it quotes has upset their
/// pairs, it has no commands.
pub(super) fn sentence(text: &str, max: usize) -> String {
    let is_paired = text.matches('`').count().is_multiple_of(2) && !text.contains("``");
    let mut out = if is_paired {
        escape(text, max.saturating_sub(1))
    } else {
        escape(&text.replace('`', "'"), max)
    };
    if !out.matches('`').count().is_multiple_of(2) {
        out.push('`');
    }
    out
}

/// A command to paste, as a block of its own; `None` if it would not be the same after pasting.
pub(super) fn block(command: &str) -> Option<String> {
    let is_same = !command.contains("```") && !command.starts_with('`') && !command.ends_with('`');
    is_same.then(|| format!("```{}```", escape(command, usize::MAX)))
}

fn fit<F>(text: &str, max: usize, write: F) -> String
where
    F: Fn(char, &mut [u8; 4]) -> &str,
{
    let mut out = String::with_capacity(text.len().min(max));
    // Where the text is cut if it turns out to be too long.
    let (mut used, mut cut) = (0, 0);
    for c in text.chars() {
        let mut buffer = [0; 4];
        let piece = write(c, &mut buffer);
        used += length(piece);
        if used > max {
            out.truncate(cut);
            if max > 0 {
                out.push('…');
            }
            break;
        }
        out.push_str(piece);
        if used < max {
            cut = out.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_slack_would_act_on_is_text() {
        assert_eq!(
            escape("<!channel> & <https://x|y>", 99),
            "&lt;!channel&gt; &amp; &lt;https://x|y&gt;"
        );
        assert_eq!(code("a`b", 99), "`a'b`");
        assert_eq!(code("", 99), "");
        assert_eq!(sentence("run `ls` now", 99), "run `ls` now");
        assert_eq!(sentence("file a`b, run `ls`", 99), "file a'b, run 'ls'");
        assert_eq!(sentence("run ```x```", 99), "run '''x'''");
        assert_eq!(sentence("run `kubeadm certs`", 10), "run `kub…`");
        assert_eq!(block("ls '<a'"), Some("```ls '&lt;a'```".to_owned()));
        assert_eq!(block("ls 'a```b'"), None);
    }

    #[test]
    fn nothing_is_cut_within_an_entity() {
        assert_eq!(escape("ab&cd", 8), "ab&amp;…");
        assert_eq!(escape("ab&cd", 7), "ab…");
        assert_eq!(escape("ab&", 7), "ab&amp;");
        assert_eq!(plain("abc", 3), "abc");
        assert_eq!(plain("abcd", 3), "ab…");
        assert_eq!(plain("abcd", 0), "");
    }

    proptest! {
        #[test]
        fn any_text_keeps_to_the_limit(text in any::<String>(), max in 1_usize..40) {
            let all = [escape(&text, max), plain(&text, max), code(&text, max + 2)];
            prop_assert!(length(&all[0]) <= max && length(&all[1]) <= max);
            prop_assert!(length(&all[2]) <= max + 2);
            prop_assert!(!all[0].contains(['<', '>']));
            prop_assert_eq!(sentence(&text, max + 1).matches('`').count() % 2, 0);
        }
    }
}
