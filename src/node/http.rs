//! One HTTP request to a part of the control plane, bounded in time and size.
//!
//! Apart from `notify::http`, because the trust is another one: the cluster's own CA or none at all,
//! never the system's, and a client certificate.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::http::Response;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsConfigBuilder};
use ureq::{Agent, Body};

use crate::domain::text::escape_control;
use crate::parse::pem;

/// Longest time for one request, from the connection to the last byte.
const REQUEST: Duration = Duration::from_secs(3);

/// Most of an answer that is read.
const MAX_ANSWER: u64 = 4 << 20;

/// What was said.
pub(crate) struct ComponentResponse {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, or its first 4 MiB.
    pub(crate) body: Vec<u8>,
}

/// Whom to trust, and what to present; all PEM. It is not `Debug`: it may hold a key.
pub(crate) struct TlsMaterial<'a> {
    /// The CA that must have signed the server's certificate.
    pub(crate) ca: &'a [u8],
    /// The client certificate.
    pub(crate) certificate: &'a [u8],
    /// Its key.
    pub(crate) key: &'a [u8],
}

/// A client. It is not `Debug`: it may hold a key.
pub(crate) struct Client(Agent);

impl Client {
    /// One that presents nothing and believes any server: for what is no secret and is proved
    /// otherwise, or serves a certificate that it signed itself.
    pub(crate) fn anonymous() -> Self {
        Self::with(TlsConfig::builder().disable_verification(true))
    }

    /// One that presents a certificate, and believes only whom this CA signed.
    ///
    /// # Errors
    /// The certificate and the key cannot be read, or do not belong together; as a clause.
    pub(crate) fn presenting(pair: &TlsMaterial<'_>) -> Result<Self, String> {
        let roots = chain(pair.ca);
        let identity = identity(pair)?;
        let trust = RootCerts::Specific(Arc::new(roots));
        Ok(Self::with(TlsConfig::builder().root_certs(trust).client_cert(Some(identity))))
    }

    fn with(tls: TlsConfigBuilder) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = tls.unversioned_rustls_crypto_provider(provider).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST))
            .max_idle_connections(0)
            .user_agent(concat!("certwatch/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.new_agent())
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// There was no whole answer within 3 s; where and why, as a clause.
    pub(crate) fn get(&self, url: &str) -> Result<ComponentResponse, String> {
        read(self.0.get(url).call()).map_err(|error| explain(url, &error))
    }

    /// Posts JSON to `url`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post(&self, url: &str, json: &str) -> Result<ComponentResponse, String> {
        let sent = self.0.post(url).header("Content-Type", "application/json").send(json);
        read(sent).map_err(|error| explain(url, &error))
    }
}

fn read(answer: Result<Response<Body>, ureq::Error>) -> Result<ComponentResponse, ureq::Error> {
    let mut response = answer?;
    let mut body = Vec::new();
    response.body_mut().as_reader().take(MAX_ANSWER).read_to_end(&mut body)?;
    Ok(ComponentResponse { status: response.status().as_u16(), body })
}

fn explain(url: &str, error: &ureq::Error) -> String {
    let why = match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", REQUEST.as_secs()),
        other => other.to_string(),
    };
    format!("{url}: {}", escape_control(&why))
}

fn chain(text: &[u8]) -> Vec<Certificate<'static>> {
    let blocks = pem::certificates(text).into_iter().flatten();
    blocks.map(|block| Certificate::from_der(&block.der).to_owned()).collect()
}

/// ureq panics over a pair that does not belong together, so this is found out first.
fn identity(pair: &TlsMaterial<'_>) -> Result<ClientCert, String> {
    let chain = chain(pair.certificate);
    let ders = chain.iter().map(|it| CertificateDer::from(it.der().to_vec())).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key)
        .map_err(|_| "the key of the client certificate cannot be read")?;
    CertifiedKey::from_der(ders, key, &rustls::crypto::ring::default_provider())
        .map_err(|_| "the client certificate and its key do not match")?;
    let key = PrivateKey::from_pem(pair.key)
        .map_err(|_| "the key of the client certificate cannot be read")?;
    Ok(ClientCert::new_with_certs(&chain, key))
}
