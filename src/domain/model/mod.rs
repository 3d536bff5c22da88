//! What a scan saw, as data.

mod certificate;
mod defect;
mod endpoint;
mod file_format;
mod in_use;
mod reason;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kubernetes::Version;
use super::role::Role;
pub use certificate::{Attribute, Ca, Certificate, ClientAuth, Loopback, Name, Sha256, Signer};
pub use defect::{Defect, PemFault, PemFaultKind};
pub use endpoint::{ChainFault, PresentedChain};
pub use file_format::FileFormat;
pub use in_use::{HeldFile, StaleEvidence, StaleUse};
pub use reason::Reason;

/// Everything one scan saw. Each input has an item: what cannot be judged is an item with a
/// [`Problem`](Content::Problem), never a missing row.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// What is judged.
    pub items: Vec<Item>,
    /// The rest of the node: read only so that `items` can be compared with it
    /// (`certwatch check PATH` judges PATH alone, but a stale copy is stale against admin.conf).
    pub context: Vec<Item>,
    /// Rotated kubelet certificates that nothing points at: not read, not judged.
    pub leftovers: Vec<PathBuf>,
    /// What components have read at their start.
    pub held: Vec<HeldFile>,
    /// The components of this node were asked what they use.
    pub has_asked: bool,
    /// How many endpoints were not asked, because nothing may be connected to.
    pub endpoints_left_out: usize,
    /// What is known of the components of the node.
    pub components: Components,
}

/// What the manifests and kubeconfigs of a node say of its components.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Components {
    /// The version of the API server, if its image has a tag that says it.
    pub version: Option<Version>,
    /// The files whose one CA kube-controller-manager signs with.
    pub signing_files: Vec<PathBuf>,
    /// Under which names its servers are reached.
    pub server_names: Vec<ServerName>,
    /// How the kubelet comes by its own certificates.
    pub kubelet: KubeletSettings,
}

/// What the kubelet's flags and configuration say of its own certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KubeletSettings {
    /// It renews its client certificate by itself (`rotateCertificates`); `None` where nobody can tell.
    pub rotates: Option<bool>,
    /// It makes its serving certificate by itself, in kubeadm's place: it is given none (`tlsCertFile`), and requests
    /// none (`serverTLSBootstrap`).
    pub makes_serving: bool,
    /// Its client certificate, or its kubeconfig, is not where kubeadm has it.
    pub is_elsewhere: bool,
}

/// A name or address under which a server of this node is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName {
    /// The file of the certificate that it presents.
    pub certificate: PathBuf,
    /// The name or address that has to be in it.
    pub host: String,
    /// Who uses it, or what says so: a file or a flag.
    pub by: String,
    /// A component or kubeconfig of this node does; else somebody may.
    pub is_dialed: bool,
}

/// One certificate, or one place where one should be.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// What it is for.
    pub role: &'static Role,
    /// What was found there.
    pub content: Content,
    /// Whether the key of the CA that signs here (of a CA: its own) is on this node; `None` where
    /// no CA is known.
    pub has_key: Option<bool>,
    /// What on the node names the file: `kube-apiserver --tls-cert-file`; `None` where only its place says what it is.
    pub named_by: Option<Arc<str>>,
    /// The component that goes on with another one.
    pub stale_use: Option<Box<StaleUse>>,
    /// Of an endpoint: the rest of what it presents, and what it should.
    pub chain: Option<Box<PresentedChain>>,
}

/// Where a certificate is. Path and entry are its identity: a renewal changes neither.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The file, as seen on the node.
    pub path: Arc<Path>,
    /// Which part of the file.
    pub entry: Entry,
}

/// Which part of a file a certificate comes from.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Entry {
    /// The n-th certificate of a PEM or DER file, from 0.
    Pem(u32),
    /// The n-th certificate of the CA of a kubeconfig's cluster.
    Cluster {
        /// Name of the cluster.
        name: Box<str>,
        /// URL of the API server, without user information.
        server: Box<str>,
        /// Position in the CA bundle, from 0.
        index: u32,
    },
    /// What a server presents to who asks for this name, its host if there is none; the path is its address.
    Endpoint(Option<Box<str>>),
    /// What a component presents to who connects to it, and has no file of; the path is its name.
    Presented(SocketAddr),
    /// A running process; the path is its name.
    Process(u32),
    /// The n-th client certificate of a kubeconfig's user.
    User {
        /// Name of the user.
        name: Box<str>,
        /// Position in the chain, from 0: 0 is the user's own.
        index: u32,
    },
    /// The file as a whole.
    Whole,
}

/// What was found in a place.
#[derive(Clone, Debug)]
pub enum Content {
    /// A certificate that could be read.
    Certificate(Box<Certificate>),
    /// A kube-apiserver process, whose loopback certificate is in its memory only.
    Loopback(Loopback),
    /// Nothing that can be judged, and why.
    Problem(Reason),
}

impl Place {
    /// A place in `path`.
    pub fn new(path: impl Into<Arc<Path>>, entry: Entry) -> Self {
        Self { path: path.into(), entry }
    }

    /// Base name of the path, or the whole path where there is none.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

impl Item {
    /// What was found in a place, and nothing else known of it.
    pub fn new(place: Place, role: &'static Role, content: Content) -> Self {
        Self { place, role, content, has_key: None, named_by: None, stale_use: None, chain: None }
    }

    /// The certificate, where there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.content {
            Content::Certificate(certificate) => Some(certificate),
            Content::Loopback(_) | Content::Problem(_) => None,
        }
    }
}
