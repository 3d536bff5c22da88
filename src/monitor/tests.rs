//! What takes a state on disk and receivers together.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::channels::{AlertmanagerConfig, Secret, SlackBy, SlackConfig};
use crate::domain::ledger::Body;
use crate::domain::renewal::rate_limit::Attempt;
use crate::domain::renewal::sample::journal;
use crate::domain::renewal::{Journal, Outcome, Task};
use crate::renew;

const NOW: UnixTime = UnixTime::new(1_800_000_000);

fn with_slack(dir: &TempDir) -> Config {
    let mut config = Config::default();
    config.daemon.state_dir = dir.path().to_owned();
    let by = SlackBy::Webhook(Secret::File("/nowhere".into()));
    config.channels.slack = Some(SlackConfig { by, min_severity: Severity::Warning });
    config
}

fn told(monitor: &Monitor) -> Vec<String> {
    let (deliveries, _) = monitor.due(|_| false, NOW);
    let headline = |delivery: &Delivery| match &delivery.body {
        Body::Message(message) => message.headline.clone(),
        Body::Heartbeat { .. } => String::new(),
    };
    deliveries.iter().map(headline).collect()
}

#[test]
fn a_lost_memory_is_told() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("state.json"), "no JSON").unwrap();
    let monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    assert_eq!(told(&monitor), ["certwatch lost its state"]);
}

#[test]
fn a_first_start_is_no_news() {
    let dir = TempDir::new().unwrap();
    let monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    assert_eq!(told(&monitor), [""; 0]);
}

fn message(delivery: &Delivery) -> bool {
    matches!(delivery.body, Body::Message(_))
}

/// A state directory that is mounted late: who was told before certwatch could see that is not
/// forgotten, and what is over is told to be over.
#[test]
fn a_state_that_comes_late_is_not_written_over() {
    let dir = TempDir::new().unwrap();
    let config = with_slack(&dir);
    let mut monitor = Monitor::open(config.clone(), Writer::default(), NOW).unwrap();
    monitor.scanned(Ok(Inventory::default()), 0, NOW);
    // Nothing was found: that is believed after three looks.
    for seconds in [5, 20, 35] {
        monitor.scanned(Ok(Inventory::default()), 0, NOW + Span::seconds(seconds));
    }
    let (deliveries, _) = monitor.due(|_| false, NOW + Span::minutes(1));
    let delivery = deliveries.into_iter().find(message).unwrap();
    monitor.settle(&delivery, &Ok(Receipt::default()), NOW + Span::minutes(1));
    drop(monitor);

    let away = dir.path().with_extension("away");
    fs::rename(dir.path(), &away).unwrap();
    fs::write(dir.path(), "no directory").unwrap();
    let mut monitor = Monitor::open(config, Writer::default(), NOW).unwrap();
    assert!(!monitor.save(), "it was known that it cannot");
    fs::remove_file(dir.path()).unwrap();
    fs::rename(&away, dir.path()).unwrap();
    assert!(monitor.save(), "it can again");
    let slack = &monitor.memory().ledger.receivers[&ReceiverId("slack".to_owned())];
    assert_eq!(slack.count, 1);
    assert_eq!(monitor.memory().ledger.open.len(), 1);
}

#[test]
fn an_alertmanager_remembers_longer_than_the_pause_between_two_messages() {
    let dir = TempDir::new().unwrap();
    let mut config = with_slack(&dir);
    config.daemon.interval = Span::minutes(1);
    let monitor = Monitor::open(config, Writer::default(), NOW).unwrap();
    assert!(
        monitor.delivery_context(&std::sync::Arc::default(), NOW).until - NOW
            >= Span::seconds(2 * route::REFRESH.as_seconds())
    );
}

#[test]
fn who_was_tried_longest_ago_is_first() {
    let dir = TempDir::new().unwrap();
    let mut config = with_slack(&dir);
    let urls = vec!["http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned()];
    let min_severity = Severity::Warning;
    let alertmanager = AlertmanagerConfig { urls, token: None, client: None, min_severity };
    config.channels.alertmanager = Some(alertmanager);
    let mut monitor = Monitor::open(config, Writer::default(), NOW).unwrap();
    for seconds in [0, 5, 20, 35] {
        monitor.scanned(Ok(Inventory::default()), 0, NOW + Span::seconds(seconds));
    }
    let first = NOW + Span::minutes(1);
    let (deliveries, _) = monitor.due(|_| false, first);
    assert_eq!(deliveries.len(), 3, "nobody waits for another");
    monitor.settle(&deliveries[0], &Err(Failure::transient("away")), first);
    let (again, _) = monitor.due(|_| false, first + Span::minutes(1));
    assert_eq!(again.last().unwrap().receiver, deliveries[0].receiver);
}

/// It ended without a word, as it does again and again while nothing changes.
#[test]
fn what_the_renewer_would_refuse_is_not_asked_for() {
    let dir = TempDir::new().unwrap();
    let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    monitor.asks_for_renewal("admin.conf@1".to_owned(), None, NOW);
    let attempt = Attempt { at: NOW, ended: true, found: "admin.conf@1".to_owned(), ends: None };
    let attempts = vec![attempt];
    monitor.renewals_ended(&renew::RenewerState { attempts, ..renew::RenewerState::default() });
    assert!(!monitor.may_try("admin.conf@1", None, NOW + Span::hours(2)));
    assert!(monitor.may_try("admin.conf@1", None, NOW + Span::hours(25)));
}

/// Of the last one first, as a renewer remembers them.
fn renewals(ids: &[&str]) -> renew::RenewerState {
    let ended = journal(Task::Renew, Outcome::Renewed);
    let one = |id: &&str| Journal { id: (*id).to_owned(), ..ended.clone() };
    renew::RenewerState { history: ids.iter().map(one).collect(), ..renew::RenewerState::default() }
}

/// The clock was a year ahead, and has been set.
#[test]
fn an_outcome_is_told_once_whatever_its_name() {
    let dir = TempDir::new().unwrap();
    let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    assert!(
        monitor.renewals_ended(&renewals(&["2027-11-23T12-00-00Z"])).is_empty(),
        "nobody watched"
    );
    let both = renewals(&["2026-11-23T12-00-00Z", "2027-11-23T12-00-00Z"]);
    assert_eq!(monitor.renewals_ended(&both).len(), 1);
    assert!(monitor.renewals_ended(&both).is_empty());
    assert_eq!(told(&monitor).len(), 1);
}

/// A renewal that ended so, with this name.
fn ended(id: &str, outcome: Outcome) -> Journal {
    Journal { id: id.to_owned(), begun: NOW, ended: Some(NOW), ..journal(Task::Renew, outcome) }
}

#[test]
fn how_a_renewal_ended_is_told_once() {
    let dir = TempDir::new().unwrap();
    let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    let mut renewals = renew::RenewerState::default();
    renewals.conclude(ended("2026-01-01T00-00-00Z", Outcome::Renewed));
    assert!(monitor.renewals_ended(&renewals).is_empty(), "nobody watched when that one ended");
    renewals.conclude(ended("2027-01-01T00-00-00Z", Outcome::RolledBack));
    assert_eq!(monitor.renewals_ended(&renewals).len(), 1);
    assert_eq!(told(&monitor).len(), 1, "{:?}", told(&monitor));
    let monitor = {
        drop(monitor);
        let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
        assert!(monitor.renewals_ended(&renewals).is_empty(), "it is told already, or still owed");
        monitor
    };
    assert_eq!(told(&monitor).len(), 1, "{:?}", told(&monitor));
}

#[test]
fn a_failure_is_not_repeated_until_something_changes() {
    let dir = TempDir::new().unwrap();
    let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    monitor.renewals_ended(&renew::RenewerState::default());
    assert!(monitor.may_try("apiserver@1", None, NOW));
    monitor.asks_for_renewal("apiserver@1".to_owned(), None, NOW);
    assert!(!monitor.may_try("apiserver@1", None, NOW), "somebody may be at work");
    let soon = NOW + Span::minutes(5);
    assert!(monitor.may_try("apiserver@1", None, soon));
    let mut renewals = renew::RenewerState::default();
    renewals.conclude(ended("2027-01-01T00-00-00Z", Outcome::Unchanged));
    monitor.renewals_ended(&renewals);
    assert!(!monitor.may_try("apiserver@1", None, soon));
    assert!(monitor.may_try("apiserver@2", None, soon));
}

/// They are alerts of their own, and end when the renewer says otherwise.
#[test]
fn what_the_renewer_alone_can_see_is_told() {
    let dir = TempDir::new().unwrap();
    let mut monitor = Monitor::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    let why = "/var/lib/certwatch-renew/state.json is empty";
    assert!(monitor.renewals_are_unreadable(Some(why)));
    assert!(!monitor.renewals_are_unreadable(Some(why)), "it is known");
    assert!(monitor.pairs_do_not_match(&["etcd-server".to_owned()]));
    let seen = monitor.reevaluate(NOW);
    let codes: Vec<_> = seen.opened.iter().flat_map(|it| it.level.codes.clone()).collect();
    assert_eq!(codes, ["key_mismatch", "renewal_state_unreadable"]);
    assert!(monitor.renewals_are_unreadable(None) && monitor.pairs_do_not_match(&[]));
    assert_eq!(monitor.reevaluate(NOW).closed.len(), 2);
}
