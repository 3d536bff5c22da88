//! The words: what will happen, and what to do about it, each in one line for a tired person.

use super::layout;
use super::model::{Item, Reason};
use super::policy::{self, Fact};
use super::role::{Kind, Renewer};
use super::text::{safe, shell_word};
use super::time::UnixTime;

/// Those that read their certificates at their start and fail without them.
const COMPONENTS: [&str; 4] = ["controller-manager", "etcd", "kube-apiserver", "scheduler"];

/// What to do about a finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// A command that can be pasted into a root shell on the node.
    Command(String),
    /// No command does it: what a person has to do.
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

/// `Run: …` or the words.
impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        Fact::Expired(at) => format!("expired {} ago, on {}: {breaks}", now - *at, at.date()),
        Fact::Expires { at, .. } if item.role.kind == Kind::Process => {
            format!(
                "its in-memory loopback certificate expires in {}, on {}; then {breaks}",
                *at - now,
                at.date()
            )
        }
        Fact::Expires { at, .. } => {
            format!("expires in {}, on {}; then {breaks}", *at - now, at.date())
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
        Fact::RotationOverdue(due) => {
            format!(
                "the kubelet should have rotated it by {}: its rotation does not work",
                due.date()
            )
        }
        Fact::StaleCopy(original) => {
            format!("an older copy of {}, which has been renewed since", show(original))
        }
        Fact::Unusable(reason) => unusable(item, reason),
        Fact::WrongSigner(ca) => {
            format!(
                "not signed by {}: refused by all who trust that CA, as after a half-done CA rotation",
                show(ca)
            )
        }
    }
}

/// What to do about it.
pub fn remedy(item: &Item, fact: &Fact) -> Remedy {
    match fact {
        Fact::ForeignCa(_) if item.role.kind == Kind::ClusterCa => renew_kubeconfig(item),
        Fact::NotYetValid(_) => Remedy::Command("timedatectl".to_owned()),
        Fact::OutlivesCa { .. } => plan_ca_rotation(),
        Fact::RotationOverdue(_) => Remedy::Command(
            "journalctl -u kubelet | grep -i certificate; kubectl get csr".to_owned(),
        ),
        Fact::Unusable(reason) => mend(item, reason),
        Fact::Expired(_) if item.role.kind == Kind::KubeletClient => recover_kubelet(),
        Fact::Expired(_)
        | Fact::Expires { .. }
        | Fact::ForeignCa(_)
        | Fact::StaleCopy(_)
        | Fact::WrongSigner(_) => renew(item),
    }
}

fn renew(item: &Item) -> Remedy {
    if policy::is_externally_managed(item) && item.role.kind != Kind::Ca {
        return Remedy::Words(
            "its CA's key is not on this node: let the owner of the CA sign what `kubeadm certs generate-csr` makes"
                .to_owned(),
        );
    }
    match item.role.kind {
        Kind::Ca | Kind::ClusterCa => plan_ca_rotation(),
        _ if item.role.command.is_empty() => {
            Remedy::Words("have it renewed by whoever issued it".to_owned())
        }
        _ => Remedy::Command(
            item.role.command.replace("{path}", &shell_word(&show(&item.place.path))),
        ),
    }
}

/// kubeadm writes the cluster's CA into the kubeconfigs that it renews.
fn renew_kubeconfig(item: &Item) -> Remedy {
    match layout::locate(&item.place.path).role {
        role if role.renewer == Renewer::Kubeadm => Remedy::Command(role.command.to_owned()),
        role if role.kind == Kind::UserKubeconfig => {
            Remedy::Command(role.command.replace("{path}", &shell_word(&show(&item.place.path))))
        }
        _ => Remedy::Words("put the cluster's CA into its certificate-authority-data".to_owned()),
    }
}

fn plan_ca_rotation() -> Remedy {
    Remedy::Words(
        "no command renews a CA; plan its rotation: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"
            .to_owned(),
    )
}

/// kubernetes.io, "Troubleshooting kubeadm", kubelet client certificate rotation fails. kubeadm
/// keeps a kubelet.conf that is there, however old, so it has to make way first.
fn recover_kubelet() -> Remedy {
    Remedy::Command(
        "mv /etc/kubernetes/kubelet.conf /root/ && kubeadm init phase kubeconfig kubelet && systemctl restart kubelet"
            .to_owned(),
    )
}

fn unusable(item: &Item, reason: &Reason) -> String {
    let what = match reason {
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
        Reason::Missing if item.role.kind == Kind::File => "it is not there".to_owned(),
        Reason::Missing => "it is not there, but the files beside it need it".to_owned(),
        Reason::NoCertificate => "no certificate in the file".to_owned(),
        Reason::NotAFile(kind) => format!("a {kind}, not a file"),
        Reason::PermissionDenied => "no permission to read it".to_owned(),
        Reason::ReadFailed(why) => format!("cannot be read: {}", safe(why)),
        Reason::TooDeep(limit) => {
            format!("directories nested deeper than {limit} are not searched")
        }
        Reason::TooLarge { size, limit } => {
            format!("{size} bytes are too many: at most {limit} are read")
        }
        Reason::TooMany { what, limit } => {
            format!("more than {limit} {what}: the rest is not judged")
        }
    };
    let role = item.role;
    if role.kind == Kind::Leaf && COMPONENTS.contains(&role.owner) && reason.breaks_its_user() {
        return format!("{what}: at its next start {} fails", role.owner);
    }
    what
}

fn mend(item: &Item, reason: &Reason) -> Remedy {
    let path = shell_word(&show(&item.place.path)).into_owned();
    let words = |text: &str| Remedy::Words(text.to_owned());
    match reason {
        Reason::PermissionDenied => words("run certwatch as root"),
        Reason::Changed => words("something rewrites it all the time: find out what"),
        Reason::TooMany { .. } | Reason::TooDeep(_) => {
            words("narrow [scan] paths, or exclude what is no certificate")
        }
        Reason::Missing
        | Reason::BrokenLink
        | Reason::Empty
        | Reason::NoCertificate
        | Reason::BadCertificate(_)
        | Reason::BadPem(_)
        | Reason::BadBase64
        | Reason::BadKubeconfig(_)
            if item.role.renewer == Renewer::Kubeadm =>
        {
            Remedy::Words(format!(
                "restore it from a backup, or make it anew: `mv {path} /root/; kubeadm init phase {} --config FILE`",
                kubeadm_phase(item.role.id)
            ))
        }
        Reason::Missing if item.role.kind == Kind::Ca => {
            words("copy it from another control-plane node or a backup; never make a new one")
        }
        Reason::Missing | Reason::BrokenLink if item.role.kind == Kind::KubeletClient => {
            recover_kubelet()
        }
        Reason::Missing | Reason::BrokenLink => {
            words("restore it, or take it out of the configuration")
        }
        Reason::ReadFailed(_) => Remedy::Command(format!("ls -l {path}; dmesg | tail")),
        _ => Remedy::Command(format!("file {path}")),
    }
}

/// The phase of `kubeadm init` that makes the file anew if it is absent.
fn kubeadm_phase(name: &str) -> String {
    match name.strip_suffix(".conf") {
        Some(conf) => format!("kubeconfig {conf}"),
        None => format!("certs {name}"),
    }
}

fn show(path: &std::path::Path) -> String {
    safe(&path.to_string_lossy()).into_owned()
}
