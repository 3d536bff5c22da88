//! Where certificates are searched for: the areas of a node, and the search of one.

use std::path::{Component, Path, PathBuf};

use crate::domain::layout::{
    self, DISTRIBUTIONS, KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, LIVE_IN_UNIT, MANIFEST_DIRS,
    PKI_NAMES, ROOT_KUBECONFIG, Search, Watched,
};
use crate::domain::model::Reason;
use crate::domain::reference::{NamedPlace, References};
use crate::domain::role::CertificateKind;

use super::host::Host;
use super::pool;
use super::references::NodeReferences;
use super::walk::{Walk, is_pattern, leftovers};

/// An area of the node that is searched by itself.
#[derive(Clone, Debug)]
pub(super) enum Area {
    Distribution(&'static str, Search),
    KubeletPki,
    Kubernetes,
    Named(String),
    /// What components name in other places.
    References,
    RootKubeconfig,
}

impl pool::Job for Area {
    fn place(&self) -> u64 {
        0
    }
}

pub(super) fn standard_areas() -> Vec<Area> {
    let mut areas =
        vec![Area::References, Area::Kubernetes, Area::KubeletPki, Area::RootKubeconfig];
    areas.extend(DISTRIBUTIONS.iter().map(|(place, search, _)| Area::Distribution(place, *search)));
    areas
}

impl Area {
    pub(super) fn search(&self, host: &Host, references: &NodeReferences, walk: &mut Walk<'_>) {
        match self {
            Self::Distribution(place, Search::Below) => {
                walk.directories(&[Path::new(place)], &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::FilesOf) => {
                walk.files_of(Path::new(place), &layout::is_certificate_name);
            }
            Self::Distribution(place, Search::One) => walk.optional(Path::new(place)),
            Self::KubeletPki => {
                walk.files_of(Path::new(KUBELET_PKI), &layout::is_worth_a_look);
                if let Some(dir) = &references.named.kubelet_pki {
                    walk.kubelet_files_of(dir);
                }
            }
            Self::Kubernetes => kubernetes(host, &references.named, walk),
            Self::References => named_elsewhere(host, &references.named, walk),
            Self::Named(place) => walk.named(place),
            Self::RootKubeconfig => walk.optional(Path::new(ROOT_KUBECONFIG)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Distribution(place, _) => Path::new(place),
            Self::KubeletPki => Path::new(KUBELET_PKI),
            Self::Kubernetes | Self::References => Path::new(KUBERNETES),
            Self::Named(place) => Path::new(place),
            Self::RootKubeconfig => Path::new(ROOT_KUBECONFIG),
        }
    }
}

impl Area {
    /// The directory or file to watch for changes in this area.
    ///
    /// A distribution that is not there is left to the regular scan: to see it come, all of `/etc` and
    /// `/var/lib` would have to be watched. So is what components name elsewhere: which files those are is for each
    /// scan to find out.
    pub(super) fn watched(&self) -> Watched {
        let search = match self {
            Self::Distribution(_, search) => *search,
            Self::KubeletPki => Search::FilesOf,
            Self::Kubernetes | Self::References => Search::Below,
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
fn kubernetes(host: &Host, named: &References, walk: &mut Walk<'_>) {
    let certificates_dir = named.certificates_dir.as_deref();
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
    // Of a component whose flags are known, those say what it needs.
    let by_layout = layout::missing(kubernetes, pki, &has);
    for path in by_layout.iter().filter(|path| !named.is_told(path)) {
        walk.missing(path);
    }
}

/// What components name: that which is not there, or only in a container, and that which no search finds.
fn named_elsewhere(host: &Host, named: &References, walk: &mut Walk<'_>) {
    let kubernetes = Path::new(KUBERNETES);
    let pkis = PKI_NAMES.map(|name| kubernetes.join(name));
    let searched: Vec<&Path> =
        pkis.iter().map(PathBuf::as_path).chain(named.certificates_dir.as_deref()).collect();
    let is_searched = |path: &Path| {
        let is_conf = path.parent() == Some(kubernetes)
            && path.extension().is_some_and(|extension| extension == "conf");
        let is_below = searched.iter().any(|dir| path.starts_with(dir));
        is_conf || is_below && layout::is_certificate_name(path)
    };
    let is_in_unit = host.exists(&Path::new(LIVE_IN_UNIT).join(MANIFEST_DIRS[0]));
    for reference in named.all() {
        let path = match &reference.place {
            NamedPlace::InContainer(_) if reference.is_key => continue,
            NamedPlace::InContainer(path) => {
                walk.problem(path, Reason::InContainerOnly);
                continue;
            }
            NamedPlace::OnNode(path) => path,
        };
        // What that unit shows as /etc/kubernetes is the copy that kubeadm works on.
        let live = path.strip_prefix(kubernetes).ok().filter(|_| is_in_unit);
        let seen = live.map(|below| Path::new(LIVE_IN_UNIT).join(below));
        let seen = seen.as_deref().unwrap_or(path);
        if matches!(host.kind(seen), Err(Reason::Missing)) {
            // Its kubeconfig, which is read anyway, says that.
            if reference.role.kind != CertificateKind::KubeletClient {
                walk.missing(seen);
            }
        } else if !reference.is_key && !is_searched(path) {
            walk.optional(seen);
        }
    }
}

/// The rotated files of the kubelet that nothing points at.
pub(super) fn kubelet_leftovers(host: &Host, elsewhere: Option<&Path>) -> Vec<PathBuf> {
    let dirs = [Some(Path::new(KUBELET_PKI)), elsewhere];
    dirs.into_iter().flatten().flat_map(|dir| leftovers_of(host, dir)).collect()
}

fn leftovers_of(host: &Host, pki: &Path) -> Vec<PathBuf> {
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
