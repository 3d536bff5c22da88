//! Programs and answers that are waited for, never longer than is said.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::domain::renewal::Fault;
use crate::domain::text::safe;

/// Most of what a program says that is read: a kubeconfig has 6 kB.
const MAX_SAID: u64 = 1 << 20;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a killed process may take to end.
const DEATH: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(200);

/// One attempt to reach the kubelet.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Where the kubelet says how it is, over plain HTTP (`healthzPort`).
const HEALTH: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 10248);

/// Runs a program with nothing of this process's environment, to its end or to `limit`. What it
/// prints may hold a key: no part of it gets into a fault.
pub(super) fn run(program: &Path, arguments: &[&str], limit: Duration) -> Result<String, Fault> {
    let shown = format!("{} {}", program.display(), arguments.join(" "));
    let failed = |why: String| Fault::failed(format!("`{}` {why}", safe(&shown)));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("HOME", "/root").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A ^C is for certwatch, which goes on.
    command.process_group(0);
    let child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    match wait(child, limit) {
        Ok(Some((status, said))) if status.success() => Ok(said),
        Ok(Some((status, _))) => Err(failed(format!("failed with {status}"))),
        Ok(None) => Err(failed(format!("was ended, because it took more than {limit:?}"))),
        Err(error) => Err(failed(format!("cannot be waited for: {error}"))),
    }
}

/// How it ended and what it said; `None` if it had to be killed.
fn wait(mut child: Child, limit: Duration) -> io::Result<Option<(ExitStatus, String)>> {
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let (sender, ended) = channel();
    spawn(move || {
        let mut said = String::new();
        let stdout = child.stdout.take();
        let read = stdout.map_or(Ok(0), |it| it.take(MAX_SAID).read_to_string(&mut said));
        // Nobody listens any more if it took too long.
        let _ = sender.send(read.and_then(|_| Ok((child.wait()?, said))));
    });
    if let Ok(ended) = ended.recv_timeout(limit) {
        return ended.map(Some);
    }
    // It may end by itself at this very moment.
    let _ = pidfd_send_signal(&process, Signal::KILL);
    let _ = ended.recv_timeout(DEATH);
    Ok(None)
}

/// What `probe` gives, asked again and again until `limit` has passed; at least once.
pub(super) fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() > limit {
            return None;
        }
        sleep(PAUSE);
    }
}

/// True if the kubelet says that it is well.
pub(super) fn is_healthy() -> bool {
    health().is_ok_and(|answer| answer.starts_with(b"HTTP/1.") && &answer[8..] == b" 200")
}

/// The first line of its answer, as far as the status.
fn health() -> io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&HEALTH, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// A new file for this user alone, on disk when this returns. One that a killed run left is replaced.
pub(super) fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(line: &str, limit: Duration) -> Result<String, Fault> {
        run(Path::new("sh"), &["-c", line], limit)
    }

    #[test]
    fn a_program_gets_nothing_of_our_environment() {
        let said = shell("env | cut -d= -f1 | sort", LONG).unwrap();
        let known = ["HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(said.lines().all(|name| known.contains(&name)), "{said}");
    }

    #[test]
    fn what_hangs_is_ended_and_what_fails_is_not_quoted() {
        let fault = shell("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(fault.what.contains("was ended"), "{fault}");
        let fault = shell("echo a-$((40+2)) && exit 7", LONG).unwrap_err();
        assert!(fault.what.contains("exit status: 7"), "{fault}");
        assert!(!fault.what.contains("a-42"), "{fault}");
        let fault = run(Path::new("/no/such"), &[], LONG).unwrap_err();
        assert!(fault.what.contains("cannot be run"), "{fault}");
    }

    #[test]
    fn too_much_is_cut_off() {
        let fault = shell("yes", LONG).unwrap_err();
        assert!(fault.what.contains("failed"), "its pipe was closed: {fault}");
    }
}
