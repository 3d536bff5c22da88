//! An HTTP client: requests that are bounded in time and size, each to the one host that its URL names.
//!
//! No redirect is followed (a secret would go where nobody said), every status is an answer, no connection is
//! used twice, and of proxies only that one is used which is given, none of the environment. What an answer means is
//! the caller's business.

mod error;
#[cfg(test)]
mod tests;
mod tls;
mod tunnel;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::unversioned::transport::{Connector as _, RustlsConnector, TcpConnector};
use ureq::{Agent, Body};

pub(crate) use self::error::Error;
pub(crate) use self::tls::{ClientIdentity, IdentityError, Trust};
pub(crate) use self::tunnel::{ProxyHop, Refused};
use self::tunnel::{ProxyResolver, Tunnel};
pub(crate) use ureq::http::{Method, Uri};

const USER_AGENT: &str = concat!("certwatch/", env!("CARGO_PKG_VERSION"));

/// How a client connects, and its bounds.
pub(crate) struct ClientOptions {
    /// Which servers it believes.
    pub(crate) trust: Trust,
    /// What it presents to a server that asks for a certificate.
    pub(crate) identity: Option<ClientIdentity>,
    /// What all its connections go through.
    pub(crate) proxy: Option<Arc<ProxyHop>>,
    /// Longest time for a request, from looking up the name to the last byte.
    pub(crate) timeout: Duration,
    /// Most bytes of a body that are read.
    pub(crate) max_body: u64,
}

/// A client. It is not `Debug`: it may hold a key, and the password of a proxy.
pub(crate) struct Client {
    agent: Agent,
    proxy: Option<Arc<ProxyHop>>,
    timeout: Duration,
    max_body: u64,
}

/// One request. It is not `Debug`: all of it may be secret.
pub(crate) struct Request<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The URL, http or https.
    pub(crate) url: &'a str,
    /// Its headers.
    pub(crate) headers: Vec<(&'static str, &'a str)>,
    /// Its body, if it has one.
    pub(crate) body: Option<&'a [u8]>,
}

/// What the other side said. It was reached; whether it agrees is in the status.
#[derive(Default)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, or as much of it as the client reads.
    pub(crate) body: Vec<u8>,
    /// Why the body ends too early.
    pub(crate) broken: Option<Error>,
}

impl<'a> Request<'a> {
    /// A GET.
    pub(crate) fn get(url: &'a str) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: None }
    }

    /// JSON for `url`.
    pub(crate) fn json(method: Method, url: &'a str, json: &'a str) -> Self {
        let headers = vec![("Content-Type", "application/json")];
        Self { method, url, headers, body: Some(json.as_bytes()) }
    }
}

impl Response {
    /// The header of that name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The same, if the body did not end too early.
    ///
    /// # Errors
    /// It did.
    pub(crate) fn whole(self) -> Result<Self, Error> {
        match self.broken {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

impl Client {
    /// A client with these options.
    pub(crate) fn new(options: ClientOptions) -> Self {
        let ClientOptions { trust, identity, proxy, timeout, max_body } = options;
        let config = Agent::config_builder()
            .tls_config(tls::config(&trust, identity))
            // Its own ones: see `tunnel`.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .max_idle_connections(0)
            .user_agent(USER_AGENT)
            .build();
        let agent = match &proxy {
            None => config.new_agent(),
            Some(hop) => {
                let connector =
                    ().chain(TcpConnector::default())
                        .chain(Tunnel(Arc::clone(hop)))
                        .chain(RustlsConnector::default());
                Agent::with_parts(config, connector, ProxyResolver(Arc::clone(hop)))
            }
        };
        Self { agent, proxy, timeout, max_body }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// No answer came in time.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Error> {
        let answer = self.call(request).map_err(|error| Error::of(error, self.timeout))?;
        Ok(self.read(answer))
    }

    fn call(&self, request: &Request<'_>) -> Result<ureq::http::Response<Body>, ureq::Error> {
        let mut call = ureq::http::Request::builder().method(&request.method).uri(request.url);
        for (name, value) in &request.headers {
            call = call.header(*name, *value);
        }
        // Of https, the proxy sees CONNECT alone.
        let is_plain = call.uri_ref().is_some_and(|uri| uri.scheme_str() == Some("http"));
        let login =
            self.proxy.as_ref().filter(|_| is_plain).and_then(|hop| hop.proxy.authorization());
        if let Some(login) = login {
            call = call.header("Proxy-Authorization", login);
        }
        match request.body {
            Some(body) => self.agent.run(call.body(body)?),
            None => self.agent.run(call.body(())?),
        }
    }

    fn read(&self, answer: ureq::http::Response<Body>) -> Response {
        let (head, mut content) = answer.into_parts();
        let mut body = Vec::new();
        let end = content.as_reader().take(self.max_body).read_to_end(&mut body);
        let broken = end.err().map(|error| Error::of(error.into(), self.timeout));
        Response { status: head.status.as_u16(), headers: head.headers, body, broken }
    }
}
