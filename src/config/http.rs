//! `[http]`: how HTTP goes out, for all channels but mail.

use serde::Serialize;
use toml::de::DeValue;

use crate::domain::proxy::{Exception, Proxy};

use super::error::Problem;
use super::secret::{self, Secret};
use super::section::Section;
use super::value::{text, wrong};

/// How HTTP goes out, for all channels but mail.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpConfig {
    /// Through which proxy.
    #[serde(skip_serializing_if = "ProxyConfig::is_environment")]
    pub proxy: ProxyConfig,
    /// Who is reached without it, as in `NO_PROXY`: names, addresses and networks.
    pub no_proxy: Vec<String>,
}

/// Which proxy.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub enum ProxyConfig {
    /// The one that the environment names, if it does.
    #[default]
    Environment,
    /// None, whatever the environment says.
    #[serde(rename = "none")]
    Off,
    /// The one at this URL, `http://host:port`, which has no user.
    #[serde(untagged)]
    Url(String),
    /// The one at the URL that lies there; it may have a user and a password.
    #[serde(untagged)]
    Secret(Secret),
}

impl ProxyConfig {
    fn is_environment(&self) -> bool {
        *self == Self::Environment
    }
}

pub(super) fn read(section: &mut Section<'_, '_>) -> HttpConfig {
    let plain = section.take("proxy", ProxyConfig::Environment, proxy);
    let hidden = secret::read(section, "proxy-credential", "proxy-file");
    if hidden.value.is_some() && plain.value != ProxyConfig::Environment {
        section.refuse_both(&hidden, "conflicts with", &plain, "one of them");
    }
    // What goes by a refused file must not take a mistake for leave to connect without the proxy.
    let is_unusable = plain.is_unusable() || hidden.is_unusable();
    let plain = if is_unusable { ProxyConfig::Url(String::new()) } else { plain.value };
    HttpConfig {
        proxy: hidden.value.map_or(plain, ProxyConfig::Secret),
        no_proxy: section.list("no-proxy", Vec::new(), no_proxy).value,
    }
}

/// The URL of a proxy, without a user, or `"none"`.
fn proxy(value: &DeValue<'_>) -> Result<ProxyConfig, Problem> {
    let url = text(value)?.trim();
    if url == "none" {
        return Ok(ProxyConfig::Off);
    }
    // As in a URL, so that nobody takes a mere word for a setting.
    let is_url = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    match Proxy::parse(url).filter(|_| is_url) {
        Some(proxy) if proxy.has_login() || url.contains('@') => Err(wrong(
            "contains a user or a password",
            "the whole URL in the file that http.proxy-credential or http.proxy-file names",
        )),
        Some(_) => Ok(ProxyConfig::Url(url.to_owned())),
        None => Err(wrong("is not the URL of an HTTP proxy", "http://host:port, or \"none\"")),
    }
}

/// An entry of `NO_PROXY`.
fn no_proxy(value: &DeValue<'_>) -> Result<String, Problem> {
    let entry = text(value)?.trim();
    let expected = "a name such as \"example.org\" or \".example.org\", an address, or a network such as \
                    \"10.0.0.0/8\"";
    match Exception::parse(entry) {
        Some(_) => Ok(entry.to_owned()),
        None => Err(wrong("is not a host name, address or network", expected)),
    }
}
