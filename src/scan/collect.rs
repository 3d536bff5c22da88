//! From files to items: read, parse, check signatures, and follow what kubeconfigs refer to.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::layout::{self, Location, PKI_NAMES};
use crate::domain::model::{Content, Entry, Item, Place, Reason};
use crate::domain::role::{self, Kind, Role};
use crate::parse::kubeconfig::{self, Kubeconfig, Source};
use crate::parse::x509::{self, Anchor, Authority};
use crate::parse::{self, Form, pem};

use super::host::Host;
use super::walk::{Found, State};

/// Most certificates that are judged of one file; the bundle of all public CAs has about 150.
const MAX_CERTIFICATES: usize = 1000;

/// Names of CA files that sign what lies beside them: kubeadm's, and those of k3s and RKE2.
const CA_NAMES: [&str; 7] = [
    "ca.crt",
    "ca.pem",
    "client-ca.crt",
    "front-proxy-ca.crt",
    "peer-ca.crt",
    "request-header-ca.crt",
    "server-ca.crt",
];

/// Builds the items of one scan.
pub(super) struct Collector<'a> {
    host: &'a Host,
    /// CA files and their certificates, by path.
    authorities: HashMap<PathBuf, Arc<CaFile>>,
    /// CAs that lie in a directory of which nothing is known.
    beside: HashMap<PathBuf, Arc<Vec<Anchor>>>,
    read: HashSet<PathBuf>,
    pub(super) items: Vec<Item>,
}

/// A CA file, ready to check signatures with.
struct CaFile {
    path: Arc<Path>,
    anchors: Vec<Anchor>,
}

/// The certificates of one source: DER, or why there is none.
type Ders = Vec<Result<pem::Block, Reason>>;

impl<'a> Collector<'a> {
    pub(super) fn new(host: &'a Host) -> Self {
        Self {
            host,
            authorities: HashMap::new(),
            beside: HashMap::new(),
            read: HashSet::new(),
            items: Vec::new(),
        }
    }

    /// Adds everything that one file holds.
    pub(super) fn file(&mut self, found: &Found) {
        if !self.read.insert(found.path.clone()) {
            return;
        }
        let path: Arc<Path> = found.path.as_path().into();
        let location = layout::locate(&path);
        let bytes = match &found.state {
            State::File => self.host.read(&path, true),
            State::Unseen => self.host.read(&path, false),
            State::Problem(reason) => Err(reason.clone()),
        };
        match bytes.and_then(|bytes| contents(&bytes, location.role)) {
            Ok(Contents::Certificates(ders)) => self.certificates(&path, &location, ders),
            Ok(Contents::Kubeconfig(config)) => self.kubeconfig(&path, &location, config),
            Ok(Contents::Foreign) => {}
            Err(reason) => self.problem(&path, Entry::Whole, location.role, reason),
        }
    }

    /// A file that must be there and is not.
    pub(super) fn missing(&mut self, path: &Path) {
        self.problem(&path.into(), Entry::Whole, layout::locate(path).role, Reason::Missing);
    }

    fn certificates(&mut self, path: &Arc<Path>, location: &Location, ders: Ders) {
        if ders.is_empty() {
            self.problem(path, Entry::Whole, location.role, Reason::NoCertificate);
        }
        let has_key =
            (location.role.kind == Kind::Ca).then(|| self.host.exists(&path.with_extension("key")));
        let entry = |index| Entry::Pem(index);
        self.push_all(path, location, ders, has_key, &entry);
    }

    fn kubeconfig(&mut self, path: &Arc<Path>, location: &Location, config: Kubeconfig) {
        let base = path.parent().unwrap_or(path).to_owned();
        let user_role =
            if location.role.kind == Kind::File { &role::USER_KUBECONFIG } else { location.role };
        for user in config.users {
            let name: Box<str> = user.name.into();
            let location = Location { role: user_role, pki: location.pki.clone() };
            let entry = |index| Entry::User { name: name.clone(), index };
            self.source(path, &base, &location, user.certificate, &entry);
        }
        for cluster in config.clusters {
            let [name, server]: [Box<str>; 2] = [cluster.name.into(), cluster.server.into()];
            let location = Location { role: &role::CLUSTER_CA, pki: None };
            let entry =
                |index| Entry::Cluster { name: name.clone(), server: server.clone(), index };
            self.source(path, &base, &location, cluster.ca, &entry);
        }
    }

    /// A certificate inside a kubeconfig, or the file that it refers to.
    fn source(
        &mut self,
        path: &Arc<Path>,
        base: &Path,
        location: &Location,
        source: Source,
        entry: &dyn Fn(u32) -> Entry,
    ) {
        match source {
            Source::File(target) => {
                self.file(&Found { path: normal(&base.join(target)), state: State::Unseen });
            }
            Source::Inline(Err(reason)) => self.problem(path, entry(0), location.role, reason),
            Source::Inline(Ok(bytes)) => match blocks(&bytes) {
                Ok(ders) => self.push_all(path, location, ders, None, entry),
                Err(reason) => self.problem(path, entry(0), location.role, reason),
            },
        }
    }

    fn push_all(
        &mut self,
        path: &Arc<Path>,
        location: &Location,
        ders: Ders,
        has_key: Option<bool>,
        entry: &dyn Fn(u32) -> Entry,
    ) {
        for (index, der) in (0..).zip(ders) {
            let read = der.and_then(|block| {
                let authority = self.authority(path, location);
                x509::read(&block.der, block.trusted, authority.as_authority())
                    .map_err(|_| Reason::BadCertificate(index))
            });
            let (role, content) = match read {
                Ok(certificate) => {
                    let role = role_in_chain(location.role, index, certificate.is_ca);
                    (role, Content::Certificate(Box::new(certificate)))
                }
                Err(reason) => (location.role, Content::Problem(reason)),
            };
            let place = Place { path: path.clone(), entry: entry(index) };
            self.items.push(Item { place, role, content, has_key });
        }
    }

    fn problem(&mut self, path: &Arc<Path>, entry: Entry, role: &'static Role, reason: Reason) {
        let place = Place { path: path.clone(), entry };
        self.items.push(Item { place, role, content: Content::Problem(reason), has_key: None });
    }

    /// The CAs that a certificate at this location is checked against.
    fn authority(&mut self, path: &Path, location: &Location) -> Anchors {
        match (location.role.ca, &location.pki) {
            (Some(ca), Some(pki)) => self.named_authority(pki, ca),
            _ if location.role.kind == Kind::File => self.authorities_beside(path),
            _ => Anchors::Beside(Arc::default()),
        }
    }

    fn named_authority(&mut self, pki: &Path, ca: &str) -> Anchors {
        // kubespray without its link has `ssl` alone.
        let other = pki.with_file_name(PKI_NAMES[1]).join(ca);
        let file = pki.join(ca);
        let file = if self.host.exists(&file) || !self.host.exists(&other) { file } else { other };
        match self.ca_file(&file) {
            named if named.anchors.is_empty() => Anchors::Beside(Arc::default()),
            named => Anchors::Named(named),
        }
    }

    fn authorities_beside(&mut self, path: &Path) -> Anchors {
        let directory = path.parent().unwrap_or(path).to_owned();
        if let Some(known) = self.beside.get(&directory) {
            return Anchors::Beside(known.clone());
        }
        let files = CA_NAMES.map(|name| directory.join(name));
        let anchors: Vec<Anchor> = files
            .iter()
            .filter(|file| self.host.exists(file))
            .flat_map(|file| self.ca_file(file).anchors.clone())
            .collect();
        let anchors = Arc::new(anchors);
        self.beside.insert(directory, anchors.clone());
        Anchors::Beside(anchors)
    }

    fn ca_file(&mut self, file: &Path) -> Arc<CaFile> {
        if let Some(known) = self.authorities.get(file) {
            return known.clone();
        }
        let path: Arc<Path> = file.into();
        let ders = self.host.read(file, false).and_then(|bytes| blocks(&bytes)).unwrap_or_default();
        let ders: Vec<Vec<u8>> = ders.into_iter().flatten().map(|block| block.der).collect();
        let has_key = self.host.exists(&file.with_extension("key"));
        let anchors = x509::anchors(&path, has_key, &ders);
        let entry = Arc::new(CaFile { path, anchors });
        self.authorities.insert(file.to_owned(), entry.clone());
        entry
    }
}

/// Shared CAs of an [`Authority`].
enum Anchors {
    Beside(Arc<Vec<Anchor>>),
    Named(Arc<CaFile>),
}

impl Anchors {
    fn as_authority(&self) -> Authority<'_> {
        match self {
            Self::Beside(anchors) => Authority::Beside(anchors),
            Self::Named(named) => Authority::Named(&named.path, &named.anchors),
        }
    }
}

/// What a file holds.
enum Contents {
    Certificates(Ders),
    /// Not for certwatch: a `.conf` of another program beside the kubeconfigs.
    Foreign,
    Kubeconfig(Kubeconfig),
}

fn contents(bytes: &[u8], role: &Role) -> Result<Contents, Reason> {
    let wants_kubeconfig = role.id.ends_with(".conf") || role.kind == Kind::UserKubeconfig;
    match parse::form(bytes) {
        Form::Empty => Err(Reason::Empty),
        Form::Kubeconfig => kubeconfig::read(bytes).map(Contents::Kubeconfig),
        // A file of another program, such as cloud.conf; but one that kubeadm writes is broken.
        _ if role.id == role::USER_KUBECONFIG.id => Ok(Contents::Foreign),
        _ if wants_kubeconfig => kubeconfig::read(bytes).map(Contents::Kubeconfig),
        Form::Der | Form::Pem => blocks(bytes).map(Contents::Certificates),
        Form::Unknown => Err(Reason::NoCertificate),
    }
}

/// The certificates of PEM or DER.
fn blocks(bytes: &[u8]) -> Result<Ders, Reason> {
    let ders: Ders = match parse::form(bytes) {
        Form::Der => vec![Ok(pem::Block { der: bytes.to_vec(), trusted: false })],
        Form::Pem => pem::certificates(bytes)
            .into_iter()
            .map(|block| block.map_err(|pem::Damaged(line)| Reason::BadPem(line)))
            .collect(),
        Form::Empty => return Err(Reason::Empty),
        Form::Kubeconfig | Form::Unknown => return Err(Reason::NoCertificate),
    };
    if ders.len() > MAX_CERTIFICATES {
        return Err(Reason::TooMany { what: "certificates", limit: MAX_CERTIFICATES as u64 });
    }
    Ok(ders)
}

/// A CA behind a leaf in the same file is part of its chain, not another leaf.
fn role_in_chain(role: &'static Role, index: u32, is_ca: bool) -> &'static Role {
    if index > 0 && is_ca && role.kind == Kind::Leaf { &role::OTHER } else { role }
}

/// `/a/b/../c` as `/a/c`: paths are names for people here, and the file is opened as written.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            _ => out.push(part),
        }
    }
    out
}
