//! The copies of admin.conf that are listed in the configuration.
//!
//! Each may lie on a file system that is away: what hangs there can neither be called off nor killed, and
//! a process of which a thread hangs so never ends. So each is looked at, and written, by a process of its
//! own, which is left behind when its time is up; it holds no lock and no key of this one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::layout::shown;
use crate::domain::model::Sha256;
use crate::domain::renewal::copy::{ListedCopy, SystemUser};
use crate::node::NodePaths;
use crate::renew::program;
use crate::sys;

use super::copy::CopyStatus;

/// Longest time for one copy.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest time for all of them, each time that they are gone through.
const LIMIT_OF_ALL: Duration = Duration::from_secs(20);

/// The listed copies, in one run of certwatch.
pub struct Copies {
    listed: Vec<ListedCopy>,
    /// The program that looks: certwatch itself.
    program: PathBuf,
    /// Those that hung; they are not entered again.
    hung: Mutex<HashSet<PathBuf>>,
}

/// What was found of all of them.
#[derive(Debug, Default)]
pub struct StaleCopies {
    /// Those to refresh.
    pub stale: Vec<PathBuf>,
    /// Why others are left alone: whole sentences.
    pub left: Vec<String>,
}

enum CopyTask {
    Look { admin_is_renewed: bool },
    Refresh { replaced: Option<Sha256> },
}

impl Copies {
    /// The copies that are `listed`.
    pub fn new(listed: Vec<ListedCopy>) -> Self {
        Self { listed, program: "/proc/self/exe".into(), hung: Mutex::default() }
    }

    /// With another program that looks, for tests: certwatch itself is not what runs there.
    #[must_use]
    pub fn by(self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self }
    }

    /// Looks at each, as [`Copy::look`](super::copy::Copy::look) does, within 20 s and a few more for
    /// each that has to be killed.
    pub fn look(&self, paths: &NodePaths, admin_is_renewed: bool) -> StaleCopies {
        let mut time = Time::new(self.listed.len());
        let mut found = StaleCopies::default();
        for copy in &self.listed {
            let task = CopyTask::Look { admin_is_renewed };
            let look = time.share(|limit| self.ask(paths, copy, &task, limit));
            found.left.extend(look.left);
            if look.is_stale {
                found.stale.push(copy.path.clone());
            }
        }
        found
    }

    /// Refreshes those of `paths` that are still listed, as [`Copy::refresh`](super::copy::Copy::refresh)
    /// does, and says of each how that went, within 20 s and a few more.
    pub fn refresh(
        &self,
        paths: &NodePaths,
        file_paths: &[PathBuf],
        replaced: Option<Sha256>,
    ) -> Vec<String> {
        let mut time = Time::new(file_paths.len());
        let one = |path: &PathBuf| {
            let Some(copy) = self.listed.iter().find(|copy| copy.path == *path) else {
                return left(path, "it is no longer in renew.kubeconfig-copies");
            };
            let task = CopyTask::Refresh { replaced };
            let look = time.share(|limit| self.ask(paths, copy, &task, limit));
            look.left.unwrap_or_else(|| format!("{} has the new certificate", shown(path)))
        };
        file_paths.iter().map(one).collect()
    }

    fn ask(
        &self,
        paths: &NodePaths,
        copy: &ListedCopy,
        task: &CopyTask,
        limit: Duration,
    ) -> CopyStatus {
        let path = &copy.path;
        if self.hung().contains(path) {
            return CopyStatus::left(
                path,
                "it did not respond before; is its file system unavailable?",
            );
        }
        let owner = match &copy.owner {
            None => Some(0),
            Some(SystemUser::Uid(uid)) => Some(*uid),
            Some(SystemUser::Name(name)) => sys::user_id(name),
        };
        let Some(owner) = owner else {
            let why = "/etc/passwd has no user of the name of its owner; give the number (`id -u`)";
            return CopyStatus::left(path, why);
        };
        let begin = Instant::now();
        let output = program::run(self.command(paths, path, owner, task), limit);
        match output {
            Ok(output) if output.is_success() => serde_json::from_str(&output.text())
                .unwrap_or_else(|_| {
                    CopyStatus::left(path, "internal error: unexpected output of a child process")
                }),
            // Also if not even SIGKILL ends it.
            _ if begin.elapsed() >= limit => {
                self.hung().insert(path.clone());
                let seconds = limit.as_secs_f64().max(0.1);
                let seconds = (seconds * 10.0).round() / 10.0;
                let why = format!(
                    "it did not respond within {seconds} s; is its file system unavailable?"
                );
                CopyStatus::left(path, &why)
            }
            Ok(output) => CopyStatus::left(path, &output.summary()),
            Err(fault) => CopyStatus::left(path, &fault.what),
        }
    }

    fn command(
        &self,
        paths: &NodePaths,
        path: &Path,
        owner: u32,
        task: &CopyTask,
    ) -> std::process::Command {
        let mut command = program::bare(&self.program);
        command.arg("copy").arg("--kubernetes").arg(&paths.kubernetes);
        command.args(["--owner", &owner.to_string()]);
        match task {
            CopyTask::Look { admin_is_renewed: false } => {}
            CopyTask::Look { admin_is_renewed: true } => {
                command.arg("--admin-is-renewed");
            }
            CopyTask::Refresh { replaced } => {
                command.arg("--refresh");
                if let Some(replaced) = replaced {
                    command.args(["--replaced", &replaced.to_string()]);
                }
            }
        }
        command.arg("--").arg(path);
        command
    }

    fn hung(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of the time for all of them. Each has its share of it: one that hangs may not use up the others'.
struct Time {
    left: Duration,
    copies: usize,
}

impl Time {
    fn new(copies: usize) -> Self {
        Self { left: LIMIT_OF_ALL, copies }
    }

    /// The longest time for the next one.
    fn limit(&self) -> Duration {
        let copies = u32::try_from(self.copies.max(1)).unwrap_or(u32::MAX);
        LIMIT.min(self.left / copies)
    }

    /// To end one that hangs takes a few seconds more, which are nobody's share.
    fn share<T>(&mut self, look: impl FnOnce(Duration) -> T) -> T {
        let (begin, limit) = (Instant::now(), self.limit());
        let looked = look(limit);
        self.take(begin.elapsed().min(limit));
        looked
    }

    fn take(&mut self, taken: Duration) {
        self.left = self.left.saturating_sub(taken);
        self.copies = self.copies.saturating_sub(1);
    }
}

fn left(path: &Path, why: &str) -> String {
    CopyStatus::left(path, why).left.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_s_share_depends_on_who_hangs(hangs in proptest::collection::vec(any::<bool>(), 1..100)) {
            let mut time = Time::new(hangs.len());
            let fair = LIMIT_OF_ALL / u32::try_from(hangs.len()).unwrap();
            let (mut taken, mut last) = (Duration::ZERO, Duration::ZERO);
            for hangs in &hangs {
                let limit = time.limit();
                prop_assert!(limit >= LIMIT.min(fair) && limit <= LIMIT && limit >= last);
                last = limit;
                let took = if *hangs { limit } else { Duration::ZERO };
                taken += took;
                time.take(took);
            }
            prop_assert!(taken <= LIMIT_OF_ALL);
        }
    }
}
