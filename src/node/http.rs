//! Requests to the parts of the control plane: their bounds, and whom they trust.
//!
//! Never the system's CAs, but the cluster's own one or anybody, and no proxy is ever between them and us.

use std::time::Duration;

use crate::domain::text::escape_control;
use crate::http::{Client, ClientIdentity, ClientOptions, Method, Request, Response, Trust};

/// Longest time for one request, from the connection to the last byte.
const REQUEST: Duration = Duration::from_secs(3);

/// Most of an answer that is read.
const MAX_BODY: u64 = 4 << 20;

/// A client of a component. It is not `Debug`: it may hold a key.
pub(crate) struct ComponentClient(Client);

impl ComponentClient {
    /// One that presents nothing and believes any server: for what is no secret and is proved
    /// otherwise, or serves a certificate that it signed itself.
    pub(crate) fn anonymous() -> Self {
        Self::new(Trust::Anyone, None)
    }

    /// One that presents a certificate, and believes only whom the CA signed; all PEM.
    ///
    /// # Errors
    /// The certificate and the key cannot be read, or do not belong together; as a clause.
    pub(crate) fn presenting(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let identity =
            ClientIdentity::from_pem(certificate, key).map_err(|error| error.to_string())?;
        Ok(Self::new(Trust::pem(ca), Some(identity)))
    }

    fn new(trust: Trust, identity: Option<ClientIdentity>) -> Self {
        let (timeout, max_body) = (REQUEST, MAX_BODY);
        Self(Client::new(ClientOptions { trust, identity, proxy: None, timeout, max_body }))
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// There was no whole answer within 3 s; where and why, as a clause.
    pub(crate) fn get(&self, url: &str) -> Result<Response, String> {
        self.send(&Request::get(url))
    }

    /// Sends JSON to `url`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn json(&self, method: Method, url: &str, json: &str) -> Result<Response, String> {
        self.send(&Request::json(method, url, json))
    }

    fn send(&self, request: &Request<'_>) -> Result<Response, String> {
        let answer = self.0.send(request).and_then(Response::whole);
        answer.map_err(|why| format!("{}: {}", request.url, escape_control(&why.to_string())))
    }
}
