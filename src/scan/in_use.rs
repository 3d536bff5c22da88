//! What the static pods of this node use, beside what is on disk: each is looked at, and its answer is laid over the items.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::layout::{KUBERNETES, locate};
use crate::domain::model::{
    Content, Entry, HeldFile, Item, Place, Reason, StaleEvidence, StaleUse,
};
use crate::domain::reference::KUBELET;
use crate::domain::renewal::Component;
use crate::domain::role::{self, Role};
use crate::domain::time::UnixTime;
use crate::node::handshake::NoAnswer;
use crate::node::in_use::{self, ComponentUse, Held, Presented};
use crate::node::other_pods::{self, OtherManifest};
use crate::node::process::Process;

use super::host::Host;
use super::kubelet::KUBELET_CONFIG;
use super::pool;

/// A component that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look(pub(super) Component);

impl pool::Job for Look {
    fn place(&self) -> u64 {
        0
    }
}

pub(super) fn looks() -> Vec<Look> {
    Component::ALL.map(Look).to_vec()
}

impl Look {
    pub(super) fn take(self) -> Option<ComponentUse> {
        in_use::look(Path::new(KUBERNETES), self.0)
    }

    /// One that had to be left.
    pub(super) fn not_taken(self, reason: Reason) -> Item {
        of_component(self.0, Path::new(self.0.name()), reason)
    }
}

/// Notes at the items what is used in their place, and adds those that no file shows. Returns what the component has read
/// at its start.
pub(super) fn lay_over(items: &mut Vec<Item>, seen: ComponentUse) -> Option<HeldFile> {
    let ComponentUse { component, manifest, is_running, presented, held, says } = seen;
    if !is_running {
        let reason = Reason::NotRunning(says.map(String::into_boxed_str));
        items.push(of_component(component, &manifest, reason));
        return None;
    }
    for Presented { at, file, certificate } in presented {
        let certificate = match certificate {
            Ok(certificate) => Box::new(certificate),
            Err(no_answer) => {
                items.push(of_component(component, &manifest, unanswered(at, no_answer, &says)));
                continue;
            }
        };
        let on_disk = file.as_deref().and_then(|file| first_of(items, file));
        match on_disk.map(|item| (item.certificate().map(|it| it.sha256), item)) {
            Some((Some(sha256), _)) if sha256 == certificate.sha256 => {}
            Some((Some(_), item)) => {
                let not_after = certificate.not_after;
                item.stale_use = Some(Box::new(StaleUse {
                    component: component.name().into(),
                    evidence: StaleEvidence::Presents { at, not_after },
                }));
            }
            // What is on disk cannot be read, or is not looked at: then this is all there is to judge.
            _ => {
                let role = file.map_or_else(|| self_made(component), |file| locate(&file).role);
                let place = Place::new(Path::new(component.name()), Entry::Presented(at));
                let content = Content::Certificate(certificate);
                items.push(Item::new(place, role, content));
            }
        }
    }
    let Held { file, started, is_stale } = held?;
    let (component, item) = (component.name(), first_of(items, &file)?);
    let evidence = StaleEvidence::Read { started, not_after: None };
    item.stale_use = is_stale.then(|| Box::new(StaleUse { component: component.into(), evidence }));
    Some(HeldFile { component, place: item.place.clone(), started })
}

/// What the kubelet presents, where there is a kubelet.
pub(super) fn kubelet(host: &Host) -> Option<Presented> {
    in_use::kubelet(&host.read(Path::new(KUBELET_CONFIG), false).ok()?)
}

/// Notes at the item of the kubelet's serving certificate what it presents in its place, and that it does not answer.
pub(super) fn lay_over_kubelet(items: &mut Vec<Item>, seen: Presented) {
    let Presented { at, file, certificate } = seen;
    let Some(item) = file.and_then(|file| first_of(items, &file)) else { return };
    let component = KUBELET;
    match certificate {
        Ok(seen) if item.certificate().is_some_and(|it| it.sha256 != seen.sha256) => {
            let evidence = StaleEvidence::Presents { at, not_after: seen.not_after };
            item.stale_use = Some(Box::new(StaleUse { component: component.into(), evidence }));
        }
        Ok(_) => {}
        Err(no_answer) => {
            let reason = unanswered(at, no_answer, &None);
            let place = Place::new(Path::new(component), Entry::Whole);
            let item = Item::new(place, item.role, Content::Problem(reason));
            items.push(item);
        }
    }
}

/// A static pod that is no component, and what it has mounted in place of a file.
pub(super) struct OldMount {
    file: PathBuf,
    full_name: String,
    started: UnixTime,
}

/// Which of these files a static pod that is no component has in an older version.
pub(super) fn old_mounts(files: &[PathBuf]) -> Vec<OldMount> {
    let manifests = other_pods::read(Path::new(KUBERNETES));
    let of_pod = |manifest: &OtherManifest| {
        let running = manifest.running()?;
        let started = running.processes.iter().map(Process::started_at).min()?;
        let stale = files.iter().filter(|file| manifest.is_stale(file, &running));
        let full_name = &running.full_name;
        let mount =
            |file: &PathBuf| OldMount { file: file.clone(), full_name: full_name.clone(), started };
        Some(stale.map(mount).collect::<Vec<_>>())
    };
    manifests.iter().filter_map(of_pod).flatten().collect()
}

/// What a component uses is told first.
pub(super) fn lay_old_mounts_over(items: &mut [Item], mounts: Vec<OldMount>) {
    for OldMount { file, full_name, started } in mounts {
        let item = first_of(items, &file).filter(|item| item.stale_use.is_none());
        if let Some(item) = item {
            let evidence = StaleEvidence::Mounted { started };
            item.stale_use = Some(Box::new(StaleUse { component: full_name.into(), evidence }));
        }
    }
}

fn self_made(component: Component) -> &'static Role {
    let [controller_manager, scheduler] = &role::SELF_MADE;
    if component == Component::Scheduler { scheduler } else { controller_manager }
}

/// The certificate that a file begins with, or the client's of a kubeconfig.
fn first_of<'a>(items: &'a mut [Item], file: &Path) -> Option<&'a mut Item> {
    items.iter_mut().find(|item| {
        *item.place.path == *file
            && matches!(item.place.entry, Entry::Pem(0) | Entry::User { index: 0, .. })
    })
}

fn unanswered(at: SocketAddr, no_answer: NoAnswer, says: &Option<String>) -> Reason {
    let NoAnswer { why, is_sandbox } = no_answer;
    match is_sandbox {
        true => Reason::NotAsked { at, why: why.into() },
        false => Reason::NotAnswering { at, why: says.clone().unwrap_or(why).into() },
    }
}

fn of_component(component: Component, path: &Path, reason: Reason) -> Item {
    let role = role::component(component.name()).unwrap_or(&role::OTHER);
    let place = Place::new(path, Entry::Whole);
    Item::new(place, role, Content::Problem(reason))
}

#[cfg(test)]
mod tests {
    use crate::domain::model::Inventory;
    use crate::domain::policy::{Policy, assess};
    use crate::domain::renewal::decide;
    use crate::domain::renewal::plan::{RenewalPolicy, RestartPolicy};
    use crate::domain::time::Span;
    use crate::report::sample::{NOW, certificate};

    use super::*;

    const FILE: &str = "/etc/kubernetes/pki/apiserver.crt";

    fn at() -> SocketAddr {
        "127.0.0.1:6443".parse().unwrap()
    }

    fn on_disk(path: &str, entry: Entry, serial: u8) -> Item {
        let content = Content::Certificate(Box::new(certificate("a", "b", serial, 300)));
        let place = Place::new(Path::new(path), entry);
        Item::new(place, locate(Path::new(path)).role, content)
    }

    fn seen(component: Component, presented: Vec<Presented>) -> ComponentUse {
        let manifest = PathBuf::from("/etc/kubernetes/manifests/x.yaml");
        ComponentUse { component, manifest, is_running: true, presented, held: None, says: None }
    }

    fn presents(serial: u8, days: i64) -> ComponentUse {
        let certificate = Ok(certificate("a", "b", serial, days));
        let presented = vec![Presented { at: at(), file: Some(FILE.into()), certificate }];
        seen(Component::Apiserver, presented)
    }

    fn codes(items: Vec<Item>, now: UnixTime) -> Vec<(String, String)> {
        let inventory = Inventory { items, ..Inventory::default() };
        let rows = assess(&inventory, &Policy::default(), now).rows;
        let findings = rows.iter().flat_map(|row| &*row.findings);
        findings.map(|it| (it.kind.code().to_owned(), it.severity.name().to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_stale_and_as_bad_as_its_end_is_near() {
        for (serial, days, expected) in [
            (1, 300, None),
            (2, 300, Some("warning")),
            (2, 20, Some("warning")),
            (2, 5, Some("critical")),
            (2, -1, Some("critical")),
        ] {
            let mut items = vec![on_disk(FILE, Entry::Pem(0), 1)];
            items[0].role = locate(Path::new(FILE)).role;
            let mut presented = presents(serial, days);
            // The serial number alone does not tell two certificates apart.
            if let Ok(certificate) = &mut presented.presented[0].certificate {
                certificate.sha256.0[0] ^= u8::from(serial != 1);
            }
            let _ = lay_over(&mut items, presented);
            let expected = expected.map(|severity| ("stale_in_use".into(), severity.into()));
            assert_eq!(codes(items, NOW), Vec::from_iter(expected), "{serial} {days}");
        }
    }

    #[test]
    fn what_was_read_at_the_start_ends_within_a_year_of_it() {
        let conf = "/etc/kubernetes/scheduler.conf";
        for (days_ago, severity) in
            [(1, "warning"), (340, "warning"), (360, "critical"), (400, "critical")]
        {
            let mut items = vec![on_disk(conf, Entry::User { name: "u".into(), index: 0 }, 1)];
            let started = NOW - crate::domain::time::Span::days(days_ago);
            let held = Some(Held { file: conf.into(), started, is_stale: true });
            let _ = lay_over(
                &mut items,
                ComponentUse { held, ..seen(Component::Scheduler, Vec::new()) },
            );
            assert_eq!(codes(items, NOW), [("stale_in_use".into(), severity.into())], "{days_ago}");
        }
    }

    #[test]
    fn a_pod_with_an_older_file_mounted_is_stale_and_no_component() {
        let conf = "/etc/kubernetes/admin.conf";
        let mut items = vec![on_disk(conf, Entry::User { name: "u".into(), index: 0 }, 1)];
        let (file, full_name) = (conf.into(), "kube-vip-cp1".to_owned());
        lay_old_mounts_over(&mut items, vec![OldMount { file, full_name, started: NOW }]);
        let inventory = Inventory { items: items.clone(), ..Inventory::default() };
        assert_eq!(decide::stale(&inventory, &POLICY), [], "nobody but a person restarts it");
        assert_eq!(codes(items, NOW), [("stale_in_use".into(), "warning".into())]);
    }

    const POLICY: RenewalPolicy = RenewalPolicy {
        kubelet: None,
        before: Span::days(30),
        short_lived: Span::days(60),
        restart: RestartPolicy::Needed,
        restart_stale: true,
    };

    #[test]
    fn what_no_file_shows_has_a_row_of_its_own() {
        let mut items = Vec::new();
        let _ = lay_over(&mut items, presents(1, 300));
        assert_eq!(items[0].place.entry, Entry::Presented(at()));
        assert_eq!(items[0].role.id, "apiserver");
    }

    #[test]
    fn what_the_kubelet_presents_is_compared_with_its_file() {
        let file = "/var/lib/kubelet/pki/kubelet.crt";
        let seen = |certificate| Presented { at: at(), file: Some(file.into()), certificate };
        let codes_with = |certificate| {
            let mut items = vec![on_disk(file, Entry::Pem(0), 1)];
            lay_over_kubelet(&mut items, seen(certificate));
            codes(items, NOW)
        };
        let one = |code: &str, severity: &str| vec![(code.to_owned(), severity.to_owned())];
        assert_eq!(codes_with(Ok(certificate("a", "b", 1, 300))), []);
        assert_eq!(codes_with(Ok(certificate("a", "b", 2, -1))), one("stale_in_use", "warning"));
        let why = || "connection refused".to_owned();
        let no_answer = |is_sandbox| Err(NoAnswer { why: why(), is_sandbox });
        assert_eq!(codes_with(no_answer(false)), one("not_answering", "unknown"));
        assert_eq!(codes_with(no_answer(true)), one("not_asked", "unknown"));
        let mut none = Vec::new();
        lay_over_kubelet(&mut none, seen(no_answer(false)));
        assert!(none.is_empty(), "no kubelet serves here");
    }

    #[test]
    fn one_that_does_not_run_or_answer_is_critical() {
        let mut items = Vec::new();
        let down = seen(Component::Scheduler, Vec::new());
        let _ = lay_over(&mut items, ComponentUse { is_running: false, ..down });
        let no_answer =
            |is_sandbox| Err(NoAnswer { why: "connection refused".to_owned(), is_sandbox });
        for is_sandbox in [false, true] {
            let certificate = no_answer(is_sandbox);
            let presented = vec![Presented { at: at(), file: Some(FILE.into()), certificate }];
            let _ = lay_over(&mut items, seen(Component::Apiserver, presented));
        }
        let critical = |code: &str| (code.to_owned(), "critical".to_owned());
        let unknown = ("not_asked".to_owned(), "unknown".to_owned());
        assert_eq!(
            codes(items, NOW),
            [critical("not_running"), critical("not_answering"), unknown]
        );
    }
}
