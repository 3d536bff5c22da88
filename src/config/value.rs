//! What single values may be. Nothing here quotes a value.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use toml::de::DeValue;

use crate::domain::cluster;
use crate::domain::text::is_unsafe;
use crate::domain::time::Span;

use super::error::Problem;
use super::span;

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| wrong_kind(value, "true or false"))
}

/// A whole number within `range`.
pub(super) fn number<N>(value: &DeValue<'_>, range: &RangeInclusive<N>) -> Result<N, Problem>
where
    N: TryFrom<i64> + PartialOrd + Display,
{
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    let DeValue::Integer(digits) = value else { return Err(wrong_kind(value, &expected)) };
    i64::from_str_radix(digits.as_str(), digits.radix())
        .ok()
        .and_then(|number| N::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| wrong("is out of range", &expected))
}

/// A string.
pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Problem> {
    value.as_str().ok_or_else(|| wrong_kind(value, "a string in quotes"))
}

/// A length of time within `range`, such as `"30d"`.
pub(super) fn span(value: &DeValue<'_>, range: &RangeInclusive<Span>) -> Result<Span, Problem> {
    let expected = format!(
        "a time from {} to {}, such as \"30{}\"",
        span::write(*range.start()),
        span::write(*range.end()),
        // An example that is in the range.
        if range.contains(&Span::days(30)) { "d" } else { "s" },
    );
    let text = match value {
        DeValue::String(text) => text,
        DeValue::Integer(_) | DeValue::Float(_) => {
            return Err(wrong("is a number without a unit", &expected));
        }
        _ => return Err(wrong_kind(value, &expected)),
    };
    let span = span::read(text).map_err(|error| wrong(&error.to_string(), &expected))?;
    if range.contains(&span) { Ok(span) } else { Err(wrong("is out of range", &expected)) }
}

/// The name of a node, as Kubernetes has them, or of a host.
pub(super) fn node_name(value: &DeValue<'_>) -> Result<String, Problem> {
    plain_name(value, "is not a valid node name")
}

/// The name of a cluster, which stands in subjects, labels and keys.
pub(super) fn cluster_name(value: &DeValue<'_>) -> Result<String, Problem> {
    plain_name(value, "is not a valid cluster name")
}

fn plain_name(value: &DeValue<'_>, mistake: &str) -> Result<String, Problem> {
    let name = text(value)?;
    if cluster::is_valid(name) {
        return Ok(name.to_owned());
    }
    Err(wrong(mistake, "1 to 253 letters, digits, \"-\", \".\" and \"_\""))
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Problem> {
    let list: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let expected = format!("one of {}", list.join(", "));
    let DeValue::String(text) = value else { return Err(wrong_kind(value, &expected)) };
    let found = words.iter().find(|(word, _)| word == text).map(|(_, it)| *it);
    found.ok_or_else(|| wrong("is invalid", &expected))
}

/// One line of text that is not empty.
pub(super) fn line(value: &DeValue<'_>) -> Result<String, Problem> {
    let line = text(value)?.trim();
    if (1..=1_000).contains(&line.len()) && !line.chars().any(is_unsafe) {
        return Ok(line.to_owned());
    }
    Err(wrong("is empty, too long, or contains control characters", "one line of text"))
}

/// A URL without a user and without a query.
pub(super) fn url(value: &DeValue<'_>) -> Result<String, Problem> {
    let url = text(value)?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_plain = |c: char| c.is_ascii_graphic() && !"@?#\"<>\\^`{|}".contains(c);
    match rest.map(|rest| rest.split('/').next().unwrap_or_default()) {
        Some(host) if !host.is_empty() && url.len() <= 2_000 && url.chars().all(is_plain) => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err(wrong("is not a usable URL", "https://host:port/path, without user or query")),
    }
}

/// A URL that nobody can listen in on: https, or http on this host.
pub(super) fn private_url(value: &DeValue<'_>) -> Result<String, Problem> {
    let url = url(value)?;
    if is_private(&url) {
        return Ok(url);
    }
    Err(wrong("is not https", "https://…; http only to this host"))
}

/// True for https, and for http to this host.
pub(super) fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return true };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    is_loopback(host)
}

/// True for the names and addresses of this host.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn wrong(what: &str, expected: &str) -> Problem {
    Problem::new(what, format!("expected {expected}"))
}

/// `value` is not of the kind that is `expected`.
pub(super) fn wrong_kind(value: &DeValue<'_>, expected: &str) -> Problem {
    let what = match value {
        DeValue::String(_) => "is a string",
        DeValue::Integer(_) | DeValue::Float(_) => "is a number",
        DeValue::Boolean(_) => "is true or false",
        DeValue::Datetime(_) => "is a date or a time of day",
        DeValue::Array(_) => "is a list",
        DeValue::Table(_) => "is a table",
    };
    wrong(what, expected)
}

/// The TOML parser's words, taken apart: it says both in one sentence.
pub(super) fn mistake(message: &str) -> (String, String) {
    match message.split_once(", expected ") {
        Some((what, expected)) => (what.to_owned(), format!("expected {expected}")),
        None => (message.to_owned(), "expected valid TOML".to_owned()),
    }
}
