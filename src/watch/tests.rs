//! Against the real kernel. Waits are bounded generously, and nothing is timed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::domain::layout::Search;

/// Far more than a hint takes.
const SOON: Duration = Duration::from_secs(60);

/// The kernel tells at once what happened, so what was not noted by then never will be.
const NONE: Duration = Duration::from_millis(500);

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test)
}

/// Has looked when it is there, however slow the machine.
async fn patient(places: Vec<(PathBuf, Search)>) -> Watcher {
    patient_beside(None, places).await
}

async fn patient_beside(own: Option<PathBuf>, places: Vec<(PathBuf, Search)>) -> Watcher {
    let of = |(path, search)| Watched { path, search, is_awaited: true, is_named: false };
    let places = places.into_iter().map(of).collect();
    let mut watcher = Watcher::blind(WatchTargets { own, places, hangs: Arc::default() }, SOON);
    watcher.look().await;
    watcher
}

async fn is_quiet(watcher: &mut Watcher) -> bool {
    timeout(NONE, watcher.changed()).await.is_err() && watcher.debounce.due().is_none()
}

/// A node with a pki, and who watches it.
struct Node {
    root: TempDir,
    watcher: Watcher,
}

impl Node {
    async fn new() -> Self {
        let root = TempDir::new().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("kubernetes/pki/etcd")).unwrap();
        fs::create_dir_all(at("kubelet/pki")).unwrap();
        fs::write(at("kubernetes/pki/ca.crt"), "ca").unwrap();
        let places = vec![
            (at("kubernetes"), Search::Below),
            (at("kubelet/pki"), Search::FilesOf),
            (at("home/.kube/config"), Search::One),
        ];
        let watcher = patient(places).await;
        assert_eq!(watcher.coverage.refusal, None);
        Self { root, watcher }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    async fn hints(&mut self) -> bool {
        timeout(SOON, self.watcher.changed()).await.is_ok()
    }

    async fn is_quiet(&mut self) -> bool {
        is_quiet(&mut self.watcher).await
    }

    /// What the daemon does with a hint.
    async fn hints_and_is_looked_at(&mut self) {
        assert!(self.hints().await);
        self.watcher.refresh().await;
    }
}

/// Does something to a node; it must be noticed, and then again what is done to this file.
fn is_noticed(change: impl Fn(&Node), then: &str) {
    run(async {
        let mut node = Node::new().await;
        change(&node);
        node.hints_and_is_looked_at().await;
        fs::write(node.at(then), "again").unwrap();
        assert!(node.hints().await, "still awake");
    });
}

#[test]
fn a_file_that_is_replaced() {
    is_noticed(
        |node| {
            fs::write(node.at("kubernetes/pki/.new"), "renewed").unwrap();
            fs::rename(node.at("kubernetes/pki/.new"), node.at("kubernetes/pki/ca.crt")).unwrap();
        },
        "kubernetes/pki/ca.crt",
    );
}

#[test]
fn a_file_that_is_written_in_place() {
    is_noticed(
        |node| {
            let file = OpenOptions::new().write(true).open(node.at("kubernetes/pki/ca.crt"));
            file.unwrap().write_all(b"renewed").unwrap();
        },
        "kubernetes/pki/ca.crt",
    );
}

#[test]
fn the_kubelet_that_swaps_its_link() {
    is_noticed(
        |node| {
            let pki = node.at("kubelet/pki");
            fs::write(pki.join("kubelet-client-2.pem"), "renewed").unwrap();
            symlink("kubelet-client-2.pem", pki.join("kubelet-client-updated.pem")).unwrap();
            let current = pki.join("kubelet-client-current.pem");
            let _ = fs::remove_file(&current);
            fs::rename(pki.join("kubelet-client-updated.pem"), current).unwrap();
        },
        "kubelet/pki/kubelet-client-current.pem",
    );
}

#[test]
fn a_directory_that_is_moved_away_and_restored() {
    is_noticed(
        |node| {
            fs::rename(node.at("kubernetes"), node.at("kubernetes.old")).unwrap();
            fs::create_dir_all(node.at("kubernetes/pki/etcd")).unwrap();
        },
        "kubernetes/pki/etcd/ca.crt",
    );
}

#[test]
fn new_directories_with_a_file_at_once() {
    is_noticed(
        |node| {
            fs::create_dir_all(node.at("kubernetes/pki/new/er")).unwrap();
            fs::write(node.at("kubernetes/pki/new/er/a.crt"), "new").unwrap();
        },
        "kubernetes/pki/new/er/a.crt",
    );
}

#[test]
fn what_was_missing_and_appears() {
    is_noticed(
        |node| {
            fs::create_dir_all(node.at("home/.kube")).unwrap();
            fs::write(node.at("home/.kube/config"), "new").unwrap();
        },
        "home/.kube/config",
    );
}

#[test]
fn a_place_whose_link_is_turned() {
    run(async {
        let root = TempDir::new().unwrap();
        let at = |path: &str| root.path().join(path);
        for name in ["a", "b"] {
            fs::create_dir(at(name)).unwrap();
        }
        symlink("a", at("tls")).unwrap();
        let mut watcher = patient(vec![(at("tls"), Search::Below)]).await;
        symlink("b", at("tls.new")).unwrap();
        fs::rename(at("tls.new"), at("tls")).unwrap();
        timeout(SOON, watcher.changed()).await.unwrap();
        fs::write(at("b/a.crt"), "new").unwrap();
        timeout(SOON, watcher.changed()).await.unwrap();
        fs::write(at("a/a.crt"), "old").unwrap();
        assert!(is_quiet(&mut watcher).await, "nobody looks there any more");
    });
}

#[test]
fn what_was_not_heard_is_found_by_the_look_after_a_scan() {
    run(async {
        let mut node = Node::new().await;
        node.watcher.refresh().await;
        assert!(node.is_quiet().await);
        fs::create_dir(node.at("kubernetes/pki/new")).unwrap();
        node.watcher.refresh().await;
        assert!(node.watcher.debounce.due().is_some(), "a new directory is a hint");
    });
}

#[test]
fn reading_is_no_change() {
    run(async {
        let mut node = Node::new().await;
        for _ in 0..3 {
            fs::read(node.at("kubernetes/pki/ca.crt")).unwrap();
            assert!(fs::read_dir(node.at("kubernetes/pki")).unwrap().count() > 0);
            node.watcher.refresh().await;
        }
        assert!(node.is_quiet().await);
    });
}

/// The wake-ups of the thread that takes the kernel's events, of which this process has one.
fn wake_ups() -> u64 {
    let of = |task: PathBuf| {
        let name = fs::read_to_string(task.join("comm")).unwrap();
        let status = fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
        name.starts_with("notify-rs").then(|| line.unwrap().trim().parse::<u64>().unwrap())
    };
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let found: Vec<_> = tasks.filter_map(|task| of(task.unwrap().path())).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[test]
#[ignore = "the child of the next one"]
fn child_whose_files_are_read() {
    run(async {
        let mut node = Node::new().await;
        let file = node.at("kubernetes/pki/ca.crt");
        let before = wake_ups();
        for _ in 0..1000 {
            assert_eq!(fs::read(&file).unwrap(), b"ca");
            assert!(fs::read_dir(node.at("kubernetes/pki")).unwrap().count() > 0);
        }
        assert!(node.is_quiet().await);
        assert_eq!(wake_ups(), before, "the kernel is not asked for openings");
        fs::write(&file, "new").unwrap();
        assert!(node.hints().await);
        assert!(wake_ups() > before);
    });
}

#[test]
fn a_thousand_readings_wake_nobody() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "watch::tests::child_whose_files_are_read", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_manifest_that_changes() {
    is_noticed(
        |node| {
            fs::create_dir(node.at("kubernetes/manifests")).unwrap();
            fs::write(node.at("kubernetes/manifests/etcd.yaml"), "new").unwrap();
        },
        "kubernetes/manifests/etcd.yaml",
    );
}

#[test]
fn other_files_beside_a_place_are_no_change() {
    run(async {
        let mut node = Node::new().await;
        fs::write(node.at("else"), "x").unwrap();
        fs::create_dir(node.at("kubelet/pods")).unwrap();
        fs::write(node.at("kubelet/config.yaml"), "x").unwrap();
        assert!(node.is_quiet().await);
    });
}

#[test]
fn more_events_than_the_kernel_keeps() {
    run(async {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("a.crt");
        let mut watcher = patient(vec![(file.clone(), Search::One)]).await;
        let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let queue: usize = queue.trim().parse().unwrap();
        // Nobody listens meanwhile, and none of these counts. Of events that are alike only one is
        // kept, unless there is another between them.
        let others = ["b", "c"].map(|name| File::create(dir.path().join(name)).unwrap());
        for _ in 0..queue {
            for mut other in &others {
                other.write_all(b"x").unwrap();
            }
        }
        // This one is lost: only that some were is heard.
        fs::write(&file, "lost").unwrap();
        timeout(SOON, watcher.changed()).await.unwrap();
        assert!(is_quiet(&mut watcher).await);
        fs::write(&file, "heard").unwrap();
        timeout(SOON, watcher.changed()).await.unwrap();
    });
}

/// A thread that hangs at `path` until it is told to come back.
fn hang_at(hangs: &Arc<Hangs>, path: &Path) -> (oneshot::Sender<()>, thread::JoinHandle<()>) {
    let (back, come_back) = oneshot::channel();
    let (there, is_there) = std::sync::mpsc::channel();
    let (of_thread, path) = (hangs.clone(), path.to_owned());
    let thread = thread::spawn(move || {
        let _visitor = of_thread.visitor();
        of_thread.enter(&path).unwrap();
        there.send(()).unwrap();
        come_back.blocking_recv().unwrap();
    });
    is_there.recv().unwrap();
    (back, thread)
}

#[test]
fn a_look_that_hangs_holds_up_neither_scan_nor_hints_and_is_left_alone() {
    run(async {
        let mut node = Node::new().await;
        let (back, thread) = hang_at(&node.watcher.places.hangs, &node.at("kubernetes/pki/etcd"));
        let (send, survey) = oneshot::channel();
        node.watcher.looking = Some(Looking { survey, thread: thread.thread().id() });
        node.watcher.patience = Duration::from_millis(50);
        fs::write(node.at("kubernetes/pki/ca.crt"), "renewed").unwrap();
        assert!(node.hints().await);
        assert_eq!(node.watcher.coverage.silent, [] as [PathBuf; 0], "that is not known yet");
        // Once it is known, all else is looked at, and it is said what is not.
        node.watcher.patience = SOON;
        node.watcher.step_limit = Duration::ZERO;
        let (_, other) = oneshot::channel();
        drop(std::mem::replace(&mut node.watcher.looking.as_mut().unwrap().survey, other));
        drop(send);
        node.watcher.give_up_look();
        node.watcher.step_limit = STEP_LIMIT;
        node.watcher.refresh().await;
        assert_eq!(node.watcher.coverage.silent, [node.at("kubernetes/pki/etcd")]);
        assert_eq!(node.watcher.coverage.refusal, None);
        fs::write(node.at("kubernetes/pki/ca.crt"), "again").unwrap();
        assert!(node.hints().await);
        // It is watched again once it answers, without anybody who asks for it.
        node.watcher.retry = Duration::from_millis(100);
        node.watcher.refresh().await;
        back.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(timeout(SOON, node.watcher.changed()).await, Ok(Noticed::OtherWatch));
        assert_eq!(node.watcher.coverage.silent, [] as [PathBuf; 0]);
        assert!(node.hints().await, "and looked at");
        fs::write(node.at("kubernetes/pki/etcd/ca.crt"), "new").unwrap();
        assert!(node.hints().await);
    });
}

#[test]
fn a_look_without_an_end_is_made_again() {
    run(async {
        let mut node = Node::new().await;
        let (send, survey) = oneshot::channel();
        node.watcher.looking = Some(Looking { survey, thread: thread::current().id() });
        // The thread came to an end without a result: the next look is a new one.
        drop(send);
        node.watcher.refresh().await;
        node.watcher.refresh().await;
        assert_eq!(node.watcher.coverage.refusal, None);
    });
}

/// What happens if the kernel's events are taken by a thread that hangs.
#[test]
fn a_watch_that_cannot_be_set_is_no_inotify() {
    run(async {
        let mut node = Node::new().await;
        node.watcher.inotify.as_ref().unwrap().hangs_while_setting();
        let (_back, thread) = hang_at(&node.watcher.places.hangs, &node.at("kubernetes/pki/etcd"));
        let (_send, survey) = oneshot::channel();
        node.watcher.looking = Some(Looking { survey, thread: thread.thread().id() });
        node.watcher.step_limit = Duration::ZERO;
        assert!(node.watcher.give_up_look());
        let refusal = node.watcher.coverage.refusal.as_deref();
        assert_eq!(refusal, Some("a directory does not respond"));
        assert_eq!(node.watcher.coverage.directories, 0);
        // The next look takes new ones.
        node.watcher.step_limit = STEP_LIMIT;
        node.watcher.refresh().await;
        assert_eq!(node.watcher.coverage.refusal, None);
        assert_eq!(node.watcher.coverage.silent, [node.at("kubernetes/pki/etcd")]);
    });
}

/// As at a reload: a look that is dropped would be given up by nobody.
#[test]
fn a_look_that_hangs_is_given_up_though_other_places_are_watched_meanwhile() {
    run(async {
        let mut node = Node::new().await;
        let hangs = node.watcher.places.hangs.clone();
        let (_back, thread) = hang_at(&hangs, &node.at("kubernetes/pki/etcd"));
        let (_send, survey) = oneshot::channel();
        node.watcher.looking = Some(Looking { survey, thread: thread.thread().id() });
        node.watcher.patience = Duration::from_millis(1);
        let place = |path, is_named| {
            let path = node.root.path().join(path);
            Watched { path, search: Search::Below, is_awaited: true, is_named }
        };
        let places = vec![place("kubernetes", false), place("kubelet", true)];
        node.watcher.turn_to(places).await;
        assert_eq!(hangs.count(), 0, "it has its time");
        node.watcher.step_limit = Duration::ZERO;
        assert!(node.watcher.give_up_look());
        node.watcher.step_limit = STEP_LIMIT;
        node.watcher.patience = SOON;
        node.watcher.refresh().await;
        assert_eq!(hangs.count(), 1);
        assert_eq!(node.watcher.coverage.silent, [node.at("kubernetes/pki/etcd")]);
        fs::write(node.at("kubelet/new"), "").unwrap();
        assert!(node.hints().await, "the new places are watched");
    });
}

#[test]
fn what_is_named_stands_back_where_too_much_hangs() {
    run(async {
        let mut node = Node::new().await;
        let hangs = node.watcher.places.hangs.clone();
        let place = |path, is_named| {
            let path = node.root.path().join(path);
            Watched { path, search: Search::Below, is_awaited: true, is_named }
        };
        let stuck: Vec<_> = (0..Claim::Named.most())
            .map(|number| hang_at(&hangs, &PathBuf::from(format!("/srv/{number}/a"))))
            .collect();
        for (_, thread) in &stuck {
            assert!(hangs.give_up(thread.thread().id(), Duration::ZERO));
        }
        node.watcher.turn_to(vec![place("kubernetes", false), place("kubelet", true)]).await;
        assert_eq!(node.watcher.coverage.silent, [node.at("kubelet")]);
        fs::write(node.at("kubernetes/pki/ca.crt"), "renewed").unwrap();
        assert!(node.hints().await);
    });
}

#[test]
fn a_distribution_is_watched_only_if_it_is_there() {
    run(async {
        let root = TempDir::new().unwrap();
        let path = root.path().join("rancher");
        let search = Search::Below;
        let place = Watched { path: path.clone(), search, is_awaited: false, is_named: false };
        let places = WatchTargets { own: None, places: vec![place], hangs: Arc::default() };
        let mut watcher = Watcher::blind(places, SOON);
        let watched = |directories| Coverage { directories, ..Coverage::default() };
        watcher.refresh().await;
        assert_eq!(*watcher.coverage(), watched(0));
        fs::create_dir(&path).unwrap();
        watcher.refresh().await;
        assert_eq!(*watcher.coverage(), watched(1));
    });
}

#[test]
fn waiting_wakes_nobody() {
    run(async {
        let mut node = Node::new().await;
        let switches = || {
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse::<u64>().unwrap()
        };
        let before = switches();
        assert!(timeout(Duration::from_secs(3), node.watcher.changed()).await.is_err());
        // One for the end of the wait; a page of ours may be read from the disk.
        assert!(switches() - before <= 3, "{}", switches() - before);
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    run(async {
        let mut node = Node::new().await;
        fs::write(node.at("kubernetes/pki/ca.crt"), "renewed").unwrap();
        let deadline = Instant::now() + SOON;
        while timeout(Duration::from_millis(7), node.watcher.changed()).await.is_err() {
            assert!(Instant::now() < deadline);
        }
        assert!(node.is_quiet().await);
    });
}

#[test]
fn loops_and_vast_trees_end() {
    run(async {
        let root = TempDir::new().unwrap();
        symlink(".", root.path().join("loop")).unwrap();
        for n in 0..2100 {
            fs::create_dir(root.path().join(format!("{n}"))).unwrap();
        }
        let places = vec![(root.path().to_owned(), Search::Below)];
        let watcher = patient(places).await;
        let directories = watcher.coverage.directories;
        assert!((1900..=2001).contains(&directories), "{directories}");
        assert!(watcher.has_told_cut);
    });
}

/// This program in a user namespace, whose limits are its own to set.
fn with_limit(limit: &str, value: u32, test: &str) {
    let script = format!("echo {value} > /proc/sys/user/{limit} && exec \"$@\"");
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-ec", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("watch::tests::{test}"), "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

/// It says what cannot be watched and why, hears what is, and watches all again once it may.
async fn is_left_to_scans(limit: &str, directories: usize) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.crt");
    fs::write(&file, "old").unwrap();
    let places = vec![(dir.path().to_owned(), Search::Below), (file.clone(), Search::One)];
    let mut watcher = patient(places).await;
    let refusal = Some(format!("the limit {limit} is reached; raise it"));
    let silent = Vec::new();
    assert_eq!(*watcher.coverage(), Coverage { directories, refusal, silent });
    assert!(watcher.next_look.is_some(), "it is tried again");
    fs::write(&file, "new").unwrap();
    assert!(is_quiet(&mut watcher).await);
    watcher.refresh().await;
    assert!(is_quiet(&mut watcher).await, "nothing is watched anew");
    for name in ["max_inotify_instances", "max_inotify_watches"] {
        fs::write(Path::new("/proc/sys/user").join(name), "100").unwrap();
    }
    watcher.retry = Duration::from_millis(100);
    watcher.refresh().await;
    assert_eq!(watcher.coverage.refusal, None);
    // What happened meanwhile is found by a scan.
    timeout(SOON, watcher.changed()).await.unwrap();
    fs::write(&file, "newer").unwrap();
    timeout(SOON, watcher.changed()).await.unwrap();
}

#[test]
#[ignore = "the child of the next one"]
fn child_without_instances() {
    run(is_left_to_scans("LimitNOFILE or fs.inotify.max_user_instances", 0));
}

#[test]
fn without_inotify_all_is_left_to_scans() {
    with_limit("max_inotify_instances", 0, "child_without_instances");
}

#[test]
#[ignore = "the child of the next one"]
fn child_without_watches() {
    run(is_left_to_scans("fs.inotify.max_user_watches", 0));
}

#[test]
fn without_watches_all_is_left_to_scans() {
    with_limit("max_inotify_watches", 0, "child_without_watches");
}

#[test]
#[ignore = "the child of the next one"]
fn child_with_one_watch() {
    run(async {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        let mut watcher = patient(vec![(dir.path().to_owned(), Search::Below)]).await;
        assert_eq!(watcher.coverage.directories, 1);
        assert!(watcher.coverage.refusal.is_some());
        fs::write(dir.path().join("below/a.crt"), "new").unwrap();
        assert!(is_quiet(&mut watcher).await);
        fs::write(dir.path().join("a.crt"), "new").unwrap();
        timeout(SOON, watcher.changed()).await.unwrap();
    });
}

#[test]
fn with_too_few_watches_those_that_are_set_are_heard() {
    with_limit("max_inotify_watches", 1, "child_with_one_watch");
}
