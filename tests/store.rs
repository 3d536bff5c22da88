//! The state directory when the process dies or the disk gives out. The tests start this program
//! again as a child, which runs one of the tests that are ignored otherwise.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use certwatch::domain::time::UnixTime;
use certwatch::store::{Loaded, Store, StoreError, is_in_use};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// How often the child is killed.
const KILLS: u64 = 200;

/// Where a child finds the directory.
const DIR: &str = "CERTWATCH_TEST_DIR";

#[derive(Debug, Default, Deserialize, Serialize)]
struct State {
    n: u64,
    payload: String,
    sha: Vec<u8>,
}

impl State {
    /// From a few bytes to 300 kB, so that one is torn in many places if any can be.
    fn number(n: u64) -> Self {
        let size = usize::try_from(n * 7919 % 100_000).unwrap();
        let payload = format!("{n} ").repeat(size / 2);
        let sha = digest(&SHA256, payload.as_bytes()).as_ref().to_vec();
        Self { n, payload, sha }
    }

    fn is_whole(&self) -> bool {
        self.payload == Self::number(self.n).payload
            && digest(&SHA256, self.payload.as_bytes()).as_ref() == self.sha
    }
}

/// This program, to run a test that is ignored otherwise.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(DIR, dir);
    command
}

fn given_dir() -> PathBuf {
    env::var_os(DIR).unwrap().into()
}

fn load(store: &Store) -> State {
    match store.load::<State>(UnixTime::new(0)).unwrap() {
        Loaded::SetAside { why, .. } => panic!("set aside: it {why}"),
        loaded => loaded.into_state(),
    }
}

#[test]
#[ignore = "the child of the next one"]
fn child_saves_without_end() {
    let mut store = Store::open(&given_dir()).unwrap();
    let mut n = load(&store).n;
    loop {
        n += 1;
        store.save(&State::number(n)).unwrap();
        writeln!(std::io::stdout(), "saved {n}").unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_saved() {
    let dir = TempDir::new().unwrap();
    let mut told = 0;
    let mut seed: u64 = 1;
    for _ in 0..KILLS {
        let mut saving =
            child("child_saves_without_end", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(saving.stdout.take().unwrap()).lines();
        let first = lines.by_ref().map_while(Result::ok).find_map(|line| number(&line));
        told = first.expect("the child saves");
        // A different moment each time.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((seed >> 33) % 8_000));
        saving.kill().unwrap();
        saving.wait().unwrap();
        told = lines.map_while(Result::ok).filter_map(|line| number(&line)).last().unwrap_or(told);

        let store = Store::open(dir.path()).unwrap();
        let state = load(&store);
        assert!(state.is_whole());
        assert!(state.n >= told, "{} was told, {} is there", told, state.n);
    }
    assert!(told >= KILLS);
    let mut left: Vec<_> =
        dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", "state.json"]);
}

/// `None` for the words of the test harness, and for a line that was cut.
fn number(line: &str) -> Option<u64> {
    line.strip_prefix("saved ")?.parse().ok()
}

#[test]
#[ignore = "the child of the next one"]
fn child_holds_the_lock() {
    let _store = Store::open(&given_dir()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn another_process_is_kept_out_until_the_first_is_dead() {
    let dir = TempDir::new().unwrap();
    let mut holder = child("child_holds_the_lock", dir.path()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_in_use(dir.path()) {
        assert!(Instant::now() < deadline, "the child never took the lock");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = holder.id();
    // The lock comes first and the number after it.
    let busy = loop {
        match Store::open(dir.path()).err().unwrap() {
            StoreError::Busy { pid: None, .. } if Instant::now() < deadline => {}
            other => break other,
        }
    };
    assert!(matches!(busy, StoreError::Busy { pid: Some(by), .. } if by == pid), "{busy}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!is_in_use(dir.path()));
    Store::open(dir.path()).unwrap();
}

/// Disks that give out, in a mount namespace of their own.
#[cfg(feature = "lab")]
mod disks {
    use super::*;

    fn in_own_mounts(test: &str, setup: &str) {
        let dir = TempDir::new().unwrap();
        let test = format!("disks::{test}");
        let command = child(&test, dir.path());
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec"])
            .arg(format!("{setup}; exec \"$@\""))
            .arg("sh")
            .arg(command.get_program())
            .args(command.get_args())
            .env(DIR, dir.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    const TMPFS: &str = "mount -t tmpfs -o size=1m,mode=700 none \"$CERTWATCH_TEST_DIR\"";

    #[test]
    fn a_full_disk_keeps_the_old_state() {
        in_own_mounts("child_fills_its_disk", TMPFS);
    }

    #[test]
    #[ignore = "the child of the one before"]
    fn child_fills_its_disk() {
        let dir = given_dir();
        let mut store = Store::open(&dir).unwrap();
        store.save(&State::number(1)).unwrap();
        let mut hog = std::fs::File::create(dir.join("hog")).unwrap();
        while hog.write_all(&[0; 4096]).is_ok() {}
        let said = store.save(&State::number(5)).unwrap_err().to_string();
        assert!(said.contains("state.json: the disk is full; free some space"), "{said}");
        assert_eq!(load(&store).n, 1);
        assert_eq!(dir.read_dir().unwrap().count(), 3, "nothing is left over");
        hog.set_len(0).unwrap();
        store.save(&State::number(5)).unwrap();
        assert_eq!(load(&store).n, 5);
    }

    #[test]
    fn a_disk_that_becomes_read_only_keeps_the_old_state() {
        in_own_mounts("child_on_a_read_only_disk", TMPFS);
    }

    #[test]
    #[ignore = "the child of the one before"]
    fn child_on_a_read_only_disk() {
        let dir = given_dir();
        let mut store = Store::open(&dir).unwrap();
        store.save(&State::number(1)).unwrap();
        drop(store);
        let mount = |how: &str| {
            let done = Command::new("mount").args(["-o", how]).arg(&dir).status().unwrap();
            assert!(done.success());
        };
        mount("remount,ro");
        let said = Store::open(&dir).err().unwrap().to_string();
        assert!(said.contains("the file system is read-only; mount it writable"), "{said}");
        assert_eq!(certwatch::store::peek::<State>(&dir).unwrap().unwrap().n, 1);
        mount("remount,rw");
        store = Store::open(&dir).unwrap();
        assert_eq!(load(&store).n, 1);
    }
}
