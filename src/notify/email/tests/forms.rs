//! The exact mail.

use std::fs;
use std::path::Path;

use lettre::message::header;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

use super::sample;
use crate::domain::advice::Remedy;
use crate::domain::message::{MOST_SHOWN, Message, MessageKind};
use crate::domain::policy::Severity;
use crate::notify::FailureKind;
use crate::notify::email::{html, letter, text};

const FROM: &str = "certwatch <certwatch@example.org>";

fn messages() -> [(&'static str, Message); 6] {
    [
        ("mixed", sample::mixed()),
        ("resolved", sample::all_well()),
        ("renewed", sample::renewal(Severity::Ok)),
        ("renewal_failed", sample::renewal(Severity::Critical)),
        ("test", sample::test()),
        ("hostile", sample::hostile()),
    ]
}

fn raw(to: &str, message: &Message) -> String {
    String::from_utf8(letter::write(FROM, to, message).unwrap().formatted()).unwrap()
}

fn subject(message: &Message) -> String {
    let letter = letter::write(FROM, "a@example.org", message).unwrap();
    letter.headers().get::<header::Subject>().unwrap().as_ref().to_owned()
}

#[test]
fn plain_text() {
    for (name, message) in messages() {
        insta::assert_snapshot!(format!("{name}_text"), text::body(&message));
    }
}

#[test]
fn hypertext() {
    for (name, message) in messages() {
        insta::assert_snapshot!(format!("{name}_html"), html::body(&message));
    }
}

/// `cargo test --lib pages_to_look_at -- --ignored`, and then open target/mail/picture.html.
#[test]
#[ignore = "writes files, for docs/mail.png and for whoever wants to see them"]
fn pages_to_look_at() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mail");
    fs::create_dir_all(&directory).unwrap();
    for (name, message) in messages().into_iter().chain([("picture", sample::picture())]) {
        fs::write(directory.join(format!("{name}.html")), html::body(&message)).unwrap();
    }
}

#[test]
fn commands_can_be_pasted_and_lines_fit() {
    let message = sample::mixed();
    let text = text::body(&message);
    let remedies = message.firing.iter().flat_map(|firing| &firing.text.remedies);
    let mut count = 0;
    for command in remedies.filter_map(Remedy::command) {
        assert!(text.contains(&format!("\n    {command}\n")), "{command}");
        count += 1;
    }
    assert!(count > 2);
    for line in text.lines().filter(|line| !line.starts_with("    ") && !line.contains('`')) {
        assert!(line.width() <= 76, "{line}");
    }
}

#[test]
fn nothing_of_a_stranger_is_markup() {
    let html = html::body(&sample::hostile());
    for markup in ["<script", "<b>", "</pre>`", "http", "<img", "url(", "src="] {
        assert!(!html.contains(markup), "{markup}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot; '"));
}

#[test]
fn more_than_thirty_are_counted() {
    let mut message = sample::mixed();
    let one = message.firing[0].clone();
    message.firing = vec![one; MOST_SHOWN + 12];
    for body in [text::body(&message), html::body(&message).replace('\u{a0}', " ")] {
        assert_eq!(body.matches("expired 3 d ago, on").count(), 0);
        assert_eq!(body.matches("Expired 3 d ago, on").count(), MOST_SHOWN);
        assert!(body.contains("And 12 more: "));
    }
}

#[test]
fn every_attempt_is_the_same_mail() {
    let message = sample::mixed();
    assert_eq!(raw("Ops <Ops@Example.org>", &message), raw("Ops <Ops@Example.org>", &message));
    let ids = ["a@example.org", "b@example.org"].map(|to| {
        let letter = letter::write(FROM, to, &message).unwrap();
        let id = letter.headers().get::<header::MessageId>().unwrap();
        AsRef::<str>::as_ref(&id).to_owned()
    });
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        assert!(
            id.starts_with("<cw.00112233445566778899aabbccddeeff.")
                && id.ends_with("@example.org>")
        );
        assert_eq!(id.len(), "<cw.@example.org>".len() + 32 + 1 + 8);
    }
}

#[test]
fn headers() {
    let raw = raw("Operations <ops@example.org>", &sample::mixed());
    for line in [
        "In-Reply-To: <cw.0123456789abcdef@example.org>\r\n",
        "References: <cw.0123456789abcdef@example.org>\r\n",
        "Date: Mon, 23 Nov 2026 02:00:00 +0000\r\n",
        "Subject: [certwatch] CRITICAL cp1: apiserver expired 3 d ago, and 5 more\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "X-Auto-Response-Suppress: All\r\n",
        "X-Certwatch-Node: cp1\r\n",
        "X-Certwatch-Severity: critical\r\n",
        "To: Operations <ops@example.org>\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n",
    ] {
        assert!(raw.contains(line), "{line}{raw}");
    }
    assert!(raw.is_ascii() && raw.lines().all(|line| line.len() <= 78), "{raw}");
    assert!(raw.find("text/plain").unwrap() < raw.find("text/html").unwrap());
}

#[test]
fn a_subject_is_one_short_line() {
    let long = "apiserver-kubelet-client is broken: it is no certificate at all, and 12 more";
    let mut message = sample::message(MessageKind::Alert, Severity::Critical, long);
    message.node.name = "ip-10-0-0-1.eu-central-1.compute.internal".to_owned();
    assert_eq!(
        subject(&message),
        "[certwatch] CRITICAL ip-10-0-0-1.eu-centra...: apiserver-kubelet-client is ..."
    );
    // What is counted goes as a whole, before anything is cut.
    let begin = "front-proxy-client expires in 5 d";
    message.node.name = "cp1.example.org".to_owned();
    message.headline = format!("{begin}, and 7 other problems (12 earlier alerts are still open)");
    let short = format!("[certwatch] CRITICAL cp1.example.org: {begin}");
    assert_eq!(subject(&message), short);
    message.node.name = "cp1".to_owned();
    message.headline = format!("{begin}, and 3 more (12 still open)");
    assert_eq!(subject(&message), format!("[certwatch] CRITICAL cp1: {begin}, and 3 more"));
    message.node.name = "control-plane-1.kubernetes.example.org".to_owned();
    message.headline = "apiserver expires in 5 d, and 3 more".to_owned();
    assert_eq!(
        subject(&message),
        "[certwatch] CRITICAL control-plane-1.kuber...: apiserver expires in 5 d"
    );
    message.node.name = "ip-10-0-0-1.eu-central-1.compute.internal".to_owned();
    message.headline = "x\u{1b}[2J\r\nBcc: eve@example.org…".to_owned();
    assert_eq!(
        subject(&message),
        "[certwatch] CRITICAL ip-10-0-0-1.eu-centra...: x\\u{1b}[2J\\u{d}\\u{a}Bcc: eve..."
    );
    let raw = raw("a@example.org", &message);
    assert!(!raw.split("\r\n\r\n").next().unwrap().contains("\r\nBcc"), "{raw}");
}

/// The node is what tells a mail from those of its cluster: it is cut last.
#[test]
fn a_subject_names_the_cluster() {
    let headline = "apiserver expires in 5 d, and 3 more";
    let mut message = sample::message(MessageKind::Alert, Severity::Critical, headline);
    message.node.cluster = Some("prod".to_owned());
    assert_eq!(subject(&message), format!("[certwatch] CRITICAL prod/cp1: {headline}"));
    let raw = raw("a@example.org", &message);
    for header in ["X-Certwatch-Cluster: prod\r\n", "X-Certwatch-Node: cp1\r\n"] {
        assert!(raw.contains(header), "{raw}");
    }
    message.node.cluster = Some("api.production.eu-central-1.example.org".to_owned());
    message.node.name = "cp1.example.org".to_owned();
    assert_eq!(
        subject(&message),
        "[certwatch] CRITICAL api.produ.../cp1.example.org: apiserver expires in 5 d"
    );
}

#[test]
fn an_address_that_is_none_is_for_good() {
    let message = sample::test();
    for (from, to, key) in [("x", "a@example.org", "email.from: x"), (FROM, "y", "email.to: y")] {
        let failure = letter::write(from, to, &message).unwrap_err();
        assert!(failure.kind == FailureKind::Permanent && failure.reason.starts_with(key));
    }
}

proptest! {
    #[test]
    fn whatever_it_holds_it_is_a_mail(
        words in any::<[String; 4]>(), at in any::<i64>(), kind in 0_usize..4,
    ) {
        let mut message = sample::hostile();
        let [node, headline, line, name] = words.map(|text| crate::domain::text::escape_control(&text).into_owned());
        message.kind = [MessageKind::Alert, MessageKind::Resolved, MessageKind::Renewal, MessageKind::Test][kind];
        (message.node.name, message.headline) = (node, headline);
        message.at = crate::domain::time::UnixTime::new(at);
        message.firing[0].text.lines.push(line);
        message.firing[0].text.name = name;
        prop_assert!(subject(&message).width() <= 78);
        let raw = raw("a@example.org", &message);
        prop_assert!(raw.is_ascii());
        prop_assert!(!raw.split("\r\n").any(|line| line.len() > 998 || line.contains(['\r', '\n'])));
        let (headers, _) = raw.split_once("\r\n\r\n").unwrap();
        prop_assert!(!headers.contains(|c: char| c.is_control() && c != '\r' && c != '\n'));
        prop_assert_eq!(raw.matches("\r\nTo: ").count(), 1);
    }
}
