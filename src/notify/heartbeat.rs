//! A dead man's switch: somebody who notices if certwatch is silent.
//!
//! healthchecks.io and what is like it: <https://healthchecks.io/docs/http_api/>.

use std::time::Duration;

use super::http::{self, Endpoint, HttpRequest};
use super::{Failure, Network, secret};
use crate::config::channels::HeartbeatConfig;

/// Longest time for one heartbeat: it says little, and the next one comes soon.
const LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of a text; more is cut off there.
const MAX_TEXT: usize = 10_000;

/// Tells that certwatch is alive, and whether it can do its work; `text` is kept there.
///
/// # Errors
/// The other side did not take it.
pub async fn send(
    settings: &HeartbeatConfig,
    network: &Network,
    is_well: bool,
    text: &str,
) -> Result<(), Failure> {
    let url = secret::reveal(&settings.url, network).await?;
    let url = if is_well { url.expose().to_owned() } else { of_failure(url.expose()) };
    let endpoint = Endpoint::new("heartbeat", &url)?;
    let text = cut(text);
    let request = HttpRequest {
        endpoint: endpoint.clone(),
        headers: vec![("Content-Type", "text/plain; charset=utf-8".to_owned())],
        body: text.as_bytes().to_vec(),
        client: None,
        timeout: LIMIT,
    };
    let answer = http::send(request, network).await?;
    // healthchecks.io answers so with HTTP 200, since senders seldom look.
    if answer.body.contains("(not found)") || matches!(answer.status, 404 | 410) {
        return Err(endpoint.permanent("has no check at this URL: use the URL of an existing one"));
    }
    if answer.is_success() {
        return Ok(());
    }
    Err(answer.failure(&endpoint, &format!("returned HTTP {}", answer.status)))
}

fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// `/fail` at the end of the path, before any query.
fn of_failure(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, query) = url.split_at(end);
    format!("{}/fail{query}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_its_own_path() {
        for (url, fail) in [
            ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
            ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
            ("https://hc-ping.com/key/slug?create=1", "https://hc-ping.com/key/slug/fail?create=1"),
            ("https://hc-ping.com/uuid/?a=/", "https://hc-ping.com/uuid/fail?a=/"),
        ] {
            assert_eq!(of_failure(url), fail);
        }
    }
}
