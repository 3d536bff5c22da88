//! What several threads of a scan ask for, and one of them finds out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The value for `key`, made by `make` if it is not known. Two threads may make it at once; the
/// lock is not held meanwhile, since making it reads files.
pub(super) fn remembered<T: Clone>(
    map: &Mutex<HashMap<PathBuf, T>>,
    key: &Path,
    make: impl FnOnce() -> T,
) -> T {
    if let Some(known) = map.lock().ok().and_then(|map| map.get(key).cloned()) {
        return known;
    }
    let value = make();
    if let Ok(mut map) = map.lock() {
        map.insert(key.to_owned(), value.clone());
    }
    value
}
