//! Names for places: where a certificate is, in as few words as are clear.

use std::borrow::Cow;
use std::mem::discriminant;
use std::path::Path;

use super::layout::{KUBELET_PKI, KUBERNETES};
use super::model::{Entry, Item, Place};
use super::role::CertificateKind;
use super::text::escape_control;

/// The path as the table shows it: below /etc/kubernetes relative to that, which the table's first
/// line says. A path that is relative to elsewhere begins with `./`, so that none is mistaken.
pub(crate) fn path(place: &Place) -> Cow<'_, str> {
    match place.path.strip_prefix(KUBERNETES) {
        Ok(below) if below != Path::new("") => show(below),
        _ if is_live(place) || place.path.is_absolute() || place.path.starts_with(".") => {
            show(&place.path)
        }
        _ => Cow::Owned(format!("./{}", show(&place.path))),
    }
}

/// True if [`path`] leaves the directory away.
pub(crate) fn is_shortened(place: &Place) -> bool {
    place.path.starts_with(KUBERNETES) && &*place.path != Path::new(KUBERNETES)
}

/// The path of `items[index]`, and which part of its file it is, where the file has several of that
/// kind: `/root/.kube/config (user jane)`.
pub(crate) fn full(items: &[Item], index: usize) -> Cow<'_, str> {
    let place = &items[index].place;
    if is_live(place) || has_sibling(items, index) { with_entry(place) } else { path(place) }
}

/// The same, for readers who do not have the table's first line: nothing is left away.
pub(crate) fn place(items: &[Item], index: usize) -> Cow<'_, str> {
    let place = &items[index].place;
    let shown = full(items, index);
    if is_shortened(place) { Cow::Owned(format!("{KUBERNETES}/{shown}")) } else { shown }
}

/// The parts of a file follow each other in an inventory, so a look at both neighbours is enough.
fn has_sibling(items: &[Item], index: usize) -> bool {
    let place = &items[index].place;
    let neighbours = [index.checked_sub(1), index.checked_add(1)];
    neighbours.into_iter().flatten().filter_map(|index| items.get(index)).any(|other| {
        other.place.path == place.path
            && discriminant(&other.place.entry) == discriminant(&place.entry)
    })
}

/// The shortest name that people know `items[index]` by: kubeadm's own for what is in its place on
/// this node, the path for all else.
pub(crate) fn name(items: &[Item], index: usize) -> Cow<'_, str> {
    let Item { place, role, .. } = &items[index];
    let at_home = [KUBERNETES, KUBELET_PKI].iter().any(|dir| place.path.starts_with(dir));
    let by_path = matches!(
        role.kind,
        CertificateKind::ClusterCa
            | CertificateKind::File
            | CertificateKind::LeftOver
            | CertificateKind::UserKubeconfig
    );
    match &place.entry {
        part if !by_path && (at_home || matches!(part, Entry::Process(_))) && is_first(part) => {
            role.id.into()
        }
        // Without the name of the cluster it would read as if the user was meant.
        Entry::Cluster { .. } => with_entry(place),
        _ => full(items, index),
    }
}

fn with_entry(place: &Place) -> Cow<'_, str> {
    let nth = |index: &u32| match index {
        0 => String::new(),
        _ => format!(", {}", u64::from(*index) + 1),
    };
    let entry = match &place.entry {
        Entry::Pem(index) => format!("{}", u64::from(*index) + 1),
        Entry::Cluster { name, index, .. } => {
            format!("cluster {}{}", escape_control(name), nth(index))
        }
        Entry::Endpoint(Some(name)) => escape_control(name).into_owned(),
        Entry::Presented(at) => at.to_string(),
        Entry::Process(pid) => format!("pid {pid}"),
        Entry::User { name, index } => format!("user {}{}", escape_control(name), nth(index)),
        Entry::Endpoint(None) | Entry::Whole => return path(place),
    };
    Cow::Owned(format!("{} ({entry})", path(place)))
}

fn is_first(entry: &Entry) -> bool {
    match entry {
        Entry::Pem(index) | Entry::Cluster { index, .. } | Entry::User { index, .. } => *index == 0,
        Entry::Endpoint(_) | Entry::Presented(_) | Entry::Process(_) | Entry::Whole => true,
    }
}

/// True for what is no file.
fn is_live(place: &Place) -> bool {
    matches!(place.entry, Entry::Endpoint(_) | Entry::Presented(_) | Entry::Process(_))
}

fn show(path: &Path) -> Cow<'_, str> {
    match path.to_string_lossy() {
        Cow::Borrowed(text) => escape_control(text),
        Cow::Owned(text) => Cow::Owned(escape_control(&text).into_owned()),
    }
}
