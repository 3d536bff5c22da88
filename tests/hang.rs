//! A file system that is away holds up nothing but itself.
//!
//! Needs root and /dev/fuse, to mount one that does not answer: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certwatch::domain::model::{Content, Inventory, Item, Reason};
use certwatch::hangs::{Claim, Hangs, SPARE};
use certwatch::scan::{self, ScanRequest};
use certwatch::sys;
use common::manager::Manager;
use common::node::Node;
use common::pki::Days;
use common::run::{codes, rows};
use common::stage::{Daemon, SOON, Stage};
use common::wait;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A file system that does not answer until it is told to.
struct Hanging {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Hanging {
    fn at(directory: &Path) -> Self {
        Self::with(directory, None)
    }

    /// One that shows the files of another directory once it answers.
    fn with(directory: &Path, content: Option<&Path>) -> Self {
        fs::create_dir_all(directory).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hangfs.py");
        let mut command = Command::new(script);
        command.arg(directory).args(content).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut hanging = Self { process, said };
        hanging.hears("mounted");
        hanging
    }

    fn answers(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap(), "answer").unwrap();
        self.hears("answer");
    }

    fn hears(&mut self, word: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// The report of a node with an expired API server, while the directories hang.
fn check_with_hanging(directories: &[&str]) -> Value {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    node.leaf("apiserver", Days(-400, -35));
    let config = root.path().join("config.toml");
    fs::write(&config, "[scan]\ntimeout = \"12s\"\n").unwrap();
    let report = root.path().join("report.json");
    let hanging: Vec<Hanging> =
        directories.iter().map(|below| Hanging::at(&root.path().join(below))).collect();
    let mut certwatch = Command::new(env!("CARGO_BIN_EXE_certwatch"))
        .args(["check", "-o", "json", "--root"])
        .arg(root.path())
        .arg("--config")
        .arg(&config)
        .stdout(fs::File::create(&report).unwrap())
        .spawn()
        .unwrap();
    // The kernel lets the process end only when its file system answers; the report comes before.
    let deadline = Instant::now() + Duration::from_secs(120);
    let document = loop {
        match serde_json::from_slice(&fs::read(&report).unwrap()) {
            Ok(document) => break document,
            Err(_) => assert!(Instant::now() < deadline, "no report for {directories:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    drop(hanging);
    assert_eq!(certwatch.wait().unwrap().code(), Some(2));
    document
}

#[test]
fn a_directory_below_the_pki_costs_itself_alone() {
    let document = check_with_hanging(&["etc/kubernetes/pki/aaa", "etc/kubernetes/pki/zzz"]);
    assert_eq!(codes(&document, "pki/apiserver.crt"), ["expired"]);
    assert_eq!(codes(&document, "pki/aaa"), ["timeout"]);
    assert_eq!(codes(&document, "pki/zzz"), ["timeout"]);
    let ok = rows(&document).iter().filter(|row| row["severity"] == "ok").count();
    assert!(ok >= 15, "{document:#}");
}

#[test]
fn the_kubelet_s_directory_may_hang_too() {
    let document = check_with_hanging(&["var/lib/kubelet/pki"]);
    assert_eq!(codes(&document, "pki/apiserver.crt"), ["expired"]);
    assert!(
        codes(&document, "/var/lib/kubelet/pki").contains(&"timeout".to_owned()),
        "{document:#}"
    );
}

/// All that is known of a file or of what is below a directory.
fn at<'a>(inventory: &'a Inventory, path: &Path) -> Vec<&'a Item> {
    inventory.items.iter().filter(|item| item.place.path.starts_with(path)).collect()
}

fn request(root: &Path, paths: Vec<String>) -> ScanRequest {
    ScanRequest {
        endpoints: Vec::new(),
        root: root.to_owned(),
        standard: true,
        paths,
        only_paths: false,
        in_use: false,
        exclude: Vec::new(),
        max_files: 10_000,
        timeout: Duration::from_secs(12),
    }
}

#[test]
fn five_hundred_scans_leave_one_thread_behind_until_the_directory_answers() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let content = TempDir::new().unwrap();
    let (_, pair) = node.new_leaf("apiserver", SOON);
    fs::write(content.path().join("a.crt"), pair.certificate).unwrap();
    let dead = Path::new("/etc/kubernetes/pki/dead");
    let below = root.path().join("etc/kubernetes/pki/dead");
    let mut hanging = Hanging::with(&below, Some(content.path()));
    let (request, hangs) = (request(root.path(), Vec::new()), Arc::new(Hangs::default()));
    let scan = || scan::scan(&request, &hangs, sys::now()).unwrap();

    let begun = sys::now();
    let first = scan();
    let [silent] = *at(&first, dead) else { panic!("{:#?}", at(&first, dead)) };
    assert!(matches!(silent.content, Content::Problem(Reason::TimedOut(3))), "{silent:?}");
    wait::until("the next second", || if sys::now() > begun { Ok(()) } else { Err(()) });
    for _ in 0..500 {
        let inventory = scan();
        let [item] = *at(&inventory, dead) else { panic!("{:#?}", at(&inventory, dead)) };
        assert_eq!(item.place, silent.place, "it is the same to those who were told");
        let Content::Problem(Reason::Hangs(since)) = item.content else { panic!("{item:?}") };
        assert!((begun..=sys::now()).contains(&since), "{since}");
        assert_eq!(inventory.items.len(), first.items.len());
        let judged =
            inventory.items.iter().filter(|it| matches!(it.content, Content::Certificate(_)));
        assert!(judged.count() >= 15, "{inventory:#?}");
        assert_eq!(hangs.count(), 1);
        // Those of the other tests are among these.
        let threads = fs::read_dir("/proc/self/task").unwrap().count();
        assert!(threads < 100, "{threads}");
    }

    hanging.answers();
    wait::until("the thread's return", || if hangs.count() == 0 { Ok(()) } else { Err(()) });
    let inventory = scan();
    let [item] = *at(&inventory, dead) else { panic!("{:#?}", at(&inventory, dead)) };
    assert_eq!(&*item.place.path, dead.join("a.crt"));
    assert!(matches!(item.content, Content::Certificate(_)), "{item:?}");
}

#[test]
fn two_hundred_files_of_a_dead_mount_cost_a_few_threads_in_all() {
    let root = TempDir::new().unwrap();
    Node::healthy(root.path());
    let _hanging = Hanging::at(&root.path().join("srv/dead"));
    let paths = (0..200).map(|number| format!("/srv/dead/{number}.crt")).collect();
    let request = request(root.path(), paths);
    let hangs = Arc::new(Hangs::default());
    for _ in 0..3 {
        let inventory = scan::scan(&request, &hangs, sys::now()).unwrap();
        let dead = at(&inventory, Path::new("/srv/dead"));
        let is_silent = |item: &&&Item| {
            matches!(item.content, Content::Problem(Reason::TimedOut(_) | Reason::Hangs(_)))
        };
        assert_eq!((dead.len(), dead.iter().filter(is_silent).count()), (200, 200));
        assert!(inventory.items.len() >= 215);
        assert!(hangs.count() <= 6, "{}", hangs.count());
    }
}

/// Forty dead mounts, and the names of a file on each.
fn forty(root: &Path) -> (Vec<Hanging>, Vec<String>) {
    let name = |number: usize| format!("srv/{number}/dead");
    let mounts = (0..40).map(|number| Hanging::at(&root.join(name(number)))).collect();
    (mounts, (0..40).map(|number| format!("/{}/a.crt", name(number))).collect())
}

#[test]
fn more_dead_mounts_than_there_are_threads_for_hide_nothing_of_kubernetes() {
    let root = TempDir::new().unwrap();
    Node::healthy(root.path());
    let (_hanging, paths) = forty(root.path());
    // Four of them hang in each scan, until there is no thread for the rest.
    let request = ScanRequest { timeout: Duration::from_secs(4), ..request(root.path(), paths) };
    let hangs = Arc::new(Hangs::default());
    let mut left_out = 0;
    for _ in 0..30 {
        let inventory = scan::scan(&request, &hangs, sys::now()).unwrap();
        let dead = at(&inventory, Path::new("/srv"));
        assert_eq!(dead.len(), 40, "{dead:#?}");
        let problem = |it: &&Item| match &it.content {
            Content::Problem(reason) => reason.clone(),
            other => panic!("{other:?}"),
        };
        let is_left_out = |it: &&&Item| matches!(problem(it), Reason::TooManyHang);
        left_out = dead.iter().filter(is_left_out).count();
        let judged =
            inventory.items.iter().filter(|it| matches!(it.content, Content::Certificate(_)));
        assert!(judged.count() >= 15, "{inventory:#?}");
        assert!(hangs.count() <= Claim::Named.most() + SPARE, "{}", hangs.count());
    }
    assert_eq!(left_out, 40 - Claim::Named.most());
}

#[test]
fn a_daemon_beside_forty_dead_mounts_judges_kubernetes_and_stays() {
    let stage = Stage::new();
    let (_hanging, paths) = forty(&stage.node.root);
    stage.configure(&format!("{}[scan]\ntimeout = \"4s\"\npaths = {paths:?}\n", stage.webhook()));
    let mut manager = Manager::of(&stage);
    let mut daemon = start_guarded(&stage);
    for scans in 1..=30 {
        wait_for_scans(&daemon, &mut manager, scans);
        daemon.signal(Signal::HUP);
    }
    stage.renew("apiserver", SOON);
    wait::until("a message of what is new", || {
        manager.hear();
        let headlines = stage.receiver.headlines();
        let is_it = |it: &String| it.contains("apiserver expires in 5 d");
        if headlines.iter().any(is_it) { Ok(()) } else { Err(headlines) }
    });
    let heard = manager.heard.len();
    manager.wait_for("WATCHDOG=1", heard);
    assert!(threads_of(&daemon) <= 40, "{}", threads_of(&daemon));
    assert!(!daemon.read_log().contains("cannot scan this node"), "{}", daemon.read_log());
    assert_eq!(daemon.stop().0, Some(0));
}

/// With a watchdog that rings each second.
fn start_guarded(stage: &Stage) -> Daemon {
    let mut command = stage.run_command();
    command.env("NOTIFY_SOCKET", stage.path("notify")).env("WATCHDOG_USEC", "2000000");
    Daemon::start(&mut command, stage.path("log"))
}

fn wait_for_scans(daemon: &Daemon, manager: &mut Manager, scans: usize) {
    wait::until("a scan", || {
        manager.hear();
        let log = daemon.read_log();
        if log.matches("DEBUG scanned").count() >= scans { Ok(()) } else { Err(log) }
    });
}

/// A stage whose first scan takes so many seconds.
fn slow_stage(seconds: u32) -> (Stage, Vec<Hanging>) {
    let stage = Stage::new();
    let names = ["/srv/a/dead", "/srv/b/dead", "/srv/c/dead", "/srv/d/dead"];
    let hanging =
        names.iter().map(|name| Hanging::at(&stage.node.path(&name[1..]))).collect::<Vec<_>>();
    stage.configure(&format!(
        "{}[scan]\ntimeout = \"{seconds}s\"\npaths = {names:?}\n",
        stage.webhook()
    ));
    (stage, hanging)
}

#[test]
fn reloads_while_a_directory_hangs_leave_no_threads_behind() {
    let (stage, _hanging) = slow_stage(4);
    let mut daemon = Daemon::start(&mut stage.run_command(), stage.path("log"));
    daemon.wait_for_log("started; notifications go to:");
    for reloads in 1..=12 {
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("configuration reloaded", reloads);
    }
    daemon.wait_for_log("DEBUG scanned");
    // For each of the four a scan's and the watcher's, and those that do not hang.
    assert!(threads_of(&daemon) < 16, "{}", threads_of(&daemon));
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn the_watchdog_is_not_fed_while_a_scan_does_not_end() {
    let (stage, _hanging) = slow_stage(20);
    let mut manager = Manager::of(&stage);
    let mut daemon = start_guarded(&stage);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/stop_thread.py");
    let mut stopper = Command::new(script)
        .args([&daemon.child.id().to_string(), "scans"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(stopper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "stopped\n");
    // It is fed until the scan should have ended, a minute after its timeout.
    let fed = |manager: &Manager| manager.heard.iter().filter(|it| *it == "WATCHDOG=1").count();
    wait::until("half of that time", || {
        manager.hear();
        if fed(&manager) > 40 { Ok(()) } else { Err(manager.heard.clone()) }
    });
    let overdue = "the scan has not finished after 80 s";
    wait::until(overdue, || {
        manager.hear();
        let log = daemon.read_log();
        if log.contains(overdue) { Ok(()) } else { Err(log) }
    });
    manager.hear();
    let before = fed(&manager);
    // Long enough for systemd to end it, while its loop turns.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        let heard = manager.heard.len();
        daemon.signal(Signal::HUP);
        manager.wait_for("READY=1", heard);
    }
    assert_eq!(fed(&manager), before, "{:?}", manager.heard);
    assert!(stage.receiver.headlines().iter().any(|it| it.contains("cannot scan this node")));
    // Once it has ended, all is well again.
    drop(stopper.stdin.take());
    stopper.wait().unwrap();
    let heard = manager.heard.len();
    manager.wait_for("WATCHDOG=1", heard);
    assert_eq!(daemon.stop().0, Some(0));
}

/// Users of nobody else: the limit of threads is for all that one has.
const UIDS: [u32; 2] = [61_432, 61_433];

/// A stage whose node has a directory that hangs, for a daemon that is not root.
fn stage_with_hanging(content: &Path, uid: u32) -> (Stage, Hanging) {
    let stage = Stage::new();
    stage.configure(&format!("{}[scan]\ntimeout = \"12s\"\n", stage.webhook()));
    let hanging = Hanging::with(&stage.node.path("etc/kubernetes/pki/dead"), Some(content));
    fs::create_dir(stage.state()).unwrap();
    for path in [stage.state(), stage.path("hook")] {
        std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
    }
    fs::set_permissions(stage.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    (stage, hanging)
}

fn as_user(uid: u32, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}"));
    command.args(["--clear-groups", program]);
    command
}

/// The daemon with at most so many threads.
fn start_with(stage: &Stage, uid: u32, threads: u32, log: &str) -> Daemon {
    let certwatch = stage.run_command();
    let mut command = as_user(uid, "prlimit");
    command.arg(format!("--nproc={threads}")).arg(certwatch.get_program());
    command.args(certwatch.get_args()).env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    Daemon::start(&mut command, stage.path(log))
}

fn threads_of(daemon: &Daemon) -> u32 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_daemon_with_few_threads_goes_on_and_tells() {
    let [uid, _] = UIDS;
    let content = TempDir::new().unwrap();
    let (stage, mut hanging) = stage_with_hanging(content.path(), uid);
    let mut daemon = start_with(&stage, uid, 20, "log");
    for scans in 1..40 {
        daemon.wait_for_logs("DEBUG scanned", scans);
        daemon.signal(Signal::HUP);
    }
    assert!(threads_of(&daemon) < 12, "{}", threads_of(&daemon));
    stage.renew("apiserver", SOON);
    wait::until("a message of what is new", || {
        let headlines = stage.receiver.headlines();
        let is_it = |it: &String| it.contains("apiserver expires in 5 d");
        if headlines.iter().any(is_it) { Ok(()) } else { Err(headlines) }
    });
    wait::until("a message of what hangs", || {
        let told = stage.receiver.posts("/hook");
        let is_it =
            |body: &str| body.contains("pki/dead") && body.contains("has not responded since");
        if told.iter().any(|post| is_it(&post.body)) {
            Ok(())
        } else {
            Err(stage.receiver.headlines())
        }
    });
    let watch = stage.memory()["state"]["writer"]["watch"].as_str().unwrap().to_owned();
    let silent =
        format!("{}: not responding", stage.node.path("etc/kubernetes/pki/dead").display());
    assert!(watch.starts_with("inotify on ") && watch.contains(&silent), "{watch}");

    // It answers: that is seen without anybody who asks, and then judged and watched.
    hanging.answers();
    daemon.wait_for_log("every directory responds again");
    wait::until("a message that it is over", || {
        let told = stage.receiver.messages();
        let is_it = |it: &&Value| {
            it["certwatch"]["resolved"].to_string().contains("dead")
                || it.to_string().contains("no longer exists")
        };
        if told.iter().any(|it| is_it(&it)) { Ok(()) } else { Err(stage.receiver.headlines()) }
    });
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn a_daemon_without_a_thread_ends_for_another_to_begin_and_that_is_told() {
    let [_, uid] = UIDS;
    let content = TempDir::new().unwrap();
    let (stage, _hanging) = stage_with_hanging(content.path(), uid);
    let mut daemon = start_with(&stage, uid, 20, "log");
    daemon.wait_for_log("DEBUG scanned");
    let limited = as_user(uid, "prlimit")
        .args(["--pid", &daemon.child.id().to_string(), "--nproc=1:20"])
        .status();
    assert!(limited.unwrap().success());
    for bad in 1..=3 {
        daemon.signal(Signal::HUP);
        daemon.wait_for_logs("DEBUG scanned", 1 + bad);
    }
    assert_eq!(daemon.end().code(), Some(1));
    let log = daemon.read_log();
    assert!(log.contains("cannot scan this node: there is no thread to scan with"), "{log}");
    assert!(log.contains("ERROR several scans in a row failed"), "{log}");
    assert!(!log.contains("internal error at"), "{log}");
    assert!(stage.memory()["state"]["given_up"].is_i64(), "{:#}", stage.memory());

    let mut next = start_with(&stage, uid, 20, "log.next");
    wait::until("a message of how it ended", || {
        let headlines = stage.receiver.headlines();
        let is_it = |it: &String| it.contains("could not scan this node");
        if headlines.iter().any(is_it) { Ok(()) } else { Err(headlines) }
    });
    assert_eq!(next.stop().0, Some(0));
}

/// The secrets of two channels lie where nothing answers.
#[test]
fn a_channel_whose_files_hang_holds_up_nobody_else() {
    let stage = Stage::new();
    let dead = stage.path("dead");
    let _hanging = Hanging::at(&dead);
    let beat = format!("[heartbeat]\nurl-file = \"{}\"\n", dead.join("beat").display());
    let token = dead.join("token");
    let slack = format!("[slack]\ntoken-file = \"{}\"\nchannel = \"C1\"\n", token.display());
    stage.configure(&format!("{}{beat}{slack}", stage.webhook()));
    let mut daemon = Daemon::start(&mut stage.run_command(), stage.path("log"));
    for scans in 1..20 {
        daemon.wait_for_logs("DEBUG scanned", scans);
        daemon.signal(Signal::HUP);
    }
    stage.renew("apiserver", SOON);
    wait::until("a message by the channel that works", || {
        let headlines = stage.receiver.headlines();
        let is_it = |it: &String| it.contains("apiserver expires in 5 d");
        if headlines.iter().any(is_it) { Ok(()) } else { Err(headlines) }
    });
    daemon.wait_for_log("does not respond; is its file system unavailable?");
    assert!(threads_of(&daemon) < 8, "{}", threads_of(&daemon));
    assert_eq!(daemon.stop().0, Some(0));

    let checked = stage.command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("does not respond; is its file system unavailable?"), "{said}");
    let tried = stage.command(&["notify", "test"]).output().unwrap();
    let said = String::from_utf8(tried.stdout).unwrap();
    assert!(said.contains("ok      webhook"), "{said}");
    assert!(
        said.contains("a secret cannot be read: ") && said.contains("does not respond"),
        "{said}"
    );
}
