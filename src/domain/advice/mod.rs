//! The words: what will happen, and what to do about it, each in one line for a tired person.

mod catalogue;
mod command;
mod distribution;
mod endpoint;
mod kubelet;
mod meaning;
mod refused;
mod remedy;
mod to_do;

use std::path::Path;

use super::layout;
use super::model::{Item, Reason, ServerName, StaleEvidence, StaleUse};
use super::policy::{self, FindingKind};
use super::role::{CertificateKind, RenewedBy, Role};
use super::text::escape_control;
use super::time::UnixTime;
pub(crate) use catalogue::{CatalogueEntry, catalogue};
pub use command::Remedy;
pub(crate) use remedy::remedy_among;
pub(crate) use to_do::{ToDo, to_do};

/// Those that read their certificates at their start and fail without them.
const COMPONENTS: [&str; 4] = ["controller-manager", "etcd", "kube-apiserver", "scheduler"];

/// What is wrong and what will happen, as of `now`: one line, without the path, safe to print.
pub fn message(item: &Item, kind: &FindingKind, now: UnixTime) -> String {
    let what = what_happens(item, kind, now);
    match &item.named_by {
        // Nobody looks there for it who knows where kubeadm has it.
        Some(by) if is_custom(item) && !what.contains(&**by) => format!("{what} ({by} names it)"),
        _ => what,
    }
}

/// True where only what names a file says what it is for.
fn is_custom(item: &Item) -> bool {
    item.named_by.is_some() && layout::locate(&item.place.path).role.kind == CertificateKind::File
}

fn what_happens(item: &Item, kind: &FindingKind, now: UnixTime) -> String {
    let impact = item.role.impact;
    match kind {
        FindingKind::Chain(fault) => endpoint::message(fault, impact),
        FindingKind::Expired(at) => {
            let expired = ends(item, "expired");
            format!("{expired} {} ago, on {}: {impact}", now - *at, at.date())
        }
        FindingKind::Expires { at, .. } => {
            let expires = ends(item, "expires");
            format!("{expires} in {}, on {}; then {impact}", *at - now, at.date())
        }
        FindingKind::ForeignCa(ca) => {
            let ca = show(ca);
            format!("does not hold the cluster's CA ({ca}): its user cannot trust the API server")
        }
        FindingKind::LeftOver(at) => left_over(item, *at, now),
        FindingKind::NameMissing(endpoint) => name_missing(item, endpoint),
        FindingKind::NotCompared(file) => endpoint::not_compared(file),
        FindingKind::NotYetValid(from) => {
            format!("not valid until {from}, in {}: rejected until then", *from - now)
        }
        FindingKind::OutlivesCa { ca, until } => {
            let (date, ca) = (until.date(), show(ca));
            format!("expires on {date} with its CA {ca}, before its own expiry date")
        }
        FindingKind::Refused(defect) => refused::message(item, defect),
        FindingKind::Retired => {
            "a CA that is about to expire and has signed nothing here: left over from a rotation"
                .to_owned()
        }
        FindingKind::RotationOverdue(due) => {
            let due = due.date();
            format!("the kubelet should have rotated it by {due}: its rotation does not work")
        }
        FindingKind::ServesOther { file, is_newer } => endpoint::other(item, file, *is_newer, now),
        FindingKind::StaleCa { at, of } => stale_ca(*at, of, impact, now),
        FindingKind::SeveralCertificates(count) => refused::several(*count),
        FindingKind::StaleCopy { of, .. } => {
            format!("an older copy of {}, which has been renewed since", show(of))
        }
        FindingKind::StaleUse { by, until } => stale_use(item, by, *until, now),
        FindingKind::SignatureUnchecked { ca, algorithm } => signature_unchecked(algorithm, ca),
        FindingKind::Unusable(reason) => unusable(item, reason),
        FindingKind::WrongSigner(ca) => {
            format!("not signed by {}: rejected by everyone who trusts only that CA", show(ca))
        }
    }
}

fn signature_unchecked(algorithm: &str, ca: &Path) -> String {
    format!(
        "signature not checked ({}): certwatch cannot tell whether {} signed it",
        escape_control(algorithm),
        show(ca)
    )
}

fn stale_ca(at: UnixTime, of: &Path, impact: &str, now: UnixTime) -> String {
    let copy = format!("an older copy of {}, which has been reissued since", show(of));
    if at < now {
        return format!("expired {} ago, {copy}: {impact}", now - at);
    }
    format!("expires in {}, {copy}; then {impact}", at - now)
}

fn left_over(item: &Item, at: UnixTime, now: UnixTime) -> String {
    let impact = match item.role.kind {
        CertificateKind::UserKubeconfig => {
            "an older copy of a kubeconfig that has been renewed since"
        }
        _ => item.role.impact,
    };
    if at < now {
        format!("expired {} ago, on {}: {impact}", now - at, at.date())
    } else {
        format!("expires in {}, on {}, but {impact}", at - now, at.date())
    }
}

/// What it is, in words that go on after a name: `serving certificate of kube-apiserver`.
pub fn title(role: &Role) -> String {
    match role.kind {
        CertificateKind::ClusterCa | CertificateKind::File => role.title.to_owned(),
        _ if role.title.contains(role.owner) => role.title.to_owned(),
        _ if role.title.contains(" of ") || role.title.contains(", ") => {
            format!("{} ({})", role.title, role.owner)
        }
        _ => format!("{} of {}", role.title, role.owner),
    }
}

/// What is wrong in a few words that go on after the name: `expires in 5 d`.
pub fn summary(item: &Item, kind: &FindingKind, now: UnixTime) -> String {
    match kind {
        FindingKind::Chain(fault) => endpoint::summary(fault).to_owned(),
        FindingKind::Expired(at) => format!("expired {} ago", now - *at),
        FindingKind::Expires { at, .. } => format!("expires in {}", *at - now),
        FindingKind::ForeignCa(_) => "does not hold the cluster's CA".to_owned(),
        FindingKind::LeftOver(_) => "is left over: nothing names it".to_owned(),
        FindingKind::NameMissing(endpoint) => {
            format!("does not have the name {}", escape_control(&endpoint.host))
        }
        FindingKind::NotCompared(file) => format!("was not compared with {}", show(file)),
        FindingKind::NotYetValid(from) => format!("is not valid for another {}", *from - now),
        FindingKind::OutlivesCa { until, .. } => format!("expires on {} with its CA", until.date()),
        FindingKind::Refused(defect) => refused::summary(defect),
        FindingKind::Retired => "is left over from a CA rotation".to_owned(),
        FindingKind::RotationOverdue(_) => "was not rotated by the kubelet".to_owned(),
        FindingKind::ServesOther { file, .. } => format!("does not serve {}", show(file)),
        FindingKind::StaleCa { of, .. } => format!("holds an old copy of {}", show(of)),
        FindingKind::SeveralCertificates(count) => {
            format!("holds {count} certificates, and kube-controller-manager signs with one")
        }
        FindingKind::StaleCopy { of, .. } => format!("is an old copy of {}", show(of)),
        FindingKind::StaleUse { by, .. } => format!("is not what {} uses", by.component),
        FindingKind::SignatureUnchecked { algorithm, .. } => {
            format!("has a signature that is not checked ({})", escape_control(algorithm))
        }
        FindingKind::Unusable(Reason::Missing) => "is missing".to_owned(),
        FindingKind::Unusable(Reason::NotALink) => "cannot be rotated by the kubelet".to_owned(),
        FindingKind::Unusable(Reason::NotAnswering { .. }) => "presents no certificate".to_owned(),
        FindingKind::Unusable(Reason::NotRunning(_)) => "is not running".to_owned(),
        FindingKind::Unusable(reason) if reason.breaks_its_user() => {
            format!("is broken: {}", what_is_wrong(reason, item.role))
        }
        FindingKind::Unusable(reason) => {
            format!("could not be judged: {}", what_is_wrong(reason, item.role))
        }
        FindingKind::WrongSigner(_) => "is signed by another CA".to_owned(),
    }
}

fn name_missing(item: &Item, endpoint: &ServerName) -> String {
    let (host, by) = (escape_control(&endpoint.host), escape_control(&endpoint.by));
    let owner = item.role.owner;
    if item.chain.is_some() {
        return format!("it is not valid for {host}: {}", item.role.impact);
    }
    if endpoint.is_dialed {
        format!(
            "it is not valid for {host}, which {by} uses to reach {owner}: the connection is rejected"
        )
    } else {
        format!(
            "it is not valid for {host} ({by}): clients that use {host} to reach {owner} reject it"
        )
    }
}

/// What happens to it without anybody, one sentence; `renewed` is when certwatch renews it, if it does.
pub fn automatic(
    item: &Item,
    expires: Option<UnixTime>,
    renewed: Option<UnixTime>,
    now: UnixTime,
) -> String {
    let nobody = "Nothing renews it automatically.".to_owned();
    if expires.is_none() || item.chain.is_some() {
        // There is nothing to renew, or nobody here knows who does.
        return String::new();
    }
    if policy::ends_with_ca(item) {
        return nobody;
    }
    match item.role.renewer {
        _ if policy::is_externally_managed(item) => {
            "Nothing on this node can renew it: its CA's key is elsewhere.".to_owned()
        }
        RenewedBy::Kubeadm => renewed.map_or(nobody, |at| certwatch_renews(at, now)),
        RenewedBy::Hand => renewed.map_or(nobody, |at| certwatch_renews(at, now)),
        RenewedBy::Kubelet if expires < Some(now) => instead(
            "The kubelet should have renewed it automatically, and no longer can.",
            renewed,
            now,
        ),
        RenewedBy::Kubelet if is_rotation_overdue(item, now) => {
            instead("The kubelet should have renewed it automatically.", renewed, now)
        }
        RenewedBy::Kubelet => "The kubelet renews it automatically.".to_owned(),
        RenewedBy::Restart => format!("Any restart of {} renews it.", item.role.owner),
        RenewedBy::Service(name) => format!("{name} renews it only when {name} starts."),
    }
}

fn instead(text: &str, renewed: Option<UnixTime>, now: UnixTime) -> String {
    let own = renewed.map(|at| certwatch_renews(at, now));
    [text.to_owned()].into_iter().chain(own).collect::<Vec<_>>().join(" ")
}

fn certwatch_renews(at: UnixTime, now: UnixTime) -> String {
    if at <= now {
        return "certwatch renews it automatically, now.".to_owned();
    }
    let minute: String = at.to_string().replace('T', " at ").chars().take(19).collect();
    format!("certwatch renews it automatically on {minute} UTC.")
}

/// The kubelet rotates at 70 to 90 % of the life.
fn is_rotation_overdue(item: &Item, now: UnixTime) -> bool {
    item.certificate().is_some_and(|certificate| {
        now >= certificate.not_before + certificate.lifetime().fraction(9, 10)
    })
}

fn stale_use(item: &Item, by: &StaleUse, until: UnixTime, now: UnixTime) -> String {
    let (component, impact, date) = (&by.component, item.role.impact, until.date());
    let uses = match by.evidence {
        StaleEvidence::Presents { at, .. } => {
            format!("{component} still presents an older certificate at {at}, which")
        }
        StaleEvidence::Mounted { started } => format!(
            "the static pod {component} has an older version of this file mounted, since its start on {}, which",
            started.date()
        ),
        StaleEvidence::Read { started, .. } => format!(
            "{component} still uses what it read from this file at its start on {}, a certificate that",
            started.date()
        ),
    };
    let ends = match by.evidence {
        _ if until < now => format!("expired on {date}: {impact}"),
        StaleEvidence::Mounted { .. } | StaleEvidence::Read { not_after: None, .. } => {
            format!("expires on {date} at the latest; then {impact}")
        }
        StaleEvidence::Presents { .. } | StaleEvidence::Read { .. } => {
            format!("expires in {}, on {date}; then {impact}", until - now)
        }
    };
    format!("{uses} {ends}")
}

/// The verb for its end, with what ends beside or before it.
fn ends(item: &Item, verb: &str) -> String {
    match item.role.kind {
        CertificateKind::Process => format!("its in-memory loopback certificate {verb}"),
        _ if policy::ends_with_ca(item) => format!("{verb} with its CA"),
        _ => verb.to_owned(),
    }
}

fn unusable(item: &Item, reason: &Reason) -> String {
    let role = item.role;
    let what = match (reason, &item.named_by) {
        (Reason::Missing, Some(by)) => format!("it does not exist, but {by} names it"),
        (Reason::InContainerOnly, Some(by)) => {
            format!("named by {by}, and in its container only: certwatch cannot see it")
        }
        _ => what_is_wrong(reason, role),
    };
    if role.kind == CertificateKind::Leaf
        && COMPONENTS.contains(&role.owner)
        && reason.breaks_its_user()
    {
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
            format!("not a kubeconfig: error at line {line}, column {column}")
        }
        Reason::BadKubeconfig(None) => "not a kubeconfig".to_owned(),
        Reason::RefusedKubeconfig(why) => format!("Kubernetes refuses this kubeconfig: {why}"),
        Reason::BadPem(line) => format!("the PEM block at line {line} is cut off or damaged"),
        Reason::JoinedPem(line) => format!(
            "line {line} ends one PEM block and begins another: neither certificate is read"
        ),
        Reason::BrokenLink => "a dangling symbolic link".to_owned(),
        Reason::Changed => "it kept changing while it was read".to_owned(),
        Reason::Empty => "the file is empty".to_owned(),
        Reason::EndpointNotAsked(why) => {
            format!("certwatch cannot ask it: {}", escape_control(why))
        }
        Reason::EndpointSilent(why) => {
            format!("it presents no certificate: {}", escape_control(why))
        }
        Reason::Hangs(since) => format!("it has not responded since {since}"),
        Reason::InContainerOnly => "in a container only: certwatch cannot see it".to_owned(),
        Reason::LinkLoop => "a loop of symbolic links".to_owned(),
        Reason::Missing if role.kind == CertificateKind::File => "it does not exist".to_owned(),
        Reason::Missing => "it does not exist, but the files next to it need it".to_owned(),
        Reason::NoCertificate => "no certificate in the file".to_owned(),
        Reason::NotAFile(kind) => format!("a {kind}, not a file"),
        Reason::NotALink => "a regular file, not the symbolic link that the kubelet expects: \
                             the kubelet cannot rotate its certificate, which will expire"
            .to_owned(),
        Reason::NotRead { format, .. } if format.is_container() => {
            format!("{}: not read, so no certificate in it is judged", format.name())
        }
        Reason::NotRead { format, .. } => format!("{}, not a certificate", format.name()),
        Reason::NotAnswering { .. } | Reason::NotAsked { .. } | Reason::NotRunning(_) => {
            not_in_use(reason, role.impact)
        }
        Reason::PermissionDenied => "permission denied".to_owned(),
        Reason::ReadFailed(why) => format!("cannot be read: {}", escape_control(why)),
        Reason::UnknownOwner(cgroup) => format!(
            "cannot tell whether this process, in the cgroup {}, belongs to this node or to a cluster in containers",
            escape_control(cgroup)
        ),
        _ => limit(reason),
    }
}

/// What the scan had to leave out.
fn limit(reason: &Reason) -> String {
    match reason {
        Reason::OutOfTime(seconds) => {
            format!("not read: the scan reached its limit of {seconds} s first")
        }
        Reason::TimedOut(seconds) => format!("it did not respond within {seconds} s"),
        Reason::TooDeep(limit) => {
            format!("directories nested deeper than {limit} are not searched")
        }
        Reason::TooLarge { size, limit } => {
            format!("too large: {size} bytes, at most {limit} are read")
        }
        Reason::TooMany { what, limit } => {
            format!("more than {limit} {what}: the rest is not judged")
        }
        Reason::TooManyHang => "skipped: too many places do not respond".to_owned(),
        _ => "not judged".to_owned(),
    }
}

/// Of a static pod that does not do its work.
fn not_in_use(reason: &Reason, impact: &str) -> String {
    match reason {
        Reason::NotAnswering { at, why } => {
            format!("it presents no certificate at {at}: {}; {impact}", escape_control(why))
        }
        Reason::NotAsked { at, why } => format!(
            "certwatch cannot connect to {at} to see what is in use: {}",
            escape_control(why)
        ),
        Reason::NotRunning(Some(says)) => format!(
            "it is not running, although its manifest exists: {impact}; its log says: {}",
            escape_control(says)
        ),
        _ => format!("it is not running, although its manifest exists: {impact}"),
    }
}

fn show(path: &Path) -> String {
    escape_control(&path.to_string_lossy()).into_owned()
}
