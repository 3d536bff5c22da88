//! Lengths of time as people write them: `30d`, `12h`, `1d 12h`.

use serde::Serializer;

use crate::domain::time::Span;

/// The units that are written, longest first, in seconds.
const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];

/// Names that humantime gives to 30.44 and to 365.25 days.
const CALENDAR: [&str; 9] = ["M", "month", "months", "y", "yr", "yrs", "year", "years", "mo"];

/// humantime 2.4.0 panics on `18446744073709551615s 500ms 500ms`, where the halves carry over the
/// last second it has. Even in weeks that takes 14 digits, and each half one more at least.
const MAX_DIGITS: usize = 15;

/// Why a text is not a length of time. The text is not in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SpanError {
    /// A unit that is not always as long.
    #[error("is in months or years, which vary in length")]
    Calendar,
    /// Part of a second.
    #[error("is not in whole seconds")]
    Fraction,
    /// A number alone.
    #[error("contains a number without a unit")]
    NoUnit,
    /// Anything else.
    #[error("is not a duration")]
    NotATime,
    /// More than a signed 64-bit number of seconds.
    #[error("is out of range")]
    TooLong,
}

/// Reads a length of time in weeks, days, hours, minutes and seconds, each of fixed length.
///
/// # Errors
/// `text` is not a length of time in whole seconds; months and years are refused.
pub(crate) fn read(text: &str) -> Result<Span, SpanError> {
    let mut words = text.split(|c: char| !c.is_alphabetic());
    if words.any(|word| CALENDAR.contains(&word)) {
        return Err(SpanError::Calendar);
    }
    if text.chars().filter(char::is_ascii_digit).count() > MAX_DIGITS {
        return Err(SpanError::TooLong);
    }
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => SpanError::NoUnit,
        humantime::DurationError::NumberOverflow => SpanError::TooLong,
        _ => SpanError::NotATime,
    })?;
    if duration.subsec_nanos() != 0 {
        return Err(SpanError::Fraction);
    }
    i64::try_from(duration.as_secs()).map(Span::seconds).map_err(|_| SpanError::TooLong)
}

/// `span` as [`read`] reads it, in the longest unit that leaves a whole number.
pub(super) fn write(span: Span) -> String {
    let seconds = span.as_seconds();
    let fits = |(length, _): &&(i64, &str)| seconds % length == 0;
    let (length, unit) = UNITS.iter().find(fits).copied().unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

/// The same, where a setting is shown.
pub(super) fn show<S: Serializer>(span: &Span, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&write(*span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_units_only() {
        assert_eq!(read("30d"), Ok(Span::days(30)));
        assert_eq!(read("2 weeks"), Ok(Span::days(14)));
        assert_eq!(read("1.5d"), Ok(Span::seconds(129_600)));
        assert_eq!(read("1d12h"), Ok(Span::seconds(129_600)));
        for calendar in ["1M", "1 month", "1year", "2y 3d", "1d2months", "1mo"] {
            assert_eq!(read(calendar), Err(SpanError::Calendar), "{calendar}");
        }
        assert_eq!(read("30"), Err(SpanError::NoUnit));
        assert_eq!(read("500ms"), Err(SpanError::Fraction));
        assert_eq!(read("9223372036854775808s"), Err(SpanError::TooLong));
        for huge in ["18446744073709551615s 500ms 500ms", "1 8446744073709551615s.5s0.5s"] {
            assert_eq!(read(huge), Err(SpanError::TooLong), "{huge}");
        }
        for nonsense in ["", "d", "-1d", "1 fortnight", "soon", "1e3s"] {
            assert_eq!(read(nonsense), Err(SpanError::NotATime), "{nonsense}");
        }
    }

    #[test]
    fn written_in_the_longest_whole_unit() {
        let written = [0, 1, 59, 60, 3_600, 5_400, 86_400, 31_536_000]
            .map(|seconds| write(Span::seconds(seconds)));
        assert_eq!(written, ["0d", "1s", "59s", "1m", "1h", "90m", "1d", "365d"]);
    }
}
