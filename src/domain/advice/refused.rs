//! What Kubernetes refuses, in words, and what to do about it.

use super::command::{Remedy, kubeadm_phase, pasteable, restart, words};
use super::show;
use crate::domain::kubernetes::Feature;
use crate::domain::model::{Defect, Entry, Item, PemFault, PemFaultKind};
use crate::domain::policy::{self, refused_since};
use crate::domain::role::{CertificateKind, RenewedBy};

/// What is wrong in a few words that go on after the name.
pub(super) fn summary(defect: &Defect) -> String {
    match defect {
        Defect::DuplicateExtension(oid) => format!("has the extension {oid} twice"),
        Defect::Malformed(_) => "cannot be parsed by Kubernetes".to_owned(),
        Defect::NegativeSerial => "has a negative serial number".to_owned(),
        Defect::NoNames => "has no subject alternative name".to_owned(),
        Defect::NotForClients => "is not valid for client authentication".to_owned(),
        Defect::NotForServers => "is not valid for server authentication".to_owned(),
        Defect::NotForSigning => "is not a CA".to_owned(),
        Defect::Pem(_) => "is not read by Kubernetes".to_owned(),
        Defect::RsaKey(bits) => format!("has an RSA key of {bits} bits"),
        Defect::UnknownCriticalExtension(oid) => {
            format!("has the unknown critical extension {oid}")
        }
        Defect::WeakSignature(hash) => format!("is signed with {hash}"),
    }
}

/// What is wrong, from when on it is refused, and what stops then.
pub(super) fn message(item: &Item, defect: &Defect) -> String {
    let impact = item.role.impact;
    let what = match defect {
        Defect::DuplicateExtension(oid) => format!("it has the extension {oid} twice"),
        Defect::Malformed(what) => (*what).to_owned(),
        Defect::NegativeSerial => "its serial number is negative".to_owned(),
        Defect::NoNames => {
            "it has no subject alternative name, and its common name does not count".to_owned()
        }
        Defect::NotForClients => "its extended key usage lacks clientAuth".to_owned(),
        Defect::NotForServers => "its extended key usage lacks serverAuth".to_owned(),
        Defect::NotForSigning => {
            "it lacks CA:TRUE or the key usage keyCertSign: what it signs is rejected".to_owned()
        }
        Defect::Pem(fault) => pem(*fault),
        Defect::RsaKey(bits) => format!("its RSA key has {bits} bits, not 1024 to 8192"),
        Defect::UnknownCriticalExtension(oid) => {
            format!("its extension {oid} is critical, and Kubernetes does not know it")
        }
        Defect::WeakSignature(hash) => format!("its signature is made with {hash}"),
    };
    match refused_since(defect).filter(|_| item.chain.is_none()).map(first_version) {
        Some(version) => format!("{what}, which Kubernetes {version} and later reject: {impact}"),
        None => format!("{what}: {impact}"),
    }
}

fn first_version(feature: Feature) -> String {
    feature.since().map_or_else(String::new, |minor| format!("1.{minor}"))
}

fn pem(PemFault { line, kind }: PemFault) -> String {
    let why = match kind {
        PemFaultKind::ByteOrderMark => "the file begins with a byte order mark".to_owned(),
        PemFaultKind::CarriageReturns => "its lines end with CR alone".to_owned(),
        PemFaultKind::Data => {
            format!(
                "the PEM block that ends at line {line} has characters that do not belong there"
            )
        }
        PemFaultKind::Der => "it is DER, not PEM".to_owned(),
        PemFaultKind::End => {
            format!("line {line} is not exactly `-----END CERTIFICATE-----`")
        }
        PemFaultKind::Headers => format!("the PEM block at line {line} has headers"),
        PemFaultKind::Indented => {
            format!("line {line} is indented, or has other text before its dashes")
        }
        PemFaultKind::Label => {
            format!("line {line} is not exactly `-----BEGIN CERTIFICATE-----`")
        }
    };
    format!("Kubernetes does not find this certificate, because {why}")
}

/// What to do about it. A renewal by kubeadm keeps names and usages, and cannot read what Kubernetes does not.
pub(super) fn remedy(item: &Item, defect: &Defect) -> Remedy {
    match defect {
        Defect::Pem(fault) => rewrite(item, *fault),
        Defect::WeakSignature(_) | Defect::RsaKey(_) if may_renew(item) => {
            Remedy::Command(format!("certwatch renew {} --force", item.role.id))
        }
        _ => make_anew(item),
    }
}

fn may_renew(item: &Item) -> bool {
    let is_first = matches!(item.place.entry, Entry::Pem(0) | Entry::User { index: 0, .. });
    item.role.renewer == RenewedBy::Kubeadm && !policy::is_externally_managed(item) && is_first
}

/// The same certificates as PEM that Kubernetes reads.
fn rewrite(item: &Item, fault: PemFault) -> Remedy {
    let path = pasteable(&item.place.path).filter(|_| matches!(item.place.entry, Entry::Pem(_)));
    let Some(path) = path else {
        return words(
            "replace the data by the base64 of the same certificate as PEM, without anything around it",
        );
    };
    Remedy::Command(match fault.kind {
        PemFaultKind::ByteOrderMark => format!(r"sed -i.old '1s/^\xef\xbb\xbf//' {path}"),
        PemFaultKind::CarriageReturns => {
            format!(r"cp -p {path} {path}.old && tr '\r' '\n' < {path}.old > {path}")
        }
        PemFaultKind::Der => {
            format!(
                "cp -p {path} {path}.old && openssl x509 -inform DER -in {path}.old -out {path}"
            )
        }
        PemFaultKind::Indented => format!(r"sed -i.old 's/^[ \t]*//' {path}"),
        PemFaultKind::Data | PemFaultKind::End | PemFaultKind::Headers | PemFaultKind::Label => {
            return words(&format!(
                "rewrite it as plain PEM: `openssl x509 -in {path}` prints what the file must contain, and \
                 `sed -n {}p {path}` shows the line",
                fault.line
            ));
        }
    })
}

/// For two blocks that share a line.
pub(super) fn part_lines(item: &Item) -> Remedy {
    match (pasteable(&item.place.path), &item.place.entry) {
        (Some(path), Entry::Pem(_)) => {
            Remedy::Command(format!(r"sed -i.old 's/----------BEGIN /-----\n-----BEGIN /' {path}"))
        }
        _ => words(
            "in the data, break the line between the END of one block and the BEGIN of the next",
        ),
    }
}

fn make_anew(item: &Item) -> Remedy {
    match (item.role.kind, item.role.renewer) {
        _ if policy::is_externally_managed(item) && item.role.kind != CertificateKind::Ca => {
            words("let the owner of its CA sign a new one that Kubernetes accepts")
        }
        (_, RenewedBy::Kubeadm) => recreate(item, "then"),
        (CertificateKind::Ca | CertificateKind::ClusterCa, _) => words(
            "no command repairs a CA; plan its rotation: \
             https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/",
        ),
        _ if item.chain.is_some() => words("have its issuer make a new one without that"),
        _ => words("have its issuer make a new one that Kubernetes accepts"),
    }
}

/// kubeadm takes over names and usages when it renews, but not when the pair is absent.
fn recreate(item: &Item, then: &str) -> Remedy {
    let path = &item.place.path;
    let files = match item.place.entry {
        Entry::Pem(_) => format!("{} and {}", show(path), show(&path.with_extension("key"))),
        _ => show(path),
    };
    let restart = restart(item.role.owner).map_or_else(String::new, |command| {
        format!(", and restart {}: `{command}`", item.role.owner)
    });
    words(&format!(
        "a renewal does not fix this: move {files} away, {then} run `kubeadm init phase {} --config FILE` (FILE: the \
         cluster's ClusterConfiguration, as in the ConfigMap kubeadm-config){restart}",
        kubeadm_phase(item.role.id)
    ))
}

/// For a name that lacks.
pub(super) fn add_name(item: &Item, host: &str) -> Remedy {
    let list = match item.role.id {
        "etcd-peer" => "etcd.local.peerCertSANs",
        "etcd-server" => "etcd.local.serverCertSANs",
        _ => "apiServer.certSANs",
    };
    match item.role.renewer {
        RenewedBy::Kubeadm if !policy::is_externally_managed(item) => {
            recreate(item, &format!("add {host} to {list} in FILE and"))
        }
        _ => words(&format!("have its issuer make a new one that has {host} too")),
    }
}

/// What follows from a bundle where one CA signs.
pub(super) fn several(count: usize) -> String {
    format!(
        "kube-controller-manager fails at its next start: its --cluster-signing-cert-file must hold one certificate, \
         and this file holds {count}"
    )
}

/// What to do about it.
pub(super) fn separate_signer(item: &Item) -> Remedy {
    let bundle = &item.place.path;
    let signer = bundle.with_file_name("ca-signing.crt");
    words(&format!(
        "copy the one CA that belongs to --cluster-signing-key-file into a file of its own, {}, and set \
         --cluster-signing-cert-file to that file in /etc/kubernetes/manifests/kube-controller-manager.yaml; leave {} as \
         it is for --root-ca-file and --client-ca-file",
        show(&signer),
        show(bundle)
    ))
}
