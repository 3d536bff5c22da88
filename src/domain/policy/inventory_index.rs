//! What the rest of the node says about an item.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::domain::layout;
use crate::domain::model::{Certificate, Entry, Inventory, Item, Sha256, Signer};
use crate::domain::role::CertificateKind;

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
    /// Users and clusters of each kubeconfig, as far as they have certificates.
    parts: HashMap<&'a Path, HashSet<(bool, &'a str)>>,
    /// The current kubeconfigs that people copy.
    originals: Vec<(&'a Item, &'a Certificate)>,
}

struct ClusterCa<'a> {
    path: &'a std::sync::Arc<Path>,
    keys: BTreeSet<Sha256>,
}

fn ca_with_a_row(item: &Item) -> Option<Sha256> {
    item.certificate()
        .filter(|_| item.role.kind == CertificateKind::Ca)
        .map(|certificate| certificate.sha256)
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
            parts: HashMap::new(),
            originals: Vec::new(),
        };
        for item in inventory.items.iter().chain(&inventory.context) {
            if let Some(certificate) = item.certificate() {
                index.add(item, certificate);
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
        if let Entry::User { name, .. } | Entry::Cluster { name, .. } = &item.place.entry {
            let is_user = matches!(item.place.entry, Entry::User { .. });
            self.parts.entry(path).or_default().insert((is_user, name));
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
                let of_cluster = ClusterCa { path, keys: BTreeSet::new() };
                let ca = self.cluster_keys.entry(home.to_owned()).or_insert(of_cluster);
                ca.keys.insert(certificate.key_sha256);
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

    /// True for a kubeconfig of one user and one cluster: nothing is lost if it is replaced.
    pub(super) fn is_single(&self, path: &Path) -> bool {
        self.parts.get(path).is_some_and(|parts| parts.len() <= 2)
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
