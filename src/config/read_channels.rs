//! The keys of `[alerts]` and of each channel.
//!
//! A channel is there as soon as its section holds anything; an empty section is the same as none.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::domain::ledger::Repeat;
use crate::domain::policy::Severity;
use crate::domain::time::Span;
use crate::parse::mailbox::mailbox;

use super::channels::{
    AlertmanagerConfig, AlertsConfig, Channels, ClientCertificate, EmailConfig, HeartbeatConfig,
    HttpConfig, Login, PagerDutyConfig, ProxyConfig, Secret, Security, SlackBy, SlackConfig,
    WebhookConfig,
};
use super::section::{Section, Setting};
use super::{path, value};

const REPEAT: RangeInclusive<Span> = Span::hours(1)..=Span::days(365);
const PORTS: RangeInclusive<u16> = 1..=65_535;
const SEVERITIES: [(&str, Severity); 3] = [
    ("warning", Severity::Warning),
    ("unknown", Severity::Unknown),
    ("critical", Severity::Critical),
];
const SECURITIES: [(&str, Security); 3] =
    [("tls", Security::Tls), ("starttls", Security::StartTls), ("none", Security::None)];

/// Where Slack's methods are.
pub(super) const SLACK_API: &str = "https://slack.com/api";

/// Where PagerDuty takes events.
pub(super) const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

pub(super) fn alerts(section: &mut Section<'_, '_>) -> AlertsConfig {
    let default = Repeat::default();
    let mut repeat =
        |key, default| section.take(key, default, |time| value::span(time, &REPEAT)).value;
    let repeat = Repeat {
        warning: repeat("repeat-warning", default.warning),
        critical: repeat("repeat-critical", default.critical),
        expired: repeat("repeat-expired", default.expired),
    };
    AlertsConfig { repeat, ca_file: file(section, "ca-file").value }
}

pub(super) fn http(section: &mut Section<'_, '_>) -> HttpConfig {
    let plain =
        |url: &_| value::proxy(url).map(|url| url.map_or(ProxyConfig::Off, ProxyConfig::Url));
    let plain = section.take("proxy", ProxyConfig::Environment, plain);
    let hidden = secret(section, "proxy-credential", "proxy-file");
    if hidden.value.is_some() && plain.value != ProxyConfig::Environment {
        section.refuse_both(&hidden, "conflicts with", &plain, "one of them");
    }
    // What goes by a refused file must not take a mistake for leave to connect without the proxy.
    let is_unusable = plain.is_unusable() || hidden.is_unusable();
    let plain = if is_unusable { ProxyConfig::Url(String::new()) } else { plain.value };
    HttpConfig {
        proxy: hidden.value.map_or(plain, ProxyConfig::Secret),
        no_proxy: section.list("no-proxy", Vec::new(), value::no_proxy).value,
    }
}

pub(super) fn channels(file: &mut Section<'_, '_>) -> Channels {
    Channels {
        email: file.section("email", email),
        slack: file.section("slack", slack),
        webhook: file.section("webhook", webhook),
        alertmanager: file.section("alertmanager", alertmanager),
        pagerduty: file.section("pagerduty", pagerduty),
        heartbeat: file.section("heartbeat", heartbeat),
    }
}

fn email(section: &mut Section<'_, '_>) -> Option<EmailConfig> {
    let server = section.take("server", None, |host| value::host(host).map(Some));
    let security =
        section.take("security", Security::StartTls, |word| value::one_of(word, &SECURITIES));
    let port =
        section.take("port", security.value.port(), |port| value::number(port, &PORTS)).value;
    let from = section.take("from", None, |from| address(from).map(Some));
    let to = section.list("to", Vec::new(), address);
    let user = section.take("user", None, |user| value::line(user).map(Some));
    let password = secret(section, "password-credential", "password-file");
    let min_severity = min_severity(section);
    section.require(&server, "the mail server's name");
    section.require(&from, "the sender's address, one that the server accepts");
    if to.value.is_empty() {
        section.refuse_or_require(&to, "is empty", "at least one address");
    }
    if let Some([first, second]) = twice(&to.value) {
        let what = format!("contains an address twice, as entries {first} and {second}");
        section.refuse(&to, &what, "each address once, whatever the name before it");
    }
    match (&user.value, &password.value) {
        (Some(_), None) => section.require(&password, "the location of the password of email.user"),
        (None, Some(_)) => section.require(&user, "the user that this password belongs to"),
        _ => {}
    }
    let is_local = server.value.as_deref().is_some_and(value::is_loopback);
    if security.value == Security::None && user.value.is_some() && !is_local {
        let expected = "tls or starttls: the password would be sent in clear text";
        section.refuse_both(&security, "is none, but there is", &user, expected);
    }
    Some(EmailConfig {
        server: server.value?,
        port,
        security: security.value,
        from: from.value?,
        to: to.value,
        login: user.value.zip(password.value).map(|(user, password)| Login { user, password }),
        min_severity,
    })
}

fn slack(section: &mut Section<'_, '_>) -> Option<SlackConfig> {
    let webhook = secret(section, "webhook-credential", "webhook-file");
    let token = secret(section, "token-credential", "token-file");
    let channel = section.take("channel", None, |name| value::line(name).map(Some));
    let threads = section.take("threads", true, value::flag).value;
    let api = section.take("api-url", SLACK_API.to_owned(), value::private_url).value;
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

fn webhook(section: &mut Section<'_, '_>) -> Option<WebhookConfig> {
    let url = secret(section, "url-credential", "url-file");
    let key = secret(section, "key-credential", "key-file").value;
    let (client, _) = client(section);
    let min_severity = min_severity(section);
    section.require(&url, "the location of the URL, which may contain a secret");
    Some(WebhookConfig { url: url.value?, key, client, min_severity })
}

fn alertmanager(section: &mut Section<'_, '_>) -> Option<AlertmanagerConfig> {
    let urls = section.list("urls", Vec::new(), value::url);
    let token = secret(section, "token-credential", "token-file");
    let (client, certificate) = client(section);
    let min_severity = min_severity(section);
    if urls.value.is_empty() {
        section.refuse_or_require(&urls, "is empty", "the URL of each Alertmanager");
    }
    let in_clear = |url: &String| !value::is_private(url);
    if token.value.is_some() && urls.value.iter().any(in_clear) {
        let expected = "https: the token would be sent in clear text";
        section.refuse_both(&urls, "contains an http URL, but there is", &token, expected);
    }
    if client.is_some() && urls.value.iter().any(|url| url.starts_with("http://")) {
        let expected = "https: client certificates need TLS";
        section.refuse_both(&urls, "contains an http URL, but there is", &certificate, expected);
    }
    (!urls.value.is_empty()).then_some(AlertmanagerConfig {
        urls: urls.value,
        token: token.value,
        client,
        min_severity,
    })
}

fn pagerduty(section: &mut Section<'_, '_>) -> Option<PagerDutyConfig> {
    let routing_key = secret(section, "routing-key-credential", "routing-key-file");
    let url = section.take("url", PAGERDUTY.to_owned(), value::private_url).value;
    let min_severity = min_severity(section);
    section.require(&routing_key, "the location of the integration key of the service");
    Some(PagerDutyConfig { routing_key: routing_key.value?, url, min_severity })
}

fn heartbeat(section: &mut Section<'_, '_>) -> Option<HeartbeatConfig> {
    let url = secret(section, "url-credential", "url-file");
    section.require(&url, "the location of the URL: whoever knows it can fake a heartbeat");
    Some(HeartbeatConfig { url: url.value? })
}

fn min_severity(section: &mut Section<'_, '_>) -> Severity {
    section.take("min-severity", Severity::Warning, |word| value::one_of(word, &SEVERITIES)).value
}

/// A certificate and its key, of which one is of no use without the other; and the setting of the
/// certificate.
fn client(section: &mut Section<'_, '_>) -> (Option<ClientCertificate>, Setting<Option<PathBuf>>) {
    let certificate = file(section, "client-cert");
    let key = secret(section, "client-key-credential", "client-key-file");
    match (&certificate.value, &key.value) {
        (Some(_), None) => section.require(&key, "the location of the key of client-cert"),
        (None, Some(_)) => section.require(&certificate, "the certificate of this key"),
        _ => {}
    }
    let pair = certificate.value.clone().zip(key.value);
    (pair.map(|(certificate, key)| ClientCertificate { certificate, key }), certificate)
}

/// A secret is named, never written down here: as a credential or as a file.
fn secret(
    section: &mut Section<'_, '_>,
    credential: &'static str,
    in_file: &'static str,
) -> Setting<Option<Secret>> {
    let name = section.take(credential, None, |name| value::credential(name).map(Some));
    let path = file(section, in_file);
    if name.value.is_some() && path.value.is_some() {
        section.refuse_both(&path, "conflicts with", &name, "one of them");
    }
    if path.value.is_some() || path.is_unusable() {
        return path.map(|path| path.map(Secret::File));
    }
    name.map(|name| name.map(Secret::Credential))
}

fn file(section: &mut Section<'_, '_>, key: &'static str) -> Setting<Option<PathBuf>> {
    section.take(key, None, |file| path::file(file).map(Some))
}

fn address(value: &toml::de::DeValue<'_>) -> Result<String, super::error::Problem> {
    let text = value::line(value)?;
    mailbox(&text).map(|_| text).map_err(|_| {
        value::wrong("is not a mail address", "ops@example.org or \"Ops <ops@example.org>\"")
    })
}

/// The entries, from 1, that are the same address. Mail servers do not tell cases apart.
fn twice(to: &[String]) -> Option<[usize; 2]> {
    let address = |text: &String| mailbox(text).ok().map(|it| it.email.to_string().to_lowercase());
    let addresses: Vec<_> = to.iter().map(address).collect();
    let first_of =
        |second: usize| addresses[..second].iter().position(|it| *it == addresses[second]);
    (0..to.len()).find_map(|second| Some([first_of(second)? + 1, second + 1]))
}

impl Security {
    /// The port that goes with it.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }

    /// The word for it in the file.
    pub(super) fn word(self) -> &'static str {
        word_of(&self, &SECURITIES)
    }
}

/// The word that stands for `wanted` in the file.
pub(super) fn word_of<T: PartialEq>(wanted: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, it)| it == wanted).map_or("", |(word, _)| word)
}

/// The word for a least severity.
pub(super) fn severity_word(severity: Severity) -> &'static str {
    word_of(&severity, &SEVERITIES)
}
