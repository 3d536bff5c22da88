//! `[[renew.hook]]`: commands that are run after a renewal.

use std::ops::RangeInclusive;

use serde::{Serialize, Serializer};
use toml::de::DeValue;

use crate::config::error::Problem;
use crate::config::section::Section;
use crate::config::value::{self, wrong};
use crate::config::{path, span};
use crate::domain::renewal::hook::Hook;
use crate::domain::time::Span;

const TIMEOUT: RangeInclusive<Span> = Span::seconds(1)..=Span::minutes(10);

/// A renewal has to end: this is all that all of them may take.
const IN_ALL: Span = Span::minutes(10);

const HOOK: &str = "{ command = [\"/usr/bin/systemctl\", \"reload\", \"haproxy\"] }, with name and timeout if you like";

pub(super) fn hooks(section: &mut Section<'_, '_>) -> Vec<Hook> {
    let hooks = section.list("hook", Vec::new(), hook);
    let in_all: i64 = hooks.value.iter().map(|hook| hook.timeout.as_seconds()).sum();
    if in_all > IN_ALL.as_seconds() {
        section.refuse(&hooks, "takes too long", "timeouts of 10m together: a renewal has to end");
    }
    hooks.value
}

fn hook(value: &DeValue<'_>) -> Result<Hook, Problem> {
    let DeValue::Table(table) = value else { return Err(value::wrong_kind(value, HOOK)) };
    if table.keys().any(|key| !["name", "command", "timeout"].contains(&key.get_ref().as_ref())) {
        return Err(wrong("has a key other than name, command and timeout", HOOK));
    }
    let get = |key| table.get(key).map(toml::Spanned::get_ref);
    let command = get("command").ok_or_else(|| wrong("has no command", HOOK))?;
    let command = words(command).map_err(|problem| problem.of("command"))?;
    let name = get("name").map(value::line).transpose().map_err(|problem| problem.of("name"))?;
    let timeout = get("timeout").map(|time| value::span(time, &TIMEOUT)).transpose();
    let timeout = timeout.map_err(|problem| problem.of("timeout"))?;
    Ok(Hook {
        name: name.unwrap_or_else(|| Hook::name_of(&command[0])),
        command,
        timeout: timeout.unwrap_or(Span::seconds(60)),
    })
}

/// The program by its whole path, and its arguments: at least one word.
fn words(value: &DeValue<'_>) -> Result<Vec<String>, Problem> {
    let expected = "a list: the absolute path of a program, and its arguments, for no shell";
    let DeValue::Array(entries) = value else { return Err(value::wrong_kind(value, expected)) };
    let first = entries.first().ok_or_else(|| wrong("is empty", expected))?;
    path::file(first.get_ref())?;
    let word = |entry: &toml::Spanned<DeValue<'_>>| {
        let word = value::text(entry.get_ref())?;
        if word.contains('\0') {
            return Err(wrong("contains a NUL", "arguments without it"));
        }
        Ok(word.to_owned())
    };
    entries.iter().map(word).collect()
}

pub(super) fn show<S: Serializer>(hooks: &[Hook], out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct HookEntry<'h> {
        name: &'h str,
        command: &'h [String],
        #[serde(serialize_with = "span::show")]
        timeout: Span,
    }
    out.collect_seq(hooks.iter().map(|Hook { name, command, timeout }| HookEntry {
        name,
        command,
        timeout: *timeout,
    }))
}
