//! The production code below `src`, and what its modules import from each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module, from the crate down: `["config", "read"]`.
pub(crate) type ModulePath = Vec<String>;

/// A production file: without its tests at the end.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) module: ModulePath,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every production file below `src`, without the modules that are tests.
pub(crate) fn production() -> Vec<Source> {
    let src = root().join("src");
    let sources: Vec<_> = rust_files(&src)
        .into_iter()
        .filter(|path| !is_test(path.strip_prefix(&src).unwrap()))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            // An inline module of tests is the end of its file.
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let module = module_path(path.strip_prefix(&src).unwrap());
            let path = path.strip_prefix(root()).unwrap().to_owned();
            Source { path, module, text: text.to_owned() }
        })
        .collect();
    assert!(sources.len() > 150, "only {} files were found", sources.len());
    sources
}

/// The Rust files below a directory.
pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}

/// By how this crate names its tests.
fn is_test(below_src: &Path) -> bool {
    module_path(below_src).iter().any(|part| ["tests", "testing", "sample"].contains(&&**part))
}

/// `config/mod.rs` is the module `config`, `lib.rs` the crate itself.
fn module_path(below_src: &Path) -> ModulePath {
    let parts = below_src.with_extension("");
    let mut parts: ModulePath =
        parts.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|it| ["mod", "lib", "main"].contains(&&**it)) {
        parts.pop();
    }
    parts
}

/// The modules that each module names, by `crate::` or `super::`, in `use` lines and elsewhere.
pub(crate) fn imports(sources: &[Source]) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
    let known: BTreeSet<_> = sources.iter().map(|it| it.module.clone()).collect();
    let of = |source: &Source| {
        // Comments link to what they do not need.
        let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let named = paths(&code).into_iter().map(|path| absolute(&source.module, &path));
        let modules = named.filter_map(|path| longest(&known, path));
        (source.module.clone(), modules.filter(|it| *it != source.module).collect())
    };
    sources.iter().map(of).collect()
}

/// The module that a path leads to or through.
fn longest(known: &BTreeSet<ModulePath>, mut path: ModulePath) -> Option<ModulePath> {
    while !path.is_empty() && !known.contains(&path) {
        path.pop();
    }
    (!path.is_empty()).then_some(path)
}

fn absolute(module: &[String], path: &[&str]) -> ModulePath {
    let ups = path.iter().take_while(|it| **it == "super").count();
    let base = match path.first() {
        Some(&"crate") => &[],
        _ => &module[..module.len().saturating_sub(ups)],
    };
    let rest = path.iter().skip(ups.max(1)).map(|it| (*it).to_owned());
    base.iter().cloned().chain(rest).collect()
}

/// Every path that begins with `crate` or `super`, those in braces one by one.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let is_begin =
        |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let mut found = Vec::new();
    let starts = code.match_indices("crate::").chain(code.match_indices("super::"));
    for (at, _) in starts.filter(|(at, _)| is_begin(*at)) {
        expand(&code[at..], &[], &mut found);
    }
    found
}

/// The paths that a tree such as `crate::a::{b, c::d}` stands for.
fn expand<'a>(tree: &'a str, above: &[&'a str], found: &mut Vec<Vec<&'a str>>) {
    let tree = tree.trim_start();
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tree.len());
    let here = [above, &[&tree[..end]]].concat();
    let Some(rest) = tree[end..].strip_prefix("::") else { return found.push(here) };
    let Some(group) = rest.strip_prefix('{') else { return expand(rest, &here, found) };
    let mut depth = 0;
    let mut begin = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                if !group[begin..at].trim().is_empty() {
                    expand(&group[begin..at], &here, found);
                }
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}
