use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};

use tempfile::TempDir;

use super::super::testing::{mode, set_mode};
use super::*;

#[test]
fn a_file_is_replaced_with_owner_and_mode_of_the_old_one() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    set_mode(&from, 0o644);
    set_mode(&to, 0o640);
    if rustix::process::geteuid().is_root() {
        chown(&to, Some(7), Some(8)).unwrap();
    }
    let before = fs::metadata(&to).unwrap();
    replace(&from, &to).unwrap();
    let after = fs::metadata(&to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"new");
    assert_eq!(
        (after.uid(), after.gid(), after.mode()),
        (before.uid(), before.gid(), before.mode())
    );
    assert_ne!(after.ino(), before.ino(), "by a rename");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
}

#[test]
fn a_new_file_is_like_the_one_it_was_copied_from() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, "key").unwrap();
    set_mode(&from, 0o400);
    replace(&from, &to).unwrap();
    assert_eq!(mode(&to), 0o400);
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let dir = TempDir::new().unwrap();
    let [from, to, link] = ["from", "to", "link"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    symlink("to", &link).unwrap();
    replace(&from, &link).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&to).unwrap(), b"new");
}

#[test]
fn leftovers_of_a_killed_run_are_no_obstacle_and_can_be_cleared() {
    let dir = TempDir::new().unwrap();
    let [from, to, left] = ["from", "to", ".certwatch-to"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&left, "half a key").unwrap();
    set_mode(&left, 0o666);
    replace(&from, &to).unwrap();
    assert!(!left.exists());
    fs::write(&left, "half a key").unwrap();
    remove_temporaries(&[dir.path().to_owned(), dir.path().join("absent")]).unwrap();
    assert!(!left.exists() && to.exists());
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let dir = TempDir::new().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(sha256(&fifo).unwrap_err().what.ends_with("it is not a regular file"));
    assert!(replace(&fifo, &dir.path().join("to")).is_err());
    let large = dir.path().join("large");
    fs::File::create(&large).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert!(sha256(&large).unwrap_err().what.ends_with("it is larger than 1 MiB"));
    assert_eq!(sha256(&dir.path().join("absent")).unwrap(), None);
}

#[test]
fn the_sum_is_the_usual_one() {
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex_sha256(b"abc"), sum);
}

#[test]
fn a_file_that_cannot_be_written_stays_what_it_was() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("from");
    fs::write(&from, "new").unwrap();
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    assert!(replace(&from, &to).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the temporary is gone");
}
