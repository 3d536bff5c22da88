//! One of the kubelet's own certificates that is renewed, and the way to another one.

use serde::{Deserialize, Serialize};

use crate::domain::role::{KUBELET_CLIENT, KUBELET_SERVING};
use crate::domain::time::UnixTime;

/// One of the kubelet's own certificates that is renewed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KubeletRenewal {
    /// How.
    pub way: KubeletWay,
    /// When the present one ends.
    pub ends: UnixTime,
}

/// The way to another certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KubeletWay {
    /// The kubelet is restarted, and rotates its client certificate at its start.
    Rotation,
    /// The kubelet is given a client certificate, because it cannot get one by itself any more.
    Recovery,
    /// The kubelet makes its serving certificate anew at its start, because there is none.
    Serving,
}

impl KubeletWay {
    /// The certificate's name, as in `certwatch check`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rotation | Self::Recovery => KUBELET_CLIENT.id,
            Self::Serving => KUBELET_SERVING.id,
        }
    }

    /// The certificate, as the kubelet's.
    pub(super) const fn certificate(self) -> &'static str {
        match self {
            Self::Rotation | Self::Recovery => "client certificate",
            Self::Serving => "serving certificate",
        }
    }

    /// What is done, as a sentence about the kubelet without its full stop.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Rotation => {
                "its client certificate should have been rotated: it is restarted, and rotates it at its start; \
                 pods go on running"
            }
            Self::Recovery => {
                "it gets a new client certificate and is restarted; pods go on running"
            }
            Self::Serving => {
                "the serving certificate that it has signed itself is moved away: it is restarted, and makes another \
                 one at its start; pods go on running"
            }
        }
    }

    /// A stable name for programs.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Recovery => "recovery",
            Self::Serving => "serving",
        }
    }
}

/// Why what is in another place is left alone.
pub(super) const ELSEWHERE: &str = "the kubelet keeps its certificate or its kubeconfig in another place than kubeadm \
                                    (--cert-dir, --kubeconfig, or client-certificate in kubelet.conf): renew it \
                                    there, and restart the kubelet";

/// Why what is never rotated is left alone for now, and until when.
pub(super) fn rotation_off(given: UnixTime) -> String {
    format!(
        "the kubelet does not rotate it (rotateCertificates is not true in its configuration, or \
         --rotate-certificates=false is among its flags): certwatch gives it another one on {}",
        given.date()
    )
}
