//! `[alerts]` and the channels as TOML. Secrets are only named, so nothing has to be masked.

use super::channels::{
    AlertmanagerConfig, AlertsConfig, Channels, EmailConfig, HeartbeatConfig, HttpConfig,
    PagerDutyConfig, ProxyConfig, SlackBy, SlackConfig, WebhookConfig,
};
use super::section_writer::{SectionWriter, list, path_text, quote, time};

pub(super) fn alerts(alerts: &AlertsConfig) -> String {
    let mut out = SectionWriter::new("alerts");
    out.add("repeat-warning", time(alerts.repeat.warning));
    out.add("repeat-critical", time(alerts.repeat.critical));
    out.add("repeat-expired", time(alerts.repeat.expired));
    if let Some(path) = &alerts.ca_file {
        out.add("ca-file", path_text(path));
    }
    out.0
}

pub(super) fn http(http: &HttpConfig) -> String {
    let mut out = SectionWriter::new("http");
    match &http.proxy {
        ProxyConfig::Environment => {}
        ProxyConfig::Off => out.add("proxy", quote("none")),
        ProxyConfig::Url(url) => out.add("proxy", quote(url)),
        ProxyConfig::Secret(secret) => out.secret("proxy", secret),
    }
    out.add("no-proxy", list(http.no_proxy.iter().map(|entry| quote(entry))));
    out.0
}

pub(super) fn channels(channels: &Channels) -> String {
    let Channels { email, slack, webhook, alertmanager, pagerduty, heartbeat } = channels;
    let all = [
        email.as_ref().map(self::email),
        slack.as_ref().map(self::slack),
        webhook.as_ref().map(self::webhook),
        alertmanager.as_ref().map(self::alertmanager),
        pagerduty.as_ref().map(self::pagerduty),
        heartbeat.as_ref().map(self::heartbeat),
    ];
    all.into_iter().flatten().collect()
}

fn email(email: &EmailConfig) -> String {
    let mut out = SectionWriter::new("email");
    out.add("server", quote(&email.server));
    out.add("security", quote(email.security.word()));
    out.add("port", email.port.to_string());
    out.add("from", quote(&email.from));
    out.add("to", list(email.to.iter().map(|to| quote(to))));
    if let Some(login) = &email.login {
        out.add("user", quote(&login.user));
        out.secret("password", &login.password);
    }
    out.min_severity(email.min_severity)
}

fn slack(slack: &SlackConfig) -> String {
    let mut out = SectionWriter::new("slack");
    match &slack.by {
        SlackBy::Webhook(url) => out.secret("webhook", url),
        SlackBy::Bot { token, channel, threads, api } => {
            out.secret("token", token);
            out.add("channel", quote(channel));
            out.add("threads", threads.to_string());
            out.add("api-url", quote(api));
        }
    }
    out.min_severity(slack.min_severity)
}

fn webhook(webhook: &WebhookConfig) -> String {
    let mut out = SectionWriter::new("webhook");
    out.secret("url", &webhook.url);
    webhook.key.iter().for_each(|key| out.secret("key", key));
    webhook.client.iter().for_each(|client| out.client(client));
    out.min_severity(webhook.min_severity)
}

fn alertmanager(alertmanager: &AlertmanagerConfig) -> String {
    let mut out = SectionWriter::new("alertmanager");
    out.add("urls", list(alertmanager.urls.iter().map(|url| quote(url))));
    alertmanager.token.iter().for_each(|token| out.secret("token", token));
    alertmanager.client.iter().for_each(|client| out.client(client));
    out.min_severity(alertmanager.min_severity)
}

fn pagerduty(pagerduty: &PagerDutyConfig) -> String {
    let mut out = SectionWriter::new("pagerduty");
    out.secret("routing-key", &pagerduty.routing_key);
    out.add("url", quote(&pagerduty.url));
    out.min_severity(pagerduty.min_severity)
}

fn heartbeat(heartbeat: &HeartbeatConfig) -> String {
    let mut out = SectionWriter::new("heartbeat");
    out.secret("url", &heartbeat.url);
    out.0
}
