//! A component's own process: found beyond doubt, told to end, and waited for.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::renewal::{Component, Fault};
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::parse::mountinfo;
use crate::parse::process::{
    ProcessOwner, is_called, owner, program, started_after_boot, state_and_parent, static_pod,
};
use crate::sys;

/// One process. Its number may be given to another; with its start it names one alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    ticks: u64,
}

/// A process that was told to end.
pub(crate) struct Ending(OwnedFd);

/// The process of a static pod: in its cgroup, and of the component's program. A pod that runs the same program for
/// others, such as the API server of a virtual cluster, is not it, nor is a user's process of that name.
///
/// # Errors
/// There are several, so that nobody knows which.
pub(crate) fn find(component: Component) -> Result<Option<Process>, Fault> {
    find_in(Path::new("/proc"), component)
}

fn find_in(proc: &Path, component: Component) -> Result<Option<Process>, Fault> {
    match processes(proc, |at| is_static_pod_s(at, component.name()))[..] {
        [] => Ok(None),
        [process] => Ok(Some(process)),
        ref several => Err(Fault::failed(format!(
            "{} processes of {component} run in static pods of this node: end those that do not belong here",
            several.len()
        ))),
    }
}

/// When the kubelet started that is a service of this node's.
pub(crate) fn kubelet_started() -> Option<SystemTime> {
    let is_kubelet = |at: &Path| {
        let is_called = is_called(&read::proc(at.join("comm"))?, "kubelet");
        Some(is_called && owner_of(at)? == ProcessOwner::Root)
    };
    processes(Path::new("/proc"), is_kubelet).iter().map(Process::started).max()
}

/// The first process of each container of the static pods with these UIDs, but for the one that holds a pod together.
pub(crate) fn of_pods(uids: &[String]) -> Vec<Process> {
    of_pods_in(Path::new("/proc"), uids)
}

fn of_pods_in(proc: &Path, uids: &[String]) -> Vec<Process> {
    let is_theirs = |at: &Path| Some(uids.contains(&static_pod(&read::proc(at.join("cgroup"))?)?));
    let found = processes(proc, is_theirs);
    let at = |it: &Process| proc.join(it.pid.as_raw_nonzero().to_string());
    let is_started_by_another = |it: &Process| {
        let parent = read::proc(at(it).join("stat")).and_then(|it| state_and_parent(&it));
        let parent = parent.map(|(_, parent)| parent);
        found.iter().any(|it| u32::try_from(it.pid.as_raw_nonzero().get()).ok() == parent)
    };
    let is_pause = |it: &Process| {
        read::proc(at(it).join("comm")).is_some_and(|comm| is_called(&comm, "pause"))
    };
    let is_first = |it: &&Process| !is_pause(it) && !is_started_by_another(it);
    found.iter().filter(is_first).copied().collect()
}

fn processes(proc: &Path, is_it: impl Fn(&Path) -> Option<bool>) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let process = |pid: Pid| {
        let at = proc.join(pid.as_raw_nonzero().to_string());
        is_it(&at)?.then_some(())?;
        let ticks = started_after_boot(&read::proc(at.join("stat"))?)?;
        Some(Process { pid, ticks })
    };
    pids.filter_map(Pid::from_raw).filter_map(process).collect()
}

/// The cgroup is looked at first: to read the command line of a process that hangs in its memory
/// hangs as well, and only the static pods' own are worth that.
fn is_static_pod_s(at: &Path, name: &str) -> Option<bool> {
    // In a static pod it does not matter as whom it runs: kubeadm has control planes that are not root's. Only where
    // that may be another's it does.
    Some(
        owner_of(at)? == ProcessOwner::StaticPod
            && program(&read::proc(at.join("cmdline"))?)? == name,
    )
}

fn owner_of(at: &Path) -> Option<ProcessOwner> {
    let status = read::proc(at.join("status")).unwrap_or_default();
    Some(owner(&status, &read::proc(at.join("cgroup"))?))
}

impl Process {
    #[cfg(test)]
    pub(crate) fn of_child(child: &std::process::Child) -> Self {
        let stat = read::proc(format!("/proc/{}/stat", child.id())).unwrap();
        Self { pid: Pid::from_child(child), ticks: started_after_boot(&stat).unwrap() }
    }

    /// When it started, by the clock as it is now.
    pub(crate) fn started(&self) -> SystemTime {
        let [since_epoch, since_boot] = [ClockId::Realtime, ClockId::Boottime]
            .map(|clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default());
        let boot = UNIX_EPOCH + since_epoch.saturating_sub(since_boot);
        let millis = self.ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second();
        boot + Duration::from_millis(millis)
    }

    /// The same in whole seconds; the fraction is cut off.
    pub(crate) fn started_at(&self) -> UnixTime {
        sys::unix_time(self.started())
    }

    /// Where files and directories are mounted that it has, and which have been replaced since.
    pub(crate) fn replaced_mounts(&self) -> Vec<PathBuf> {
        let mounts = read::proc(format!("/proc/{}/mountinfo", self.pid.as_raw_nonzero()));
        mountinfo::replaced(&mounts.unwrap_or_default())
    }

    /// True while it runs.
    fn runs(&self) -> bool {
        let stat = read::proc(format!("/proc/{}/stat", self.pid.as_raw_nonzero()));
        stat.and_then(|stat| started_after_boot(&stat)) == Some(self.ticks)
    }

    /// Tells it to end, and no other that was given its number since.
    ///
    /// # Errors
    /// [`Errno::SRCH`] if it is gone, [`Errno::PERM`] if this process may not.
    pub(crate) fn terminate(&self) -> Result<Ending, Errno> {
        let fd = pidfd_open(self.pid, PidfdFlags::empty())?;
        // The descriptor is open: if it is still the same now, it is the same for good.
        if !self.runs() {
            return Err(Errno::SRCH);
        }
        pidfd_send_signal(&fd, Signal::TERM)?;
        Ok(Ending(fd))
    }
}

impl Ending {
    /// Ends it, whatever it does; what has ended since needs none of that.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }

    /// Waits for its end; false if it has not come within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    const HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const UUID: &str = "6c5f6e0a-9c1f-4a53-a2d0-1d9a4c7c0b11";

    fn lay_out(proc: &Path, pid: u32, program: &str, cgroup: &str) {
        let at = proc.join(pid.to_string());
        fs::create_dir(&at).unwrap();
        fs::write(at.join("cmdline"), format!("{program}\0--a=b\0")).unwrap();
        fs::write(at.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        let stat = format!("{pid} (x) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {pid}00 1 2");
        fs::write(at.join("stat"), stat).unwrap();
    }

    #[test]
    fn of_a_pod_the_first_process_of_each_container_is_found() {
        let proc = tempfile::tempdir().unwrap();
        let at = proc.path();
        let pod = format!("/kubepods/besteffort/pod{HASH}");
        let lay = |pid: u32, comm: &str, parent: u32, container: &str| {
            lay_out(at, pid, comm, &format!("{pod}/{container}"));
            fs::write(at.join(format!("{pid}/comm")), format!("{comm}\n")).unwrap();
            let stat =
                format!("{pid} (x) S {parent} 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {pid}00 1");
            fs::write(at.join(format!("{pid}/stat")), stat).unwrap();
        };
        lay(11, "pause", 1, "a");
        lay(12, "kube-vip", 1, "b");
        lay(13, "child", 12, "b");
        lay(14, "sidecar", 1, "c");
        lay_out(at, 15, "other", &format!("/kubepods/besteffort/pod{UUID}/d"));
        let mut found: Vec<_> =
            of_pods_in(at, &[HASH.to_owned()]).iter().map(|it| it.ticks).collect();
        found.sort_unstable();
        assert_eq!(found, [1200, 1400]);
        assert_eq!(of_pods_in(at, &[]), []);
    }

    #[test]
    fn only_the_static_pod_s_own_process_is_found() {
        let proc = tempfile::tempdir().unwrap();
        let at = proc.path();
        let find = || find_in(at, Component::Etcd).map(|found| found.map(|it| it.ticks));
        lay_out(at, 1, "/usr/bin/etcd", "/system.slice/etcd.service");
        lay_out(at, 2, "bash", &format!("/kubepods/burstable/pod{HASH}/c0ffee"));
        lay_out(at, 6, "etcd", &format!("/kubepods/besteffort/pod{UUID}/decade"));
        let home = "/user.slice/user-1000.slice/user@1000.service";
        lay_out(at, 7, "etcd", &format!("{home}/kubepods/burstable/pod{HASH}/c0ffee"));
        assert_eq!(find(), Ok(None), "nobody else's is told to end in its place");
        lay_out(at, 3, "/usr/local/bin/etcd", &format!("/kubepods/burstable/pod{HASH}/c0ffee"));
        assert_eq!(find(), Ok(Some(300)));
        lay_out(at, 4, "etcd", &format!("/kubepods/besteffort/pod{UUID}/c0ffee"));
        assert_eq!(find(), Ok(Some(300)), "another pod's etcd is not the cluster's");
        lay_out(at, 5, "etcd", &format!("/kubepods/burstable/pod{HASH}/decade"));
        assert!(find().unwrap_err().what.starts_with("2 processes of etcd"));
    }

    /// A process that is told to end in any case once the test is over.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> Self {
            Self(Command::new("sleep").arg("600").spawn().unwrap())
        }

        fn process(&self) -> Process {
            Process::of_child(&self.0)
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill().and_then(|()| self.0.wait());
        }
    }

    #[test]
    fn a_process_is_told_to_end_and_waited_for() {
        let sleeper = Sleeper::start();
        let ending = sleeper.process().terminate().ok().unwrap();
        assert!(ending.wait(Duration::from_secs(60)));
    }

    #[test]
    fn a_number_that_was_given_to_another_process_hits_nobody() {
        let mut sleeper = Sleeper::start();
        let process = sleeper.process();
        let before = Process { ticks: process.ticks - 1, ..process };
        assert_eq!(before.terminate().err(), Some(Errno::SRCH));
        assert!(sleeper.0.try_wait().unwrap().is_none(), "it runs on");
    }

    #[test]
    fn the_start_is_between_what_came_before_and_after() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sleeper = Sleeper::start();
        let started = sleeper.process().started();
        // Ticks of 10 ms are cut off, and so is what the two clocks are read apart.
        let slack = Duration::from_millis(50);
        let before = file.as_file().metadata().unwrap().modified().unwrap();
        assert!(started + slack >= before && started <= SystemTime::now() + slack);
    }
}
