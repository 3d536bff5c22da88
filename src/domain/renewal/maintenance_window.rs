//! When a renewal that nobody asked for may begin: times of the week, in UTC, and each node's offset.

use std::fmt;

use ring::digest;

use crate::domain::time::{Span, UnixTime};

const DAY: i64 = 86_400;
const MINUTES: u16 = 24 * 60;
const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0b111_1111;

/// A time of day on some days of the week, in UTC. One that passes midnight belongs to the day on
/// which it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaintenanceWindow {
    /// One bit for each day, Monday's the lowest; never 0.
    days: u8,
    /// Minutes after midnight, 0 to 1439.
    start: u16,
    /// The same. At or before `start`, it is on the next day.
    end: u16,
}

/// The longest that a node waits for its offset.
const SPREAD: Span = Span::hours(1);

/// A node's offset, by its name: which part of a common wait is its own, in 65,536ths. The control planes of a
/// cluster were made together and have the same windows, and are not to restart all API servers at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct NodeOffset(u16);

impl NodeOffset {
    /// That of the node of this name, always the same.
    pub(crate) fn of(node: &str) -> Self {
        let sum = digest::digest(&digest::SHA256, node.as_bytes());
        Self(sum.as_ref().iter().take(2).fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn part_of(self, wait: Span) -> Span {
        wait.fraction(self.0.into(), 65_536)
    }
}

/// A text that is no window.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is not a maintenance window")]
pub struct InvalidWindow;

impl MaintenanceWindow {
    /// Reads `sat,sun 02:00-05:00`, `mon-fri 22:00-04:00`, or for every day `02:00-04:00`. It may
    /// pass midnight, and end at `24:00`.
    ///
    /// # Errors
    /// `text` is nothing like that.
    pub fn parse(text: &str) -> Result<Self, InvalidWindow> {
        let (days, times) = match text.trim().rsplit_once(' ') {
            Some((days, times)) => (read_days(days).ok_or(InvalidWindow)?, times),
            None => (EVERY_DAY, text.trim()),
        };
        let (start, end) = times.split_once('-').ok_or(InvalidWindow)?;
        let start = read_time(start).filter(|start| *start < MINUTES).ok_or(InvalidWindow)?;
        let end = read_time(end).ok_or(InvalidWindow)? % MINUTES;
        Ok(Self { days, start, end })
    }

    /// The first moment from `from` on at which it is open to a node: to each in its first half, and to all in
    /// its second.
    fn next_open(self, offset: NodeOffset, from: UnixTime) -> UnixTime {
        let today = from.seconds().div_euclid(DAY);
        // Yesterday's may still be open; today's may be over, and the next be a week away.
        let opened = (today - 1..=today + 7)
            .filter(|day| self.is_on(*day))
            .map(|day| UnixTime::new(day.saturating_mul(DAY)) + Span::minutes(self.start.into()));
        let wait = offset.part_of(SPREAD.min(self.length().fraction(1, 2)));
        opened
            .filter(|opened| *opened + self.length() > from)
            .map(|opened| (opened + wait).max(from))
            .next()
            // Only at the end of all time.
            .unwrap_or(from)
    }

    /// Whether it opens on a day, counted from 1970-01-01, which was a Thursday.
    fn is_on(self, day: i64) -> bool {
        self.days & (1 << (day + 3).rem_euclid(7)) != 0
    }

    fn length(self) -> Span {
        let minutes = if self.end > self.start { self.end } else { self.end + MINUTES };
        Span::minutes((minutes - self.start).into())
    }
}

/// The first moment from `from` on that is in one of `windows`, at a node's offset; `from` itself if there are
/// none.
fn next_open(windows: &[MaintenanceWindow], offset: NodeOffset, from: UnixTime) -> UnixTime {
    windows.iter().map(|window| window.next_open(offset, from)).min().unwrap_or(from)
}

/// When what becomes due at `due` is renewed: at the node's offset, in the first window from then on.
pub(crate) fn begin_after(
    due: UnixTime,
    windows: &[MaintenanceWindow],
    offset: NodeOffset,
) -> UnixTime {
    next_open(windows, offset, due + offset.part_of(SPREAD))
}

/// When to renew what ends at `ends`: at the node's offset, in the first window that is open in its last `before`,
/// but not later than `deadline` ahead of its end, window or not. Never before `now`.
pub(crate) fn begin_at(
    ends: UnixTime,
    before: Span,
    deadline: Span,
    windows: &[MaintenanceWindow],
    offset: NodeOffset,
    now: UnixTime,
) -> UnixTime {
    let due = now.max(ends - before + offset.part_of(SPREAD));
    let latest = now.max(ends - deadline);
    next_open(windows, offset, due).min(latest)
}

impl fmt::Display for MaintenanceWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != EVERY_DAY {
            let days: Vec<_> = (0..7).filter(|day| self.is_on(day - 3)).collect();
            let runs: Vec<_> = days.chunk_by(|day, next| day + 1 == *next).map(run).collect();
            write!(f, "{} ", runs.join(","))?;
        }
        let end = if self.end == 0 { MINUTES } else { self.end };
        let [start, end] = [self.start, end].map(|at| format!("{:02}:{:02}", at / 60, at % 60));
        write!(f, "{start}-{end}")
    }
}

/// Days that follow each other: `sat,sun`, `mon-fri`.
fn run(days: &[i64]) -> String {
    let name = |day: &i64| usize::try_from(*day).ok().and_then(|day| WEEK.get(day).copied());
    let names: Vec<_> = days.iter().filter_map(name).collect();
    match names.as_slice() {
        [first, _, .., last] if names.len() > 2 => format!("{first}-{last}"),
        _ => names.join(","),
    }
}

/// `sat,sun`, `fri-mon`, or both: `mon,thu-sat`.
fn read_days(text: &str) -> Option<u8> {
    let position = |name: &str| WEEK.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (position(first)?, position(last)?);
        let count = (last + 7 - first) % 7;
        Some((first..=first + count).fold(days, |days, day| days | 1 << (day % 7)))
    })
}

/// Minutes after midnight: `00:00` to `24:00`.
fn read_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let is_plain = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(hours) || !is_plain(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let time = hours * 60 + minutes;
    (minutes < 60 && time <= MINUTES).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The turn of a node that waits for nobody.
    const FIRST: NodeOffset = NodeOffset(0);

    fn at(text: &str) -> UnixTime {
        UnixTime::parse(&format!("{text}:00Z")).unwrap()
    }

    fn windows(texts: &[&str]) -> Vec<MaintenanceWindow> {
        texts.iter().map(|text| MaintenanceWindow::parse(text).unwrap()).collect()
    }

    #[test]
    fn windows_are_written_as_people_write_them() {
        for (text, written) in [
            ("sat,sun 02:00-05:00", "sat,sun 02:00-05:00"),
            ("mon-fri 22:00-04:00", "mon-fri 22:00-04:00"),
            ("02:00-04:00", "02:00-04:00"),
            (" Fri-Mon,wed  00:00-00:00 ", "mon,wed,fri-sun 00:00-24:00"),
            ("mon-sun 22:30-24:00", "22:30-24:00"),
        ] {
            assert_eq!(MaintenanceWindow::parse(text).unwrap().to_string(), written);
        }
        for text in [
            "",
            "sat",
            "sat 02:00",
            "02:00",
            "2:00-4:00",
            "02:60-04:00",
            "24:00-02:00",
            "02:00-24:01",
            "sat, 02:00-04:00",
            "someday 02:00-04:00",
            "+2:00-04:00",
            "02:00 - 04:00",
            "sat02:00-04:00",
        ] {
            assert_eq!(MaintenanceWindow::parse(text), Err(InvalidWindow), "{text}");
        }
    }

    #[test]
    fn the_next_one_is_found_across_midnight_and_the_week() {
        // 2026-11-23 is a Monday.
        let nights = windows(&["mon-fri 22:00-04:00"]);
        let weekend = windows(&["sat,sun 02:00-05:00"]);
        for (windows, from, open) in [
            (&nights, "2026-11-23T21:59", "2026-11-23T22:00"),
            (&nights, "2026-11-24T03:59", "2026-11-24T03:59"),
            (&nights, "2026-11-24T04:00", "2026-11-24T22:00"),
            // Friday's goes on into Saturday; Saturday has none of its own.
            (&nights, "2026-11-28T03:00", "2026-11-28T03:00"),
            (&nights, "2026-11-28T04:00", "2026-11-30T22:00"),
            (&weekend, "2026-11-23T02:00", "2026-11-28T02:00"),
            (&weekend, "2026-11-29T05:00", "2026-12-05T02:00"),
            (&vec![], "2026-11-29T05:00", "2026-11-29T05:00"),
        ] {
            assert_eq!(next_open(windows, FIRST, at(from)), at(open), "{from}");
        }
        let once = windows(&["mon 02:00-03:00"]);
        assert_eq!(next_open(&once, FIRST, at("2026-11-23T03:00")), at("2026-11-30T02:00"));
    }

    #[test]
    fn a_deadline_does_not_wait_for_a_window() {
        let weekend = windows(&["sat 02:00-05:00"]);
        let (before, deadline) = (Span::days(30), Span::days(7));
        let begin = |ends, now| begin_at(at(ends), before, deadline, &weekend, FIRST, at(now));
        // Due on 2027-01-01, a Friday.
        assert_eq!(begin("2027-01-31T00:00", "2026-11-23T00:00"), at("2027-01-02T02:00"));
        // The day before the deadline, and after it.
        assert_eq!(begin("2027-01-31T00:00", "2027-01-23T06:00"), at("2027-01-24T00:00"));
        assert_eq!(begin("2027-01-31T00:00", "2027-01-25T13:00"), at("2027-01-25T13:00"));
    }

    #[test]
    fn nodes_take_turns() {
        let weekend = windows(&["sat 02:00-05:00"]);
        let short = windows(&["sat 02:00-02:30"]);
        let friday = at("2026-11-27T12:00");
        for (offset, wide, narrow, any) in [
            (0, "2026-11-28T02:00", "2026-11-28T02:00", "2026-11-27T12:00"),
            (1 << 15, "2026-11-28T02:30", "2026-11-28T02:07", "2026-11-27T12:30"),
            (3 << 14, "2026-11-28T02:45", "2026-11-28T02:11", "2026-11-27T12:45"),
        ] {
            let begin =
                |windows: &[MaintenanceWindow]| begin_after(friday, windows, NodeOffset(offset));
            assert_eq!(begin(&weekend), at(wide));
            assert_eq!(begin(&short).seconds() / 60, at(narrow).seconds() / 60);
            assert_eq!(begin(&[]), at(any));
        }
        let [first, second, third] =
            ["cp1", "cp2", "cp3"].map(|name| begin_after(friday, &[], NodeOffset::of(name)));
        assert!(first != second && second != third && first != third);
    }

    prop_compose! {
        fn window()(days in 1..=EVERY_DAY, start in 0..MINUTES, end in 0..MINUTES) -> MaintenanceWindow {
            MaintenanceWindow { days, start, end }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(window in window()) {
            prop_assert_eq!(MaintenanceWindow::parse(&window.to_string()), Ok(window));
        }

        #[test]
        fn any_text_is_judged(text in "[a-z0-9:, -]{0,24}|\\PC{0,24}") {
            let _ = MaintenanceWindow::parse(&text);
        }

        /// Minute by minute, by the definition.
        #[test]
        fn the_next_one_is_the_first_minute_in_it(window in window(), minute in 0_i64..30_000) {
            let is_open = |minute: i64| {
                let (day, time) = (minute.div_euclid(1440), minute.rem_euclid(1440));
                let (start, end) = (i64::from(window.start), i64::from(window.end));
                let passes = end <= start;
                window.is_on(day) && time >= start && (passes || time < end)
                    || passes && window.is_on(day - 1) && time < end
            };
            let first = (minute..).find(|minute| is_open(*minute)).unwrap();
            prop_assert_eq!(next_open(&[window], FIRST, UnixTime::new(minute * 60)), UnixTime::new(first * 60));
        }

        #[test]
        fn it_begins_in_time_and_not_in_the_past(
            windows in prop::collection::vec(window(), 0..4),
            offset in any::<u16>().prop_map(NodeOffset),
            ends in any::<i32>(),
            now in any::<i32>(),
        ) {
            let (ends, now) = (UnixTime::new(ends.into()), UnixTime::new(now.into()));
            let (before, deadline) = (Span::days(30), Span::days(7));
            let begin = begin_at(ends, before, deadline, &windows, offset, now);
            prop_assert!(begin >= now.max(ends - before));
            prop_assert!(begin <= now.max(ends - deadline));
            prop_assert!(begin == next_open(&windows, offset, begin) || begin == now.max(ends - deadline));
            // Its turn comes within the window that is open to all.
            prop_assert!(begin == next_open(&windows, FIRST, begin) || begin == now.max(ends - deadline));
            // What is known ahead is what happens then.
            prop_assert_eq!(begin_at(ends, before, deadline, &windows, offset, begin), begin);
        }

        #[test]
        fn the_end_of_time_is_no_harm(window in window(), from in prop_oneof![Just(i64::MIN), Just(i64::MAX)]) {
            prop_assert!(next_open(&[window], NodeOffset(u16::MAX), UnixTime::new(from)) >= UnixTime::new(from));
        }
    }
}
