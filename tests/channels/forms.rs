//! What is sent, to the letter.

use certwatch::domain::message::AlertChange;
use certwatch::domain::policy::Severity;
use certwatch::domain::time::Span;
use certwatch::notify::{alertmanager, pagerduty, slack, webhook};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::Value;

use crate::common::message::{HOSTILE, NOW, hostile, over, renewal, sample, test};
use crate::common::slack::check;

fn pretty(value: impl Into<Value>) -> String {
    serde_json::to_string_pretty(&value.into()).unwrap()
}

#[test]
fn slack_forms() {
    assert_snapshot!("slack_alert", pretty(slack::payload(&sample())));
    assert_snapshot!("slack_resolved", pretty(slack::payload(&over())));
    assert_snapshot!("slack_test", pretty(slack::payload(&test())));
}

#[test]
fn other_forms() {
    assert_snapshot!("webhook", pretty(webhook::payload(&sample())));
    assert_snapshot!("pagerduty", pretty(pagerduty::events(&sample())));
    assert_snapshot!("pagerduty_test", pretty(pagerduty::events(&test())));
    assert_snapshot!("alertmanager", pretty(alertmanager::alerts(&sample(), NOW + Span::hours(3))));
    let mut named = sample();
    named.node.cluster = Some("prod".to_owned());
    assert_snapshot!("webhook_cluster", pretty(webhook::payload(&named)));
    assert_snapshot!("alertmanager_cluster", pretty(alertmanager::alerts(&named, NOW)));
    assert_snapshot!("slack_cluster", pretty(slack::payload(&named)));
    let failed = renewal(Severity::Critical);
    assert_snapshot!("alertmanager_renewal", pretty(alertmanager::alerts(&failed, NOW)));
    assert!(alertmanager::alerts(&renewal(Severity::Ok), NOW).is_empty());
}

/// It may have been of any severity before, and each is an alert of its own.
#[test]
fn an_alertmanager_has_each_alert_at_one_severity() {
    let until = NOW + Span::hours(3);
    let mut message = sample();
    message.resolved.clear();
    let alerts = alertmanager::alerts(&message, until);
    for it in &message.firing {
        let id = it.id.on(&message.node);
        let told: Vec<_> = alerts.iter().filter(|alert| alert["labels"]["id"] == id).collect();
        let lives: Vec<_> =
            told.iter().filter(|alert| alert["endsAt"] == until.to_string()).collect();
        // With each change the severities on the side that it comes from end.
        let ended = match (it.change, it.level.severity) {
            (AlertChange::Worse, Severity::Critical) | (AlertChange::Better, Severity::Warning) => {
                2
            }
            (AlertChange::Worse | AlertChange::Better, Severity::Unknown) => 1,
            _ => 0,
        };
        assert_eq!((told.len(), lives.len()), (1 + ended, 1));
        assert_eq!(lives[0]["labels"]["severity"], it.level.severity.name());
    }
}

#[test]
fn slack_takes_any_number_of_hostile_alerts() {
    for count in (0..60).chain([500]) {
        let payload = slack::payload(&hostile(count));
        assert_eq!(check(&payload), Ok(()), "{count}: {payload:#}");
    }
    assert!(slack::payload(&hostile(500)).to_string().contains(" more*: list them all"));
    // The stand-in would notice: these are what the rules are for.
    for text in HOSTILE.iter().filter(|text| text.contains(['<', '`'])) {
        let mut payload = slack::payload(&sample());
        payload["blocks"][1]["text"]["text"] = (*text).into();
        assert_eq!(check(&payload), Err("invalid_blocks"), "{text}");
    }
}

proptest! {
    #[test]
    fn slack_takes_any_text(texts in prop::collection::vec("\\PC{0,300}|[`<>&*]{0,40}", 8)) {
        let mut message = sample();
        message.headline.clone_from(&texts[0]);
        message.node.name.clone_from(&texts[1]);
        message.next.clone_from(&texts[2]);
        let words = &mut message.firing[0].text;
        words.name.clone_from(&texts[3]);
        words.place.clone_from(&texts[4]);
        words.summary.clone_from(&texts[5]);
        words.lines = vec![texts[6].clone()];
        message.resolved[0].how.clone_from(&texts[7]);
        prop_assert_eq!(check(&slack::payload(&message)), Ok(()));
    }
}
