//! What the kubelet of this node is started with: its flags and its configuration.

use std::path::{Path, PathBuf};

use crate::domain::layout::{KUBERNETES, LIVE_IN_UNIT};
use crate::domain::reference::KUBELET;
use crate::domain::role::KUBELET_CONF;
use crate::parse::kubelet as kubelet_files;
use crate::parse::kubelet_settings::KubeletSources;
use crate::parse::manifest::StaticPod;

use super::host::Host;
use super::programs::processes;

/// Where the kubelet's flags are: kubeadm's, and those of the packages' unit on Debian and on Red Hat.
const ENVS: [&str; 3] =
    ["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet"];

/// Where systemd has its units, the least important first.
const UNITS: [&str; 4] = [
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/system",
    "/etc/systemd/system",
];

/// As kubeadm writes it.
pub(super) const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";

const UNIT: &str = "kubelet.service";

/// Most files of a directory that are read.
const MOST: usize = 50;

/// Its flags: those of the one that runs, or else those that it is to be started with.
pub(super) fn flags(host: &Host) -> StaticPod {
    let running = processes(host).into_iter().find(|it| it.program() == Some(KUBELET));
    running.unwrap_or_else(|| {
        let text = |path: &Path| {
            let bytes = host.read(path, false).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let units = units(host);
        let of_units = units.iter().filter_map(|path| text(path));
        let of_units: Vec<_> = of_units.flat_map(|unit| kubelet_files::unit_words(&unit)).collect();
        let envs = ENVS.iter().filter_map(|path| text(Path::new(path)));
        let of_envs = envs.flat_map(|env| kubelet_files::flag_words(&env).collect::<Vec<_>>());
        let program = [KUBELET.to_owned()].into_iter();
        StaticPod::of_process(program.chain(of_units).chain(of_envs).collect())
    })
}

/// Its unit, and what is laid over that.
fn units(host: &Host) -> Vec<PathBuf> {
    let unit = UNITS.iter().rev().map(|dir| Path::new(dir).join(UNIT));
    let unit = unit.into_iter().find(|path| host.exists(path));
    let dirs = UNITS.iter().map(|dir| Path::new(dir).join(format!("{UNIT}.d")));
    unit.into_iter().chain(dirs.flat_map(|dir| settings(host, &dir).unwrap_or_default())).collect()
}

/// The files of a directory that end in `.conf`, in their order; `None` if it cannot be read.
fn settings(host: &Host, dir: &Path) -> Option<Vec<PathBuf>> {
    let entries = host.list(dir).ok()?;
    let paths = entries.iter().map(|entry| dir.join(&entry.name));
    Some(paths.filter(|path| path.extension().is_some_and(|it| it == "conf")).take(MOST).collect())
}

/// All that it is started with.
pub(super) fn sources(host: &Host) -> KubeletSources {
    let flags = flags(host);
    let named = |flag| flags.flag(flag).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = named("config").unwrap_or_else(|| KUBELET_CONFIG.into());
    let over = named("config-dir").map_or(Some(Vec::new()), |dir| settings(host, &dir));
    let configs = over.and_then(|over| {
        let paths = std::iter::once(config).chain(over);
        paths.map(|path| host.read(&path, false).ok()).collect()
    });
    KubeletSources { flags, configs }
}

/// Its kubeconfig; certwatch-renew.service shows the live one elsewhere.
pub(super) fn conf(host: &Host) -> Option<Vec<u8>> {
    let dirs = [LIVE_IN_UNIT, KUBERNETES].into_iter().map(Path::new);
    dirs.into_iter().find_map(|dir| host.read(&dir.join(KUBELET_CONF.id), false).ok())
}
