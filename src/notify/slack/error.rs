//! What Slack says when it takes nothing, and what to do then.
//!
//! The words are those of
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> and
//! <https://docs.slack.dev/reference/methods/chat.postMessage>.

use crate::notify::Failure;
use crate::notify::http::{Endpoint, HttpResponse};

/// Longest word that is repeated in a message.
const MAX_WORD: usize = 40;

const NEW_WEBHOOK: &str =
    "the webhook no longer exists: create a new one and put its URL into the secret";
const NEW_TOKEN: &str = "the bot token is not valid any more: install the app again and put its \
                         new token into the secret";
const INVITE: &str = "the bot is not in the channel: invite it there with `/invite @` and its name";
const NO_CHANNEL: &str = "no such channel, or the bot cannot see it: set slack.channel to \
                          its id, and invite the bot";
const ARCHIVED: &str = "the channel is archived: unarchive it, or set another";
const FORBIDDEN: &str = "the workspace's settings forbid it: ask an administrator of the workspace";
const NO_SCOPE: &str = "the bot lacks the scope chat:write: add it and install the app again";
const OURS: &str = "it rejects the format of the message; please report it";
const BUSY: &str = "it has an internal problem, certwatch retries";
const LIMITED: &str = "too many messages were posted there, certwatch waits";

/// What a word means, and whether that goes away by itself.
fn meaning(word: &str) -> Option<(&'static str, bool)> {
    let meaning = match word {
        "no_service" | "no_service_id" | "no_active_hooks" | "no_team" | "team_disabled"
        | "invalid_token" => NEW_WEBHOOK,
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive"
        | "org_login_required" => NEW_TOKEN,
        "not_in_channel" => INVITE,
        "channel_not_found" | "user_not_found" => NO_CHANNEL,
        "is_archived" | "channel_is_archived" => ARCHIVED,
        "access_denied"
        | "action_prohibited"
        | "ekm_access_denied"
        | "no_permission"
        | "posting_to_general_channel_denied"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "team_access_not_granted" => FORBIDDEN,
        "missing_scope" => NO_SCOPE,
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_payload"
        | "missing_text_or_fallback_or_attachments"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text" => OURS,
        "fatal_error"
        | "internal_error"
        | "request_timeout"
        | "rollup_error"
        | "service_unavailable"
        | "team_added_to_org" => return Some((BUSY, true)),
        "message_limit_exceeded" | "rate_limited" | "ratelimited" => return Some((LIMITED, true)),
        _ => return None,
    };
    Some((meaning, false))
}

/// What of Slack's answers says that the thread is gone.
const THREAD_GONE: [&str; 4] =
    ["thread_not_found", "invalid_thread_ts", "message_not_found", "cannot_reply_to_message"];

/// True if the message can be posted, only not into that thread.
pub(super) fn is_thread_gone(word: &str) -> bool {
    THREAD_GONE.contains(&word)
}

/// The failure that `answer` is, which said `word`.
pub(super) fn explain(endpoint: &Endpoint, answer: &HttpResponse, word: &str) -> Failure {
    let word = showable(word);
    let Some((meaning, is_transient)) = meaning(&word) else {
        return unknown(endpoint, answer, &word);
    };
    let why = format!("answered {word}: {meaning}");
    if is_transient || answer.status == 429 || answer.status >= 500 {
        return answer.transient(endpoint, &why);
    }
    endpoint.permanent(&why)
}

fn unknown(endpoint: &Endpoint, answer: &HttpResponse, word: &str) -> Failure {
    let said = if word.is_empty() { String::new() } else { format!(" and {word}") };
    let meaning = match answer.status {
        429 => LIMITED,
        500..=599 => BUSY,
        404 | 410 => "no webhook exists at this URL: create a new one",
        200 => "not the response of Slack: is it Slack's URL?",
        _ => "it accepts no message there: check the secret",
    };
    let why = format!("returned HTTP {}{said}: {meaning}", answer.status);
    answer.failure(endpoint, &why)
}

/// Slack's words are identifiers; anything else may be a page that quotes the URL.
fn showable(word: &str) -> String {
    let word = word.trim();
    let is_word = word.len() <= MAX_WORD
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { word.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::FailureKind;

    fn explained(status: u16, word: &str) -> Failure {
        let endpoint = Endpoint::new("Slack", "https://hooks.slack.com/services/SECRET").unwrap();
        let answer =
            HttpResponse { status, retry_after: None, body: word.to_owned(), is_whole: true };
        explain(&endpoint, &answer, word)
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (status, word, advice) in [
            (400, "invalid_payload", "please report it"),
            (403, "action_prohibited", "administrator"),
            (404, "channel_not_found", "slack.channel"),
            (404, "no_service", "create a new one"),
            (400, "/services/SECRET", "check the secret"),
            (400, "a_new_word", "a_new_word"),
            (200, "<html>SECRET</html>", "is it Slack's URL?"),
            (200, "", "is it Slack's URL?"),
            (200, "missing_scope", "chat:write"),
            (204, "", "HTTP 204"),
        ] {
            let failure = explained(status, word);
            assert_eq!(failure.kind, FailureKind::Permanent, "{failure:?}");
            assert!(failure.reason.contains(advice), "{failure:?}");
            assert!(!failure.reason.contains("SECRET"), "{failure:?}");
        }
    }

    #[test]
    fn what_may_go_away_is_transient() {
        for (status, word) in [
            (429, "rate_limited"),
            (429, "a_new_word"),
            (200, "ratelimited"),
            (200, "fatal_error"),
            (500, "channel_not_found"),
            (503, "<html>"),
        ] {
            assert_eq!(explained(status, word).kind, FailureKind::Transient(None), "{word}");
        }
    }
}
