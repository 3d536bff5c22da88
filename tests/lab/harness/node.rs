use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd as _;
use std::process::{Command, Output, Stdio};
use std::thread::spawn;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::cluster::{LAB, script, succeed};

/// One control plane.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(super) cluster: &'a str,
    pub(super) name: &'a str,
}

/// The certificate an endpoint presents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) serial: String,
    pub(crate) not_after: String,
}

impl Node<'_> {
    /// A command in the node, as its root.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = script(self.cluster);
        command.args(["run", self.name]).args(arguments);
        command
    }

    /// What it says and how it ends.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it prints; it has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments))
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let Output { status, stdout, stderr } = self.output(&["cat", path]);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        stdout
    }

    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let line = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;
        let mut child =
            self.command(&["bash", "-c", line, "--", path]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        assert!(child.wait().unwrap().success(), "writing {path}");
    }

    /// A program of this machine, to be run in the node.
    #[track_caller]
    pub(crate) fn install(&self, program: &str, path: &str) {
        self.write_program(path, &std::fs::read(program).unwrap());
    }

    #[track_caller]
    pub(crate) fn write_program(&self, path: &str, content: &[u8]) {
        self.write(path, content);
        self.run(&["chmod", "755", path]);
    }

    /// The journal of a unit since the node booted.
    pub(crate) fn journal(&self, unit: &str) -> String {
        self.run(&["journalctl", "--no-pager", "--output=short-iso", "--unit", unit])
    }

    /// Gives a certificate or a kubeconfig other dates, in the words of date(1), and nothing else.
    #[track_caller]
    pub(crate) fn age(&self, path: &str, not_before: &str, not_after: &str) {
        self.run(&["lab-age", path, not_before, not_after]);
    }

    /// A field of a certificate file: what `openssl x509` prints for this option.
    #[track_caller]
    pub(crate) fn openssl(&self, path: &str, field: &str) -> String {
        let line = r#"openssl x509 -in "$1" -noout "${@:2}" | cut -d= -f2-"#;
        let option = format!("-{field}");
        let arguments = ["bash", "-c", line, "--", path].into_iter().chain(option.split(' '));
        self.run(&arguments.collect::<Vec<_>>()).trim().to_owned()
    }

    /// What a TLS server in the node presents, if it does.
    pub(crate) fn served(&self, address: &str) -> Option<Served> {
        let line = r#"openssl s_client -connect "$1" </dev/null 2>/dev/null | openssl x509 -noout -serial -enddate"#;
        let output = self.output(&["bash", "-c", line, "--", address]);
        let text = String::from_utf8(output.stdout).ok()?;
        let (serial, not_after) = text.trim().split_once('\n')?;
        Some(Served {
            serial: serial.strip_prefix("serial=")?.to_owned(),
            not_after: not_after.strip_prefix("notAfter=")?.to_owned(),
        })
    }

    /// The id of a component's process, in the node's own counting.
    pub(crate) fn pid(&self, program: &str) -> Option<u32> {
        let output =
            self.output(&["pgrep", "--oldest", "--exact", "--full", &format!("{program} .*")]);
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }

    /// What `work` makes on a thread in the node's network: its sockets stay there.
    pub(crate) fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let network = self.network();
        let inside = move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        spawn(inside).join().unwrap()
    }

    /// Its network namespace, for a thread to move into.
    pub(super) fn network(&self) -> File {
        File::open(format!("{LAB}/clusters/{}/nodes/{}/net", self.cluster, self.name)).unwrap()
    }
}
