//! Through which proxy a peer is reached.
//!
//! Where one was asked for, there is no way around it: what cannot be understood is a failure, and the
//! client of a proxied request knows no other address than the proxy's.

use std::sync::Arc;

use super::{Endpoint, Failure, Network};
use crate::config::channels::Secret;
use crate::config::{HttpConfig, ProxyConfig as Setting};
use crate::domain::proxy::{self, Exception, Proxy};
use crate::domain::text::escape_control;
use crate::http::ProxyHop;
use crate::notify::{FailureKind, secret};

const NO_PROXY_URL: &str = "is not a proxy URL of the form http://user:password@host:port, the only kind that \
                            certwatch supports";

/// A proxy, and what asked for it. It is not `Debug`: it may hold a password.
pub(super) struct Via {
    pub(super) hop: Arc<ProxyHop>,
    /// What names it: a key of the configuration, or a variable.
    named: String,
    /// Whether trying again can help where that is wrong.
    mends: FailureKind,
}

impl Via {
    /// The proxy between this host and `endpoint`, if there is one.
    ///
    /// # Errors
    /// One was asked for, and it cannot be understood.
    pub(super) fn to(endpoint: &Endpoint, network: &Network) -> Result<Option<Self>, Failure> {
        let http = &network.http;
        let excepted = |list: &[String]| {
            let mut list = list.iter().filter_map(|entry| Exception::parse(entry));
            list.any(|it| it.covers(endpoint.host(), endpoint.port()))
        };
        if proxy::is_local(endpoint.host()) || excepted(&http.no_proxy) {
            return Ok(None);
        }
        let Some((named, url)) = named(network, endpoint.is_tls())? else { return Ok(None) };
        if http.proxy == Setting::Environment && excepted(&proxy::exceptions(variable)) {
            return Ok(None);
        }
        let hop = Arc::new(ProxyHop::new(understood(&named, &url, http)?));
        Ok(Some(Self { hop, named, mends: mends(http) }))
    }

    /// The proxy's own no to reaching `endpoint`.
    pub(super) fn refusal(&self, endpoint: &Endpoint, status: u16) -> Failure {
        let proxy = endpoint.behind(&self.hop.proxy.host);
        let named = &self.named;
        let refused = |why: &str| Failure { kind: self.mends, ..proxy.permanent(why) };
        match status {
            407 if self.hop.proxy.has_login() => {
                refused(&format!("refused: HTTP 407; check its user and password in {named}"))
            }
            407 => refused(
                "refused: HTTP 407; it requires a user and a password: put its URL with both into the file \
                 named by http.proxy-credential",
            ),
            408 | 429 | 500..=599 => proxy.transient(&format!(
                "returned HTTP {status}: it could not reach {}:{}",
                escape_control(endpoint.host()),
                endpoint.port()
            )),
            _ => proxy.permanent(&format!(
                "refused: HTTP {status}; let it connect to {}:{}, or add that to http.no-proxy",
                escape_control(endpoint.host()),
                endpoint.port()
            )),
        }
    }
}

/// Reads what `network` says of a proxy, and sends nothing.
///
/// # Errors
/// A proxy is asked for, and it cannot be understood; the reason begins with what names it.
pub(crate) fn check(network: &Network) -> Result<(), Failure> {
    for is_tls in [true, false] {
        if let Some((name, url)) = named(network, is_tls)? {
            understood(&name, &url, &network.http)?;
        }
    }
    Ok(())
}

/// True if the configuration or the environment asks for a proxy.
pub(crate) fn is_asked_for(http: &HttpConfig) -> bool {
    match &http.proxy {
        Setting::Off => false,
        Setting::Url(_) | Setting::Secret(_) => true,
        Setting::Environment => {
            [true, false].into_iter().any(|is_tls| proxy::variable(is_tls, variable).is_some())
        }
    }
}

/// The URL of the proxy, and what names it.
fn named(network: &Network, is_tls: bool) -> Result<Option<(String, String)>, Failure> {
    Ok(match &network.http.proxy {
        Setting::Off => None,
        Setting::Url(url) => Some(("http.proxy".to_owned(), url.clone())),
        Setting::Secret(it) => {
            let named = match it {
                Secret::Credential(_) => "http.proxy-credential",
                Secret::File(_) => "http.proxy-file",
            };
            let url = secret::look(it, network).map_err(|failure| Failure {
                reason: format!("{named} names {}", failure.reason),
                ..failure
            })?;
            Some((named.to_owned(), url.expose().to_owned()))
        }
        Setting::Environment => proxy::variable(is_tls, variable)
            .map(|(name, url)| (format!("the variable {name}"), url)),
    })
}

fn understood(named: &str, url: &str, http: &HttpConfig) -> Result<Proxy, Failure> {
    let refuse = || Failure { reason: format!("{named} {NO_PROXY_URL}"), kind: mends(http) };
    Proxy::parse(url).ok_or_else(refuse)
}

/// A file that is mended takes effect with the next attempt, and nobody tells us of that: a password may be
/// replaced here later than at the proxy.
fn mends(http: &HttpConfig) -> FailureKind {
    match http.proxy {
        Setting::Secret(_) => FailureKind::Transient(None),
        _ => FailureKind::Permanent,
    }
}

/// One variable of the environment; bytes that are no text make no URL either.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
