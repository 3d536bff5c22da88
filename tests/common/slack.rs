//! Slack's own rules, as strict as Slack or stricter: an incoming webhook and `chat.postMessage`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Received, Reply, Server, say, say_with};

/// The path of the one webhook there is; its last part is the secret.
pub const HOOK: &str = "/services/T00000000/B00000000/SECRETsecretSECRET";

/// The token of the one bot there is.
pub const TOKEN: &str = "xoxb-SECRETsecretSECRET";

/// The channel that the bot is in.
pub const CHANNEL: &str = "C0123456789";

/// Most of all text together; Slack's own limit is undocumented and somewhat higher.
const MAX_ALL: usize = 11_000;

/// Slack, with the messages it has taken.
pub fn slack() -> Server {
    let last = Mutex::new(None::<Instant>);
    let known = Mutex::new(Vec::<String>::new());
    Server::start(move |request| {
        if is_too_fast(&last) {
            let body = r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#;
            return say_with(429, ("Retry-After", "1"), body);
        }
        match request.path.as_str() {
            HOOK => webhook(request),
            "/api/chat.postMessage" => bot(request, &known),
            path if path.starts_with("/services/") => say(404, "no_service"),
            _ => say(404, "<html>Not found</html>"),
        }
    })
}

/// One a second. Slack tolerates short bursts, this does not.
fn is_too_fast(last: &Mutex<Option<Instant>>) -> bool {
    let now = Instant::now();
    let before = last.lock().unwrap().replace(now);
    before.is_some_and(|before| now - before < Duration::from_secs(1))
}

fn webhook(request: &Received) -> Reply {
    match checked(request) {
        Ok(_) => say(200, "ok"),
        Err(why) => say(400, why),
    }
}

fn bot(request: &Received, known: &Mutex<Vec<String>>) -> Reply {
    let no = |error: &str| say(200, &json!({"ok": false, "error": error}).to_string());
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return no("invalid_auth");
    }
    let body = match checked(request) {
        Ok(body) => body,
        Err(why) => return no(why),
    };
    let mut known = known.lock().unwrap();
    match body["channel"].as_str() {
        Some(CHANNEL) => {}
        Some("C-not-in") => return no("not_in_channel"),
        Some("C-archived") => return no("is_archived"),
        _ => return no("channel_not_found"),
    }
    if let Some(thread) = body.get("thread_ts")
        && !known.iter().any(|ts| *thread == **ts)
    {
        return no("thread_not_found");
    }
    let ts = format!("1795399200.{:06}", known.len() + 1);
    known.push(ts.clone());
    say(200, &json!({"ok": true, "channel": CHANNEL, "ts": ts, "message": {}}).to_string())
}

fn checked(request: &Received) -> Result<Value, &'static str> {
    let is_json = |it: &str| it.to_ascii_lowercase().starts_with("application/json");
    if request.method != "POST" || !request.header("content-type").is_some_and(is_json) {
        return Err("invalid_payload");
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| "invalid_payload")?;
    check(&body)?;
    Ok(body)
}

/// All rules for the JSON of a message.
pub fn check(body: &Value) -> Result<(), &'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err("missing_text_or_fallback_or_attachments");
    }
    if text.len() > 4_000 || !is_escaped(text) {
        return Err("invalid_payload");
    }
    if body["unfurl_links"] != false
        || body["unfurl_media"] != false
        || body.get("link_names").is_some()
    {
        return Err("invalid_payload");
    }
    let blocks = body["blocks"].as_array().ok_or("invalid_blocks_format")?;
    if blocks.is_empty() || blocks.len() > 50 || !blocks.iter().all(is_block) {
        return Err("invalid_blocks");
    }
    if body["blocks"].to_string().encode_utf16().count() > MAX_ALL {
        return Err("msg_blocks_too_long");
    }
    Ok(())
}

fn is_block(block: &Value) -> bool {
    match block["type"].as_str() {
        Some("header") => is_text(&block["text"], &["plain_text"], 150),
        Some("section") => {
            let fields = block["fields"].as_array();
            let has_text = block.get("text").is_some();
            (has_text || fields.is_some())
                && (!has_text || is_text(&block["text"], &["plain_text", "mrkdwn"], 3000))
                && fields.is_none_or(|fields| {
                    let is_field = |it| is_text(it, &["plain_text", "mrkdwn"], 2000);
                    (1..=10).contains(&fields.len()) && fields.iter().all(is_field)
                })
        }
        Some("context") => block["elements"].as_array().is_some_and(|elements| {
            let is_element = |it| is_text(it, &["plain_text", "mrkdwn"], 2000);
            (1..=10).contains(&elements.len()) && elements.iter().all(is_element)
        }),
        Some("divider") => true,
        _ => false,
    }
}

fn is_text(object: &Value, types: &[&str], max: usize) -> bool {
    let (Some(kind), Some(text)) = (object["type"].as_str(), object["text"].as_str()) else {
        return false;
    };
    let length = text.encode_utf16().count();
    let is_sound = match kind {
        "mrkdwn" => is_escaped(text) && has_paired_code(text) && object["verbatim"] == true,
        _ => object.get("verbatim").is_none(),
    };
    types.contains(&kind) && (1..=max).contains(&length) && is_sound
}

/// No `<`, no `>`, and every `&` begins one of the three entities.
fn is_escaped(text: &str) -> bool {
    let entities = ["amp;", "lt;", "gt;"];
    let begins = |rest: &str| entities.iter().any(|entity| rest.starts_with(entity));
    !text.contains(['<', '>']) && text.split('&').skip(1).all(begins)
}

/// Blocks of code end, and spans of code end on their line: no name breaks out of its own.
fn has_paired_code(text: &str) -> bool {
    let parts: Vec<&str> = text.split("```").collect();
    let spans = parts.iter().step_by(2).flat_map(|part| part.lines());
    parts.len() % 2 == 1 && spans.into_iter().all(|line| line.matches('`').count() % 2 == 0)
}
