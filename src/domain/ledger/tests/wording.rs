//! The words of messages, for those who want to read them.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::*;
use crate::domain::model::{Content, Entry, Inventory, Item, Reason};
use crate::domain::policy::{self, Policy};
use crate::domain::role;
use crate::report::sample::{self, NOW, certificate, item};

const LEAVES: [&str; 10] = [
    "pki/apiserver.crt",
    "pki/apiserver-etcd-client.crt",
    "pki/apiserver-kubelet-client.crt",
    "pki/etcd/healthcheck-client.crt",
    "pki/etcd/peer.crt",
    "pki/etcd/server.crt",
    "pki/front-proxy-client.crt",
    "admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

fn leaf(path: &str, days: i64) -> Item {
    let entry = match path.ends_with(".conf") {
        true => Entry::User { name: "user".into(), index: 0 },
        false => Entry::Pem(0),
    };
    let content = Content::Certificate(Box::new(certificate("x", "y", 1, days)));
    item(&format!("/etc/kubernetes/{path}"), entry, content)
}

fn leaves(days: i64) -> Vec<Item> {
    LEAVES.iter().map(|path| leaf(path, days)).collect()
}

fn missing(path: &str) -> Item {
    let path = format!("/etc/kubernetes/{path}");
    item(&path, Entry::Whole, Content::Problem(Reason::Missing))
}

fn snapshot(items: Vec<Item>, now: UnixTime) -> AlertSnapshot {
    let inventory = Inventory { items, ..Inventory::default() };
    let assessment = policy::assess(&inventory, &Policy::default(), now);
    AlertSnapshot::of(&inventory, &assessment, None, now)
}

/// A ledger with one receiver, as it is after some looks.
struct Story {
    ledger: Ledger,
    spec: ReceiverSpec,
    now: UnixTime,
}

impl Story {
    fn new() -> Self {
        let spec = spec("email:ops@example.org", DeliveryMode::Grouped, Severity::Warning);
        let mut ledger = Ledger::default();
        ledger.set_receivers(std::slice::from_ref(&spec));
        Self { ledger, spec, now: NOW }
    }

    /// What is told of `items` after `later`; scanned until all is believed.
    fn told(&mut self, items: Vec<Item>, later: Span) -> String {
        self.now = self.now + later;
        let snapshot = snapshot(items, self.now);
        while let Some(then) =
            self.ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, self.now)
        {
            self.now = then;
        }
        self.message()
    }

    /// What is told before anybody has looked again.
    fn told_after_one_look(&mut self, items: Vec<Item>, later: Span) -> String {
        self.now = self.now + later;
        self.ledger.observe(&snapshot(items, self.now), &[], EvaluationBasis::NewScan, self.now);
        self.message()
    }

    fn message(&mut self) -> String {
        let settings =
            DeliverySettings { node: &NODE, repeat: &Repeat::default(), heartbeat: None };
        let Due::Now(delivery) = self.ledger.due(&self.spec, &settings, self.now) else {
            return "nothing".to_owned();
        };
        self.ledger.sent(&self.spec, &delivery, None, self.now);
        let Body::Message(message) = &delivery.body else { unreachable!() };
        show(message)
    }
}

fn show(message: &Message) -> String {
    let mut out = format!("{} {}: {}\n", message.tag(), message.node, message.headline);
    for it in &message.firing {
        let name = &it.text.name;
        let _ = writeln!(
            out,
            "{:?} {}: {name} {}",
            it.change,
            it.level.severity.name(),
            it.text.summary
        );
    }
    for it in &message.resolved {
        let _ = writeln!(out, "Over {}: {} {}", it.level.severity.name(), it.text.name, it.how);
    }
    out + &message.next
}

#[test]
fn ten_leaves_a_month_before() {
    assert_snapshot!(Story::new().told(leaves(29), Span::seconds(0)));
}

#[test]
fn one_has_expired() {
    let mut items = leaves(200);
    items[0] = leaf(LEAVES[0], -3);
    assert_snapshot!(Story::new().told(items, Span::seconds(0)));
}

#[test]
fn all_have_expired() {
    assert_snapshot!(Story::new().told(leaves(-3), Span::seconds(0)));
}

#[test]
fn a_mixture() {
    let items = sample::inventory().items;
    assert_snapshot!(Story::new().told(items, Span::seconds(0)));
}

#[test]
fn one_is_new_and_five_are_known() {
    let mut story = Story::new();
    let known = || leaves(25).into_iter().take(5);
    story.told(known().collect(), Span::seconds(0));
    let items = known().chain([missing("pki/sa.crt"), missing("pki/front-proxy-client.crt")]);
    assert_snapshot!(story.told(items.collect(), Span::hours(1)));
}

#[test]
fn told_again_after_a_week() {
    let mut story = Story::new();
    story.told(leaves(25), Span::seconds(0));
    assert_snapshot!(story.told(leaves(25), Span::days(7)));
}

#[test]
fn some_are_renewed() {
    let mut story = Story::new();
    story.told(leaves(25), Span::seconds(0));
    let renewed = leaves(365).into_iter().take(4).chain(leaves(25).into_iter().skip(4));
    assert_snapshot!(story.told(renewed.collect(), Span::hours(1)));
}

#[test]
fn all_are_renewed() {
    let mut story = Story::new();
    story.told(leaves(25), Span::seconds(0));
    assert_snapshot!(story.told(leaves(365), Span::hours(1)));
}

#[test]
fn one_is_gone() {
    let mut story = Story::new();
    story.told(vec![leaf(LEAVES[0], 25), leaf(LEAVES[1], 365)], Span::seconds(0));
    assert_snapshot!(story.told(vec![leaf(LEAVES[1], 365)], Span::hours(1)));
}

#[test]
fn one_is_missing() {
    let mut story = Story::new();
    let other = || leaf(LEAVES[1], 365);
    story.told(vec![leaf(LEAVES[0], 25), other()], Span::seconds(0));
    assert_snapshot!(story.told(vec![missing(LEAVES[0]), other()], Span::hours(1)));
}

/// A mount that went away, say.
#[test]
fn a_named_place_is_missing() {
    let mut story = Story::new();
    let at = |path: &str| Item { role: &role::OTHER, ..leaf(path, 25) };
    let below = ["a.pem", "b.pem"].map(|name| at(&format!("mount/{name}")));
    story.told(below.into_iter().chain([leaf(LEAVES[1], 365)]).collect(), Span::seconds(0));
    let place = Item { role: &role::OTHER, ..missing("mount") };
    assert_snapshot!(story.told(vec![place, leaf(LEAVES[1], 365)], Span::hours(1)));
}

/// Whoever restores a backup moves it away for some seconds.
#[test]
fn a_node_that_is_empty_for_a_moment_wakes_nobody() {
    let mut story = Story::new();
    story.told(leaves(5), Span::seconds(0));
    for (seconds, items) in [(60, Vec::new()), (4, Vec::new()), (1, leaves(5)), (3_600, leaves(5))]
    {
        assert_eq!(story.told_after_one_look(items, Span::seconds(seconds)), "nothing");
    }
}

#[test]
fn nothing_is_found() {
    let mut story = Story::new();
    let nothing = story.told(Vec::new(), Span::seconds(0));
    let something = story.told(leaves(365), Span::hours(1));
    assert_snapshot!(format!("{nothing}\n\n{something}"));
}

#[test]
fn a_receiver_is_deaf() {
    let mut story = Story::new();
    let pager = spec("pagerduty", DeliveryMode::Incident, Severity::Warning);
    story.ledger.set_receivers(&[story.spec.clone(), pager.clone()]);
    let mut out = story.told(leaves(25), Span::seconds(0));
    let settings = DeliverySettings { node: &NODE, repeat: &Repeat::default(), heartbeat: None };
    let Due::Now(delivery) = story.ledger.due(&pager, &settings, story.now) else { panic!() };
    story.ledger.failed(&delivery, Retryability::Permanent, "HTTP 403: no such key", 0, story.now);
    let deaf = story.ledger.deaf_receivers(story.now);
    story.ledger.observe(&AlertSnapshot::default(), &deaf, EvaluationBasis::LastScan, story.now);
    let _ = write!(out, "\n\n{}\n{:#?}", story.message(), deaf[0].1.text);
    story.ledger.sent(&pager, &delivery, None, story.now);
    let deaf = story.ledger.deaf_receivers(story.now);
    story.ledger.observe(&AlertSnapshot::default(), &deaf, EvaluationBasis::LastScan, story.now);
    let _ = write!(out, "\n\n{}", story.message());
    assert_snapshot!(out);
}

#[test]
fn the_words_of_the_sample() {
    let inventory = sample::inventory();
    let assessment = policy::assess(&inventory, &Policy::default(), NOW);
    let mut out = String::new();
    for Alert { text, .. } in AlertSnapshot::of(&inventory, &assessment, None, NOW).alerts {
        let _ = writeln!(out, "{} {}: {}\n  {}", text.name, text.summary, text.title, text.place);
        for line in text.lines.iter().chain([&text.automatic]).filter(|line| !line.is_empty()) {
            let _ = writeln!(out, "  - {line}");
        }
        for remedy in &text.remedies {
            let _ = writeln!(out, "  > {remedy}");
        }
    }
    assert_snapshot!(out);
}
