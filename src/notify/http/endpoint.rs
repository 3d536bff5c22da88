//! The other side: a URL that may be used but not shown, and the name it goes by in messages.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Failure;
use crate::domain::text::escape_control;
use crate::http::Uri;

/// Whom a request is for. It is not `Debug`: the URL may be a secret.
#[derive(Clone)]
pub struct Endpoint {
    name: String,
    url: String,
    is_tls: bool,
    host: String,
    port: u16,
}

impl Endpoint {
    /// The peer at `url`, which must be https, but on this host. `channel` is its name in messages.
    ///
    /// # Errors
    /// The URL is none, holds a user or password, or would send what it holds in clear text.
    pub fn new(channel: &str, url: &str) -> Result<Self, Failure> {
        let endpoint = Self::in_clear_too(channel, url)?;
        if endpoint.is_tls || is_loopback(&parse(channel, url)?) {
            return Ok(endpoint);
        }
        Err(endpoint.permanent("must be reached by https://, since what is sent holds a secret"))
    }

    /// The peer at `url`, http or https: for what sends no secret.
    ///
    /// # Errors
    /// The URL is none, or holds a user or password.
    pub fn in_clear_too(channel: &str, url: &str) -> Result<Self, Failure> {
        let uri = parse(channel, url)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_url(channel)),
        };
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(no_url(channel));
        };
        let endpoint = Self {
            name: format!("{channel} ({})", escape_control(host)),
            url: url.to_owned(),
            is_tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
        };
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err(endpoint.permanent("has a URL with a user or password: remove them"));
        }
        Ok(endpoint)
    }

    /// The URL, for the one place that connects to it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// True for https.
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Its name or address, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The proxy at `host` that is on the way to it, for messages.
    pub(super) fn behind(&self, host: &str) -> Self {
        Self { name: format!("{}: the proxy {}", self.name, escape_control(host)), ..self.clone() }
    }

    /// The same peer, reached through the proxy at `host`, for messages.
    pub(super) fn through(&self, host: &str) -> Self {
        Self {
            name: format!("{}, through the proxy {},", self.name, escape_control(host)),
            ..self.clone()
        }
    }

    /// The failure of what had to be read before it could be asked.
    pub(super) fn unreached(&self, failure: &Failure) -> Failure {
        let Failure { reason, kind } = failure;
        Failure { reason: format!("{} was not asked: {reason}", self.name), kind: *kind }
    }

    /// A failure that may go away; `why` goes on after the peer's name.
    pub fn transient(&self, why: &str) -> Failure {
        Failure::transient(format!("{} {why}", self.name))
    }

    /// A failure that somebody has to mend; `why` goes on after the peer's name.
    pub fn permanent(&self, why: &str) -> Failure {
        Failure::permanent(format!("{} {why}", self.name))
    }
}

fn parse(channel: &str, url: &str) -> Result<Uri, Failure> {
    url.parse().map_err(|_| no_url(channel))
}

fn no_url(channel: &str) -> Failure {
    Failure::permanent(format!("{channel} has no URL that begins with https:// and names a host"))
}

/// What never leaves this host.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Endpoint::new("Slack", url).err().map(|it| it.reason).unwrap_or_default()
    }

    #[test]
    fn secrets_travel_by_https_or_stay_on_this_host() {
        for url in [
            "https://hooks.slack.com/services/T/B/SECRET",
            "http://127.0.0.1:1/SECRET",
            "http://127.9.9.9/SECRET",
            "http://[::1]:80/SECRET",
            "http://LocalHost/SECRET",
        ] {
            assert_eq!(refusal(url), "", "{url}");
        }
        for url in [
            "http://hooks.slack.com/SECRET",
            "http://localhost.example.org/SECRET",
            "http://127.0.0.1.example.org/SECRET",
            "http://10.0.0.1/SECRET",
            "https://user:SECRET@example.org/",
            "http://127.0.0.1@example.org/SECRET",
            "ftp://example.org/SECRET",
            "https:///SECRET",
            "/SECRET",
            "SECRET",
            "https://exa mple.org/SECRET",
            "",
        ] {
            let why = refusal(url);
            assert!(why.starts_with("Slack ") && !why.contains("SECRET"), "{url}: {why}");
        }
        assert!(Endpoint::in_clear_too("webhook", "http://example.org/").is_ok());
    }
}
