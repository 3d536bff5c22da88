//! `tests/lab/plainfs.py`: a small file system in memory, mounted as a user would have it done.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// It is unmounted when this is dropped.
pub struct Plain {
    child: Child,
    at: PathBuf,
}

impl Plain {
    /// Of this user's, at a directory that is there. Onto `stuck` nothing can be renamed.
    pub fn new(at: &Path, user: u32, stuck: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/plainfs.py");
        let mut command = Command::new(script);
        command.arg(at).arg(user.to_string()).arg(stuck);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n");
        Self { child, at: at.to_owned() }
    }

    /// It takes questions, and answers none; or again.
    pub fn hang(&self, hangs: bool) {
        let signal = if hangs { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.hang(false);
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
