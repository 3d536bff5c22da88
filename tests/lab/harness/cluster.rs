use std::fs::{File, create_dir_all};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use super::Node;

/// Where all of the lab's state is.
pub(crate) const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab");

/// `tests/lab/cluster.sh` for the cluster of this name.
pub(super) fn script(cluster: &str) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/cluster.sh"));
    command.env("CLUSTER", cluster).env("KUBERNETES", kubernetes());
    command
}

/// The version that all clusters are of: what `KUBERNETES` names, or the lab's default.
pub(crate) fn kubernetes() -> String {
    std::env::var("KUBERNETES")
        .unwrap_or_else(|_| include_str!("../kubernetes/default").trim().to_owned())
}

/// A cluster that one test at a time has for itself.
pub(crate) struct Cluster {
    name: String,
    _turn: File,
}

impl Cluster {
    /// A cluster of so many control planes, as kubeadm left it: whatever the test before did is gone.
    /// With another name in `CERTWATCH_CLUSTER`, tests run beside others.
    pub(crate) fn fresh(nodes: usize) -> Self {
        let name = std::env::var("CERTWATCH_CLUSTER").unwrap_or_else(|_| "test".to_owned());
        let mut names = vec![format!("{name}-{nodes}")];
        if nodes == 1 {
            names.extend(["b", "c", "d"].map(|letter| format!("{name}-1{letter}")));
        }
        let cluster = Self::take_one_of(&names);
        cluster.script(&["fresh", &nodes.to_string()]);
        cluster
    }

    /// One control plane whose keys are all of this kind, `RSA` or `ECDSA`, as kubeadm left it.
    pub(crate) fn of_keys(keys: &str) -> Self {
        let name = std::env::var("CERTWATCH_CLUSTER").unwrap_or_else(|_| "matrix".to_owned());
        let cluster = Self::take(&format!("{name}-{}", keys.to_lowercase()));
        succeed(cluster.command(&["fresh", "1"]).env("KEYS", keys));
        cluster
    }

    /// One control plane with a kernel and a clock of its own, as kubeadm left it.
    pub(crate) fn with_a_clock() -> Self {
        let name = std::env::var("CERTWATCH_CLUSTER").unwrap_or_else(|_| "year".to_owned());
        let cluster = Self::take(&name);
        succeed(cluster.command(&["fresh", "1"]).env("KIND", "uml"));
        cluster
    }

    /// The name alone, once no other test uses it.
    pub(crate) fn take(name: &str) -> Self {
        Self::take_one_of(&[name.to_owned()])
    }

    /// The first of these that no other test uses: most of a test is waiting, so several get on side by side.
    /// Each version of Kubernetes has its own.
    fn take_one_of(names: &[String]) -> Self {
        create_dir_all(LAB).unwrap();
        let version = kubernetes();
        loop {
            for name in names {
                let name = format!("{name}-{version}");
                let turn = File::create(format!("{LAB}/turn.{name}")).unwrap();
                if turn.try_lock().is_ok() {
                    return Self { name, _turn: turn };
                }
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// Back to how `up` made it.
    pub(crate) fn reset(&self) {
        self.script(&["reset"]);
    }

    /// Keeps all nodes as they are at this moment, under a name.
    pub(crate) fn save(&self, name: &str) {
        self.script(&["save", name]);
    }

    /// Back to what was saved under this name.
    pub(crate) fn restore(&self, name: &str) {
        self.script(&["reset", name]);
    }

    /// The control planes are `cp1`, `cp2`, and so on.
    pub(crate) fn node<'a>(&'a self, name: &'a str) -> Node<'a> {
        Node { cluster: &self.name, name }
    }

    /// Runs `cluster.sh`, which has to succeed.
    #[track_caller]
    pub(crate) fn script(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments))
    }

    /// `cluster.sh`, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = script(&self.name);
        command.args(arguments);
        command
    }

    /// Where a step of `cluster.sh` writes what it prints.
    pub(crate) fn log(&self, step: &str) -> String {
        format!("{LAB}/log/{}/{step}.log", self.name)
    }
}

/// Nobody looks at it any more, and a control plane that idles has much to do all the same.
impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command(&["stop"]).output();
    }
}

/// What the command prints. Panics with all it said if it fails.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout
}
