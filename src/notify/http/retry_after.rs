//! `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Neither at once nor never.
const RANGE: (u64, u64) = (1, 3600);

/// Seconds, or a date, as a time from now on of 1 s to 1 h; `None` for what is neither.
pub(super) fn parse(value: &str) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    parse_at(value.trim(), now)
}

fn parse_at(value: &str, now: u64) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_number {
        // What is too large for a number is far above the longest.
        value.parse().unwrap_or(u64::MAX)
    } else {
        // Of the three forms of a date in HTTP the one that may be sent is one of RFC 2822.
        let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
        u64::try_from(date.unix_timestamp()).unwrap_or(0).saturating_sub(now)
    };
    Some(Duration::from_secs(seconds.clamp(RANGE.0, RANGE.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_within_bounds() {
        // 1994-11-06T08:49:37Z
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = |value: &str, now| parse_at(value, now).map(|it| it.as_secs());
        assert_eq!(at("30", 0), Some(30));
        assert_eq!(at("0", 0), Some(1));
        assert_eq!(at("99999999999999999999999", 0), Some(3600));
        assert_eq!(at(date, 784_111_777 - 90), Some(90));
        assert_eq!(at(date, 784_111_777 + 90), Some(1));
        assert_eq!(at(date, 0), Some(3600));
        for nonsense in ["", "-5", "soon", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(at(nonsense, 0), None, "{nonsense}");
        }
    }
}
