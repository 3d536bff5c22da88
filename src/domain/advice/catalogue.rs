//! One example of each finding, in the words that a node would have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::command::Remedy;
use super::meaning::meaning;
use super::{message, remedy};
use crate::domain::layout;
use crate::domain::model::{
    Attribute, Ca, Certificate, ChainFault, ClientAuth, Content, Defect, Entry, FileFormat, Item,
    Name, PemFault, PemFaultKind, Place, Reason, ServerName, Sha256, Signer, StaleEvidence,
    StaleUse,
};
use crate::domain::policy::FindingKind;
use crate::domain::role::{self, Role};
use crate::domain::time::{Span, UnixTime};

/// 2026-11-23T02:00:00Z: when the examples were seen.
const NOW: UnixTime = UnixTime::new(1_795_399_200);

/// What there is to know of a finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CatalogueEntry {
    /// Its stable name.
    pub code: &'static str,
    /// What it means: sentences.
    pub meaning: &'static str,
    /// A file that has it.
    pub path: String,
    /// What certwatch says of that file.
    pub example: String,
    /// What to do in this example.
    pub remedy: Remedy,
}

/// Every finding, by its code.
pub(crate) fn catalogue() -> Vec<CatalogueEntry> {
    let samples = [of_time(), of_others(), of_endpoints(), refused(), unreadable()];
    let mut entries: Vec<_> = samples.into_iter().flatten().map(entry).collect();
    entries.sort_by_key(|entry| entry.code);
    entries
}

type Sample = (Item, FindingKind);

fn entry((item, kind): Sample) -> CatalogueEntry {
    CatalogueEntry {
        code: kind.code(),
        meaning: meaning(&kind),
        path: item.place.path.display().to_string(),
        example: message(&item, &kind, NOW),
        remedy: remedy::remedy(&item, &kind),
    }
}

fn of_time() -> Vec<Sample> {
    let old = Item { role: &role::custom::LEFT_OVER, ..item("/etc/kubernetes/pki/old.crt") };
    let threshold = Span::days(14);
    vec![
        (item(APISERVER), FindingKind::Expired(days(-3))),
        (item(APISERVER), FindingKind::Expires { at: days(12), threshold }),
        (old, FindingKind::LeftOver(days(-30))),
        (item("/etc/kubernetes/pki/etcd/server.crt"), FindingKind::NotYetValid(days(1))),
        (item(SCHEDULER), FindingKind::OutlivesCa { ca: path(CA), until: days(200) }),
        (item(CA), FindingKind::Retired),
        (item(KUBELET), FindingKind::RotationOverdue(days(-20))),
    ]
}

fn of_others() -> Vec<Sample> {
    let evidence = StaleEvidence::Read { started: days(-340), not_after: Some(days(25)) };
    let by = Box::new(StaleUse { component: "kube-scheduler".into(), evidence });
    let name = ServerName {
        certificate: PathBuf::from(APISERVER),
        host: "k8s.example.com".to_owned(),
        by: "/etc/kubernetes/admin.conf".to_owned(),
        is_dialed: true,
    };
    let algorithm = "ML-DSA-65".into();
    vec![
        (item(KUBECTL), FindingKind::ForeignCa(path(CA))),
        (item(APISERVER), FindingKind::NameMissing(Box::new(name))),
        (item(APISERVER), FindingKind::SignatureUnchecked { ca: path(CA), algorithm }),
        (item(CA), FindingKind::SeveralCertificates(2)),
        (
            Item { role: &role::CLUSTER_CA, ..item(KUBECTL) },
            FindingKind::StaleCa { at: days(40), of: path(CA) },
        ),
        (item(KUBECTL), FindingKind::StaleCopy { of: path("/etc/kubernetes/admin.conf") }),
        (item(SCHEDULER), FindingKind::StaleUse { by, until: days(25) }),
        (item(APISERVER), FindingKind::WrongSigner(path(CA))),
    ]
}

fn of_endpoints() -> Vec<Sample> {
    let place = Place::new(Path::new("www.example.com:443"), Entry::Endpoint(None));
    let content = Content::Certificate(Box::new(certificate()));
    let item = Item::new(place, &role::ENDPOINT, content);
    [
        FindingKind::Chain(ChainFault::NameConstraints),
        FindingKind::Chain(ChainFault::NoIssuer("CN = Example Issuing CA".into())),
        FindingKind::Chain(ChainFault::NotJudged("a CA in it demands policies")),
        FindingKind::Chain(ChainFault::RejectedCa {
            ca: "CN = Example Issuing CA".into(),
            defect: Defect::NotForSigning,
        }),
        FindingKind::Chain(ChainFault::SelfSigned),
        FindingKind::Chain(ChainFault::UnknownCa("CN = Example Root CA".into())),
        FindingKind::NotCompared(path("/etc/nginx/www.pem")),
        FindingKind::ServesOther { file: path("/etc/nginx/www.pem"), is_newer: false },
    ]
    .map(|kind| (item.clone(), kind))
    .into()
}

fn refused() -> Vec<Sample> {
    let pem = PemFault { line: 1, kind: PemFaultKind::ByteOrderMark };
    [
        (APISERVER, Defect::DuplicateExtension("2.5.29.17".into())),
        (APISERVER, Defect::Malformed("one of its extensions is damaged")),
        (APISERVER, Defect::NegativeSerial),
        (APISERVER, Defect::NoNames),
        ("/etc/kubernetes/pki/front-proxy-client.crt", Defect::NotForClients),
        (CA, Defect::NotForSigning),
        (APISERVER, Defect::Pem(pem)),
        (APISERVER, Defect::RsaKey(512)),
        (APISERVER, Defect::UnknownCriticalExtension("1.3.6.1.4.1.99999.1".into())),
        (APISERVER, Defect::WeakSignature("SHA-1")),
    ]
    .map(|(path, defect)| (item(path), FindingKind::Refused(defect)))
    .into()
}

fn unreadable() -> Vec<Sample> {
    let at = SocketAddr::from(([127, 0, 0, 1], 10259));
    let no_answer = "Connection refused (os error 111)";
    let log = "unable to load client CA file: open /etc/kubernetes/pki/ca.crt: permission denied";
    [
        (KUBECTL, Reason::BadBase64),
        (APISERVER, Reason::BadCertificate(0)),
        (SCHEDULER, Reason::BadKubeconfig(Some((7, 3)))),
        (SCHEDULER, Reason::RefusedKubeconfig("users has the name \"admin\" twice".into())),
        (APISERVER, Reason::BadPem(1)),
        (APISERVER, Reason::BrokenLink),
        (OTHER, Reason::Changed),
        (APISERVER, Reason::Empty),
        ("/certs/webhook.crt", Reason::InContainerOnly),
        (APISERVER, Reason::LinkLoop),
        (APISERVER, Reason::Missing),
        (OTHER, Reason::NoCertificate),
        (APISERVER, Reason::NotAFile("directory")),
        (KUBELET, Reason::NotALink),
        (OTHER, Reason::NotRead { format: FileFormat::Pkcs12, is_der: true }),
        (OTHER, Reason::NotRead { format: FileFormat::Pkcs7, is_der: false }),
        (POD, Reason::NotAnswering { at, why: no_answer.into() }),
        (POD, Reason::NotAsked { at, why: "Operation not permitted (os error 1)".into() }),
        (POD, Reason::NotRunning(Some(log.into()))),
        (OTHER, Reason::OutOfTime(60)),
        (APISERVER, Reason::PermissionDenied),
        (OTHER, Reason::ReadFailed("Input/output error (os error 5)".into())),
        (OTHER, Reason::TimedOut(5)),
        ("/srv/tls", Reason::TooDeep(16)),
        (OTHER, Reason::TooLarge { size: 5_242_880, limit: 1_048_576 }),
        ("/srv/tls", Reason::TooMany { what: "files", limit: 10_000 }),
        ("kube-apiserver", Reason::UnknownOwner("/system.slice/docker-4f1c.scope".into())),
    ]
    .map(|(path, reason)| unusable(path, reason))
    .into()
}

fn unusable(path: &str, reason: Reason) -> Sample {
    let place = Place::new(Path::new(path), Entry::Whole);
    let named = || Some(Arc::from("kube-apiserver --tls-cert-file"));
    let named_by = matches!(reason, Reason::InContainerOnly).then(named).flatten();
    let content = Content::Problem(reason.clone());
    let item = Item { named_by, ..Item::new(place, role(path), content) };
    (item, FindingKind::Unusable(reason))
}

const APISERVER: &str = "/etc/kubernetes/pki/apiserver.crt";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const KUBECTL: &str = "/root/.kube/config";
const KUBELET: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const OTHER: &str = "/srv/tls/site.pem";
const POD: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";
const SCHEDULER: &str = "/etc/kubernetes/scheduler.conf";

fn days(days: i64) -> UnixTime {
    NOW + Span::days(days)
}

fn path(path: &str) -> Arc<Path> {
    Arc::from(Path::new(path))
}

fn role(path: &str) -> &'static Role {
    if path == POD { role::component("kube-scheduler") } else { None }
        .unwrap_or_else(|| layout::locate(Path::new(path)).role)
}

/// A certificate of a cluster whose CA is here, with its key.
fn item(path: &str) -> Item {
    let entry = match path {
        KUBECTL | SCHEDULER => Entry::User { name: "kubernetes-admin".into(), index: 0 },
        _ => Entry::Pem(0),
    };
    let place = Place::new(Path::new(path), entry);
    Item::new(place, role(path), Content::Certificate(Box::new(certificate())))
}

fn certificate() -> Certificate {
    let ca = Ca { path: path(CA), sha256: Sha256([1; 32]), not_after: days(3_000), has_key: true };
    Certificate {
        subject: Name([(Attribute::Cn, "system:node:cp1".into())].into()),
        issuer: Name([(Attribute::Cn, "kubernetes".into())].into()),
        serial: [1].into(),
        sans: [].into(),
        not_before: days(-353),
        not_after: days(12),
        sha256: Sha256([2; 32]),
        key_sha256: Sha256([2; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::Verified(Arc::new(ca)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_there_once() {
        let codes: Vec<_> = catalogue().iter().map(|entry| entry.code).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        assert!(Reason::CODES.iter().all(|code| codes.contains(code)), "{codes:?}");
    }
}
