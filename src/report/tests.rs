//! What holds for all formats.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::sample::{certificate, inventory, item, print, print_as};
use super::{Format, Style};
use crate::domain::model::{Content, Entry, Inventory, Item, Reason};
use crate::domain::text::is_unsafe;
use crate::domain::time::Span;

const PLAIN: Style = Style { width: None, colour: false };
const FORMATS: [Format; 4] = [Format::Table, Format::Json, Format::Nagios, Format::Prometheus];

#[test]
fn table_on_a_narrow_terminal() {
    assert_snapshot!(print(&inventory(), Format::Table, Some(80)));
}

#[test]
fn table_on_a_wide_terminal() {
    assert_snapshot!(print(&inventory(), Format::Table, Some(120)));
}

#[test]
fn table_in_a_pipe() {
    assert_snapshot!(print(&inventory(), Format::Table, None));
}

#[test]
fn nagios() {
    assert_snapshot!(print(&inventory(), Format::Nagios, None));
}

#[test]
fn prometheus() {
    assert_snapshot!(print(&inventory(), Format::Prometheus, None));
}

#[test]
fn json() {
    let mut some = inventory();
    some.items.retain(|item| {
        ["apiserver.crt", "scheduler.conf", "config"].contains(&&*item.place.file_name())
    });
    assert_snapshot!(print(&some, Format::Json, None));
}

#[test]
fn a_node_that_is_well() {
    let mut well = inventory();
    well.leftovers.truncate(1);
    let files = ["pki/ca.crt", "admin.conf"];
    well.items.retain(|item| files.iter().any(|file| item.place.path.ends_with(file)));
    let printed = |format| print(&well, format, Some(80));
    assert_snapshot!(printed(Format::Table), @"
    Paths are below /etc/kubernetes/ unless they begin with /.
    STATE   LEFT  OWNER             ROLE                PATH
    OK     340 d  kubectl, kubeadm  admin's kubeconfig  admin.conf
    OK     8.2 y  cluster           cluster CA          pki/ca.crt

    1 copy of these CAs inside kubeconfigs is not shown.
    1 rotated kubelet certificate that nothing points at was not judged.
    Next to expire is admin.conf in 340 d, on 2027-10-29.
    certwatch: OK - 0 critical, 0 warnings, 0 unknown, 2 ok on cp1
    ");
    assert_snapshot!(printed(Format::Nagios), @"CERTWATCH OK - 2 certificates on cp1, next: admin.conf in 340 d | 'critical'=0;;;0 'unknown'=0;;;0 'warning'=0;;;0 'ok'=2;;;0 'admin.conf'=29376000s;2592000:;604800: 'ca'=259200000s;31536000:;7776000:");
}

#[test]
fn nothing_found_is_said() {
    let nothing = Inventory { has_asked: true, ..Inventory::default() };
    let printed = |format| print_as(&nothing, format, &PLAIN, ("cp1", Span::days(90)));
    assert_snapshot!(printed(Format::Table), @"
    No certificates found: is this a control-plane node?
    Judged as of 2027-02-21T02:00:00Z, not of now.
    certwatch: UNKNOWN - 0 critical, 0 warnings, 0 unknown, 0 ok on cp1
    ");
    assert_snapshot!(printed(Format::Nagios), @"CERTWATCH UNKNOWN - no certificate found (as of 2027-02-21T02:00:00Z) | 'critical'=0;;;0 'unknown'=0;;;0 'warning'=0;;;0 'ok'=0;;;0");
}

#[test]
fn a_copy_of_a_ca_is_hidden_only_where_nothing_is_lost() {
    let table = |inventory: &Inventory| print(inventory, Format::Table, None);
    let mut alone = inventory();
    alone.items.retain(|item| item.place.path.ends_with("admin.conf"));
    assert!(table(&alone).contains("CA in the kubeconfig"), "its CA has no row here");

    let mut foreign = inventory();
    let etcd_ca = foreign.items.iter().find(|item| item.role.id == "etcd-ca").unwrap();
    let etcd_ca = etcd_ca.content.clone();
    let copy = foreign.items.iter_mut().find(|item| item.role.id == "cluster-ca").unwrap();
    copy.content = etcd_ca;
    assert!(table(&foreign).contains("does not hold the cluster's CA"));

    alone.context = inventory().items;
    assert!(table(&alone).contains("CA in the kubeconfig"), "nor if it was only read");
}

#[test]
fn rows_fit_the_terminal() {
    for width in [80, 100, 120, 200] {
        let table = print(&inventory(), Format::Table, Some(width));
        for line in table.lines().filter(|line| !line.contains("run: ") && !line.contains('`')) {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let colour = Style { width: Some(80), colour: true };
    let painted = print_as(&inventory(), Format::Table, &colour, ("cp1", Span::seconds(0)));
    let bare = ["\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[1;31m"]
        .iter()
        .fold(painted.clone(), |text, code| text.replace(code, ""));
    assert_ne!(painted, bare);
    assert_eq!(bare, print(&inventory(), Format::Table, Some(80)));
}

#[test]
fn json_keeps_to_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/check.schema.json")).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for sample in [inventory(), Inventory::default()] {
        let json = serde_json::from_str(&print(&sample, Format::Json, None)).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    every_object_is_closed_and_described(&schema);
}

/// A field that is written but not described, or described but never written, is a mistake.
fn every_object_is_closed_and_described(schema: &Value) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{schema}");
        let required: BTreeSet<_> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(required, properties.keys().map(String::as_str).collect());
        for (name, property) in properties {
            assert!(property.get("description").is_some(), "{name}");
        }
    }
    let parts = schema.as_object().map(|o| o.values().collect()).unwrap_or_default();
    let parts: Vec<_> = schema.as_array().map_or(parts, |a| a.iter().collect());
    parts.into_iter().for_each(every_object_is_closed_and_described);
}

/// Text as an attacker would choose it.
fn hostile() -> impl Strategy<Value = String> {
    let marks = prop::sample::select(
        "\u{1b}\u{7}\n\r\u{9b}\u{202e}\u{2028}\u{e0041}|'\"\\=`{} ".chars().collect::<Vec<_>>(),
    );
    let chars = prop_oneof![any::<char>(), marks, prop::char::range('a', 'e')];
    prop::collection::vec(chars, 0..20).prop_map(|chars| chars.into_iter().collect())
}

fn place() -> impl Strategy<Value = (String, Entry)> {
    let path = (prop::sample::select(vec!["/etc/kubernetes/", "/srv/", ""]), hostile())
        .prop_map(|(dir, name)| format!("{dir}{name}"));
    let entry = prop_oneof![
        (0..3_u32).prop_map(Entry::Pem),
        (hostile(), 0..3_u32).prop_map(|(name, index)| Entry::User { name: name.into(), index }),
        (hostile(), hostile()).prop_map(|(name, server)| Entry::Cluster {
            name: name.into(),
            server: server.into(),
            index: 0
        }),
        Just(Entry::Whole),
    ];
    (path, entry)
}

fn any_item() -> impl Strategy<Value = Item> {
    let content = prop_oneof![
        (hostile(), hostile(), any::<u8>(), -40..400_i64).prop_map(
            |(subject, issuer, serial, days)| {
                Content::Certificate(Box::new(certificate(&subject, &issuer, serial, days)))
            }
        ),
        hostile().prop_map(|why| Content::Problem(Reason::ReadFailed(why.into()))),
    ];
    (place(), content).prop_map(|((path, entry), content)| item(&path, entry, content))
}

/// Some items come twice, as a bundle may hold one certificate twice.
fn any_inventory() -> impl Strategy<Value = Inventory> {
    prop::collection::vec((any_item(), any::<bool>()), 0..6).prop_map(|items| {
        let with_twin = |(item, is_twice): (Item, bool)| {
            let twin = is_twice.then(|| twin(&item));
            [item].into_iter().chain(twin)
        };
        let mut places = BTreeSet::new();
        let mut items: Vec<_> = items.into_iter().flat_map(with_twin).collect();
        // A scan never reports one place twice.
        items.retain(|item| places.insert(item.place.clone()));
        Inventory { items, ..Inventory::default() }
    })
}

fn twin(item: &Item) -> Item {
    let mut twin = item.clone();
    if let Entry::Pem(index) | Entry::User { index, .. } | Entry::Cluster { index, .. } =
        &mut twin.place.entry
    {
        *index += 7;
    }
    twin
}

proptest! {
    #[test]
    fn nothing_unsafe_is_printed(inventory in any_inventory(), node in hostile()) {
        for format in FORMATS {
            for width in [None, Some(80)] {
                let style = Style { width, colour: false };
                let text = print_as(&inventory, format, &style, (&node, Span::days(1)));
                prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text:?}");
                prop_assert!(text.ends_with('\n'));
            }
        }
    }

    #[test]
    fn json_holds_every_item_exactly(inventory in any_inventory()) {
        let json: Value = serde_json::from_str(&print(&inventory, Format::Json, None)).unwrap();
        let mut written: Vec<_> = json["certificates"].as_array().unwrap().iter()
            .map(|object| object["path"].as_str().unwrap().to_owned()).collect();
        let mut seen: Vec<_> =
            inventory.items.iter().map(|item| item.place.path.to_str().unwrap().to_owned()).collect();
        written.sort();
        seen.sort();
        prop_assert_eq!(written, seen);
    }

    #[test]
    fn nagios_is_one_line_with_one_bar(inventory in any_inventory(), node in hostile()) {
        let text = print_as(&inventory, Format::Nagios, &PLAIN, (&node, Span::seconds(0)));
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert_eq!(text.matches('|').count(), 1);
        let (_, numbers) = text.split_once(" | ").unwrap();
        prop_assert_eq!(numbers.matches('\'').count(), 2 * numbers.matches("'=").count());
    }

    #[test]
    fn no_series_comes_twice(inventory in any_inventory()) {
        let text = print(&inventory, Format::Prometheus, None);
        let mut series = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            prop_assert!(value.parse::<i64>().is_ok());
            prop_assert!(series.insert(name), "{name}");
        }
    }
}

#[test]
fn the_hundred_most_urgent_do_not_flood_nagios() {
    let many = (0..100).map(|n| {
        let content = certificate("x", "y", 1, n);
        item(&format!("/srv/{n}.pem"), Entry::Pem(0), Content::Certificate(Box::new(content)))
    });
    let text =
        print(&Inventory { items: many.collect(), ..Inventory::default() }, Format::Nagios, None);
    assert_eq!(text.matches("'/srv/").count(), 50);
    assert!(text.contains("'/srv/0.pem'=0s;"), "{text}");
}
