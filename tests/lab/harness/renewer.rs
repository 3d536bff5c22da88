//! certwatch as a node's renewer.

use std::process::Output;

use serde_json::Value;

use super::Node;

pub(crate) const CERTWATCH: &str = "/usr/local/bin/certwatch";

/// Instead of kubeadm.
pub(crate) const STAND_IN: &str = "/usr/local/bin/stand-in-kubeadm";

/// Where certwatch keeps its journal, its stage and its backups.
pub(crate) const WORK: &str = "/var/lib/certwatch-renew";

/// How a `certwatch renew` ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    /// All it said, errors included.
    pub(crate) said: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), said: text(&output.stdout) + &text(&output.stderr) }
    }
}

impl Node<'_> {
    /// Installs certwatch, with these lines for `[renew]`.
    pub(crate) fn install_certwatch(&self, renew: &str) {
        self.install(env!("CARGO_BIN_EXE_certwatch"), CERTWATCH);
        self.configure_certwatch(renew);
    }

    pub(crate) fn configure_certwatch(&self, renew: &str) {
        self.write("/etc/certwatch/config.toml", format!("[renew]\n{renew}\n").as_bytes());
    }

    pub(crate) fn certwatch(&self, arguments: &[&str]) -> Run {
        self.output(&[&[CERTWATCH], arguments].concat()).into()
    }

    /// The same for one that has to succeed.
    #[track_caller]
    pub(crate) fn renew(&self, arguments: &[&str]) -> Run {
        let run = self.certwatch(&[&["renew"], arguments].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.said);
        run
    }

    /// What the renewal that is under way remembers, if there is one; and those that have ended.
    pub(crate) fn journals(&self) -> (Option<Value>, Vec<Value>) {
        let output = self.output(&["cat", &format!("{WORK}/state.json")]);
        if !output.status.success() {
            return (None, Vec::new());
        }
        let mut file: Value = serde_json::from_slice(&output.stdout).unwrap();
        let state = &mut file["state"];
        let current = Some(state["current"].take()).filter(|journal| !journal.is_null());
        let history = state["history"].as_array().unwrap().clone();
        (current, history)
    }

    /// Everything that a renewal of all has to leave behind.
    #[track_caller]
    pub(crate) fn assert_renewed(&self, old_serials: &[String]) {
        for ((name, _), (new, old)) in
            self.names().iter().zip(self.serials().iter().zip(old_serials))
        {
            assert_ne!(new, old, "{name}");
        }
        self.assert_served();
        assert_eq!(self.complaint(), None);
        self.wait_for_leaders();
        let (current, history) = self.journals();
        assert_eq!(current, None);
        assert_eq!(history.first().unwrap()["step"]["end"], "renewed", "{history:#?}");
        let line = format!("ls -A {WORK}/stage 2>/dev/null; stat -c %a {WORK} {WORK}/backups/*");
        assert_eq!(self.run(&["bash", "-c", &line]), "700\n700\n", "no stage, one backup");
        assert_eq!(self.stray_keys(), [""; 0]);
    }

    /// The cluster's configuration as kubeadm keeps it, in a file that a person could have kept.
    pub(crate) fn keep_cluster_config(&self) -> &'static str {
        const KEPT: &str = "/root/cluster-config.yaml";
        let path = "jsonpath={.data.ClusterConfiguration}";
        let get =
            ["kubectl", "-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", path];
        self.write(KEPT, self.run(&get).as_bytes());
        KEPT
    }
}
