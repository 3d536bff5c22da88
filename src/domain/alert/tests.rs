use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::domain::policy::{self, Policy};
use crate::domain::text::is_unsafe;
use crate::report::sample::{NOW, certificate, inventory, item};

const APISERVER: &str = "/etc/kubernetes/pki/apiserver.crt";

fn sight_of(items: Vec<Item>) -> AlertSnapshot {
    snapshot(&Inventory { items, ..Inventory::default() })
}

fn snapshot(inventory: &Inventory) -> AlertSnapshot {
    let assessment = policy::assess(inventory, &Policy::default(), NOW);
    AlertSnapshot::of(inventory, &assessment, None, NOW)
}

fn leaf(path: impl AsRef<Path>, entry: Entry, serial: u8, days: i64) -> Item {
    let content = Content::Certificate(Box::new(certificate("cp1", "x", serial, days)));
    Item { place: Place::new(path.as_ref(), entry), ..item(APISERVER, Entry::Pem(0), content) }
}

fn problem(path: &str) -> Item {
    item(path, Entry::Whole, Content::Problem(Reason::PermissionDenied))
}

#[test]
fn a_renewal_resolves_the_alert_and_makes_no_other() {
    let before = sight_of(vec![leaf(APISERVER, Entry::Pem(0), 1, 5)]);
    let after = sight_of(vec![leaf(APISERVER, Entry::Pem(0), 2, 365)]);
    let [alert] = &before.alerts[..] else { panic!("{before:?}") };
    assert_eq!(after.well.keys().collect::<Vec<_>>(), [&alert.id]);
    assert_eq!(after.alerts, []);
    assert_eq!(alert.level.threshold, Some(Span::days(7)));
    assert_eq!(alert.id.0.len(), 32);
}

#[test]
fn every_entry_is_somebody_else() {
    let user = |name: &str, index| Entry::User { name: name.into(), index };
    let entries = [Entry::Pem(0), Entry::Pem(1), user("a", 0), user("a", 1), user("b", 0)];
    let mut ids = BTreeSet::new();
    for entry in entries {
        ids.insert(AlertId::of_place(&Place::new(Path::new("/a"), entry)));
    }
    ids.insert(AlertId::of_place(&Place::new(Path::new("/b"), Entry::Whole)));
    assert_eq!(ids.len(), 6);
    let [cp1, cp2] = ["cp1", "cp2"].map(NodeIdentity::of_node);
    let nodes = [NodeIdentity { cluster: Some("prod".to_owned()), ..cp1.clone() }, cp1, cp2];
    // Of another node or cluster each is another, but only where the alerts of several nodes meet.
    let global: BTreeSet<_> =
        ids.iter().flat_map(|id| nodes.each_ref().map(|node| id.on(node))).collect();
    assert_eq!(global.len(), 18);
    assert!(global.iter().all(|id| id.len() == 32));
    // The server of a cluster may move.
    let cluster = |server: &str| {
        let entry = Entry::Cluster { name: "k".into(), server: server.into(), index: 0 };
        AlertId::of_place(&Place::new(Path::new("/a"), entry))
    };
    assert_eq!(cluster("https://a"), cluster("https://b"));
}

#[test]
fn paths_that_are_no_text_are_told_apart() {
    let [a, b] = [b"/srv/\xff.pem", b"/srv/\xfe.pem"].map(|bytes| {
        let path = Path::new(OsStr::from_bytes(bytes));
        sight_of(vec![leaf(path, Entry::Pem(0), 1, 5)]).alerts.remove(0)
    });
    assert_ne!(a.id, b.id);
    assert_eq!(a.path, b.path);
    assert_eq!(a.text.place, "/srv/\u{fffd}.pem");
}

#[test]
fn what_cannot_be_read_hides_what_is_in_it_and_below_it() {
    let snapshot = sight_of(vec![problem("/srv/tls"), problem("/a.conf")]);
    for hidden in ["/srv/tls", "/srv/tls/x/y.pem", "/a.conf"] {
        assert!(snapshot.is_blind_to(hidden), "{hidden}");
    }
    for seen in ["/srv", "/srv/tls2/y.pem", "/srv/tls.pem", "/a.conf.old"] {
        assert!(!snapshot.is_blind_to(seen), "{seen}");
    }
}

#[test]
fn what_is_missing_hides_nothing() {
    let missing = |path: &str| item(path, Entry::Whole, Content::Problem(Reason::Missing));
    for place in ["/srv/tls", "/srv/tls/a.pem", "/srv/*/tls/?.pem"] {
        assert_eq!(sight_of(vec![missing(place)]).blind, [""; 0], "{place}");
    }
    let context = vec![missing("/srv/tls")];
    let inventory = Inventory { context, ..Inventory::default() };
    assert_eq!(snapshot(&inventory).blind, [""; 0]);
    // What cannot be looked into may hold what is missing elsewhere.
    let snapshot = sight_of(vec![missing("/srv/tls/a.pem"), problem("/srv/tls")]);
    assert!(snapshot.is_blind_to("/srv/tls/a.pem"));
}

#[test]
fn every_problem_but_a_missing_one_hides_what_is_below() {
    let reasons = [
        Reason::BrokenLink,
        Reason::Changed,
        Reason::Empty,
        Reason::Hangs(UnixTime::new(1_700_000_000)),
        Reason::LinkLoop,
        Reason::NoCertificate,
        Reason::NotAFile("a directory"),
        Reason::OutOfTime(60),
        Reason::PermissionDenied,
        Reason::ReadFailed("input/output error".into()),
        Reason::TimedOut(5),
        Reason::TooDeep(16),
        Reason::TooManyHang,
    ];
    for reason in reasons {
        let snapshot = sight_of(vec![item("/srv/tls", Entry::Whole, Content::Problem(reason))]);
        assert!(snapshot.is_blind_to("/srv/tls/a.pem"), "{snapshot:?}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_hides_what_is_below_its_plain_part() {
    let snapshot = sight_of(vec![problem("/srv/*/tls/?.pem")]);
    assert!(snapshot.is_blind_to("/srv/a/tls/b.pem"));
    assert!(!snapshot.is_blind_to("/etc/a.pem"));
}

#[test]
fn a_silent_endpoint_holds_back_its_own_alert_alone() {
    for address in ["[2001:db8::1]:443", "www.example.org:443"] {
        let silent = Content::Problem(Reason::EndpointSilent("no answer within 5 s".into()));
        let snapshot = sight_of(vec![item(address, Entry::Endpoint(None), silent)]);
        assert_eq!(snapshot.blind, [""; 0]);
        for seen in [APISERVER, "[2001:db8::2]:443", "relative.pem"] {
            assert!(!snapshot.is_blind_to(seen), "{address} {seen}");
        }
        // It is the same as of the certificate that it presented before.
        let before = sight_of(vec![leaf(address, Entry::Endpoint(None), 1, 5)]);
        assert_eq!(snapshot.alerts[0].id, before.alerts[0].id);
    }
}

#[test]
fn nobody_is_told_of_thousands_one_by_one() {
    let leaf = |index| leaf(format!("/srv/{index}.pem"), Entry::Pem(0), 1, 5);
    let snapshot = sight_of((0..MOST + 7).map(leaf).collect());
    assert_eq!((snapshot.alerts.len(), snapshot.beyond.len()), (MOST + 1, 7));
    let rest = snapshot.alerts.last().unwrap();
    assert_eq!(rest.level.severity, Severity::Critical);
    assert_eq!(rest.level.codes, ["too_many_alerts"]);
    assert!(snapshot.alerts.iter().all(|alert| !snapshot.beyond.contains(&alert.id)));
}

#[test]
fn nothing_found_is_an_alert() {
    let snapshot = sight_of(Vec::new());
    assert_eq!(snapshot.alerts.len(), 1);
    assert_eq!(snapshot.alerts[0].level.codes, ["no_certificates_found"]);
    assert!(snapshot.alerts[0].is_transient);
}

#[test]
fn every_row_is_an_alert_or_well_but_copies_of_a_ca() {
    let inventory = inventory();
    let snapshot = snapshot(&inventory);
    let rows = policy::assess(&inventory, &Policy::default(), NOW).rows;
    let repeats = rows.iter().filter(|row| row.repeats).count();
    assert!(repeats > 0);
    assert_eq!(snapshot.alerts.len() + snapshot.well.len(), rows.len() - repeats);
    let ids: BTreeSet<_> = snapshot.alerts.iter().map(|alert| &alert.id).collect();
    assert_eq!(ids.len(), snapshot.alerts.len());
}

#[test]
fn what_may_be_half_written_is_transient() {
    for (reason, is_transient) in [(Reason::Empty, true), (Reason::Missing, true)] {
        let snapshot = sight_of(vec![item(APISERVER, Entry::Whole, Content::Problem(reason))]);
        assert_eq!(snapshot.alerts[0].is_transient, is_transient);
    }
    assert!(!sight_of(vec![leaf(APISERVER, Entry::Pem(0), 1, -5)]).alerts[0].is_transient);
}

/// Names of the sample hold escape sequences, line ends and marks that turn the direction.
#[test]
fn words_are_safe_to_print() {
    for alert in snapshot(&inventory()).alerts {
        let AlertText { name, title, place, summary, lines, automatic, remedies, .. } = &alert.text;
        let remedies: Vec<_> = remedies.iter().map(ToString::to_string).collect();
        let texts =
            [name, title, place, summary, automatic].into_iter().chain(lines).chain(&remedies);
        for text in texts {
            assert!(!text.chars().any(is_unsafe), "{text:?}");
        }
    }
}
