//! Which mount a file lies on, and who stands behind what that says of its files.
//!
//! Both are asked of the kernel alone: a file system that hangs is not even entered.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _};

use rustix::io::Errno;

use crate::parse::mountinfo::{self, MountOwner};

/// Far above any: a node with 10,000 mounts has some 3 MB.
const MAX_BYTES: u64 = 16 << 20;

/// The number of the mount on which an open file lies, as mountinfo has it. Kernels before 5.8 know no other way.
///
/// # Errors
/// There is no /proc; or, before Linux 5.14, this process cannot be dumped and is not root's.
pub fn id(file: impl AsFd) -> Result<u64, Errno> {
    let info = read(&format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd()))?;
    let info = String::from_utf8_lossy(&info);
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok()).ok_or(Errno::NOTSUP)
}

/// Who stands behind the mount with this number.
///
/// # Errors
/// There is no /proc.
pub(crate) fn origin(id: u64) -> Result<MountOwner, Errno> {
    Ok(mountinfo::origin(&read("/proc/self/mountinfo")?, id))
}

fn read(path: &str) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    file.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(bytes)
}
