//! A node, a receiver, a configuration and the state directory: all that a daemon needs.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::node::Node;
use super::pki::Days;
use super::receiver::Receiver;
use super::run::{Run, finish};
use super::wait;

/// Parts of URLs and tokens that must be seen nowhere.
pub const HOOK_SECRET: &str = "hook-s3cr3t-9f2c";
pub const SLACK_SECRET: &str = "xoxb-s3cr3t-77aa";
pub const BEAT_SECRET: &str = "beat-s3cr3t-41de";

/// Ends in five days: CRITICAL.
pub const SOON: Days = Days(-360, 5);
/// Ends in twenty: a warning.
pub const LATER: Days = Days(-345, 20);

pub struct Stage {
    pub dir: TempDir,
    pub node: Node,
    pub receiver: Receiver,
}

/// A daemon that runs; killed when dropped.
pub struct Daemon {
    pub child: Child,
    pub log: PathBuf,
}

impl Stage {
    /// A healthy node, and a webhook as the only channel.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let node = Node::healthy(&dir.path().join("node"));
        let stage = Self { dir, node, receiver: Receiver::new() };
        stage.secret("hook", &stage.receiver.url(&format!("/hook/{HOOK_SECRET}")));
        stage.secret("slack", SLACK_SECRET);
        stage.secret("beat", &stage.receiver.url(&format!("/beat/{BEAT_SECRET}")));
        stage.configure(&stage.webhook());
        stage
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The whole content of the state file.
    pub fn memory(&self) -> Value {
        serde_json::from_slice(&fs::read(self.state().join("state.json")).unwrap()).unwrap()
    }

    pub fn secret(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the configuration: a name, state directories, and these sections.
    pub fn configure(&self, sections: &str) {
        let state = self.state();
        let text = format!(
            "node-name = \"cp1\"\n[daemon]\nstate-dir = \"{}\"\n{sections}[renew]\nstate-dir = \"{}\"\n",
            state.display(),
            self.path("renew").display()
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    pub fn webhook(&self) -> String {
        format!("[webhook]\nurl-file = \"{}\"\n", self.path("hook").display())
    }

    pub fn slack(&self) -> String {
        let (file, api) = (self.path("slack"), self.receiver.url("/slack"));
        format!(
            "[slack]\ntoken-file = \"{}\"\nchannel = \"C1\"\napi-url = \"{api}\"\n",
            file.display()
        )
    }

    pub fn heartbeat(&self) -> String {
        format!("[heartbeat]\nurl-file = \"{}\"\n", self.path("beat").display())
    }

    /// certwatch with this stage's configuration; `run` and `check` look at its node.
    pub fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certwatch"));
        command.args(verb).arg("--config").arg(self.path("config.toml"));
        if matches!(verb[0], "check" | "run") {
            command.arg("--root").arg(&self.node.root);
        }
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    pub fn certwatch(&self, verb: &[&str]) -> Run {
        finish(&mut self.command(verb))
    }

    /// The status as seen with a configuration of this text.
    pub fn status_by(&self, config: &str) -> String {
        fs::write(self.path("other.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_certwatch"));
        finish(command.arg("status").arg("--config").arg(self.path("other.toml"))).stdout
    }

    pub fn run_command(&self) -> Command {
        self.command(&["run", "--log", "text", "--log-level", "debug"])
    }

    pub fn start(&self) -> Daemon {
        Daemon::start(&mut self.run_command(), self.path("log"))
    }

    /// A daemon that has done its first scan.
    pub fn started(&self) -> Daemon {
        let daemon = self.start();
        daemon.wait_for_log("DEBUG scanned");
        daemon
    }

    /// The same with a log of its own, after another daemon has run.
    pub fn started_again(&self) -> Daemon {
        fs::rename(self.path("log"), self.path("log.before")).unwrap();
        self.started()
    }

    /// Puts a new certificate in the place of another, as a whole.
    pub fn renew(&self, name: &str, days: Days) {
        let (below, pair) = self.node.new_leaf(name, days);
        for (kind, content) in [("key", pair.key), ("crt", pair.certificate)] {
            self.replace(&format!("{below}.{kind}"), &content);
        }
    }

    /// Puts a file in the place of another, as a whole.
    pub fn replace(&self, below: &str, content: &str) {
        fs::write(self.path("fresh"), content).unwrap();
        fs::rename(self.path("fresh"), self.node.path(below)).unwrap();
    }
}

impl Daemon {
    /// Starts a daemon whose log is added to the file `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn read_log(&self) -> String {
        read(&self.log)
    }

    pub fn wait_for_log(&self, words: &str) {
        self.wait_for_logs(words, 1);
    }

    /// Waits until words are in the log so many times.
    pub fn wait_for_logs(&self, words: &str, times: usize) {
        wait::until(&format!("{words:?} in the log"), || {
            let log = self.read_log();
            if log.matches(words).count() >= times { Ok(()) } else { Err(log) }
        });
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        wait::until("end of the daemon", || self.child.try_wait().unwrap().ok_or("it runs"))
    }

    /// Sends SIGTERM and waits: its exit code, and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        self.signal(Signal::TERM);
        (self.end().code(), begin.elapsed())
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
