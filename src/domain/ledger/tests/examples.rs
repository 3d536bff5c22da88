//! What the ledger does, one thing at a time.

use super::model::{Mode, SYNC, State, World};
use super::*;
use crate::domain::message::AlertChange;

const HOUR: i64 = 3_600;

fn ops(mode: DeliveryMode) -> ReceiverSpec {
    spec("email:ops@example.org", mode, Severity::Warning)
}

fn world(mode: DeliveryMode) -> World {
    let mut world = World::new(vec![ops(mode)]);
    world.look(EvaluationBasis::NewScan);
    world
}

fn now(day: i64) -> UnixTime {
    UnixTime::new(1_800_000_000 + day * DAY)
}

fn taken(world: &World) -> usize {
    world.desks.values().map(|desk| desk.taken).sum()
}

fn happens(world: &mut World, key: u8, state: State) {
    world.set(key, state);
    world.look(EvaluationBasis::NewScan);
}

fn message(ledger: &Ledger, spec: &ReceiverSpec, now: UnixTime) -> Option<(Delivery, Message)> {
    let settings = DeliverySettings { node: &NODE, repeat: &Repeat::default(), heartbeat: None };
    let Due::Now(delivery) = ledger.due(spec, &settings, now) else { return None };
    let Body::Message(message) = delivery.body.clone() else { return None };
    Some((*delivery, *message))
}

fn notice(headline: &str, at: UnixTime) -> Notice {
    Notice {
        id: headline.to_owned(),
        at,
        kind: MessageKind::Renewal,
        severity: Severity::Ok,
        headline: headline.to_owned(),
        text: Vec::new(),
    }
}

fn seen(ledger: &mut Ledger, alerts: Vec<Alert>, now: UnixTime) {
    ledger.observe(
        &AlertSnapshot { alerts, ..AlertSnapshot::default() },
        &[],
        EvaluationBasis::NewScan,
        now,
    );
}

#[test]
fn a_warning_is_told_once_and_again_after_a_week() {
    let mut world = world(DeliveryMode::Grouped);
    happens(&mut world, 0, State::Fires(0));
    assert_eq!(taken(&world), 1);
    world.pass(7 * DAY - 1);
    assert_eq!(taken(&world), 1);
    world.pass(2);
    assert_eq!(taken(&world), 2);
    world.pass(70 * DAY);
    assert_eq!(taken(&world), 12);
}

#[test]
fn what_gets_worse_is_told_at_once_and_what_gets_better_is_not() {
    let mut world = world(DeliveryMode::Grouped);
    for (step, count) in [(0, 1), (1, 2), (4, 3), (3, 3), (0, 3), (1, 4)] {
        happens(&mut world, 0, State::Fires(step));
        assert_eq!(taken(&world), count, "at {step}");
    }
    happens(&mut world, 0, State::Well);
    assert_eq!(taken(&world), 5);
}

#[test]
fn an_outage_of_three_days_ends_in_one_message() {
    let mut world = world(DeliveryMode::Grouped);
    let id = ops(DeliveryMode::Grouped).id;
    happens(&mut world, 0, State::Fires(0));
    world.desks.get_mut(&id).unwrap().mode = Some(Mode::Fails);
    for (key, state) in
        [(1, State::Fires(1)), (2, State::Fires(3)), (1, State::Well), (0, State::Well)]
    {
        happens(&mut world, key, state);
        world.pass(18 * HOUR);
    }
    world.desks.get_mut(&id).unwrap().mode = None;
    world.pass(HOUR);
    assert_eq!(taken(&world), 2);
    let knows: Vec<_> = world.desks[&id].knows.keys().cloned().collect();
    assert_eq!(knows, [super::id(2)]);
}

#[test]
fn a_clock_set_back_for_years_silences_nobody() {
    let mut world = world(DeliveryMode::Grouped);
    happens(&mut world, 0, State::Fires(3));
    world.set_clock(-3 * 365 * DAY);
    world.look(EvaluationBasis::NewScan);
    assert_eq!(taken(&world), 1);
    world.pass(DAY + 1);
    assert_eq!(taken(&world), 2);
}

/// It failed by a clock that was a year ahead: nobody waits for that year, nor for an hour.
#[test]
fn a_clock_that_was_ahead_delays_no_attempt() {
    let spec = ops(DeliveryMode::Grouped);
    let all = [
        Retryability::Transient(None),
        Retryability::Transient(Some(Span::hours(1))),
        Retryability::Permanent,
    ];
    for retryability in all {
        let mut ledger = Ledger::default();
        ledger.set_receivers(std::slice::from_ref(&spec));
        seen(&mut ledger, vec![alert(0, 0)], now(365));
        let (delivery, _) = message(&ledger, &spec, now(365)).unwrap();
        ledger.failed(&delivery, retryability, "no", 0, now(365));
        assert!(message(&ledger, &spec, now(365)).is_none());
        seen(&mut ledger, vec![alert(0, 0)], now(0));
        assert!(message(&ledger, &spec, now(0)).is_some(), "{retryability:?}");
    }
}

/// An incident gets worse and better as its node does, and is told so.
#[test]
fn what_keeps_an_incident_is_told_of_all_at_once_and_of_each_change() {
    let mut world = world(DeliveryMode::Incident);
    for key in 0..3 {
        world.set(key, State::Fires(3));
    }
    world.look(EvaluationBasis::NewScan);
    assert_eq!(taken(&world), 1);
    world.pass(DAY + 1);
    assert_eq!(taken(&world), 2);
    happens(&mut world, 1, State::Well);
    assert_eq!(taken(&world), 3);
    happens(&mut world, 2, State::Fires(0));
    assert_eq!(taken(&world), 4, "less bad");
}

/// The incident is kept by the name: under the old one nobody would ever end it.
#[test]
fn what_keeps_an_incident_is_told_that_its_node_has_another_name() {
    let spec = ops(DeliveryMode::Incident);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let (delivery, told) = message(&ledger, &spec, now(0)).unwrap();
    assert_eq!(told.former, None);
    ledger.sent(&spec, &delivery, None, now(0));
    let mut ledger = restored(&ledger);
    let node = NodeIdentity { cluster: Some("prod".to_owned()), ..NODE.clone() };
    let settings = DeliverySettings { node: &node, repeat: &Repeat::default(), heartbeat: None };
    let Due::Now(delivery) = ledger.due(&spec, &settings, now(0)) else { panic!("it is due") };
    let Body::Message(told) = &delivery.body else { panic!("{delivery:?}") };
    assert_eq!((&told.node, told.former.as_ref()), (&node, Some(&*NODE)));
    assert_eq!(told.firing[0].change, AlertChange::Still);
    ledger.sent(&spec, &delivery, None, now(0));
    assert_eq!(ledger.due(&spec, &settings, now(0)), Due::At(now(7)));
}

#[test]
fn a_reload_keeps_the_pause_that_the_other_side_asked_for() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let settings = DeliverySettings { node: &NODE, repeat: &Repeat::default(), heartbeat: None };
    let mut due_after = |retryability| {
        let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
        ledger.failed(&delivery, retryability, "no", 0, now(0));
        ledger = restored(&ledger);
        ledger.retry_now();
        ledger.due(&spec, &settings, now(0))
    };
    for retryability in [Retryability::Transient(None), Retryability::Permanent] {
        assert!(matches!(due_after(retryability), Due::Now(_)), "{retryability:?}");
    }
    let asked = Span::minutes(10);
    assert_eq!(due_after(Retryability::Transient(Some(asked))), Due::At(now(0) + asked));
}

#[test]
fn news_that_are_refused_keep_no_other_waiting() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    for headline in ["a", "b"] {
        ledger.announce(notice(headline, now(0)));
    }
    let (delivery, told) = message(&ledger, &spec, now(0)).unwrap();
    assert_eq!(told.headline, "a");
    ledger.failed(&delivery, Retryability::Permanent, "no", 0, now(0));
    let (delivery, told) = message(&ledger, &spec, now(0)).unwrap();
    assert_eq!(told.headline, "b");
    ledger.sent(&spec, &delivery, None, now(0));
    assert_eq!(message(&ledger, &spec, now(0)).unwrap().1.headline, "a");
}

/// Nothing waits for one who only hears that certwatch is well, were it known before or not.
#[test]
fn news_that_all_have_heard_are_dropped() {
    let spec = ops(DeliveryMode::Grouped);
    let heartbeat = super::spec("heartbeat", DeliveryMode::Heartbeat, Severity::Warning);
    let mut ledger = Ledger::default();
    ledger.receivers.insert(heartbeat.id.clone(), Receiver::default());
    ledger.set_receivers(&[spec.clone(), heartbeat]);
    ledger.announce(notice("renewed", now(0)));
    seen(&mut ledger, Vec::new(), now(0));
    let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
    ledger.sent(&spec, &delivery, None, now(0));
    assert_eq!(ledger.notices, []);
    assert!(ledger.receivers.values().all(|receiver| receiver.notices.is_empty()));
}

/// The good news of one says nothing of the others.
#[test]
fn one_that_is_over_does_not_make_all_well() {
    let spec = ops(DeliveryMode::Incident);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0), alert(1, 0)], now(0));
    while let Some((delivery, _)) = message(&ledger, &spec, now(0)) {
        ledger.sent(&spec, &delivery, None, now(0));
    }
    let well = [(super::id(0), None)].into();
    let snapshot = AlertSnapshot { alerts: vec![alert(1, 0)], well, ..AlertSnapshot::default() };
    ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, now(1));
    let (_, message) = message(&ledger, &spec, now(1)).unwrap();
    assert_eq!(message.headline, "f0 is fine again (1 still open)");
    assert_eq!(message.firing[0].change, AlertChange::Still);
}

#[test]
fn one_who_forgets_is_told_again_and_again_and_then_that_it_is_over_for_a_while() {
    let every = Span::minutes(5);
    let mut world = world(DeliveryMode::Synced { every });
    happens(&mut world, 0, State::Fires(0));
    world.pass(HOUR);
    assert_eq!(taken(&world), 12);
    happens(&mut world, 0, State::Well);
    world.pass(HOUR);
    assert!((15..=17).contains(&taken(&world)), "{}", taken(&world));
    // Even if the clock is set back in the meantime.
    happens(&mut world, 0, State::Fires(0));
    happens(&mut world, 0, State::Well);
    world.set_clock(-365 * DAY);
    world.look(EvaluationBasis::NewScan);
    world.pass(HOUR);
    let before = taken(&world);
    world.pass(DAY);
    assert_eq!(taken(&world), before);
}

/// The severity is part of its identity there, and whoever is on call is called by it.
#[test]
fn one_who_mirrors_what_fires_is_told_at_once_that_it_is_less_bad() {
    let mut world = world(DeliveryMode::Synced { every: SYNC });
    for (step, count) in [(4, 1), (0, 2), (0, 2), (4, 3), (3, 4)] {
        happens(&mut world, 0, State::Fires(step));
        assert_eq!(taken(&world), count, "at {step}");
    }
    world.pass(SYNC.as_seconds() - 1);
    assert_eq!(taken(&world), 4);
}

#[test]
fn a_fault_of_a_moment_wakes_nobody() {
    let mut world = world(DeliveryMode::Grouped);
    happens(&mut world, 0, State::Fires(BROKEN));
    world.pass(19);
    happens(&mut world, 0, State::Well);
    world.pass(DAY);
    assert_eq!(taken(&world), 0);
    happens(&mut world, 0, State::Fires(BROKEN));
    world.pass(21);
    assert_eq!(taken(&world), 1);
}

/// Having been broken twice is no evidence that a file is gone.
#[test]
fn a_file_that_was_broken_and_then_gone_for_a_moment_is_not_gone() {
    let mut world = world(DeliveryMode::Grouped);
    happens(&mut world, 0, State::Fires(0));
    happens(&mut world, 0, State::Fires(BROKEN));
    world.pass(19);
    happens(&mut world, 0, State::Absent);
    world.pass(10);
    happens(&mut world, 0, State::Fires(0));
    assert_eq!(taken(&world), 1);
}

#[test]
fn one_failure_is_no_broken_receiver_however_long_ago() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
    ledger.failed(&delivery, Retryability::Transient(None), "timeout", 0, now(0));
    assert_eq!(ledger.deaf_receivers(now(3)), []);
    ledger.failed(&delivery, Retryability::Transient(None), "timeout", 0, now(0) + Span::hours(1));
    let deaf = ledger.deaf_receivers(now(3));
    assert_eq!(deaf[0].0, spec.id);
    ledger.sent(&spec, &delivery, None, now(3));
    assert_eq!(ledger.deaf_receivers(now(3)), []);
}

#[test]
fn a_thread_lasts_until_all_is_well() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    let mut threads = Vec::new();
    for (day, alerts) in [(0, vec![0]), (1, vec![0, 1]), (2, vec![1]), (3, vec![]), (4, vec![1])] {
        let well = (0..2).map(|key| (super::id(key), None)).collect();
        let alerts = alerts.into_iter().map(|key| alert(key, 0)).collect();
        let snapshot = AlertSnapshot { alerts, well, ..AlertSnapshot::default() };
        ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, now(day));
        let (delivery, message) = message(&ledger, &spec, now(day)).unwrap();
        assert_eq!(delivery.thread.is_some(), (1..4).contains(&day));
        ledger.sent(&spec, &delivery, Some("ts".to_owned()), now(day));
        threads.push(message.thread);
    }
    assert!(threads[..4].iter().all(|thread| *thread == threads[0]));
    assert_ne!(threads[4], threads[0]);
}

#[test]
fn a_new_receiver_is_told_what_fires_but_no_old_news() {
    let [old, new] = ["a", "b"].map(|name| spec(name, DeliveryMode::Grouped, Severity::Warning));
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&old));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    ledger.announce(notice("renewed", now(0)));
    ledger.set_receivers(&[old.clone(), new.clone()]);
    assert_eq!((ledger.queue(&old), ledger.queue(&new)), (2, 1));
    let (delivery, told) = message(&ledger, &old, now(0)).unwrap();
    assert_eq!(told.kind, MessageKind::Alert);
    ledger.sent(&old, &delivery, None, now(0));
    // A notice that is refused keeps no alert waiting.
    let (delivery, told) = message(&ledger, &old, now(0)).unwrap();
    assert_eq!(told.kind, MessageKind::Renewal);
    ledger.failed(&delivery, Retryability::Permanent, "no", 0, now(0));
    seen(&mut ledger, vec![alert(0, 0), alert(1, 0)], now(0));
    assert_eq!(message(&ledger, &old, now(0)).unwrap().1.kind, MessageKind::Alert);
    let (_, message) = message(&ledger, &new, now(0)).unwrap();
    assert_eq!(message.firing[0].change, AlertChange::New);
}

#[test]
fn hostile_texts_survive_being_written_down() {
    let evil = "\u{0}\"\\\u{1b}[2J\n\u{202e}\u{10ffff}";
    let spec = spec(evil, DeliveryMode::Grouped, Severity::Warning);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    let mut alert = alert(0, 3);
    alert.id = AlertId(evil.to_owned());
    alert.text.name = evil.to_owned();
    seen(&mut ledger, vec![alert], now(0));
    let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
    ledger.failed(&delivery, Retryability::Permanent, evil, 0, now(0));
    assert_eq!(restored(&ledger), ledger);
    ledger.sent(&spec, &delivery, Some(evil.to_owned()), now(0));
    assert_eq!(restored(&ledger), ledger);
}

#[test]
fn an_older_and_a_newer_ledger_can_be_read() {
    let read = |text: &str| serde_json::from_str::<Ledger>(text).unwrap();
    assert_eq!(read("{}"), Ledger::default());
    let ledger =
        read(r#"{"later": 1, "receivers": {"slack": {"later": 2, "health": {"later": 3}}}}"#);
    assert_eq!(ledger.receivers[&ReceiverId("slack".to_owned())], Receiver::default());
}

/// Nobody looks for a file in vain that was put back while the mail server was away.
#[test]
fn what_has_come_back_is_not_called_gone() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
    ledger.sent(&spec, &delivery, None, now(0));
    (1..4).for_each(|day| seen(&mut ledger, Vec::new(), now(day)));
    let how = |ledger: &Ledger| message(ledger, &spec, now(5)).unwrap().1.resolved[0].how.clone();
    assert_eq!(how(&ledger), "no longer exists");
    let well = [(super::id(0), None)].into();
    ledger.observe(
        &AlertSnapshot { well, ..AlertSnapshot::default() },
        &[],
        EvaluationBasis::NewScan,
        now(4),
    );
    assert_eq!(how(&ledger), "is fine again");
}

/// It is on the way of every look.
#[test]
fn a_thousand_alerts_are_no_trouble() {
    let mut world = World::new(vec![
        ops(DeliveryMode::Grouped),
        spec("am", DeliveryMode::Synced { every: SYNC }, Severity::Warning),
        spec("pagerduty", DeliveryMode::Incident, Severity::Warning),
    ]);
    let alerts =
        (0..1_000).map(|number| Alert { id: AlertId(format!("{number:032}")), ..alert(0, 0) });
    let snapshot = AlertSnapshot { alerts: alerts.collect(), ..AlertSnapshot::default() };
    world.ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, now(0));
    for spec in &world.specs.clone() {
        let mut told = Vec::new();
        while let Some((delivery, message)) = message(&world.ledger, spec, now(0)) {
            world.ledger.sent(spec, &delivery, None, now(0));
            told.push(message.firing.len());
        }
        assert_eq!(told, [1_000]);
        assert_eq!(world.ledger.queue(spec), 0);
    }
}

/// The state is of one machine, and a receiver is owed nothing because its name has changed.
#[test]
fn a_node_that_is_renamed_tells_nothing_but_what_is_due_anyway() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let (delivery, told) = message(&ledger, &spec, now(0)).unwrap();
    ledger.sent(&spec, &delivery, None, now(0));
    ledger.set_receivers(std::slice::from_ref(&spec));
    ledger.retry_now();
    seen(&mut ledger, vec![alert(0, 0)], now(1));
    let cp2 = NodeIdentity::of_node("cp2");
    let settings = DeliverySettings { node: &cp2, repeat: &Repeat::default(), heartbeat: None };
    assert_eq!(ledger.due(&spec, &settings, now(1)), Due::At(now(7)));
    let Due::Now(again) = ledger.due(&spec, &settings, now(7)) else { panic!("it is due") };
    let Body::Message(again) = again.body else { panic!("{again:?}") };
    assert_eq!((&again.node, &again.firing[0].id), (&cp2, &told.firing[0].id));
    assert_eq!((again.firing[0].change, again.resolved), (AlertChange::Still, Vec::new()));
}

/// The ledger of one who was told of a warning and of what is critical, and then wants less.
fn told_and_narrowed(mode: DeliveryMode) -> (Ledger, ReceiverSpec) {
    let mut ledger = Ledger::default();
    ledger.set_receivers(&[ops(mode)]);
    seen(&mut ledger, vec![alert(0, 0), alert(1, 3)], now(0));
    while let Some((delivery, _)) = message(&ledger, &ops(mode), now(0)) {
        ledger.sent(&ops(mode), &delivery, None, now(0));
    }
    let spec = ReceiverSpec { min_severity: Severity::Critical, ..ops(mode) };
    let mut ledger = restored(&ledger);
    ledger.set_receivers(std::slice::from_ref(&spec));
    (ledger, spec)
}

#[test]
fn people_are_not_told_that_they_want_to_be_told_less() {
    let (mut ledger, spec) = told_and_narrowed(DeliveryMode::Grouped);
    seen(&mut ledger, vec![alert(0, 0), alert(1, 3)], now(0));
    assert_eq!((message(&ledger, &spec, now(0)), ledger.queue(&spec)), (None, 0));
    // What they still want to hear of gets better than that: good news.
    seen(&mut ledger, vec![alert(0, 0), alert(1, 0)], now(0));
    let resolved = |ledger: &Ledger, spec| message(ledger, spec, now(0)).unwrap().1.resolved;
    let how = |ledger: &Ledger| resolved(ledger, &spec)[0].how.clone();
    assert_eq!(how(&ledger), "is less urgent now: it expires in 5 d");
    // It stays so while they cannot be reached, whatever they want then.
    ledger.set_receivers(std::slice::from_ref(&spec));
    assert_eq!(how(&ledger), "is less urgent now: it expires in 5 d");
    ledger.set_receivers(&[ops(DeliveryMode::Grouped)]);
    let (_, again) = message(&ledger, &ops(DeliveryMode::Grouped), now(0)).unwrap();
    assert_eq!((again.firing[0].change, again.resolved.len()), (AlertChange::New, 0));
}

#[test]
fn what_mirrors_an_alert_is_told_that_it_is_told_less() {
    for mode in [DeliveryMode::Incident, DeliveryMode::Synced { every: SYNC }] {
        let (mut ledger, spec) = told_and_narrowed(mode);
        seen(&mut ledger, vec![alert(0, 0), alert(1, 3)], now(0));
        let (delivery, told) = message(&ledger, &spec, now(0)).unwrap();
        assert_eq!(told.resolved[0].how, "is below this channel's min-severity now");
        assert_eq!(told.resolved[0].id, super::id(0));
        ledger.sent(&spec, &delivery, None, now(0));
        assert_eq!(message(&ledger, &spec, now(0)), None);
        // What was mended before anybody could be told was mended.
        let (mut ledger, spec) = told_and_narrowed(mode);
        let well = [(super::id(0), None)].into();
        let snapshot =
            AlertSnapshot { alerts: vec![alert(1, 3)], well, ..AlertSnapshot::default() };
        ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, now(0));
        let (_, told) = message(&ledger, &spec, now(0)).unwrap();
        assert_eq!(told.resolved[0].how, "is fine again");
    }
}

/// The end of an alert was on its way when certwatch was killed, and it fires again: whoever took that
/// message believes that all is well.
#[test]
fn what_fires_again_after_an_end_that_may_have_been_told_is_news() {
    let spec = ops(DeliveryMode::Grouped);
    let mut ledger = Ledger::default();
    ledger.set_receivers(std::slice::from_ref(&spec));
    seen(&mut ledger, vec![alert(0, 0)], now(0));
    let (delivery, _) = message(&ledger, &spec, now(0)).unwrap();
    assert!(!ledger.begun(&delivery), "nothing in it is over");
    ledger.sent(&spec, &delivery, None, now(0));
    let snapshot =
        AlertSnapshot { well: [(alert(0, 0).id, None)].into(), ..AlertSnapshot::default() };
    ledger.observe(&snapshot, &[], EvaluationBasis::NewScan, now(1));
    let (over, told) = message(&ledger, &spec, now(1)).unwrap();
    assert_eq!(told.resolved.len(), 1);
    assert!(ledger.begun(&over));
    let mut ledger = restored(&ledger);
    seen(&mut ledger, vec![alert(0, 0)], now(2));
    let (_, again) = message(&ledger, &spec, now(2)).unwrap();
    assert_eq!(again.firing[0].change, AlertChange::New);
}
