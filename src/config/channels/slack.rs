//! `[slack]`: an incoming webhook, or a bot.

use serde::Serialize;

use crate::config::secret::{self, Secret};
use crate::config::section::Section;
use crate::config::value;
use crate::domain::policy::Severity;

use super::min_severity;

/// Where Slack's methods are.
const API: &str = "https://slack.com/api";

/// Slack.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SlackConfig {
    /// How messages are posted.
    #[serde(flatten)]
    pub by: SlackBy,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// The two ways to post to Slack.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlackBy {
    /// An incoming webhook; its URL is the secret. It knows no threads.
    Webhook(Secret),
    /// A bot (`chat.postMessage`, scope `chat:write`).
    #[serde(untagged)]
    Bot {
        /// The token, `xoxb-…`.
        token: Secret,
        /// The channel's id or name.
        channel: String,
        /// Later messages go into the thread of the first until all is well.
        threads: bool,
        /// `https://slack.com/api`, but in tests.
        #[serde(rename = "api-url")]
        api: String,
    },
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<SlackConfig> {
    let webhook = secret::read(section, "webhook-credential", "webhook-file");
    let token = secret::read(section, "token-credential", "token-file");
    let channel = section.optional("channel", value::line);
    let threads = section.take("threads", true, value::flag).value;
    let api = section.take("api-url", API.to_owned(), value::private_url).value;
    let min_severity = min_severity(section);
    if webhook.value.is_some() && token.value.is_some() {
        let expected = "one of them: a webhook has its own channel";
        section.refuse_both(&token, "conflicts with", &webhook, expected);
    }
    if token.value.is_none() {
        section
            .require(&webhook, "the location of the webhook's URL, or token-credential for a bot");
        let by = SlackBy::Webhook(webhook.value?);
        return Some(SlackConfig { by, min_severity });
    }
    section.require(&channel, "the id or name of the channel for the bot");
    let (token, channel) = (token.value?, channel.value?);
    Some(SlackConfig { by: SlackBy::Bot { token, channel, threads, api }, min_severity })
}
