//! What a channel sends by HTTP: one POST to the one host that the configuration names, and what its
//! result means for whoever runs the channel.
//!
//! [`crate::http`] sends it. A proxy is used where one was asked for and nowhere else, and no URL gets into
//! a message: many of them are secrets.

mod endpoint;
mod fault;
mod proxy;
mod retry_after;

use std::sync::Arc;
use std::time::Duration;

pub use self::endpoint::Endpoint;
use self::fault::FailedAttempt;
use self::proxy::Via;
pub(crate) use self::proxy::{check as check_proxy, is_asked_for as is_proxy_asked_for};
use super::{ATTEMPT, Failure, FailureKind, Network, secret, tls};
use crate::beside;
use crate::config::channels::ClientCertificate;
use crate::http::{Client, ClientOptions, Method, Request, Response, Trust};

/// Most of an answer that is read.
const MAX_BODY: u64 = 64 << 10;

/// How much longer than the attempt itself its end is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// One POST.
pub struct HttpRequest {
    /// Whom it is for.
    pub endpoint: Endpoint,
    /// Headers, `Content-Type` among them. They may hold secrets.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What is presented to the peer, if it asks.
    pub client: Option<ClientCertificate>,
    /// Longest time for all of it.
    pub timeout: Duration,
}

/// What the other side said. It was reached; whether it agrees is in the status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpResponse {
    /// The HTTP status, never a redirect.
    pub status: u16,
    /// How long the other side wants to be left alone, 1 s to 1 h.
    pub retry_after: Option<Duration>,
    /// The body, or its first 64 KiB.
    pub body: String,
    /// False if the connection broke within the body.
    pub is_whole: bool,
}

impl HttpRequest {
    /// `body` as JSON to `endpoint`.
    pub fn json(endpoint: Endpoint, body: &serde_json::Value) -> Self {
        Self {
            endpoint,
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
            client: None,
            timeout: ATTEMPT,
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl HttpResponse {
    /// True for 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a status that is no success means by HTTP alone: 408, 429 and 5xx may go away
    /// (RFC 9110, RFC 6585), all else does not. `why` goes on after the name of the peer.
    pub fn failure(&self, endpoint: &Endpoint, why: &str) -> Failure {
        match self.status {
            408 | 429 | 500..=599 => self.transient(endpoint, why),
            _ => endpoint.permanent(why),
        }
    }

    /// A failure that goes away, not before the time that was asked for.
    pub fn transient(&self, endpoint: &Endpoint, why: &str) -> Failure {
        Failure { kind: FailureKind::Transient(self.retry_after), ..endpoint.transient(why) }
    }
}

/// The way to a peer, with all that stands in files.
struct Line {
    via: Option<Via>,
    client: Client,
}

/// Makes one attempt, on threads of its own, so that the caller's loop goes on: the files are read in one, since
/// their file system may be away, and the other side is asked in the next.
///
/// # Errors
/// A file cannot be read, no answer came, or it was a redirect.
pub async fn send(request: HttpRequest, network: &Network) -> Result<HttpResponse, Failure> {
    let limit = request.timeout + GRACE;
    let (request, network) = (Arc::new(request), network.clone());
    let (endpoint, of_files, hangs) = (&request.endpoint, request.clone(), network.hangs.clone());
    let read = beside::visit("files", &hangs, secret::LIMIT, move || line(&of_files, &network));
    let line = read
        .await
        .map_err(|missed| endpoint.transient(&format!("could not be reached: {missed}")))??;
    let asked = request.clone();
    let work = beside::run("http", move || ask(&asked, &line));
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(lost)) => Err(endpoint.transient(&format!("could not be reached: {lost}"))),
        Err(_) => Err(endpoint.transient("timed out")),
    }
}

/// Makes one attempt and waits for its end.
///
/// # Errors
/// As [`send`].
pub fn post(request: &HttpRequest, network: &Network) -> Result<HttpResponse, Failure> {
    ask(request, &line(request, network)?)
}

/// # Errors
/// A client certificate cannot be presented to `endpoint`, since there is no TLS.
pub(crate) fn check_client(
    endpoint: &Endpoint,
    client: Option<&ClientCertificate>,
) -> Result<(), Failure> {
    match client {
        Some(_) if !endpoint.is_tls() => Err(endpoint.permanent(
            "has an http:// URL, where no client certificate can be presented: set an https:// one",
        )),
        _ => Ok(()),
    }
}

fn line(request: &HttpRequest, network: &Network) -> Result<Line, Failure> {
    let endpoint = &request.endpoint;
    check_client(endpoint, request.client.as_ref())?;
    let via = Via::to(endpoint, network).map_err(|failure| endpoint.unreached(&failure))?;
    // Reading the CAs each time costs milliseconds, and a renewed file needs no restart.
    let roots = match endpoint.is_tls() {
        true => tls::roots(network.ca_file.as_deref(), &network.hangs)?,
        false => Vec::new(),
    };
    // Read anew as well.
    let identity = request.client.as_ref().map(|it| tls::identity(it, &network.hangs)).transpose();
    let client = Client::new(ClientOptions {
        trust: Trust::Roots(roots),
        identity: identity.map_err(|failure| endpoint.unreached(&failure))?,
        proxy: via.as_ref().map(|via| Arc::clone(&via.hop)),
        timeout: request.timeout,
        max_body: MAX_BODY,
    });
    Ok(Line { via, client })
}

fn ask(request: &HttpRequest, Line { via, client }: &Line) -> Result<HttpResponse, Failure> {
    let HttpRequest { endpoint, headers, body, client: presented, timeout: _ } = request;
    let attempt = FailedAttempt { endpoint, via: via.as_ref(), presents: presented.is_some() };
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = client
        .send(&Request { method: Method::POST, url: endpoint.url(), headers, body: Some(body) })
        .map_err(|error| attempt.explain(&error))?;
    answer(&attempt, &response)
}

fn answer(attempt: &FailedAttempt<'_>, response: &Response) -> Result<HttpResponse, Failure> {
    let status = response.status;
    if let Some(via) = attempt.via.filter(|_| !attempt.endpoint.is_tls())
        && (status == 407 || status >= 400 && response.header("x-squid-error").is_some())
    {
        return Err(via.refusal(attempt.endpoint, status));
    }
    if (300..400).contains(&status) {
        return Err(attempt.endpoint.permanent(fault::REDIRECT));
    }
    Ok(HttpResponse {
        status,
        retry_after: response.header("retry-after").and_then(retry_after::parse),
        body: String::from_utf8_lossy(&response.body).into_owned(),
        is_whole: response.broken.is_none(),
    })
}
