//! Static pods that are none of the components and use what a renewal replaces, as kube-vip uses admin.conf.
//!
//! A renewed file is another file under the same name. A pod that mounts the file by itself keeps the one that was
//! there when its container started; one that sees the directory may have read it then.

use serde::{Deserialize, Serialize};

use crate::domain::text::listed;

use super::SideResult;

/// Such a pod.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OtherPod {
    /// As its manifest calls it.
    pub name: String,
    /// As the kubelet calls it, with the node's name.
    pub full_name: String,
    /// Which certificates it uses.
    pub uses: Vec<PodUse>,
    /// `renew.restart-pods` names it: it is restarted once the components are proved to use the new files.
    pub restart: bool,
    /// What became of that.
    #[serde(default)]
    pub result: SideResult,
}

/// One certificate that a pod uses.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PodUse {
    /// By kubeadm's NAME.
    pub certificate: String,
    /// How it has the file.
    pub access: FileAccess,
    /// It was seen to have another file than the one that is there now.
    pub is_stale: bool,
}

/// How a container has a file of the host.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileAccess {
    /// The file itself is mounted.
    Mounted,
    /// A directory with it is mounted, and a flag or a variable names it.
    Named,
    /// A directory with it is mounted.
    Visible,
}

impl OtherPod {
    /// Whether it certainly goes on with what was there before; otherwise nobody can know.
    pub(crate) fn is_certain(&self) -> bool {
        self.uses.iter().any(|it| it.access == FileAccess::Mounted)
    }

    /// True as long as it was not restarted.
    pub(crate) fn is_left(&self) -> bool {
        self.result != SideResult::Done
    }

    /// What a renewal means for it, after its name.
    pub(crate) fn words(&self) -> String {
        let closest = self.uses.iter().map(|it| it.access).min().unwrap_or(FileAccess::Visible);
        let names: Vec<_> = self.uses.iter().filter(|it| it.access == closest).collect();
        let names: Vec<_> = names.iter().map(|it| it.certificate.as_str().into()).collect();
        let (verb, why) = match closest {
            FileAccess::Mounted => ("uses", "because it mounts single files"),
            FileAccess::Named => {
                ("may use", "if it reads what its manifest names only at its start")
            }
            FileAccess::Visible => {
                ("may use", "if it reads what is in the directory that it mounts only at its start")
            }
        };
        format!("{verb} the old {} until it is restarted, {why}", listed(&names))
    }

    /// What is left to do once the files are new: sentences without the last full stop.
    pub(crate) fn to_do(&self) -> String {
        let Self { name, .. } = self;
        let (words, command) = (self.words(), restart_command(&self.full_name));
        let at_each = if self.restart {
            String::new()
        } else {
            format!(", and `restart-pods = [\"{name}\"]` in [renew] does so at each renewal")
        };
        format!("The static pod {name} {words}. `{command}` restarts it{at_each}")
    }
}

/// How a person restarts a pod, by its name with the node's.
pub(crate) fn restart_command(full_name: &str) -> String {
    format!("crictl stop $(crictl ps -q --label io.kubernetes.pod.name={full_name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uses: &[(&str, FileAccess)]) -> OtherPod {
        let one = |(name, access): &(&str, FileAccess)| PodUse {
            certificate: (*name).to_owned(),
            access: *access,
            is_stale: false,
        };
        OtherPod {
            name: "kube-vip".to_owned(),
            full_name: "kube-vip-cp1".to_owned(),
            uses: uses.iter().map(one).collect(),
            restart: false,
            result: SideResult::Pending,
        }
    }

    #[test]
    fn only_a_file_that_is_mounted_by_itself_is_certain() {
        let vip = pod(&[("admin.conf", FileAccess::Mounted), ("apiserver", FileAccess::Visible)]);
        assert!(vip.is_certain() && vip.is_left());
        assert_eq!(
            vip.to_do(),
            "The static pod kube-vip uses the old admin.conf until it is restarted, because it mounts single files. \
             `crictl stop $(crictl ps -q --label io.kubernetes.pod.name=kube-vip-cp1)` restarts it, and \
             `restart-pods = [\"kube-vip\"]` in [renew] does so at each renewal"
        );
        let exporter = pod(&["a", "b", "c", "d"].map(|name| (name, FileAccess::Visible)));
        assert!(!exporter.is_certain());
        assert!(exporter.words().starts_with("may use the old a and 3 more until"));
        let named = pod(&[("a", FileAccess::Visible), ("b", FileAccess::Named)]);
        assert!(named.words().starts_with("may use the old b until"), "{}", named.words());
    }
}
