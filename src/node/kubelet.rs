//! The kubelet of this node and its container runtime: who it is, how long its certificate is valid, and whether both are
//! well.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::domain::layout::shown;
use crate::domain::model::{Attribute, Certificate};
use crate::domain::renewal::Fault;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::parse::kubeconfig::{self, PemSource};
use crate::parse::x509::{self, Authority, Issuers};
use crate::parse::{self, pem};

use super::NodePaths;
use super::http::ComponentClient;

/// The name under which the kubelet looks for the one to use.
pub(crate) const CURRENT: &str = "kubelet-client-current.pem";

/// Where runtimes listen by default, as kubeadm looks for them where the kubelet was told of none
/// (`cmd/kubeadm/app/constants/constants_unix.go`). The first is what is missed where there is none.
const RUNTIMES: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
];

/// The end of the kubelet's client certificate, the one that its kubelet.conf has or names, in the
/// last second of its validity; `None` if there is none that can be read.
pub(crate) fn client_not_after(paths: &NodePaths) -> Option<UnixTime> {
    Some(client(paths)?.not_after)
}

/// True if the kubelet has a kubelet.conf that its rotation knows nothing of: with a certificate in it, as a
/// rescue that did not end has left it, or with the name of one that is not there.
pub(crate) fn is_stranded(paths: &NodePaths) -> bool {
    let has_conf = read::file(&conf_path(paths)).is_ok();
    has_conf && (embedded(paths).is_some() || client(paths).is_none())
}

/// The certificate that the kubelet starts with.
fn client(paths: &NodePaths) -> Option<Certificate> {
    embedded(paths).or_else(|| certificate(&read::file(&pki(paths).join(CURRENT)).ok()?))
}

/// The certificate inside kubelet.conf.
pub(crate) fn embedded(paths: &NodePaths) -> Option<Certificate> {
    let conf = kubeconfig::read(&read::file(&conf_path(paths)).ok()?).ok()?;
    match &conf.users.first()?.certificate {
        PemSource::Inline(Ok(pem)) => certificate(pem),
        PemSource::Inline(Err(_)) | PemSource::File(_) => None,
    }
}

/// The first certificate of some PEM.
pub(crate) fn certificate(bytes: &[u8]) -> Option<Certificate> {
    let block = pem::certificates(bytes).into_iter().next()?.ok()?;
    x509::read(&block.der, false, Authority::Beside(&[]), &Issuers::default()).ok()
}

/// What stands before a node's name in that of its kubelet as a user.
const USER: &str = "system:node:";

/// The name of the kubelet as a user, `system:node:NAME`, as its old certificate has it: NAME need not be the host's.
///
/// # Errors
/// Neither its certificate nor its kubelet.conf tells.
pub(crate) fn user(paths: &NodePaths) -> Result<String, Fault> {
    let certificate = client(paths).map(|it| it.subject.value(&Attribute::Cn).into_owned());
    // A kubelet.conf of kubeadm's names its user so, and may be all that is left.
    let conf = read::file(&conf_path(paths)).ok().and_then(|it| kubeconfig::read(&it).ok());
    let user = conf.and_then(|conf| Some(conf.users.first()?.name.clone()));
    let names = [certificate, user].into_iter().flatten();
    names.into_iter().find(|name| name.len() > USER.len() && name.starts_with(USER)).ok_or_else(
        || {
            Fault::failed(format!(
                "the node's name is unknown: neither {} nor kubelet.conf has a certificate for {USER}NAME",
                shown(&pki(paths).join(CURRENT))
            ))
        },
    )
}

/// The name of the node in the cluster.
///
/// # Errors
/// As of [`user`].
pub(crate) fn node_name(paths: &NodePaths) -> Result<String, Fault> {
    Ok(user(paths)?.split_off(USER.len()))
}

/// Where it serves; `None` if it was told not to.
pub(crate) fn server(paths: &NodePaths) -> Option<SocketAddr> {
    // Without its file it has its defaults.
    let config = read::file(&paths.kubelet.join("config.yaml")).unwrap_or_default();
    parse::kubelet::server(&config)
}

/// What is wrong with the kubelet, asked on its `healthzPort`. One that is told to answer nobody is taken for well.
pub(crate) fn kubelet_down(paths: &NodePaths) -> Option<Blocker> {
    // Without its file it has its defaults.
    let config = read::file(&paths.kubelet.join("config.yaml")).unwrap_or_default();
    let url = format!("http://{}/healthz", parse::kubelet::healthz(&config)?);
    match ComponentClient::anonymous().get(&url) {
        Ok(answer) if answer.status == 200 => None,
        Ok(answer) => Some(Blocker::KubeletDown(format!("{url} returns status {}", answer.status))),
        Err(why) => Some(Blocker::KubeletDown(why)),
    }
}

/// What is wrong with the container runtime that the kubelet uses.
pub(crate) fn runtime_down(paths: &NodePaths) -> Option<Blocker> {
    let read = |name: &str| read::file(&paths.kubelet.join(name)).unwrap_or_default();
    let flags = String::from_utf8_lossy(&read("kubeadm-flags.env")).into_owned();
    let configs = [&*read("config.yaml"), &*read("instance-config.yaml")];
    let socket = parse::kubelet::runtime_socket(&flags, configs);
    let present = || RUNTIMES.iter().find(|it| Path::new(it).exists()).unwrap_or(&RUNTIMES[0]);
    let socket = socket.unwrap_or_else(|| PathBuf::from(present()));
    let error = knock(&socket).err()?;
    Some(Blocker::RuntimeDown { socket, why: error.to_string() })
}

/// Whether something listens at a socket; never waits.
fn knock(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

/// Its kubeconfig.
pub(crate) fn conf_path(paths: &NodePaths) -> PathBuf {
    paths.kubernetes.join("kubelet.conf")
}

/// The directory of its certificates.
pub(crate) fn pki(paths: &NodePaths) -> PathBuf {
    paths.kubelet.join("pki")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_answers_only_while_somebody_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        assert!(knock(&path).is_err());
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(knock(&path), Ok(()));
        drop(listener);
        assert!(knock(&path).is_err());
    }
}
