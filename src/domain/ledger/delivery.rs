//! What goes out.

use serde::{Deserialize, Serialize};

use super::ReceiverId;
use crate::domain::message::{Message, MessageKind};
use crate::domain::policy::Severity;
use crate::domain::time::UnixTime;

/// News that every receiver is told once, apart from any alert.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Notice {
    /// Told apart by it; 32 hexadecimal digits.
    pub id: String,
    /// When it happened.
    pub at: UnixTime,
    /// What kind of news.
    pub kind: MessageKind,
    /// How bad it is.
    pub severity: Severity,
    /// For the subject.
    pub headline: String,
    /// What happened, sentence by sentence.
    pub text: Vec<String>,
}

/// One message on its way to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// To whom.
    pub receiver: ReceiverId,
    /// Of this content, whenever it is tried.
    pub id: String,
    /// Where it belongs, in the receiver's own words.
    pub thread: Option<String>,
    /// What is told.
    pub body: Body,
    pub(super) notice: Option<String>,
    /// Of this content, whatever was told before it.
    pub(super) topic: String,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A message.
    Message(Box<Message>),
    /// That certwatch is well, or not.
    Heartbeat {
        /// It is.
        is_well: bool,
        /// The state of things in a few lines.
        text: String,
    },
}

/// What to do for a receiver.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Tell it this.
    Now(Box<Delivery>),
    /// Nothing before then.
    At(UnixTime),
    /// Nothing until something changes.
    Nothing,
}

impl Delivery {
    /// A message that the ledger need not remember.
    pub fn message(receiver: &ReceiverId, body: Body, id: String) -> Self {
        let topic = id.clone();
        Self { receiver: receiver.clone(), id, thread: None, body, notice: None, topic }
    }

    /// A heartbeat.
    pub fn heartbeat(receiver: &ReceiverId, id: String, is_well: bool, text: String) -> Self {
        Self::message(receiver, Body::Heartbeat { is_well, text }, id)
    }
}
