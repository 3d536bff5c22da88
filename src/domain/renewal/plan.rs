//! What would be renewed, what would be restarted for it, and why; what would not, and why not.

use std::path::PathBuf;

use serde::Serialize;

use crate::domain::kubernetes::Version;
use crate::domain::model::{Reason, Sha256};
use crate::domain::time::{Span, UnixTime};

use super::kubelet_renewal::KubeletRenewal;
use super::{Component, blocker::Blocker, hook::Hook, leftover::Leftover, other_pod::OtherPod};

/// What a person, or the daemon, asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RenewRequest {
    /// Which certificates.
    pub selection: Selection,
    /// Go on in spite of what can be overridden.
    pub force: bool,
    /// Bring a node back whose certificates have expired, the kubelet's included.
    pub rescue: bool,
}

/// Which certificates are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Selection {
    /// All that kubeadm can renew, due or not.
    All,
    /// Those that are due.
    Due,
    /// These, by kubeadm's NAME, due or not.
    Named(Vec<String>),
    /// None: only what does not use its files is restarted.
    Stale,
    /// None of kubeadm's: only those of the kubelet's own that are due.
    Kubelet,
}

/// Which components are restarted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartPolicy {
    /// All four.
    All,
    /// Those that would not use what is renewed otherwise.
    #[default]
    Needed,
    /// None: a person does it.
    None,
}

/// The settings that a plan goes by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RenewalPolicy {
    /// A certificate is due when it has less than this left.
    pub before: Span,
    /// One that lives shorter than this in all is due in the last third of its life.
    pub short_lived: Span,
    /// What is restarted.
    pub restart: RestartPolicy,
    /// What does not use its files is restarted, too, if it should have read them again by itself; and for the daemon it
    /// is reason enough.
    pub restart_stale: bool,
    /// The kubelet's own certificates are renewed, too; one that it never rotates, with less than this left.
    pub kubelet: Option<Span>,
}

impl RenewalPolicy {
    /// How long before its end a certificate that lives so long is due.
    pub(super) fn lead(&self, lifetime: Span) -> Span {
        if lifetime < self.short_lived {
            self.before.min(lifetime.fraction(1, 3))
        } else {
            self.before
        }
    }
}

/// What is known of the node beside its certificates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NodeFacts {
    /// The static pods whose manifests are there.
    pub components: Vec<ComponentFacts>,
    /// etcd runs elsewhere: kubeadm then renews nothing of etcd's, nor the API server's client
    /// certificate for it.
    pub has_external_etcd: bool,
    /// kubeadm's cluster configuration has its own lifetime for leaves
    /// (`certificateValidityPeriod`, Kubernetes 1.31); a year otherwise.
    pub leaf_lifetime: Option<Span>,
    /// Kubeconfigs, by kubeadm's NAME, whose user names files instead of embedding its certificate.
    pub not_embedded: Vec<&'static str>,
    /// Certificates, by kubeadm's NAME, whose keys are not those beside them.
    pub mismatched: Vec<&'static str>,
    /// What stands in the way.
    pub blockers: Vec<Blocker>,
    /// Static pods that are no components and use certificates that kubeadm renews.
    pub other_pods: Vec<OtherPod>,
    /// Commands that are to be run after a renewal.
    pub hooks: Vec<Hook>,
    /// Those that will not be run as they are, and why: whole sentences.
    pub hooks_refused: Vec<String>,
    /// Copies of admin.conf that a renewal of it would make stale, or that are stale already.
    pub copies: Vec<PathBuf>,
    /// Whether the API server reaches this node's kubelet, and if not, why, as a clause; `None` if nobody has asked.
    pub reaches_kubelet: Option<Result<(), String>>,
    /// What people should know of the versions here, and of what kubeadm is given: whole sentences.
    pub notes: Vec<String>,
    /// Configured copies that are left alone, and why: whole sentences.
    pub copies_left: Vec<String>,
    /// The kubelet's client certificate, in the last second of its validity.
    pub kubelet_not_after: Option<UnixTime>,
    /// The kubelet does not renew its certificate by itself: its kubelet.conf has one in it, or names one
    /// that is not there.
    pub kubelet_is_stranded: bool,
}

/// What is known of one static pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ComponentFacts {
    /// Which.
    pub component: Component,
    /// Version of Kubernetes in its manifest (of etcd's: none).
    pub version: Option<Version>,
    /// When its process started, if one runs.
    pub started: Option<UnixTime>,
    /// The certificate that it serves, if it answered.
    pub served: Option<Sha256>,
    /// Evidence that it does not use what lies on disk now, as a sentence: it serves another
    /// certificate, or started before its kubeconfig was written.
    pub stale: Option<String>,
    /// Of kube-apiserver: the end of the certificate in its memory.
    pub loopback_not_after: Option<UnixTime>,
    /// Its manifest is readable and writable, so that it can be moved should a signal not do.
    pub is_ours_to_signal: bool,
    /// How long the kubelet would hold it back if it ended now.
    pub back_off: Span,
}

/// A plan.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// What an earlier run has left: it is brought to its end first, and then the plan is made anew.
    pub leftovers: Vec<Leftover>,
    /// What is renewed, in kubeadm's order.
    pub renew: Vec<Renewal>,
    /// What is not, and why.
    pub skip: Vec<Skip>,
    /// What is restarted, in this order.
    pub restart: Vec<(Component, RestartReason)>,
    /// How long each of those is away.
    pub outages: Vec<Outage>,
    /// What is not, and why.
    pub skip_restart: Vec<(Component, SkipRestartReason)>,
    /// Static pods that are no components and use what is renewed, or do not use what is there now.
    pub other_pods: Vec<OtherPod>,
    /// Copies of admin.conf that are refreshed.
    pub copies: Vec<PathBuf>,
    /// Commands that are run afterwards.
    pub hooks: Vec<Hook>,
    /// The API server has to reach this node's kubelet afterwards, as it does now: what it does that with is replaced.
    pub reaches_kubelet: bool,
    /// The kubelet gets a new client certificate from kubeadm, and a kubelet.conf with it.
    pub kubelet: bool,
    /// The kubelet never rotates what it gets: that stays in its kubelet.conf.
    pub kubelet_never_rotates: bool,
    /// One of the kubelet's own certificates is renewed, and nothing else.
    pub kubelet_renewal: Option<KubeletRenewal>,
    /// What stands in the way and is not overridden: with any, nothing is done.
    pub blockers: Vec<Blocker>,
    /// What stands in the way and is overridden.
    pub overridden: Vec<Blocker>,
    /// Something that is due, or was asked for by name, cannot be renewed: a person has to.
    pub incomplete: bool,
    /// What a person should know before it begins, whole sentences.
    pub warnings: Vec<String>,
}

/// A certificate that is renewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Renewal {
    /// kubeadm's NAME.
    pub name: &'static str,
    /// The file of its certificate.
    pub path: PathBuf,
    /// When it ends now (it or its CA, whichever is first); `None` if it cannot be read.
    pub ends: Option<UnixTime>,
    /// How long it was to live in all, if that is known.
    pub lifetime: Option<Span>,
    /// Why.
    pub why: RenewReason,
}

/// Why a certificate is renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RenewReason {
    /// Its key is not the one beside it, so nobody can use it.
    KeyMismatch,
    /// It is over.
    Expired,
    /// It ends before the time set for it.
    Due,
    /// It was asked for.
    Asked,
}

/// A certificate that is not renewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skip {
    /// kubeadm's NAME, or the word that was asked for.
    pub name: String,
    /// When it ends, if that is known.
    pub ends: Option<UnixTime>,
    /// Why not.
    pub why: SkipReason,
}

/// Why a certificate is not renewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SkipReason {
    /// A CA: a person plans that, months ahead.
    Ca,
    /// Its CA ends too soon for a new one to gain anything; at this time.
    CaTooShort(UnixTime),
    /// The CA's certificate has expired.
    CaExpired(UnixTime),
    /// The CA's key is not on this node.
    ExternalCa,
    /// etcd runs elsewhere.
    ExternalEtcd,
    /// The file is not there, and not every node has it.
    Absent,
    /// The kubelet's certificate or kubeconfig is in a place of its own, and would be looked for in vain.
    KubeletElsewhere,
    /// The kubelet is told not to rotate it; when it is given another one.
    RotationOff(UnixTime),
    /// The file should be there and is not: kubeadm cannot renew what it cannot read.
    Missing,
    /// The kubeconfig names files, and kubeadm renews embedded certificates only.
    NotEmbedded,
    /// Not kubeadm's: who renews it.
    NotKubeadms(&'static str),
    /// It ends later than the time set.
    NotDue,
    /// What kubeadm would sign ends at this time, sooner than what is there.
    Shorter(UnixTime),
    /// No such name.
    Unknown,
    /// It cannot be read, so nobody knows what it was for.
    Unreadable(Reason),
    /// Something else signed it than the CA on this node: a new one would be refused by those who
    /// trust the other.
    OtherCa,
    /// Whether the CA on this node signed it cannot be checked; the algorithm.
    SignatureUnchecked(Box<str>),
}

/// Why a component is restarted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RestartReason {
    /// `renew.restart = "all"`.
    Always,
    /// It reads its kubeconfig only when it starts.
    HoldsKubeconfig,
    /// The certificate in its memory ends before the next renewal, at this time.
    Loopback(UnixTime),
    /// Its version does not read renewed files by itself.
    OldVersion,
    /// It does not use what lies on disk already now; the evidence.
    Stale(String),
}

/// How long a restart takes, on a single control plane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outage {
    /// Of which component.
    pub component: Component,
    /// How long nobody serves, or leads, in its version.
    pub usual: Span,
    /// How long the kubelet holds it back, because it has started it again lately.
    pub held_back: Span,
}

/// Why a component is not restarted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkipRestartReason {
    /// Nothing that it uses is renewed.
    NotConcerned,
    /// It reads renewed files by itself, which is proved by what it serves.
    Reloads,
    /// `renew.restart = "none"`; a person has to.
    Forbidden,
}
