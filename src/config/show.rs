//! A configuration as a file that reads back to the same. Secrets are only named in it, so nothing has to
//! be masked.

use toml::{Table, Value};

use super::Config;
use super::section::Reader;
use super::sources::Sources;
use super::unknown::Key;
use crate::domain::text::is_unsafe;

impl Config {
    /// The configuration as TOML, every key in it: [`parse`](super::parse) gives back the same.
    ///
    /// # Errors
    /// A path is not UTF-8 or a number above `i64::MAX`, which cannot come from a file.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let file = Table::try_from(self)?;
        // Tables are sorted by name; a reader expects the order in which the sections are documented.
        let sources = Sources::default();
        let mut reader = Reader::new(&sources);
        reader.read(Config::read);
        let known = reader.known();
        let mut out = String::new();
        if self.node.is_none() {
            out.push_str("# node-name: the host name\n");
        }
        out.push_str(&lines(known, "", &file));
        let no_cluster = self.cluster.name.is_none();
        for section in known.iter().filter(|key| key.is_section()).map(|key| key.name) {
            let (header, tables) = match file.get(section) {
                Some(Value::Table(table)) => (format!("[{section}]"), vec![table]),
                Some(Value::Array(tables)) => {
                    (format!("[[{section}]]"), tables.iter().filter_map(Value::as_table).collect())
                }
                _ => continue,
            };
            for table in tables {
                out.push_str(&format!("\n{header}\n{}", lines(known, section, &joined(table))));
                if section == "cluster" && no_cluster {
                    out.push_str("# name: the one in admin.conf, if it is the cluster's own\n");
                }
            }
        }
        Ok(out)
    }
}

/// The keys of a section, those that have a value.
fn lines(known: &[Key], section: &str, table: &Table) -> String {
    let keys = known.iter().filter(|key| key.section == section && !key.is_section());
    let line = |key: &Key| Some(format!("{} = {}\n", key.name, text(table.get(key.name)?)));
    keys.filter_map(line).collect()
}

/// A section has no tables in the file: a key within one begins with its name, `client.key.file` is
/// `client-key-file`.
fn joined(table: &Table) -> Table {
    let mut all = Table::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                let inner = joined(inner).into_iter();
                all.extend(inner.map(|(end, value)| (format!("{key}-{end}"), value)));
            }
            value => all.extend([(key.clone(), value.clone())]),
        }
    }
    all
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(entries) => {
            format!("[{}]", entries.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let entry = |(key, value)| format!("{key} = {}", text(value));
            format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A TOML basic string. The writer of `toml` leaves characters as they are that drive a terminal.
fn quote(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if is_unsafe(c) => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}
