//! `[thresholds]`: when a certificate is a warning, and when it is critical. The struct is [`Policy`].

use std::ops::RangeInclusive;

use serde::Serializer;
use toml::Value;

use crate::domain::policy::{Policy, Thresholds};
use crate::domain::time::Span;

use super::section::{Section, Setting};
use super::{span, value};

/// 100 years: the longest that a CA lives in practice, and far from any overflow.
const THRESHOLD: RangeInclusive<Span> = Span::seconds(1)..=Span::days(36_500);
const PERCENT: RangeInclusive<u8> = 1..=100;

pub(super) fn read(section: &mut Section<'_, '_>) -> Policy {
    let default = Policy::default();
    let (leaf, thresholds) = expiry_thresholds(section, ["leaf", "leaf-critical"], &default.leaf);
    let (ca, _) = expiry_thresholds(section, ["ca", "ca-critical"], &default.ca);
    let short_lived =
        section.take("short-lived", default.short_lived, |time| value::span(time, &THRESHOLD));
    if thresholds.value.iter().max() > Some(&short_lived.value) {
        let expected = "short-lived to be at least the longest threshold: a certificate with a lifetime between \
                        the two would be a warning from its first day";
        section.refuse_both(
            &short_lived,
            "is below the longest threshold of",
            &thresholds,
            expected,
        );
    }
    let percent = default.rotation_percent;
    Policy {
        leaf,
        ca,
        short_lived: short_lived.value,
        rotation_percent: section
            .take("rotation-percent", percent, |percent| value::number(percent, &PERCENT))
            .value,
    }
}

/// Thresholds and the critical one, with the setting that holds the first.
fn expiry_thresholds(
    section: &mut Section<'_, '_>,
    [thresholds, critical]: [&'static str; 2],
    default: &Thresholds,
) -> (Thresholds, Setting<Vec<Span>>) {
    let threshold = |time: &_| value::span(time, &THRESHOLD);
    let thresholds = section.list(thresholds, default.all().to_vec(), threshold);
    let critical = section.take(critical, default.critical(), threshold);
    match thresholds.value.iter().max() {
        None => {
            section.refuse(
                &thresholds,
                "is empty",
                "at least one threshold, such as [\"30d\", \"7d\"]",
            );
        }
        Some(longest) if critical.value > *longest => {
            let expected = "critical to be at most the longest threshold";
            section.refuse_both(
                &critical,
                "is above the longest threshold of",
                &thresholds,
                expected,
            );
        }
        Some(_) => {}
    }
    (Thresholds::new(thresholds.value.clone(), critical.value), thresholds)
}

pub(super) fn show<S: Serializer>(policy: &Policy, out: S) -> Result<S::Ok, S::Error> {
    let Policy { leaf, ca, short_lived, rotation_percent } = policy;
    let length = |length| Value::from(span::write(length));
    let thresholds = |of: &Thresholds| Value::Array(of.all().iter().copied().map(length).collect());
    out.collect_map([
        ("leaf", thresholds(leaf)),
        ("leaf-critical", length(leaf.critical())),
        ("ca", thresholds(ca)),
        ("ca-critical", length(ca.critical())),
        ("short-lived", length(*short_lived)),
        ("rotation-percent", Value::from(*rotation_percent)),
    ])
}
