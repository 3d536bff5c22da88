//! From files to items: read, parse, check signatures, and tell what kubeconfigs refer to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::domain::layout::{DYNAMIC_CERT, KUBERNETES, Location, PKI_NAMES};
use crate::domain::model::{Content, Entry, Item, Place, Reason};
use crate::domain::role::{self, CertificateKind, Role};
use crate::parse::kubeconfig::{self, Kubeconfig, PemSource};
use crate::parse::x509::{self, Anchor, Authority, Issuers};
use crate::parse::{self, Form, pem, secret};

use super::host::Host;
use super::memo::remembered;
use super::paths::lexical;
use super::references::NodeReferences;
use super::walk::{FileState, FoundFile};

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

/// Reads files; what it learns of CA files is shared by all threads of a scan.
pub(super) struct Collector {
    pub(super) host: Arc<Host>,
    pub(super) references: NodeReferences,
    named: Mutex<HashMap<PathBuf, Arc<CaFile>>>,
    beside: Mutex<HashMap<PathBuf, Arc<Vec<Anchor>>>>,
    issuers: Issuers,
}

/// A CA file, ready to check signatures with.
struct CaFile {
    path: Arc<Path>,
    anchors: Vec<Anchor>,
    has_key: bool,
}

/// The certificates of one source: DER, or why there is none.
type Ders = Vec<Result<pem::Block, Reason>>;

impl Collector {
    pub(super) fn new(host: Arc<Host>, references: NodeReferences) -> Self {
        Self {
            host,
            references,
            named: Mutex::default(),
            beside: Mutex::default(),
            issuers: Issuers::default(),
        }
    }

    /// Everything that one file holds.
    pub(super) fn file(&self, found: &FoundFile) -> Vec<Item> {
        let path = &found.path;
        let located = self.locate(path);
        let form_of = located.role;
        let location =
            if self.references.is_left_over(&self.host, found) { LEFT_OVER } else { located };
        let bytes = match &found.state {
            FileState::File => self.host.read(path, true),
            FileState::Unseen => self.host.read(path, false),
            FileState::Problem(reason) => Err(reason.clone()),
        };
        match bytes.and_then(|bytes| contents(&bytes, found, form_of)) {
            Ok(Contents::Certificates(ders)) => self.items(path, &location, ders, &Entry::Pem),
            Ok(Contents::Kubeconfig(config)) => self.kubeconfig(path, &location, config),
            Ok(Contents::Foreign) => Vec::new(),
            // A slip of the pen on the command line is no lost certificate of the node.
            Err(Reason::Missing) if found.is_named => {
                vec![self.unusable(path, Entry::Whole, &UNKNOWN_PLACE, Reason::Missing)]
            }
            Err(reason) => vec![self.unusable(path, Entry::Whole, &location, reason)],
        }
    }

    fn locate(&self, path: &Path) -> Location {
        self.references.locate(&self.host, path)
    }

    fn named_by(&self, path: &Path) -> Option<Arc<str>> {
        self.references.reference(&self.host, path).map(|reference| reference.named_by.clone())
    }

    /// A place that was not read, without a look at it or around it.
    pub(super) fn not_read(&self, path: &Arc<Path>, reason: Reason) -> Item {
        let place = Place { path: path.clone(), entry: Entry::Whole };
        let role = self.locate(path).role;
        let named_by = self.named_by(path);
        Item { named_by, ..Item::new(place, role, Content::Problem(reason)) }
    }

    fn kubeconfig(&self, path: &Arc<Path>, location: &Location, config: Kubeconfig) -> Vec<Item> {
        let mut items = Vec::new();
        let is_left_over = location.role.kind == CertificateKind::LeftOver;
        let is_known = is_left_over
            || matches!(
                location.role.kind,
                CertificateKind::Leaf | CertificateKind::UserKubeconfig
            );
        let user_role = if is_known { location.role } else { &role::USER_KUBECONFIG };
        // Whose copy a kubeconfig is can only be told by this node's CA.
        let of_node = || self.references.named.certificates_dir.clone();
        let pki = location.pki.clone().or_else(of_node);
        let pki = pki.unwrap_or_else(|| Path::new(KUBERNETES).join(PKI_NAMES[0]));
        let users = Location { role: user_role, pki: Some(pki) };
        for user in config.users {
            let name: Box<str> = user.name.into();
            let entry = |index| Entry::User { name: name.clone(), index };
            self.source(path, &users, user.certificate, &entry, &mut items);
        }
        let cluster_role = if is_left_over { location.role } else { &role::CLUSTER_CA };
        let clusters = Location { role: cluster_role, pki: None };
        for cluster in config.clusters {
            let [name, server]: [Box<str>; 2] = [cluster.name.into(), cluster.server.into()];
            let entry =
                |index| Entry::Cluster { name: name.clone(), server: server.clone(), index };
            self.source(path, &clusters, cluster.ca, &entry, &mut items);
        }
        items
    }

    /// A certificate inside a kubeconfig, or in a file that it names: both are judged as its own.
    fn source(
        &self,
        path: &Arc<Path>,
        location: &Location,
        source: PemSource,
        entry: &dyn Fn(u32) -> Entry,
        items: &mut Vec<Item>,
    ) {
        let (data, at) = match source {
            PemSource::Inline(data) => {
                (data, Location { role: location.role, pki: location.pki.clone() })
            }
            PemSource::File(target) => {
                let target = lexical(&path.parent().unwrap_or(path).join(target));
                match (self.host.read(&target, false), self.locate(&target)) {
                    // The kubelet's own, which has a row where it lies.
                    (Ok(_), there) if there.role.kind == CertificateKind::KubeletClient => return,
                    (Ok(data), _) => {
                        (Ok(data), Location { role: location.role, pki: location.pki.clone() })
                    }
                    (Err(reason), there) => {
                        let role = if there.role.kind == CertificateKind::File {
                            location.role
                        } else {
                            there.role
                        };
                        let there = Location { role, pki: there.pki.or(location.pki.clone()) };
                        return items.push(self.unusable(
                            &target.into(),
                            Entry::Whole,
                            &there,
                            reason,
                        ));
                    }
                }
            }
        };
        match data.and_then(|data| blocks(&data)) {
            Ok(ders) => items.extend(self.items(path, &at, ders, entry)),
            Err(reason) => items.push(self.unusable(path, entry(0), &at, reason)),
        }
    }

    fn items(
        &self,
        path: &Arc<Path>,
        location: &Location,
        ders: Ders,
        entry: &dyn Fn(u32) -> Entry,
    ) -> Vec<Item> {
        let has_key = self.has_key(path, location);
        let named_by = self.named_by(path);
        let anchors = self.anchors(path, location).with_chain(&ders);
        let mut items = Vec::with_capacity(ders.len());
        for (index, der) in (0..).zip(ders) {
            let read = der.and_then(|block| {
                x509::read(&block.der, block.trusted, anchors.authority(index), &self.issuers)
                    .map_err(|_| Reason::BadCertificate(index))
            });
            let is_behind = index > 0 && read.as_ref().is_ok_and(|certificate| certificate.is_ca);
            if is_behind && location.role.kind == CertificateKind::MinorLeaf {
                // The kubelet writes the CA that it made for itself behind its certificate.
                continue;
            }
            let role = match location.role.kind {
                // A CA behind a leaf is part of its chain, not another leaf.
                CertificateKind::Leaf | CertificateKind::UserKubeconfig if is_behind => {
                    &role::CHAIN
                }
                _ => location.role,
            };
            let content = read.map_or_else(Content::Problem, |certificate| {
                Content::Certificate(Box::new(certificate))
            });
            let place = Place { path: path.clone(), entry: entry(index) };
            let named_by = named_by.clone();
            items.push(Item { has_key, named_by, ..Item::new(place, role, content) });
        }
        items
    }

    fn unusable(
        &self,
        path: &Arc<Path>,
        entry: Entry,
        location: &Location,
        reason: Reason,
    ) -> Item {
        let place = Place { path: path.clone(), entry };
        let has_key = self.has_key(path, location);
        let (role, named_by) = (location.role, self.named_by(path));
        Item { has_key, named_by, ..Item::new(place, role, Content::Problem(reason)) }
    }

    /// Whether what lies here can be signed anew on this node.
    fn has_key(&self, path: &Path, location: &Location) -> Option<bool> {
        match (location.role.kind, location.role.ca, &location.pki) {
            (CertificateKind::Ca, _, _) => Some(self.host.exists(&path.with_extension("key"))),
            (_, Some(ca), Some(pki)) => Some(self.named_ca(pki, ca).has_key),
            _ => None,
        }
    }

    /// The CAs that a certificate at this location is checked against.
    fn anchors(&self, path: &Path, location: &Location) -> Anchors {
        match (location.role.ca, &location.pki) {
            (Some(ca), Some(pki)) => self.named_anchors(pki, ca),
            _ if location.role.kind == CertificateKind::File => {
                Anchors::Beside(self.anchors_beside(path))
            }
            _ => Anchors::None,
        }
    }

    fn named_anchors(&self, pki: &Path, ca: &str) -> Anchors {
        let named = self.named_ca(pki, ca);
        if named.anchors.is_empty() { Anchors::None } else { Anchors::Named(named) }
    }

    fn named_ca(&self, pki: &Path, ca: &str) -> Arc<CaFile> {
        // kubespray without its link has `ssl` alone.
        let other = pki.with_file_name(PKI_NAMES[1]).join(ca);
        let file = pki.join(ca);
        let file = if self.host.exists(&file) || !self.host.exists(&other) { file } else { other };
        self.ca_file(&file)
    }

    fn anchors_beside(&self, path: &Path) -> Arc<Vec<Anchor>> {
        let directory = path.parent().unwrap_or(path);
        remembered(&self.beside, directory, || {
            let files = CA_NAMES.map(|name| directory.join(name));
            let there = files.iter().filter(|file| self.host.exists(file));
            Arc::new(there.flat_map(|file| self.ca_file(file).anchors.clone()).collect())
        })
    }

    fn ca_file(&self, file: &Path) -> Arc<CaFile> {
        remembered(&self.named, file, || {
            let path: Arc<Path> = file.into();
            let ders =
                self.host.read(file, false).and_then(|bytes| blocks(&bytes)).unwrap_or_default();
            let ders: Vec<Vec<u8>> = ders.into_iter().flatten().map(|block| block.der).collect();
            let has_key = self.host.exists(&file.with_extension("key"));
            let anchors = x509::anchors(&path, has_key, &ders);
            Arc::new(CaFile { path, anchors, has_key })
        })
    }
}

/// A file that nothing on the node names.
const LEFT_OVER: Location = Location { role: &role::custom::LEFT_OVER, pki: None };

/// A place of which nothing is known.
const UNKNOWN_PLACE: Location = Location { role: &role::OTHER, pki: None };

/// The owner of what an [`Authority`] borrows.
enum Anchors {
    Beside(Arc<Vec<Anchor>>),
    Chained(Arc<Path>, Vec<Anchor>),
    Named(Arc<CaFile>),
    None,
}

impl Anchors {
    /// Together with the intermediate CAs that stand behind the leaf in its own file.
    fn with_chain(self, ders: &Ders) -> Self {
        match self {
            Self::Named(named) if ders.len() > 1 => {
                let behind = ders.iter().skip(1).flatten().map(|block| &*block.der);
                Self::Chained(named.path.clone(), x509::with_intermediates(&named.anchors, behind))
            }
            other => other,
        }
    }

    /// For the certificate at `index` of its file: only the first is the leaf that must have been
    /// signed by the named CA.
    fn authority(&self, index: u32) -> Authority<'_> {
        match self {
            Self::Beside(anchors) => Authority::Beside(anchors),
            Self::Chained(_, anchors) if index > 0 => Authority::Beside(anchors),
            Self::Chained(path, anchors) => Authority::Named(path, anchors),
            Self::Named(named) => Authority::Named(&named.path, &named.anchors),
            Self::None => Authority::Beside(&[]),
        }
    }
}

/// What a file holds.
enum Contents {
    Certificates(Ders),
    /// Nothing of ours: keys, signing requests, the settings of another program.
    Foreign,
    Kubeconfig(Kubeconfig),
}

fn contents(bytes: &[u8], found: &FoundFile, role: &Role) -> Result<Contents, Reason> {
    let is_conf = found.path.extension().is_some_and(|extension| extension == "conf");
    // A `.conf` that kubeadm does not know may belong to any program, such as cloud.conf.
    let may_be_foreign = !found.is_named && is_conf && role.kind == CertificateKind::UserKubeconfig;
    let is_kubeconfig = is_conf && role.kind != CertificateKind::File
        || role.kind == CertificateKind::UserKubeconfig;
    if found.path.ends_with(DYNAMIC_CERT) && role.kind == CertificateKind::File {
        return blocks(&secret::certificate(bytes)?).map(Contents::Certificates);
    }
    match parse::form(bytes) {
        Form::Kubeconfig => read_kubeconfig(bytes, role),
        _ if may_be_foreign => Ok(Contents::Foreign),
        Form::Empty => Err(Reason::Empty),
        _ if is_kubeconfig => read_kubeconfig(bytes, role),
        Form::Der | Form::Pem => match blocks(bytes) {
            Err(Reason::NoCertificate) if may_hold_none(found, role) => Ok(Contents::Foreign),
            ders => ders.map(Contents::Certificates),
        },
        Form::Unknown => Err(Reason::NoCertificate),
    }
}

/// True where keys or requests alone are nothing to complain about: by the ending in what
/// `certwatch check pki/*` names because a shell does, and in the `.pem` files of a directory, of
/// which many are keys. A `.crt` without a certificate is wrong.
fn may_hold_none(found: &FoundFile, role: &Role) -> bool {
    let ends_with = |endings: &[&str]| {
        found
            .path
            .extension()
            .is_some_and(|extension| endings.iter().any(|known| extension == *known))
    };
    ends_with(&["csr", "key", "pub"])
        || !found.is_named && role.kind == CertificateKind::File && ends_with(&["pem"])
}

fn read_kubeconfig(bytes: &[u8], role: &Role) -> Result<Contents, Reason> {
    let config = kubeconfig::read(bytes)?;
    // A component's kubeconfig without any user is of no use to it.
    if config.users.is_empty() && !config.has_other_users && role.kind == CertificateKind::Leaf {
        return Err(Reason::NoCertificate);
    }
    Ok(Contents::Kubeconfig(config))
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
    match ders.len() {
        0 => Err(Reason::NoCertificate),
        1..=MAX_CERTIFICATES => Ok(ders),
        _ => Err(Reason::TooMany { what: "certificates", limit: MAX_CERTIFICATES as u64 }),
    }
}
