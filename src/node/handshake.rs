//! Which certificate a server presents.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use crate::domain::model::{Attribute, Certificate, Sha256};
use crate::domain::text::escape_control;
use crate::domain::time;
use crate::parse::x509::{self, Authority, Issuers, sha256};

/// Longest time for the connection and the handshake together.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// To a client that asks for this name, kube-apiserver presents the certificate in its memory, whose common name begins
/// with it (`LoopbackClientServerNameOverride` in apiserver's server/secure_serving.go).
const LOOPBACK: &str = "apiserver-loopback-client";

/// SHA-256 of the leaf that the server at `address` presents. Nobody's word is taken for it, but its
/// key must have signed the handshake.
///
/// # Errors
/// It presented none within 3 s; why, as a clause.
pub fn served(address: SocketAddr) -> Result<Sha256, String> {
    presented(address, ServerName::IpAddress(address.ip().into()))
        .map(|leaf| sha256(&leaf))
        .map_err(|error| words(&error))
}

/// The leaf that the server at `address` presents, whoever signed it.
///
/// # Errors
/// It presented none within 3 s, or one that cannot be read; or it could not be asked.
pub(crate) fn certificate(address: SocketAddr) -> Result<Certificate, NoAnswer> {
    let leaf = presented(address, ServerName::IpAddress(address.ip().into()))?;
    x509::read(&leaf, false, Authority::Beside(&[]), &Issuers::default()).map_err(|_| NoAnswer {
        why: "it presented a damaged certificate".to_owned(),
        is_sandbox: false,
    })
}

/// Why a server did not present a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NoAnswer {
    /// As a clause.
    pub why: String,
    /// This process may not connect, or has no network: that says nothing of the server.
    pub is_sandbox: bool,
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        // RestrictAddressFamilies= gives the first, IPAddressDeny= the second, PrivateNetwork= the others.
        let is_sandbox = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
            || matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::HostUnreachable
                    | ErrorKind::AddrNotAvailable
            );
        Self { why: words(&error), is_sandbox }
    }
}

fn words(error: &io::Error) -> String {
    escape_control(&error.to_string()).into_owned()
}

/// When the certificate ends that the API server at `address` has in its memory; `None` if it presents no such one.
pub(crate) fn loopback_not_after(address: SocketAddr) -> Option<time::UnixTime> {
    let leaf = presented(address, ServerName::try_from(LOOPBACK).ok()?).ok()?;
    let certificate = x509::read(&leaf, false, Authority::Beside(&[]), &Issuers::default()).ok()?;
    let is_loopback = certificate.subject.value(&Attribute::Cn).starts_with(LOOPBACK);
    is_loopback.then_some(certificate.not_after)
}

/// The leaf, as DER, for who asks for `name`.
fn presented(
    address: SocketAddr,
    name: ServerName<'static>,
) -> io::Result<CertificateDer<'static>> {
    let until = Instant::now() + HANDSHAKE;
    let stream = TcpStream::connect_timeout(&address, HANDSHAKE)?;
    let chain = chain(&mut Bounded { stream, until }, name)?;
    chain.into_iter().next().ok_or_else(|| io::Error::other(NO_CERTIFICATE))
}

/// What the server behind `stream` presents to who asks for `name`, as DER, the leaf first, whoever signed it.
///
/// # Errors
/// It presented none in time, or without its key.
pub(crate) fn chain(
    stream: &mut Bounded,
    name: ServerName<'static>,
) -> io::Result<Vec<CertificateDer<'static>>> {
    let seen = Arc::new(CertificateRecorder::new());
    let end = shake(stream, name, &seen);
    // A server that demands a certificate of ours presents its own first, and refuses then.
    match (seen.chain.get(), end) {
        (Some(chain), _) => Ok(chain.clone()),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(io::Error::other(NO_CERTIFICATE)),
    }
}

const NO_CERTIFICATE: &str = "it presented no certificate";

fn shake(
    stream: &mut Bounded,
    name: ServerName<'static>,
    seen: &Arc<CertificateRecorder>,
) -> io::Result<()> {
    let mut tls = connection(name, Arc::clone(seen)).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    tls.send_close_notify();
    tls.complete_io(stream).map(drop)
}

fn connection(
    name: ServerName<'static>,
    seen: Arc<CertificateRecorder>,
) -> Result<ClientConnection, Error> {
    let config = ClientConfig::builder_with_provider(Arc::clone(&seen.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(seen)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name)
}

/// Accepts any chain, and remembers it once the server has signed with the key of its leaf.
#[derive(Debug)]
struct CertificateRecorder {
    provider: Arc<CryptoProvider>,
    offered: OnceLock<Vec<CertificateDer<'static>>>,
    chain: OnceLock<Vec<CertificateDer<'static>>>,
}

impl CertificateRecorder {
    fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Self { provider, offered: OnceLock::new(), chain: OnceLock::new() }
    }

    fn remember(&self) {
        self.chain.get_or_init(|| self.offered.get().cloned().unwrap_or_default());
    }
}

impl ServerCertVerifier for CertificateRecorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        behind: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(behind);
        self.offered.get_or_init(|| chain.map(|it| it.clone().into_owned()).collect());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms).inspect(|_| self.remember())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms).inspect(|_| self.remember())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A stream that ends at a moment, however slowly its bytes come.
pub(crate) struct Bounded {
    pub(crate) stream: TcpStream,
    pub(crate) until: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match self.stream.read(buffer) {
                // With a timeout the kernel does not go on by itself after a signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                ended => return ended,
            }
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
