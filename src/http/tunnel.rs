//! The way through a proxy: CONNECT for https, the absolute form for http (RFC 9110, 9.3.6; RFC 9112, 3.2.2).
//!
//! Not ureq's own proxies. Those send CONNECT for http too, which squid refuses but for port 443, begin the time
//! anew with each byte of the proxy's answer, and read `NO_PROXY` in another way than Go and curl.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, Transport, TransportAdapter,
};

use crate::domain::proxy::Proxy;

/// Most bytes of the proxy's answer to CONNECT.
const MAX_HEAD: usize = 16 << 10;

/// A proxy, and how far it has let us. It is not `Debug`: it may hold a password.
pub(crate) struct ProxyHop {
    pub(crate) proxy: Proxy,
    is_passed: AtomicBool,
}

impl ProxyHop {
    /// One that nothing has been sent through.
    pub(crate) fn new(proxy: Proxy) -> Self {
        Self { proxy, is_passed: AtomicBool::new(false) }
    }

    /// True if what came last is the target's, or the proxy spoke for it.
    pub(crate) fn is_passed(&self) -> bool {
        self.is_passed.load(Ordering::Relaxed)
    }

    fn pass(&self) {
        self.is_passed.store(true, Ordering::Relaxed);
    }
}

/// The proxy's no to CONNECT.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// An HTTP status that is no success.
    #[error("HTTP {0}")]
    Status(u16),
    /// What is not HTTP, or has no end.
    #[error("no HTTP")]
    NoHttp,
    /// Nothing.
    #[error("closed")]
    Closed,
}

/// Whatever is asked for, the address is the proxy's: nothing can go past it.
pub(super) struct ProxyResolver(pub(super) Arc<ProxyHop>);

impl Resolver for ProxyResolver {
    fn resolve(
        &self,
        _target: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let Proxy { host, port, .. } = &self.0.proxy;
        let authority = bracketed(host, *port);
        let proxy = format!("http://{authority}/").parse().map_err(|_| Error::InvalidProxyUrl)?;
        DefaultResolver::default().resolve(&proxy, config, timeout)
    }
}

/// Makes of a connection to the proxy one to the target.
pub(super) struct Tunnel(pub(super) Arc<ProxyHop>);

impl<In: Transport> Connector<In> for Tunnel {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        let host = details.uri.host().unwrap_or_default();
        let port = details.uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
        let target = bracketed(host, port);
        if !details.needs_tls() {
            self.0.pass();
            return Ok(Some(Box::new(Absolute {
                transport,
                prefix: Some(format!("http://{target}")),
            })));
        }
        let mut adapter = TransportAdapter::new(transport, Arc::clone(&details.current_time));
        adapter.set_timeout(remaining(details));
        adapter.write_all(self.request(&target).as_bytes())?;
        let status = read_status(&mut adapter)?;
        if !(200..300).contains(&status) {
            return Err(other(Refused::Status(status)));
        }
        self.0.pass();
        Ok(Some(Box::new(adapter.into_inner())))
    }
}

impl Tunnel {
    /// It holds the proxy's password, and nothing of the request.
    fn request(&self, target: &str) -> String {
        let agent = super::USER_AGENT;
        let login = self.0.proxy.authorization();
        let login = login.map(|it| format!("Proxy-Authorization: {it}\r\n")).unwrap_or_default();
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\n{login}\r\n")
    }
}

/// The status of the answer, which is read up to its last byte and no further.
fn read_status(from: &mut impl std::io::Read) -> Result<u16, Error> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(other(Refused::NoHttp));
        }
        if from.read(&mut byte)? == 0 {
            return Err(other(Refused::Closed));
        }
        head.push(byte[0]);
        if head.len() <= 5 && !b"HTTP/".starts_with(&head) {
            return Err(other(Refused::NoHttp));
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status =
        line.split(|byte| *byte == b' ').nth(1).and_then(|it| std::str::from_utf8(it).ok());
    let status = status.filter(|it| it.len() == 3).and_then(|it| it.parse().ok());
    status.filter(|it| *it >= 200).ok_or_else(|| other(Refused::NoHttp))
}

/// What is left of the time for connecting.
fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(limit), Instant::Exact(begin)) = (timeout.after, details.now) {
        timeout.after = Duration::Exact(limit.saturating_sub(begin.elapsed()));
    }
    timeout
}

fn other(refused: Refused) -> Error {
    Error::Other(Box::new(refused))
}

fn bracketed(host: &str, port: u16) -> String {
    let is_bare = host.contains(':') && !host.starts_with('[');
    if is_bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A connection to the proxy, on which the first line names the target: `POST http://host:port/path`.
#[derive(Debug)]
struct Absolute<T> {
    transport: T,
    /// What is put before the path, until it has been.
    prefix: Option<String>,
}

impl<T: Transport> Transport for Absolute<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let Some(prefix) = self.prefix.take() else {
            return self.transport.transmit_output(amount, timeout);
        };
        let output = self.transport.buffers().output();
        let longer = amount + prefix.len();
        // The path follows the first space.
        let path = output[..amount].iter().position(|byte| *byte == b' ').map(|at| at + 1);
        let Some(path) = path.filter(|_| longer <= output.len()) else {
            return Err(Error::BadUri("too long".to_owned()));
        };
        output.copy_within(path..amount, path + prefix.len());
        output[path..path + prefix.len()].copy_from_slice(prefix.as_bytes());
        self.transport.transmit_output(longer, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }
}

impl fmt::Debug for ProxyResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyResolver")
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}
