//! `certwatch explain`: what a finding means, with an example and its remedy.

use std::fmt::Write as _;
use std::io;

use crate::cli::ExplainArgs;
use crate::domain::advice::{self, CatalogueEntry, Remedy};
use crate::exit::Exit;
use crate::report::lines::{columns, wrap};
use crate::sys;

pub(crate) fn run(args: &ExplainArgs) -> Exit {
    let width = sys::terminal_width(&io::stdout());
    let catalogue = advice::catalogue();
    match &args.code {
        None => super::print(&list(&catalogue, width)),
        Some(code) => match catalogue.iter().find(|entry| entry.code == code) {
            Some(entry) => super::print(&page(entry, width)),
            None => {
                super::print_error(&format!(
                    "there is no finding with the code {code}; `certwatch explain` lists all"
                ));
                Exit::Usage
            }
        },
    }
}

/// The codes, each with the first sentence about it.
fn list(catalogue: &[CatalogueEntry], width: Option<usize>) -> String {
    let mut out = String::new();
    let rows = catalogue.iter().map(|entry| {
        let first = entry.meaning.split_inclusive(". ").next().unwrap_or(entry.meaning);
        [entry.code.to_owned(), first.trim_end().to_owned()]
    });
    columns(&mut out, ["CODE", "MEANING"], rows, width);
    out
}

fn page(entry: &CatalogueEntry, width: Option<usize>) -> String {
    let CatalogueEntry { code, meaning, path, example, remedy } = entry;
    let mut out = format!("{code}\n");
    let mut lines = |text: &str, indent: &str| {
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent.len()));
        for line in wrap(text, room) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{indent}{line}");
        }
    };
    lines(meaning, "");
    lines("Example:", "");
    lines(path, "  ");
    lines(example, "    ");
    match remedy {
        // Never wrapped: half a command is a dangerous thing to paste.
        Remedy::Command(_) => {
            let _ = writeln!(out, "    {remedy}");
        }
        Remedy::Words(words) => lines(words, "    "),
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BEGIN: &str = "<!-- From here on: CERTWATCH_WRITE_DOCS=1 cargo test --lib explain -->\n";
    const END: &str = "<!-- Up to here. -->\n";

    /// As docs/output.md has it.
    fn markdown(entry: &CatalogueEntry) -> String {
        let CatalogueEntry { code, meaning, path, example, remedy } = entry;
        format!("#### `{code}`\n\n{meaning}\n\n```\n{path}\n    {example}\n    {remedy}\n```\n\n")
    }

    #[test]
    fn the_manual_has_all_findings_as_they_are() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.md");
        let manual = fs::read_to_string(file).unwrap();
        let (before, rest) = manual.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let findings: String = advice::catalogue().iter().map(markdown).collect();
        let expected = format!("{before}{BEGIN}\n{findings}{END}{after}");
        if std::env::var_os("CERTWATCH_WRITE_DOCS").is_some() {
            fs::write(file, &expected).unwrap();
        }
        assert!(manual == expected, "docs/output.md is not up to date: {BEGIN}");
    }

    #[test]
    fn a_page_fits_the_terminal_but_for_its_command() {
        for entry in advice::catalogue() {
            let page = page(&entry, Some(60));
            let text = page.lines().filter(|line| !line.contains("run: ") && !line.contains('`'));
            assert!(
                text.clone().all(|line| line.chars().count() <= 60 || !line.trim().contains(' ')),
                "{page}"
            );
        }
    }
}
