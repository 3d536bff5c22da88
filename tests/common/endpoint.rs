//! Servers that present a certificate, each on a port of loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::pki::Pair;

/// What is said in clear text before TLS.
pub type Preface = fn(&mut TcpStream) -> Option<()>;

/// A server that does no more than a handshake.
pub struct Presenting {
    pub port: u16,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Presenting {
    /// It presents the certificates of `pair`.
    pub fn new(pair: &Pair) -> Self {
        Self::after(|_| Some(()), pair)
    }

    /// The same, once `preface` has been said.
    pub fn after(preface: Preface, pair: &Pair) -> Self {
        let config = Arc::new(Mutex::new(read(pair)));
        let shared = Arc::clone(&config);
        let port = serve(move |mut stream| {
            let config = Arc::clone(&shared.lock().unwrap());
            if preface(&mut stream).is_none() {
                return;
            }
            let mut tls = ServerConnection::new(config).unwrap();
            // Whoever does not like it goes away.
            while tls.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
        });
        Self { port, config }
    }

    /// It reads its files again.
    pub fn reload(&self, pair: &Pair) {
        *self.config.lock().unwrap() = read(pair);
    }

    /// As an argument of `check`.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// A mail server that offers STARTTLS, and wants nothing else.
pub fn smtp(stream: &mut TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut hears = |begin: &str| {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        (line.starts_with(begin) && line.ends_with("\r\n")).then_some(())
    };
    stream.write_all(b"220-mail.example.org\r\n220 ESMTP\r\n").ok()?;
    hears("EHLO [127.0.0.1]")?;
    stream.write_all(b"250-mail.example.org\r\n250-STARTTLS\r\n250 8BITMIME\r\n").ok()?;
    hears("STARTTLS")?;
    stream.write_all(b"220 go ahead\r\n").ok()
}

/// PostgreSQL's answer to an SSLRequest.
pub fn postgres(stream: &mut TcpStream) -> Option<()> {
    let mut request = [0; 8];
    stream.read_exact(&mut request).ok()?;
    let is_it = request == [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    stream.write_all(if is_it { b"S" } else { b"E" }).ok().filter(|()| is_it)
}

/// A port where each connection is handed to `handler`.
pub fn serve(handler: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = Arc::new(handler);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = Arc::clone(&handler);
            stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
            thread::spawn(move || handler(stream));
        }
    });
    port
}

fn read(pair: &Pair) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}
