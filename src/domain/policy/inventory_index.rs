//! What the rest of the node says about an item.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::domain::layout;
use crate::domain::model::{Certificate, Defect, Entry, Inventory, Item, Name, Sha256, Signer};
use crate::domain::role::{self, CertificateKind};
use crate::domain::time::UnixTime;

/// An index over the whole inventory, for checks that compare.
pub(super) struct InventoryIndex<'a> {
    /// CAs that have a row of their own.
    cas: HashSet<Sha256>,
    /// Keys of the cluster's CA, by the directory that stands for `/etc/kubernetes`.
    cluster_keys: BTreeMap<PathBuf, ClusterCa<'a>>,
    /// For each kubeconfig and cluster in it, the keys of its CAs.
    kubeconfig_keys: BTreeMap<(&'a Path, &'a str), BTreeSet<Sha256>>,
    /// API servers that the node's own kubeconfigs name.
    servers: BTreeSet<&'a str>,
    /// CAs that have signed something here.
    signers: HashSet<Sha256>,
    /// Somebody signed something here, and it cannot be checked which CA.
    has_unchecked: bool,
    /// How many CAs each CA file holds.
    cas_in: HashMap<&'a Path, usize>,
    /// The certificates of each file that Kubernetes reads.
    read_of: HashMap<&'a Path, HashSet<Sha256>>,
    /// The files of certificates that a component presents.
    presented: HashSet<&'a Path>,
    /// CAs of which another one in their CA file says that they have issued it.
    roots_behind: HashSet<Sha256>,
    /// When each file's leaf ends, by its path and the user whose it is.
    leaf_ends: HashMap<(&'a Path, &'a str), UnixTime>,
    /// The current kubeconfigs that people copy.
    originals: Vec<(&'a Item, &'a Certificate)>,
    /// The leaf of each file that an endpoint should serve.
    to_serve: HashMap<&'a Path, &'a Certificate>,
}

struct ClusterCa<'a> {
    path: &'a std::sync::Arc<Path>,
    keys: BTreeSet<Sha256>,
    /// When each of its certificates ends, by the key.
    ends: Vec<(Sha256, UnixTime)>,
}

fn ca_with_a_row(item: &Item) -> Option<Sha256> {
    item.certificate()
        .filter(|_| item.role.kind == CertificateKind::Ca)
        .map(|certificate| certificate.sha256)
}

/// The position in its file's chain, and the user whose chain it is.
fn in_chain(item: &Item) -> Option<(u32, &str)> {
    match &item.place.entry {
        Entry::Pem(index) => Some((*index, "")),
        Entry::User { name, index } => Some((*index, name)),
        Entry::Cluster { .. }
        | Entry::Endpoint(_)
        | Entry::Presented(_)
        | Entry::Process(_)
        | Entry::Whole => None,
    }
}

/// What stands behind an intermediate CA in the same CA file.
fn roots_behind(inventory: &Inventory) -> HashSet<Sha256> {
    let of_ca = |item: &'_ Item| item.role.kind == CertificateKind::Ca;
    let items = || inventory.items.iter().chain(&inventory.context).filter(|item| of_ca(item));
    let cas = || items().filter_map(|item| Some((&item.place.path, item.certificate()?)));
    let issuers: HashSet<(&std::sync::Arc<Path>, &Name)> = cas()
        .filter(|(_, ca)| ca.issuer != ca.subject)
        .map(|(path, ca)| (path, &ca.issuer))
        .collect();
    cas()
        .filter(|(path, ca)| issuers.contains(&(path, &ca.subject)))
        .map(|(_, ca)| ca.sha256)
        .collect()
}

impl<'a> InventoryIndex<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let mut index = Self {
            cas: inventory.items.iter().filter_map(ca_with_a_row).collect(),
            cluster_keys: BTreeMap::new(),
            kubeconfig_keys: BTreeMap::new(),
            servers: BTreeSet::new(),
            signers: HashSet::new(),
            has_unchecked: false,
            cas_in: HashMap::new(),
            read_of: HashMap::new(),
            presented: HashSet::new(),
            roots_behind: roots_behind(inventory),
            leaf_ends: HashMap::new(),
            originals: Vec::new(),
            to_serve: HashMap::new(),
        };
        let items = || inventory.items.iter().chain(&inventory.context);
        let chains = items().filter_map(|item| item.chain.as_ref());
        let to_serve: HashSet<&Path> = chains.filter_map(|chain| chain.file.as_deref()).collect();
        // What an endpoint presents says nothing of the node.
        for item in items().filter(|item| item.chain.is_none()) {
            if let Some(certificate) = item.certificate() {
                index.add(item, certificate);
                if item.place.entry == Entry::Pem(0) && to_serve.contains(&*item.place.path) {
                    index.to_serve.insert(&item.place.path, certificate);
                }
            }
        }
        index
    }

    fn add(&mut self, item: &'a Item, certificate: &'a Certificate) {
        let path = &item.place.path;
        self.signers.extend(certificate.signer.verified().map(|ca| ca.sha256));
        self.has_unchecked |= matches!(certificate.signer, Signer::Unchecked { .. });
        if item.role.kind == CertificateKind::Ca {
            *self.cas_in.entry(path).or_default() += 1;
        }
        if !certificate.defects.iter().any(|it| matches!(it, Defect::Pem(_))) {
            self.read_of.entry(path).or_default().insert(certificate.sha256);
        }
        if matches!(
            item.role.kind,
            CertificateKind::KubeletClient | CertificateKind::Leaf | CertificateKind::MinorLeaf
        ) {
            self.presented.insert(path);
        }
        if let (Some((0, user)), Signer::Verified(_)) = (in_chain(item), &certificate.signer) {
            self.leaf_ends.extend(super::expires(item).map(|end| ((&**path, user), end)));
        }
        match (&item.place.entry, item.role.kind) {
            (Entry::Cluster { name, server, .. }, _) => {
                self.kubeconfig_keys
                    .entry((path, name))
                    .or_default()
                    .insert(certificate.key_sha256);
                if layout::is_node_kubeconfig(path) {
                    self.servers.insert(server);
                }
            }
            (_, CertificateKind::Ca) if item.role.id == "ca" => {
                // One that lies elsewhere has its role from this node's API server.
                let home = layout::kubernetes_dir(path).unwrap_or(Path::new(layout::KUBERNETES));
                let of_cluster = ClusterCa { path, keys: BTreeSet::new(), ends: Vec::new() };
                let ca = self.cluster_keys.entry(home.to_owned()).or_insert(of_cluster);
                ca.keys.insert(certificate.key_sha256);
                ca.ends.push((certificate.key_sha256, certificate.not_after));
            }
            (Entry::User { index: 0, .. }, _)
                if matches!(item.role.id, "admin.conf" | "super-admin.conf") =>
            {
                self.originals.push((item, certificate));
            }
            _ => {}
        }
    }

    /// True for a kubeconfig's copy of a CA that has its own row.
    pub(super) fn is_repeated(&self, item: &Item) -> bool {
        let is_copy = match item.role.kind {
            CertificateKind::ClusterCa => true,
            CertificateKind::LeftOver => matches!(item.place.entry, Entry::Cluster { .. }),
            _ => false,
        };
        is_copy
            && item.certificate().is_some_and(|certificate| self.cas.contains(&certificate.sha256))
    }

    /// The cluster's CA, if the kubeconfig `item` is for this cluster and knows none of its keys.
    ///
    /// Keys are compared, not certificates: a CA signed again with its old key still verifies. A
    /// user's kubeconfig may well be for another cluster, so it counts only if it names a server
    /// that the node's own kubeconfigs name too.
    pub(super) fn betrayed_ca(&self, item: &Item) -> Option<&'a std::sync::Arc<Path>> {
        let Entry::Cluster { name, server, .. } = &item.place.entry else { return None };
        let path = &*item.place.path;
        let home = if layout::is_node_kubeconfig(path) {
            path.parent()?
        } else if self.servers.contains(&**server) {
            Path::new(layout::KUBERNETES)
        } else {
            return None;
        };
        let ca = self.cluster_keys.get(home)?;
        let own = self.kubeconfig_keys.get(&(path, &**name))?;
        own.is_disjoint(&ca.keys).then_some(ca.path)
    }

    /// True for a CA that shares its file with another and has signed nothing that is here.
    pub(super) fn is_retired(&self, path: &Path, ca: &Certificate) -> bool {
        self.cas_in.get(path).is_some_and(|count| *count > 1)
            && !self.signers.is_empty()
            && !self.has_unchecked
            && !self.signers.contains(&ca.sha256)
    }

    /// How many certificates Kubernetes reads of this file.
    pub(super) fn certificates_in(&self, path: &Path) -> usize {
        self.read_of.get(path).map_or(0, HashSet::len)
    }

    /// The certificate that an endpoint should serve, of that file.
    pub(super) fn to_serve(&self, file: &Path) -> Option<&'a Certificate> {
        self.to_serve.get(file).copied()
    }

    /// True for a CA behind a certificate that a component presents.
    pub(super) fn is_chain_of_component(&self, item: &Item) -> bool {
        item.role == &role::CHAIN && self.presented.contains(&*item.place.path)
    }

    /// True for a CA that no chain here reaches, because each ends at an intermediate CA that stands
    /// in the same CA file.
    pub(super) fn is_root_behind(&self, ca: &Certificate) -> bool {
        self.roots_behind.contains(&ca.sha256)
            && !self.signers.is_empty()
            && !self.has_unchecked
            && !self.signers.contains(&ca.sha256)
    }

    /// True for a CA behind a leaf that is valid for longer than it, over another CA.
    pub(super) fn is_beside_the_chain(&self, item: &Item) -> bool {
        let leaf =
            in_chain(item).and_then(|(_, user)| self.leaf_ends.get(&(&*item.place.path, user)));
        item.role == &role::CHAIN && leaf.is_some_and(|end| super::expires(item) < Some(*end))
    }

    /// The cluster's CA, if `copy` is an older certificate of its name and key.
    pub(super) fn signed_again(
        &self,
        item: &Item,
        copy: &Certificate,
    ) -> Option<&'a std::sync::Arc<Path>> {
        if item.role.kind != CertificateKind::ClusterCa {
            return None;
        }
        let home =
            item.place.path.parent().filter(|_| layout::is_node_kubeconfig(&item.place.path));
        let ca = self.cluster_keys.get(home.unwrap_or(Path::new(layout::KUBERNETES)))?;
        let is_newer =
            |(key, end): &(Sha256, UnixTime)| *key == copy.key_sha256 && *end > copy.not_after;
        ca.ends.iter().any(is_newer).then_some(ca.path)
    }

    /// The newer kubeconfig that this user's certificate is an old copy of: the same identity,
    /// signed by the same CA, another certificate that lives longer.
    pub(super) fn newer_original(&self, copy: &Certificate) -> Option<&'a Item> {
        let ca = copy.signer.verified()?;
        let newer = |original: &&(&Item, &Certificate)| {
            let (_, original) = original;
            original.subject == copy.subject
                && original.sha256 != copy.sha256
                && original.not_after > copy.not_after
                && original.signer.verified().is_some_and(|other| other.sha256 == ca.sha256)
        };
        self.originals.iter().find(newer).map(|(item, _)| *item)
    }
}
