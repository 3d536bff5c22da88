//! Copies of admin.conf that belong to somebody who would like to be admin, or lie on a file system that is
//! away.
//!
//! Needs root, other users, and /dev/fuse: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certwatch::domain::renewal::Fault;
use certwatch::domain::renewal::copy::ListedCopy;
use certwatch::node::NodePaths;
use certwatch::renew::tree::copies::Copies;
use certwatch::renew::tree::copy::{Copy, certificate_of};
use certwatch::sys;
use common::node::{Node, SERVER, YEAR};
use common::pki::{Days, Pair, kubeconfig};
use common::plain::Plain;
use common::run::codes;
use common::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const ANNA: u32 = 12_345;
const OTHER: u32 = 12_346;

/// A node whose admin.conf was renewed, and Anna's home.
struct Homes {
    dir: TempDir,
    node: Node,
    /// admin.conf as it was before, still valid.
    before: String,
}

impl Homes {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let node = Node::healthy(dir.path());
        let before = node.read("etc/kubernetes/admin.conf");
        node.conf("admin.conf", &node.ca.leaf(ADMIN.0, ADMIN.1, &[], Days(0, 365)));
        let homes = Self { dir, node, before };
        fs::create_dir_all(homes.kube()).unwrap();
        for path in [homes.kube().parent().unwrap(), &homes.kube()] {
            chown(path, Some(ANNA), Some(ANNA)).unwrap();
        }
        homes
    }

    fn kube(&self) -> PathBuf {
        self.dir.path().join("home/anna/.kube")
    }

    fn now(&self) -> String {
        self.node.read("etc/kubernetes/admin.conf")
    }

    /// Anna's copy, with this text.
    fn annas(&self, text: &str) -> PathBuf {
        self.file(&self.kube().join("config"), text, ANNA)
    }

    fn file(&self, path: &Path, text: &str, uid: u32) -> PathBuf {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(path, Some(uid), Some(uid)).unwrap();
        path.to_owned()
    }

    fn copy<'a>(&'a self, kubernetes: &'a Path, path: &'a Path, owner: u32) -> Copy<'a> {
        Copy { kubernetes, path, owner, now: sys::now() }
    }

    fn refresh(&self, path: &Path, owner: u32) -> Result<(), Fault> {
        let kubernetes = self.node.path("etc/kubernetes");
        self.copy(&kubernetes, path, owner).refresh(None)
    }

    /// Why a plan leaves it alone.
    fn left(&self, path: &Path, owner: u32) -> String {
        let kubernetes = self.node.path("etc/kubernetes");
        let look = self.copy(&kubernetes, path, owner).look(true);
        assert!(!look.is_stale, "{look:?}");
        look.left.unwrap()
    }

    /// Neither planned nor done, and not a byte changed.
    fn is_left_alone(&self, path: &Path, owner: u32, why: &str) {
        let before = fs::read(path).unwrap();
        let left = self.left(path, owner);
        assert!(left.contains(why), "{left}");
        assert_eq!(self.refresh(path, owner).unwrap_err().what, left);
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

const ADMIN: (&str, &str) = ("kubernetes-admin", "system:masters");

#[test]
fn a_named_owners_copy_is_refreshed_and_stays_hers() {
    let homes = Homes::new();
    let path = homes.annas(&homes.before);
    homes.refresh(&path, ANNA).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), homes.now());
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (ANNA, ANNA, 0o600));
}

#[test]
fn without_an_owner_only_a_path_of_roots_counts() {
    let homes = Homes::new();
    let path = homes.annas(&homes.before);
    let line = format!("{{ path = \"{}\", owner = {ANNA} }}", path.display());
    homes.is_left_alone(&path, 0, &line);
    homes.is_left_alone(&path, OTHER, "who is not the owner that is named for it");
    // A file of root's in a directory that is Anna's.
    let path = homes.file(&homes.kube().join("roots"), &homes.before, 0);
    homes.is_left_alone(&path, 0, &format!("/home/anna belongs to user {ANNA}"));
    // And all of it root's.
    let path = homes.file(&homes.dir.path().join("roots"), &homes.before, 0);
    homes.refresh(&path, 0).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), homes.now());
}

/// The attack of the audit: her key, admin's name, a CA of the right name, and an algorithm that nobody checks.
#[test]
fn a_signature_that_cannot_be_checked_gets_no_key() {
    let homes = Homes::new();
    let dir = homes.dir.path();
    let script = "cd \"$0\"
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=kubernetes -days 30
        openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /O=system:masters/CN=kubernetes-admin
        echo extendedKeyUsage=clientAuth > v3
        openssl x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 $1 -extfile v3 -out own.crt";
    for algorithm in ["-sha224", "-sha3-256", "-sha512-256 -sigopt rsa_padding_mode:pss"] {
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).arg(dir).arg(algorithm);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let read = |name| fs::read_to_string(dir.join(name)).unwrap();
        let own = Pair { certificate: read("own.crt"), key: read("own.key") };
        let text = kubeconfig(SERVER, &homes.node.ca.pair.certificate, ADMIN.0, &own);
        let path = homes.annas(&text);
        for owner in [0, ANNA] {
            assert!(homes.refresh(&path, owner).is_err(), "{algorithm}");
            let kubernetes = homes.node.path("etc/kubernetes");
            assert!(!homes.copy(&kubernetes, &path, owner).look(true).is_stale);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{algorithm}");
    }
}

#[test]
fn a_right_that_has_ended_is_not_given_back() {
    let homes = Homes::new();
    let ended = homes.node.ca.leaf(ADMIN.0, ADMIN.1, &[], Days(-400, -35));
    let text = kubeconfig(SERVER, &homes.node.ca.pair.certificate, ADMIN.0, &ended);
    let path = homes.annas(&text);
    homes.is_left_alone(&path, ANNA, "has expired and is not the last one of admin.conf");
    // On a node that has expired it is what the rescue replaces.
    let kubernetes = homes.node.path("etc/kubernetes");
    let replaced = certificate_of(&path);
    assert!(replaced.is_some());
    homes.copy(&kubernetes, &path, ANNA).refresh(replaced).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), homes.now());
    // Where root alone can read and write, nobody is given anything.
    let path = homes.file(&homes.dir.path().join("roots"), &text, 0);
    homes.refresh(&path, 0).unwrap();
}

#[test]
fn only_roots_links_are_followed() {
    let homes = Homes::new();
    let roots = homes.file(&homes.dir.path().join("roots"), &homes.before, 0);
    let link = homes.kube().join("config");
    symlink(&roots, &link).unwrap();
    lchown(&link, Some(ANNA), Some(ANNA)).unwrap();
    for owner in [0, ANNA] {
        let left = homes.left(&link, owner);
        assert!(
            left.contains("is a symbolic link, and users other than root can change it")
                || owner == 0,
            "{left}"
        );
        assert!(homes.refresh(&link, owner).is_err());
    }
    // At a directory above it.
    let link = homes.dir.path().join("home/anna/linked");
    symlink(homes.dir.path(), &link).unwrap();
    lchown(&link, Some(ANNA), Some(ANNA)).unwrap();
    for owner in [0, ANNA] {
        assert!(homes.refresh(&link.join("roots"), owner).is_err());
    }
    assert_eq!(fs::read_to_string(&roots).unwrap(), homes.before);
    // Root's own, such as /home on another disk.
    let link = homes.dir.path().join("homes");
    symlink("home/../home", &link).unwrap();
    homes.annas_through(&link);
}

impl Homes {
    fn annas_through(&self, link: &Path) {
        fs::remove_file(self.kube().join("config")).unwrap();
        self.annas(&self.before);
        self.refresh(&link.join("anna/.kube/config"), ANNA).unwrap();
        assert_eq!(fs::read_to_string(self.kube().join("config")).unwrap(), self.now());
    }
}

#[test]
fn a_second_name_of_a_file_of_somebody_else_is_not_written() {
    let homes = Homes::new();
    let roots = homes.file(&homes.dir.path().join("roots"), &homes.before, 0);
    let path = homes.kube().join("config");
    fs::hard_link(&roots, &path).unwrap();
    homes.is_left_alone(&path, ANNA, "it belongs to root, who is not the owner");
    fs::remove_file(&path).unwrap();
    let others = homes.file(&homes.dir.path().join("annas"), &homes.before, ANNA);
    fs::hard_link(&others, &path).unwrap();
    homes.is_left_alone(&path, ANNA, "more than one hard link");
}

#[test]
fn directories_that_others_can_write_are_not_trusted() {
    let homes = Homes::new();
    let path = homes.annas(&homes.before);
    for mode in [0o775, 0o757] {
        fs::set_permissions(homes.kube(), fs::Permissions::from_mode(mode)).unwrap();
        homes.is_left_alone(&path, ANNA, "users other than its owner can write to /");
    }
    fs::set_permissions(homes.kube(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(homes.kube(), Some(OTHER), Some(OTHER)).unwrap();
    homes.is_left_alone(&path, ANNA, &format!(".kube belongs to user {OTHER}"));
    // In one like /tmp others can neither move nor replace what is not theirs.
    fs::set_permissions(homes.kube(), fs::Permissions::from_mode(0o1777)).unwrap();
    homes.is_left_alone(&path, ANNA, &format!(".kube belongs to user {OTHER}"));
    chown(homes.kube(), Some(0), Some(0)).unwrap();
    homes.refresh(&path, ANNA).unwrap();
}

/// An ACL shows in the mode: the group's bits are the most that any entry gives.
#[test]
fn a_writer_by_acl_is_a_writer() {
    let homes = Homes::new();
    let path = homes.annas(&homes.before);
    let mut setfacl = Command::new("setfacl");
    let status = setfacl.args(["-m", &format!("u:{OTHER}:rwx")]).arg(homes.kube()).status();
    assert!(status.unwrap().success());
    homes.is_left_alone(&path, ANNA, "users other than its owner can write to /");
}

/// Swaps directories and files beneath root's hands, as fast as it can, as Anna: whatever comes of a refresh,
/// no file of root's is changed and nothing of admin's is in a file that is not Anna's.
#[test]
fn a_race_is_never_won() {
    let homes = Homes::new();
    let path = homes.annas(&homes.before);
    let trap = homes.dir.path().join("trap");
    fs::create_dir(&trap).unwrap();
    let roots = homes.file(&trap.join("config"), &homes.before, 0);
    let meta = fs::metadata(&trap).unwrap();
    let trapped = (meta.mtime(), meta.mtime_nsec());
    let script =
        "cd \"$0\"; while :; do mv .kube away; ln -s ../../trap .kube; rm .kube; mv away .kube
        cp .kube/config .kube/new && mv .kube/new .kube/config; done";
    let mut setpriv = Command::new("setpriv");
    setpriv.args([format!("--reuid={ANNA}"), format!("--regid={ANNA}"), "--clear-groups".into()]);
    setpriv.args(["sh", "-c", script]).arg(homes.kube().parent().unwrap()).stderr(Stdio::null());
    let mut anna = setpriv.spawn().unwrap();
    let results: Vec<_> = (0..2_000).map(|_| homes.refresh(&path, ANNA)).collect();
    anna.kill().unwrap();
    anna.wait().unwrap();
    assert!(results.iter().any(Result::is_ok) && results.iter().any(Result::is_err));
    assert_eq!(fs::read_to_string(&roots).unwrap(), homes.before);
    // Not even for a moment, under another name: that changes the directory's times.
    let changed = fs::metadata(&trap).unwrap();
    assert_eq!((changed.mtime(), changed.mtime_nsec()), trapped);
    assert_eq!(fs::read_dir(&trap).unwrap().count(), 1);
    let mut grep = Command::new("grep");
    let output = grep.args(["-rlF", &field(&homes.now())]).arg(homes.dir.path()).output().unwrap();
    for holder in String::from_utf8(output.stdout).unwrap().lines() {
        let uid = fs::metadata(holder).unwrap().uid();
        let is_admin_conf = holder.ends_with("etc/kubernetes/admin.conf");
        assert!(uid == ANNA || is_admin_conf, "{holder}");
    }
}

/// In a place of hers, such as /tmp has, she mounts a file system that calls her files root's.
#[test]
fn a_file_system_that_a_user_has_mounted_gets_no_key() {
    let homes = Homes::new();
    let lies = homes.dir.path().join("lies");
    fs::create_dir(&lies).unwrap();
    let path = lies.join("config");
    for (user, is_believed) in [(ANNA, false), (0, true)] {
        let _plain = Plain::new(&lies, user, "");
        homes.file(&path, &homes.before, 0);
        if is_believed {
            homes.refresh(&path, 0).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), homes.now());
        } else {
            homes.is_left_alone(&path, 0, &format!("user {ANNA} has mounted"));
            // Nor if all of it is hers, and she is named.
            homes.file(&path, &homes.before, ANNA);
            homes.is_left_alone(&path, ANNA, &format!("user {ANNA} has mounted"));
        }
    }
}

/// The text of its key.
fn field(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("client-key-data")).unwrap();
    line.rsplit(": ").next().unwrap().to_owned()
}

/// Runs one of the ignored tests below on a node of its own: /etc, /root, /home and /var/lib are its.
fn on_a_node(test: &str) {
    let script = format!(
        "mount -t tmpfs -o mode=755 none /root && mount -t tmpfs -o mode=755 none /home && mount -t tmpfs -o mode=755 none /mnt
         cp /etc/passwd /mnt/passwd && mount -t tmpfs -o mode=755 none /etc && cp /mnt/passwd /etc/
         mkdir /etc/kubernetes && exec \"$0\" --exact {test} --ignored --nocapture"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", &script]);
    let output = command.arg(std::env::current_exe().unwrap()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

/// A file system that never answers, until this is dropped; it may have taken the question, and then the
/// kernel lets nobody go who has asked.
struct Hanging(Child);

impl Hanging {
    fn at(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hangfs.py");
        let mut command = Command::new(script);
        let mut child =
            command.arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n");
        Self(child)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn certwatch(verb: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwatch"));
    command.args(verb).args(["--config", "/etc/config.toml"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A node whose copies of root and Anna hang, with one between them that is well.
fn hanging_node() -> [Hanging; 2] {
    let node = Node::healthy(Path::new("/"));
    let before = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf(ADMIN.0, ADMIN.1, &[], Days(0, 365)));
    node.write("root/well", &before);
    fs::remove_dir_all("/root/.kube").unwrap();
    let config = "[renew]\nstate-dir = '/mnt/renew'\nkubeconfig-copies = [\n  '/root/.kube/config',\n  \
                  '/root/well',\n  { path = '/home/anna/.kube/config', owner = 1234 },\n]\n";
    fs::write("/etc/config.toml", config).unwrap();
    ["/root/.kube", "/home/anna/.kube"].map(|path| Hanging::at(Path::new(path)))
}

#[test]
fn a_copy_that_hangs_is_told_and_left_out() {
    on_a_node("the_plan_comes_to_its_end");
}

#[test]
#[ignore = "run by the one before it, on a node of its own"]
fn the_plan_comes_to_its_end() {
    let hanging = hanging_node();
    for verb in [&["renew", "--dry-run"][..], &["renew"]] {
        let output = certwatch(verb).output().unwrap();
        let text =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for path in ["/root/.kube/config", "/home/anna/.kube/config"] {
            let told = format!(
                "{path} is not refreshed: it did not respond within 5 s; is its file system unavailable?"
            );
            assert!(words.contains(&told), "{verb:?}: {words}");
        }
        assert!(words.contains("/root/well"), "{verb:?}: {words}");
    }
    let mut check = certwatch_check_says_it();
    drop(hanging);
    check.wait().unwrap();
}

/// The kernel may let the process go only when its file system answers; the report comes before.
fn certwatch_check_says_it() -> Child {
    let report = Path::new("/mnt/report.json");
    let mut check = certwatch(&["check", "-o", "json"]);
    let child = check.stdout(fs::File::create(report).unwrap()).spawn().unwrap();
    let document: serde_json::Value =
        until("report", || serde_json::from_slice(&fs::read(report).unwrap()));
    assert_eq!(codes(&document, "/root/.kube/config"), ["timeout"], "{document:#}");
    child
}

fn places() -> NodePaths {
    NodePaths {
        kubernetes: "/etc/kubernetes".into(),
        kubelet: "/var/lib/kubelet".into(),
        work: "/mnt/renew".into(),
        kubeadm: "/usr/bin/kubeadm".into(),
        is_stage_shown: false,
    }
}

#[test]
fn a_write_that_hangs_holds_up_nothing() {
    on_a_node("the_others_are_written");
}

#[test]
#[ignore = "run by the one before it, on a node of its own"]
fn the_others_are_written() {
    let _hanging = hanging_node();
    let places = places();
    let paths = ["/root/.kube/config", "/root/well", "/home/anna/.kube/config"].map(PathBuf::from);
    let listed = |path: &PathBuf| ListedCopy { path: path.clone(), owner: None };
    let copies = Copies::new(paths[..2].iter().map(listed).collect());
    let copies = copies.by(Path::new(env!("CARGO_BIN_EXE_certwatch")));
    let said = copies.refresh(&places, &paths, None);
    assert!(said[0].contains("it did not respond within 5 s"), "{said:?}");
    assert_eq!(said[1], "/root/well has the new certificate");
    assert!(said[2].contains("it is no longer in renew.kubeconfig-copies"), "{said:?}");
    let new = fs::read_to_string("/etc/kubernetes/admin.conf").unwrap();
    assert_eq!(fs::read_to_string("/root/well").unwrap(), new);
    let found = copies.look(&places, true);
    assert_eq!(found.stale, [PathBuf::from("/root/well")]);
    assert!(found.left[0].contains("it did not respond before"), "{found:?}");
}

/// They have a share each, so the last of many is looked at as long as the first.
#[test]
fn copies_that_hang_take_no_time_from_the_others() {
    on_a_node("the_last_has_its_share");
}

#[test]
#[ignore = "run by the one before it, on a node of its own"]
fn the_last_has_its_share() {
    let node = Node::healthy(Path::new("/"));
    let before = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf(ADMIN.0, ADMIN.1, &[], Days(0, 365)));
    node.write("root/well", &before);
    let dead: Vec<PathBuf> = (0..6).map(|at| PathBuf::from(format!("/mnt/{at}/config"))).collect();
    let _hanging: Vec<Hanging> =
        dead.iter().map(|path| Hanging::at(path.parent().unwrap())).collect();
    let all = dead.iter().cloned().chain([PathBuf::from("/root/well")]);
    let listed = all.map(|path| ListedCopy { path, owner: None }).collect();
    let copies = Copies::new(listed).by(Path::new(env!("CARGO_BIN_EXE_certwatch")));
    let found = copies.look(&places(), true);
    assert_eq!(found.stale, [PathBuf::from("/root/well")], "{found:?}");
    assert_eq!(found.left.len(), dead.len());
    for (path, left) in dead.iter().zip(&found.left) {
        let told = format!("{} is not refreshed: it did not respond within", path.display());
        assert!(left.starts_with(&told), "{left}");
    }
}

#[test]
fn a_plan_touches_nothing() {
    on_a_node("the_whole_tree_is_as_it_was");
}

#[test]
#[ignore = "run by the one before it, on a node of its own"]
fn the_whole_tree_is_as_it_was() {
    let node = Node::healthy(Path::new("/"));
    let before = node.read("etc/kubernetes/admin.conf");
    node.conf("admin.conf", &node.ca.leaf(ADMIN.0, ADMIN.1, &[], Days(0, 365)));
    node.write("root/stale", &before);
    let config =
        "[renew]\nenabled = true\nstate-dir = '/mnt/renew'\nkubeconfig-copies = ['/root/stale']\n";
    fs::write("/etc/config.toml", config).unwrap();
    fs::create_dir("/mnt/renew").unwrap();
    // Names, inodes, links, owners, and by the time of the last change every content, mode and attribute.
    let tree = || {
        let mut find = Command::new("find");
        find.args([
            "/etc",
            "/root",
            "/home",
            "/mnt",
            "-printf",
            "%p %i %n %M %U %G %s %T@ %C@ %l\\n",
        ]);
        let output = find.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut lines: Vec<_> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = tree();
    for arguments in [&["renew", "--dry-run"][..], &["renew", "--dry-run", "--all", "-o", "json"]] {
        let output = certwatch(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("admin.conf"), "{output:?}");
        assert_eq!(tree(), before);
    }
}

#[test]
fn a_signal_ends_a_plan_that_hangs() {
    on_a_node("a_signal_ends_it");
}

#[test]
#[ignore = "run by the one before it, on a node of its own"]
fn a_signal_ends_it() {
    let _hanging = hanging_node();
    for verb in [&["renew", "--dry-run"][..], &["renew"]] {
        for signal in [Signal::TERM, Signal::INT] {
            let mut child = certwatch(verb).spawn().unwrap();
            let pid = Pid::from_child(&child);
            await_copy_of(pid);
            kill_process(pid, signal).unwrap();
            let status = child.wait().unwrap();
            assert!(!status.success(), "{status}");
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert!(verb.len() == 2 || said.contains("stopping: no renewal had started"), "{said}");
        }
    }
}

/// Until it has a child that looks at a copy.
fn await_copy_of(pid: Pid) {
    let path = format!("/proc/{pid}/task/{pid}/children");
    loop {
        let children = fs::read_to_string(&path).unwrap();
        let is_copy = |child: &str| {
            fs::read(format!("/proc/{child}/cmdline"))
                .is_ok_and(|line| line.windows(5).any(|part| part == b"copy\0"))
        };
        if children.split_whitespace().any(is_copy) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// With a key of no use but to its holder.
#[test]
fn the_certificate_alone_is_nothing() {
    let homes = Homes::new();
    let own = homes.node.ca.leaf("anna", "", &[], YEAR);
    let key = STANDARD.encode(&own.key);
    let path = homes.annas(&homes.before.replace(&field(&homes.before), &key));
    for owner in [0, ANNA] {
        assert!(homes.refresh(&path, owner).is_err());
    }
}
