//! One static pod: what its manifest says of its addresses and files.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::kubernetes::Version;
use crate::domain::layout::shown;
use crate::domain::renewal::termination::{Grace, GraceSettings};
use crate::domain::renewal::{Component, Fault};
use crate::fs::read::{self, ReadError};
use crate::parse::duration;
use crate::parse::manifest::{self, StaticPod};

/// Where the manifests believe the tree to be.
const KUBERNETES: &str = "/etc/kubernetes";

/// A static pod whose manifest is there.
pub(crate) struct Pod {
    pub(crate) component: Component,
    /// Its manifest.
    pub(crate) manifest: PathBuf,
    spec: StaticPod,
    kubernetes: PathBuf,
}

/// A port that presents a certificate.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ServingEndpoint {
    pub(crate) address: SocketAddr,
    /// The file of the certificate that belongs there.
    pub(crate) certificate: PathBuf,
}

impl Pod {
    /// Reads a component's manifest below the directory that stands for /etc/kubernetes; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub(crate) fn read(kubernetes: &Path, component: Component) -> Result<Option<Self>, Fault> {
        let manifest = kubernetes.join("manifests").join(format!("{component}.yaml"));
        let bytes = match read::file(&manifest) {
            Ok(bytes) => bytes,
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Fault::failed(format!("{} cannot be read: {error}", shown(&manifest))));
            }
        };
        let Some(spec) = manifest::read(&bytes) else {
            let path = shown(&manifest);
            return Err(Fault::failed(format!(
                "{path} is not a pod manifest: restore the right one"
            )));
        };
        Ok(Some(Self { component, manifest, spec, kubernetes: kubernetes.to_owned() }))
    }

    /// The version of Kubernetes.
    pub(crate) fn version(&self) -> Option<Version> {
        self.spec.version
    }

    /// True unless the component is told to lead alone.
    pub(crate) fn elects_leader(&self) -> bool {
        self.spec.flag("leader-elect") != Some("false")
    }

    /// How long it is given to end.
    pub(crate) fn grace(&self) -> Grace {
        let flags = ["shutdown-delay-duration", "shutdown-watch-termination-grace-period"];
        // What cannot be read may mean any time.
        let length = |text| duration::read(text).unwrap_or(Duration::MAX);
        let drain = flags.into_iter().filter_map(|flag| self.spec.flag(flag)).map(length);
        let period = self.spec.termination_grace_period.unwrap_or_default();
        let asked = GraceSettings {
            drain: drain.fold(Duration::ZERO, Duration::saturating_add),
            period: Duration::from_secs(period.into()),
        };
        Grace::of(self.component, asked)
    }

    /// Where an API server listens, as the kernel lists it.
    pub(crate) fn listener(&self) -> Option<SocketAddr> {
        let ip = self.spec.flag("bind-address").and_then(|text| text.parse().ok());
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let is_apiserver = self.component == Component::Apiserver;
        is_apiserver.then(|| SocketAddr::new(ip, self.address().port()))
    }

    /// The ports that present a certificate from a file.
    pub(crate) fn endpoints(&self) -> Vec<ServingEndpoint> {
        match self.component {
            Component::Etcd => {
                let client = self.file("cert-file", "pki/etcd/server.crt");
                let peer = self.file("peer-cert-file", "pki/etcd/peer.crt");
                let clients = self.https("listen-client-urls", 2379).into_iter();
                let clients =
                    clients.map(|address| ServingEndpoint { address, certificate: client.clone() });
                let peers = self.https("listen-peer-urls", 2380).into_iter();
                let peers =
                    peers.map(|address| ServingEndpoint { address, certificate: peer.clone() });
                clients.chain(peers).collect()
            }
            Component::Apiserver => {
                let certificate = self.file("tls-cert-file", "pki/apiserver.crt");
                vec![ServingEndpoint { address: self.address(), certificate }]
            }
            Component::ControllerManager | Component::Scheduler => {
                let file = self.flag_path("tls-cert-file").filter(|_| self.address().port() != 0);
                let endpoint =
                    |certificate| ServingEndpoint { address: self.address(), certificate };
                file.map(endpoint).into_iter().collect()
            }
        }
    }

    /// Where it presents what it makes for itself at each start: it was given no file, and no directory to keep it in.
    pub(crate) fn self_made(&self) -> Option<SocketAddr> {
        let makes_one =
            matches!(self.component, Component::ControllerManager | Component::Scheduler)
                && ["tls-cert-file", "cert-dir"].iter().all(|flag| self.flag(flag).is_none());
        Some(self.address()).filter(|address| makes_one && address.port() != 0)
    }

    /// What it reads when it starts, and a renewal replaces.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self.component {
            Component::Etcd => vec![
                self.file("cert-file", "pki/etcd/server.crt"),
                self.file("peer-cert-file", "pki/etcd/peer.crt"),
            ],
            Component::Apiserver => [
                ("tls-cert-file", "pki/apiserver.crt"),
                ("etcd-certfile", "pki/apiserver-etcd-client.crt"),
                ("kubelet-client-certificate", "pki/apiserver-kubelet-client.crt"),
                ("proxy-client-cert-file", "pki/front-proxy-client.crt"),
            ]
            .map(|(flag, default)| self.file(flag, default))
            .into(),
            Component::ControllerManager | Component::Scheduler => vec![self.kubeconfig()],
        }
    }

    /// The kubeconfig of kube-controller-manager or kube-scheduler.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let default = match self.component {
            Component::Scheduler => "scheduler.conf",
            _ => "controller-manager.conf",
        };
        self.file("kubeconfig", default)
    }

    /// The CA that signs what etcd's clients present.
    pub(crate) fn etcd_ca(&self) -> PathBuf {
        self.file("trusted-ca-file", "pki/etcd/ca.crt")
    }

    /// Where the component answers over HTTPS: the address others are told, or that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        let (address, port) = match self.component {
            Component::Etcd => {
                let first = self.https("listen-client-urls", 2379).into_iter().next();
                return first.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 2379)));
            }
            Component::Apiserver => ("advertise-address", 6443),
            Component::ControllerManager => ("bind-address", 10257),
            Component::Scheduler => ("bind-address", 10259),
        };
        let ip = self.spec.flag(address).and_then(|text| text.parse().ok());
        let port = self.spec.flag("secure-port").and_then(|text| text.parse().ok()).unwrap_or(port);
        reachable(SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port))
    }

    /// Where etcd says how it is, without a certificate; `None` if it was not given such a port.
    pub(crate) fn metrics(&self) -> Option<SocketAddr> {
        let urls = self.spec.flag("listen-metrics-urls")?;
        urls.split(',').find_map(|url| socket(url.trim().strip_prefix("http://")?))
    }

    fn https(&self, flag: &str, port: u16) -> Vec<SocketAddr> {
        let Some(urls) = self.spec.flag(flag) else {
            return vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        };
        let hosts = urls.split(',').filter_map(|url| url.trim().strip_prefix("https://"));
        hosts.filter_map(socket).collect()
    }

    /// The value of a flag.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.spec.flag(name)
    }

    /// The directory of which an API server's flags name kubeadm's files, by its path on the node.
    pub(crate) fn certificates_dir(&self) -> Option<PathBuf> {
        self.spec.certificates_dir()
    }

    /// The file that a flag names, by its path on the node.
    fn flag_path(&self, name: &str) -> Option<PathBuf> {
        self.flag(name).map(|path| self.spec.on_host(Path::new(path)))
    }

    fn file(&self, flag: &str, default: &str) -> PathBuf {
        let path = self.flag_path(flag).unwrap_or_else(|| Path::new(KUBERNETES).join(default));
        match path.strip_prefix(KUBERNETES) {
            Ok(rest) => self.kubernetes.join(rest),
            Err(_) => path,
        }
    }
}

/// `10.0.0.1:2379`, `[::1]:2379/` and `localhost:2379`.
pub(crate) fn socket(host: &str) -> Option<SocketAddr> {
    let host = host.trim_end_matches('/').replace("localhost:", "127.0.0.1:");
    host.parse().ok().map(reachable)
}

/// Who listens on all addresses answers on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
