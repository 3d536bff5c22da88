//! Which mount a file lies on, and who stands behind what that says of its files.
//!
//! Both are asked of the kernel alone: a file system that hangs is not even entered.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use rustix::io::Errno;

use crate::parse::mountinfo::{self, MountOwner};

use super::read;

/// Far above any: a node with 10,000 mounts has some 3 MB.
const MAX_BYTES: u64 = 16 << 20;

/// The number of the mount on which an open file lies, as mountinfo has it. Kernels before 5.8 know no other way.
///
/// # Errors
/// There is no /proc; or, before Linux 5.14, this process cannot be dumped and is not root's.
pub fn id(file: impl AsFd) -> Result<u64, Errno> {
    let info = read::start(format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd()), MAX_BYTES);
    let info = info.map_err(|error| errno(&error))?;
    let info = String::from_utf8_lossy(&info);
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok()).ok_or(Errno::NOTSUP)
}

/// Who stands behind the mount with this number.
///
/// # Errors
/// There is no /proc.
pub(crate) fn origin(id: u64) -> Result<MountOwner, Errno> {
    Ok(mountinfo::origin(&table().map_err(|error| errno(&error))?, id))
}

/// All mounts that this process sees (proc_pid_mountinfo(5)).
///
/// # Errors
/// There is no /proc.
pub(crate) fn table() -> io::Result<Vec<u8>> {
    read::start("/proc/self/mountinfo", MAX_BYTES)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
