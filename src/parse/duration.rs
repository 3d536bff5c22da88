//! Durations as Go writes them, in flags and in objects of Kubernetes: `1h2m3.5s` (`time.ParseDuration`).

use std::time::Duration;

/// Nanoseconds of a unit by its suffix. One that begins like another stands before it.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration; `None` for what Go refuses, and for one below zero.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut sum = (!rest.is_empty()).then_some(Duration::ZERO)?;
    while !rest.is_empty() {
        let (part, after) = part(rest)?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    Some(sum)
}

/// A number with its unit, and what follows.
fn part(text: &str) -> Option<(Duration, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    let is_unit = |(suffix, nanos): &(&str, u64)| Some((*nanos, rest.strip_prefix(suffix)?));
    let (unit, rest) = UNITS.iter().find_map(is_unit)?;
    let whole = match (whole, fraction) {
        ("", "") => return None,
        ("", _) => 0,
        _ => whole.parse::<u64>().ok()?,
    };
    let nanos = whole.checked_mul(unit)?.checked_add(share(fraction, unit))?;
    Some((Duration::from_nanos(nanos), rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// How much of a unit the digits after the point are; below a nanosecond it is nothing.
fn share(digits: &str, unit: u64) -> u64 {
    let places = std::iter::successors(Some(unit / 10), |place| Some(place / 10));
    digits.bytes().zip(places).map(|(digit, place)| u64::from(digit - b'0') * place).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("8760h0m0s", 8_760 * 3_600_000),
            ("1h2m3.5s", 3_723_500),
            ("+70s", 70_000),
            ("1m70s", 130_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("1.25h", 4_500_000),
            ("300ms", 300),
            ("2000\u{b5}s3000\u{3bc}s4000us1000000ns", 10),
            ("1.00000000000000000000000000009s", 1_000),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for odd in ["", "+", "-1s", "1", "s", ".", ".s", "1d", "1s ", " 1s", "1S", "1.2.3s", "٣s"]
        {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(read("99999999999999999999h"), None);
        assert_eq!(read("18446744073709551615h"), None);
    }
}
