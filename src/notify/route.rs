//! From the configuration to receivers, and from a delivery to the channel that carries it.

use super::http::{self, Endpoint};
use super::{
    Failure, Network, Receipt, alertmanager, email, heartbeat, pagerduty, secret, slack, webhook,
};
use crate::config::channels::{AlertmanagerConfig, Channels, EmailConfig, Secret, SlackBy};
use crate::domain::ledger::{Body, Delivery, DeliveryMode, ReceiverId, ReceiverSpec};
use crate::domain::message::Message;
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};

/// How often an Alertmanager hears of what still fires; it must be well within the time that each
/// alert says it is good for.
pub(crate) const REFRESH: Span = Span::minutes(5);

/// What is common to all deliveries of one moment.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryContext {
    /// The channels.
    pub channels: Channels,
    /// How the other side is reached.
    pub network: Network,
    /// Until when an alert counts that nobody renews.
    pub until: UnixTime,
}

/// Every receiver that is configured.
pub(crate) fn receivers(channels: &Channels) -> Vec<ReceiverSpec> {
    let Channels { email, slack, webhook, alertmanager, pagerduty, heartbeat } = channels;
    let spec = |id: &str, mode, min_severity| ReceiverSpec {
        id: ReceiverId(id.to_owned()),
        mode,
        min_severity,
    };
    let mut all = Vec::new();
    if let Some(EmailConfig { to, min_severity, .. }) = email {
        all.extend(to.iter().map(|to| spec(&mail_id(to), DeliveryMode::Grouped, *min_severity)));
    }
    all.extend(slack.iter().map(|it| spec("slack", DeliveryMode::Grouped, it.min_severity)));
    all.extend(webhook.iter().map(|it| spec("webhook", DeliveryMode::Grouped, it.min_severity)));
    if let Some(AlertmanagerConfig { urls, min_severity, .. }) = alertmanager {
        let mode = DeliveryMode::Synced { every: REFRESH };
        all.extend(urls.iter().map(|url| spec(&alertmanager_id(url), mode, *min_severity)));
    }
    all.extend(
        pagerduty.iter().map(|it| spec("pagerduty", DeliveryMode::Incident, it.min_severity)),
    );
    all.extend(heartbeat.iter().map(|_| spec("heartbeat", DeliveryMode::Heartbeat, Severity::Ok)));
    all
}

/// The channel of a receiver, as its section is called.
pub(crate) fn channel(id: &ReceiverId) -> &str {
    id.0.split(':').next().unwrap_or_default()
}

/// What is wrong with the URLs that are secrets, each with the section that names it: the configuration does
/// not say what they are. Those that cannot be read are left out.
pub(crate) fn check_urls(channels: &Channels, network: &Network) -> Vec<(&'static str, Failure)> {
    let read = |url: &Secret| secret::look(url, network).ok();
    let webhook = channels.webhook.as_ref().and_then(|it| {
        let url = read(&it.url)?;
        let endpoint = Endpoint::in_clear_too("webhook", url.expose());
        endpoint.and_then(|endpoint| http::check_client(&endpoint, it.client.as_ref())).err()
    });
    let private = |channel, url| Endpoint::new(channel, read(url)?.expose()).err();
    let slack = channels.slack.as_ref().and_then(|it| match &it.by {
        SlackBy::Webhook(url) => private("Slack", url),
        SlackBy::Bot { .. } => None,
    });
    let heartbeat = channels.heartbeat.as_ref().and_then(|it| private("heartbeat", &it.url));
    let all = [("slack", slack), ("webhook", webhook), ("heartbeat", heartbeat)];
    all.into_iter().filter_map(|(section, failure)| Some((section, failure?))).collect()
}

/// Makes one attempt.
///
/// # Errors
/// The receiver did not take it, or is no longer configured.
pub(crate) async fn deliver(
    context: &DeliveryContext,
    delivery: &Delivery,
) -> Result<Receipt, Failure> {
    match &delivery.body {
        Body::Heartbeat { is_well, text } => {
            let settings = context.channels.heartbeat.as_ref().ok_or_else(gone)?;
            heartbeat::send(settings, &context.network, *is_well, text).await?;
            Ok(Receipt::default())
        }
        Body::Message(message) => post(context, delivery, message).await,
    }
}

async fn post(
    context: &DeliveryContext,
    delivery: &Delivery,
    message: &Message,
) -> Result<Receipt, Failure> {
    let DeliveryContext { channels, network, until } = context;
    match channel(&delivery.receiver) {
        "email" => {
            let settings = channels.email.as_ref().ok_or_else(gone)?;
            let is_it = |to: &&String| mail_id(to) == delivery.receiver.0;
            let to = settings.to.iter().find(is_it).ok_or_else(gone)?;
            return email::send(settings, network, to, message).await;
        }
        "slack" => {
            let settings = channels.slack.as_ref().ok_or_else(gone)?;
            return slack::send(settings, network, delivery.thread.as_deref(), message).await;
        }
        "webhook" => {
            let settings = channels.webhook.as_ref().ok_or_else(gone)?;
            webhook::send(settings, network, message).await?;
        }
        "alertmanager" => {
            let settings = channels.alertmanager.as_ref().ok_or_else(gone)?;
            let is_it = |url: &&String| alertmanager_id(url) == delivery.receiver.0;
            let url = settings.urls.iter().find(is_it).ok_or_else(gone)?;
            alertmanager::send(settings, network, url, message, *until).await?;
        }
        "pagerduty" => {
            let settings = channels.pagerduty.as_ref().ok_or_else(gone)?;
            pagerduty::send(settings, network, message).await?;
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
    format!("email:{}", escape_control(address.trim()))
}

fn alertmanager_id(url: &str) -> String {
    format!("alertmanager:{}", escape_control(url))
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
