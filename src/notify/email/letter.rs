//! The mail: its headers, and its two forms in one.

use std::time::{Duration, SystemTime};

use lettre::Message as Letter;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use ring::digest;
use unicode_width::UnicodeWidthStr as _;

use super::{Failure, html, text};
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::Message;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::parse::mailbox::mailbox;
use crate::report::lines::cut_end;

/// Widest subject (RFC 5322, 2.1.1).
const SUBJECT_WIDTH: usize = 78;

/// What is left of the name of a node if the subject is too long.
const NODE_WIDTH: usize = 24;

/// What is left of the name of its cluster.
const CLUSTER_WIDTH: usize = 12;

/// 9999-12-31T23:59:59Z: no date of a mail is later.
const LAST_SECOND: u64 = 253_402_300_799;

/// The mail for one recipient; the same, byte by byte, for every attempt.
pub(super) fn write(from: &str, to: &str, message: &Message) -> Result<Letter, Failure> {
    let of = |key: &str, text: &str| {
        mailbox(text).map_err(|why| Failure::permanent(format!("email.{key}: {why}")))
    };
    let (from, to) = (of("from", from)?, of("to", to)?);
    let forms = forms(message).map_err(unwritable)?;
    let domain = from.email.domain();
    // A root that no mail has: clients show all mails below it as one conversation.
    let root = format!("<cw.{}@{domain}>", word(&message.thread));
    let headers = Letter::builder()
        .message_id(Some(format!("<cw.{}.{}@{domain}>", word(&message.id), mark(&to))))
        .in_reply_to(root.clone())
        .references(root)
        .date(date(message.at))
        .subject(subject(message))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("X-Certwatch-Node", &escape_control(&message.node.name)))
        .raw_header(header("X-Certwatch-Severity", message.severity.name()));
    // An empty header would be no name to filter by.
    let headers = match &message.node.cluster {
        Some(cluster) => {
            headers.raw_header(header("X-Certwatch-Cluster", &escape_control(cluster)))
        }
        None => headers,
    };
    headers.from(from).to(to).multipart(forms).map_err(unwritable)
}

/// `[certwatch] CRITICAL prod/cp1: apiserver expires in 5 d`, in one line of 78 columns.
fn subject(message: &Message) -> String {
    let plain = |text: &str| escape_control(text).replace('…', "...");
    let headline = plain(&message.headline);
    let whole =
        |node: &str, headline: &str| format!("[certwatch] {} {node}: {headline}", message.tag());
    let headlines: Vec<_> =
        std::iter::successors(Some(headline.as_str()), |it| without_tail(it)).collect();
    let nodes = nodes(&message.node).map(|node| plain(&node.to_string()));
    let short = nodes[2].clone();
    let nodes = nodes.iter();
    let mut all = nodes.flat_map(|node| headlines.iter().map(move |it| whole(node, it)));
    all.find(|it| it.width() <= SUBJECT_WIDTH).unwrap_or_else(|| {
        let shortest = headlines.last().copied().unwrap_or_default();
        cut(&whole(&short, shortest), SUBJECT_WIDTH)
    })
}

/// The node, whole and ever shorter: the name of the node is what tells it from the others of its cluster.
fn nodes(whole: &NodeIdentity) -> [NodeIdentity; 3] {
    let cluster = whole.cluster.as_deref().map(|it| cut(it, CLUSTER_WIDTH));
    let near = NodeIdentity { cluster, ..whole.clone() };
    let short = NodeIdentity { name: cut(&whole.name, NODE_WIDTH), ..near.clone() };
    [whole.clone(), near, short]
}

/// A headline without what it counts at its end, such as `, and 7 other problems`; the body has it.
fn without_tail(headline: &str) -> Option<&str> {
    let in_brackets = |tail: &str| tail.ends_with(" still open)");
    let counts = |tail: &str| tail.starts_with(|it: char| it.is_ascii_digit());
    let cut = headline.rsplit_once(" (").filter(|(_, tail)| in_brackets(tail));
    let cut = cut.or(headline.rsplit_once(", and ").filter(|(_, tail)| counts(tail)));
    cut.map(|(rest, _)| rest)
}

/// With three dots: an ellipsis would have the whole line encoded.
fn cut(text: &str, width: usize) -> String {
    match text.width() > width {
        true => cut_end(text, width - 2).replace('…', "..."),
        false => text.to_owned(),
    }
}

/// Plain text first: a client shows the last form that it understands (RFC 2046, 5.1.4).
fn forms(message: &Message) -> Result<MultiPart, String> {
    let part = |content_type, body| {
        Body::new_with_encoding(body, ContentTransferEncoding::QuotedPrintable)
            .map(|body| SinglePart::builder().header(content_type).body(body))
            .map_err(|_| "its text cannot be encoded".to_owned())
    };
    // "=_" stands in no quoted-printable text (RFC 2045, 6.7).
    let boundary = format!("=_cw_{}", word(&message.id));
    Ok(MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, text::body(message))?)
        .singlepart(part(ContentType::TEXT_HTML, html::body(message))?))
}

fn unwritable(why: impl std::fmt::Display) -> Failure {
    Failure::permanent(format!(
        "no mail can be made of the message: {}",
        escape_control(&why.to_string())
    ))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Eight digits that tell recipients apart, since each has a mail of its own.
fn mark(to: &Mailbox) -> String {
    let address = to.email.to_string().to_lowercase();
    let hash = digest::digest(&digest::SHA256, address.as_bytes());
    hash.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What may stand in a Message-ID. Ours are hexadecimal digits; this holds whatever comes.
fn word(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

fn date(at: UnixTime) -> SystemTime {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0).min(LAST_SECOND);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
