//! The one place that speaks HTTP: one POST, bounded in time and size, to the one host that the
//! configuration names.
//!
//! No redirect is followed (a secret would go where nobody said), no proxy is taken from the
//! environment, and no URL gets into a message: many of them are secrets.

mod fault;
mod peer;
mod retry_after;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub use self::peer::Peer;
use super::{ATTEMPT, Failure, FailureKind, tls};

/// Most of an answer that is read.
const MAX_ANSWER: u64 = 64 << 10;

/// How much longer than the attempt itself its end is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// One POST.
pub struct Request {
    /// Whom it is for.
    pub peer: Peer,
    /// Headers, `Content-Type` among them. They may hold secrets.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Longest time for all of it.
    pub timeout: Duration,
}

/// What the other side said. It was reached; whether it agrees is in the status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status, never a redirect.
    pub status: u16,
    /// How long the other side wants to be left alone, 1 s to 1 h.
    pub retry_after: Option<Duration>,
    /// The body, or its first 64 KiB.
    pub body: String,
    /// False if the connection broke within the body.
    pub is_whole: bool,
}

impl Request {
    /// `body` as JSON to `peer`.
    pub fn json(peer: Peer, body: &serde_json::Value) -> Self {
        Self {
            peer,
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
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

impl Answer {
    /// True for 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a status that is no success means by HTTP alone: 408, 429 and 5xx may go away
    /// (RFC 9110, RFC 6585), all else does not. `why` goes on after the name of the peer.
    pub fn failure(&self, peer: &Peer, why: &str) -> Failure {
        match self.status {
            408 | 429 | 500..=599 => self.transient(peer, why),
            _ => peer.permanent(why),
        }
    }

    /// A failure that goes away, not before the time that was asked for.
    pub fn transient(&self, peer: &Peer, why: &str) -> Failure {
        Failure { kind: FailureKind::Transient(self.retry_after), ..peer.transient(why) }
    }
}

/// Makes one attempt on a thread of its own, so that the caller's loop goes on.
///
/// # Errors
/// No answer came, or it was a redirect.
pub async fn send(request: Request, ca_file: Option<&Path>) -> Result<Answer, Failure> {
    let (limit, peer) = (request.timeout + GRACE, request.peer.clone());
    let ca_file = ca_file.map(Path::to_owned);
    let work = tokio::task::spawn_blocking(move || post(&request, ca_file.as_deref()));
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(peer.transient("the attempt broke off; please report it")),
        Err(_) => Err(peer.transient("gave no answer in time")),
    }
}

/// Makes one attempt and waits for its end.
///
/// # Errors
/// As [`send`].
pub fn post(request: &Request, ca_file: Option<&Path>) -> Result<Answer, Failure> {
    let peer = &request.peer;
    let agent = agent(peer, ca_file, request.timeout)?;
    let mut call = agent.post(peer.url());
    for (name, value) in &request.headers {
        call = call.header(*name, value);
    }
    let mut response = call.send(&request.body).map_err(|error| fault::explain(peer, &error))?;
    let status = response.status().as_u16();
    if (300..400).contains(&status) {
        return Err(peer.permanent(fault::REDIRECT));
    }
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(retry_after::parse);
    let mut body = Vec::new();
    let is_whole = response.body_mut().as_reader().take(MAX_ANSWER).read_to_end(&mut body).is_ok();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, retry_after, body, is_whole })
}

fn agent(peer: &Peer, ca_file: Option<&Path>, timeout: Duration) -> Result<Agent, Failure> {
    // Reading the CAs each time costs milliseconds, and a renewed file needs no restart.
    let roots = if peer.is_tls() { tls::roots(ca_file)? } else { Vec::new() };
    let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_idle_connections(0)
        .user_agent(concat!("certwatch/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.new_agent())
}
