//! A manifest that is moved away for a while, so that the kubelet stops its pod, and never lost.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::domain::renewal::{Component, Fault};
use crate::renew::Places;
use crate::renew::files::shown;

/// Beside the manifests and not among them, so on the same file system and out of the kubelet's sight.
const DIRECTORY: &str = ".certwatch-manifests";

/// Moves a component's manifest away; [`put_manifests_back`] brings it back.
///
/// # Errors
/// It cannot be moved, and is where it was, or one is away already.
pub(super) fn move_away(places: &Places, component: Component) -> Result<(), Fault> {
    let name = format!("{component}.yaml");
    let (from, spare) = (places.manifests().join(&name), directory(places));
    let moved = fs::create_dir(&spare)
        .and_then(|()| sync(&places.kubernetes))
        .and_then(|()| fs::rename(&from, spare.join(&name)))
        .and_then(|()| sync(&spare))
        .and_then(|()| sync(&places.manifests()));
    moved.map_err(|error| {
        Fault::failed(format!("{} cannot be moved to {}: {error}", shown(&from), shown(&spare)))
    })
}

/// Puts back every manifest that a killed certwatch had moved away; gives back where they are now.
/// To be called at every start, and harmless when nothing is away. A manifest that somebody put in
/// place since wins.
///
/// # Errors
/// One cannot be put back: its pod does not run.
pub fn put_manifests_back(places: &Places) -> Result<Vec<PathBuf>, Fault> {
    let spare = directory(places);
    let mut back = Vec::new();
    for component in Component::ALL {
        let name = format!("{component}.yaml");
        let (from, to) = (spare.join(&name), places.manifests().join(&name));
        let put = put_back(&from, &to).map_err(|error| {
            Fault::failed(format!(
                "{component} does not run, because {} cannot be moved back to {}: {error}. Move it there yourself",
                shown(&from),
                shown(&to)
            ))
        })?;
        back.extend(put.then_some(to));
    }
    // Nothing depends on it: an empty directory is in nobody's way.
    let _ = fs::remove_dir(&spare);
    Ok(back)
}

/// Links instead of renaming, because that never replaces what is there; true if it was put back.
fn put_back(from: &Path, to: &Path) -> io::Result<bool> {
    let was_free = match fs::hard_link(from, to) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) if error.kind() == ErrorKind::NotFound && !from.exists() => return Ok(false),
        Err(error) => return Err(error),
    };
    to.parent().map_or(Ok(()), sync)?;
    fs::remove_file(from)?;
    Ok(was_free)
}

fn directory(places: &Places) -> PathBuf {
    places.kubernetes.join(DIRECTORY)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
