//! A file of the node's, read within bounds.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Most of a file of the node's that is read.
const MAX_FILE: u64 = 1 << 20;

/// A regular file of at most 1 MiB.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}
