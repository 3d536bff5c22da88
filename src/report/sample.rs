//! A control plane in a bad way, made by hand, for the tests of all formats.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Format, Report, Style, write};
use crate::config::Config;
use crate::domain::cluster::NodeIdentity;
use crate::domain::layout;
use crate::domain::model::{
    Attribute, Ca, Certificate, ClientAuth, Content, Entry, Inventory, Item, Loopback, Name, Place,
    Reason, Sha256, Signer,
};
use crate::domain::policy::{self, Policy};
use crate::domain::renewal::decide;
use crate::domain::role;
use crate::domain::time::{Span, UnixTime};

/// 2026-11-23T02:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime::new(1_795_399_200);

const PKI: &str = "/etc/kubernetes/pki";

/// One of everything.
pub(crate) fn inventory() -> Inventory {
    let ca = ca("ca.crt", 1, true);
    let etcd_ca = self::ca("etcd/ca.crt", 2, false);
    let mut items = vec![
        leaf("apiserver.crt", "kube-apiserver", &ca, -3),
        leaf("apiserver-kubelet-client.crt", "kube-apiserver-kubelet-client", &ca, 5),
        leaf("apiserver-etcd-client.crt", "kube-apiserver-etcd-client", &etcd_ca, 21),
        leaf("etcd/server.crt", "cp1", &etcd_ca, 340),
        authority("ca.crt", 1, 3000, true),
        authority("etcd/ca.crt", 2, 3000, false),
        problem(&format!("{PKI}/front-proxy-client.crt"), Reason::Missing),
        problem("/etc/kubernetes/scheduler.conf", Reason::PermissionDenied),
    ];
    items.extend(kubeconfig("/etc/kubernetes/admin.conf", "kubernetes-admin", &ca, 340));
    items.extend(kubeconfig("/root/.kube/config", "old", &ca, 340));
    items.extend(user("/root/.kube/config", "jane", &ca, 12));
    items.push(loopback());
    items.push(hostile());
    items.extend(bundle());
    Inventory {
        has_asked: true,
        items,
        leftovers: ["2025-01-01-00-00-00", "2025-10-01-00-00-00"]
            .map(|at| PathBuf::from(format!("/var/lib/kubelet/pki/kubelet-client-{at}.pem")))
            .to_vec(),
        ..Inventory::default()
    }
}

/// `inventory` judged as of [`NOW`], in one format.
pub(crate) fn print(inventory: &Inventory, format: Format, width: Option<usize>) -> String {
    print_as(inventory, format, &Style { width, colour: false }, ("cp1", Span::seconds(0)))
}

/// The same, with colours, on another node and judged later.
pub(crate) fn print_as(
    inventory: &Inventory,
    format: Format,
    style: &Style,
    (node, later): (&str, Span),
) -> String {
    let (policy, at) = (Policy::default(), NOW + later);
    let assessment = &policy::assess(inventory, &policy, at);
    let due = &decide::due(inventory, &Config::default().renewal_policy(), at);
    let node = &NodeIdentity::of_node(node);
    let report = Report { node, inventory, assessment, policy: &policy, due, generated: NOW, at };
    let mut out = Vec::new();
    write(&report, format, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A certificate by what varies.
pub(crate) fn certificate(subject: &str, issuer: &str, serial: u8, days: i64) -> Certificate {
    let not_after = NOW + Span::days(days);
    Certificate {
        subject: name(subject),
        issuer: name(issuer),
        serial: [0x36, 0x0a, 0xa8, 0x94, 0x1b, 0x9f, 0x81, serial].into(),
        sans: ["DNS:kubernetes".into(), "IP:10.96.0.1".into()].into(),
        not_before: not_after - Span::days(365),
        not_after,
        sha256: Sha256([serial; 32]),
        key_sha256: Sha256([serial; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::NoCa,
    }
}

/// An item in the role its path gives it.
pub(crate) fn item(path: &str, entry: Entry, content: Content) -> Item {
    let role = match entry {
        Entry::Cluster { .. } => &role::CLUSTER_CA,
        Entry::Endpoint(_) => &role::ENDPOINT,
        Entry::Presented(_) | Entry::Process(_) => &role::LOOPBACK,
        Entry::Pem(_) | Entry::User { .. } | Entry::Whole => layout::locate(Path::new(path)).role,
    };
    let has_key = match &content {
        Content::Certificate(certificate) => certificate.signer.verified().map(|ca| ca.has_key),
        Content::Loopback(_) | Content::Problem(_) => None,
    };
    Item { has_key, ..Item::new(Place::new(Path::new(path), entry), role, content) }
}

fn name(common_name: &str) -> Name {
    Name([(Attribute::O, "system:masters".into()), (Attribute::Cn, common_name.into())].into())
}

fn ca(file: &str, number: u8, has_key: bool) -> Signer {
    let path = Arc::from(Path::new(PKI).join(file));
    let not_after = NOW + Span::days(3000);
    Signer::Verified(Arc::new(Ca { path, sha256: Sha256([number; 32]), not_after, has_key }))
}

fn leaf(file: &str, subject: &str, ca: &Signer, days: i64) -> Item {
    let serial = u8::try_from(file.len()).unwrap();
    let certificate =
        Certificate { signer: ca.clone(), ..certificate(subject, "kubernetes", serial, days) };
    item(&format!("{PKI}/{file}"), Entry::Pem(0), Content::Certificate(Box::new(certificate)))
}

fn ca_certificate(number: u8, days: i64) -> Content {
    Content::Certificate(Box::new(Certificate {
        is_ca: true,
        not_before: NOW - Span::days(600),
        sha256: Sha256([number; 32]),
        key_sha256: Sha256([number; 32]),
        ..certificate("kubernetes", "kubernetes", number, days)
    }))
}

fn authority(file: &str, number: u8, days: i64, has_key: bool) -> Item {
    let item = item(&format!("{PKI}/{file}"), Entry::Pem(0), ca_certificate(number, days));
    Item { has_key: Some(has_key), ..item }
}

fn problem(path: &str, reason: Reason) -> Item {
    item(path, Entry::Whole, Content::Problem(reason))
}

fn user(path: &str, name: &str, ca: &Signer, days: i64) -> Option<Item> {
    let serial = u8::try_from(name.len()).unwrap();
    let certificate =
        Certificate { signer: ca.clone(), ..certificate(name, "kubernetes", serial, days) };
    let entry = Entry::User { name: name.into(), index: 0 };
    Some(item(path, entry, Content::Certificate(Box::new(certificate))))
}

fn kubeconfig(path: &str, name: &str, ca: &Signer, days: i64) -> Vec<Item> {
    let server = "https://cp1:6443".into();
    let cluster = Entry::Cluster { name: "kubernetes".into(), server, index: 0 };
    let ca_copy = item(path, cluster, ca_certificate(1, 3000));
    user(path, name, ca, days).into_iter().chain([ca_copy]).rev().collect()
}

fn loopback() -> Item {
    let loopback = Loopback { not_after: NOW + Span::days(3) };
    item("kube-apiserver", Entry::Process(1234), Content::Loopback(loopback))
}

/// What a certificate and a file name may hold: escape sequences, bidi marks, newlines.
fn hostile() -> Item {
    let subject =
        "x\u{1b}[2J\u{1b}]0;owned\u{7}\nx509_cert_not_after{} 9\u{202e}gpj.\"exe\\|'=\u{e0041}";
    let path =
        format!("/srv/tls/{}\u{1b}[31m|\n'=\u{9b}.pem", "very-long-directory-name/".repeat(4));
    let content = Content::Certificate(Box::new(certificate(subject, "evil\u{2028}", 0xff, 25)));
    item(&path, Entry::Pem(0), content)
}

/// A bundle that holds what never expires (RFC 5280's last second) twice, and then garbage.
fn bundle() -> Vec<Item> {
    let not_after = UnixTime::parse("9999-12-31T23:59:59Z").unwrap();
    let certificate = Certificate { not_after, ..certificate("for ever", "for ever", 9, 9) };
    let content = Content::Certificate(Box::new(certificate));
    let garbage = Content::Problem(Reason::BadCertificate(2));
    let contents = [content.clone(), content, garbage].into_iter();
    let item = |(index, content)| item("/srv/tls/bundle.pem", Entry::Pem(index), content);
    (0..).zip(contents).map(item).collect()
}
