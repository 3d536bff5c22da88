use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use tempfile::TempDir;

use super::super::testing::{mode, set_mode};
use super::*;

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn home() -> (TempDir, std::path::PathBuf) {
    let dir = TempDir::new().unwrap();
    let kube = dir.path().join(".kube");
    fs::create_dir(&kube).unwrap();
    set_mode(&kube, 0o755);
    let path = kube.join("config");
    fs::write(&path, "old").unwrap();
    set_mode(&path, 0o640);
    (dir, path)
}

/// What it says of a place that it does not trust.
fn refused(path: &Path) -> String {
    match TrustedFile::open(path, me()) {
        Err(Untrustworthy::Place(why) | Untrustworthy::Mount(why)) => why,
        Err(Untrustworthy::Io(error)) => error.to_string(),
        Err(Untrustworthy::Owner(uid)) => format!("owner {uid}"),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

#[test]
fn it_is_replaced_with_its_owner_and_mode() {
    let (_dir, path) = home();
    let held = TrustedFile::open(&path, me()).ok().unwrap();
    assert_eq!(held.bytes, b"old");
    held.replace(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!((mode(&path), fs::metadata(&path).unwrap().uid()), (0o640, me()));
}

#[test]
fn a_swap_between_look_and_write_is_noticed() {
    let (dir, path) = home();
    let other = dir.path().join("other");
    let swaps: [&dyn Fn(); 4] = [
        &|| {
            fs::write(&other, "other").unwrap();
            fs::rename(&other, &path).unwrap();
        },
        &|| {
            fs::remove_file(&path).unwrap();
            symlink("/etc/passwd", &path).unwrap();
        },
        &|| {
            fs::hard_link(&path, &other).unwrap();
        },
        &|| fs::write(&path, "edited").unwrap(),
    ];
    for swap in swaps {
        let _ = fs::remove_file(&other);
        let _ = fs::remove_file(&path);
        fs::write(&path, "old").unwrap();
        set_mode(&path, 0o600);
        let held = TrustedFile::open(&path, me()).ok().unwrap();
        swap();
        let before = fs::read(&path).unwrap();
        assert!(held.replace(b"new").unwrap_err().to_string().contains("was changed just now"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

/// The directory is held, not its name.
#[test]
fn a_directory_that_is_moved_away_takes_the_write_with_it() {
    let (dir, path) = home();
    let kube = path.parent().unwrap();
    let (moved, trap) = (dir.path().join("moved"), dir.path().join("trap"));
    let held = TrustedFile::open(&path, me()).ok().unwrap();
    fs::rename(kube, &moved).unwrap();
    fs::create_dir(&trap).unwrap();
    fs::write(trap.join("config"), "root's").unwrap();
    symlink(&trap, kube).unwrap();
    held.replace(b"new").unwrap();
    assert_eq!(fs::read(moved.join("config")).unwrap(), b"new");
    assert_eq!(fs::read(trap.join("config")).unwrap(), b"root's");
}

#[test]
fn what_others_can_change_is_not_trusted() {
    let (dir, path) = home();
    let kube = path.parent().unwrap();
    for (at, mode, why) in [
        (kube, 0o775, "users other than its owner can write to /"),
        (kube, 0o757, "users other than its owner can write to /"),
        (&*path, 0o660, "others can write to it"),
        (&*path, 0o602, "others can write to it"),
    ] {
        let before = super::super::testing::mode(at);
        set_mode(at, mode);
        assert!(refused(&path).contains(why), "{}", refused(&path));
        set_mode(at, before);
    }
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    assert!(refused(&path).contains("hard link"));
    assert!(refused(kube).contains("not a regular file"), "{}", refused(kube));
    assert!(refused(Path::new("/")).contains("directory"));
}

/// Others can neither move nor replace what is not theirs.
#[test]
fn a_sticky_directory_is_as_good_as_a_closed_one() {
    let (_dir, path) = home();
    set_mode(path.parent().unwrap(), 0o1777);
    assert!(TrustedFile::open(&path, me()).is_ok());
}

/// `tests/copies.rs` has those that need root, with links of others.
#[test]
fn links_that_lead_in_circles_end() {
    let (dir, _) = home();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    symlink(&b, &a).unwrap();
    symlink(&a, &b).unwrap();
    let why = refused(&a.join("config"));
    assert!(why.contains("Too many"), "{why}");
}
