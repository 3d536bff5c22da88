//! Reads what `parse/components.rs` tells the node's control plane from.

use std::path::Path;

use crate::domain::layout::{KUBERNETES, LIVE_IN_UNIT, MANIFEST_DIRS};
use crate::domain::model::Components;
use crate::parse::components::{ComponentFiles, read};

use super::host::Host;
use super::kubelet;

/// The kubeconfigs whose users live on this node, or work on it.
const KUBECONFIGS: [&str; 5] =
    ["admin.conf", "controller-manager.conf", "kubelet.conf", "scheduler.conf", "super-admin.conf"];

/// The control plane of this node; nothing is known of it where there are no manifests.
pub(super) fn components(host: &Host) -> Components {
    let manifest = |name: &str| {
        // certwatch-renew.service shows the first without manifests.
        let dirs = [KUBERNETES, LIVE_IN_UNIT].into_iter().map(Path::new);
        let mut dirs = dirs.flat_map(|it| MANIFEST_DIRS.map(|dir| it.join(dir)));
        dirs.find_map(|dir| host.read(&dir.join(name), false).ok())
    };
    let kubeconfig = |name: &&str| {
        let path = Path::new(KUBERNETES).join(name);
        Some((path.clone(), host.read(&path, false).ok()?))
    };
    let files = ComponentFiles {
        api_server: manifest("kube-apiserver.yaml"),
        controller_manager: manifest("kube-controller-manager.yaml"),
        etcd: manifest("etcd.yaml"),
        kubeconfigs: KUBECONFIGS.iter().filter_map(kubeconfig).collect(),
        kubelet: kubelet::sources(host),
        kubelet_conf: kubelet::conf(host),
    };
    read(&files, &|path| host.exists(path))
}
