//! Client certificates: against a rustls server that demands one, and against openssl's.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use certwatch::config::channels::{AlertmanagerConfig, ClientCertificate, Secret, WebhookConfig};
use certwatch::domain::policy::Severity;
use certwatch::notify::{Failure, Network, alertmanager, webhook};

use crate::common::message::{NOW, sample};
use crate::common::pki::{Authority, Days, Pair};
use crate::common::port::free_port;
use crate::common::proxy::{Manner, Proxy};
use crate::common::server::{Server, say};
use crate::{PERMANENT, Safe, TRANSIENT, assert_fails, run};

static BOTH: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

struct Site {
    ca: Authority,
    clients: Authority,
    escape_control: Safe,
}

impl Site {
    fn new() -> Self {
        Self {
            ca: Authority::new("test CA", Days(-1, 30)),
            clients: Authority::new("client CA", Days(-1, 30)),
            escape_control: Safe::new(),
        }
    }

    fn server(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> Server {
        let names = ["127.0.0.1", "am.example.org"];
        let pair = self.ca.leaf("server", "", &names, Days(-1, 1));
        Server::mutual(&pair, &self.clients.pair, versions, |_| say(200, "ok"))
    }

    fn network(&self) -> Network {
        let ca_file = self.escape_control.file("ca.crt", &self.ca.pair.certificate);
        Network { ca_file: Some(ca_file), ..Network::default() }
    }

    fn keep(&self, pair: &Pair) -> ClientCertificate {
        let certificate = self.escape_control.file("client.crt", &pair.certificate);
        ClientCertificate { certificate, key: self.escape_control.keep("client.key", &pair.key) }
    }

    fn good(&self) -> Pair {
        self.clients.leaf("certwatch", "", &[], Days(-1, 9))
    }

    fn hook(&self, port: u16, client: Option<ClientCertificate>) -> Result<(), Failure> {
        let url = self.escape_control.keep("url", &format!("https://127.0.0.1:{port}/SECRET"));
        let settings = WebhookConfig { url, key: None, client, min_severity: Severity::Warning };
        run(webhook::send(&settings, &self.network(), &sample()))
    }
}

fn tell(url: &str, client: Option<ClientCertificate>, network: &Network) -> Result<(), Failure> {
    let urls = vec![url.to_owned()];
    let settings =
        AlertmanagerConfig { urls, token: None, client, min_severity: Severity::Warning };
    run(alertmanager::send(&settings, network, url, &sample(), NOW))
}

#[test]
fn who_is_asked_presents_its_certificate() {
    let site = Site::new();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = site.server(versions);
        assert_eq!(site.hook(server.port, Some(site.keep(&site.good()))), Ok(()));
        let url = format!("https://127.0.0.1:{}", server.port);
        let client = Some(site.keep(&site.good()));
        assert_eq!(tell(&url, client, &site.network()), Ok(()));
        assert_eq!(server.received().len(), 2);
    }
    // By a CA in between, which has to be sent along.
    let between = site.clients.intermediate("between", Days(-1, 20));
    let leaf = between.leaf("certwatch", "", &[], Days(-1, 9));
    let chain = format!("{}{}", leaf.certificate, between.pair.certificate);
    let server = site.server(&BOTH);
    let client = site.keep(&Pair { certificate: chain, key: leaf.key });
    assert_eq!(site.hook(server.port, Some(client)), Ok(()));
}

#[test]
fn it_is_presented_to_the_target_through_a_proxy() {
    use certwatch::config::{HttpConfig, ProxyConfig as Setting};
    let site = Site::new();
    let server = site.server(&BOTH);
    let proxy = Proxy::start(Manner::Honest(None));
    let setting = Setting::Url(format!("http://127.0.0.1:{}", proxy.port));
    let http = HttpConfig { proxy: setting, ..HttpConfig::default() };
    let network = Network { http, ..site.network() };
    let url = format!("https://am.example.org:{}", server.port);
    assert_eq!(tell(&url, Some(site.keep(&site.good())), &network), Ok(()));
    assert_eq!((proxy.seen().len(), server.received().len()), (1, 1));
}

#[test]
fn a_pair_that_is_replaced_needs_no_restart() {
    let site = Site::new();
    let server = site.server(&BOTH);
    let client = site.keep(&site.clients.leaf("certwatch", "", &[], Days(-9, -1)));
    let words = ["webhook (127.0.0.1) was not asked: the client certificate ", "expired on "];
    assert_fails(site.hook(server.port, Some(client.clone())), TRANSIENT, &words);
    assert_eq!(site.keep(&site.good()), client);
    assert_eq!(site.hook(server.port, Some(client)), Ok(()));
}

#[test]
fn who_refuses_it_is_told_of() {
    let site = Site::new();
    let strange = Authority::new("another CA", Days(-1, 30)).leaf("x", "", &[], Days(-1, 9));
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = site.server(versions);
        let none = site.hook(server.port, None);
        assert_fails(
            none,
            PERMANENT,
            &["webhook (127.0.0.1) ", "it may require a client certificate"],
        );
        let other = site.hook(server.port, Some(site.keep(&strange)));
        assert_fails(other, TRANSIENT, &["the client certificate"]);
        assert!(server.received().is_empty());
    }
}

#[test]
fn a_pair_that_cannot_be_used_is_said_before_anybody_is_asked() {
    let site = Site::new();
    let good = site.good();
    let why = |client: ClientCertificate| {
        let failure = site.hook(1, Some(client)).unwrap_err();
        assert_eq!(failure.kind, TRANSIENT, "{failure:?}");
        let reason = failure.reason;
        assert!(!reason.contains("PRIVATE") && !reason.contains("SECRET"), "{reason}");
        reason.replace(site.escape_control.0.path().to_str().unwrap(), "DIR")
    };
    let with = |certificate: &str, key: &str| {
        why(site.keep(&Pair { certificate: certificate.to_owned(), key: key.to_owned() }))
    };
    let start = "webhook (127.0.0.1) was not asked: ";
    let told = [
        with(&good.certificate, &site.good().key),
        with("no PEM", &good.key),
        with(&good.key, &good.key),
        with(&good.certificate, "no key"),
        with(&good.certificate, &encrypted(&good.key)),
        with(&good.certificate, &"x".repeat(20_000)),
        // As `openssl x509 -text` fills it.
        with(&format!("{}{}", "x\n".repeat(9_000), good.certificate), &good.key),
        why(ClientCertificate {
            certificate: "/nonexistent".into(),
            key: Secret::File("/k".into()),
        }),
        why(ClientCertificate { certificate: "/dev/null".into(), key: Secret::File("/k".into()) }),
        {
            let client = site.keep(&good);
            let key = site.escape_control.0.path().join("client.key");
            fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
            why(client)
        },
    ];
    let told: Vec<_> = told.iter().map(|it| it.strip_prefix(start).unwrap()).collect();
    insta::assert_snapshot!("client_pairs", told.join("\n"));
    let early = site.clients.leaf("certwatch", "", &[], Days(2, 9));
    assert!(with(&early.certificate, &early.key).contains(" is not valid until "));
    let plain = tell("http://127.0.0.1:1", Some(site.keep(&good)), &site.network());
    assert_fails(plain, PERMANENT, &["has an http:// URL"]);
}

/// The key as openssl encrypts it.
fn encrypted(key: &str) -> String {
    let escape_control = Safe::new();
    let file = escape_control.file("key", key);
    let output = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ENCRYPTED"), "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// `openssl s_server`, which says yes to the first who gets in; it ends with the test.
struct OpenSsl {
    process: Child,
    port: u16,
}

impl OpenSsl {
    fn new(site: &Site, option: &str) -> Self {
        let pair = site.ca.leaf("server", "", &["127.0.0.1"], Days(-1, 1));
        let file = |name, content: &str| -> PathBuf { site.escape_control.file(name, content) };
        let files = [
            ("-cert", file("server.crt", &pair.certificate)),
            ("-key", file("server.key", &pair.key)),
            ("-CAfile", file("clients.crt", &site.clients.pair.certificate)),
        ];
        let port = free_port();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-verify_return_error", "-Verify", "2", option]);
        command.args(["-accept", &format!("127.0.0.1:{port}")]);
        files.iter().for_each(|(option, path)| {
            command.arg(option).arg::<&Path>(path);
        });
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says ACCEPT once it listens.
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line == "ACCEPT"));
        std::thread::spawn(move || lines.for_each(drop));
        // What it is told, it tells whoever is connected.
        let stdin = process.stdin.as_mut().unwrap();
        stdin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        Self { process, port }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn openssl_is_of_the_same_mind() {
    let site = Site::new();
    let strange = Authority::new("another CA", Days(-1, 30)).leaf("x", "", &[], Days(-1, 9));
    for option in ["-tls1_3", "-tls1_2"] {
        let server = OpenSsl::new(&site, option);
        assert_eq!(site.hook(server.port, Some(site.keep(&site.good()))), Ok(()), "{option}");
        let server = OpenSsl::new(&site, option);
        let none = site.hook(server.port, None);
        assert_fails(none, PERMANENT, &["it may require a client certificate"]);
        let other = site.hook(server.port, Some(site.keep(&strange)));
        assert_fails(other, TRANSIENT, &["the client certificate"]);
    }
}
