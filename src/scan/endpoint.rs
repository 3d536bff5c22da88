//! Endpoints: servers that are asked for what they present, beside the scan of the files.
//!
//! Each has 5 s, its name included. The look-up of a name cannot be called off, so it has a thread of its own, which is left
//! behind if it takes longer; of these there are never more than a few.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::config::EndpointConfig;
use crate::domain::endpoint::HostPort;
use crate::domain::model::{Content, Entry, Item, Place, PresentedChain, Reason};
use crate::domain::role;
use crate::domain::text::escape_control;
use crate::node::handshake::{self, Bounded};
use crate::parse::chain::{self, ChainVerdict, Roots};

use super::contents::blocks;
use super::host::Host;
use super::starttls;

/// For one endpoint, from its name to its certificate.
const LIMIT: Duration = Duration::from_secs(5);

/// How many are asked at once.
const THREADS: usize = 8;

/// Most look-ups of names under way, those included that were left behind.
const MOST_LOOKUPS: usize = 16;

/// Where the system has its CAs; the library knows where else.
const SYSTEM: &str = "/etc/ssl/certs";

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// An endpoint that can be asked.
pub(super) struct Probe {
    endpoint: EndpointConfig,
    roots: Result<Arc<Roots>, Reason>,
}

/// Those under way.
pub(super) struct Probing {
    probes: Arc<Vec<Probe>>,
    next: Arc<AtomicUsize>,
    answers: Receiver<(usize, Item)>,
}

/// The endpoints with those whom they have to be trusted by.
pub(super) fn probes(host: &Host, endpoints: &[EndpointConfig]) -> Vec<Probe> {
    let mut known: HashMap<Option<PathBuf>, Result<Arc<Roots>, Reason>> = HashMap::new();
    let mut roots = |file: &Option<PathBuf>| {
        let found = known.entry(file.clone()).or_insert_with(|| match file {
            Some(file) => of_file(host, file).map(Arc::new),
            None => of_system(host).map(Arc::new),
        });
        found.clone()
    };
    let probe = |it: &EndpointConfig| Probe { endpoint: it.clone(), roots: roots(&it.ca_file) };
    endpoints.iter().map(probe).collect()
}

/// The endpoints where the files of CAs did not respond.
pub(super) fn without_trust(endpoints: &[EndpointConfig]) -> Vec<Probe> {
    let roots = || Err(Reason::EndpointNotAsked("the files of its CAs do not respond".into()));
    endpoints.iter().map(|it| Probe { endpoint: it.clone(), roots: roots() }).collect()
}

fn of_file(host: &Host, file: &Path) -> Result<Roots, Reason> {
    let ders = host.read(file, false).and_then(|bytes| blocks(&bytes)).and_then(|found| {
        let ders: Vec<_> = found.into_iter().flatten().map(|it| it.der.into()).collect();
        if ders.is_empty() { Err(Reason::NoCertificate) } else { Ok(ders) }
    });
    ders.map(|ders| Roots::new(file, ders)).map_err(|reason| {
        let file = escape_control(&file.to_string_lossy()).into_owned();
        let why = format!("its ca-file {file} cannot be used ({})", reason.code());
        Reason::EndpointNotAsked(why.into())
    })
}

fn of_system(host: &Host) -> Result<Roots, Reason> {
    let system = Path::new(SYSTEM);
    if host.known_to_hang(system).is_some() {
        return Err(Reason::EndpointNotAsked(format!("{SYSTEM} does not respond").into()));
    }
    let roots = Roots::new(system, rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "no trusted CA was found: install the package ca-certificates, or set ca-file";
        return Err(Reason::EndpointNotAsked(why.into()));
    }
    Ok(roots)
}

impl Probing {
    /// Begins to ask them.
    pub(super) fn begin(probes: Vec<Probe>) -> Self {
        let (probes, next) = (Arc::new(probes), Arc::new(AtomicUsize::new(0)));
        let (send, answers) = mpsc::channel();
        for _ in 0..THREADS.min(probes.len()) {
            let (probes, next, send) = (probes.clone(), next.clone(), send.clone());
            let work = move || {
                while let Some((at, probe)) = take(&probes, &next) {
                    if send.send((at, probe.item())).is_err() {
                        return;
                    }
                }
            };
            // Without any thread they are as those whose turn did not come.
            let _ = thread::Builder::new().name("endpoints".to_owned()).spawn(work);
        }
        Self { probes, next, answers }
    }

    /// Waits for all until `deadline`, after `timeout`. Those whose turn has not come by then are not asked any more.
    pub(super) fn finish(self, deadline: Instant, timeout: Duration) -> Vec<Item> {
        let mut items: Vec<Option<Item>> = self.probes.iter().map(|_| None).collect();
        while items.iter().any(Option::is_none) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok((at, item)) => items[at] = Some(item),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.next.store(self.probes.len(), Ordering::Relaxed);
        let late = |probe: &Probe| probe.of(Content::Problem(Reason::OutOfTime(timeout.as_secs())));
        let all = items.into_iter().zip(self.probes.iter());
        all.map(|(item, probe)| item.unwrap_or_else(|| late(probe))).collect()
    }
}

fn take<'a>(probes: &'a [Probe], next: &AtomicUsize) -> Option<(usize, &'a Probe)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    probes.get(at).map(|probe| (at, probe))
}

impl Probe {
    /// Asks it.
    fn item(&self) -> Item {
        let roots = match &self.roots {
            Ok(roots) => roots,
            Err(reason) => return self.of(Content::Problem(reason.clone())),
        };
        let presented = match self.presented() {
            Ok(presented) => presented,
            Err(error) => return self.of(Content::Problem(silence(&error))),
        };
        match chain::read(&presented, roots) {
            Ok((certificate, ChainVerdict { fault, begins })) => {
                let file = self.endpoint.file.as_deref().map(Arc::from);
                let chain = Some(Box::new(PresentedChain { fault, begins, file }));
                Item { chain, ..self.of(Content::Certificate(Box::new(certificate))) }
            }
            Err(_) => self.of(Content::Problem(Reason::BadCertificate(0))),
        }
    }

    fn of(&self, content: Content) -> Item {
        let EndpointConfig { address, server_name, .. } = &self.endpoint;
        let name = (**server_name != *address.host).then(|| server_name.as_str().into());
        let place = Place::new(PathBuf::from(address.to_string()), Entry::Endpoint(name));
        Item::new(place, &role::ENDPOINT, content)
    }

    /// The chain that it presents.
    fn presented(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        let until = Instant::now() + LIMIT;
        let EndpointConfig { address, server_name, starttls, .. } = &self.endpoint;
        let name = ServerName::try_from(server_name.clone())
            .map_err(|_| io::Error::other("its server-name is no name for TLS"))?;
        let stream = connect(&resolve(address, until)?, until)?;
        let local = stream.local_addr()?.ip();
        let mut stream = Bounded { stream, until };
        starttls::upgrade(&mut stream, *starttls, local)?;
        handshake::chain(&mut stream, name)
    }
}

/// One look-up of a name that is under way.
struct Lookup;

impl Lookup {
    fn begin() -> io::Result<Self> {
        let lookup = Self;
        if LOOKUPS.fetch_add(1, Ordering::Relaxed) < MOST_LOOKUPS {
            return Ok(lookup);
        }
        Err(io::Error::other("its name was not looked up: too many look-ups hang"))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All addresses that its name has.
fn resolve(address: &HostPort, until: Instant) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (address.host.to_string(), address.port);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let lookup = Lookup::begin()?;
    let (send, found) = mpsc::channel();
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        drop(lookup);
        // After its time nobody listens any more.
        let _ = send.send(addresses);
    })?;
    let left = until.saturating_duration_since(Instant::now());
    let found = found.recv_timeout(left).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    found.map_err(|error| match error.kind() {
        ErrorKind::TimedOut => io::Error::other("its name was not resolved within 5 s"),
        _ => io::Error::other("its name cannot be resolved"),
    })
}

/// To the first address that answers; each has its share of the time.
fn connect(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("its name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Why there is no certificate, apart whose fault that is.
fn silence(error: &io::Error) -> Reason {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let is_sandbox = error.kind() == ErrorKind::PermissionDenied
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    let why = match (error.kind(), tls) {
        (_, Some(rustls::Error::InvalidMessage(_))) => "what it answers is not TLS".to_owned(),
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => "no answer within 5 s".to_owned(),
        (ErrorKind::UnexpectedEof, _) => "it closes the connection".to_owned(),
        _ => escape_control(&error.to_string()).into_owned(),
    };
    if is_sandbox {
        Reason::EndpointNotAsked(why.into())
    } else {
        Reason::EndpointSilent(why.into())
    }
}
