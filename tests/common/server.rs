//! A small HTTP/1.1 server on loopback, with bounds, that can behave badly in many ways.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

use super::pki::Pair;

const MAX_HEAD: usize = 16 << 10;
const MAX_BODY: usize = 4 << 20;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// The only value of this header, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(it, _)| it == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }
}

/// How the server answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Properly.
    Say { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Not at all, until the client goes.
    Hang,
    /// Byte by byte, without an end.
    Trickle,
    /// By closing the connection.
    Close,
    /// With success, and half of the body.
    Half,
    /// With success, and a body without an end.
    Endless,
    /// With what is not HTTP.
    Garbage,
}

/// A plain answer.
pub fn say(status: u16, body: &str) -> Reply {
    Reply::Say { status, headers: Vec::new(), body: body.to_owned() }
}

/// An answer with a header.
pub fn say_with(status: u16, header: (&'static str, &str), body: &str) -> Reply {
    Reply::Say { status, headers: vec![(header.0, header.1.to_owned())], body: body.to_owned() }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

/// A server that runs until the test ends.
pub struct Server {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Answers as `handler` says.
    pub fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, Arc::new(handler))
    }

    /// The same by TLS.
    pub fn tls(pair: &Pair, handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Some(serving(pair)), Arc::new(handler))
    }

    /// The same, for those alone who present a certificate of `clients`.
    pub fn mutual(
        pair: &Pair,
        clients: &Pair,
        versions: &[&'static SupportedProtocolVersion],
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        Self::with(Some(Arc::new(config)), Arc::new(handler))
    }

    /// The same, by TLS or not, and also for those who come by another address than loopback.
    pub fn on_all_addresses(
        pair: Option<&Pair>,
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::at("0.0.0.0:0", pair.map(serving), Arc::new(handler))
    }

    fn with(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        Self::at("127.0.0.1:0", tls, handler)
    }

    fn at(address: &str, tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, handler, log) = (tls.clone(), Arc::clone(&handler), Arc::clone(&log));
                thread::spawn(move || serve(stream, tls, &*handler, &log));
            }
        });
        Self { port, received }
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All that came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn serving(pair: &Pair) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &Handler,
    log: &Mutex<Vec<Received>>,
) {
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    match tls {
        None => answer(stream, handler, log),
        Some(config) => {
            let mut connection = ServerConnection::new(config).unwrap();
            let mut stream = stream;
            if connection.complete_io(&mut stream).is_err() {
                // Closed with something unread, it would be reset, and its alert lost.
                let _ = stream.shutdown(Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
                return;
            }
            answer(StreamOwned::new(connection, stream), handler, log);
        }
    }
}

fn answer(mut stream: impl Read + Write, handler: &Handler, log: &Mutex<Vec<Received>>) {
    let Some(request) = receive(&mut stream) else { return };
    let reply = handler(&request);
    log.lock().unwrap().push(request);
    // The client may be gone, which is what some tests are about.
    let _ = send(&mut stream, &reply);
}

fn receive(stream: &mut impl Read) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        assert!(head.len() < MAX_HEAD, "the head has no end");
    }
    let head = String::from_utf8(head).expect("headers are ASCII");
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut received = Received { method, path, headers, body: Vec::new() };
    let length: usize = received.header("content-length").expect("a length").parse().unwrap();
    assert!(length <= MAX_BODY, "{length} bytes are too many");
    received.body = vec![0; length];
    stream.read_exact(&mut received.body).ok()?;
    Some(received)
}

fn send(stream: &mut (impl Read + Write), reply: &Reply) -> std::io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    match reply {
        Reply::Say { status, headers, body } => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\
                 {headers}\r\n{body}"
            )?;
            stream.flush()
        }
        Reply::Hang => stream.read(&mut [0]).map(|_| ()),
        Reply::Trickle => {
            for byte in HEAD.iter().chain(std::iter::repeat(&b'o')) {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Reply::Close => Ok(()),
        Reply::Half => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")?;
            stream.flush()
        }
        Reply::Endless => {
            stream.write_all(HEAD)?;
            loop {
                stream.write_all(&[b'o'; 4096])?;
            }
        }
        Reply::Garbage => stream.write_all(b"220 mail.example.org ESMTP\r\n"),
    }
}
