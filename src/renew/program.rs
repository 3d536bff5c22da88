//! Runs a program, bounded in time and in what it may say.

use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::domain::renewal::Fault;
use crate::domain::text::escape_control;
use crate::fs::trusted;

/// What is kept of the output, from its beginning; kubeadm says 1 kB.
const MAX_OUTPUT: usize = 64 * 1024;

/// How long a program may take to heed SIGTERM, and the kernel to end it by SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How long an end can pass unnoticed: it does not show on the pipe if a child of it lives on.
const TICK: Duration = Duration::from_millis(20);

/// How many lines of the output a message repeats.
const LINES: usize = 5;

/// How a program ended.
pub(super) struct Output {
    pub(super) status: ExitStatus,
    /// It was ended because its time was up.
    pub(super) is_late: bool,
    /// Both of its outputs. May hold a key, so it goes nowhere but through [`Output::summary`].
    output: Vec<u8>,
}

impl Output {
    pub(super) fn is_success(&self) -> bool {
        self.status.success() && !self.is_late
    }

    /// All of the output that is text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// How it ended and its last lines, fit for a message: no line of PEM or base64 among them.
    pub(super) fn summary(&self) -> String {
        let text = self.text();
        let lines = without_keys(&text);
        let last = lines[lines.len().saturating_sub(LINES)..].join("; ");
        let end = if self.is_late { "it timed out".to_owned() } else { self.status.to_string() };
        if last.is_empty() { end } else { format!("{end}; it said: {}", escape_control(&last)) }
    }
}

/// The lines that are neither empty nor part of a PEM block nor base64.
fn without_keys(text: &str) -> Vec<&str> {
    let mut is_block = false;
    let mut is_plain = |line: &&str| {
        is_block |= line.contains("-----BEGIN");
        let is_plain = !is_block && !line.is_empty() && !has_base64(line);
        is_block &= !line.contains("-----END");
        is_plain
    };
    text.lines().map(str::trim).filter(|line| is_plain(line)).collect()
}

/// 32 characters of base64 on end, one of them a capital: no word is like that, and no path of
/// kubeadm's.
fn has_base64(line: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let is_key = |run: &str| run.len() >= 32 && run.contains(|c: char| c.is_ascii_uppercase());
    line.split(|c| !is_base64(c)).any(is_key)
}

/// A program with nothing of this process's surroundings: no variables, no input, `/` to work in,
/// and a process group of its own.
///
/// # Errors
/// It is not there, or others than root could have changed it, or where its path leads.
pub(super) fn command(program: &Path) -> Result<Command, Fault> {
    let real = trusted(program)?;
    let mut command = bare(&real);
    // Some programs are many, and go by their name.
    command.arg0(program);
    Ok(command)
}

/// The same for the program that this process runs already, whose path needs no trust.
pub(super) fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", "/nonexistent").env("LANG", "C");
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    command
}

/// One of the system's own programs, to be run by this process or by one that it runs.
///
/// # Errors
/// It is not there, or others than root could have changed it.
pub(super) fn find(name: &str) -> Result<PathBuf, Fault> {
    let dirs = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let paths = dirs.iter().map(|dir| Path::new(dir).join(name));
    let mut found = paths.filter(|path| path.is_file());
    let path = found.next().ok_or_else(|| Fault::failed(format!("there is no `{name}`")))?;
    trusted(&path)?;
    Ok(path)
}

/// Where a program really is.
///
/// # Errors
/// As of [`command`].
pub(super) fn trusted(program: &Path) -> Result<PathBuf, Fault> {
    let shown = escape_control(&program.to_string_lossy()).into_owned();
    trusted::executable(program)
        .map_err(|error| Fault::failed(format!("{shown} was not run: {error}")))
}

/// Runs `command` for at most `limit`, and ends all of its process group after that.
///
/// # Errors
/// It cannot be started, or not even SIGKILL ends it.
pub(super) fn run(mut command: Command, limit: Duration) -> Result<Output, Fault> {
    let name = escape_control(&command.get_program().to_string_lossy()).into_owned();
    let failed =
        |doing: &str, error: &io::Error| Fault::failed(format!("cannot {doing} {name}: {error}"));
    let (mut reader, writer) = io::pipe().map_err(|error| failed("run", &error))?;
    let err = writer.try_clone().map_err(|error| failed("run", &error))?;
    let mut child =
        command.stdout(writer).stderr(err).spawn().map_err(|error| failed("run", &error))?;
    // It holds the pipe's other end.
    drop(command);
    let mut output = Vec::new();
    let is_late = !ends_within(&child, &mut reader, &mut output, limit);
    if is_late {
        signal_group(&child, Signal::TERM);
        ends_within(&child, &mut reader, &mut output, GRACE);
    }
    // What it left behind as well, while its number is still its own.
    signal_group(&child, Signal::KILL);
    if !ends_within(&child, &mut reader, &mut output, GRACE) {
        return Err(Fault::failed(format!(
            "{name} cannot be killed: it is blocked in the kernel; check the disk (`dmesg`)"
        )));
    }
    let status = child.wait().map_err(|error| failed("wait for", &error))?;
    Ok(Output { status, is_late, output })
}

/// Reads what it says until it ends, and then what is left in the pipe.
fn ends_within(
    child: &Child,
    reader: &mut PipeReader,
    output: &mut Vec<u8>,
    limit: Duration,
) -> bool {
    let start = Instant::now();
    loop {
        let has_ended = has_ended(child);
        let has_read = drain(reader, output);
        if has_ended || start.elapsed() >= limit {
            return has_ended;
        }
        if !has_read {
            pause(reader);
        }
    }
}

/// Reads what a full pipe can hold, and no more: one that never ends must not hold this up.
fn drain(reader: &mut PipeReader, output: &mut Vec<u8>) -> bool {
    let mut has_more = || is_ready(reader, Duration::ZERO) && take(reader, output);
    (0..16).take_while(|_| has_more()).count() > 0
}

/// Until something can be read or a tick is over; at the end of the output, a tick.
fn pause(reader: &PipeReader) {
    let start = Instant::now();
    is_ready(reader, TICK);
    if start.elapsed() < TICK / 2 {
        std::thread::sleep(TICK / 4);
    }
}

fn is_ready(reader: &PipeReader, wait: Duration) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
    poll(&mut [PollFd::new(reader, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0)
}

/// Reads once; what is above the limit is thrown away, so that the program does not wait for it.
fn take(reader: &mut PipeReader, output: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 4096];
    let Ok(read @ 1..) = reader.read(&mut bytes) else { return false };
    let room = MAX_OUTPUT.saturating_sub(output.len()).min(read);
    output.extend_from_slice(&bytes[..room]);
    true
}

/// Its number stays its own until it is waited for.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid(child)
        .is_none_or(|pid| waitid(WaitId::Pid(pid), options).is_ok_and(|status| status.is_some()))
}

/// To fail means that nobody is left.
fn signal_group(child: &Child, signal: Signal) {
    if let Some(pid) = pid(child) {
        let _ = kill_process_group(pid, signal);
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
#[path = "tests/program.rs"]
mod tests;
