//! Plans and outcomes in words, so that tables, mails and the log say the same.

use std::borrow::Cow;

use crate::domain::model::Reason;
use crate::domain::text::{LISTED, escape_control, listed, strip_control};
use crate::domain::time::Span;

use super::kubelet_renewal;
use super::plan::{Plan, RenewReason, RestartReason, SkipReason, SkipRestartReason};
use super::{Component, Fault, Journal, Outcome, Step, Task};

impl RenewReason {
    /// Why, after the certificate's name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::KeyMismatch => "its key does not match",
            Self::Expired => "has expired",
            Self::Due => "is due",
            Self::Asked => "requested",
        }
    }

    /// A stable name for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyMismatch => "key_mismatch",
            Self::Expired => "expired",
            Self::Due => "due",
            Self::Asked => "requested",
        }
    }
}

impl SkipReason {
    /// Why not, as a sentence about the certificate, without its full stop.
    pub fn words(&self) -> String {
        match self {
            Self::Ca => "a CA: no command renews it; plan its rotation".to_owned(),
            Self::CaTooShort(end) => {
                format!(
                    "its CA expires on {}, and a new certificate would expire with it",
                    end.date()
                )
            }
            Self::CaExpired(end) => format!("its CA has expired on {}", end.date()),
            Self::ExternalCa => {
                "its CA's key is not on this node: the owner of the CA has to sign it".to_owned()
            }
            Self::ExternalEtcd => "etcd is external: renew it there".to_owned(),
            Self::Absent => "not present, or excluded by scan.exclude".to_owned(),
            Self::Missing => "missing: kubeadm cannot renew what it cannot read".to_owned(),
            Self::NotEmbedded => {
                "refers to files: kubeadm renews only embedded certificates".to_owned()
            }
            Self::NotKubeadms(who) => format!("not managed by kubeadm: {who}"),
            Self::NotDue => "not due yet".to_owned(),
            Self::KubeletElsewhere => kubelet_renewal::ELSEWHERE.to_owned(),
            Self::RotationOff(at) => kubelet_renewal::rotation_off(*at),
            Self::Shorter(end) => {
                format!("a new one would expire no later, on {}", end.date())
            }
            Self::Unknown => "no such name".to_owned(),
            Self::Unreadable(reason) => format!("cannot be read ({})", code(reason)),
            Self::OtherCa => "signed by a CA other than the one on this node: a new one might be \
                 rejected; --force renews it anyway"
                .to_owned(),
            Self::SignatureUnchecked(algorithm) => format!(
                "its signature cannot be checked ({}), so it may be from a CA other than the one on this node: \
                 see `openssl verify`; --force renews it anyway",
                escape_control(algorithm)
            ),
        }
    }

    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::CaTooShort(_) => "ca_too_short",
            Self::CaExpired(_) => "ca_expired",
            Self::ExternalCa => "external_ca",
            Self::ExternalEtcd => "external_etcd",
            Self::Absent => "absent",
            Self::Missing => "missing",
            Self::NotEmbedded => "not_embedded",
            Self::NotKubeadms(_) => "not_managed_by_kubeadm",
            Self::NotDue => "not_due",
            Self::RotationOff(_) => "rotation_off",
            Self::KubeletElsewhere => "kubelet_elsewhere",
            Self::Shorter(_) => "would_shorten",
            Self::Unknown => "unknown",
            Self::Unreadable(_) => "unreadable",
            Self::OtherCa => "other_ca",
            Self::SignatureUnchecked(_) => "signature_unchecked",
        }
    }
}

impl RestartReason {
    /// Why, after the component's name.
    pub fn words(&self) -> String {
        match self {
            Self::Always => "uses a renewed certificate (renew.restart = \"all\")".to_owned(),
            Self::HoldsKubeconfig => "reads its kubeconfig only at its start".to_owned(),
            Self::Loopback(end) => {
                format!("holds a certificate in its memory that expires on {}", end.date())
            }
            Self::OldVersion => "does not reload renewed files in its version".to_owned(),
            Self::Stale(evidence) => {
                format!("does not use what is on disk now: {}", escape_control(evidence))
            }
        }
    }
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::HoldsKubeconfig => "holds_kubeconfig",
            Self::Loopback(_) => "loopback",
            Self::OldVersion => "old_version",
            Self::Stale(_) => "stale",
        }
    }
}

impl SkipRestartReason {
    /// Why not, after the component's name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotConcerned => "uses nothing that is renewed",
            Self::Reloads => "reloads renewed files; proved by what it serves",
            Self::Forbidden => "has to be restarted manually (renew.restart)",
        }
    }

    /// A stable name for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotConcerned => "unaffected",
            Self::Reloads => "reloads",
            Self::Forbidden => "forbidden",
        }
    }
}

impl Plan {
    /// The outage that the restart of a component takes, in words.
    pub fn outage(&self, component: Component) -> String {
        let Some(outage) = self.outages.iter().find(|it| it.component == component) else {
            return "unknown".to_owned();
        };
        let (usual, held_back) = (outage.usual.as_seconds(), self.held_back(component));
        let about = format!("about {}", Span::seconds(usual + held_back.as_seconds()));
        match component {
            Component::Etcd if self.restarts_together() => "that of kube-apiserver".to_owned(),
            Component::Etcd | Component::Apiserver => about,
            Component::ControllerManager | Component::Scheduler => {
                format!("none; {about} without a leader")
            }
        }
    }

    /// As [`Journal::together_with`] has it.
    pub(crate) fn restarts_together(&self) -> bool {
        let restarts = |component| self.restart.iter().any(|(it, _)| *it == component);
        restarts(Component::Etcd) && restarts(Component::Apiserver)
    }

    /// The API server needs the etcd that is restarted with it.
    fn held_back(&self, component: Component) -> Span {
        let counts = |it: Component| {
            it == component || component == Component::Apiserver && it == Component::Etcd
        };
        let counted = self.outages.iter().filter(|it| counts(it.component));
        counted.map(|it| it.held_back).max().unwrap_or(Span::seconds(0))
    }
}

impl Step {
    /// What is done in it, after "while": `installing the new files`.
    pub fn doing(self, journal: &Journal) -> String {
        let restores = matches!(journal.task, Task::Restore(_));
        let words = match self {
            Self::BackUp => "backing up",
            Self::Stage if restores => "copying the backup to the stage",
            Self::Stage if journal.task == Task::Repair => {
                "copying the matching halves to the stage"
            }
            Self::Stage => "renewing a copy with kubeadm",
            Self::Inspect => "checking the staged files",
            Self::Install => "installing the new files",
            Self::Kubelet => "renewing the kubelet's certificate",
            Self::Activate(index) => {
                return format!("making {} use the new files", journal.live_name(index));
            }
            Self::Verify if journal.other_pods.is_empty() => {
                "proving that everything uses the new files"
            }
            Self::Verify => "proving that the components use the new files",
            Self::KubeletRotation => "turning the kubelet's rotation on again",
            Self::KubeletClient => "having the kubelet rotate its client certificate",
            Self::KubeletServing => "having the kubelet make its serving certificate anew",
            Self::KubeletServingBack => "giving the kubelet its old serving certificate back",
            Self::RestartPod(index) => {
                return format!("restarting the static pod {}", journal.pod_name(index));
            }
            Self::Copies => "refreshing the copies of admin.conf",
            Self::Hook(index) => return format!("running the hook {}", journal.hook_name(index)),
            Self::RollBack => "rolling back the files",
            Self::ActivateOld(index) => {
                return format!("making {} use the old files again", journal.live_name(index));
            }
            Self::VerifyOld => "proving that everything uses the old files",
            Self::CleanUp(_) => "cleaning up",
            // What was refused ended before it began.
            Self::End(_) => "planning it",
        };
        words.to_owned()
    }
}

impl Journal {
    /// True if there is a backup of what was replaced, or would have been.
    pub(crate) fn has_backup(&self) -> bool {
        !self.changes.is_empty() && self.outcome() != Some(Outcome::Unchanged)
    }

    /// The name of the static pod at `index` of [`live`](Self::live).
    pub(crate) fn live_name(&self, index: usize) -> &'static str {
        self.live.get(index).map_or("a component", |live| live.component.name())
    }
}

impl Journal {
    /// The name of the static pod at `index` of [`other_pods`](Self::other_pods).
    fn pod_name(&self, index: usize) -> Cow<'_, str> {
        self.other_pods.get(index).map_or("".into(), |pod| escape_control(&pod.name))
    }

    /// The name of the hook at `index` of [`hooks`](Self::hooks).
    fn hook_name(&self, index: usize) -> Cow<'_, str> {
        self.hooks.get(index).map_or("".into(), |run| escape_control(&run.hook.name))
    }

    /// What is not as it should be though the renewal itself is done; a clause.
    pub(crate) fn shortfall(&self) -> Option<String> {
        let certain = self.pods_left().filter(|pod| pod.is_certain() || pod.restart);
        let pods: Vec<_> = certain.map(|pod| escape_control(&pod.name)).collect();
        let hooks: Vec<_> = self.failed_hooks().map(|it| escape_control(&it.hook.name)).collect();
        let have = if pods.len() == 1 { "has" } else { "have" };
        let hook = if hooks.len() == 1 { "hook" } else { "hooks" };
        let pods = (!pods.is_empty()).then(|| format!("{} {have} to be restarted", listed(&pods)));
        let hooks = (!hooks.is_empty()).then(|| format!("the {hook} {} failed", listed(&hooks)));
        let all: Vec<String> = pods.into_iter().chain(hooks).collect();
        (!all.is_empty()).then(|| all.join(", and "))
    }
}

/// How it ended in one line, for a subject: neither node nor severity is in it, nor a full stop.
pub(crate) fn outcome_headline(journal: &Journal) -> String {
    let (what, be, done) = subject(journal);
    let failed = format!("{what} could not be {done}");
    match journal.outcome() {
        None => format!("{what} {be} being {done}"),
        Some(Outcome::Renewed) if journal.task == Task::Repair => match journal.names.len() {
            1 => format!("repaired {what}: its key did not match its certificate"),
            _ => format!("repaired {what}: their keys did not match their certificates"),
        },
        Some(Outcome::Renewed) => match journal.shortfall() {
            None => format!("{what} {be} {done}"),
            Some(shortfall) => format!("{what} {be} {done}, but {shortfall}"),
        },
        Some(Outcome::Unchanged) if journal.fault.is_none() => format!("nothing had to be {done}"),
        Some(Outcome::Unchanged) => format!("{failed}, nothing was changed"),
        Some(Outcome::RolledBack) => format!("{failed}, everything is as it was before"),
        Some(Outcome::PartiallyApplied) => {
            format!("{what} {be} {done}, but not everything uses that yet")
        }
        Some(Outcome::NeedsOperator) if journal.rollback_error.is_none() => {
            format!("{failed}: look at this node now")
        }
        Some(Outcome::NeedsOperator) => {
            format!("{failed}, and the rollback failed as well: look at this node now")
        }
    }
}

/// What follows the headline: whole sentences for people, the most important first, each safe to print.
pub(crate) fn outcome_text(journal: &Journal) -> Vec<String> {
    let mut text = Vec::new();
    if journal.outcome() == Some(Outcome::Renewed) && journal.names.len() > LISTED {
        text.push(format!("All of them: {}.", names(journal).join(", ")));
    }
    text.extend(journal.fault.iter().map(|fault| failure("It failed", fault, journal)));
    text.extend(
        journal.rollback_error.iter().map(|it| failure("The rollback failed", it, journal)),
    );
    text.extend(journal.notes.iter().map(|note| sentence(note)));
    text.extend(journal.pods_left().map(|pod| sentence(&pod.to_do())));
    match journal.resumed {
        0 => {}
        1 => text.push("It was interrupted and resumed once.".to_owned()),
        count => text.push(format!("It was interrupted and resumed {count} times.")),
    }
    text.extend(to_do(journal));
    text
}

/// What a person has to do, or can.
fn to_do(journal: &Journal) -> Option<String> {
    let id = escape_control(&journal.id);
    Some(match journal.outcome()? {
        // What was there before is of no use to anybody.
        Outcome::Renewed if !journal.has_backup() || journal.task == Task::Repair => return None,
        Outcome::Renewed => format!("To go back: `certwatch restore {id}`."),
        Outcome::Unchanged | Outcome::RolledBack if journal.fault.is_some() => {
            "Fix the cause and try again; `certwatch renew --dry-run` shows the blockers."
                .to_owned()
        }
        Outcome::Unchanged | Outcome::RolledBack => return None,
        Outcome::NeedsOperator if journal.kubelet_renewal.is_some() => {
            "See why with `systemctl status kubelet` and `journalctl -u kubelet`.".to_owned()
        }
        Outcome::PartiallyApplied if journal.task == Task::Rescue => {
            "What is installed is sound and stays. If the cluster has other control planes, rescue those as \
             well, and then run this here again: etcd is unavailable until most of its members are back."
                .to_owned()
        }
        Outcome::PartiallyApplied if journal.task == Task::Repair => "The keys match their certificates again. \
                          `certwatch renew --dry-run` shows what does not use them yet: restart that."
            .to_owned(),
        Outcome::PartiallyApplied => "What is installed is sound and stays, because the previous certificates \
                                      have expired or are about to. `certwatch renew --dry-run` shows what \
                                      does not use it yet: restart that."
            .to_owned(),
        Outcome::NeedsOperator if !journal.has_backup() => {
            "No file was changed; `certwatch renew --dry-run` shows what is wrong."
                .to_owned()
        }
        Outcome::NeedsOperator if journal.rollback_error.is_none() => {
            "Every key matches its certificate, but not all of them are new: `certwatch renew --rescue` \
             renews those that have expired."
                .to_owned()
        }
        Outcome::NeedsOperator => format!(
            "What was there before is in the backup {id}: `certwatch restore {id}` tries again to restore it."
        ),
    })
}

fn failure(begin: &str, (step, fault): &(Step, Fault), journal: &Journal) -> String {
    let what = &fault.what;
    sentence(&match step {
        Step::End(_) => format!("It was not started: {what}"),
        _ => format!("{begin} while {}: {what}", step.doing(journal)),
    })
}

/// What is worked on, whether that is one or several, and what is done with it.
fn subject(journal: &Journal) -> (String, &'static str, &'static str) {
    let pods: Vec<_> = journal.live.iter().map(|live| live.component.name().into()).collect();
    let others = journal.other_pods.iter().filter(|it| it.restart);
    let others: Vec<_> = others.map(|it| escape_control(&it.name)).collect();
    let names = names(journal);
    match &journal.task {
        Task::Restore(backup) => {
            (format!("the backup {}", escape_control(backup)), "is", "restored")
        }
        Task::Repair => (listed(&names), be(names.len()), "repaired"),
        _ if !names.is_empty() => (listed(&names), be(names.len()), "renewed"),
        _ if let Some(renewal) = journal.kubelet_renewal => {
            (format!("the kubelet's {}", renewal.way.certificate()), "is", "renewed")
        }
        _ if journal.kubelet => ("the kubelet's certificate".to_owned(), "is", "renewed"),
        _ if !pods.is_empty() => (listed(&pods), be(pods.len()), "restarted"),
        _ if !others.is_empty() => (listed(&others), be(others.len()), "restarted"),
        _ => ("the copies of admin.conf".to_owned(), "are", "refreshed"),
    }
}

const fn be(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn names(journal: &Journal) -> Vec<Cow<'_, str>> {
    journal.names.iter().map(|name| escape_control(name)).collect()
}

/// The code alone: what the words say is for the place that names the file.
fn code(reason: &Reason) -> String {
    reason.code().replace('_', " ")
}

/// With its full stop.
fn sentence(text: &str) -> String {
    strip_control(text.trim_end_matches('.')) + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::renewal::sample::journal;

    /// Every outcome of every task, as a mail has it.
    #[test]
    fn outcomes() {
        let outcomes = [
            Outcome::Renewed,
            Outcome::Unchanged,
            Outcome::RolledBack,
            Outcome::PartiallyApplied,
            Outcome::NeedsOperator,
        ];
        let tasks = [Task::Renew, Task::Restore("2026-11-01T02-00-00Z".to_owned())];
        let all =
            tasks.iter().flat_map(|task| outcomes.map(|outcome| journal(task.clone(), outcome)));
        let said = all.map(|journal| {
            let text = outcome_text(&journal).join("\n    ");
            format!("{}\n    {text}\n", outcome_headline(&journal))
        });
        insta::assert_snapshot!(said.collect::<String>());
    }

    #[test]
    fn headlines_name_what_fits() {
        let headline = |names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            outcome_headline(&Journal { names, ..journal(Task::Rescue, Outcome::Renewed) })
        };
        assert_eq!(headline(&["apiserver"]), "apiserver is renewed");
        assert_eq!(headline(&["a", "b", "c"]), "a, b and c are renewed");
        assert_eq!(headline(&["a", "b", "c", "d"]), "a and 3 more are renewed");
    }

    #[test]
    fn a_repair_says_what_was_wrong() {
        let headline = |names: &[&str], outcome| {
            let names = names.iter().map(ToString::to_string).collect();
            outcome_headline(&Journal { names, ..journal(Task::Repair, outcome) })
        };
        assert_eq!(
            headline(&["etcd-server"], Outcome::Renewed),
            "repaired etcd-server: its key did not match its certificate"
        );
        assert_eq!(
            headline(&["apiserver", "etcd-server"], Outcome::Renewed),
            "repaired apiserver and etcd-server: their keys did not match their certificates"
        );
        assert_eq!(
            headline(&["apiserver"], Outcome::PartiallyApplied),
            "apiserver is repaired, but not everything uses that yet"
        );
    }

    #[test]
    fn where_no_certificate_is_renewed_it_says_what_is_done() {
        let none = Journal {
            names: Vec::new(),
            changes: Vec::new(),
            ..journal(Task::Rescue, Outcome::NeedsOperator)
        };
        let kubelet = Journal { kubelet: true, step: Step::Kubelet, ..none.clone() };
        assert_eq!(outcome_headline(&kubelet), "the kubelet's certificate is being renewed");
        let stuck = Journal { rollback_error: None, ..none.clone() };
        assert_eq!(
            outcome_headline(&stuck),
            "kube-apiserver and kube-scheduler could not be restarted: look at this node now"
        );
        assert!(!outcome_text(&stuck).concat().contains("certwatch restore"));
        let pod = Journal { live: Vec::new(), step: Step::End(Outcome::Renewed), ..none };
        assert_eq!(outcome_headline(&pod), "kube-vip is restarted");
        let copies = Journal { other_pods: Vec::new(), ..pod };
        assert_eq!(outcome_headline(&copies), "the copies of admin.conf are refreshed");
    }

    #[test]
    fn what_comes_from_outside_is_made_safe() {
        let mut journal = journal(Task::Restore("\u{1b}[2J".to_owned()), Outcome::RolledBack);
        journal.notes = vec!["a\u{202e}b\n".to_owned()];
        journal.names = vec!["x\u{9b}".to_owned()];
        journal.fault = Some((Step::Install, Fault::failed("c\u{1b}d")));
        for line in outcome_text(&journal).into_iter().chain([outcome_headline(&journal)]) {
            assert!(!line.chars().any(crate::domain::text::is_unsafe), "{line}");
        }
    }
}
