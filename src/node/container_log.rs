//! What the logs of a container tell of its restarts: `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`, where N is how
//! often it was started again (`BuildContainerLogsDirectory` and `buildContainerLogsPath` of `pkg/kubelet/kuberuntime/helpers.go`).

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::process::{self, Process};
use crate::domain::renewal::Component;
use crate::domain::renewal::back_off::Run;
use crate::domain::time::{Span, UnixTime};
use crate::fs::read;
use crate::parse::container_log;
use crate::sys::{self, unix_time};

const PODS: &str = "/var/log/pods";

/// How much of the end of a log is read: a component that fails repeats itself.
const LOG_TAIL: u64 = 64 << 10;

/// The processes that a back-off depends on.
struct Started {
    component: Option<UnixTime>,
    kubelet: Option<UnixTime>,
}

/// How long the kubelet holds a component back from now on: if it ended now, or as it has ended. No time where the logs
/// tell nothing.
pub(crate) fn held_back(component: Component, process: Option<&Process>) -> Span {
    let started = Started {
        component: process.map(Process::started_at),
        kubelet: process::kubelet_started().map(unix_time),
    };
    let directory = directory(Path::new(PODS), component);
    directory.and_then(|it| held_back_by(&it, &started, sys::now())).unwrap_or(Span::seconds(0))
}

/// The last line that is about a certificate, of the newest logs of a component; without time and origin.
pub(crate) fn complaint(component: Component) -> Option<String> {
    let directory = directory(Path::new(PODS), component)?;
    let entries = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    logs.sort_by_key(|path| {
        std::cmp::Reverse(fs::metadata(path).and_then(|it| it.modified()).ok())
    });
    let last = |path: &PathBuf| read::end(path, LOG_TAIL).ok();
    logs.iter().take(2).filter_map(last).find_map(|text| container_log::complaint(&text))
}

/// That of the pod that was changed last: one whose manifest has changed is another one.
fn directory(pods: &Path, component: Component) -> Option<PathBuf> {
    let pod = format!("kube-system_{component}-");
    let entries = fs::read_dir(pods).ok()?.flatten();
    let own = entries.filter(|it| it.file_name().as_encoded_bytes().starts_with(pod.as_bytes()));
    let containers = own.map(|entry| entry.path().join(component.name()));
    containers.max_by_key(|path| fs::metadata(path).and_then(|it| it.modified()).ok())
}

fn held_back_by(directory: &Path, started: &Started, now: UnixTime) -> Option<Span> {
    let number = |name: &str| name.strip_suffix(".log")?.parse::<u32>().ok();
    let entries = fs::read_dir(directory).ok()?.flatten();
    let restarts = entries.filter_map(|entry| number(entry.file_name().to_str()?)).max()?;
    let log = |number: u32| fs::metadata(directory.join(format!("{number}.log"))).ok();
    let last = log(restarts)?;
    let previous_ended = restarts.checked_sub(1).and_then(log).as_ref().and_then(written);
    let run =
        |start| Run { restarts, previous_ended, started: start, kubelet_started: started.kubelet };
    if let Some(start) = started.component {
        return Some(run(start).back_off(now));
    }
    let ended = written(&last)?;
    // It was made when the container started, or when it was rotated since.
    let made = last.created().ok().map(unix_time);
    let back_off = run(made.or(previous_ended).unwrap_or(ended)).back_off(ended);
    Some((ended + back_off - now).max(Span::seconds(0)))
}

/// The last that it says, it says when it ends.
fn written(log: &Metadata) -> Option<UnixTime> {
    log.modified().ok().map(unix_time)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A directory of logs, and when it is looked at.
    struct Logs(tempfile::TempDir, UnixTime);

    impl Logs {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap(), sys::now())
        }

        fn ago(&self, seconds: i64) -> UnixTime {
            self.1 - Span::seconds(seconds)
        }

        fn write(&self, name: &str, ago: i64) {
            let at = Duration::from_secs(self.ago(ago).seconds().unsigned_abs());
            let file = fs::File::create(self.0.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
        }

        /// Of a component that started so many seconds ago; of one that does not run.
        fn held_back(&self, started: Option<i64>) -> Option<i64> {
            let component = started.map(|seconds| self.ago(seconds));
            let started = Started { component, kubelet: Some(UnixTime::new(1)) };
            held_back_by(self.0.path(), &started, self.1).map(Span::as_seconds)
        }
    }

    #[test]
    fn the_logs_tell_how_long_it_was_held_back() {
        let logs = Logs::new();
        assert_eq!(logs.held_back(Some(30)), None, "nothing is known");
        logs.write("0.log", 200);
        assert_eq!(logs.held_back(Some(30)), Some(0), "it was never started again");
        logs.write("1.log", 50);
        logs.write("1.log.20261129-000000.gz", 90);
        assert_eq!(logs.held_back(Some(198)), Some(10));
        logs.write("3.log", 20);
        logs.write("2.log", 51);
        assert_eq!(logs.held_back(Some(30)), Some(40), "it was held for 21 s");
        assert_eq!(logs.held_back(Some(601)), Some(0), "that is forgotten");
    }

    #[test]
    fn what_does_not_run_is_held_back_from_its_end_on() {
        let logs = Logs::new();
        logs.write("0.log", 100);
        logs.write("1.log", 4);
        assert_eq!(logs.held_back(None), Some(6));
        logs.write("1.log", 40);
        assert_eq!(logs.held_back(None), Some(0));
    }

    #[test]
    fn the_pod_counts_that_was_changed_last() {
        let pods = tempfile::tempdir().unwrap();
        let container = |pod: &str| pods.path().join(pod).join("etcd");
        for pod in ["kube-system_etcd-cp1_new", "kube-system_etcd-cp1_old", "a_etcd-cp1_b"] {
            fs::create_dir_all(container(pod)).unwrap();
        }
        let modify = |pod: &str, at| {
            fs::File::open(container(pod))
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH + at)
                .unwrap();
        };
        modify("kube-system_etcd-cp1_new", Duration::from_secs(2));
        modify("kube-system_etcd-cp1_old", Duration::from_secs(1));
        assert_eq!(
            directory(pods.path(), Component::Etcd),
            Some(container("kube-system_etcd-cp1_new"))
        );
        assert_eq!(directory(pods.path(), Component::Scheduler), None);
    }
}
