//! What holds for all channels: bounds, redirects, TLS, and silence about URLs.

use std::path::Path;
use std::time::{Duration, Instant};

use certwatch::notify::http::{self, Endpoint, HttpRequest, HttpResponse};
use certwatch::notify::{Failure, Network};
use serde_json::json;

use crate::common::pki::{Authority, Days, Pair};
use crate::common::server::{Reply, Server, say, say_with};
use crate::{PERMANENT, Safe, TRANSIENT, assert_fails, direct};

fn network(ca_file: Option<&Path>) -> Network {
    Network { ca_file: ca_file.map(Path::to_owned), ..direct() }
}

fn post(url: &str, ca_file: Option<&Path>) -> Result<HttpResponse, Failure> {
    let endpoint = Endpoint::new("Slack", url)?;
    let timeout = Duration::from_secs(2);
    http::post(
        &HttpRequest { timeout, ..HttpRequest::json(endpoint, &json!({})) },
        &network(ca_file),
    )
}

fn post_to(reply: Reply) -> Result<HttpResponse, Failure> {
    post(&Server::start(move |_| reply.clone()).url("/SECRET"), None)
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = Server::start(|_| say(200, "ok"));
    let target = elsewhere.url("/SECRET");
    for status in [301, 302, 303, 307, 308] {
        let result = post_to(say_with(status, ("Location", &target), ""));
        assert_fails(result, PERMANENT, &["Slack (127.0.0.1) answered with a redirect"]);
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn every_attempt_ends() {
    for (reply, words) in [
        (Reply::Hang, "timed out"),
        (Reply::Trickle, "timed out"),
        (Reply::Close, "closed the connection"),
        (Reply::Garbage, "did not respond as an HTTP server"),
    ] {
        let begin = Instant::now();
        assert_fails(post_to(reply.clone()), TRANSIENT, &[words]);
        assert!(begin.elapsed() < Duration::from_secs(4), "{reply:?}");
    }
    let endless = post_to(Reply::Endless).unwrap();
    assert_eq!((endless.body.len(), endless.is_whole), (64 << 10, true));
}

#[test]
fn who_is_not_there_may_come_back() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let result = post(&format!("http://127.0.0.1:{port}/SECRET"), None);
    assert_fails(result, TRANSIENT, &["refuses the connection"]);
    let result = post("https://nobody.invalid/SECRET", Some(&root().1));
    assert_fails(result, TRANSIENT, &["Slack (nobody.invalid) has a name that cannot be resolved"]);
}

/// A CA and its file; the directory stays for the test's sake.
fn root() -> (Authority, std::path::PathBuf, Safe) {
    let (authority, escape_control) = (Authority::new("test CA", Days(-1, 30)), Safe::new());
    let path = escape_control.file("ca.crt", &authority.pair.certificate);
    (authority, path, escape_control)
}

fn tls(pair: &Pair, host: &str, ca_file: &Path) -> Result<HttpResponse, Failure> {
    let server = Server::tls(pair, |_| say(200, "ok"));
    post(&format!("https://{host}:{}/SECRET", server.port), Some(ca_file))
}

#[test]
fn tls_is_trusted_by_ca_name_and_date() {
    let (ca, ca_file, _safe) = root();
    let (_, other_file, _other) = root();
    let good = ca.leaf("server", "", &["127.0.0.1", "localhost"], Days(-1, 1));
    assert_eq!(tls(&good, "127.0.0.1", &ca_file).map(|it| it.body), Ok("ok".to_owned()));
    assert_eq!(tls(&good, "localhost", &ca_file).map(|it| it.status), Ok(200));

    let untrusted = tls(&good, "127.0.0.1", &other_file);
    assert_fails(untrusted, PERMANENT, &["CA that is not trusted: set alerts.ca-file"]);
    let named = ca.leaf("server", "", &["other.example.org"], Days(-1, 1));
    assert_fails(tls(&named, "127.0.0.1", &ca_file), PERMANENT, &["for another name"]);
    let old = ca.leaf("server", "", &["127.0.0.1"], Days(-9, -1));
    assert_fails(tls(&old, "127.0.0.1", &ca_file), TRANSIENT, &["has expired"]);
    let early = ca.leaf("server", "", &["127.0.0.1"], Days(1, 9));
    assert_fails(tls(&early, "127.0.0.1", &ca_file), TRANSIENT, &["clock"]);
    let own = &ca.pair;
    assert_fails(tls(own, "127.0.0.1", &ca_file), PERMANENT, &["certificate"]);

    let plain = Server::start(|_| say(200, "ok"));
    let result = post(&format!("https://127.0.0.1:{}/SECRET", plain.port), Some(&ca_file));
    assert!(!result.unwrap_err().reason.contains("SECRET"));
    let missing = post("https://127.0.0.1/SECRET", Some(Path::new("/nonexistent")));
    assert_fails(missing, TRANSIENT, &["alerts.ca-file"]);
}

#[test]
fn headers_that_http_does_not_allow_are_final() {
    let server = Server::start(|_| say(200, "ok"));
    let endpoint = Endpoint::new("Slack", &server.url("/")).unwrap();
    let request =
        HttpRequest::json(endpoint, &json!({})).with("Authorization", "SECRET\nx".to_owned());
    assert_fails(
        http::post(&request, &network(None)),
        PERMANENT,
        &["characters that HTTP does not allow"],
    );
}
