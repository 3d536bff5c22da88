//! How people are told: one struct for each channel.

use std::path::PathBuf;

use crate::domain::ledger::Repeat;
use crate::domain::policy::Severity;

/// When something is told again, and what holds for all channels.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AlertsConfig {
    /// After how long the same is told again, each 1 h to 365 d.
    pub repeat: Repeat,
    /// More CAs to trust when connecting: a PEM file. The system's are always trusted.
    pub ca_file: Option<PathBuf>,
}

/// `[http]`: how HTTP goes out, for all channels but mail.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpConfig {
    /// Through which proxy.
    pub proxy: ProxyConfig,
    /// Who is reached without it, as in `NO_PROXY`: names, addresses and networks.
    pub no_proxy: Vec<String>,
}

/// Which proxy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProxyConfig {
    /// The one that the environment names, if it does.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Off,
    /// The one at this URL, `http://host:port`, which has no user.
    Url(String),
    /// The one at the URL that lies there; it may have a user and a password.
    Secret(Secret),
}

/// What is presented to a server that asks for a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// The certificate and what else of its chain the server needs, PEM; absolute.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: Secret,
}

/// The channels that are configured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
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

/// Where a secret is. It is read when it is needed, so that a new one needs no restart, and never
/// kept longer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Secret {
    /// The name of a systemd credential; without systemd, of a file in /etc/certwatch/credentials.
    Credential(String),
    /// A file, absolute.
    File(PathBuf),
}

/// Mail through one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmailConfig {
    /// Host name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// The recipients, each an address or `Name <address>`; at least one.
    pub to: Vec<String>,
    /// For logging in; never without protection, but on loopback.
    pub login: Option<Login>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// How the connection to the mail server is protected. There is no mode that would go on in clear
/// text if the server says that it has no TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314), port 465.
    Tls,
    /// STARTTLS, and nothing without it, port 587.
    StartTls,
    /// None: for a server on this host, port 25.
    None,
}

/// A user and where the password is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Slack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlackConfig {
    /// How messages are posted.
    pub by: SlackBy,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// The two ways to post to Slack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SlackBy {
    /// An incoming webhook; its URL is the secret. It knows no threads.
    Webhook(Secret),
    /// A bot (`chat.postMessage`, scope `chat:write`).
    Bot {
        /// The token, `xoxb-…`.
        token: Secret,
        /// The channel's id or name.
        channel: String,
        /// Later messages go into the thread of the first until all is well.
        threads: bool,
        /// `https://slack.com/api`, but in tests.
        api: String,
    },
}

/// A POST in the shape of Alertmanager's webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookConfig {
    /// The URL.
    pub url: Secret,
    /// Key of an HMAC-SHA256 of the body.
    pub key: Option<Secret>,
    /// What is presented to it.
    pub client: Option<ClientCertificate>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// Prometheus Alertmanagers, all told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AlertmanagerConfig {
    /// Their base URLs, such as `http://alertmanager.example.org:9093`; at least one.
    pub urls: Vec<String>,
    /// A bearer token.
    pub token: Option<Secret>,
    /// What is presented to them.
    pub client: Option<ClientCertificate>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// PagerDuty, Events API v2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PagerDutyConfig {
    /// The integration key of a service.
    pub routing_key: Secret,
    /// `https://events.pagerduty.com/v2/enqueue`, but in tests and for the EU region.
    pub url: String,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// A dead man's switch (healthchecks.io and the like): told that all is well, so that silence is
/// noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeartbeatConfig {
    /// The URL; `/fail` is added to it when something is wrong with certwatch itself.
    pub url: Secret,
}
