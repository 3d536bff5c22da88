//! The words: what will happen, and what to do about it, each in one line for a tired person.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout;
use super::model::{Attribute, Item, Reason};
use super::policy::{self, Fact};
use super::role::{Kind, Renewer, Role};
use super::text::{safe, shell_word};
use super::time::UnixTime;

/// Those that read their certificates at their start and fail without them.
const COMPONENTS: [&str; 4] = ["controller-manager", "etcd", "kube-apiserver", "scheduler"];

/// What to do about a finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// A command that can be pasted into a root shell on the node.
    Command(String),
    /// What a person has to do, where no one command does it.
    Words(String),
}

impl Remedy {
    /// The command, where there is one.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Command(command) => Some(command),
            Self::Words(_) => None,
        }
    }
}

/// `run: …` or the words.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "run: {command}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// What is wrong and what will happen, as of `now`: one line, without the path, safe to print.
pub fn message(item: &Item, fact: &Fact, now: UnixTime) -> String {
    let breaks = item.role.breaks;
    match fact {
        Fact::Expired(at) => {
            format!(
                "{} {} ago, on {}: {breaks}",
                ends(item, "expired", "ended"),
                now - *at,
                at.date()
            )
        }
        Fact::Expires { at, .. } => {
            format!(
                "{} in {}, on {}; then {breaks}",
                ends(item, "expires", "ends"),
                *at - now,
                at.date()
            )
        }
        Fact::ForeignCa(ca) => {
            format!(
                "does not hold the cluster's CA ({}): its user cannot trust the API server",
                show(ca)
            )
        }
        Fact::NotYetValid(from) => {
            format!("valid only in {}, from {from} on: refused until then", *from - now)
        }
        Fact::OutlivesCa { ca, until } => {
            format!("stops on {} with its CA {}, before its own date", until.date(), show(ca))
        }
        Fact::Retired => {
            "a CA that ends and has signed nothing here: left over from a rotation".to_owned()
        }
        Fact::RotationOverdue(due) => {
            format!(
                "the kubelet should have rotated it by {}: its rotation does not work",
                due.date()
            )
        }
        Fact::StaleCopy { of, .. } => {
            format!("an older copy of {}, which has been renewed since", show(of))
        }
        Fact::Unusable(reason) => unusable(item, reason),
        Fact::WrongSigner(ca) => {
            format!("not signed by {}: refused by all who trust that CA alone", show(ca))
        }
    }
}

/// What it is, in words that go on after a name: `serving certificate of kube-apiserver`.
pub fn title(role: &Role) -> String {
    match role.kind {
        Kind::ClusterCa | Kind::File => role.title.to_owned(),
        _ if role.title.contains(role.owner) => role.title.to_owned(),
        _ if role.title.contains(" of ") || role.title.contains(", ") => {
            format!("{} ({})", role.title, role.owner)
        }
        _ => format!("{} of {}", role.title, role.owner),
    }
}

/// What is wrong in a few words that go on after the name: `expires in 5 d`.
pub fn brief(item: &Item, fact: &Fact, now: UnixTime) -> String {
    match fact {
        Fact::Expired(at) => format!("expired {} ago", now - *at),
        Fact::Expires { at, .. } => format!("expires in {}", *at - now),
        Fact::ForeignCa(_) => "does not hold the cluster's CA".to_owned(),
        Fact::NotYetValid(from) => format!("is valid only in {}", *from - now),
        Fact::OutlivesCa { until, .. } => format!("stops on {} with its CA", until.date()),
        Fact::Retired => "is left over from a CA rotation".to_owned(),
        Fact::RotationOverdue(_) => "was not rotated by the kubelet".to_owned(),
        Fact::StaleCopy { of, .. } => format!("is an old copy of {}", show(of)),
        Fact::Unusable(Reason::Missing) => "is missing".to_owned(),
        Fact::Unusable(reason) if reason.breaks_its_user() => {
            format!("is broken: {}", what_is_wrong(reason, item.role))
        }
        Fact::Unusable(reason) => {
            format!("could not be judged: {}", what_is_wrong(reason, item.role))
        }
        Fact::WrongSigner(_) => "is signed by another CA".to_owned(),
    }
}

/// What happens to it without anybody, one sentence.
pub fn by_itself(item: &Item, expires: Option<UnixTime>, now: UnixTime) -> String {
    let nobody = "Nothing renews it by itself.".to_owned();
    if expires.is_none() {
        // There is nothing to renew.
        return String::new();
    }
    if policy::ends_with_ca(item) {
        return nobody;
    }
    match item.role.renewer {
        _ if policy::is_externally_managed(item) => {
            "Nothing on this node can renew it: its CA's key is elsewhere.".to_owned()
        }
        Renewer::Hand | Renewer::Kubeadm => nobody,
        Renewer::Kubelet if expires < Some(now) => {
            "The kubelet should have renewed it by itself, and can no longer.".to_owned()
        }
        Renewer::Kubelet if is_rotation_overdue(item, now) => {
            "The kubelet should have renewed it by itself.".to_owned()
        }
        Renewer::Kubelet => "The kubelet renews it by itself.".to_owned(),
        Renewer::Restart => format!("Any restart of {} renews it.", item.role.owner),
        Renewer::Service(name) => format!("{name} renews it only when {name} starts."),
    }
}

/// The kubelet rotates at 70 to 90 % of the life.
fn is_rotation_overdue(item: &Item, now: UnixTime) -> bool {
    item.certificate().is_some_and(|certificate| {
        let life = certificate.not_after - certificate.not_before;
        now >= certificate.not_before + life.fraction(9, 10)
    })
}

/// What to do about it.
pub fn remedy(item: &Item, fact: &Fact) -> Remedy {
    match fact {
        Fact::Expired(_) | Fact::Expires { .. } => end_of_life(item, fact),
        Fact::ForeignCa(_) => foreign_ca(item),
        Fact::NotYetValid(_) => Remedy::Command("timedatectl".to_owned()),
        Fact::OutlivesCa { .. } => plan_ca_rotation(),
        Fact::Retired => {
            words("take it out of the file once nobody has a certificate of it any more")
        }
        Fact::RotationOverdue(_) => words(
            "if a restart of the kubelet does not help, see why with \
             `journalctl -u kubelet | grep -i certificate` and `kubectl get csr`",
        ),
        Fact::StaleCopy { of, is_single } => replace_copy(item, of, *is_single),
        Fact::Unusable(reason) => mend(item, reason),
        Fact::WrongSigner(ca) => renew_or_mend_ca(item, ca),
    }
}

/// The verb for its end: its own, or its CA's.
fn ends(item: &Item, own: &str, with_ca: &str) -> String {
    match item.role.kind {
        Kind::Process => format!("its in-memory loopback certificate {own}"),
        _ if policy::ends_with_ca(item) => format!("{with_ca} with its CA"),
        _ => own.to_owned(),
    }
}

fn end_of_life(item: &Item, fact: &Fact) -> Remedy {
    let role = item.role;
    let is_ca = item.certificate().is_some_and(|certificate| certificate.is_ca);
    match role.kind {
        _ if policy::ends_with_ca(item) => plan_ca_rotation(),
        Kind::Ca => plan_ca_rotation(),
        Kind::ClusterCa if layout::is_node_kubeconfig(&item.place.path) => plan_ca_rotation(),
        Kind::ClusterCa => words("get a new kubeconfig from whoever runs that cluster"),
        Kind::File if is_ca => match role.renewer {
            Renewer::Service(name) => {
                words(&format!("{name} does not renew its CA by itself: see its documentation"))
            }
            _ => words("have it renewed by whoever issued it, and then all it signed"),
        },
        Kind::KubeletClient if matches!(fact, Fact::Expired(_)) => recover_kubelet(item),
        Kind::UserKubeconfig => words(
            "if it is a copy of admin.conf, run `kubeadm certs renew admin.conf` and copy it again; \
             if it is a person's own, have it renewed by whoever issued it",
        ),
        _ if policy::is_externally_managed(item) => external_ca(),
        _ if role == &super::role::KUBELET_CONF => rotate_kubelet_conf(),
        _ if role.command.is_empty() => words("have it renewed by whoever issued it"),
        _ => Remedy::Command(role.command.replace("{name}", &shell_word(&item.place.file_name()))),
    }
}

fn external_ca() -> Remedy {
    words(
        "its CA's key is not on this node: let the owner of the CA sign what \
         `kubeadm certs generate-csr --cert-dir /root/csr --kubeconfig-dir /root/csr` makes",
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
        Renewer::Kubeadm => words(&format!("run `{}`", item.role.command)),
        _ if item.role.kind == Kind::KubeletClient => recover_kubelet(item),
        _ => words("have it made anew by that CA"),
    };
    words(&format!(
        "if all that {0} should have signed is refused, a CA rotation stopped half-way: {0} must hold the \
         old and the new CA until all have moved; if it is only this one, {alone}",
        show(ca)
    ))
}

/// kubeadm writes the cluster's CA into the kubeconfigs that it renews.
fn foreign_ca(item: &Item) -> Remedy {
    match layout::locate(&item.place.path).role {
        role if role.renewer == Renewer::Kubeadm => Remedy::Command(role.command.to_owned()),
        _ => words("put the cluster's CA into its certificate-authority-data"),
    }
}

/// Only what holds nothing else is replaced as a whole, and not without a copy of it.
fn replace_copy(item: &Item, of: &Path, is_single: bool) -> Remedy {
    match (pasteable(&item.place.path), pasteable(of)) {
        (Some(copy), Some(of)) if is_single => {
            Remedy::Command(format!("cp -p {copy} {copy}.old && cp {of} {copy}"))
        }
        _ => words(&format!(
            "put the client certificate and key of {} into it, or delete it",
            show(of)
        )),
    }
}

/// A kubelet.conf made by kubeadm before 1.17 holds the certificate itself and ignores rotation
/// (kubernetes/kubeadm#1753).
fn rotate_kubelet_conf() -> Remedy {
    words(
        "if /var/lib/kubelet/pki/kubelet-client-current.pem is newer, use that: `sed -i.old -E \
         's#client-(certificate|key)-data: .*#client-\\1: /var/lib/kubelet/pki/kubelet-client-current.pem#' \
         /etc/kubernetes/kubelet.conf && systemctl restart kubelet`",
    )
}

/// kubernetes.io, "Troubleshooting kubeadm": kubelet client certificate rotation fails. The node's
/// name is that of its certificate, not of the host, and the server that of its kubelet.conf.
fn recover_kubelet(item: &Item) -> Remedy {
    let certificate = item.certificate();
    let name = certificate.map(|certificate| certificate.subject.value(&Attribute::Cn));
    let node =
        name.as_deref().and_then(|name| name.strip_prefix("system:node:")).and_then(pasteable_text);
    let can_sign =
        certificate.and_then(|certificate| certificate.signer.ca()).is_some_and(|ca| ca.has_key);
    match node {
        Some(node) if can_sign => Remedy::Command(format!(
            "rm -rf /root/kubelet-new; kubeadm init phase kubeconfig kubelet --node-name {node} --control-plane-endpoint \
             \"$(sed -n 's#.*server: https://##p' /etc/kubernetes/kubelet.conf)\" --kubeconfig-dir /root/kubelet-new && \
             cp -p /etc/kubernetes/kubelet.conf /root/kubelet.conf.old && \
             cp /root/kubelet-new/kubelet.conf /etc/kubernetes/ && systemctl restart kubelet"
        )),
        _ => words(
            "on a control-plane node, `kubeadm kubeconfig user --org system:nodes --client-name system:node:NAME` \
             prints a new kubelet.conf for it; put it here as /etc/kubernetes/kubelet.conf and restart the kubelet",
        ),
    }
}

fn unusable(item: &Item, reason: &Reason) -> String {
    let role = item.role;
    let what = what_is_wrong(reason, role);
    if role.kind == Kind::Leaf && COMPONENTS.contains(&role.owner) && reason.breaks_its_user() {
        return format!("{what}: at its next start {} fails", role.owner);
    }
    what
}

fn what_is_wrong(reason: &Reason, role: &Role) -> String {
    match reason {
        Reason::BadBase64 => "its base64 data is damaged".to_owned(),
        Reason::BadCertificate(index) => {
            format!("certificate {} in the file is damaged", index + 1)
        }
        Reason::BadKubeconfig(Some((line, column))) => {
            format!("no kubeconfig: wrong at line {line}, column {column}")
        }
        Reason::BadKubeconfig(None) => "no kubeconfig".to_owned(),
        Reason::BadPem(line) => format!("the PEM block at line {line} is cut off or damaged"),
        Reason::BrokenLink => "a symbolic link to nothing".to_owned(),
        Reason::Changed => "it changed each time while it was read".to_owned(),
        Reason::Empty => "the file is empty".to_owned(),
        Reason::LinkLoop => "symbolic links that lead back to themselves".to_owned(),
        Reason::Missing if role.kind == Kind::File => "nothing is there".to_owned(),
        Reason::Missing => "it is not there, but the files beside it need it".to_owned(),
        Reason::NoCertificate => "no certificate in the file".to_owned(),
        Reason::NotAFile(kind) => format!("a {kind}, not a file"),
        Reason::OutOfTime(seconds) => {
            format!("the {seconds} s of the scan were up before its turn came")
        }
        Reason::PermissionDenied => "no permission to read it".to_owned(),
        Reason::ReadFailed(why) => format!("cannot be read: {}", safe(why)),
        Reason::TimedOut(seconds) => format!("it did not answer within {seconds} s"),
        Reason::TooDeep(limit) => {
            format!("directories nested deeper than {limit} are not searched")
        }
        Reason::TooLarge { size, limit } => {
            format!("{size} bytes are too many: at most {limit} are read")
        }
        Reason::TooMany { what, limit } => {
            format!("more than {limit} {what}: the rest is not judged")
        }
    }
}

fn mend(item: &Item, reason: &Reason) -> Remedy {
    let is_key = item.place.path.extension().is_some_and(|extension| extension == "key");
    match reason {
        Reason::Changed => words("something rewrites it all the time: find out what"),
        Reason::OutOfTime(_) => {
            words("raise `timeout` in the configuration, or leave out what hangs or is too much")
        }
        Reason::PermissionDenied => words("run certwatch as root"),
        Reason::TimedOut(_) => words("is its file system alive? Look with `findmnt` and `dmesg`"),
        Reason::TooDeep(_) | Reason::TooMany { .. } => {
            words("narrow `paths` in the configuration, or exclude what is no certificate")
        }
        _ if policy::is_externally_managed(item)
            && reason.breaks_its_user()
            && item.role.kind != Kind::Ca =>
        {
            external_ca()
        }
        // kubeadm makes a new key with every renewal.
        Reason::Missing if is_key && !item.role.command.is_empty() => {
            Remedy::Command(item.role.command.to_owned())
        }
        _ if reason.breaks_its_user() => mend_role(item, reason),
        _ => look_at(item),
    }
}

/// How to get back a file that a component needs.
fn mend_role(item: &Item, reason: &Reason) -> Remedy {
    let role = item.role;
    match role.kind {
        _ if role.renewer == Renewer::Kubeadm => words(&format!(
            "restore it from a backup; or move away what is left of it, its .key too, and run \
             `kubeadm init phase {} --config FILE` (FILE: the cluster's ClusterConfiguration, as in the \
             ConfigMap kubeadm-config)",
            kubeadm_phase(role.id)
        )),
        Kind::Ca => {
            words("copy it from another control-plane node or a backup; never make a new one")
        }
        Kind::KubeletClient => recover_kubelet(item),
        Kind::Leaf => words("restore it from a backup, or join the node to its cluster again"),
        _ if *reason == Reason::Missing => words("restore it, or name another place"),
        _ => look_at(item),
    }
}

fn look_at(item: &Item) -> Remedy {
    match pasteable(&item.place.path) {
        Some(path) => Remedy::Command(format!("ls -lL {path}")),
        None => words("look at it with `ls -lb`"),
    }
}

/// The phase of `kubeadm init` that makes the file anew if it is absent.
fn kubeadm_phase(name: &str) -> String {
    match name.strip_suffix(".conf") {
        Some(conf) => format!("kubeconfig {conf}"),
        None => format!("certs {name}"),
    }
}

fn words(text: &str) -> Remedy {
    Remedy::Words(text.to_owned())
}

fn show(path: &Path) -> String {
    safe(&path.to_string_lossy()).into_owned()
}

/// The path as a word of a command; `None` for one that would not be the same after pasting.
fn pasteable(path: &Path) -> Option<String> {
    pasteable_text(path.to_str()?)
}

fn pasteable_text(text: &str) -> Option<String> {
    (safe(text) == text).then(|| shell_word(text).into_owned())
}
