//! Handing one mail over, step by step: who knows the step can say what to do.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lettre::Message as Letter;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::bounded_stream::BoundedStream;
use super::failure::{Site, SmtpError, SmtpPhase};
use super::{Bounds, Failure};
use crate::config::channels::{EmailConfig, Login, Security};
use crate::notify::{Network, http, secret, tls};
use crate::{beside, sys};

/// Longest wait for one address of the server: the others have to get their turn.
const CONNECT: Duration = Duration::from_secs(8);

/// Longest wait for the end of a conversation whose result is known.
const GOODBYE: Duration = Duration::from_secs(2);

/// The ways to log in that lettre has; both show the password to the server.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// What has to be read from the disk first.
struct SmtpCredentials {
    roots: Vec<CertificateDer<'static>>,
    login: Option<(String, secret::Revealed)>,
}

/// Hands `letter`, which is for `to`, over, within `bounds`.
pub(super) async fn deliver(
    bounds: Bounds,
    settings: &EmailConfig,
    network: &Network,
    to: &str,
    letter: &Letter,
) -> Result<(), Failure> {
    let end = Instant::now() + bounds.time;
    let mut site = Site::new(settings, to, bounds.time);
    site.has_proxy = http::is_proxy_asked_for(&network.http);
    if settings.login.is_some() && settings.security == Security::None && !is_local(settings) {
        return Err(site.explain(SmtpError::LoginInClear));
    }
    let prepared = match timeout_at(end, prepare(settings, network)).await {
        Ok(prepared) => prepared?,
        Err(_) => return Err(site.explain(SmtpError::TimedOut)),
    };
    if let Some((user, password)) = &prepared.login {
        site.conceal(user, password.expose());
    }
    let result =
        timeout_at(end, hand_over(settings, &prepared, bounds.read, letter, &mut site.step)).await;
    let mut connection = match result {
        Ok(result) => result.map_err(|error| site.explain(error))?,
        Err(_) => return Err(site.explain(SmtpError::TimedOut)),
    };
    // The mail is theirs now, whatever they answer.
    let _ = timeout(GOODBYE.min(end - Instant::now()), connection.quit()).await;
    Ok(())
}

/// Reads what is needed, on a thread that may block.
async fn prepare(settings: &EmailConfig, network: &Network) -> Result<SmtpCredentials, Failure> {
    let (security, login) = (settings.security, settings.login.clone());
    let (ca_file, hangs) = (network.ca_file.clone(), network.hangs.clone());
    let read = move || {
        let roots = match security {
            Security::None => Vec::new(),
            Security::Tls | Security::StartTls => tls::roots(ca_file.as_deref(), &hangs)?,
        };
        let reveal = |login: Login| {
            secret::enter(&hangs, &secret::file(&login.password))?;
            Ok((login.user, secret::read(&login.password)?))
        };
        Ok(SmtpCredentials { roots, login: login.map(reveal).transpose()? })
    };
    let prepared = beside::visit("mail", &network.hangs, secret::LIMIT, read).await;
    prepared.unwrap_or_else(|lost| {
        Err(Failure::transient(format!("the files for mail cannot be read: {lost}")))
    })
}

async fn hand_over(
    settings: &EmailConfig,
    prepared: &SmtpCredentials,
    most: usize,
    letter: &Letter,
    step: &mut SmtpPhase,
) -> Result<AsyncSmtpConnection, SmtpError> {
    let mut connection = connect(settings, prepared, most, step).await?;
    if let Some((user, password)) = &prepared.login {
        *step = SmtpPhase::Login;
        if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(SmtpError::NoLogin);
        }
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection.auth(&MECHANISMS, &credentials).await?;
    }
    // Not lettre's `send`: after a refusal that one waits for the answer to its QUIT.
    let envelope = letter.envelope();
    *step = SmtpPhase::Sender;
    connection.command(Mail::new(envelope.from().cloned(), vec![])).await?;
    *step = SmtpPhase::Recipient;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), vec![])).await?;
    }
    *step = SmtpPhase::Data;
    connection.command(Data).await?;
    *step = SmtpPhase::Content;
    connection.message(&letter.formatted()).await?;
    Ok(connection)
}

/// A connection on which the server has greeted, protected as the settings say. At most `most` bytes
/// are read from it.
async fn connect(
    settings: &EmailConfig,
    prepared: &SmtpCredentials,
    most: usize,
    step: &mut SmtpPhase,
) -> Result<AsyncSmtpConnection, SmtpError> {
    let (stream, peer) = open(settings, step).await?;
    let hello = hello_name(&sys::host_name(), stream.local_addr()?);
    let greet = |stream: Box<dyn AsyncTokioStream>| {
        let hello = hello.clone();
        async move { AsyncSmtpConnection::connect_with_transport(stream, &hello).await }
    };
    match settings.security {
        Security::Tls => {
            *step = SmtpPhase::Tls;
            let name = ServerName::try_from(host(settings).to_owned())
                .map_err(|_| SmtpError::NoServerName)?;
            let tls = connector(&prepared.roots)?.connect(name, stream).await?;
            *step = SmtpPhase::Greeting;
            Ok(greet(Box::new(BoundedStream::new(tls, peer, most))).await?)
        }
        Security::StartTls => {
            *step = SmtpPhase::Greeting;
            let mut connection =
                greet(Box::new(BoundedStream::before_tls(stream, peer, most))).await?;
            if !connection.server_info().supports_feature(Extension::StartTls) {
                return Err(SmtpError::NoStartTls);
            }
            *step = SmtpPhase::Tls;
            let parameters = parameters(host(settings), &prepared.roots)?;
            connection.starttls(parameters, &hello).await?;
            Ok(connection)
        }
        Security::None => {
            *step = SmtpPhase::Greeting;
            Ok(greet(Box::new(BoundedStream::new(stream, peer, most))).await?)
        }
    }
}

/// The first address of the server that answers.
async fn open(
    settings: &EmailConfig,
    step: &mut SmtpPhase,
) -> Result<(TcpStream, SocketAddr), SmtpError> {
    let addresses: Vec<_> =
        tokio::net::lookup_host((host(settings), settings.port)).await?.collect();
    *step = SmtpPhase::Connect;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last.into())
}

/// TLS for [`Security::Tls`].
fn connector(roots: &[CertificateDer<'static>]) -> Result<TlsConnector, SmtpError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same for [`Security::StartTls`], which lettre does. It gives up on a root that it cannot
/// read, and a system has hundreds.
fn parameters(host: &str, roots: &[CertificateDer<'static>]) -> Result<TlsParameters, SmtpError> {
    let mut store = RootCertStore::empty();
    let mut builder = TlsParameters::builder(host.to_owned());
    builder = builder.certificate_store(CertificateStore::None);
    for root in roots.iter().filter(|root| store.add((*root).clone()).is_ok()) {
        builder = builder.add_root_certificate(Certificate::from_der(root.to_vec())?);
    }
    Ok(builder.build_rustls()?)
}

/// What certwatch calls itself. Servers refuse a name without a domain; the address always stands
/// (RFC 5321, 4.1.4).
fn hello_name(host_name: &str, local: SocketAddr) -> ClientId {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let is_full = host_name.trim_matches('.').contains('.') && host_name.chars().all(is_plain);
    match local.ip().to_canonical() {
        _ if is_full && host_name.len() < 254 => ClientId::Domain(host_name.to_owned()),
        IpAddr::V4(address) => ClientId::Ipv4(address),
        IpAddr::V6(address) => ClientId::Ipv6(address),
    }
}

fn host(settings: &EmailConfig) -> &str {
    settings.server.trim_start_matches('[').trim_end_matches(']')
}

fn is_local(settings: &EmailConfig) -> bool {
    let host = host(settings);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_name_is_told() {
        let name = |host: &str, local: &str| hello_name(host, local.parse().unwrap()).to_string();
        assert_eq!(name("cp1.example.org", "192.0.2.1:9"), "cp1.example.org");
        for host in ["cp1", "cp1.", "", "a b.example\r\nQUIT", &"a.".repeat(200)] {
            assert_eq!(name(host, "192.0.2.1:9"), "[192.0.2.1]");
            assert_eq!(name(host, "[2001:db8::1]:9"), "[IPv6:2001:db8::1]");
            assert_eq!(name(host, "[::ffff:192.0.2.1]:9"), "[192.0.2.1]");
        }
    }
}
