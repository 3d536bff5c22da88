//! Against real servers, real processes and a laid-out node.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::handshake::{loopback_not_after, served};
use super::http::ComponentClient;
use super::pod::Pod;
use super::{ControlPlane, NodePaths};
use crate::domain::kubernetes::Version;
use crate::domain::renewal::Component;
use crate::domain::time::UnixTime;
use crate::parse::x509::sha256;

struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

struct Leaf {
    pem: String,
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn leaf(&self) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        Leaf { pem: certificate.pem(), der: certificate.der().clone(), key }
    }

    /// What it takes to serve `leaf`, and to demand a certificate of this CA.
    fn demanding(&self, leaf: &Leaf) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf.der.clone()], key(leaf))
            .unwrap()
    }
}

fn key(leaf: &Leaf) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap()
}

fn plain(leaf: &Leaf) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der.clone()], key(leaf))
        .unwrap()
}

/// Answers every request with 200 and `hello`, until the test ends.
fn serve(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
            }
        }
    });
    address
}

#[test]
fn the_served_leaf_is_seen_whether_or_not_ours_is_demanded() {
    let pki = Pki::new();
    let leaf = pki.leaf();
    assert_eq!(served(serve(plain(&leaf))), Ok(sha256(&leaf.der)));
    assert_eq!(served(serve(pki.demanding(&leaf))), Ok(sha256(&leaf.der)));
}

#[test]
fn the_certificate_in_an_api_server_s_memory_is_told_from_its_own() {
    let own = Pki::new().leaf();
    assert_eq!(loopback_not_after(serve(plain(&own))), None);

    let mut params = CertificateParams::new(["apiserver-loopback-client".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "apiserver-loopback-client@1798761600");
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let leaf = Leaf { pem: certificate.pem(), der: certificate.der().clone(), key };
    let end = UnixTime::parse("2030-01-01T00:00:00Z").unwrap();
    assert_eq!(loopback_not_after(serve(plain(&leaf))), Some(end));
}

#[test]
fn a_server_that_says_nothing_or_no_tls_serves_no_leaf() {
    // Its backlog takes the connection, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert!(served(address).is_err());
    let said = ComponentClient::anonymous().get(&format!("http://{address}/")).err().unwrap();
    assert_eq!(said, format!("http://{address}/: no answer within 3 s"));

    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = http.local_addr().unwrap();
    thread::spawn(move || http.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert!(served(address).is_err());

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(served(closed).is_err());
}

#[test]
fn a_client_proves_itself_and_is_choosy() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (server, client) = (pki.leaf(), pki.leaf());
    let url = format!("https://{}/", serve(pki.demanding(&server)));
    let with = |ca: &Pki, leaf: &Leaf| {
        let (ca, key) = (ca.ca.pem(), leaf.key.serialize_pem());
        ComponentClient::presenting(ca.as_bytes(), leaf.pem.as_bytes(), key.as_bytes())?.get(&url)
    };
    assert_eq!(with(&pki, &client).map(|it| it.body), Ok(b"hello".to_vec()));
    assert!(with(&other, &client).is_err(), "another CA signed the server's certificate");
    assert!(with(&pki, &other.leaf()).is_err(), "the server's CA did not sign the client's");
    assert!(ComponentClient::anonymous().get(&url).is_err(), "the server demands a certificate");
}

/// The admin's certificate must not be shown where somebody's environment says, and a node without a way
/// to its proxy must be renewed all the same.
#[test]
fn no_proxy_of_the_environment_is_between_us_and_the_control_plane() {
    let dead = "http://127.0.0.1:1";
    let all = ["http_proxy", "https_proxy", "all_proxy"];
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node::tests::a_client_proves_itself_and_is_choosy"])
        .envs(all.map(|name| (name, dead)))
        .envs(all.map(|name| (name.to_uppercase(), dead)))
        .env("NO_PROXY", "nobody.invalid")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_pair_that_does_not_match_is_refused_and_no_panic() {
    let pki = Pki::new();
    let (one, two) = (pki.leaf(), pki.leaf());
    let (ca, key) = (pki.ca.pem(), two.key.serialize_pem());
    let refused = |certificate: &[u8]| {
        ComponentClient::presenting(ca.as_bytes(), certificate, key.as_bytes()).err().unwrap()
    };
    for certificate in [one.pem.as_bytes(), b""] {
        let why = refused(certificate);
        assert!(why.contains("do not match"), "{why}");
    }
}

/// A node with nothing but its directories.
pub(crate) fn node() -> (TempDir, NodePaths) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("kubernetes/manifests")).unwrap();
    let paths = NodePaths {
        kubernetes: at("kubernetes"),
        kubelet: at("kubelet"),
        work: at("work"),
        kubeadm: at("kubeadm"),
        is_stage_shown: false,
    };
    (directory, paths)
}

fn manifest(paths: &NodePaths, component: Component, flags: &[&str]) -> Pod {
    let command = flags.join("\n    - ");
    let text = format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - {component}\n    - {command}\n    image: r/{component}:v1.28.4\n"
    );
    fs::write(paths.manifests().join(format!("{component}.yaml")), text).unwrap();
    Pod::read(&paths.kubernetes, component).unwrap().unwrap()
}

fn addresses(pod: &Pod) -> Vec<String> {
    pod.endpoints().iter().map(|it| it.address.to_string()).collect()
}

#[test]
fn the_flags_say_where_etcd_serves_what() {
    let (_directory, paths) = node();
    let etcd = manifest(
        &paths,
        Component::Etcd,
        &[
            "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
            "--listen-client-urls=https://127.0.0.1:2379,https://[fd00::1]:2379",
            "--listen-metrics-urls=http://127.0.0.1:2381",
            "--listen-peer-urls=https://0.0.0.0:2380",
            "--peer-cert-file=/srv/peer.crt",
        ],
    );
    assert_eq!(addresses(&etcd), ["127.0.0.1:2379", "[fd00::1]:2379", "127.0.0.1:2380"]);
    assert_eq!(etcd.endpoints()[0].certificate, paths.pki().join("etcd/server.crt"));
    assert_eq!(etcd.endpoints()[2].certificate, Path::new("/srv/peer.crt"));
    assert_eq!(etcd.metrics().unwrap().to_string(), "127.0.0.1:2381");
}

#[test]
fn what_no_flag_says_is_as_kubeadm_has_it() {
    let (_directory, paths) = node();
    let apiserver = manifest(&paths, Component::Apiserver, &["--advertise-address=10.0.0.1"]);
    assert_eq!(addresses(&apiserver), ["10.0.0.1:6443"]);
    assert_eq!(apiserver.endpoints()[0].certificate, paths.pki().join("apiserver.crt"));
    assert_eq!(apiserver.version(), Version::parse("v1.28.4"));
    let manager = manifest(&paths, Component::ControllerManager, &["--bind-address=0.0.0.0"]);
    assert_eq!(manager.address().to_string(), "127.0.0.1:10257");
    assert_eq!(manager.kubeconfig(), paths.kubernetes.join("controller-manager.conf"));
    let flags = ["--secure-port=1", "--kubeconfig=/etc/kubernetes/a.conf", "--leader-elect=false"];
    let scheduler = manifest(&paths, Component::Scheduler, &flags);
    assert_eq!(scheduler.address().to_string(), "127.0.0.1:1");
    assert_eq!(scheduler.kubeconfig(), paths.kubernetes.join("a.conf"));
    assert!(manager.elects_leader() && !scheduler.elects_leader());
}

#[test]
fn etcd_is_external_without_a_manifest_and_nobody_guesses_at_a_broken_one() {
    let (_directory, paths) = node();
    manifest(&paths, Component::Apiserver, &["--advertise-address=10.0.0.1"]);
    assert!(ControlPlane::read(&paths).unwrap().has_external_etcd());
    fs::write(paths.manifests().join("etcd.yaml"), "kind: Pod\nspec: SECRET\n").unwrap();
    let fault = ControlPlane::read(&paths).err().unwrap();
    assert!(fault.what.contains("etcd.yaml") && !fault.what.contains("SECRET"), "{fault}");
}
