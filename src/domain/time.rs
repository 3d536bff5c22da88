//! Whole seconds, signed: RFC 5280 allows notAfter 9999-12-31T23:59:59Z and any year before 1970.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, in seconds since 1970-01-01T00:00:00Z; the same number when it is stored.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment `seconds` after 1970-01-01T00:00:00Z; negative is before.
    pub const fn new(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, such as `2027-01-01T00:00:00Z`; fractions of a second are cut off.
    ///
    /// # Errors
    /// The text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, time::error::Parse> {
        OffsetDateTime::parse(text, &Rfc3339).map(|t| Self(t.unix_timestamp()))
    }

    /// `2027-01-01`, in UTC.
    pub fn date(self) -> String {
        self.to_string().split('T').next().unwrap_or_default().to_owned()
    }
}

/// RFC 3339 in UTC. Years outside 0..=9999, which RFC 3339 cannot write, print as `@seconds`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            OffsetDateTime::from_unix_timestamp(self.0).ok().and_then(|t| t.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "@{}", self.0),
        }
    }
}

/// A length of time in seconds; may be negative.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Span(i64);

impl Span {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * Self::MINUTE;
    const DAY: i64 = 24 * Self::HOUR;

    /// A span of `seconds`.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// A span of `hours` times 3,600 seconds.
    pub const fn hours(hours: i64) -> Self {
        Self(hours * Self::HOUR)
    }

    /// A span of `minutes` times 60 seconds.
    pub const fn minutes(minutes: i64) -> Self {
        Self(minutes * Self::MINUTE)
    }

    /// A span of `days` times 86,400 seconds.
    pub const fn days(days: i64) -> Self {
        Self(days * Self::DAY)
    }

    /// Length in seconds.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// `numerator / denominator` of this span, without overflow.
    pub(crate) fn fraction(self, numerator: i32, denominator: i32) -> Self {
        let part = i128::from(self.0) * i128::from(numerator) / i128::from(denominator);
        Self(i64::try_from(part).unwrap_or(self.0))
    }

    /// True below zero.
    pub(crate) const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

/// The largest unit that leaves a number worth reading: `90 s`, `5 min`, `47 h`, `12 d`, `9.5 y`.
/// The sign is dropped: the words around it ("expired … ago") carry it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0.unsigned_abs();
        let [minute, hour, day] = [Self::MINUTE, Self::HOUR, Self::DAY].map(i64::unsigned_abs);
        match s {
            _ if s < 2 * minute => write!(f, "{s} s"),
            _ if s < 2 * hour => write!(f, "{} min", s / minute),
            _ if s < 2 * day => write!(f, "{} h", s / hour),
            _ if s < 1000 * day => write!(f, "{} d", s / day),
            _ => {
                let tenths = s / (day * 365 / 10);
                write!(f, "{}.{} y", tenths / 10, tenths % 10)
            }
        }
    }
}

impl Add<Span> for UnixTime {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for UnixTime {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for UnixTime {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_moment_of_rfc_5280_has_a_name() {
        let last = UnixTime::parse("9999-12-31T23:59:59Z").unwrap();
        assert_eq!(last.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!((last + Span::days(400)).seconds(), last.seconds() + 400 * 86_400);
        assert_eq!(UnixTime::new(i64::MAX).to_string(), format!("@{}", i64::MAX));
        assert_eq!((UnixTime::new(i64::MAX) + Span::days(1)).seconds(), i64::MAX);
    }

    #[test]
    fn spans_read_like_a_person_says_them() {
        let said =
            [119, 120, 7_199, 7_200, 172_799, 172_800, 364 * 86_400, 1000 * 86_400, -300 * 86_400]
                .map(|s| Span::seconds(s).to_string());
        assert_eq!(
            said,
            ["119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "364 d", "2.7 y", "300 d"]
        );
    }

    #[test]
    fn dates_are_utc() {
        assert_eq!(UnixTime::parse("2027-01-01T00:30:00+01:00").unwrap().date(), "2026-12-31");
    }
}
