//! Paths by their text alone.

use std::path::{Component, Path, PathBuf};

/// `/a/./b` as `/a/b`. `..` stays: behind a link it leads elsewhere than the text says.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// `/a/b/../c` as `/a/c`, by the text alone: so client-go resolves the paths of a kubeconfig
/// (`filepath.Join`).
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            _ => out.push(part),
        }
    }
    out
}
