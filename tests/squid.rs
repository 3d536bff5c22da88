//! Through a real proxy: Debian's squid, with its rule that CONNECT is for the ports of TLS alone, and a login.
//!
//! Needs root and the package (tests/lab/squid.sh): part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use certwatch::config::channels::Secret;
use certwatch::config::{HttpConfig, ProxyConfig};
use certwatch::notify::http::{self, Endpoint, HttpRequest, HttpResponse};
use certwatch::notify::{Failure, FailureKind, Network};
use common::pki::{Authority, Days};
use common::port::free_port;
use common::server::{Server, say};
use common::wait::until;
use serde_json::json;
use tempfile::TempDir;

/// Ends with the test.
struct Squid {
    process: Child,
    port: u16,
    dir: TempDir,
}

impl Squid {
    /// One that lets CONNECT through to `tls` alone, as Debian's does to 443.
    fn new(tls: u16) -> Self {
        let dir = TempDir::new().unwrap();
        // It becomes the user proxy.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (at, port) = (dir.path().display(), free_port());
        let hash =
            Command::new("openssl").args(["passwd", "-apr1", "right SECRET"]).output().unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        fs::write(dir.path().join("users"), format!("user:{hash}")).unwrap();
        let config = format!(
            "http_port 127.0.0.1:{port}\npid_filename none\ncache deny all\ncache_log {at}/cache.log\n\
             access_log stdio:{at}/access.log\ncoredump_dir {at}\n\
             auth_param basic program /usr/lib/squid/basic_ncsa_auth {at}/users\n\
             acl known proxy_auth REQUIRED\nacl tls port {tls}\nacl CONNECT method CONNECT\n\
             http_access deny CONNECT !tls\nhttp_access allow known\nhttp_access deny all\n\
             shutdown_lifetime 0 seconds\n"
        );
        let file = dir.path().join("squid.conf");
        fs::write(&file, config).unwrap();
        let process = Command::new("squid")
            .args(["-N", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let squid = Self { process, port, dir };
        until("squid", || TcpStream::connect(("127.0.0.1", port)));
        squid
    }

    fn network(&self, login: &str, ca_file: Option<PathBuf>) -> Network {
        let file = self.dir.path().join("url");
        fs::write(&file, format!("http://{login}127.0.0.1:{}", self.port)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let http =
            HttpConfig { proxy: ProxyConfig::Secret(Secret::File(file)), ..HttpConfig::default() };
        Network { ca_file, http, ..Network::default() }
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn post(url: &str, network: &Network) -> Result<HttpResponse, Failure> {
    let endpoint = Endpoint::in_clear_too("webhook", url)?;
    http::post(&HttpRequest::json(endpoint, &json!({"text": "hello"})), network)
}

/// An address of this host that is none of loopback, which no proxy is used for.
fn host_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

#[test]
fn squid_lets_both_kinds_through_and_its_refusals_are_understood() {
    let address = host_address();
    let ca = Authority::new("test CA", Days(-1, 9));
    let pair = ca.leaf("server", "", &[&address.to_string()], Days(-1, 9));
    let tls = Server::on_all_addresses(Some(&pair), |_| say(200, "by TLS"));
    let plain = Server::on_all_addresses(None, |_| say(200, "in clear"));
    let squid = Squid::new(tls.port);
    let ca_file = squid.dir.path().join("ca.crt");
    fs::write(&ca_file, &ca.pair.certificate).unwrap();
    let known = squid.network("user:right%20SECRET@", Some(ca_file.clone()));

    let sent = post(&format!("https://{address}:{}/", tls.port), &known).unwrap();
    assert_eq!(sent.body, "by TLS");
    assert_eq!(tls.received()[0].header("via"), None);
    let sent = post(&format!("http://{address}:{}/", plain.port), &known).unwrap();
    assert_eq!(sent.body, "in clear");
    let received = plain.received().remove(0);
    assert!(received.header("via").is_some_and(|it| it.contains("squid")), "{received:?}");
    assert_eq!(received.header("proxy-authorization"), None);

    let refusal = |url: &str, network: &Network| {
        let failure = post(url, network).unwrap_err();
        assert!(!failure.reason.contains("SECRET"), "{failure:?}");
        failure
    };
    // A port that CONNECT is not for, one that nobody listens at, a wrong password and none.
    let denied = refusal(&format!("https://{address}:{}/", plain.port), &known);
    assert_eq!(denied.kind, FailureKind::Permanent);
    assert!(
        denied.reason.contains("the proxy 127.0.0.1 refused: HTTP 403; let it connect to "),
        "{denied:?}"
    );
    let nobody = refusal(&format!("http://{address}:1/"), &known);
    assert_eq!(nobody.kind, FailureKind::Transient(None));
    assert!(
        nobody.reason.contains("the proxy 127.0.0.1 returned HTTP 503: it could not reach "),
        "{nobody:?}"
    );
    for (login, words) in [
        ("user:wrong@", "check its user and password in http.proxy-file"),
        ("", "it requires a user"),
    ] {
        let network = squid.network(login, Some(ca_file.clone()));
        for url in [
            format!("https://{address}:{}/", tls.port),
            format!("http://{address}:{}/", plain.port),
        ] {
            let failure = refusal(&url, &network);
            // Its URL is in a file, which may be mended.
            assert_eq!(failure.kind, FailureKind::Transient(None));
            assert!(
                failure.reason.contains(&format!("the proxy 127.0.0.1 refused: HTTP 407; {words}")),
                "{failure:?}"
            );
        }
    }
    assert_eq!((tls.received().len(), plain.received().len()), (1, 1));
}
