//! A node's files as a real kubeadm makes them, without a cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use certwatch::node::NodePaths;
use tempfile::TempDir;

/// Certificates and kubeconfigs.
pub const FILES: [[&str; 2]; 2] = [["certs", "all"], ["kubeconfig", "all"]];

/// What a kubeadm made, and that kubeadm, which notes in `calls` how it is called.
pub struct MadeNode {
    pub root: TempDir,
    pub paths: NodePaths,
}

impl MadeNode {
    /// What `program` makes of this configuration in these phases of `kubeadm init`.
    pub fn new(program: &Path, config: &str, phases: &[[&str; 2]]) -> Self {
        let root = TempDir::new().unwrap();
        let at = |below: &str| root.path().join(below);
        let paths = NodePaths {
            kubernetes: at("etc/kubernetes"),
            kubelet: at("kubelet"),
            work: at("work"),
            kubeadm: at("kubeadm"),
            is_stage_shown: false,
        };
        for dir in [&paths.kubernetes, &paths.work] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(at("config.yaml"), config).unwrap();
        let [calls, program] = [at("calls"), program.to_owned()].map(|it| it.display().to_string());
        let script = format!("#!/bin/sh\necho \"$*\" >> {calls}\nexec {program} \"$@\"\n");
        fs::write(&paths.kubeadm, script).unwrap();
        fs::set_permissions(&paths.kubeadm, fs::Permissions::from_mode(0o755)).unwrap();
        let node = Self { root, paths };
        for phase in phases {
            node.kubeadm(&[&["init", "phase"], &phase[..]].concat());
        }
        fs::remove_file(node.calls()).unwrap();
        node
    }

    pub fn config(&self) -> PathBuf {
        self.root.path().join("config.yaml")
    }

    pub fn calls(&self) -> PathBuf {
        self.root.path().join("calls")
    }

    /// Lets kubeadm work on this node; it has to succeed.
    pub fn kubeadm(&self, words: &[&str]) {
        let mut command = Command::new(&self.paths.kubeadm);
        command.arg("--rootfs").arg(self.root.path()).args(words);
        let output = command.args(["--config", "/config.yaml"]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}
