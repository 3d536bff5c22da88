//! Paths by their text alone.

use std::path::{Component, Path, PathBuf};

/// `/a/./b` as `/a/b`. `..` stays: behind a link it leads elsewhere than the text says.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}
