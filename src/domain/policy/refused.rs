//! What Kubernetes itself refuses. Only what its components read is judged so: others may be read by
//! whoever is less strict.

use std::path::Path;

use crate::domain::hostname;
use crate::domain::kubernetes::Feature;
use crate::domain::layout;
use crate::domain::model::{Certificate, Components, Defect, Entry, Item, PemFault, PemFaultKind};
use crate::domain::role::CertificateKind;

use super::inventory_index::InventoryIndex;
use super::{Finding, FindingKind, Severity};

/// Those that are presented by a server.
const SERVING: [&str; 6] =
    ["apiserver", "endpoint", "etcd-peer", "etcd-server", "kubelet-server", "kubelet-serving"];

/// CAs that only servers are checked with.
const SERVERS_ONLY: [&str; 2] = ["cluster-ca", "external-etcd-ca"];

/// What a component does with a certificate.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Use {
    /// Checks others with it.
    Anchor,
    /// Sends it behind its own.
    Chain,
    /// Presents it as a client.
    Client,
    /// Presents it as a peer of etcd: server and client.
    Peer,
    /// Presents it as a server.
    Server,
}

/// Everything that the components which read `item` refuse in it.
pub(super) fn refused(
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
    node: &Components,
) -> Vec<Finding> {
    let Some(used) = use_of(item, index, node) else { return Vec::new() };
    let defects = certificate.defects.iter().filter(|it| counts(it, used, item, certificate));
    let mut found: Vec<Finding> = defects
        .map(|defect| Finding {
            severity: severity(defect, item, certificate, index, node),
            kind: FindingKind::Refused(defect.clone()),
        })
        .collect();
    found.extend(several(item, index, node));
    if matches!(used, Use::Peer | Use::Server) && !certificate.defects.contains(&Defect::NoNames) {
        found.extend(names(item, certificate, node));
    }
    found
}

fn use_of(item: &Item, index: &InventoryIndex<'_>, node: &Components) -> Option<Use> {
    let path = &item.place.path;
    match item.role.kind {
        _ if is_signing(path, node) => Some(Use::Anchor),
        CertificateKind::Ca => Some(Use::Anchor),
        CertificateKind::ClusterCa => layout::is_node_kubeconfig(path).then_some(Use::Anchor),
        CertificateKind::Leaf | CertificateKind::KubeletClient | CertificateKind::MinorLeaf => {
            Some(match (is_first(&item.place.entry), item.role.id) {
                (false, _) => Use::Chain,
                (true, "etcd-peer") => Use::Peer,
                (true, id) if SERVING.contains(&id) => Use::Server,
                (true, _) => Use::Client,
            })
        }
        CertificateKind::File => index.is_chain_of_component(item).then_some(Use::Chain),
        CertificateKind::LeftOver | CertificateKind::Process | CertificateKind::UserKubeconfig => {
            None
        }
    }
}

fn is_first(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Endpoint(_) | Entry::Pem(0) | Entry::User { index: 0, .. } | Entry::Whole
    )
}

fn is_signing(path: &Path, node: &Components) -> bool {
    node.signing_files.iter().any(|file| file == path)
}

/// True if it matters in this use.
fn counts(defect: &Defect, used: Use, item: &Item, certificate: &Certificate) -> bool {
    match defect {
        Defect::DuplicateExtension(_)
        | Defect::Malformed(_)
        | Defect::NegativeSerial
        | Defect::UnknownCriticalExtension(_) => true,
        Defect::NoNames => matches!(used, Use::Peer | Use::Server),
        Defect::NotForClients => match used {
            Use::Anchor => !SERVERS_ONLY.contains(&item.role.id),
            Use::Client | Use::Peer => true,
            Use::Chain | Use::Server => false,
        },
        Defect::NotForServers => match used {
            Use::Anchor => item.role.id != "front-proxy-ca",
            Use::Peer | Use::Server => true,
            Use::Chain | Use::Client => false,
        },
        Defect::NotForSigning => used == Use::Anchor,
        // A key pair may have headers, a bundle of CAs loses what has some.
        Defect::Pem(PemFault { kind: PemFaultKind::Headers, .. }) => used == Use::Anchor,
        Defect::Pem(_) => true,
        // TLS bounds what is presented, not what it is checked with.
        Defect::RsaKey(bits) => *bits < 1024 || used != Use::Anchor,
        // The signature of what is trusted by itself is not looked at.
        Defect::WeakSignature(_) => {
            used != Use::Anchor && certificate.subject != certificate.issuer
        }
    }
}

/// Critical, unless this version of Kubernetes still accepts it, or nobody needs it.
fn severity(
    defect: &Defect,
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
    node: &Components,
) -> Severity {
    // Whoever connects to an endpoint is not of this cluster's version.
    let is_later = item.chain.is_none()
        && refused_since(defect)
            .is_some_and(|feature| node.version.is_some_and(|version| !version.has(feature)));
    // One that is not parsed or not found takes all others of its file with it, or is lost itself.
    let is_left_over = matches!(
        defect,
        Defect::NotForClients
            | Defect::NotForServers
            | Defect::NotForSigning
            | Defect::RsaKey(_)
            | Defect::UnknownCriticalExtension(_)
    ) && index.is_retired(&item.place.path, certificate);
    if is_later || is_left_over { Severity::Warning } else { Severity::Critical }
}

/// What the first version has that refuses it; none where every known one does.
pub(crate) fn refused_since(defect: &Defect) -> Option<Feature> {
    match defect {
        Defect::NegativeSerial => Some(Feature::RefusesNegativeSerials),
        Defect::RsaKey(..1024) => Some(Feature::RefusesShortKeys),
        Defect::RsaKey(_) => Some(Feature::RefusesLongKeys),
        Defect::WeakSignature("SHA-1") => Some(Feature::RefusesSha1),
        _ => None,
    }
}

/// kube-controller-manager signs with exactly one (`setCA` in its
/// pkg/controller/certificates/signer/ca_provider.go), where it has the key.
fn several(item: &Item, index: &InventoryIndex<'_>, node: &Components) -> Option<Finding> {
    let path = &item.place.path;
    let count = index.certificates_in(path);
    let is_first = item.place.entry == Entry::Pem(0);
    let signs = is_signing(path, node);
    (count > 1 && is_first && signs).then_some(Finding {
        severity: Severity::Critical,
        kind: FindingKind::SeveralCertificates(count),
    })
}

/// The names that lack, those that are dialed apart from those that may be.
fn names(item: &Item, certificate: &Certificate, node: &Components) -> Vec<Finding> {
    let lacking = |is_dialed: bool| {
        let mut server_names = node
            .server_names
            .iter()
            .filter(move |it| it.is_dialed == is_dialed && *it.certificate == *item.place.path);
        server_names.find(|it| !hostname::covers(&certificate.sans, &it.host))
    };
    let finding = |is_dialed: bool| {
        let endpoint = lacking(is_dialed)?;
        let severity = if is_dialed { Severity::Critical } else { Severity::Warning };
        Some(Finding { severity, kind: FindingKind::NameMissing(Box::new(endpoint.clone())) })
    };
    [true, false].into_iter().filter_map(finding).collect()
}
