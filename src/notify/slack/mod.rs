//! Slack, by an incoming webhook or as a bot.
//!
//! A webhook says yes with HTTP 200 and the body `ok`, and its URL is the secret. The bot posts by
//! `chat.postMessage`, which says no with HTTP 200 too, and gets the `ts` that threads hang on.

mod blocks;
mod error;
mod markup;
mod rate_limit;

use serde::Deserialize;
use serde_json::{Value, json};

pub use self::blocks::payload;
use super::http::{self, Endpoint, HttpRequest, HttpResponse};
use super::{Failure, Network, Receipt, secret};
use crate::config::channels::{SlackBy, SlackConfig};
use crate::domain::message::Message;

const NAME: &str = "Slack";

/// Posts `message`; into `thread`, an earlier [`Receipt::thread`], if the settings want threads.
///
/// # Errors
/// Slack did not take it.
pub async fn send(
    settings: &SlackConfig,
    network: &Network,
    thread: Option<&str>,
    message: &Message,
) -> Result<Receipt, Failure> {
    match &settings.by {
        SlackBy::Webhook(url) => {
            let endpoint = Endpoint::new(NAME, secret::reveal(url, network).await?.expose())?;
            by_webhook(endpoint, network, &payload(message)).await?;
            Ok(Receipt::default())
        }
        SlackBy::Bot { token, channel, threads, api } => {
            let url = format!("{}/chat.postMessage", api.trim_end_matches('/'));
            let token = secret::reveal(token, network).await?;
            let bot = Bot { endpoint: Endpoint::new(NAME, &url)?, token, channel };
            let thread = thread.filter(|_| *threads);
            let ts = bot.post(network, thread, payload(message)).await?;
            Ok(Receipt { thread: Some(ts).filter(|ts| *threads && !ts.is_empty()) })
        }
    }
}

async fn by_webhook(endpoint: Endpoint, network: &Network, payload: &Value) -> Result<(), Failure> {
    rate_limit::wait(&endpoint).await?;
    let answer = http::send(HttpRequest::json(endpoint.clone(), payload), network).await?;
    if answer.status == 200 && answer.body == "ok" {
        return Ok(());
    }
    check_whole(&endpoint, &answer)?;
    Err(error::explain(&endpoint, &answer, &word(&answer)))
}

struct Bot<'a> {
    endpoint: Endpoint,
    token: secret::Revealed,
    channel: &'a str,
}

/// What `chat.postMessage` answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Posted {
    ok: bool,
    ts: String,
    error: String,
}

impl Bot<'_> {
    /// The `ts` of the thread that the message is in.
    async fn post(
        &self,
        network: &Network,
        thread: Option<&str>,
        mut payload: Value,
    ) -> Result<String, Failure> {
        payload["channel"] = json!(self.channel);
        let Some(thread) = thread else {
            return self.try_post(network, &payload).await?.map_err(|(failure, _)| failure);
        };
        payload["thread_ts"] = json!(thread);
        match self.try_post(network, &payload).await? {
            Ok(_) => Ok(thread.to_owned()),
            Err((_, word)) if error::is_thread_gone(&word) => {
                // Somebody has deleted its first message; the alert has to arrive all the same.
                payload.as_object_mut().and_then(|it| it.remove("thread_ts"));
                self.try_post(network, &payload).await?.map_err(|(failure, _)| failure)
            }
            Err((failure, _)) => Err(failure),
        }
    }

    /// The `ts` of the message, or why Slack refused it and its word for that.
    async fn try_post(
        &self,
        network: &Network,
        payload: &Value,
    ) -> Result<Result<String, (Failure, String)>, Failure> {
        rate_limit::wait(&self.endpoint).await?;
        let request = HttpRequest::json(self.endpoint.clone(), payload)
            .with("Authorization", format!("Bearer {}", self.token.expose()));
        let answer = http::send(request, network).await?;
        check_whole(&self.endpoint, &answer)?;
        let posted: Posted = serde_json::from_str(&answer.body).unwrap_or_default();
        if answer.status == 200 && posted.ok {
            return Ok(Ok(posted.ts));
        }
        let failure = error::explain(&self.endpoint, &answer, &posted.error);
        Ok(Err((failure, posted.error)))
    }
}

/// Only the body says whether Slack has taken the message.
fn check_whole(endpoint: &Endpoint, answer: &HttpResponse) -> Result<(), Failure> {
    if answer.status == 200 && !answer.is_whole {
        return Err(answer.transient(endpoint, "closed the connection within its answer"));
    }
    Ok(())
}

/// The word of a webhook's refusal: the body, or in it as JSON if too much was posted.
fn word(answer: &HttpResponse) -> String {
    let json: Posted = serde_json::from_str(&answer.body).unwrap_or_default();
    if json.error.is_empty() { answer.body.clone() } else { json.error }
}
