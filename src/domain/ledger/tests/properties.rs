//! Histories made up at random.

use proptest::prelude::*;

use super::model::{KEYS, Mode, SYNC, State, World};
use super::*;

#[derive(Clone, Debug)]
enum Event {
    Pass(i64),
    Clock(i64),
    Set(u8, State),
    /// A file is written: something is wrong with it for so many seconds.
    Glitch(u8, State, i64),
    Blind(u8, bool),
    Receiver(usize, Mode),
    Configured(usize, bool),
    /// It wants to hear of what is at least as bad as this.
    Wants(usize, Severity),
    Crash,
    Reload,
    Notice,
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![
        1 => Just(State::Absent),
        2 => Just(State::Well),
        5 => (0..=BROKEN).prop_map(State::Fires),
    ]
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        4 => Just(Mode::Works),
        2 => Just(Mode::Fails),
        1 => prop_oneof![1..7_200_i64, Just(i64::MAX)].prop_map(Mode::AsksToWait),
        2 => Just(Mode::Refuses),
        2 => (0..KEYS).prop_map(Mode::RefusesOne),
        2 => Just(Mode::Crashes),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let year = 365 * DAY;
    prop_oneof![
        4 => prop_oneof![1..40_i64, 60..7_200_i64, 3_600..3 * DAY, Just(8 * DAY)].prop_map(Event::Pass),
        1 => prop_oneof![-3 * year..3 * year, -7_200..7_200_i64].prop_map(Event::Clock),
        6 => (0..KEYS, any_state()).prop_map(|(key, state)| Event::Set(key, state)),
        2 => (0..KEYS, prop_oneof![Just(State::Absent), Just(State::Fires(BROKEN))], 1..40_i64)
            .prop_map(|(key, state, seconds)| Event::Glitch(key, state, seconds)),
        1 => (0..KEYS / 2, any::<bool>()).prop_map(|(dir, is_blind)| Event::Blind(dir, is_blind)),
        4 => (0..receivers().len(), any_mode()).prop_map(|(index, mode)| Event::Receiver(index, mode)),
        1 => (0..receivers().len(), any::<bool>()).prop_map(|(index, is_in)| Event::Configured(index, is_in)),
        1 => (0..receivers().len(), prop_oneof![Just(Severity::Warning), Just(Severity::Critical)])
            .prop_map(|(index, severity)| Event::Wants(index, severity)),
        1 => Just(Event::Crash),
        1 => Just(Event::Reload),
        1 => Just(Event::Notice),
    ]
}

fn receivers() -> Vec<ReceiverSpec> {
    vec![
        spec("email:ops@example.org", DeliveryMode::Grouped, Severity::Warning),
        spec("slack", DeliveryMode::Grouped, Severity::Critical),
        spec("pagerduty", DeliveryMode::Incident, Severity::Warning),
        spec("alertmanager:a", DeliveryMode::Synced { every: SYNC }, Severity::Warning),
        spec("heartbeat", DeliveryMode::Heartbeat, Severity::Warning),
    ]
}

fn notice(number: usize, now: UnixTime) -> Notice {
    Notice {
        id: format!("notice {number}"),
        at: now,
        kind: MessageKind::Renewal,
        severity: Severity::Ok,
        headline: "2 renewed".to_owned(),
        text: Vec::new(),
    }
}

fn happen(world: &mut World, event: &Event, number: usize) {
    match event {
        Event::Pass(seconds) => return world.pass(*seconds),
        Event::Clock(by) => world.set_clock(*by),
        Event::Set(key, state) => world.set(*key, *state),
        Event::Glitch(key, state, seconds) => {
            let before = world.states[usize::from(*key)].0;
            world.set(*key, *state);
            world.look(EvaluationBasis::NewScan);
            world.pass(*seconds);
            world.set(*key, before);
        }
        Event::Blind(dir, true) => drop(world.blind.insert(*dir)),
        Event::Blind(dir, false) => drop(world.blind.remove(dir)),
        Event::Receiver(index, mode) => {
            if let Some(desk) = world.desks.get_mut(&receivers()[*index].id) {
                desk.mode = Some(*mode);
            }
            return;
        }
        Event::Configured(index, is_in) => {
            let id = receivers()[*index].id.clone();
            let is_old = |spec: &ReceiverSpec| spec.id != id && world.desks.contains_key(&spec.id);
            let specs = receivers().into_iter();
            let specs = specs.filter(|spec| is_old(spec) || (*is_in && spec.id == id)).collect();
            world.configure(specs);
        }
        Event::Wants(index, severity) => {
            let id = &receivers()[*index].id;
            let mut specs = world.specs.clone();
            let its = specs.iter_mut().filter(|spec| spec.id == *id);
            its.for_each(|spec| spec.min_severity = *severity);
            world.configure(specs);
        }
        Event::Crash => world.crash(),
        Event::Reload => world.ledger.retry_now(),
        Event::Notice => world.ledger.announce(notice(number, world.now())),
    }
    world.look(EvaluationBasis::NewScan);
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nobody_is_told_too_often(events in prop::collection::vec(any_event(), 1..16)) {
        let mut world = World::new(receivers());
        world.look(EvaluationBasis::NewScan);
        for (number, event) in events.iter().enumerate() {
            happen(&mut world, event, number);
            world.check_round_trip();
        }
        let last = notice(events.len(), world.now());
        world.settle(last);
        prop_assert_eq!(&world.ledger.notices, &[]);
        let truth = world.truth();
        for spec in &world.specs {
            let knows = &world.desks[&spec.id].knows;
            let wanted = |(_, level): &(&AlertId, &Level)| {
                spec.mode != DeliveryMode::Heartbeat && level.severity >= spec.min_severity
            };
            let wanted: Vec<_> = truth.iter().filter(wanted).collect();
            prop_assert_eq!(knows.keys().collect::<Vec<_>>(), wanted.iter().map(|it| it.0).collect::<Vec<_>>());
            prop_assert!(wanted.iter().all(|(id, level)| !knows[*id].level.is_outdone_by(level)));
            prop_assert!(world.ledger.queue(spec) == 0);
        }
    }
}
