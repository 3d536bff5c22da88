//! The licences of the libraries that are compiled in: most ask that their notice goes with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BEGIN: &str = "\
certwatch contains the libraries below, and Rust's standard library, which is
Copyright (c) The Rust Project Developers, under the MIT licence or the Apache
License 2.0 as its user likes. Each notice follows once, behind the names of
those that have it.
";

const APACHE: &str = include_str!("../../LICENSE-APACHE");

/// All notices, each text once.
pub(crate) fn notices() -> Result<String> {
    let linked = linked()?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages()?.as_array().into_iter().flatten() {
        let (name, version) = (word(package, "name"), word(package, "version"));
        let name = format!("{name} {version}");
        if linked.contains(&name) {
            let dir = Path::new(word(package, "manifest_path")).parent().ok_or("no directory")?;
            let license = word(package, "license");
            for text in texts_of(dir, &name, license)? {
                texts.entry(text).or_default().push(format!("{name}, {license}"));
            }
        }
    }
    Ok(written(&texts))
}

fn written(texts: &BTreeMap<String, Vec<String>>) -> String {
    let mut sections: Vec<_> = texts.iter().map(|(text, names)| (names, text)).collect();
    sections.sort();
    let rule = "-".repeat(78);
    let section = |(names, text): (&Vec<String>, &String)| {
        format!("\n{rule}\n{}\n\n{text}", names.join("\n"))
    };
    BEGIN.to_owned() + &sections.into_iter().map(section).collect::<String>()
}

/// "name version" of what is in the program: neither what builds it nor what tests it.
fn linked() -> Result<BTreeSet<String>> {
    let tree = cargo(&["tree", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}"])?;
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?.trim_start_matches('v')))
    };
    Ok(tree.lines().filter_map(name).filter(|it| !it.starts_with("certwatch ")).collect())
}

fn packages() -> Result<Value> {
    let mut metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version=1"])?)?;
    Ok(metadata["packages"].take())
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO")).args(arguments).arg("--locked").output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn word<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Of one that comes without a text, but under the Apache License as well: that license's, which is the same for all.
fn texts_of(dir: &Path, name: &str, license: &str) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().to_lowercase();
        let is_notice =
            ["licen", "copy", "notice", "unlicen"].iter().any(|word| file.starts_with(word));
        if is_notice && entry.file_type()?.is_file() {
            texts.push(fs::read_to_string(entry.path())?);
        }
    }
    match texts.is_empty() {
        false => Ok(texts),
        true if license.split(" OR ").any(|it| it == "Apache-2.0") => Ok(vec![APACHE.to_owned()]),
        true => Err(format!("{name} has no licence file").into()),
    }
}
