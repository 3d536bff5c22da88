//! What becomes of a mail with servers of every temper.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;

use super::sample;
use super::server::{Act, Server, polite};
use crate::config::channels::{EmailConfig, Login, Secret, Security};
use crate::config::{HttpConfig, ProxyConfig};
use crate::domain::policy::Severity;
use crate::notify::email::{Bounds, send_within};
use crate::notify::{ATTEMPT, Failure, FailureKind, Network};

const PASSWORD: &str = "correct horse";

/// Enough for what is quick on loopback; what hangs is cut off by it.
const SOON: Duration = Duration::from_millis(700);

impl From<Duration> for Bounds {
    fn from(time: Duration) -> Self {
        Self { time, ..Self::USUAL }
    }
}

fn settings(port: u16, security: Security) -> EmailConfig {
    EmailConfig {
        server: "127.0.0.1".to_owned(),
        port,
        security,
        from: "certwatch@example.org".to_owned(),
        to: Vec::new(),
        login: None,
        min_severity: Severity::Warning,
    }
}

fn try_within(bound: impl Into<Bounds>, settings: &EmailConfig) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let message = sample::mixed();
    let http = HttpConfig { proxy: ProxyConfig::Off, ..HttpConfig::default() };
    let network = Network { http, ..Network::default() };
    let result = send_within(bound.into(), settings, &network, "ops@example.org", &message);
    runtime.block_on(result).map(drop)
}

fn failure(bound: impl Into<Bounds>, settings: &EmailConfig) -> Failure {
    let failure = try_within(bound, settings).unwrap_err();
    let reason = &failure.reason;
    let plain = format!("\0cert\0{PASSWORD}");
    for secret in [PASSWORD.to_owned(), STANDARD.encode(PASSWORD), STANDARD.encode(plain)] {
        assert!(!reason.contains(&secret), "{reason}");
    }
    assert!(!reason.contains(char::is_control) && reason.chars().count() < 600, "{reason}");
    let place = format!("{}:{} ", settings.server, settings.port);
    let rest = reason.strip_prefix(&place).unwrap_or_else(|| panic!("{reason}"));
    Failure { reason: rest.to_owned(), ..failure }
}

/// What it says of a server that does `act` at `word` and is polite else.
fn at(word: &'static str, act: Act, bound: impl Into<Bounds>) -> Failure {
    let server = Server::new(move |heard| if heard == word { act } else { polite(heard) });
    failure(bound, &settings(server.port, Security::None))
}

fn with_login(port: u16, file: &NamedTempFile) -> EmailConfig {
    fs::write(file.path(), PASSWORD).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let password = Secret::File(file.path().to_owned());
    let login = Some(Login { user: "cert".to_owned(), password });
    EmailConfig { login, ..settings(port, Security::None) }
}

#[test]
fn a_polite_server_gets_one_mail() {
    let server = Server::new(polite);
    try_within(ATTEMPT, &settings(server.port, Security::None)).unwrap();
    let heard = server.heard();
    assert!(heard.contains("MAIL FROM:<certwatch@example.org>\r\nRCPT TO:<ops@example.org>\r\n"));
    assert_eq!(heard.matches("RCPT").count(), 1);
    assert!(heard.contains("\r\nTo: ops@example.org\r\n") && heard.contains("Message-ID: <cw."));
}

#[test]
fn what_is_said_after_the_end_changes_nothing() {
    for act in [Act::Hang, Act::Close, Act::Say("500 no\r\n"), Act::SayForEver("2")] {
        let server = Server::new(move |heard| if heard == "QUIT" { act } else { polite(heard) });
        try_within(ATTEMPT, &settings(server.port, Security::None)).unwrap();
    }
}

#[test]
fn who_never_answers_is_left() {
    let is_left = |word, act| {
        let failure = at(word, act, SOON);
        assert_eq!(failure.kind, FailureKind::Transient(None), "{word}");
        assert!(failure.reason.starts_with("took longer than"), "{}", failure.reason);
    };
    // Side by side, since all they do is wait.
    thread::scope(|scope| {
        for word in ["", "EHLO", "MAIL", "RCPT", "DATA", "."] {
            scope.spawn(move || is_left(word, Act::Hang));
            scope.spawn(move || is_left(word, Act::Trickle));
        }
    });
    assert!(at("", Act::Hang, SOON).reason.contains("did not greet; if it waits for TLS"));
    assert!(at(".", Act::Hang, SOON).reason.contains("may arrive twice"));
}

#[test]
fn who_talks_for_ever_is_left() {
    for word in ["", "RCPT", "."] {
        let failure = at(word, Act::SayForEver("2"), ATTEMPT);
        assert_eq!(failure.kind, FailureKind::Transient(None), "{word}");
        assert!(failure.reason.starts_with("sent an overlong response"), "{}", failure.reason);
        for text in ["nonsense\r\n", "\0\0\u{1b}[2J\n", "999 no such code\r\n"] {
            let failure = at(word, Act::SayForEver(text), ATTEMPT);
            assert_eq!(failure.kind, FailureKind::Transient(None), "{word}");
            assert!(
                failure.reason.contains("with something other than SMTP"),
                "{}",
                failure.reason
            );
        }
    }
    // lettre reads all lines anew with each of a reply: of the usual many that takes a minute here.
    let few = Bounds { read: 4 << 10, ..Bounds::USUAL };
    let failure = at("EHLO", Act::SayForEver("250-on\r\n"), few);
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("sent an overlong response"), "{}", failure.reason);
}

#[test]
fn who_hangs_up_is_tried_again() {
    for (word, moment) in [
        ("", "at the greeting"),
        ("EHLO", "at the greeting"),
        ("MAIL", "at the sender's address"),
        ("RCPT", "at the recipient's address"),
        ("DATA", "before the mail"),
        (".", "at the end of the mail"),
    ] {
        let failure = at(word, Act::Close, ATTEMPT);
        assert_eq!(failure.kind, FailureKind::Transient(None), "{word}");
        assert_eq!(failure.reason, format!("closed the connection {moment}"));
    }
}

#[test]
fn a_no_for_now_is_tried_again() {
    for (word, said, reason) in [
        ("", "421 4.3.2 full\r\n", "deferred the connection: 421 4.3.2 full"),
        ("RCPT", "450 4.2.1 grey\r\n", "deferred the recipient ops@example.org: 450 4.2.1 grey"),
        ("DATA", "421 4.3.0 later\r\n", "deferred the mail: 421 4.3.0 later"),
        (".", "452 4.3.1 full\r\n", "deferred the mail: 452 4.3.1 full"),
    ] {
        let failure = at(word, Act::Say(said), ATTEMPT);
        assert_eq!(failure.kind, FailureKind::Transient(None));
        assert_eq!(failure.reason, reason);
    }
}

#[test]
fn a_no_for_good_says_what_to_do() {
    for (word, said, reason) in [
        ("", "554 5.7.1 go away\r\n", "rejected the connection: 554 5.7.1 go away"),
        (
            "MAIL",
            "553 5.7.1 not yours\r\n",
            "rejected the sender certwatch@example.org: 553 5.7.1 not yours; email.from must be an address that this node may use",
        ),
        (
            "MAIL",
            "530 5.7.0 Must issue a STARTTLS command first\r\n",
            "rejected the sender certwatch@example.org: 530 5.7.0 Must issue a STARTTLS command first; \
             set email.security to \"starttls\"",
        ),
        (
            "RCPT",
            "550 5.1.1 no\u{9b} such\r\n",
            "rejected the recipient ops@example.org: 550 5.1.1 no\\u{9b} such; is email.to right?",
        ),
        (
            "RCPT",
            "554 5.7.1 Relay access denied\r\n",
            "rejected the recipient ops@example.org: 554 5.7.1 Relay access denied; it relays mail only after authentication, or from hosts that it knows",
        ),
        (".", "552-5.3.4 too\r\n552 5.3.4 big\r\n", "rejected the mail: 552 5.3.4 too big"),
    ] {
        let failure = at(word, Act::Say(said), ATTEMPT);
        assert_eq!(failure.reason, reason);
        assert_eq!(failure.kind, FailureKind::Permanent);
    }
}

#[test]
fn a_login_that_fails_names_the_secret_and_not_its_content() {
    let file = NamedTempFile::new().unwrap();
    let server = Server::new(|heard| match heard {
        "AUTH" => Act::Say("535 5.7.8 not correct horse, AGNlcnQAY29ycmVjdCBob3JzZQ==\r\n"),
        _ => polite(heard),
    });
    let failure = failure(ATTEMPT, &with_login(server.port, &file));
    let path = file.path().display();
    assert_eq!(
        failure.reason,
        format!(
            "rejected the login of cert: 535 5.7.8 not ***, ***; is the password in {path} right?"
        )
    );
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(!server.heard().contains("MAIL"));
    let busy = Server::new(|heard| match heard {
        "AUTH" => Act::Say("454 4.7.0 busy\r\n"),
        _ => polite(heard),
    });
    assert_eq!(
        self::failure(ATTEMPT, &with_login(busy.port, &file)).kind,
        FailureKind::Transient(None)
    );
    let none = Server::new(|heard| match heard {
        "EHLO" => Act::Say("250 mail.example.org\r\n"),
        _ => polite(heard),
    });
    let failure = self::failure(ATTEMPT, &with_login(none.port, &file));
    assert!(
        failure.reason.starts_with("does not offer PLAIN or LOGIN authentication"),
        "{}",
        failure.reason
    );
    assert_eq!(failure.kind, FailureKind::Permanent);
}

#[test]
fn no_login_in_clear_but_on_loopback() {
    let file = NamedTempFile::new().unwrap();
    let server = Server::new(polite);
    let settings = with_login(server.port, &file);
    try_within(ATTEMPT, &settings).unwrap();
    assert!(server.heard().contains("AUTH PLAIN"));
    for host in ["192.0.2.1", "mail.example.org", "localhost.example.org", "2001:db8::1"] {
        let settings = EmailConfig { server: host.to_owned(), ..settings.clone() };
        let failure = failure(ATTEMPT, &settings);
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert!(failure.reason.contains("in clear text"), "{}", failure.reason);
    }
}

#[test]
fn without_starttls_nothing_is_said() {
    let server = Server::new(polite);
    let file = NamedTempFile::new().unwrap();
    let settings = EmailConfig { security: Security::StartTls, ..with_login(server.port, &file) };
    let failure = failure(ATTEMPT, &settings);
    assert!(failure.reason.starts_with("does not offer STARTTLS"), "{}", failure.reason);
    assert_eq!(failure.kind, FailureKind::Permanent);
    let heard = server.heard();
    assert!(["AUTH", "MAIL", "DATA"].iter().all(|word| !heard.contains(word)), "{heard}");
}

#[test]
fn what_comes_behind_starttls_in_clear_does_not_count() {
    // As one in between would, who wants the mail to vanish: an answer to all that follows.
    let server = Server::new(|heard| match heard {
        "EHLO" => Act::Say("250-mail.example.org\r\n250 STARTTLS\r\n"),
        "STARTTLS" => Act::Say("220 go\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 x\r\n"),
        _ => polite(heard),
    });
    let failure = failure(ATTEMPT, &settings(server.port, Security::StartTls));
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("answers TLS with something else"), "{}", failure.reason);
}

#[test]
fn tls_where_there_is_none() {
    let server = Server::new(polite);
    let failure = failure(ATTEMPT, &settings(server.port, Security::Tls));
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("answers TLS with something else"), "{}", failure.reason);
    let hanging = Server::new(|_| Act::Hang);
    let failure = self::failure(SOON, &settings(hanging.port, Security::Tls));
    assert!(failure.reason.contains("TLS handshake"), "{}", failure.reason);
}

#[test]
fn who_is_not_there_may_come() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = failure(ATTEMPT, &settings(port, Security::None));
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("refuses connections"), "{}", failure.reason);
    let settings =
        EmailConfig { server: "no such host".to_owned(), ..settings(port, Security::None) };
    let failure = self::failure(ATTEMPT, &settings);
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("cannot be resolved"), "{}", failure.reason);
}

#[test]
fn a_secret_that_is_not_there_may_come() {
    let file = NamedTempFile::new().unwrap();
    let settings = with_login(1, &file);
    drop(file);
    let failure = try_within(ATTEMPT, &settings).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient(None));
    assert!(failure.reason.starts_with("the secret /"), "{}", failure.reason);
}

#[test]
fn a_server_that_cannot_be_reached_is_not_looked_for_behind_the_proxy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        settings(listener.local_addr().unwrap().port(), Security::None)
    };
    let nowhere =
        EmailConfig { server: "nobody.invalid".to_owned(), ..settings(25, Security::None) };
    let why = |settings: &EmailConfig, proxy: ProxyConfig| {
        let network =
            Network { http: HttpConfig { proxy, ..HttpConfig::default() }, ..Network::default() };
        let message = sample::mixed();
        let sent = send_within(SOON.into(), settings, &network, "ops@example.org", &message);
        runtime.block_on(sent).unwrap_err().reason
    };
    let words = "mail does not go through the proxy";
    for settings in [&closed, &nowhere] {
        let asked = why(settings, ProxyConfig::Url("http://proxy.example.org:3128".to_owned()));
        assert!(asked.contains(words), "{asked}");
        let off = why(settings, ProxyConfig::Off);
        assert!(!off.contains(words), "{off}");
    }
}
