//! From files to items: read, parse, check signatures, and tell what kubeconfigs refer to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::domain::layout::{
    KUBELET_CURRENT, KUBERNETES, LIVE_IN_UNIT, Location, PKI_NAMES, lexical, shown,
};
use crate::domain::model::{Content, Entry, Item, Place, Reason};
use crate::domain::role::{self, CertificateKind};
use crate::parse::kubeconfig::{Kubeconfig, PemSource};
use crate::parse::x509::{self, Anchor, Authority, Issuers};

use super::contents::{Contents, Ders, blocks, contents, is_any};
use super::host::Host;
use super::memo::remembered;
use super::references::NodeReferences;
use super::walk::{FileState, FoundFile};

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
        let is_any = is_any(found, form_of);
        let is_problem = matches!(found.state, FileState::Problem(_));
        let mut location =
            if self.references.is_left_over(&self.host, found) { LEFT_OVER } else { located };
        let bytes = match &found.state {
            FileState::File => self.host.read(path, true),
            FileState::Unseen => self.host.read(path, false),
            FileState::Problem(reason) => Err(reason.clone()),
        };
        let contents = match bytes {
            // Its name promises nothing, and directories are among them.
            Err(_) if is_any && form_of == &role::OTHER && !is_problem => return Vec::new(),
            bytes => bytes.and_then(|bytes| contents(&bytes, found, form_of)),
        };
        let is_pem = matches!(contents, Ok(Contents::Certificates(_)));
        let is_stray = is_any && location.role.kind != CertificateKind::LeftOver;
        if is_stray && (is_pem || form_of == &role::OTHER) {
            location.role = &role::STRAY;
        }
        let mut items = self.contents(path, &location, contents, found.is_named);
        // What is damaged under such a name is a backup of what was damaged.
        items.retain(|item| !(is_any && is_damaged(item)));
        if location.role.kind == CertificateKind::KubeletClient
            && path.ends_with(KUBELET_CURRENT[0])
            && self.host.is_regular(path)
        {
            items.push(self.unusable(path, Entry::Whole, &location, Reason::NotALink));
        }
        items
    }

    fn contents(
        &self,
        path: &Arc<Path>,
        location: &Location,
        contents: Result<Contents, Reason>,
        is_named: bool,
    ) -> Vec<Item> {
        match contents {
            Ok(Contents::Certificates(ders)) => self.items(path, location, ders, &Entry::Pem),
            Ok(Contents::Kubeconfig(config)) => self.kubeconfig(path, location, config),
            Ok(Contents::Foreign) => Vec::new(),
            // A slip of the pen on the command line is no lost certificate of the node.
            Err(Reason::Missing) if is_named => {
                vec![self.unusable(path, Entry::Whole, &UNKNOWN_PLACE, Reason::Missing)]
            }
            Err(reason) => vec![self.unusable(path, Entry::Whole, location, reason)],
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
        let is_known = location.role == &role::STRAY
            || matches!(
                location.role.kind,
                CertificateKind::Leaf | CertificateKind::LeftOver | CertificateKind::UserKubeconfig
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
            let is_missing = |it: &Path| self.is_missing(path, it);
            let is_gone = matches!(&user.certificate, PemSource::File(it) if is_missing(it));
            let lost = user.key_file.filter(|key| !is_gone && is_missing(key));
            let certificate = lost.map_or(user.certificate, |key| {
                let why = format!("its client-key {} does not exist", shown(&key));
                PemSource::Inline(Err(Reason::RefusedKubeconfig(why.into())))
            });
            self.source(path, &users, certificate, &entry, &mut items);
        }
        let cluster_role = if location.role.kind == CertificateKind::LeftOver {
            location.role
        } else {
            &role::CLUSTER_CA
        };
        let clusters = Location { role: cluster_role, pki: None };
        for cluster in config.clusters {
            let [name, server]: [Box<str>; 2] = [cluster.name.into(), cluster.server.into()];
            let entry =
                |index| Entry::Cluster { name: name.clone(), server: server.clone(), index };
            self.source(path, &clusters, cluster.ca, &entry, &mut items);
        }
        items
    }

    /// True if nothing is there, of what a kubeconfig names.
    fn is_missing(&self, kubeconfig: &Path, target: &Path) -> bool {
        let target = lexical(&kubeconfig.parent().unwrap_or(kubeconfig).join(target));
        matches!(self.host.kind(&target), Err(Reason::Missing))
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
                x509::read_block(&block, anchors.authority(index, &block.der), &self.issuers)
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
        let known = [pki.join(ca), pki.with_file_name(PKI_NAMES[1]).join(ca)];
        // certwatch-renew.service shows the copy that kubeadm works on, and that may be empty.
        let live = |path: &PathBuf| {
            path.strip_prefix(KUBERNETES).ok().map(|below| Path::new(LIVE_IN_UNIT).join(below))
        };
        let mut files = known.iter().cloned().chain(known.iter().filter_map(live));
        let found = files.find(|file| self.host.exists(file));
        self.ca_file(found.as_ref().unwrap_or(&known[0]))
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

fn is_damaged(item: &Item) -> bool {
    use Reason::{BadCertificate, BadPem, JoinedPem};
    matches!(item.content, Content::Problem(BadCertificate(_) | BadPem(_) | JoinedPem(_)))
}

/// A place of which nothing is known.
const UNKNOWN_PLACE: Location = Location { role: &role::OTHER, pki: None };

/// The owner of what an [`Authority`] borrows.
enum Anchors {
    Beside(Arc<Vec<Anchor>>),
    Chained(Arc<CaFile>, Vec<Anchor>),
    Named(Arc<CaFile>),
    None,
}

impl Anchors {
    /// Together with the intermediate CAs that stand behind the leaf in its own file.
    fn with_chain(self, ders: &Ders) -> Self {
        match self {
            Self::Named(named) if ders.len() > 1 => {
                let behind = ders.iter().skip(1).flatten().map(|block| &*block.der);
                let anchors = x509::with_intermediates(&named.anchors, behind);
                Self::Chained(named, anchors)
            }
            other => other,
        }
    }

    /// For the certificate at `index` of its file: only the first is the leaf that must have been
    /// signed by the named CA. One that is in the CA file itself needs no CA above it.
    fn authority(&self, index: u32, der: &[u8]) -> Authority<'_> {
        match self {
            Self::Beside(anchors) if holds(anchors, der) => Authority::Beside(&[]),
            Self::Beside(anchors) => Authority::Beside(anchors),
            Self::Chained(named, _) if index > 0 && holds(&named.anchors, der) => {
                Authority::Beside(&[])
            }
            Self::Chained(_, anchors) if index > 0 => Authority::Beside(anchors),
            Self::Chained(named, anchors) => Authority::Named(&named.path, anchors),
            Self::Named(named) => Authority::Named(&named.path, &named.anchors),
            Self::None => Authority::Beside(&[]),
        }
    }
}

fn holds(anchors: &[Anchor], der: &[u8]) -> bool {
    !anchors.is_empty() && {
        let sum = x509::sha256(der);
        anchors.iter().any(|anchor| anchor.ca.sha256 == sum)
    }
}
