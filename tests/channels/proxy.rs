//! Every channel through a strict proxy, through bad ones, and past them.

use std::process::Command;
use std::time::Duration;

use certwatch::config::channels::{
    AlertmanagerConfig, HeartbeatConfig, PagerDutyConfig, SlackBy, SlackConfig, WebhookConfig,
};
use certwatch::config::{HttpConfig, ProxyConfig as Setting};
use certwatch::domain::policy::Severity;
use certwatch::notify::http::{self, Endpoint, HttpRequest, HttpResponse};
use certwatch::notify::{
    Failure, Network, Receipt, alertmanager, heartbeat, pagerduty, slack, webhook,
};
use serde_json::json;

use crate::common::message::{NOW, sample, single, test};
use crate::common::pki::{Authority, Days};
use crate::common::proxy::{Manner, Proxy};
use crate::common::server::{Reply, Server, say};
use crate::{PERMANENT, Safe, TRANSIENT, assert_fails, run};

/// `user:pass SECRET`
const LOGIN: &str = "Basic dXNlcjpwYXNzIFNFQ1JFVA==";

fn through(port: u16) -> HttpConfig {
    let proxy = Setting::Url(format!("http://127.0.0.1:{port}"));
    HttpConfig { proxy, ..HttpConfig::default() }
}

/// A CA, a server of any name below `example.org`, and the file of the CA.
struct Site {
    server: Server,
    ca_file: std::path::PathBuf,
    escape_control: Safe,
}

impl Site {
    fn new(reply: Reply) -> Self {
        let (ca, escape_control) = (Authority::new("test CA", Days(-1, 30)), Safe::new());
        let ca_file = escape_control.file("ca.crt", &ca.pair.certificate);
        let pair = ca.leaf("server", "", &["hooks.example.org"], Days(-1, 1));
        Self { server: Server::tls(&pair, move |_| reply.clone()), ca_file, escape_control }
    }

    fn network(&self, http: HttpConfig) -> Network {
        Network { ca_file: Some(self.ca_file.clone()), http, ..Network::default() }
    }

    /// With a name that only the proxy knows.
    fn url(&self, path: &str) -> String {
        format!("https://hooks.example.org:{}{path}", self.server.port)
    }

    fn post(&self, http: HttpConfig) -> Result<HttpResponse, Failure> {
        post(&self.url("/SECRET"), &self.network(http))
    }
}

fn post(url: &str, network: &Network) -> Result<HttpResponse, Failure> {
    let endpoint = Endpoint::in_clear_too("Slack", url)?;
    let timeout = Duration::from_secs(2);
    let request =
        HttpRequest { timeout, ..HttpRequest::json(endpoint, &json!({"text": "PLAINTEXT"})) };
    http::post(&request.with("Authorization", "Bearer PLAINTEXT".to_owned()), network)
}

#[test]
fn https_goes_end_to_end_through_connect() {
    let site = Site::new(say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(None));
    assert_eq!(site.post(through(proxy.port)).map(|it| it.body), Ok("ok".to_owned()));
    let seen = proxy.seen().remove(0);
    let target = format!("hooks.example.org:{}", site.server.port);
    let agent = concat!("certwatch/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        seen.head,
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\n\r\n")
    );
    // A TLS record of a handshake, and nothing that could be read.
    assert_eq!(seen.tunnelled[..2], [22, 3]);
    for word in ["PLAINTEXT", "SECRET"] {
        let bytes = word.as_bytes();
        assert!(!seen.tunnelled.windows(bytes.len()).any(|it| it == bytes), "{word}");
    }
    let received = site.server.received().remove(0);
    assert_eq!(received.header("host"), Some(target.as_str()));
    assert_eq!(received.header("proxy-authorization"), None);
    assert_eq!(received.path, "/SECRET");
}

#[test]
fn the_certificate_is_the_targets() {
    // The proxy itself may have any name; the target not.
    let site = Site::new(say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(None));
    let url = format!("https://other.example.org:{}/SECRET", site.server.port);
    let result = post(&url, &site.network(through(proxy.port)));
    let words = [
        "Slack (other.example.org), through the proxy 127.0.0.1, has a certificate for another name",
    ];
    assert_fails(result, PERMANENT, &words);
    let other = Site::new(say(200, "ok"));
    let network = Network {
        ca_file: Some(other.ca_file.clone()),
        http: through(proxy.port),
        ..Network::default()
    };
    assert_fails(post(&site.url("/SECRET"), &network), PERMANENT, &["CA that is not trusted"]);
    assert!(site.server.received().is_empty());
}

#[test]
fn http_goes_in_the_absolute_form() {
    let server = Server::start(|_| say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(Some(LOGIN)));
    let escape_control = Safe::new();
    let secret = escape_control
        .keep("proxy", &format!("http://user:pass%20SECRET@127.0.0.1:{}", proxy.port));
    let http = HttpConfig { proxy: Setting::Secret(secret), ..HttpConfig::default() };
    let target = format!("am.example.org:{}", server.port);
    let network = Network { http, ..Network::default() };
    let sent = post(&format!("http://{target}/api/v2/alerts?x=1"), &network);
    assert_eq!(sent.map(|it| it.body), Ok("ok".to_owned()));
    let seen = proxy.seen().remove(0);
    let first = format!("POST http://{target}/api/v2/alerts?x=1 HTTP/1.1\r\n");
    assert!(seen.head.starts_with(&first), "{}", seen.head);
    let received = server.received().remove(0);
    assert_eq!(received.path, "/api/v2/alerts?x=1");
    assert_eq!(received.header("host"), Some(target.as_str()));
    // Where the proxy leaves it out, nobody else has put it in.
    assert_eq!(received.header("proxy-authorization"), None);
    assert_eq!(received.header("authorization"), Some("Bearer PLAINTEXT"));
}

#[test]
fn a_login_is_for_the_proxy_alone() {
    let site = Site::new(say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(Some(LOGIN)));
    let keep = |login: &str| {
        let url = format!("http://{login}127.0.0.1:{}", proxy.port);
        HttpConfig {
            proxy: Setting::Secret(site.escape_control.keep("proxy", &url)),
            ..HttpConfig::default()
        }
    };
    assert_eq!(site.post(keep("user:pass%20SECRET@")).map(|it| it.status), Ok(200));
    assert_eq!(site.server.received()[0].header("proxy-authorization"), None);
    let words = "Slack (hooks.example.org): the proxy 127.0.0.1 refused: HTTP 407; check its user and password in \
                 http.proxy-file";
    // The file may get the new password later than the proxy.
    assert_fails(site.post(keep("user:old%20SECRET@")), TRANSIENT, &[words]);
    assert_fails(site.post(keep("")), TRANSIENT, &["HTTP 407; it requires a user and a password"]);
    let plain = post("http://am.example.org:1/SECRET", &site.network(keep("user:SECRET@")));
    assert_fails(plain, TRANSIENT, &["the proxy 127.0.0.1 refused: HTTP 407; check its user"]);
    // A URL in the configuration stays as it is.
    let without = site.post(through(proxy.port));
    assert_fails(without, PERMANENT, &["HTTP 407; it requires a user and a password"]);
}

#[test]
fn a_proxy_that_misbehaves_is_named_and_costs_no_more_than_another() {
    let site = Site::new(say(200, "ok"));
    let who = "Slack (hooks.example.org): the proxy 127.0.0.1 ";
    for (manner, kind, words) in [
        (Manner::Hang, TRANSIENT, "timed out"),
        (Manner::Trickle, TRANSIENT, "timed out"),
        (Manner::Endless, TRANSIENT, "did not respond as an HTTP proxy"),
        (Manner::Garbage, TRANSIENT, "did not respond as an HTTP proxy"),
        (Manner::Close, TRANSIENT, "closed the connection before it had answered"),
        (
            Manner::Status(502),
            TRANSIENT,
            "returned HTTP 502: it could not reach hooks.example.org:",
        ),
        (
            Manner::Status(503),
            TRANSIENT,
            "returned HTTP 503: it could not reach hooks.example.org:",
        ),
        (Manner::Status(403), PERMANENT, "refused: HTTP 403; let it connect to hooks.example.org:"),
        (Manner::Status(407), PERMANENT, "refused: HTTP 407; "),
        (Manner::Status(302), PERMANENT, "refused: HTTP 302; "),
        (Manner::Status(101), TRANSIENT, "did not respond as an HTTP proxy"),
    ] {
        let proxy = Proxy::start(manner.clone());
        // Each ends within the two seconds of the attempt, or the bound of the test below is for nothing.
        let result = site.post(through(proxy.port));
        assert_fails(result, kind, &[&format!("{who}{words}")]);
    }
    let injected = site.post(through(Proxy::start(Manner::Inject).port));
    assert_fails(injected, PERMANENT, &["does not speak TLS"]);
    assert!(site.server.received().is_empty());
}

#[test]
fn plain_http_is_bounded_behind_a_proxy_as_well() {
    for (manner, kind, words) in [
        (Manner::Hang, TRANSIENT, "through the proxy 127.0.0.1, timed out"),
        (Manner::Trickle, TRANSIENT, "through the proxy 127.0.0.1, timed out"),
        (Manner::Endless, TRANSIENT, "did not respond as an HTTP server"),
        (Manner::Close, TRANSIENT, "through the proxy 127.0.0.1, closed the connection"),
        (
            Manner::Status(502),
            TRANSIENT,
            "the proxy 127.0.0.1 returned HTTP 502: it could not reach",
        ),
        (
            Manner::Status(403),
            PERMANENT,
            "the proxy 127.0.0.1 refused: HTTP 403; let it connect to",
        ),
    ] {
        let network = Network { http: through(Proxy::start(manner).port), ..Network::default() };
        assert_fails(post("http://am.example.org:9093/SECRET", &network), kind, &[words]);
    }
}

#[test]
fn a_proxy_that_is_not_there_is_not_gone_around() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // The target could be reached without it.
    let server = Server::start(|_| say(200, "ok"));
    let address = host_address();
    let url = format!("http://{address}:{}/SECRET", server.port);
    let network = |proxy: &str| Network {
        http: HttpConfig { proxy: Setting::Url(proxy.to_owned()), ..HttpConfig::default() },
        ..Network::default()
    };
    let refused = post(&url, &network(&format!("http://127.0.0.1:{port}")));
    let words = "the proxy 127.0.0.1 refuses the connection: is it running?";
    assert_fails(refused, TRANSIENT, &[words]);
    let unknown = post(&url, &network("http://nobody.invalid:3128"));
    assert_fails(
        unknown,
        TRANSIENT,
        &["the proxy nobody.invalid has a name that cannot be resolved"],
    );
    for url_of_proxy in ["", "https://SECRET:3128", "socks5://SECRET:1080", "http://"] {
        let result = post(&url, &network(url_of_proxy));
        assert_fails(
            result,
            PERMANENT,
            &[
                "was not asked: http.proxy is not a proxy URL of the form http://user:password@host:port",
            ],
        );
    }
    let escape_control = Safe::new();
    let bad = HttpConfig {
        proxy: Setting::Secret(escape_control.keep("p", "socks5://u:SECRET@x")),
        ..HttpConfig::default()
    };
    let result = post(&url, &Network { http: bad, ..Network::default() });
    assert_fails(
        result,
        TRANSIENT,
        &["http.proxy-file is not a proxy URL of the form http://user:password@host:port"],
    );
    assert!(server.received().is_empty());
}

/// An address of this host that is none of loopback; else one that nobody has, which no test here connects to.
fn host_address() -> std::net::IpAddr {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let local = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    local.map_or("192.0.2.1".parse().unwrap(), |it| it.ip())
}

#[test]
fn who_is_excepted_is_reached_without_it() {
    let server = Server::start(|_| say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(None));
    let network = |no_proxy: &[&str]| Network {
        http: HttpConfig {
            no_proxy: no_proxy.iter().map(|it| (*it).to_owned()).collect(),
            ..through(proxy.port)
        },
        ..Network::default()
    };
    // This host always is.
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/", server.port);
        assert_eq!(post(&url, &network(&[])).map(|it| it.status), Ok(200));
    }
    assert!(proxy.seen().is_empty());
    let url = "http://am.invalid:9093/";
    let words = ["Slack (am.invalid) has a name that cannot be resolved"];
    assert_fails(post(url, &network(&["am.invalid"])), TRANSIENT, &words);
    assert_fails(post(url, &network(&["*"])), TRANSIENT, &words);
    assert!(proxy.seen().is_empty());
    assert_fails(
        post(url, &network(&[".am.invalid"])),
        TRANSIENT,
        &["the proxy 127.0.0.1 returned HTTP 502"],
    );
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn each_channel_goes_through_it() {
    let ok = Site::new(say(200, "ok"));
    let proxy = Proxy::start(Manner::Honest(None));
    let network = ok.network(through(proxy.port));
    let keep = |name: &str, path: &str| ok.escape_control.keep(name, &ok.url(path));
    let min_severity = Severity::Warning;

    let by = SlackBy::Webhook(keep("hook", "/services/SECRET"));
    let sent = run(slack::send(&SlackConfig { by, min_severity }, &network, None, &test()));
    assert_eq!(sent, Ok(Receipt::default()));
    let hook = WebhookConfig { url: keep("url", "/SECRET"), key: None, client: None, min_severity };
    assert_eq!(run(webhook::send(&hook, &network, &sample())), Ok(()));
    let url = ok.url("");
    let urls = vec![url.clone()];
    let settings = AlertmanagerConfig { urls, token: None, client: None, min_severity };
    assert_eq!(run(alertmanager::send(&settings, &network, &url, &sample(), NOW)), Ok(()));
    let beat = HeartbeatConfig { url: keep("beat", "/SECRET") };
    assert_eq!(run(heartbeat::send(&beat, &network, true, "well")), Ok(()));
    assert_eq!(proxy.seen().len(), 4);

    let taken = Site::new(say(202, "{}"));
    let key = taken.escape_control.keep("key", "SECRET");
    let page = PagerDutyConfig { routing_key: key, url: taken.url("/v2/enqueue"), min_severity };
    let network = taken.network(through(proxy.port));
    assert_eq!(run(pagerduty::send(&page, &network, &single())), Ok(()));

    let posted = Site::new(say(200, r#"{"ok":true,"ts":"1.2"}"#));
    let token = posted.escape_control.keep("token", "SECRET");
    let (channel, api) = ("C1".to_owned(), posted.url("/api"));
    let by = SlackBy::Bot { token, channel, threads: true, api };
    let network = posted.network(through(proxy.port));
    let sent = run(slack::send(&SlackConfig { by, min_severity }, &network, None, &test()));
    assert_eq!(sent, Ok(Receipt { thread: Some("1.2".to_owned()) }));
    // Of a page, the incident as it is and the ends of the three that it may have been.
    assert_eq!(proxy.seen().len(), 4 + 4 + 1);
}

/// What a process with these variables gets for `URL`, see [`in_an_environment`].
fn with(variables: &[(&str, &str)], url: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command
        .args(["--exact", "proxy::in_an_environment", "--nocapture"])
        .envs(variables.iter().copied())
        .env("CERTWATCH_TEST_URL", url)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let start = said.find("GOT ").unwrap_or_else(|| panic!("{said}")) + 4;
    said[start..].lines().next().unwrap().to_owned()
}

/// Not a test by itself: it asks for the URL that it is given, in the environment that it is given.
#[test]
fn in_an_environment() {
    let Ok(url) = std::env::var("CERTWATCH_TEST_URL") else { return };
    let ca_file = std::env::var_os("CERTWATCH_TEST_CA").map(Into::into);
    let http = match std::env::var("CERTWATCH_TEST_PROXY").as_deref() {
        Ok("none") => HttpConfig { proxy: Setting::Off, ..HttpConfig::default() },
        Ok(port) => through(port.parse().unwrap()),
        Err(_) => HttpConfig::default(),
    };
    match post(&url, &Network { ca_file, http, ..Network::default() }) {
        Ok(answer) => println!("GOT {}", answer.body),
        Err(failure) => println!("GOT {}", failure.reason),
    }
}

#[test]
fn the_environment_names_the_proxy_as_for_curl_and_go() {
    let site = Site::new(say(200, "ok"));
    let ca_file = site.ca_file.to_str().unwrap();
    let ca = ("CERTWATCH_TEST_CA", ca_file);
    let proxy = Proxy::start(Manner::Honest(Some(LOGIN)));
    let url = format!("http://user:pass%20SECRET@127.0.0.1:{}", proxy.port);
    let https = site.url("/SECRET");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        assert_eq!(with(&[ca, (name, &url)], &https), "ok", "{name}");
    }
    let bare = url.trim_start_matches("http://").to_owned();
    assert_eq!(with(&[ca, ("HTTPS_PROXY", &bare)], &https), "ok");
    assert_eq!(proxy.seen().len(), 5);

    let direct = "Slack (hooks.example.org) ";
    for variables in [
        vec![ca, ("HTTP_PROXY", &url)],
        vec![ca, ("HTTPS_PROXY", &url), ("NO_PROXY", "a.org, .example.org")],
        vec![ca, ("HTTPS_PROXY", &url), ("CERTWATCH_TEST_PROXY", "none")],
    ] {
        let got = with(&variables, &https);
        assert!(got.starts_with(direct), "{variables:?}: {got}");
    }
    let got = with(&[ca, ("HTTPS_PROXY", &url), ("NO_PROXY", "hooks.example.org:1")], &https);
    assert_eq!(got, "ok");
    assert_eq!(proxy.seen().len(), 6);

    // The configuration comes before the environment, its NO_PROXY included.
    let port = proxy.port.to_string();
    let variables = [
        ca,
        ("HTTPS_PROXY", "http://192.0.2.1:1"),
        ("NO_PROXY", "*"),
        ("CERTWATCH_TEST_PROXY", &port),
    ];
    let got = with(&variables, &https);
    assert!(got.contains("the proxy 127.0.0.1 refused: HTTP 407"), "{got}");
}

#[test]
fn a_secret_of_the_environment_is_not_told() {
    let port = Proxy::start(Manner::Status(407)).port;
    let url = format!("http://user:SECRET@127.0.0.1:{port}");
    let got = with(&[("http_proxy", &url)], "http://am.example.org/");
    assert!(got.contains("the proxy 127.0.0.1 refused: HTTP 407; check its user and password in the variable http_proxy"));
    for bad in
        ["socks5://user:SECRET@127.0.0.1:1080", "http://user:SECRET%@x", "http://user:SECRET@"]
    {
        let got = with(&[("HTTP_PROXY", bad)], "http://am.example.org/");
        assert!(
            got.contains("was not asked: the variable HTTP_PROXY is not a proxy URL of the form http://user:password@host:port"),
            "{got}"
        );
        assert!(!got.contains("SECRET"), "{got}");
    }
    let got = with(&[("HTTP_PROXY", &url), ("REQUEST_METHOD", "GET")], "http://am.invalid/");
    assert!(got.contains("Slack (am.invalid) has a name that cannot be resolved"), "{got}");
}
