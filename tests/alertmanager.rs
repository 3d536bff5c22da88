//! What we send to Alertmanager, as the real one understands it. `make test-lab` runs this: it
//! needs Debian's prometheus-alertmanager.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use certwatch::config::channels::AlertmanagerConfig;
use certwatch::domain::message::{AlertChange, Message, MessageKind};
use certwatch::domain::policy::Severity;
use certwatch::domain::time::{Span, UnixTime};
use certwatch::notify::{Failure, FailureKind, Network, alertmanager};
use certwatch::sys;
use common::message::{firing, hostile, message, renewal, resolved, test};
use common::port::free_port;
use serde_json::Value;
use tempfile::TempDir;

/// An Alertmanager of its own, on loopback and alone.
struct Real {
    process: Child,
    url: String,
    _state: TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Real {
    fn start() -> Self {
        let port = free_port();
        let state = TempDir::new().unwrap();
        let config = state.path().join("alertmanager.yml");
        fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", state.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--cluster.listen-address=", "--log.level=error"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| panic!("is prometheus-alertmanager installed? {why}"));
        let real = Self { process, url: format!("http://127.0.0.1:{port}"), _state: state };
        let end = Instant::now() + Duration::from_secs(20);
        while real.send(&renewal_ok()).and_then(|()| real.send(&old_test())).is_err() {
            assert!(Instant::now() < end, "Alertmanager does not start");
            thread::sleep(Duration::from_millis(100));
        }
        real
    }

    fn send(&self, message: &Message) -> Result<(), Failure> {
        send_to(&self.url, message)
    }

    /// Its active alerts, by amtool.
    fn active(&self) -> Vec<Value> {
        let output = Command::new("amtool")
            .args(["--alertmanager.url", &self.url, "-o", "json", "alert", "query"])
            .output()
            .unwrap();
        let alerts: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert!(alerts.iter().all(|it| it["status"]["state"] == "active"), "{alerts:?}");
        alerts
    }

    fn names(&self, label: &str) -> Vec<String> {
        let name = |it: &Value| it["labels"][label].as_str().unwrap_or_default().to_owned();
        let mut names: Vec<String> = self.active().iter().map(name).collect();
        names.sort();
        names
    }
}

fn send_to(url: &str, message: &Message) -> Result<(), Failure> {
    let settings = AlertmanagerConfig {
        urls: vec![url.to_owned()],
        token: None,
        client: None,
        min_severity: Severity::Warning,
    };
    let until = sys::now() + Span::hours(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(alertmanager::send(&settings, &Network::default(), url, message, until))
}

fn renewal_ok() -> Message {
    renewal(Severity::Ok)
}

/// A test that is over, to see whether anybody listens.
fn old_test() -> Message {
    Message { at: sys::now() - Span::hours(1), ..test() }
}

/// `message` as of `at`.
fn alert(at: UnixTime, severity: Severity, change: AlertChange) -> Message {
    let mut it = firing(7, severity, "apiserver", "serving certificate of kube-apiserver", 12);
    (it.change, it.since) = (change, at - Span::hours(5));
    Message {
        at,
        firing: vec![it],
        ..message(MessageKind::Alert, severity, "apiserver expires in 12 d")
    }
}

#[test]
fn an_alert_is_one_from_its_beginning_to_its_end() {
    let real = Real::start();
    let now = sys::now();
    assert_eq!(real.active(), Vec::<Value>::new());

    real.send(&alert(now, Severity::Warning, AlertChange::New)).unwrap();
    let alerts = real.active();
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        alerts[0]["labels"],
        serde_json::json!({
            "alertname": "CertwatchCertificate",
            "id": "1ccbf0088af006270a2e609b6c4f24d4",
            "name": "apiserver",
            "node": "cp1",
            "path": "/etc/kubernetes/pki/apiserver.crt",
            "severity": "warning",
        })
    );
    assert_eq!(alerts[0]["annotations"]["summary"], "cp1: apiserver expires in 12 d");
    let starts = alerts[0]["startsAt"].as_str().unwrap();
    assert_eq!(UnixTime::parse(starts).unwrap(), now - Span::hours(5));

    // Told again with fewer days left, it is the same.
    let mut later = alert(now, Severity::Warning, AlertChange::Still);
    later.firing[0].text.summary = "expires in 9 d".to_owned();
    real.send(&later).unwrap();
    assert_eq!(real.active()[0]["annotations"]["summary"], "cp1: apiserver expires in 9 d");
    assert_eq!(real.active().len(), 1);

    // Worse, it is critical and nothing else.
    real.send(&alert(now, Severity::Critical, AlertChange::Worse)).unwrap();
    assert_eq!(real.names("severity"), ["critical"]);

    // Less bad, it is a warning and nothing else.
    real.send(&alert(now, Severity::Warning, AlertChange::Better)).unwrap();
    assert_eq!(real.names("severity"), ["warning"]);

    let mut over = resolved(7, "apiserver");
    (over.since, over.at) = (now - Span::hours(5), now);
    let over =
        Message { resolved: vec![over], ..message(MessageKind::Resolved, Severity::Ok, "well") };
    real.send(&over).unwrap();
    assert_eq!(real.active(), Vec::<Value>::new());
}

#[test]
fn all_kinds_arrive_and_hostile_names_do() {
    let real = Real::start();
    let now = sys::now();
    real.send(&Message { at: now, ..test() }).unwrap();
    real.send(&Message { at: now, ..renewal(Severity::Critical) }).unwrap();
    assert_eq!(real.names("alertname"), ["CertwatchRenewalFailed", "CertwatchTest"]);
    let mut many = Message { at: now, ..hostile(500) };
    many.resolved.clear();
    real.send(&many).unwrap();
    assert_eq!(real.active().len(), 502);
}

#[test]
fn refusals_are_told() {
    let real = Real::start();
    let alert = alert(sys::now(), Severity::Warning, AlertChange::New);
    let wrong = send_to(&format!("{}/wrong/", real.url), &alert).unwrap_err();
    assert_eq!(wrong.kind, FailureKind::Permanent);
    assert!(wrong.reason.starts_with("Alertmanager (127.0.0.1) returned HTTP 404"), "{wrong:?}");
}
