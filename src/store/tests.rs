//! The store on a real file system; what takes other processes is in `tests/store.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

type State = BTreeMap<String, Vec<i64>>;

const NOW: UnixTime = UnixTime::new(1_800_000_000);

fn state() -> State {
    [("a".to_owned(), vec![1, -2]), ("b \u{1b}\"".to_owned(), vec![])].into()
}

/// A directory with this `state.json`.
fn with(bytes: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(STATE), bytes).unwrap();
    dir
}

fn load(dir: &Path) -> Loaded<State> {
    Store::open(dir).unwrap().load(NOW).unwrap()
}

/// Why a state was set aside; the file must be there under its new name, and the old one free.
fn why_set_aside(dir: &Path) -> String {
    match load(dir) {
        Loaded::SetAside { to, why } => {
            assert!(fs::symlink_metadata(to).is_ok());
            assert!(matches!(load(dir), Loaded::Fresh));
            why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_saved_is_found() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("state");
    let mut store = Store::open(&dir).unwrap();
    assert!(matches!(store.load::<State>(NOW), Ok(Loaded::Fresh)));
    assert_eq!(peek::<State>(&dir).unwrap(), None);
    for round in 0..3 {
        let mut state = state();
        state.insert("round".to_owned(), vec![round]);
        store.save(&state).unwrap();
        assert_eq!(peek(&dir).unwrap(), Some(state.clone()));
        assert_eq!(store.load::<State>(NOW).unwrap().into_state(), state);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join(STATE)), mode(&dir.join(LOCK))), (0o700, 0o600, 0o600));
    let mut names = store.dir.names();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    assert_eq!(names, [LOCK, STATE]);
}

#[test]
fn only_one_works_with_a_directory() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    assert!(!is_in_use(dir));
    let store = Store::open(dir).unwrap();
    assert!(is_in_use(dir));
    let error = Store::open(dir).err().unwrap();
    assert!(matches!(error, StoreError::Busy { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&format!("(process {}) uses", std::process::id())));
    drop(store);
    assert!(!is_in_use(dir));
    Store::open(dir).unwrap();
}

#[test]
fn a_glance_at_the_lock_keeps_nobody_out() {
    let dir = TempDir::new().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let glance = File::open(dir.path().join(LOCK)).unwrap();
    glance.lock_shared().unwrap();
    let later = std::thread::spawn(move || {
        sleep(LOCK_PAUSE * 2);
        drop(glance);
    });
    assert!(Store::open(dir.path()).is_ok());
    later.join().unwrap();
}

#[test]
fn every_beginning_of_a_state_is_set_aside() {
    let whole = serde_json::to_vec(&StateFileRef { version: VERSION, state: &state() }).unwrap();
    for length in 0..whole.len() {
        let dir = with(&whole[..length]);
        assert!(matches!(peek::<State>(dir.path()), Err(StoreError::Unusable { .. })));
        let why = why_set_aside(dir.path());
        let expected = if length == 0 { "is empty" } else { "is damaged (" };
        assert!(why.starts_with(expected), "{length}: {why}");
    }
    assert_eq!(load(with(&whole).path()).into_state(), state());
}

#[test]
fn what_is_no_state_is_set_aside_with_the_reason() {
    for (text, expected) in [
        ("{\"version\":2,\"other\":1}", "has version 2; this certwatch knows version 1"),
        ("{\"version\":-1,\"state\":{}}", "is damaged (unexpected content at line 1 column 13)"),
        ("{\"version\":1}", "is not a valid state of this version (unexpected content"),
        (
            "{\"version\":1,\"state\":{\"a\":\"secret\"}}",
            "is not a valid state of this version (unexp",
        ),
        ("\u{0}\u{0}\u{0}", "is damaged (no JSON at line 1"),
        ("{\"version\":1,\"state\":{}} x", "is damaged (no JSON at line 1 column 26)"),
    ] {
        let why = why_set_aside(with(text.as_bytes()).path());
        assert!(why.starts_with(expected) && !why.contains("secret"), "{text}: {why}");
    }
    let nested = format!("{{\"version\":1,\"state\":{}", "[".repeat(100_000));
    assert!(why_set_aside(with(nested.as_bytes()).path()).starts_with("is damaged"));
    let large = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    assert_eq!(why_set_aside(with(&large).path()), "is larger than 16 MiB");
}

#[test]
fn what_is_no_file_is_set_aside_unopened() {
    let made: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        },
    ];
    for make in made {
        let dir = TempDir::new().unwrap();
        make(&dir.path().join(STATE));
        assert_eq!(why_set_aside(dir.path()), "is not a regular file");
    }
}

#[test]
fn five_that_were_set_aside_are_kept_and_none_is_overwritten() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut all = Vec::new();
    for round in 0..12_i64 {
        fs::write(dir.path().join(STATE), format!("{round}")).unwrap();
        // Three in each second.
        let now = UnixTime::new(NOW.seconds() + round / 3);
        match store.load::<State>(now).unwrap() {
            Loaded::SetAside { to, .. } => all.push(to),
            other => panic!("{other:?}"),
        }
    }
    let content: Vec<_> = all.iter().map(|path| fs::read_to_string(path).ok()).collect();
    let kept: Vec<_> = content.iter().flatten().cloned().collect();
    assert_eq!(kept, ["7", "8", "9", "10", "11"]);
    assert!(all[11].to_string_lossy().ends_with(".set-aside-1800000003.2"));
}

#[test]
fn what_the_dead_left_is_removed() {
    let dir = with(b"{\"version\":1,\"state\":{}}");
    let left = dir.path().join(format!(".certwatch-{STATE}"));
    let other = dir.path().join(".certwatch-notes");
    fs::write(&left, "{").unwrap();
    fs::write(&other, "mine").unwrap();
    assert!(matches!(load(dir.path()), Loaded::Found(_)));
    assert!(!left.exists() && other.exists());
}

#[test]
fn a_directory_that_was_removed_is_told() {
    let above = TempDir::new().unwrap();
    let dir = above.path().join("state");
    let mut store = Store::open(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    let said = store.save(&state()).unwrap_err().to_string();
    assert!(said.ends_with("create it, and restart certwatch if it was removed"), "{said}");
    let said = Store::open(&above.path().join("a/b")).err().unwrap().to_string();
    assert!(said.starts_with("cannot create the directory /"), "{said}");
    assert!(peek::<State>(&above.path().join("a")).unwrap().is_none(), "nobody has run yet");
}

#[test]
fn a_state_that_could_not_be_read_again_is_not_written() {
    let dir = with(b"{\"version\":1,\"state\":{}}");
    let mut store = Store::open(dir.path()).unwrap();
    let huge = vec!["x".repeat(1 << 20); 16];
    let said = store.save(&huge).unwrap_err().to_string();
    assert!(said.ends_with("the state is larger than 16 MiB; please report it"), "{said}");
    assert!(store.save(&BTreeMap::from([(vec![1], 1)])).is_err(), "no JSON has such keys");
    assert!(matches!(store.load::<State>(NOW), Ok(Loaded::Found(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, at: usize, byte: u8, torn: bool) {
        if !torn {
            bytes = serde_json::to_vec(&StateFileRef { version: VERSION, state: &state() }).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let dir = with(&bytes);
        prop_assert!(!matches!(load(dir.path()), Loaded::Fresh));
    }
}
