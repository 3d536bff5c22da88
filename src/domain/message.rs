//! One message to one receiver, in words, ready for the form of any channel.

use serde::{Deserialize, Serialize};

use super::alert::{AlertId, AlertText, Level};
use super::cluster::NodeIdentity;
use super::policy::Severity;
use super::time::UnixTime;

/// What is told in one go. Every text in it is safe to print and comes without an end of line;
/// each channel escapes it for its own form once more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The same for every attempt at this message, 32 hexadecimal digits: receivers can tell a
    /// repetition by it.
    pub id: String,
    /// The same for all messages from the first alert until all is well again, 16 hexadecimal digits.
    pub thread: String,
    /// What kind of message it is.
    pub kind: MessageKind,
    /// The node it is about, and its cluster.
    pub node: NodeIdentity,
    /// What the node was called when the receiver was told last, if that was something else.
    pub former: Option<NodeIdentity>,
    /// When it was made.
    pub at: UnixTime,
    /// The worst of what fires; of an outcome, how bad that is; [`Severity::Ok`] if nothing is wrong.
    pub severity: Severity,
    /// What and when, for a subject: `apiserver expires in 5 d, and 3 more`. Neither node nor
    /// severity is in it.
    pub headline: String,
    /// Sentences before all else; empty for alerts.
    pub text: Vec<String>,
    /// All that fires, most urgent first.
    pub firing: Vec<Firing>,
    /// What the receiver was told of and what is over.
    pub resolved: Vec<Resolved>,
    /// What certwatch will do next and when, one sentence; may be empty.
    pub next: String,
}

/// The kinds of messages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// Something is new, worse, or due to be repeated.
    Alert,
    /// Nothing but good news.
    Resolved,
    /// Something that happened to certwatch itself, told once.
    News,
    /// How a renewal ended.
    Renewal,
    /// `certwatch notify test`: nothing is wrong.
    Test,
}

/// Something that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Firing {
    /// Whom it is about, on the node of the message.
    pub id: AlertId,
    /// What is new in it for this receiver.
    pub change: AlertChange,
    /// How bad it is.
    pub level: Level,
    /// Since when.
    pub since: UnixTime,
    /// What to say.
    pub text: AlertText,
}

/// What is new for a receiver.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AlertChange {
    /// It was not told of yet.
    New,
    /// It was told of, and has become worse.
    Worse,
    /// It was told of, and is less bad now: for those who mirror what fires, not for people.
    Better,
    /// It was told of.
    Still,
}

/// Something that was wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// Whom it is about, on the node of the message.
    pub id: AlertId,
    /// How bad it was when it was told last.
    pub level: Level,
    /// Since when it was wrong.
    pub since: UnixTime,
    /// When that was found to be over.
    pub at: UnixTime,
    /// Name, title and place are those that were told.
    pub text: AlertText,
    /// How it ended: `it is well: ends in 364 d, on 2027-11-23`.
    pub how: String,
}

impl Message {
    /// The word that begins every subject: CRITICAL, UNKNOWN, WARNING, RESOLVED, RENEWED, FAILED, TEST.
    pub fn tag(&self) -> &'static str {
        match (self.kind, self.severity) {
            (MessageKind::Resolved, _) => "RESOLVED",
            (MessageKind::Test, _) => "TEST",
            (MessageKind::Renewal, Severity::Ok) => "RENEWED",
            (MessageKind::Renewal, _) => "FAILED",
            (MessageKind::Alert | MessageKind::News, Severity::Critical) => "CRITICAL",
            (MessageKind::Alert | MessageKind::News, Severity::Unknown) => "UNKNOWN",
            (MessageKind::Alert | MessageKind::News, Severity::Warning | Severity::Ok) => "WARNING",
        }
    }
}

/// Most alerts that one message shows in full.
pub(crate) const MOST_SHOWN: usize = 30;
