//! The real kubeadm, of the version that `KUBERNETES` names or of the lab's default.

use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where `tests/lab/kubernetes.sh` puts it.
pub fn program() -> PathBuf {
    let program = Path::new(ROOT).join("target/lab/bin").join(fact("VERSION")).join("kubeadm");
    assert!(program.exists(), "build it first: tests/lab/kubernetes.sh kubeadm");
    program
}

/// As it says it itself, without a `v`.
pub fn version() -> String {
    fact("VERSION")
}

/// The least that it is to be given.
pub fn config() -> String {
    let (api, version) = (fact("KUBEADM_API"), version());
    format!(
        "apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\nkubernetesVersion: v{version}\n"
    )
}

/// How many it makes and renews: super-admin.conf came with 1.29 (CHANGELOG-1.29 of Kubernetes).
pub fn certificates() -> usize {
    let minor: u32 = version().split('.').nth(1).unwrap().parse().unwrap();
    if minor < 29 { 10 } else { 11 }
}

/// What the lab's facts say of the version.
fn fact(name: &str) -> String {
    let versions = Path::new(ROOT).join("tests/lab/kubernetes");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let asked = std::env::var("KUBERNETES").unwrap_or_else(|_| read(&versions.join("default")));
    let facts = read(&versions.join(asked.trim()).join("facts.sh"));
    let mut values = facts.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.next().unwrap().to_owned()
}
