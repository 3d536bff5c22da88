//! What there is to do, as a command or in words.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::text::{escape_control, shell_word};

/// What to do about a finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// A command that can be pasted into a root shell on the node.
    Command(String),
    /// What a person has to do, where no one command does it.
    Words(String),
}

impl Remedy {
    /// The command, where there is one.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Command(command) => Some(command),
            Self::Words(_) => None,
        }
    }
}

/// `run: …` or the words.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "run: {command}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// The phase of `kubeadm init` that makes the file anew if it is absent.
pub(super) fn kubeadm_phase(name: &str) -> String {
    match name.strip_suffix(".conf") {
        Some(conf) => format!("kubeconfig {conf}"),
        None => format!("certs {name}"),
    }
}

/// Words that stand for a remedy.
pub(super) fn words(text: &str) -> Remedy {
    Remedy::Words(text.to_owned())
}

/// The path as a word of a command; `None` for one that would not be the same after pasting.
pub(super) fn pasteable(path: &Path) -> Option<String> {
    pasteable_text(path.to_str()?)
}

pub(super) fn pasteable_text(text: &str) -> Option<String> {
    (escape_control(text) == text).then(|| shell_word(text).into_owned())
}

/// What restarts a component of this node, by its owner's name in a role; the kubelet starts a static pod again.
pub(super) fn restart(owner: &str) -> Option<&'static str> {
    match owner {
        "controller-manager" => Some("pkill -x kube-controller"),
        "etcd" => Some("pkill -x etcd"),
        "kube-apiserver" => Some("pkill -x kube-apiserver"),
        "kubelet" => Some("systemctl restart kubelet"),
        "scheduler" => Some("pkill -x kube-scheduler"),
        _ => None,
    }
}
