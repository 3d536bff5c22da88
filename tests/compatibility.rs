//! docs/compatibility.md, which `make lab-matrix` writes.

#[path = "lab/matrix/table.rs"]
mod table;

use table::{COLUMNS, cell, with_rows};

fn row(version: &str, keys: &str, figure: &str) -> Vec<String> {
    let mut cells = vec![figure.to_owned(); COLUMNS.len()];
    version.clone_into(&mut cells[0]);
    keys.clone_into(&mut cells[1]);
    cells
}

#[test]
fn nobody_has_written_into_it_by_hand() {
    let document = include_str!("../docs/compatibility.md");
    assert_eq!(with_rows(document, Vec::new()), document);
}

#[test]
fn what_was_not_measured_again_stays() {
    let first = [row("1.9.0", "RSA", "a"), row("1.37.2", "ECDSA", "b"), row("1.31.4", "RSA", "c")];
    let first = with_rows("", first.into());
    let again =
        with_rows(&first, vec![row("1.37.3", "RSA", "d"), row("1.31.9", "RSA", "FAILED: e")]);
    let rows: Vec<&str> = again.lines().filter(|line| line.starts_with("| 1.")).collect();
    let begins = [
        "| 1.37.3 | RSA | d ",
        "| 1.37.2 | ECDSA | b ",
        "| 1.31.9 | RSA | FAILED: e ",
        "| 1.9.0 | RSA | a ",
    ];
    assert_eq!(rows.len(), begins.len(), "{again}");
    assert!(rows.iter().zip(begins).all(|(row, begin)| row.starts_with(begin)), "{again}");
}

#[test]
fn whatever_a_failure_says_is_one_cell() {
    assert_eq!(cell("left | right\n  \"{:?}\": none"), "left / right \"{:?}\": none");
    assert!(cell(&"word ".repeat(1_000)).chars().count() < 200);
}
