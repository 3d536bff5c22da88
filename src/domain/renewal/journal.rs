//! What a renewal remembers while it is under way: enough to go on, or back, after a crash at any
//! moment. Written to disk before each step is begun.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::time::UnixTime;

use super::hook::HookRun;
use super::kubelet_renewal::KubeletRenewal;
use super::other_pod::OtherPod;
use super::{Component, Fault};

/// One renewal, from its first step to its end. Kept for a while after that.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Journal {
    /// Its name, and that of its backup: `2027-01-31T02-00-00Z`.
    pub id: String,
    /// What is done.
    pub task: Task,
    /// When it began.
    pub begun: UnixTime,
    /// When it turned back, if it did.
    pub turned: Option<UnixTime>,
    /// When it ended, once it has.
    pub ended: Option<UnixTime>,
    /// kubeadm's NAMEs, in kubeadm's order.
    pub names: Vec<String>,
    /// The static pods that have to use the new files, in order.
    pub live: Vec<Live>,
    /// Whether a component that does not take its new certificate may be restarted.
    pub may_restart: bool,
    /// The API server and etcd are restarted only while the other control planes are well; not for those who
    /// insist.
    #[serde(default)]
    pub wait_for_peers: bool,
    /// The API server has to reach this node's kubelet with what is new, as it did before.
    #[serde(default)]
    pub reaches_kubelet: bool,
    /// The kubelet gets a new client certificate.
    pub kubelet: bool,
    /// It never rotates that: it stays in kubelet.conf.
    #[serde(default)]
    pub kubelet_never_rotates: bool,
    /// Static pods that are no components and use what is replaced.
    #[serde(default)]
    pub other_pods: Vec<OtherPod>,
    /// One of the kubelet's own certificates is renewed, and nothing else.
    #[serde(default)]
    pub kubelet_renewal: Option<KubeletRenewal>,
    /// Copies of admin.conf to refresh.
    pub copies: Vec<PathBuf>,
    /// Commands that are run once all else is done, if a file has changed.
    #[serde(default)]
    pub hooks: Vec<HookRun>,
    /// The earliest end of what is replaced: what is put back after that is of no use.
    pub old_ends: Option<UnixTime>,
    /// Until when it is put back although components have used the new one: it has to be good for some time.
    #[serde(default)]
    pub back_until: Option<UnixTime>,
    /// What changes on disk, known once the staged files have been looked at.
    pub changes: Vec<FileChange>,
    /// What is done now, or is to be done next.
    pub step: Step,
    /// What went wrong first, and in which step.
    pub fault: Option<(Step, Fault)>,
    /// What went wrong while it was undone.
    pub rollback_error: Option<(Step, Fault)>,
    /// What a person should know, one sentence each, in the order in which it happened.
    pub notes: Vec<String>,
    /// How often it was taken up again after a crash.
    pub resumed: u32,
    /// What has failed was tried once more, because there was no way back.
    #[serde(default)]
    pub retried: bool,
}

/// What is done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Certificates are renewed by kubeadm.
    Renew,
    /// The same, on a node that has expired already.
    Rescue,
    /// The backup of this name is put back.
    Restore(String),
    /// Keys and certificates that do not match are replaced by halves that do, which were found on this node.
    Repair,
}

/// A static pod that has to use what is installed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Live {
    /// Which.
    pub component: Component,
    /// It is restarted whether or not it reads its files by itself.
    pub restart: bool,
}

/// A file that is replaced.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileChange {
    /// Below the directory that stands for `/etc/kubernetes`: `pki/etcd/server.key`. The key of a
    /// pair stands before its certificate.
    pub path: PathBuf,
    /// SHA-256 of the content before, in hexadecimal; `None` where there was no file.
    pub before: Option<String>,
    /// SHA-256 of the new content, in hexadecimal.
    pub after: String,
}

/// One step. Each can be taken again after a crash in the middle of it, and then ends as if it had
/// been taken once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Copies what may be replaced to `backups/ID`.
    BackUp,
    /// Copies the live tree to the stage and lets kubeadm renew there; for [`Task::Restore`], lays
    /// the backup over the copy, and for [`Task::Repair`] what was found.
    Stage,
    /// Reads every staged file again and says what changes.
    Inspect,
    /// Puts the staged files into the live tree, pair by pair, each file by a rename.
    Install,
    /// Gives the kubelet a new kubelet.conf and restarts it.
    Kubelet,
    /// Makes one static pod use the new files, and proves it: the first of `live` that is not done.
    Activate(usize),
    /// Proves once more that everything uses the new files and is healthy.
    Verify,
    /// Turns the kubelet's rotation on again.
    KubeletRotation,
    /// Restarts the kubelet, so that it rotates its client certificate, and proves that it has.
    KubeletClient,
    /// Lets the kubelet make its serving certificate anew, and proves that it serves it.
    KubeletServing,
    /// Gives the kubelet its old serving certificate back.
    KubeletServingBack,
    /// Restarts one of the other static pods.
    RestartPod(usize),
    /// Refreshes copies of admin.conf.
    Copies,
    /// Runs one of the hooks.
    Hook(usize),
    /// Puts the backup back into the live tree.
    RollBack,
    /// Makes one static pod use the old files again, and proves it.
    ActivateOld(usize),
    /// Proves that everything uses the old files and is healthy.
    VerifyOld,
    /// Removes the stage, and all backups but the last few.
    CleanUp(Outcome),
    /// Nothing is left to do.
    End(Outcome),
}

impl Step {
    /// True before anything of the live tree is touched.
    pub(crate) fn is_harmless(self) -> bool {
        matches!(self, Self::BackUp | Self::Stage | Self::Inspect)
    }

    /// True on the way back, and at the end.
    pub(crate) fn is_going_back(self) -> bool {
        matches!(
            self,
            Self::RollBack
                | Self::ActivateOld(_)
                | Self::VerifyOld
                | Self::KubeletServingBack
                | Self::CleanUp(_)
        )
    }

    /// True on the way from the first change of the live tree to its proof, and where what follows may kill certwatch.
    pub(super) fn is_forward(self) -> bool {
        matches!(
            self,
            Self::Install
                | Self::Kubelet
                | Self::Activate(_)
                | Self::Verify
                | Self::KubeletClient
                | Self::KubeletServing
                | Self::RestartPod(_)
                | Self::Hook(_)
        )
    }
}

/// How a renewal ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new certificates are in place and proved to be in use.
    Renewed,
    /// Nothing was touched.
    Unchanged,
    /// It failed, and everything is as it was before, proved.
    RolledBack,
    /// It failed after the new certificates were installed. They are sound and stay, because the old
    /// ones are over, or nearly; not everything uses them yet.
    PartiallyApplied,
    /// It failed, and so did going back: a person has to look.
    NeedsOperator,
}
