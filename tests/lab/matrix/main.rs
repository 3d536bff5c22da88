//! What certwatch does on one version of Kubernetes, as a row of docs/compatibility.md for each kind of keys.
//! `make lab-matrix` runs it on one version after the other; see docs/lab.md.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests, their helpers included"
)]

#[path = "../../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;
mod scenarios;
mod table;

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use harness::{Cluster, LAB, kubernetes};
use scenarios::{Bench, SCENARIOS, Scenario};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");

#[test]
fn rsa() {
    measure("RSA");
}

#[test]
fn ecdsa() {
    measure("ECDSA");
}

/// Runs all scenarios, also those after one that fails, and writes the row.
fn measure(keys: &'static str) {
    let cluster = Cluster::of_keys(keys);
    let bench = Bench { cluster: &cluster, keys };
    let version = bench.node().run(&["kubeadm", "version", "--output=short"]);
    let mut results = Results::new(keys);
    results.add("Kubernetes", version.trim().trim_start_matches('v'));
    results.add("keys", keys);
    let failed: Vec<_> =
        SCENARIOS.iter().filter_map(|it| attempt(it, &bench, &mut results)).collect();
    results.add("measured", &certwatch::sys::now().date());

    let document = fs::read_to_string(DOCUMENT).unwrap_or_default();
    fs::write(DOCUMENT, table::with_rows(&document, vec![results.row()])).unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What it measures is noted, or what went wrong, which is returned as well.
fn attempt(scenario: &Scenario, bench: &Bench<'_>, results: &mut Results) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| (scenario.run)(bench))) {
        Ok(cells) => {
            for (column, cell) in scenario.columns.iter().zip(cells) {
                results.add(column, &cell);
            }
            None
        }
        Err(payload) => {
            let here = concat!(env!("CARGO_MANIFEST_DIR"), "/");
            let said = format!("FAILED: {}", words(payload.as_ref()).replace(here, ""));
            results.add(scenario.columns[0], &said);
            for column in &scenario.columns[1..] {
                results.add(column, "not measured");
            }
            Some(format!("{}: {said}", scenario.columns[0]))
        }
    }
}

/// What a panic says.
fn words(payload: &dyn Any) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// What is known so far, in a file as well: a run that is ended has its figures all the same.
struct Results {
    file: String,
    lines: Vec<(String, String)>,
}

impl Results {
    fn new(keys: &str) -> Self {
        let folder = format!("{LAB}/matrix");
        fs::create_dir_all(&folder).unwrap();
        Self { file: format!("{folder}/{}-{keys}", kubernetes()), lines: Vec::new() }
    }

    fn add(&mut self, column: &str, said: &str) {
        println!("{column}: {said}");
        self.lines.push((column.to_owned(), table::cell(said)));
        let text = self.lines.iter().map(|(column, cell)| format!("{column}\t{cell}\n"));
        fs::write(&self.file, text.collect::<String>()).unwrap();
    }

    /// The cells in the order of the table.
    fn row(&self) -> Vec<String> {
        let cell = |column: &&str| {
            let line = self.lines.iter().find(|(known, _)| known == column);
            line.unwrap_or_else(|| panic!("no scenario fills {column}")).1.clone()
        };
        table::COLUMNS.iter().map(cell).collect()
    }
}
