//! The labels of one certificate, as enix/x509-certificate-exporter writes them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;

use ring::digest;

use crate::domain::cluster::NodeIdentity;
use crate::domain::model::{Attribute, Entry, Item, Name};
use crate::domain::text::escape_control;

const ATTRIBUTES: [(&str, Attribute); 6] = [
    ("_C", Attribute::C),
    ("_ST", Attribute::St),
    ("_L", Attribute::L),
    ("_O", Attribute::O),
    ("_OU", Attribute::Ou),
    ("_CN", Attribute::Cn),
];

/// Writes the labels of `item` into `out`, in the exporter's order; what is empty is left out,
/// which is the same to Prometheus.
pub(super) fn labels(out: &mut String, item: &Item) {
    out.clear();
    let path = &item.place.path;
    let name = path.file_name().unwrap_or(path.as_os_str());
    label(out, &["filename"], &name.to_string_lossy());
    label(out, &["filepath"], &path.to_string_lossy());
    match &item.place.entry {
        Entry::Cluster { name, .. } => embedded(out, "cluster", name),
        Entry::User { name, .. } => embedded(out, "user", name),
        Entry::Endpoint(_)
        | Entry::Pem(_)
        | Entry::Presented(_)
        | Entry::Process(_)
        | Entry::Whole => {}
    }
    if let Some(certificate) = item.certificate() {
        if let Some(serial) = certificate.serial_decimal() {
            label(out, &["serial_number"], &serial);
        }
        attributes(out, "issuer", &certificate.issuer);
        attributes(out, "subject", &certificate.subject);
    }
}

fn embedded(out: &mut String, kind: &str, key: &str) {
    label(out, &["embedded_kind"], kind);
    label(out, &["embedded_key"], key);
}

fn attributes(out: &mut String, prefix: &str, name: &Name) {
    for (suffix, attribute) in &ATTRIBUTES {
        let value = name.value(attribute);
        if !value.is_empty() {
            label(out, &[prefix, suffix], &value);
        }
    }
}

/// The labels of the node. Without a cluster that is known there is no such label.
pub(super) fn of_node(node: &NodeIdentity) -> String {
    let mut out = String::new();
    if let Some(cluster) = &node.cluster {
        label(&mut out, &["cluster"], cluster);
    }
    label(&mut out, &["node"], &node.name);
    out
}

fn label(out: &mut String, name: &[&str], value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    name.iter().for_each(|part| out.push_str(part));
    out.push_str("=\"");
    escape(out, &escape_control(value));
    out.push('"');
}

/// A newline would have to be escaped too, but none is left in safe text.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(&before[..at]);
        out.push('\\');
        out.push_str(&before[at..]);
        rest = after;
    }
    out.push_str(rest);
}

/// Label sets that more than one item has: the same certificate twice in a bundle, two API servers
/// on one node. One duplicate makes Prometheus refuse the whole file.
pub(super) struct Collisions(HashSet<u64>);

impl Collisions {
    /// The collisions among the labels of `items`. Only what has the same path can collide, so only
    /// there all labels are looked at. Hashes are kept, not texts: should two hashes be equal by
    /// chance, one label too many is written.
    pub(super) fn among<'a>(items: impl Iterator<Item = &'a Item> + Clone) -> Self {
        let path = |item: &Item| hash(&escape_control(&item.place.path.to_string_lossy()));
        let shared = repeated(items.clone().map(path));
        let mut text = String::new();
        Self(repeated(items.filter(|item| shared.contains(&path(item))).map(|item| {
            labels(&mut text, item);
            hash(&text)
        })))
    }

    /// Adds the label that tells `item` from the others of the same labels.
    pub(super) fn discriminate(&self, labels: &mut String, item: &Item) {
        if !self.0.is_empty() && self.0.contains(&hash(labels)) {
            label(labels, &["discriminator"], &discriminator(item));
        }
    }
}

/// What comes more than once.
fn repeated(hashes: impl Iterator<Item = u64>) -> HashSet<u64> {
    let mut seen = HashSet::new();
    hashes.filter(|hash| !seen.insert(*hash)).collect()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The first 8 hexadecimal digits of SHA-256 over certificate, path and position.
fn discriminator(item: &Item) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    if let Some(certificate) = item.certificate() {
        context.update(&certificate.sha256.0);
    }
    context.update(item.place.path.as_os_str().as_bytes());
    context.update(format!("{:?}", item.place.entry).as_bytes());
    context.finish().as_ref().iter().take(4).fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
