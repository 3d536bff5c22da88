//! Real mail servers on loopback, each gone when it is dropped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::port::free_port;

/// A user with no rights, to whom the mail is delivered.
const NOBODY: u32 = 65_534;

/// `smtp-sink`: takes mail and throws it away, or says no where it should.
pub struct Sink {
    child: Child,
    pub port: u16,
}

impl Sink {
    pub fn new(options: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new("smtp-sink");
        command.args(["-u", "postfix"]).args(options).arg(format!("127.0.0.1:{port}")).arg("10");
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_for(port, &mut child);
        Self { child, port }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// tests/lab/smtpd.py: wants TLS and a login.
pub struct Guarded {
    child: Child,
    heard: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    pub port: u16,
}

impl Guarded {
    /// `mode` is `starttls`, `tls` or `clear`; `files` are certificate and key.
    pub fn new(mode: &str, files: &[&Path]) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, 0, mode, files)
    }

    /// The same at an address and a port that people know.
    pub fn at(address: Ipv4Addr, port: u16, mode: &str, files: &[&Path]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/smtpd.py");
        let mut command = Command::new(script);
        command.args([&address.to_string(), &port.to_string(), mode]).args(files);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let heard = Arc::<Mutex<String>>::default();
        let log = Arc::clone(&heard);
        let reader = spawn(move || {
            for line in output.lines() {
                *log.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        Self { child, heard, reader: Some(reader), port: line.trim().parse().unwrap() }
    }

    /// The subjects of all mails so far.
    pub fn subjects(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.lines().filter_map(|line| line.strip_prefix("TAKEN ")).map(str::to_owned).collect()
    }

    /// Ends it; what it heard.
    pub fn heard(mut self) -> String {
        self.end();
        self.heard.lock().unwrap().clone()
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        self.reader.take().map(JoinHandle::join).transpose().unwrap();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

/// An instance of postfix of its own, which delivers all mail for example.org into one maildir.
pub struct Postfix {
    directory: TempDir,
    child: Child,
    pub port: u16,
}

impl Postfix {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let (root, port) = (directory.path(), free_port());
        // Its parts run as the user postfix.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "queue", "data", "mail"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let owner = Command::new("id").args(["-u", "postfix"]).output().unwrap().stdout;
        let owner = String::from_utf8(owner).unwrap().trim().parse().unwrap();
        chown(root.join("data"), Some(owner), None).unwrap();
        chown(root.join("mail"), Some(NOBODY), Some(NOBODY)).unwrap();
        fs::write(root.join("etc/main.cf"), main_cf(root)).unwrap();
        fs::write(root.join("etc/master.cf"), master_cf(port)).unwrap();
        let mut command = Command::new("postfix");
        command.arg("-c").arg(root.join("etc")).arg("start-fg");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(port, &mut child);
        Self { directory, child, port }
    }

    /// The files of the mails that have come, as soon as there are `count`.
    pub fn mails(&self, count: usize) -> Vec<PathBuf> {
        let new = self.directory.path().join("mail/box/new");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let files = fs::read_dir(&new).into_iter().flatten();
            let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
            if files.len() >= count {
                return files;
            }
            assert!(Instant::now() < deadline, "{} of {count} mails came", files.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let etc = self.directory.path().join("etc");
        Command::new("postfix")
            .arg("-c")
            .arg(etc)
            .arg("stop")
            .stderr(Stdio::null())
            .status()
            .unwrap();
        self.child.wait().unwrap();
    }
}

fn main_cf(root: &Path) -> String {
    let root = root.display();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {root}/queue\n\
         data_directory = {root}/data\n\
         maillog_file_prefixes = {root}\n\
         maillog_file = {root}/maillog\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = mail.example.org\n\
         mydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         alias_maps =\n\
         virtual_mailbox_domains = example.org\n\
         virtual_mailbox_base = {root}/mail\n\
         virtual_mailbox_maps = static:box/\n\
         virtual_uid_maps = static:{NOBODY}\n\
         virtual_gid_maps = static:{NOBODY}\n"
    )
}

/// What taking and delivering mail needs, and no more.
fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         anvil unix - - n - 1 anvil\n\
         proxymap unix - - n - - proxymap\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         virtual unix - n n - - virtual\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

fn wait_for(port: u16, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the server did not start");
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
}
