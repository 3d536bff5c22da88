//! A plan and a journal to look at, for tests.

use std::path::PathBuf;

use crate::domain::model::Reason;
use crate::domain::time::{Span, UnixTime};

use super::blocker::Blocker;
use super::hook::{Hook, HookRun};
use super::leftover::Leftover;
use super::other_pod::{FileAccess, OtherPod, PodUse};
use super::plan::{
    Outage, Plan, RenewReason, Renewal, RestartReason, Skip, SkipReason, SkipRestartReason,
};
use super::{Component, Fault, FileChange, Journal, Live, Outcome, SideResult, Step, Task};

/// 2026-11-23T12:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime::new(1_795_435_200);

/// A plan with everything in it that can be said.
pub(crate) fn plan() -> Plan {
    let renewal = |name, path: &str, days, why| Renewal {
        name,
        path: PathBuf::from("/etc/kubernetes").join(path),
        ends: Some(NOW + Span::days(days)),
        lifetime: Some(Span::days(365)),
        why,
    };
    let skip = |name: &str, days: Option<i64>, why| Skip {
        name: name.to_owned(),
        ends: days.map(|days| NOW + Span::days(days)),
        why,
    };
    let outage = |component, usual, held_back| Outage {
        component,
        usual: Span::seconds(usual),
        held_back: Span::seconds(held_back),
    };
    Plan {
        leftovers: vec![
            Leftover::Interrupted("a renewal (2026-11-23T02-00-00Z) was interrupted".to_owned()),
            Leftover::Repair("the key of etcd-peer was not its certificate's".to_owned()),
            Leftover::Unreadable("/var/lib/certwatch-renew/state.json is empty".to_owned()),
        ],
        renew: vec![
            renewal("apiserver", "pki/apiserver.crt", 5, RenewReason::Due),
            renewal("front-proxy-client", "pki/front-proxy-client.crt", -3, RenewReason::Expired),
            renewal("scheduler.conf", "scheduler.conf", 300, RenewReason::Asked),
        ],
        skip: vec![
            skip("admin.conf", Some(299), SkipReason::NotDue),
            skip(
                "apiserver-kubelet-client",
                Some(20),
                SkipReason::CaTooShort(NOW + Span::days(20)),
            ),
            skip("etcd-peer", None, SkipReason::Missing),
            skip("etcd-server", None, SkipReason::Unreadable(Reason::BadCertificate(0))),
            skip("ca", Some(3_000), SkipReason::Ca),
            skip("super-admin.conf", None, SkipReason::Absent),
        ],
        restart: vec![
            (Component::Apiserver, RestartReason::Loopback(NOW + Span::days(12))),
            (Component::Scheduler, RestartReason::HoldsKubeconfig),
        ],
        outages: vec![outage(Component::Apiserver, 10, 40), outage(Component::Scheduler, 17, 0)],
        skip_restart: vec![
            (Component::Etcd, SkipRestartReason::Reloads),
            (Component::ControllerManager, SkipRestartReason::NotConcerned),
        ],
        other_pods: vec![
            other_pod("kube-vip", FileAccess::Mounted, true),
            other_pod("haproxy", FileAccess::Visible, false),
        ],
        copies: vec!["/root/.kube/config".into()],
        hooks: vec![hook()],
        reaches_kubelet: false,
        kubelet: true,
        kubelet_never_rotates: false,
        kubelet_renewal: None,
        incomplete: true,
        blockers: vec![
            Blocker::KubeletDown("its port 10248 refuses connections".to_owned()),
            Blocker::DiskFull { path: "/var/lib".into(), needed: 5 << 20, free: 1 << 20 },
        ],
        overridden: vec![Blocker::ManifestChanged("/etc/kubernetes/manifests/etcd.yaml".into())],
        warnings: vec!["the cluster's CA expires in 300 d: plan its rotation".to_owned()],
    }
}

/// A static pod that is no component and uses the certificate of the API server.
pub(crate) fn other_pod(name: &str, access: FileAccess, restart: bool) -> OtherPod {
    let certificate = "apiserver".to_owned();
    OtherPod {
        name: name.to_owned(),
        full_name: format!("{name}-cp1"),
        uses: vec![PodUse { certificate, access, is_stale: false }],
        restart,
        result: SideResult::Pending,
    }
}

/// One that reloads a load balancer.
pub(crate) fn hook() -> Hook {
    let command = ["/usr/bin/systemctl", "reload", "haproxy"].map(str::to_owned).to_vec();
    Hook { name: "reload-haproxy".to_owned(), command, timeout: Span::seconds(60) }
}

/// A renewal or restoration that ended so.
pub(crate) fn journal(task: Task, outcome: Outcome) -> Journal {
    let names = ["apiserver", "apiserver-etcd-client", "front-proxy-client", "scheduler.conf"];
    let live = |component, restart| Live { component, restart };
    let change = |path: &str| FileChange {
        path: path.into(),
        before: Some("00".repeat(32)),
        after: "ff".repeat(32),
    };
    let fault = |step, what: &str| Some((step, Fault::failed(what)));
    Journal {
        id: "2026-11-23T12-00-00Z".to_owned(),
        task,
        begun: NOW,
        turned: None,
        ended: Some(NOW + Span::seconds(95)),
        names: names.map(str::to_owned).to_vec(),
        live: vec![live(Component::Apiserver, false), live(Component::Scheduler, true)],
        may_restart: true,
        wait_for_peers: true,
        reaches_kubelet: true,
        kubelet: false,
        kubelet_never_rotates: false,
        kubelet_renewal: None,
        other_pods: vec![OtherPod {
            result: SideResult::Done,
            ..other_pod("kube-vip", FileAccess::Mounted, true)
        }],
        copies: vec!["/root/.kube/config".into()],
        hooks: vec![HookRun { hook: hook(), result: SideResult::Done }],
        old_ends: Some(NOW + Span::days(5)),
        back_until: Some(NOW + Span::days(2)),
        changes: vec![change("pki/apiserver.key"), change("pki/apiserver.crt")],
        step: Step::End(outcome),
        fault: match outcome {
            Outcome::Renewed => None,
            Outcome::Unchanged => fault(Step::Stage, "kubeadm ended with status 1: see its output"),
            _ => fault(
                Step::Activate(1),
                "kube-scheduler did not start again within 60 s; see its log in /var/log/pods",
            ),
        },
        rollback_error: match outcome {
            Outcome::NeedsOperator => fault(Step::ActivateOld(1), "kube-scheduler does not run"),
            _ => None,
        },
        notes: match outcome {
            Outcome::Renewed => vec![
                "kube-apiserver serves the new certificate".to_owned(),
                "kube-scheduler was restarted and answers".to_owned(),
            ],
            _ => Vec::new(),
        },
        resumed: u32::from(outcome == Outcome::RolledBack),
        retried: false,
    }
}
