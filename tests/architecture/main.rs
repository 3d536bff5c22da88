//! What the sources have to keep to, read from the sources themselves.

#![allow(clippy::unwrap_used, reason = "a test")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sources::{ModulePath, Source, imports, production, root, rust_files};

/// Type names that stand for more than one thing, each with the reason. An `Error` of a module is
/// idiomatic Rust, and free. There may be fewer than ten.
const SHARED_NAMES: [(&str, &str); 0] = [];

/// The most lines of a production file.
const MOST_LINES: usize = 400;

/// The most lines of a function.
const MOST_OF_A_FUNCTION: usize = 50;

/// The floors of the map in docs/architecture.md, the highest first: the names of modules.
fn floors() -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let map = text.split("Imports point down only").nth(1).unwrap().split("```").nth(1).unwrap();
    let floor = |line: &str| {
        let names = line.split("  ").next().unwrap_or_default().split_whitespace();
        let name = |it: &str| it.trim_end_matches('/').trim_end_matches(".rs").to_owned();
        names.map(name).collect::<Vec<_>>()
    };
    let floors: Vec<_> = map.lines().map(floor).filter(|it| !it.is_empty()).collect();
    assert!(floors.len() > 8, "there is no map: {floors:?}");
    floors
}

#[test]
fn every_module_is_on_the_map_once() {
    let mut on_the_map: Vec<_> = floors().into_iter().flatten().collect();
    on_the_map.sort();
    let mut there: Vec<_> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(on_the_map, there);
}

#[test]
fn imports_point_down() {
    let floors = floors();
    let floor = |module: &ModulePath| {
        let name = module.first().map_or("lib", String::as_str);
        floors.iter().position(|floor| floor.iter().any(|it| it == name)).unwrap()
    };
    let mut wrong = Vec::new();
    for (module, named) in imports(&production()) {
        let elsewhere = named.iter().filter(|other| other.first() != module.first());
        let upward = elsewhere.filter(|other| floor(other) <= floor(&module));
        wrong.extend(upward.map(|other| format!("{} -> {}", module.join("::"), other.join("::"))));
    }
    assert_eq!(wrong, [""; 0]);
}

/// Of the modules of a folder, none is needed by one that it needs.
#[test]
fn no_folder_has_a_circle() {
    let mut siblings: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for (module, named) in imports(&production()) {
        for other in named {
            let common = module.iter().zip(&other).take_while(|(a, b)| a == b).count();
            if common < module.len() && common < other.len() {
                let (from, to) = (module[..=common].to_vec(), other[..=common].to_vec());
                siblings.entry(from).or_default().insert(to);
            }
        }
    }
    let circles: Vec<_> =
        siblings.keys().filter(|it| reachable(&siblings, it).contains(*it)).collect();
    assert!(siblings.len() > 100, "only {} modules import a sibling", siblings.len());
    assert!(circles.is_empty(), "{circles:?}");
}

fn reachable(
    graph: &BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    from: &ModulePath,
) -> BTreeSet<ModulePath> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(next) = open.pop() {
        for other in graph.get(&next).into_iter().flatten() {
            if seen.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    seen
}

/// `pub` is for tests, benchmarks and fuzz targets, so that the compiler finds what nobody calls.
#[test]
fn what_is_public_is_used_outside() {
    let outside: String = ["tests", "benches", "fuzz/fuzz_targets", "packaging"]
        .into_iter()
        .flat_map(|dir| rust_files(&root().join(dir)))
        .chain([root().join("src/main.rs")])
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let words: BTreeSet<&str> = outside.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut count = 0;
    for source in production() {
        for line in source.text.lines() {
            let Some(name) = function_name(line) else { continue };
            count += 1;
            let path = source.path.display();
            assert!(words.contains(name), "{path}: nobody outside calls `{name}`: pub(crate)");
        }
    }
    assert!(count > 100, "only {count} public functions were found");
}

/// The name of the public function that a line defines.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start().strip_prefix("pub ")?;
    for word in ["const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// `renew/tree/pairs.rs` in a document: the end of a path. What is in capitals is a place for a name.
#[test]
fn documents_name_files_that_exist() {
    let mut documents = vec![root().join("CONTRIBUTING.md"), root().join("README.md")];
    let in_docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(in_docs.filter(|path| path.extension().is_some_and(|it| it == "md")));
    let sources = ["src", "tests"].map(|dir| rust_files(&root().join(dir))).concat();
    let is_file = |word: &&str| {
        let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.".contains(c);
        word.ends_with(".rs") && word.chars().all(is_path)
    };
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for name in text.split('`').filter(is_file) {
            count += 1;
            let exists =
                ["", "src", "tests"].iter().any(|dir| root().join(dir).join(name).exists())
                    || sources.iter().any(|path| path.ends_with(name));
            assert!(exists, "{}: there is no {name}", document.display());
        }
    }
    assert!(count > 50, "only {count} files were named");
}

/// The codes are what `code` returns, in the files that have them.
#[test]
fn every_finding_is_documented() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let manual = read("docs/output.md");
    let list = manual.split("### Finding codes").nth(1).unwrap().split("\n### ").next().unwrap();
    let mut count = 0;
    for path in
        ["src/domain/policy/mod.rs", "src/domain/model/defect.rs", "src/domain/model/reason.rs"]
    {
        let source = read(path);
        let function =
            source.split("pub fn code(").nth(1).unwrap().split("\n    }").next().unwrap();
        for code in function.lines().filter_map(|line| line.split('"').nth(1)) {
            assert!(list.contains(&format!("#### `{code}`")), "docs/output.md has no {code}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} codes were found");
}

/// A file, or a pipe in its place, can be of any size. `http` bounds what servers send.
#[test]
fn files_are_read_in_one_place() {
    let is_other = |source: &&Source| !source.module.iter().any(|it| it == "http");
    for source in production().iter().filter(is_other).filter(|it| it.module != ["fs", "read"]) {
        for call in ["fs::read(", "fs::read_to_string(", ".read_to_end(", ".read_to_string("] {
            let is_free = !source.text.contains(call);
            assert!(is_free, "{}: {call} instead of crate::fs::read", source.path.display());
        }
    }
}

#[test]
fn files_fit_a_head() {
    for source in production() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", source.path.display());
    }
}

/// The code is formatted: a function ends at the brace that stands where it began.
#[test]
fn functions_fit_a_glance() {
    let mut count = 0;
    for source in production() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (first, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if !line.contains("fn ") || line.trim_start().starts_with("//") || !line.contains('(') {
                continue;
            }
            let end = format!("{}}}", &line[..indent]);
            let length = lines[first..].iter().position(|it| *it == end).map_or(0, |last| last + 1);
            count += 1;
            let (path, number) = (source.path.display(), first + 1);
            assert!(length <= MOST_OF_A_FUNCTION, "{path}:{number}: a function of {length} lines");
        }
    }
    assert!(count > 1000, "only {count} functions were found");
}

/// The name of the type that a line defines, outside of any function and `impl`.
fn type_name(line: &str) -> Option<&str> {
    if line.starts_with(' ') {
        return None;
    }
    let rest = match line.strip_prefix("pub") {
        Some(rest) => rest.strip_prefix('(').map_or(rest, |rest| rest.split_once(')').unwrap().1),
        None => line,
    };
    let (word, rest) = rest.trim_start().split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "type", "union"].contains(&word);
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    is_type.then(|| &rest[..end])
}

#[test]
fn one_name_is_one_type() {
    let sources = production();
    let mut types: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for source in &sources {
        for name in source.text.lines().filter_map(type_name) {
            types.entry(name).or_default().insert(&source.path);
        }
    }
    assert!(types.len() > 200, "only {} types were found", types.len());
    types.retain(|name, files| files.len() > 1 && *name != "Error");
    let found: BTreeSet<&str> = types.keys().copied().collect();
    let allowed: BTreeSet<&str> = SHARED_NAMES.iter().map(|(name, _)| *name).collect();
    assert!(allowed.len() < 10, "too many names stand for several things");
    assert_eq!(found, allowed, "give each thing a name of its own: {types:#?}");
}
