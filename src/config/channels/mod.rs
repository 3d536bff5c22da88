//! How people are told: one file for each channel, with the section of its name.
//!
//! A channel is there as soon as its section holds anything; an empty section is the same as none.

mod alertmanager;
mod client;
mod email;
mod heartbeat;
mod pagerduty;
mod slack;
mod webhook;

use serde::Serialize;

use crate::domain::policy::Severity;

pub use super::secret::Secret;
use super::section::Section;
use super::value;
pub use alertmanager::AlertmanagerConfig;
pub use client::ClientCertificate;
pub use email::{EmailConfig, Login, Security};
pub use heartbeat::HeartbeatConfig;
pub use pagerduty::PagerDutyConfig;
pub use slack::{SlackBy, SlackConfig};
pub use webhook::WebhookConfig;

/// The channels that are configured.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Channels {
    /// `[email]`
    pub email: Option<EmailConfig>,
    /// `[slack]`
    pub slack: Option<SlackConfig>,
    /// `[webhook]`
    pub webhook: Option<WebhookConfig>,
    /// `[alertmanager]`
    pub alertmanager: Option<AlertmanagerConfig>,
    /// `[pagerduty]`
    pub pagerduty: Option<PagerDutyConfig>,
    /// `[heartbeat]`
    pub heartbeat: Option<HeartbeatConfig>,
}

impl Channels {
    /// All secrets of one line that are named, each with the section that names it.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let Self { email, slack, webhook, alertmanager, pagerduty, heartbeat } = self;
        let login = email.as_ref().and_then(|it| it.login.as_ref());
        let by = slack.as_ref().map(|it| match &it.by {
            SlackBy::Webhook(url) => url,
            SlackBy::Bot { token, .. } => token,
        });
        let all = [
            ("email", login.map(|it| &it.password)),
            ("slack", by),
            ("webhook", webhook.as_ref().map(|it| &it.url)),
            ("webhook", webhook.as_ref().and_then(|it| it.key.as_ref())),
            ("alertmanager", alertmanager.as_ref().and_then(|it| it.token.as_ref())),
            ("pagerduty", pagerduty.as_ref().map(|it| &it.routing_key)),
            ("heartbeat", heartbeat.as_ref().map(|it| &it.url)),
        ];
        all.into_iter().filter_map(|(section, secret)| Some((section, secret?))).collect()
    }

    /// All client certificates, each with the section that names it.
    pub fn clients(&self) -> Vec<(&'static str, &ClientCertificate)> {
        let all = [
            ("webhook", self.webhook.as_ref().and_then(|it| it.client.as_ref())),
            ("alertmanager", self.alertmanager.as_ref().and_then(|it| it.client.as_ref())),
        ];
        all.into_iter().filter_map(|(section, client)| Some((section, client?))).collect()
    }
}

pub(super) fn read(file: &mut Section<'_, '_>) -> Channels {
    Channels {
        email: file.section("email", email::read),
        slack: file.section("slack", slack::read),
        webhook: file.section("webhook", webhook::read),
        alertmanager: file.section("alertmanager", alertmanager::read),
        pagerduty: file.section("pagerduty", pagerduty::read),
        heartbeat: file.section("heartbeat", heartbeat::read),
    }
}

/// The key that most channels end with.
fn min_severity(section: &mut Section<'_, '_>) -> Severity {
    let words = [
        ("warning", Severity::Warning),
        ("unknown", Severity::Unknown),
        ("critical", Severity::Critical),
    ];
    section.take("min-severity", Severity::Warning, |word| value::one_of(word, &words)).value
}
