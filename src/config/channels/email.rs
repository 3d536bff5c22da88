//! `[email]`: mail through one server.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::Serialize;
use toml::de::DeValue;

use crate::config::error::Problem;
use crate::config::secret::{self, Secret};
use crate::config::section::{Section, Setting};
use crate::config::value::{self, wrong};
use crate::domain::policy::Severity;
use crate::parse::mailbox::mailbox;

use super::min_severity;

const PORTS: RangeInclusive<u16> = 1..=65_535;
const SECURITIES: [(&str, Security); 3] =
    [("tls", Security::Tls), ("starttls", Security::StartTls), ("none", Security::None)];

/// Mail through one server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    #[serde(flatten)]
    pub login: Option<Login>,
    /// What is less is not told here.
    pub min_severity: Severity,
}

/// How the connection to the mail server is protected. There is no mode that would go on in clear
/// text if the server says that it has no TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte (RFC 8314), port 465.
    Tls,
    /// STARTTLS, and nothing without it, port 587.
    StartTls,
    /// None: for a server on this host, port 25.
    None,
}

impl Security {
    /// The port that goes with it.
    fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// A user and where the password is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<EmailConfig> {
    let server = section.optional("server", host);
    let security =
        section.take("security", Security::StartTls, |word| value::one_of(word, &SECURITIES));
    let port =
        section.take("port", security.value.port(), |port| value::number(port, &PORTS)).value;
    let from = section.optional("from", address);
    let to = section.list("to", Vec::new(), address);
    let user = section.optional("user", value::line);
    let password = secret::read(section, "password-credential", "password-file");
    let min_severity = min_severity(section);
    section.require(&server, "the mail server's name");
    section.require(&from, "the sender's address, one that the server accepts");
    check_recipients(section, &to);
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

fn check_recipients(section: &mut Section<'_, '_>, to: &Setting<Vec<String>>) {
    if to.value.is_empty() {
        section.refuse_or_require(to, "is empty", "at least one address");
    }
    if let Some([first, second]) = twice(&to.value) {
        let what = format!("contains an address twice, as entries {first} and {second}");
        section.refuse(to, &what, "each address once, whatever the name before it");
    }
}

/// The entries, from 1, that are the same address. Mail servers do not tell cases apart.
fn twice(to: &[String]) -> Option<[usize; 2]> {
    let address = |text: &String| mailbox(text).ok().map(|it| it.email.to_string().to_lowercase());
    let addresses: Vec<_> = to.iter().map(address).collect();
    let first_of =
        |second: usize| addresses[..second].iter().position(|it| *it == addresses[second]);
    (0..to.len()).find_map(|second| Some([first_of(second)? + 1, second + 1]))
}

fn address(value: &DeValue<'_>) -> Result<String, Problem> {
    let text = value::line(value)?;
    mailbox(&text)
        .map(|_| text)
        .map_err(|_| wrong("is not a mail address", "ops@example.org or \"Ops <ops@example.org>\""))
}

/// The name of a server, or its address.
fn host(value: &DeValue<'_>) -> Result<String, Problem> {
    let host = value::text(value)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_plain = (1..=253).contains(&host.len()) && host.chars().all(is_name);
    if is_plain || host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    Err(wrong("is not a host name", "a host name or an address, without a port"))
}
