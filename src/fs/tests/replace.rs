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
    copy(&from, &to).unwrap();
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
    copy(&from, &to).unwrap();
    assert_eq!(mode(&to), 0o400);
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let dir = TempDir::new().unwrap();
    let [from, to, link] = ["from", "to", "link"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    symlink("to", &link).unwrap();
    copy(&from, &link).unwrap();
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
    copy(&from, &to).unwrap();
    assert!(!left.exists());
    fs::write(&left, "half a key").unwrap();
    remove_temporaries(&[dir.path().to_owned(), dir.path().join("absent")]).unwrap();
    assert!(!left.exists() && to.exists());
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let dir = TempDir::new().unwrap();
    let fifo = dir.path().join("fifo");
    sys::mknodat(CWD, &fifo, sys::FileType::Fifo, sys::Mode::RUSR, 0).unwrap();
    assert!(read::optional(&fifo).unwrap_err().to_string().ends_with("it is not a regular file"));
    assert!(copy(&fifo, &dir.path().join("to")).is_err());
    let large = dir.path().join("large");
    fs::File::create(&large).unwrap().set_len(read::MAX_BYTES + 1).unwrap();
    assert!(read::optional(&large).unwrap_err().to_string().ends_with("it is larger than 1 MiB"));
    assert_eq!(read::optional(&dir.path().join("absent")).unwrap(), None);
}

#[test]
fn a_file_that_cannot_be_written_stays_what_it_was() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("from");
    fs::write(&from, "new").unwrap();
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    assert!(copy(&from, &to).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the temporary is gone");
}

/// `u::rw- u:4711:r-- g::--- m::r-- o::---`, as the kernel keeps it (linux/posix_acl_xattr.h).
fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 4711), (4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

const ACL: &str = "system.posix_acl_access";
const NOTE: &str = "user.note";

fn set(path: &Path, name: &str, value: &[u8]) {
    sys::setxattr(path, name, value, sys::XattrFlags::empty()).unwrap();
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = sys::getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// Without its ACL, the mask of 0640 would be what the group may do.
#[test]
fn acl_and_attributes_of_the_old_file_stay() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    set(&from, NOTE, b"of the new one");
    set(&from, "user.more", b"");
    fs::write(&to, "old").unwrap();
    set(&to, ACL, &acl());
    set(&to, NOTE, b"mine");
    let before = fs::metadata(&to).unwrap();
    assert_eq!(before.mode() & 0o777, 0o640);
    copy(&from, &to).unwrap();
    let after = fs::metadata(&to).unwrap();
    assert_ne!(after.ino(), before.ino(), "by a rename");
    assert_eq!(after.mode(), before.mode());
    let found = [ACL, NOTE, "user.more"].map(|name| get(&to, name));
    assert_eq!(found, [Some(acl()), Some(b"mine".to_vec()), None]);
    // An edit of a file keeps them too.
    let opened = File::open(dir.path()).unwrap();
    let owner = Ownership::of(&sys::stat(&to).unwrap());
    write_at(&opened, Path::new("to"), b"newer", owner).unwrap();
    assert_eq!((get(&to, ACL), get(&to, NOTE)), (Some(acl()), Some(b"mine".to_vec())));
    // One that becomes this user's alone does not: with a key in it, nobody else reads it.
    write(&to, b"newest", Ownership::private()).unwrap();
    assert_eq!((get(&to, ACL), get(&to, NOTE), mode(&to)), (None, Some(b"mine".to_vec()), 0o600));
}

#[test]
fn a_copy_has_them_for_the_way_back() {
    let dir = TempDir::new().unwrap();
    let [live, kept] = ["live", "kept"].map(|name| dir.path().join(name));
    fs::write(&live, "key").unwrap();
    set(&live, ACL, &acl());
    set(&live, NOTE, b"mine");
    copy(&live, &kept).unwrap();
    fs::remove_file(&live).unwrap();
    copy(&kept, &live).unwrap();
    assert_eq!((get(&live, ACL), get(&live, NOTE)), (Some(acl()), Some(b"mine".to_vec())));
}

/// The default ACL of a directory is for files that are made there, and not for one that takes another's place.
#[test]
fn what_a_directory_gives_to_new_files_is_not_kept() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    for path in [&from, &to] {
        set_mode(path, 0o640);
    }
    set(dir.path(), "system.posix_acl_default", &acl());
    copy(&from, &to).unwrap();
    copy(&from, &dir.path().join("copy")).unwrap();
    for name in ["to", "copy"] {
        let path = dir.path().join(name);
        assert_eq!((get(&path, ACL), mode(&path)), (None, 0o640), "{name}");
    }
}

#[test]
fn a_file_with_another_name_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let [from, to, other] = ["from", "to", "other"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    fs::hard_link(&to, &other).unwrap();
    let fault = copy(&from, &to).unwrap_err();
    assert!(fault.to_string().contains("it has 2 names (hard links)"), "{fault}");
    assert_eq!(
        (fs::read(&to).unwrap(), fs::read(&other).unwrap()),
        (b"old".to_vec(), b"old".to_vec())
    );
    assert!(!dir.path().join(".certwatch-to").exists());
}

#[test]
fn a_place_that_others_can_lead_elsewhere_is_not_written_to() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("open")).unwrap();
    let [from, to, secret] = ["from", "open/to", "secret"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, &to).unwrap();
    for mode in [0o777, 0o1777] {
        set_mode(&dir.path().join("open"), mode);
        let fault = copy(&from, &to).unwrap_err();
        assert!(fault.to_string().contains("open"), "{fault}");
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    }
}

/// With an exchange, and as on a file system that knows none.
#[test]
fn what_was_put_is_taken_back() {
    for can_exchange in [true, false] {
        let dir = TempDir::new().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        set_mode(&to, 0o640);
        let put = Prepared::new(&from, &to).unwrap().put().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
        let put = Put { is_exchanged: put.is_exchanged && can_exchange, ..put };
        put.take_back().unwrap();
        assert_eq!((fs::read(&to).unwrap(), mode(&to)), (b"old".to_vec(), 0o640));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
    }
}

#[test]
fn what_was_not_there_before_goes_again() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, "new").unwrap();
    Prepared::new(&from, &to).unwrap().put().unwrap().take_back().unwrap();
    assert!(!to.exists());
}

/// It holds manifests that are away.
#[test]
fn a_directory_is_no_temporary() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join(".certwatch-manifests")).unwrap();
    fs::write(dir.path().join(".certwatch-a.key"), "key").unwrap();
    remove_temporaries(&[dir.path().to_owned()]).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
