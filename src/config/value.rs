//! What single values may be. Nothing here quotes a value.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::de::DeValue;

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
    let name = text(value)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if (1..=253).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(name.to_owned());
    }
    Err(wrong("is not a node's name", "1 to 253 letters, digits, \"-\", \".\" and \"_\""))
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
