//! A manifest that is moved away for a while, so that the kubelet stops its pod, and never lost.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, Mode};
use rustix::io::Errno;

use crate::domain::layout::{MANIFEST_DIRS, shown};
use crate::domain::renewal::{Component, Fault};
use crate::fs::dir;
use crate::node::NodePaths;

/// Moves a component's manifest away; [`put_manifests_back`] brings it back.
///
/// # Errors
/// It cannot be moved, and is where it was, or one is away already.
pub(super) fn move_away(paths: &NodePaths, component: Component) -> Result<(), Fault> {
    let name = format!("{component}.yaml");
    let (from, parked) = (paths.manifests().join(&name), directory(paths));
    let moved = make(&parked).and_then(|()| dir::rename(&from, &parked.join(&name)));
    moved.map_err(|error| {
        Fault::failed(format!("{} cannot be moved to {}: {error}", shown(&from), shown(&parked)))
    })
}

/// Puts back every manifest that a killed certwatch had moved away; gives back where they are now.
/// To be called at every start, and harmless when nothing is away. A manifest that somebody put in
/// place since wins.
///
/// # Errors
/// One cannot be put back: its pod does not run.
pub fn put_manifests_back(paths: &NodePaths) -> Result<Vec<PathBuf>, Fault> {
    let parked = directory(paths);
    let mut back = Vec::new();
    for component in Component::ALL {
        let name = format!("{component}.yaml");
        let (from, to) = (parked.join(&name), paths.manifests().join(&name));
        let put = put_back(&from, &to).map_err(|error| {
            Fault::failed(format!(
                "{component} is stopped, because {} cannot be moved back to {}: {error}. Move it there manually",
                shown(&from),
                shown(&to)
            ))
        })?;
        back.extend(put.then_some(to));
    }
    // Nothing depends on it: an empty directory is in nobody's way.
    let _ = dir::above(&parked).map(|(dir, name)| sys::unlinkat(dir, name, AtFlags::REMOVEDIR));
    Ok(back)
}

/// Links instead of renaming, because that never replaces what is there; true if it was put back.
fn put_back(from: &Path, to: &Path) -> io::Result<bool> {
    // With nothing away it does not matter whose way that is.
    if fs::symlink_metadata(from).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(false);
    }
    let ((parked, from), (manifests, to)) = (dir::above(from)?, dir::above(to)?);
    let was_free = match sys::linkat(&parked, from, &manifests, to, AtFlags::empty()) {
        Err(Errno::EXIST) => false,
        linked => linked.map(|()| true)?,
    };
    sys::fsync(&manifests)?;
    sys::unlinkat(&parked, from, AtFlags::empty())?;
    Ok(was_free)
}

/// One that is there already may hold a manifest.
fn make(directory: &Path) -> io::Result<()> {
    let (above, name) = dir::above(directory)?;
    sys::mkdirat(&above, name, Mode::RWXU)?;
    Ok(sys::fsync(&above)?)
}

fn directory(paths: &NodePaths) -> PathBuf {
    paths.kubernetes.join(MANIFEST_DIRS[1])
}
