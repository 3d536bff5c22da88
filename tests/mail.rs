//! Mail through real servers: postfix, its smtp-sink, and aiosmtpd with TLS and a login.
//!
//! Needs root and Debian's packages (tests/lab/mail.sh): part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use certwatch::config::channels::{EmailConfig, Login, Secret, Security};
use certwatch::domain::advice::Remedy;
use certwatch::domain::alert::{AlertId, AlertText, Level};
use certwatch::domain::cluster::NodeIdentity;
use certwatch::domain::message::{AlertChange, Firing, Message, MessageKind};
use certwatch::domain::policy::Severity;
use certwatch::domain::time::{Span, UnixTime};
use certwatch::notify::{Failure, FailureKind, Network, Receipt, email};
use common::pki::{Authority, Days, Pair};
use common::smtp::{Guarded, Postfix, Sink};
use serde_json::Value;
use tempfile::TempDir;

const COMMAND: &str = "kubeadm certs renew apiserver && echo 'a very long command that no form of the mail \
                       may break' | tee /root/renewed # ü";

fn message() -> Message {
    let at = UnixTime::parse("2026-11-23T02:00:00Z").unwrap();
    let text = AlertText {
        name: "apiserver".to_owned(),
        title: "serving certificate of kube-apiserver".to_owned(),
        place: "/etc/kubernetes/pki/apiserver.crt".to_owned(),
        summary: "expires in 5 d".to_owned(),
        expires: Some(at + Span::days(5)),
        lines: vec!["expires in 5 d, on 2026-11-28; then kubectl is refused".to_owned()],
        automatic: "Nothing renews it automatically.".to_owned(),
        remedies: vec![Remedy::Command(COMMAND.to_owned())],
    };
    Message {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        thread: "0123456789abcdef".to_owned(),
        kind: MessageKind::Alert,
        node: NodeIdentity::of_node("cp1"),
        former: None,
        at,
        severity: Severity::Critical,
        headline: "apiserver expires in 5 d – soon".to_owned(),
        text: Vec::new(),
        firing: vec![Firing {
            id: AlertId("1".repeat(32)),
            change: AlertChange::New,
            level: Level { severity: Severity::Critical, threshold: None, codes: Vec::new() },
            since: at,
            text,
        }],
        resolved: Vec::new(),
        next: ". a line that begins with a dot".to_owned(),
    }
}

fn settings(port: u16, security: Security) -> EmailConfig {
    EmailConfig {
        server: "127.0.0.1".to_owned(),
        port,
        security,
        from: "certwatch <certwatch@example.org>".to_owned(),
        to: Vec::new(),
        login: None,
        min_severity: Severity::Warning,
    }
}

fn send(settings: &EmailConfig, ca_file: Option<&Path>, to: &str) -> Result<Receipt, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let network = Network { ca_file: ca_file.map(Path::to_owned), ..Network::default() };
    runtime.block_on(email::send(settings, &network, to, &message()))
}

/// A mail as Python's `email` reads it.
fn parsed(file: &Path) -> Value {
    let script = "import email, email.policy, json, sys\n\
                  mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)\n\
                  parts = [[p.get_content_type(), p.get_content()] for p in mail.iter_parts()]\n\
                  defects = [repr(d) for p in mail.walk() for d in p.defects]\n\
                  json.dump({'headers': dict(mail.items()), 'type': mail.get_content_type(), 'parts': parts, \
                  'date': mail['date'].datetime.isoformat(), 'defects': defects}, sys.stdout)";
    let output = Command::new("python3").args(["-c", script]).arg(file).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn postfix_delivers_it_whole_to_each() {
    let postfix = Postfix::new();
    let settings = settings(postfix.port, Security::None);
    let recipients = ["ops@example.org", "Jane <jane@example.org>"];
    for to in recipients {
        send(&settings, None, to).unwrap();
    }
    let mut mails: Vec<_> = postfix.mails(2).iter().map(|file| parsed(file)).collect();
    mails.sort_by_key(|mail| mail["headers"]["To"].to_string());
    for (mail, to) in mails.iter().zip(["Jane <jane@example.org>", "ops@example.org"]) {
        let headers = &mail["headers"];
        assert_eq!(mail["defects"], serde_json::json!([]));
        assert_eq!(headers["To"], to);
        assert_eq!(headers["From"], "certwatch <certwatch@example.org>");
        assert_eq!(headers["Subject"], "[certwatch] CRITICAL cp1: apiserver expires in 5 d – soon");
        assert_eq!(headers["In-Reply-To"], "<cw.0123456789abcdef@example.org>");
        assert_eq!(headers["References"], headers["In-Reply-To"]);
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        assert_eq!(headers["X-Certwatch-Node"], "cp1");
        assert_eq!(headers["X-Certwatch-Severity"], "critical");
        assert_eq!(mail["date"], "2026-11-23T02:00:00+00:00");
        let id = headers["Message-ID"].as_str().unwrap();
        assert!(id.starts_with("<cw.00112233445566778899aabbccddeeff."), "{id}");
        assert_eq!(mail["type"], "multipart/alternative");
        assert_eq!(mail["parts"][0][0], "text/plain");
        assert_eq!(mail["parts"][1][0], "text/html");
        let text = mail["parts"][0][1].as_str().unwrap().replace("\r\n", "\n");
        assert!(text.starts_with("CRITICAL on cp1: apiserver expires in 5 d"), "{text}");
        assert!(text.contains(&format!("\n    {COMMAND}\n")), "{text}");
        assert!(text.contains("\n. a line that begins with a dot\n"), "{text}");
        assert!(
            mail["parts"][1][1].as_str().unwrap().contains("kubeadm certs renew apiserver &amp;")
        );
    }
    assert_ne!(mails[0]["headers"]["Message-ID"], mails[1]["headers"]["Message-ID"]);
}

#[test]
fn what_a_server_answers_decides() {
    let taken = Sink::new(&[]);
    send(&settings(taken.port, Security::None), None, "ops@example.org").unwrap();
    let transient = FailureKind::Transient(None);
    for (option, kind) in
        [("-r", transient), ("-f", FailureKind::Permanent), ("-Q", transient), ("-q", transient)]
    {
        for command in ["connect", "ehlo", "mail", "rcpt", "data", "."] {
            // smtp-sink has no refusal in place of its greeting.
            if command == "connect" && option != "-Q" && option != "-q" {
                continue;
            }
            let sink = Sink::new(&[option, command]);
            let settings = settings(sink.port, Security::None);
            let failure = send(&settings, None, "ops@example.org").unwrap_err();
            assert_eq!(failure.kind, kind, "{option} {command}: {}", failure.reason);
            assert!(failure.reason.starts_with(&format!("127.0.0.1:{} ", sink.port)));
        }
    }
}

/// Certificates for a server, and the password.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        let ca = Authority::new("mail CA", Days(-1, 10));
        let other = Authority::new("another CA", Days(-1, 10));
        files.put("right", &ca.leaf("mail", "", &["127.0.0.1"], Days(-1, 10)));
        files.put("strange", &other.leaf("mail", "", &["127.0.0.1"], Days(-1, 10)));
        files.put("elsewhere", &ca.leaf("mail", "", &["mx.example.org"], Days(-1, 10)));
        files.put("expired", &ca.leaf("mail", "", &["127.0.0.1"], Days(-10, -1)));
        files.put("ca", &ca.pair);
        files.secret("password", "correct horse");
        files.secret("wrong", "battery staple");
        files
    }

    fn put(&self, name: &str, pair: &Pair) {
        fs::write(self.path(&format!("{name}.crt")), &pair.certificate).unwrap();
        fs::write(self.path(&format!("{name}.key")), &pair.key).unwrap();
    }

    fn secret(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What it says of a server with the certificate `name`, and what that server heard.
    fn send(
        &self,
        security: Security,
        name: &str,
        secret: &str,
    ) -> (Result<Receipt, Failure>, String) {
        let mode = if security == Security::Tls { "tls" } else { "starttls" };
        let files = [self.path(&format!("{name}.crt")), self.path(&format!("{name}.key"))];
        let server = Guarded::new(mode, &[&files[0], &files[1]]);
        let settings = self.login(settings(server.port, security), secret);
        let result = send(&settings, Some(&self.path("ca.crt")), "ops@example.org");
        (result, server.heard())
    }

    fn login(&self, settings: EmailConfig, secret: &str) -> EmailConfig {
        let password = Secret::File(self.path(secret));
        EmailConfig { login: Some(Login { user: "certwatch".to_owned(), password }), ..settings }
    }
}

#[test]
fn who_is_trusted_gets_the_password_and_the_mail() {
    let files = Files::new();
    for security in [Security::Tls, Security::StartTls] {
        let (result, heard) = files.send(security, "right", "password");
        result.unwrap();
        let subject = "[certwatch] CRITICAL cp1: apiserver expires in 5 d – soon";
        assert_eq!(heard, format!("AUTH TLS\nMAIL\nDATA\nTAKEN {subject}\n"));
        let (result, heard) = files.send(security, "right", "wrong");
        let failure = result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert!(
            failure.reason.contains("rejected the login of certwatch: 535 "),
            "{}",
            failure.reason
        );
        assert!(failure.reason.contains("/wrong right?") && !failure.reason.contains("battery"));
        assert_eq!(heard, "AUTH TLS\n");
    }
}

#[test]
fn who_is_not_trusted_gets_nothing() {
    let files = Files::new();
    for security in [Security::Tls, Security::StartTls] {
        let permanent = FailureKind::Permanent;
        for (name, kind, reason) in [
            ("strange", permanent, "set alerts.ca-file"),
            ("elsewhere", permanent, "another name, DnsName(\"mx.example.org\"): set email.server"),
            ("expired", FailureKind::Transient(None), "has expired"),
            ("ca", permanent, "CA:TRUE"),
        ] {
            let (result, heard) = files.send(security, name, "password");
            let failure = result.unwrap_err();
            assert_eq!(failure.kind, kind, "{}", failure.reason);
            assert!(failure.reason.contains(reason), "{}", failure.reason);
            assert_eq!(heard, "");
        }
    }
}

#[test]
fn where_starttls_was_taken_away_nothing_is_said_in_clear() {
    let files = Files::new();
    let server = Guarded::new("clear", &[]);
    let settings = files.login(settings(server.port, Security::StartTls), "password");
    let failure = send(&settings, Some(&files.path("ca.crt")), "ops@example.org").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(failure.reason.contains("does not offer STARTTLS"), "{}", failure.reason);
    assert_eq!(server.heard(), "");
}

/// What `[[endpoint]]` makes of the same server.
#[test]
fn its_certificate_is_checked_behind_starttls() {
    let files = Files::new();
    for (name, said) in [("right", vec![]), ("expired", vec!["expired".to_owned()])] {
        let [certificate, key] = ["crt", "key"].map(|end| files.path(&format!("{name}.{end}")));
        let server = Guarded::new("starttls", &[&certificate, &key]);
        let (config, ca) = (files.path("config.toml"), files.path("ca.crt"));
        let address = format!("127.0.0.1:{}", server.port);
        let text = format!(
            "[[endpoint]]\naddress = {address:?}\nstarttls = 'smtp'\nca-file = {ca:?}\nfile = {certificate:?}\n"
        );
        fs::write(&config, text).unwrap();
        let words = ["check", "-o", "json", &address, "--config", config.to_str().unwrap()];
        let document: Value = serde_json::from_str(&common::run::certwatch(words).stdout).unwrap();
        assert_eq!(common::run::codes(&document, &address), said, "{document:#}");
    }
}
