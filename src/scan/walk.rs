//! From places to files: directories, globs, single files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};

use crate::domain::layout::{self, KUBELET_CURRENT, KUBERNETES, PKI_NAMES};
use crate::domain::model::Reason;

use super::host::{FileKind, Host, Identity};

/// How deep directories may be nested below a searched place.
const MAX_DEPTH: u32 = 16;

/// `*` never matches a `/`, so that only `**` goes down.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A file to read, or why a place cannot be searched.
#[derive(Clone, Debug)]
pub(super) struct FoundFile {
    pub(super) path: Arc<Path>,
    pub(super) state: FileState,
    /// Named by a person, not found in a directory: then what is in it must be a certificate.
    pub(super) is_named: bool,
    /// A link that was found leads to a newer version of it.
    pub(super) is_older: bool,
}

#[derive(Clone, Debug)]
pub(super) enum FileState {
    /// Known to be a regular file.
    File,
    /// Has to be looked at before it is opened.
    Unseen,
    /// Cannot be read.
    Problem(Reason),
}

/// One search.
pub(super) struct Walk<'a> {
    host: &'a Host,
    exclude: &'a [Pattern],
    limit: usize,
    seen_directories: HashSet<Identity>,
    found: Vec<FoundFile>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(host: &'a Host, exclude: &'a [Pattern], limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { host, exclude, limit, seen_directories: HashSet::new(), found: Vec::new() }
    }

    pub(super) fn into_found(self) -> Vec<FoundFile> {
        self.found
    }

    /// A place that a person named: a glob, a directory or a file. Its absence is a finding.
    pub(super) fn named(&mut self, place: &str) {
        let path = Path::new(place);
        if is_pattern(path.as_os_str()) && !self.host.exists(path) {
            return self.glob(place);
        }
        match self.host.kind(path) {
            Ok(FileKind::Directory(_)) => self.named_directory(path),
            Ok(FileKind::File) => self.add(path.into(), FileState::File, true),
            Ok(FileKind::Other(name)) => {
                self.add(path.into(), FileState::Problem(Reason::NotAFile(name)), true);
            }
            Err(reason) => self.add(path.into(), FileState::Problem(reason), true),
        }
    }

    /// A file that may be absent.
    pub(super) fn optional(&mut self, path: &Path) {
        if !self.is_excluded(path) && self.host.exists(path) {
            self.push(path.to_owned(), FileState::Unseen);
        }
    }

    /// A file that must be there and is not.
    pub(super) fn missing(&mut self, path: &Path) {
        self.problem(path, Reason::Missing);
    }

    /// A file of which there is nothing to read.
    pub(super) fn problem(&mut self, path: &Path, reason: Reason) {
        self.push(path.to_owned(), FileState::Problem(reason));
    }

    /// The files in use of a directory in which a kubelet keeps its certificates, whatever it is called.
    pub(super) fn kubelet_files_of(&mut self, directory: &Path) {
        let is_leftover = leftovers(self.host, directory);
        self.files_of(directory, &|path| {
            let name = path.file_name().unwrap_or_default();
            layout::is_certificate_name(path) && !is_leftover(&name.to_string_lossy())
        });
    }

    /// Everything below directories whose path `wanted` accepts. They may be absent, or be one and
    /// the same: kubespray links `pki` to `ssl`.
    pub(super) fn directories(&mut self, paths: &[&Path], wanted: &dyn Fn(&Path) -> bool) {
        self.seen_directories.clear();
        for path in paths {
            self.descend(path, MAX_DEPTH, &|_| true, wanted);
        }
    }

    /// The files of a directory alone whose path `wanted` accepts; the directory may be absent.
    pub(super) fn files_of(&mut self, path: &Path, wanted: &dyn Fn(&Path) -> bool) {
        match self.host.list(path) {
            Ok(entries) => {
                for entry in entries {
                    let child = path.join(&entry.name);
                    if wanted(&child) {
                        self.push(
                            child,
                            if entry.is_file { FileState::File } else { FileState::Unseen },
                        );
                    }
                }
            }
            Err(Reason::Missing) => {}
            Err(reason) => self.push(path.to_owned(), FileState::Problem(reason)),
        }
    }

    /// True for what is left out, itself or with a directory above it.
    fn is_excluded(&self, path: &Path) -> bool {
        let is_named =
            |path: &Path| self.exclude.iter().any(|it| it.matches_path_with(path, MATCHING));
        !self.exclude.is_empty() && path.ancestors().any(is_named)
    }

    /// A directory whose real path tells more than the link by which it was named is shown by that.
    fn named_directory(&mut self, path: &Path) {
        let real = self.host.real_path(path).filter(|real| {
            let known = |path: &Path| layout::locate(&path.join("ca.crt")).pki.is_some();
            known(real) && !known(path)
        });
        self.directories(&[real.as_deref().unwrap_or(path)], &layout::is_certificate_name);
        self.mark_older();
    }

    /// Marks what a link has left behind, of all that was found.
    fn mark_older(&mut self) {
        let links: Vec<(Arc<Path>, PathBuf)> = self
            .found
            .iter()
            .filter(|file| matches!(file.state, FileState::Unseen))
            .filter_map(|file| Some((file.path.clone(), self.host.link_target(&file.path)?)))
            .collect();
        let links: Vec<(&Path, PathBuf)> =
            links.iter().map(|(link, target)| (&**link, target.clone())).collect();
        for file in self.found.iter_mut().filter(|file| matches!(file.state, FileState::File)) {
            file.is_older = layout::is_older_version(&links, &file.path);
        }
    }

    fn glob(&mut self, place: &str) {
        let before = self.found.len();
        let Ok(pattern) = Pattern::new(place) else {
            // Checked where it comes from: the configuration and the command line.
            return self.add(Path::new(place).into(), FileState::Problem(Reason::Missing), true);
        };
        let parts: Vec<Component<'_>> = Path::new(place).components().collect();
        let fixed =
            parts.iter().position(|part| is_pattern(part.as_os_str())).unwrap_or(parts.len());
        let free = parts.iter().position(|part| part.as_os_str() == "**");
        // A directory can lead to a match if it matches as much of the pattern as it is deep.
        let leads_on = |directory: &Path| {
            let depth = directory.components().count();
            let beginning: PathBuf = parts.iter().take(depth).collect();
            free.is_some_and(|free| depth > free)
                || depth < parts.len()
                    && beginning
                        .to_str()
                        .and_then(|text| Pattern::new(text).ok())
                        .is_some_and(|it| it.matches_path_with(directory, MATCHING))
        };
        self.seen_directories.clear();
        self.descend(&parts[..fixed].iter().collect::<PathBuf>(), MAX_DEPTH, &leads_on, &|path| {
            pattern.matches_path_with(path, MATCHING) && path.extension() != Some(OsStr::new("key"))
        });
        self.mark_older();
        if self.found.len() == before {
            self.add(Path::new(place).into(), FileState::Problem(Reason::Missing), true);
        }
    }

    /// Everything below `path` that is `wanted`, in directories that `leads_on` accepts. Links to
    /// directories are followed: each real directory is visited once, which ends loops.
    fn descend(
        &mut self,
        path: &Path,
        depth: u32,
        leads_on: &dyn Fn(&Path) -> bool,
        wanted: &dyn Fn(&Path) -> bool,
    ) {
        match self.host.kind(path) {
            Ok(FileKind::Directory(identity)) if self.seen_directories.insert(identity) => {}
            Ok(_) | Err(Reason::Missing | Reason::BrokenLink) => return,
            Err(reason) => return self.push(path.to_owned(), FileState::Problem(reason)),
        }
        let entries = match self.host.list(path) {
            Ok(entries) => entries,
            Err(reason) => return self.push(path.to_owned(), FileState::Problem(reason)),
        };
        for entry in entries {
            if self.found.len() > self.limit {
                return;
            }
            let child = path.join(&entry.name);
            if entry.is_file {
                if wanted(&child) {
                    self.push(child, FileState::File);
                }
            } else {
                self.other_child(child, depth, leads_on, wanted);
            }
        }
    }

    /// A directory, or a link, or anything else.
    fn other_child(
        &mut self,
        child: PathBuf,
        depth: u32,
        leads_on: &dyn Fn(&Path) -> bool,
        wanted: &dyn Fn(&Path) -> bool,
    ) {
        match self.host.kind(&child) {
            Ok(FileKind::Directory(_)) => {}
            // It may be a directory with anything in it.
            Err(reason @ (Reason::TimedOut(_) | Reason::Hangs(_))) => {
                return self.push(child, FileState::Problem(reason));
            }
            _ if wanted(&child) => return self.push(child, FileState::Unseen),
            _ => return,
        }
        // `..data` and `..2026_01_01` are how the kubelet swaps a mounted Secret; the files are
        // linked to from the directory above.
        let is_swapped =
            child.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        if is_swapped || self.is_excluded(&child) || !leads_on(&child) {
            return;
        }
        if depth == 0 {
            return self.push(child, FileState::Problem(Reason::TooDeep(MAX_DEPTH)));
        }
        self.descend(&child, depth - 1, leads_on, wanted);
    }

    fn push(&mut self, path: PathBuf, state: FileState) {
        if !self.is_leftover(&path) {
            self.add(path.into(), state, false);
        }
    }

    /// True for a rotated certificate of a kubelet that nothing points at.
    fn is_leftover(&self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
        directory.ends_with("kubelet/pki")
            && leftovers(self.host, directory)(&name.to_string_lossy())
    }

    fn add(&mut self, path: Arc<Path>, state: FileState, is_named: bool) {
        if self.found.len() > self.limit || self.is_excluded(&path) {
            return;
        }
        let is_over = self.found.len() == self.limit;
        let limit = self.limit as u64;
        let state = if is_over {
            FileState::Problem(Reason::TooMany { what: "files", limit })
        } else {
            state
        };
        self.found.push(FoundFile { path, state, is_named, is_older: false });
    }
}

/// Which names of a kubelet's pki directory are leftovers.
pub(super) fn leftovers(host: &Host, directory: &Path) -> impl Fn(&str) -> bool + use<> {
    let has_server_current = host.exists(&directory.join(KUBELET_CURRENT[1]));
    move |name| layout::is_kubelet_leftover(name, has_server_current)
}

/// True if whoever named `place` meant the file at `path`, and not just the directories that are searched anyway.
pub(super) fn is_meant_by(place: &str, path: &Path) -> bool {
    if is_pattern(OsStr::new(place)) {
        return Pattern::new(place).is_ok_and(|it| it.matches_path_with(path, MATCHING));
    }
    let [place, path] = [Path::new(place), path].map(layout::as_known);
    let kubernetes = Path::new(KUBERNETES);
    let is_searched_anyway = kubernetes.starts_with(&place)
        || PKI_NAMES.iter().any(|name| place == kubernetes.join(name));
    path == place || path.starts_with(&place) && !is_searched_anyway
}

/// True for text with the special characters of a glob.
pub(crate) fn is_pattern(text: &OsStr) -> bool {
    text.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}
