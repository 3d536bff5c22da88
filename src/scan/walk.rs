//! From places to files: directories, globs, single files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::domain::layout;
use crate::domain::model::Reason;
use crate::domain::role::Kind as RoleKind;

use super::host::{Host, Identity, Kind};

/// How deep directories may be nested below a searched place.
const MAX_DEPTH: u32 = 16;

/// Endings of certificates in a directory; a file that is named itself may have any.
const EXTENSIONS: [&str; 6] = ["cer", "cert", "crt", "der", "kubeconfig", "pem"];

/// `*` never matches a `/`, so that only `**` goes down.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A file to read, or why a place cannot be searched.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Known to be a regular file.
    File,
    /// Has to be looked at before it is opened.
    Unseen,
    /// Cannot be read.
    Problem(Reason),
}

/// The files below many places, each once.
pub(super) struct Walk<'a> {
    host: &'a Host,
    exclude: &'a [Pattern],
    limit: usize,
    seen_directories: HashSet<Identity>,
    seen_files: HashSet<PathBuf>,
    pub(super) found: Vec<Found>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(host: &'a Host, exclude: &'a [Pattern], limit: u64) -> Self {
        Self {
            host,
            exclude,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            seen_directories: HashSet::new(),
            seen_files: HashSet::new(),
            found: Vec::new(),
        }
    }

    /// A place that a person named: a glob, a directory or a file. Its absence is a finding.
    pub(super) fn named(&mut self, place: &str) {
        let path = Path::new(place);
        if place.contains(['*', '?', '[']) && !self.host.exists(path) {
            return self.glob(place);
        }
        match self.host.kind(path) {
            Ok(Kind::Directory(_)) => self.directories(&[path], &is_certificate_name),
            Ok(Kind::File) => self.push(path.to_owned(), State::File),
            Ok(Kind::Other(name)) => {
                self.push(path.to_owned(), State::Problem(Reason::NotAFile(name)));
            }
            Err(reason) => self.push(path.to_owned(), State::Problem(reason)),
        }
    }

    /// A file that may be absent.
    pub(super) fn optional(&mut self, path: &Path) {
        if self.host.exists(path) {
            self.push(path.to_owned(), State::Unseen);
        }
    }

    /// Everything below directories whose path `wanted` accepts. They may be absent, or be one and
    /// the same: kubespray links `pki` to `ssl`.
    pub(super) fn directories(&mut self, paths: &[&Path], wanted: &dyn Fn(&Path) -> bool) {
        self.seen_directories.clear();
        for path in paths {
            self.descend(path, MAX_DEPTH, wanted);
        }
    }

    /// The files of a directory alone whose path `wanted` accepts; the directory may be absent.
    pub(super) fn files_of(&mut self, path: &Path, wanted: &dyn Fn(&Path) -> bool) {
        match self.host.list(path) {
            Ok(entries) => {
                for entry in entries {
                    let child = path.join(&entry.name);
                    if wanted(&child) {
                        self.push(child, if entry.is_file { State::File } else { State::Unseen });
                    }
                }
            }
            Err(Reason::Missing) => {}
            Err(reason) => self.push(path.to_owned(), State::Problem(reason)),
        }
    }

    fn glob(&mut self, place: &str) {
        let before = self.found.len();
        // Both were checked when the configuration was read.
        let Ok(pattern) = Pattern::new(place) else { return };
        let fixed: PathBuf = Path::new(place)
            .components()
            .take_while(|part| !is_pattern(part.as_os_str()))
            .collect();
        self.directories(&[&fixed], &|path| {
            pattern.matches_path_with(path, MATCHING) && path.extension() != Some(OsStr::new("key"))
        });
        if self.found.len() == before {
            self.push(PathBuf::from(place), State::Problem(Reason::Missing));
        }
    }

    /// Links to directories are followed: each real directory is visited once, which ends loops.
    fn descend(&mut self, path: &Path, depth: u32, wanted: &dyn Fn(&Path) -> bool) {
        match self.host.kind(path) {
            Ok(Kind::Directory(identity)) if self.seen_directories.insert(identity) => {}
            Ok(_) | Err(Reason::Missing | Reason::BrokenLink) => return,
            Err(reason) => return self.push(path.to_owned(), State::Problem(reason)),
        }
        let entries = match self.host.list(path) {
            Ok(entries) => entries,
            Err(reason) => return self.push(path.to_owned(), State::Problem(reason)),
        };
        for entry in entries {
            if self.found.len() > self.limit {
                return;
            }
            let child = path.join(&entry.name);
            if entry.is_file {
                if wanted(&child) {
                    self.push(child, State::File);
                }
            } else if matches!(self.host.kind(&child), Ok(Kind::Directory(_))) {
                self.child_directory(&child, depth, wanted);
            } else if wanted(&child) {
                self.push(child, State::Unseen);
            }
        }
    }

    fn child_directory(&mut self, path: &Path, depth: u32, wanted: &dyn Fn(&Path) -> bool) {
        // `..data` and `..2026_01_01` are how the kubelet swaps a mounted Secret; the files are
        // linked to from the directory above.
        let is_swapped =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        if is_swapped || self.is_excluded(path) {
            return;
        }
        if depth == 0 {
            return self.push(path.to_owned(), State::Problem(Reason::TooDeep(MAX_DEPTH)));
        }
        self.descend(path, depth - 1, wanted);
    }

    fn push(&mut self, path: PathBuf, state: State) {
        let is_over = self.found.len() >= self.limit;
        if self.found.len() > self.limit
            || self.is_excluded(&path)
            || !self.seen_files.insert(path.clone())
        {
            return;
        }
        let limit = self.limit as u64;
        let state =
            if is_over { State::Problem(Reason::TooMany { what: "files", limit }) } else { state };
        self.found.push(Found { path, state });
    }

    pub(super) fn is_excluded(&self, path: &Path) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches_path_with(path, MATCHING))
    }
}

/// A file of a searched directory that is worth reading: by its ending, or because the layout of a
/// node knows it.
pub(super) fn is_certificate_name(path: &Path) -> bool {
    let has_extension = path.extension().and_then(OsStr::to_str).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    has_extension || layout::is_node_kubeconfig(path) || is_user_kubeconfig(path)
}

fn is_user_kubeconfig(path: &Path) -> bool {
    path.ends_with(".kube/config") && layout::locate(path).role.kind == RoleKind::UserKubeconfig
}

fn is_pattern(part: &OsStr) -> bool {
    part.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}
