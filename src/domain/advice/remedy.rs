//! What to do about a finding: a command where there is one that does it, else words.

use std::path::Path;

use super::command::{Remedy, kubeadm_phase, pasteable, restart, words};
use super::{distribution, endpoint, kubelet, refused, show};
use crate::domain::layout;
use crate::domain::model::{Entry, FileFormat, Item, Reason, StaleEvidence};
use crate::domain::policy::{self, Finding, FindingKind};
use crate::domain::reference::KUBELET;
use crate::domain::renewal::other_pod::restart_command;
use crate::domain::role::{self, CertificateKind, RenewedBy, Role};
use crate::domain::text::{escape_control, shell_word};

/// What to do about it.
pub(super) fn remedy(item: &Item, kind: &FindingKind) -> Remedy {
    match kind {
        FindingKind::Chain(fault) => endpoint::remedy(fault),
        FindingKind::Expired(_) | FindingKind::Expires { .. } if item.chain.is_some() => {
            words("have its issuer renew it, and reload the server")
        }
        FindingKind::NotCompared(_) => {
            words("see the row of that file, and whether `scan.exclude` leaves it out")
        }
        FindingKind::ServesOther { is_newer, .. } => endpoint::make_serve(*is_newer),
        FindingKind::Expired(_) | FindingKind::Expires { .. } => end_of_life(item, kind),
        FindingKind::ForeignCa(_) => foreign_ca(item),
        FindingKind::LeftOver(_) => delete_or_exclude(item),
        FindingKind::NameMissing(lacking) => {
            refused::add_name(item, &escape_control(&lacking.host))
        }
        FindingKind::NotYetValid(_) => Remedy::Command("timedatectl".to_owned()),
        FindingKind::OutlivesCa { .. } => plan_ca_rotation(),
        FindingKind::Refused(defect) => refused::remedy(item, defect),
        FindingKind::Retired => {
            words("remove it from the file once no certificate signed by it is in use")
        }
        FindingKind::RotationOverdue(_) => words(
            "restart the kubelet (`systemctl restart kubelet`); if that does not help, see why with \
             `journalctl -u kubelet | grep -i certificate` and `kubectl get csr`",
        ),
        FindingKind::SeveralCertificates(_) => refused::separate_signer(item),
        FindingKind::StaleCa { of, .. } => write_ca(item, of),
        FindingKind::StaleUse { by, .. } if by.component == KUBELET => {
            Remedy::Command("systemctl restart kubelet".to_owned())
        }
        FindingKind::StaleUse { by, .. }
            if matches!(by.evidence, StaleEvidence::Mounted { .. }) =>
        {
            Remedy::Command(restart_command(&by.component))
        }
        FindingKind::StaleUse { .. } => {
            Remedy::Command("certwatch renew --restart-stale".to_owned())
        }
        FindingKind::StaleCopy { of } => replace_copy(item, of),
        FindingKind::SignatureUnchecked { ca, .. } => check_by_hand(item, ca),
        FindingKind::Unusable(reason) => mend(item, reason),
        FindingKind::WrongSigner(ca) => renew_or_mend_ca(item, ca),
    }
}

/// The same, where `all` is what is said of the item: what ends has been renewed already where its file is newer.
pub(crate) fn remedy_among(item: &Item, kind: &FindingKind, all: &[Finding]) -> Remedy {
    let is_end = matches!(kind, FindingKind::Expired(_) | FindingKind::Expires { .. });
    let is_renewed =
        |it: &Finding| matches!(it.kind, FindingKind::ServesOther { is_newer: true, .. });
    if is_end && all.iter().any(is_renewed) {
        return endpoint::make_serve(true);
    }
    remedy(item, kind)
}

fn end_of_life(item: &Item, kind: &FindingKind) -> Remedy {
    let role = item.role;
    let is_ca = item.certificate().is_some_and(|certificate| certificate.is_ca);
    match role.kind {
        _ if role == &role::STRAY => delete_or_exclude(item),
        _ if let Some(remedy) = distribution::exception(item) => remedy,
        _ if policy::ends_with_ca(item) => plan_ca_rotation(),
        CertificateKind::Ca => plan_ca_rotation(),
        CertificateKind::ClusterCa if layout::is_node_kubeconfig(&item.place.path) => {
            plan_ca_rotation()
        }
        CertificateKind::ClusterCa => words("get a new kubeconfig from whoever runs that cluster"),
        CertificateKind::File if is_ca => match role.renewer {
            RenewedBy::Service(name) => {
                words(&format!("{name} does not renew its CA automatically: see its documentation"))
            }
            _ => words("have its issuer renew it, and then renew everything it signed"),
        },
        CertificateKind::KubeletClient if matches!(kind, FindingKind::Expired(_)) => {
            kubelet::recover(item)
        }
        CertificateKind::UserKubeconfig => words(
            "if it is a copy of admin.conf, run `certwatch renew admin.conf`, which refreshes root's copy too; \
             if it is a person's own, have its issuer renew it",
        ),
        _ if policy::is_externally_managed(item) => external_ca(),
        _ if role == &role::KUBELET_CONF => kubelet::rotate_conf(item),
        _ if role.renewer == RenewedBy::Kubeadm => renew(role.id, kind),
        _ if role.command.is_empty() => words(&renew_elsewhere(role)),
        _ => Remedy::Command(role.command.replace("{name}", &shell_word(&item.place.file_name()))),
    }
}

/// The name by which `certwatch renew` removes the finding, if that is the remedy.
pub(super) fn renewed_as(item: &Item, kind: &FindingKind) -> Option<&'static str> {
    let name = item.role.id;
    let may_be = item.role.renewer == RenewedBy::Kubeadm;
    (may_be && remedy(item, kind) == renew(name, kind)).then_some(name)
}

/// certwatch does what kubeadm does and sees to it that it is used. What has expired may have taken
/// the control plane with it.
fn renew(name: &str, kind: &FindingKind) -> Remedy {
    Remedy::Command(match kind {
        FindingKind::Expired(_) => "certwatch renew --rescue".to_owned(),
        _ => format!("certwatch renew {name}"),
    })
}

/// Its component reads a renewed file at its next start at the latest.
fn renew_elsewhere(role: &Role) -> String {
    match restart(role.owner) {
        Some(command) => {
            format!("have its issuer renew it, and restart {}: `{command}`", role.owner)
        }
        None => "have its issuer renew it".to_owned(),
    }
}

/// The setting as a line that can be pasted.
fn delete_or_exclude(item: &Item) -> Remedy {
    let path = item.place.path.to_str().filter(|path| escape_control(path) == *path);
    let is_plain = |path: &&str| !path.contains(['"', '\\', '*', '?', '[']);
    match path.filter(is_plain) {
        Some(path) => words(&format!(
            "delete it if nothing uses it, or leave it out with `exclude = [\"{path}\"]` in the section [scan] of the configuration"
        )),
        None => words("delete it if nothing uses it, or add it to `scan.exclude`"),
    }
}

fn external_ca() -> Remedy {
    words(
        "its CA's key is not on this node: have the owner of the CA sign the requests that \
         `kubeadm certs generate-csr --cert-dir /root/csr --kubeconfig-dir /root/csr` creates",
    )
}

fn plan_ca_rotation() -> Remedy {
    words(
        "no command renews a CA; plan its rotation: \
         https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/",
    )
}

/// One leaf of another CA is the odd one; all of them, and the CA file is.
fn renew_or_mend_ca(item: &Item, ca: &Path) -> Remedy {
    let alone = match item.role.renewer {
        _ if policy::is_externally_managed(item) => external_ca(),
        RenewedBy::Kubeadm => words(&format!("run `{}`", item.role.command)),
        _ if item.role.kind == CertificateKind::KubeletClient => kubelet::recover(item),
        _ => words("have that CA issue a new one"),
    };
    words(&format!(
        "if everything that {0} should have signed is rejected, the CA was replaced, but not the certificates: put both \
         the old and the new CA into a separate bundle, such as {1}, and use that for --client-ca-file, --root-ca-file \
         and the kubeconfigs until every certificate is from the new CA; keep only the signing CA in {0}, because \
         kube-controller-manager fails with two in --cluster-signing-cert-file. If only this certificate is rejected, \
         {alone}",
        show(ca),
        show(&ca.with_file_name("ca-bundle.crt")),
    ))
}

/// A newer openssl may know the algorithm. kubeadm's own come out with one that certwatch checks.
fn check_by_hand(item: &Item, ca: &Path) -> Remedy {
    let by_openssl = match (&item.place.entry, pasteable(&item.place.path), pasteable(ca)) {
        (Entry::Pem(0), Some(path), Some(ca)) => {
            format!("see what `openssl verify -CAfile {ca} {path}` says")
        }
        _ => format!("see whether openssl can check it against {}", show(ca)),
    };
    match item.role.renewer {
        RenewedBy::Kubeadm if !policy::is_externally_managed(item) => words(&format!(
            "{by_openssl}; certwatch renews it only with `certwatch renew {} --force`",
            item.role.id
        )),
        _ => words(&by_openssl),
    }
}

/// kubeadm writes the cluster's CA into the kubeconfigs that it renews.
fn foreign_ca(item: &Item) -> Remedy {
    match layout::locate(&item.place.path).role {
        role if role.renewer == RenewedBy::Kubeadm => Remedy::Command(role.command.to_owned()),
        _ => words("put the cluster's CA, base64-encoded, into its certificate-authority-data"),
    }
}

/// The new certificate of a CA has to be written into the kubeconfig. kubeadm does so in those that it
/// renews.
fn write_ca(item: &Item, ca: &Path) -> Remedy {
    let role = layout::locate(&item.place.path).role;
    match (pasteable(&item.place.path), pasteable(ca)) {
        _ if role.renewer == RenewedBy::Kubeadm => Remedy::Command(role.command.to_owned()),
        (Some(conf), Some(ca)) if role == &role::KUBELET_CONF => Remedy::Command(format!(
            "cp -p {conf} /root/kubelet.conf.old && sed -i \"s#certificate-authority-data: .*\
             #certificate-authority-data: $(base64 -w0 {ca})#\" {conf} && systemctl restart kubelet"
        )),
        _ => {
            words(&format!("put {}, base64-encoded, into its certificate-authority-data", show(ca)))
        }
    }
}

/// Gives the user the new pair and leaves all else as it is: people merge the kubeconfigs of several
/// clusters into one. The copy of before stays beside it.
fn replace_copy(item: &Item, of: &Path) -> Remedy {
    let user = match &item.place.entry {
        Entry::User { name, .. } if name.chars().all(is_plain) => Some(name),
        _ => None,
    };
    match (user, pasteable(&item.place.path), pasteable(of)) {
        (Some(user), Some(copy), Some(of)) => Remedy::Command(format!(
            "cp -p {copy} {copy}.old && awk -v user={user} '\
             NR == FNR {{ if ($1 ~ /^client-(certificate|key)-data:$/) new[$1] = $2; next }} \
             /^[^ -]/ {{ here = 0; users = /^users:/ }} \
             users && /^ *- / {{ here = 0 }} \
             users && $1 == \"-\" && $2 == \"name:\" && $3 == user {{ here = 1 }} \
             here && $1 in new {{ sub(/[^ ]*$/, \"\"); print $0 new[$1]; next }} \
             1' {of} {copy}.old > {copy}"
        )),
        _ => words(&format!(
            "put the client certificate and key of {} into it, or delete it",
            show(of)
        )),
    }
}

/// What neither a shell nor awk takes for anything else.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-:@".contains(c)
}

/// The kubelet replaces its link, and refuses to replace a file (`updateSymlink` in client-go's
/// util/certificate).
fn link_current(item: &Item) -> Remedy {
    let Some(path) = pasteable(&item.place.path) else { return look_at(item) };
    let start = path.strip_suffix("current.pem").unwrap_or(&path);
    Remedy::Command(format!(
        "new={start}$(date +%Y-%m-%d-%H-%M-%S).pem; mv -n {path} $new && ln -s $new {path} && \
         systemctl restart kubelet"
    ))
}

fn mend(item: &Item, reason: &Reason) -> Remedy {
    let is_key = item.place.path.extension().is_some_and(|extension| extension == "key");
    match reason {
        Reason::Changed => words("find out what keeps rewriting it"),
        Reason::NotALink => link_current(item),
        Reason::NotRead { format, is_der }
            if matches!(item.role.kind, CertificateKind::File | CertificateKind::LeftOver) =>
        {
            look_into(item, *format, *is_der)
        }
        Reason::EndpointNotAsked(_) => endpoint::let_connect(),
        Reason::EndpointSilent(_) => endpoint::connect(item),
        Reason::InContainerOnly => words(
            "mount it from the node (`hostPath`), so that it is renewed and watched there; or watch its source",
        ),
        Reason::OutOfTime(_) => words(
            "raise `scan.timeout`, or add to `scan.exclude` what does not respond or is too large",
        ),
        Reason::PermissionDenied => words("run certwatch as root"),
        Reason::TimedOut(_) | Reason::Hangs(_) | Reason::TooManyHang => {
            words("is its file system available? See `findmnt` and `dmesg`")
        }
        Reason::UnknownOwner(_) => words(
            "see who started it (`systemctl status PID`); if it is this node's own, run it as a static pod or as a service",
        ),
        Reason::TooDeep(_) | Reason::TooMany { .. } => {
            words("narrow `scan.paths`, or add to `scan.exclude` what is not a certificate")
        }
        _ if policy::is_externally_managed(item)
            && reason.breaks_its_user()
            && item.role.kind != CertificateKind::Ca =>
        {
            external_ca()
        }
        // kubeadm makes a new key with every renewal.
        Reason::Missing if is_key && !item.role.command.is_empty() => {
            Remedy::Command(item.role.command.to_owned())
        }
        Reason::JoinedPem(_) => refused::part_lines(item),
        Reason::NotAsked { .. } => words(
            "allow certwatch to connect to the addresses of this node, or skip this with `certwatch check --offline`",
        ),
        Reason::NotRunning(_) | Reason::NotAnswering { .. } => see_why(item.role),
        _ if reason.breaks_its_user() => mend_role(item, reason),
        _ => look_at(item),
    }
}

/// Why a component does not run or answer.
fn see_why(role: &Role) -> Remedy {
    Remedy::Command(match role.owner {
        KUBELET => "systemctl status kubelet".to_owned(),
        _ => format!("tail -n 20 /var/log/pods/kube-system_{0}-*/{0}/*.log", role.id),
    })
}

/// How to get back a file that a component needs.
fn mend_role(item: &Item, reason: &Reason) -> Remedy {
    let role = item.role;
    match role.kind {
        _ if role.renewer == RenewedBy::Kubeadm => words(&format!(
            "restore it from a backup; or move away what is left of it, and of its .key if it has one, and run \
             `kubeadm init phase {} --config FILE` (FILE: the cluster's ClusterConfiguration, as in the \
             ConfigMap kubeadm-config)",
            kubeadm_phase(role.id)
        )),
        CertificateKind::Ca => {
            words("copy it from another control-plane node or a backup; never create a new one")
        }
        CertificateKind::KubeletClient => kubelet::recover(item),
        CertificateKind::Leaf | CertificateKind::MinorLeaf if item.named_by.is_some() => {
            words("restore it from a backup, or have its issuer issue it again")
        }
        CertificateKind::Leaf => {
            words("restore it from a backup, or join the node to its cluster again")
        }
        _ if *reason == Reason::Missing => words("restore it, or configure another place"),
        _ => look_at(item),
    }
}

/// The command that shows what is in it; it asks for the password where there is one.
fn look_into(item: &Item, format: FileFormat, is_der: bool) -> Remedy {
    let Some(path) = pasteable(&item.place.path) else { return look_at(item) };
    let der = if is_der { " -inform DER" } else { "" };
    Remedy::Command(match format {
        FileFormat::Crl => format!("openssl crl -in {path}{der} -noout -issuer -nextupdate"),
        FileFormat::Jceks | FileFormat::Jks => format!("keytool -list -keystore {path}"),
        FileFormat::Pkcs12 => format!("openssl pkcs12 -in {path} -nokeys"),
        FileFormat::Pkcs7 => format!("openssl pkcs7 -in {path}{der} -print_certs -noout"),
        FileFormat::Request => format!("openssl req -in {path}{der} -noout -subject"),
        FileFormat::Utf16 => {
            format!("iconv -f UTF-16 -t UTF-8 {path} | openssl x509 -noout -enddate")
        }
        FileFormat::EncryptedKey
        | FileFormat::Parameters
        | FileFormat::Pgp
        | FileFormat::PrivateKey
        | FileFormat::PublicKey
        | FileFormat::SshKey => return look_at(item),
    })
}

fn look_at(item: &Item) -> Remedy {
    match pasteable(&item.place.path) {
        Some(path) => Remedy::Command(format!("ls -lL {path}")),
        None => words("inspect it with `ls -lb`"),
    }
}
