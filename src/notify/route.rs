//! From the configuration to receivers, and from a delivery to the channel that carries it.

use std::path::PathBuf;

use super::{Failure, Receipt, alertmanager, email, heartbeat, pagerduty, slack, webhook};
use crate::config::channels::{Alertmanager, Channels, Email};
use crate::domain::ledger::{Body, Delivery, ReceiverId, Spec, Style};
use crate::domain::message::Message;
use crate::domain::policy::Severity;
use crate::domain::text::safe;
use crate::domain::time::{Span, UnixTime};

/// How often an Alertmanager hears of what still fires; it must be well within the time that each
/// alert says it is good for.
pub const REFRESH: Span = Span::minutes(5);

/// What is common to all deliveries of one moment.
#[derive(Clone, Debug)]
pub struct Way {
    /// The channels.
    pub channels: Channels,
    /// More CAs to trust.
    pub ca_file: Option<PathBuf>,
    /// Until when an alert counts that nobody renews.
    pub until: UnixTime,
}

/// Every receiver that is configured.
pub fn receivers(channels: &Channels) -> Vec<Spec> {
    let Channels { email, slack, webhook, alertmanager, pagerduty, heartbeat } = channels;
    let spec =
        |id: &str, style, min_severity| Spec { id: ReceiverId(id.to_owned()), style, min_severity };
    let mut all = Vec::new();
    if let Some(Email { to, min_severity, .. }) = email {
        all.extend(to.iter().map(|to| spec(&mail_id(to), Style::Grouped, *min_severity)));
    }
    all.extend(slack.iter().map(|it| spec("slack", Style::Grouped, it.min_severity)));
    all.extend(webhook.iter().map(|it| spec("webhook", Style::Grouped, it.min_severity)));
    if let Some(Alertmanager { urls, min_severity, .. }) = alertmanager {
        let style = Style::Synced { every: REFRESH };
        all.extend(urls.iter().map(|url| spec(&alertmanager_id(url), style, *min_severity)));
    }
    all.extend(pagerduty.iter().map(|it| spec("pagerduty", Style::Single, it.min_severity)));
    all.extend(heartbeat.iter().map(|_| spec("heartbeat", Style::Heartbeat, Severity::Ok)));
    all
}

/// The channel of a receiver, as its section is called.
pub fn channel(id: &ReceiverId) -> &str {
    id.0.split(':').next().unwrap_or_default()
}

/// Makes one attempt.
///
/// # Errors
/// The receiver did not take it, or is no longer configured.
pub async fn deliver(way: &Way, delivery: &Delivery) -> Result<Receipt, Failure> {
    match &delivery.body {
        Body::Beat { is_well, text } => {
            let settings = way.channels.heartbeat.as_ref().ok_or_else(gone)?;
            heartbeat::beat(settings, way.ca_file.as_deref(), *is_well, text).await?;
            Ok(Receipt::default())
        }
        Body::Message(message) => post(way, delivery, message).await,
    }
}

async fn post(way: &Way, delivery: &Delivery, message: &Message) -> Result<Receipt, Failure> {
    let Way { channels, ca_file, until } = way;
    let ca_file = ca_file.as_deref();
    match channel(&delivery.receiver) {
        "email" => {
            let settings = channels.email.as_ref().ok_or_else(gone)?;
            let is_it = |to: &&String| mail_id(to) == delivery.receiver.0;
            let to = settings.to.iter().find(is_it).ok_or_else(gone)?;
            return email::send(settings, ca_file, to, message).await;
        }
        "slack" => {
            let settings = channels.slack.as_ref().ok_or_else(gone)?;
            return slack::send(settings, ca_file, delivery.thread.as_deref(), message).await;
        }
        "webhook" => {
            let settings = channels.webhook.as_ref().ok_or_else(gone)?;
            webhook::send(settings, ca_file, message).await?;
        }
        "alertmanager" => {
            let settings = channels.alertmanager.as_ref().ok_or_else(gone)?;
            let is_it = |url: &&String| alertmanager_id(url) == delivery.receiver.0;
            let url = settings.urls.iter().find(is_it).ok_or_else(gone)?;
            alertmanager::send(settings, ca_file, url, message, *until).await?;
        }
        "pagerduty" => {
            let settings = channels.pagerduty.as_ref().ok_or_else(gone)?;
            pagerduty::send(settings, ca_file, message).await?;
        }
        _ => return Err(gone()),
    }
    Ok(Receipt::default())
}

fn gone() -> Failure {
    Failure::permanent("it is no longer in the configuration")
}

/// The address alone: a changed display name is not another person.
fn mail_id(to: &str) -> String {
    let address = to.rsplit_once('<').map_or(to, |(_, rest)| rest.trim_end_matches('>'));
    format!("email:{}", safe(address.trim()))
}

fn alertmanager_id(url: &str) -> String {
    format!("alertmanager:{}", safe(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_a_receiver() {
        let text = "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['Ops <ops@b.de>', 'c@d.de']\n\
                    [alertmanager]\nurls = ['http://am:9093/']\nmin-severity = 'critical'\n\
                    [heartbeat]\nurl-file = '/h'\n";
        let config = crate::config::parse(text, std::path::Path::new("c.toml")).unwrap();
        let receivers = receivers(&config.channels);
        let ids: Vec<_> = receivers.iter().map(|spec| spec.id.0.as_str()).collect();
        assert_eq!(
            ids,
            ["email:ops@b.de", "email:c@d.de", "alertmanager:http://am:9093", "heartbeat"]
        );
        assert_eq!(receivers[2].min_severity, Severity::Critical);
        assert_eq!(channel(&receivers[2].id), "alertmanager");
        assert_eq!(receivers[0].id.shown(), "mail to ops@b.de");
    }
}
