//! The files of a renewal, told apart by their sums.

use std::path::Path;

use ring::digest;

use crate::domain::layout::shown;
use crate::domain::renewal::Fault;
use crate::fs::{FileError, read};

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self::failed(error.to_string())
    }
}

/// SHA-256 of the content in hexadecimal; `None` where there is no file.
///
/// # Errors
/// It is no regular file, larger than 1 MiB, or cannot be read.
pub fn sha256(path: &Path) -> Result<Option<String>, FileError> {
    Ok(read::optional(path)?.map(|bytes| hex_sha256(&bytes)))
}

/// SHA-256 of `bytes` in hexadecimal.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    let sum = digest::digest(&digest::SHA256, bytes);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file that somebody else wrote since it was looked at: theirs may be the better one.
pub(crate) fn changed_by_others(path: &Path) -> Fault {
    Fault::failed(format!(
        "{} was changed by somebody else in the meantime; nothing was replaced, so check it and renew again",
        shown(path)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_usual_one() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex_sha256(b"abc"), sum);
    }
}
