//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): whose word the owners of files are, and what of a container is no
//! longer there.

use std::path::PathBuf;

/// Who stands behind what a mount says of its files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MountOwner {
    /// Root alone can have mounted it: a disk, a server, or a FUSE program that root has started.
    Root,
    /// A FUSE program that this user has started. It can call any file root's.
    User(u32),
    /// It is not listed, or is FUSE and does not say.
    Unknown,
}

/// Of the mount with this number. The kernel escapes what strangers can name in it.
pub(crate) fn origin(mountinfo: &[u8], id: u64) -> MountOwner {
    let lines =
        mountinfo.split(|byte| *byte == b'\n').filter_map(|it| std::str::from_utf8(it).ok());
    let mut found = lines
        .filter(|line| line.split(' ').next().and_then(|first| first.parse().ok()) == Some(id));
    let Some((_, rest)) = found.next().and_then(|line| line.split_once(" - ")) else {
        return MountOwner::Unknown;
    };
    let mut fields = rest.split(' ');
    let kind = fields.next().unwrap_or_default();
    let is_fuse = matches!(kind.split('.').next(), Some("fuse" | "fuseblk"));
    if !is_fuse {
        return MountOwner::Root;
    }
    let options = fields.nth(1).unwrap_or_default();
    let user = options.split(',').find_map(|option| option.strip_prefix("user_id="));
    match user.and_then(|user| user.parse().ok()) {
        Some(0) => MountOwner::Root,
        Some(user) => MountOwner::User(user),
        None => MountOwner::Unknown,
    }
}

/// Where a file or directory is mounted that has lost its name since: it was replaced by another, or removed. A path
/// with a space is not among them, since the kernel escapes that.
pub(crate) fn replaced(mountinfo: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(mountinfo);
    let at = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        root.ends_with("//deleted").then(|| PathBuf::from(at))
    };
    text.lines().filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOUNTS: &[u8] = b"\
        22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
        31 27 0:28 / /mnt/a\\040-\\040b rw shared:2 master:3 - fuse.sshfs anna@host:/ rw,user_id=1000,group_id=1000,allow_other\n\
        32 27 0:29 / /mnt/root rw - fuse.gcsfuse bucket rw,user_id=0,group_id=0,allow_other\n\
        33 27 8:1 / /mnt/stick rw - fuseblk /dev/sda1 rw,user_id=7,group_id=7\n\
        34 27 0:30 / /mnt/odd rw - fuse odd rw\n\
        35 27 0:31 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n\
        36 27 0:32 / /mnt/host rw - virtiofs tag rw\n\
        37 27 0:33 / /mnt/nfs rw - nfs4 host:/ rw,user_id=5\n\
        38 27 0:34 / /mnt/cut rw\n";

    #[test]
    fn what_a_user_mounted_is_told_apart() {
        for (id, expected) in [
            (22, MountOwner::Root),
            (27, MountOwner::Root),
            (31, MountOwner::User(1000)),
            (32, MountOwner::Root),
            (33, MountOwner::User(7)),
            (34, MountOwner::Unknown),
            (35, MountOwner::Root),
            (36, MountOwner::Root),
            (37, MountOwner::Root),
            (38, MountOwner::Unknown),
            (3, MountOwner::Unknown),
        ] {
            assert_eq!(origin(MOUNTS, id), expected, "{id}");
        }
        assert_eq!(origin(b"", 1), MountOwner::Unknown);
    }

    #[test]
    fn a_file_that_was_replaced_has_lost_its_name() {
        let mounts = b"1 0 8:1 /etc/kubernetes/admin.conf//deleted /etc/kubernetes/admin.conf rw - ext4 /dev/vda rw\n\
            2 0 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/vda rw\nx\n";
        assert_eq!(replaced(mounts), [PathBuf::from("/etc/kubernetes/admin.conf")]);
        assert!(replaced(MOUNTS).is_empty());
    }

    proptest! {
        #[test]
        fn only_what_is_listed_as_root_s_is(bytes in any::<Vec<u8>>(), id in any::<u64>()) {
            let is_listed = bytes.windows(3).any(|part| part == b" - ");
            prop_assert!(is_listed || origin(&bytes, id) == MountOwner::Unknown);
        }

        #[test]
        fn a_fuse_mount_is_the_user_s_that_it_names(user in 1..u32::MAX, kind in "fuse(blk)?(\\.[a-z]{1,9})?") {
            let line = format!("9 1 0:9 / /x rw - {kind} x rw,user_id={user},group_id=0,allow_other");
            prop_assert_eq!(origin(line.as_bytes(), 9), MountOwner::User(user));
        }
    }
}
