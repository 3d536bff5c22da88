//! The table for people: what is urgent comes first; below it is what to do.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::lines::{cut_end, cut_middle, wrap};
use super::{Report, Style, renewer, state};
use crate::domain::advice::{self, Remedy, ToDo};
use crate::domain::layout::KUBERNETES;
use crate::domain::model::Item;
use crate::domain::names;
use crate::domain::policy::{Row, Severity};
use crate::domain::time::UnixTime;

/// From this width on there is room for the columns that are nice to have.
const WIDE: usize = 120;
/// Below this a cut path tells nothing any more: other columns give way first.
const LEAST_PATH: usize = 20;
const INDENT: &str = "    ";
/// More of what one remedy is for is only counted: the rows above name them all.
const MOST_NAMES: usize = 8;

/// A column before the path, which is the last one. All their texts are our own words, in ASCII.
struct Column {
    heading: &'static str,
    /// Numbers stand on the right.
    right: bool,
    /// How narrow it may become for the path's sake.
    least: Option<usize>,
    /// Only where there is room.
    extra: bool,
    cell: for<'a> fn(&Row, &'a Item, UnixTime) -> Cow<'a, str>,
}

const STATE: Column = Column {
    heading: "STATE",
    right: false,
    least: None,
    extra: false,
    cell: |row, _, _| state(row.severity).into(),
};

const COLUMNS: [Column; 6] = [
    STATE,
    Column { heading: "LEFT", right: true, cell: left, ..STATE },
    Column { heading: "EXPIRES", extra: true, cell: |row, _, _| date(row).into(), ..STATE },
    Column {
        heading: "OWNER",
        least: Some(10),
        cell: |_, item, _| item.role.owner.into(),
        ..STATE
    },
    Column { heading: "ROLE", least: Some(14), cell: |_, item, _| item.role.title.into(), ..STATE },
    Column { heading: "RENEWED BY", extra: true, cell: |_, item, _| renewed_by(item), ..STATE },
];

pub(super) fn write(report: &Report<'_>, style: &Style, out: &mut impl Write) -> io::Result<()> {
    if report.shown().any(|(_, item)| names::is_shortened(&item.place)) {
        writeln!(out, "Paths are below {KUBERNETES}/ unless they begin with /.")?;
    }
    let table = TableLayout::fit(report, style);
    table.write(out)?;
    to_do(report, style, out)?;
    notes(report, out)?;
    summary(report, style, out)
}

/// The columns with their widths.
struct TableLayout<'a> {
    report: &'a Report<'a>,
    style: &'a Style,
    columns: Vec<(&'static Column, usize)>,
    path_width: Option<usize>,
}

impl<'a> TableLayout<'a> {
    /// Each column as wide as its widest cell, and for the path what is left.
    fn fit(report: &'a Report<'a>, style: &'a Style) -> Self {
        let is_wide = style.width.is_none_or(|width| width >= WIDE);
        let columns = COLUMNS.iter().filter(|column| is_wide || !column.extra);
        let columns = columns.map(|column| (column, column.heading.len())).collect();
        let mut table = Self { report, style, columns, path_width: None };
        for (row, item) in report.shown() {
            for (column, width) in &mut table.columns {
                *width = (*width).max((column.cell)(row, item, report.at).len());
            }
        }
        if let Some(width) = style.width {
            table.squeeze(width);
        }
        table
    }

    /// Makes room for the path: it is cut only when the other columns have given what they can.
    fn squeeze(&mut self, width: usize) {
        let natural = self.report.shown().map(|(row, _)| self.path(row).width()).max();
        let wanted = natural.unwrap_or(0).min(LEAST_PATH);
        let taken: usize = self.columns.iter().map(|(_, width)| width + 2).sum();
        let mut lacking = (taken + wanted).saturating_sub(width);
        for (column, width) in self.columns.iter_mut().rev() {
            let gives = column.least.map_or(0, |least| width.saturating_sub(least)).min(lacking);
            *width -= gives;
            lacking -= gives;
        }
        let taken: usize = self.columns.iter().map(|(_, width)| width + 2).sum();
        self.path_width = Some(width.saturating_sub(taken).max(wanted));
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if self.report.assessment.rows.is_empty() {
            return writeln!(out, "No certificates found: is this a control-plane node?");
        }
        self.heading(out)?;
        for (row, item) in self.report.shown() {
            self.row(row, item, out)?;
            self.findings(row, item, out)?;
        }
        writeln!(out)
    }

    fn heading(&self, out: &mut impl Write) -> io::Result<()> {
        for (column, width) in &self.columns {
            pad(out, column, *width, column.heading)?;
        }
        writeln!(out, "PATH")
    }

    fn row(&self, row: &Row, item: &Item, out: &mut impl Write) -> io::Result<()> {
        let [on, off] = self.style.paint(colour(row.severity));
        for (position, (column, width)) in self.columns.iter().enumerate() {
            let cell = (column.cell)(row, item, self.report.at);
            let [on, off] = if position == 0 { [on, off] } else { [""; 2] };
            out.write_all(on.as_bytes())?;
            pad(out, column, *width, &cut_end(&cell, *width))?;
            out.write_all(off.as_bytes())?;
        }
        let path = self.path(row);
        let shown = self.path_width.map_or(Cow::Borrowed(&*path), |width| cut_middle(&path, width));
        writeln!(out, "{shown}")
    }

    fn path(&self, row: &Row) -> Cow<'a, str> {
        names::full(&self.report.inventory.items, row.item)
    }

    /// What will happen.
    fn findings(&self, row: &Row, item: &Item, out: &mut impl Write) -> io::Result<()> {
        row.findings.iter().try_for_each(|finding| {
            let message = advice::message(item, &finding.kind, self.report.at);
            self.style.lines(&message, "", out)
        })
    }
}

/// What to do, each thing once, with the names of what it is for.
fn to_do(report: &Report<'_>, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let Report { inventory, assessment, .. } = report;
    let due: Vec<_> = report.due.iter().map(|renewal| renewal.name).collect();
    let list = advice::to_do(&inventory.items, &assessment.rows, &due);
    match &*list {
        [] => return Ok(()),
        [_] => writeln!(out, "Do this:")?,
        _ => writeln!(out, "Do this, in this order:")?,
    }
    for (number, ToDo { remedy, items }) in (1..).zip(&list) {
        let mut names: Vec<_> =
            items.iter().take(MOST_NAMES).map(|item| name(report, *item, style.room())).collect();
        names.dedup();
        let more = items.len().saturating_sub(MOST_NAMES);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let mut head = format!("{number:>2}. ");
        for line in wrap(&names.join(", "), style.room()) {
            writeln!(out, "{head}{line}")?;
            head = INDENT.to_owned();
        }
        match remedy {
            // Never wrapped: half a command is a dangerous thing to paste.
            Remedy::Command(command) => {
                let [on, off] = style.paint(BOLD);
                writeln!(out, "{INDENT}run: {on}{command}{off}")?;
            }
            Remedy::Words(words) => style.lines(words, BOLD, out)?,
        }
    }
    writeln!(out)
}

fn name(report: &Report<'_>, item: usize, width: usize) -> String {
    cut_middle(&names::name(&report.inventory.items, item), width).into_owned()
}

impl Style {
    /// The columns of a line that is indented.
    fn room(&self) -> usize {
        self.width.map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()))
    }

    fn lines(&self, text: &str, code: &'static str, out: &mut impl Write) -> io::Result<()> {
        let [on, off] = self.paint(code);
        wrap(text, self.room()).try_for_each(|line| writeln!(out, "{INDENT}{on}{line}{off}"))
    }
}

/// What the table leaves out, and why.
fn notes(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let copies = report.rows().filter(|(row, _)| row.repeats).count();
    if copies > 0 {
        let (noun, verb) = if copies == 1 { ("copy", "is") } else { ("copies", "are") };
        writeln!(out, "{copies} {noun} of these CAs inside kubeconfigs {verb} not shown.")?;
    }
    let leftovers = report.inventory.leftovers.len();
    if leftovers > 0 {
        let (s, verb) = if leftovers == 1 { ("", "was") } else { ("s", "were") };
        writeln!(
            out,
            "{leftovers} rotated kubelet certificate{s} that nothing points at {verb} not judged."
        )?;
    }
    if let Some((row, end, others)) = report.first_expired() {
        let (name, ago) = (report.name(row), report.at - end);
        let more = if others == 0 { String::new() } else { format!(" and {others} more") };
        writeln!(out, "Expired: {name} ({ago} ago){more}.")?;
    }
    if let Some((row, end)) = report.next_expiry() {
        let (name, left) = (report.name(row), end - report.at);
        writeln!(out, "Next to expire is {name} in {left}, on {}.", end.date())?;
    }
    if !report.inventory.has_asked {
        writeln!(out, "Only the files were checked, not what the components use.")?;
    }
    match report.inventory.endpoints_left_out {
        0 => {}
        1 => writeln!(out, "1 endpoint was not checked.")?,
        count => writeln!(out, "{count} endpoints were not checked.")?,
    }
    if report.at != report.generated {
        writeln!(out, "Judged as of {}, not of now.", report.at)?;
    }
    Ok(())
}

fn summary(report: &Report<'_>, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let count = |severity| report.assessment.count(severity);
    let [on, off] = style.paint(colour(report.assessment.severity()));
    let warnings = count(Severity::Warning);
    writeln!(
        out,
        "certwatch: {on}{}{off} - {} critical, {warnings} warning{}, {} unknown, {} ok on {}",
        report.state(),
        count(Severity::Critical),
        if warnings == 1 { "" } else { "s" },
        count(Severity::Unknown),
        count(Severity::Ok),
        report.node.shown(),
    )
}

fn left(row: &Row, _: &Item, at: UnixTime) -> Cow<'static, str> {
    match row.expires.map(|end| end - at) {
        Some(left) if left.is_negative() => format!("-{left}").into(),
        Some(left) => left.to_string().into(),
        None => "-".into(),
    }
}

fn date(row: &Row) -> String {
    row.expires.map_or_else(|| "-".to_owned(), UnixTime::date)
}

fn renewed_by(item: &Item) -> Cow<'static, str> {
    match renewer(item) {
        "external_ca" => "external CA",
        word => word,
    }
    .into()
}

fn pad(out: &mut impl Write, column: &Column, width: usize, text: &str) -> io::Result<()> {
    // `…` may stand at the end of a cut cell, and it is one column like every other character here.
    if column.right { write!(out, "{text:>width$}  ") } else { write!(out, "{text:<width$}  ") }
}

const BOLD: &str = "\x1b[1m";

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "\x1b[32m",
        Severity::Warning => "\x1b[33m",
        Severity::Unknown => "\x1b[35m",
        Severity::Critical => "\x1b[1;31m",
    }
}

impl Style {
    /// What to write before and after a text, so that it has this look.
    fn paint(&self, code: &'static str) -> [&'static str; 2] {
        if self.colour && !code.is_empty() { [code, "\x1b[0m"] } else { ["", ""] }
    }
}
