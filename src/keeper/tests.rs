//! What takes a state on disk and receivers together.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::channels::{Secret, Slack, SlackBy};
use crate::domain::ledger::Body;

const NOW: UnixTime = UnixTime::new(1_800_000_000);

fn with_slack(dir: &TempDir) -> Config {
    let mut config = Config::default();
    config.daemon.state_dir = dir.path().to_owned();
    let by = SlackBy::Webhook(Secret::File("/nowhere".into()));
    config.channels.slack = Some(Slack { by, min_severity: Severity::Warning });
    config
}

fn told(keeper: &Keeper) -> Vec<String> {
    let (deliveries, _) = keeper.due(|_| false, NOW);
    let headline = |delivery: &Delivery| match &delivery.body {
        Body::Message(message) => message.headline.clone(),
        Body::Beat { .. } => String::new(),
    };
    deliveries.iter().map(headline).collect()
}

#[test]
fn a_lost_memory_is_told() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("state.json"), "no JSON").unwrap();
    let keeper = Keeper::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    assert_eq!(told(&keeper), ["certwatch lost its memory"]);
}

#[test]
fn a_first_start_is_no_news() {
    let dir = TempDir::new().unwrap();
    let keeper = Keeper::open(with_slack(&dir), Writer::default(), NOW).unwrap();
    assert_eq!(told(&keeper), [""; 0]);
}
