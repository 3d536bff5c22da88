//! Where the files of this node's API server are: kubeadm has defaults, and the flags have the last word.

use std::path::{Path, PathBuf};

use crate::domain::layout::{self, KUBERNETES, LIVE_IN_UNIT, Location, MANIFEST_DIRS};
use crate::domain::role;
use crate::parse::manifest;

use super::host::Host;

/// What the flags in the manifest of this node's API server say of files.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeFlags {
    /// Its certificates, if they are in neither of kubeadm's own directories.
    pub(super) certificates_dir: Option<PathBuf>,
    /// The CA that it knows etcd by, and what it presents to it, wherever they are.
    pub(super) etcd: [Option<PathBuf>; 2],
}

impl NodeFlags {
    /// The location of `path` on this node.
    pub(super) fn locate(&self, path: &Path) -> Location {
        let location = layout::locate_in(path, self.certificates_dir.as_deref());
        if location.role != &role::OTHER {
            return location;
        }
        let is_at = |file: &Option<PathBuf>| file.as_deref() == Some(path);
        match self.etcd.each_ref().map(is_at) {
            [true, _] => Location { role: &role::EXTERNAL_ETCD_CA, pki: None },
            [_, true] => Location { role: &role::ETCD_CLIENT, pki: None },
            [false, false] => location,
        }
    }
}

/// Where no manifest can be read, all is as kubeadm has it.
pub(super) fn node_flags(host: &Host) -> NodeFlags {
    read_flags(host).unwrap_or_default()
}

fn read_flags(host: &Host) -> Option<NodeFlags> {
    // certwatch-renew.service shows the first without manifests.
    let dirs = [KUBERNETES, LIVE_IN_UNIT].into_iter().map(Path::new);
    let dirs = dirs.flat_map(|kubernetes| MANIFEST_DIRS.map(|dir| kubernetes.join(dir)));
    let mut paths = dirs.map(|dir| dir.join("kube-apiserver.yaml"));
    let pod = manifest::read(&paths.find_map(|path| host.read(&path, false).ok())?)?;
    let dir = pod.certificates_dir().filter(|dir| layout::kubeadm_pki(dir).is_none());
    let dir = dir.and_then(|dir| layout::certificates_dir(&dir));
    let file = |flag| Some(pod.on_host(Path::new(pod.flag(flag)?))).filter(|it| it.is_absolute());
    Some(NodeFlags {
        certificates_dir: dir.map(|dir| Path::new(KUBERNETES).join(dir)),
        etcd: ["etcd-cafile", "etcd-certfile"].map(file),
    })
}
