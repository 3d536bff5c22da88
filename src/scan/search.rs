//! Where certificates are searched for: the areas of a node, and the search of one.

use std::path::{Component, Path, PathBuf};

use crate::domain::layout::{
    self, DISTRIBUTIONS, KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, PKI_NAMES, ROOT_KUBECONFIG,
    Search, Watched,
};
use crate::domain::model::Reason;

use super::flags::NodeFlags;
use super::host::Host;
use super::pool;
use super::walk::{Walk, is_pattern, leftovers};

/// An area of the node that is searched by itself.
#[derive(Clone, Debug)]
pub(super) enum Area {
    Distribution(&'static str, Search),
    KubeletPki,
    Kubernetes,
    Named(String),
    RootKubeconfig,
}

impl pool::Job for Area {
    fn place(&self) -> u64 {
        0
    }
}

pub(super) fn standard_areas() -> Vec<Area> {
    let mut areas = vec![Area::Kubernetes, Area::KubeletPki, Area::RootKubeconfig];
    areas.extend(DISTRIBUTIONS.iter().map(|(place, search, _)| Area::Distribution(place, *search)));
    areas
}

impl Area {
    pub(super) fn search(&self, host: &Host, flags: &NodeFlags, walk: &mut Walk<'_>) {
        match self {
            Self::Distribution(place, Search::Below) => {
                walk.directories(&[Path::new(place)], &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::FilesOf) => {
                walk.files_of(Path::new(place), &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::One) => walk.optional(Path::new(place)),
            Self::KubeletPki => walk.files_of(Path::new(KUBELET_PKI), &layout::is_worth_a_look),
            Self::Kubernetes => kubernetes(host, flags, walk),
            Self::Named(place) => walk.named(place),
            Self::RootKubeconfig => walk.optional(Path::new(ROOT_KUBECONFIG)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Distribution(place, _) => Path::new(place),
            Self::KubeletPki => Path::new(KUBELET_PKI),
            Self::Kubernetes => Path::new(KUBERNETES),
            Self::Named(place) => Path::new(place),
            Self::RootKubeconfig => Path::new(ROOT_KUBECONFIG),
        }
    }
}

impl Area {
    /// The directory or file to watch for changes in this area.
    ///
    /// A distribution that is not there is left to the regular scan: to see it come, all of `/etc` and
    /// `/var/lib` would have to be watched.
    pub(super) fn watched(&self) -> Watched {
        let search = match self {
            Self::Distribution(_, search) => *search,
            Self::KubeletPki => Search::FilesOf,
            Self::Kubernetes => Search::Below,
            Self::RootKubeconfig => Search::One,
            Self::Named(place) => return watched_by_name(Path::new(place)),
        };
        let is_awaited = !matches!(self, Self::Distribution(..));
        Watched { path: self.path().to_owned(), search, is_awaited, is_named: false }
    }
}

/// Of a glob, the directory before its first special character.
fn watched_by_name(place: &Path) -> Watched {
    let is_fixed = |part: &Component<'_>| !is_pattern(part.as_os_str());
    let base: PathBuf = place.components().take_while(is_fixed).collect();
    let is_one_level = place.parent() == Some(&base);
    let search = if is_one_level { Search::FilesOf } else { Search::Below };
    Watched { path: base, search, is_awaited: true, is_named: true }
}

/// `/etc/kubernetes`: the pki, the kubeconfigs, and what must be there beside them.
fn kubernetes(host: &Host, flags: &NodeFlags, walk: &mut Walk<'_>) {
    let certificates_dir = flags.certificates_dir.as_deref();
    let kubernetes = Path::new(KUBERNETES);
    let mut pkis = PKI_NAMES.map(|name| kubernetes.join(name)).to_vec();
    if let Some(dir) = certificates_dir {
        pkis.insert(0, dir.to_owned());
    }
    let pkis: Vec<&Path> = pkis.iter().map(PathBuf::as_path).collect();
    walk.directories(&pkis, &layout::is_worth_a_look);
    walk.files_of(kubernetes, &layout::is_worth_a_look);
    // Not to be allowed to look is not to know that it is missing.
    let has = |path: &Path| !matches!(host.kind(path), Err(Reason::Missing));
    let there = || pkis.iter().copied().find(|pki| has(pki));
    let pki = certificates_dir.or_else(there).unwrap_or(pkis[0]);
    for path in layout::missing(kubernetes, pki, &has) {
        walk.missing(&path);
    }
    // Those of kubeadm's own etcd are in the pki, and found there.
    for path in flags.etcd.iter().flatten().filter(|path| !path.starts_with(kubernetes)) {
        if has(path) { walk.optional(path) } else { walk.missing(path) }
    }
}

/// The rotated files of the kubelet that nothing points at.
pub(super) fn kubelet_leftovers(host: &Host) -> Vec<PathBuf> {
    let pki = Path::new(KUBELET_PKI);
    let is_leftover = leftovers(host, pki);
    let in_use = KUBELET_CURRENT.map(|link| host.identity(&pki.join(link)));
    let entries = host.list(pki).unwrap_or_default();
    let rotated = entries.iter().filter(|entry| is_leftover(&entry.name.to_string_lossy()));
    let paths = rotated.map(|entry| pki.join(&entry.name));
    paths.filter(|path| !in_use.contains(&host.identity(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_watched_from_where_it_is_fixed() {
        for (place, base, search) in [
            ("/srv/tls", "/srv/tls", Search::Below),
            ("/srv/tls/web.pem", "/srv/tls/web.pem", Search::Below),
            ("/srv/tls/*.pem", "/srv/tls", Search::FilesOf),
            ("/srv/*/tls/a.pem", "/srv", Search::Below),
            ("/srv/**/[a-c]?.pem", "/srv", Search::Below),
            ("/**/*.pem", "/", Search::Below),
        ] {
            let watched = Watched { path: base.into(), search, is_awaited: true, is_named: true };
            assert_eq!(Area::Named(place.to_owned()).watched(), watched, "{place}");
        }
    }
}
