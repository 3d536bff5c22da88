//! Mail through one SMTP server: one recipient and one connection for each attempt.
//!
//! `letter` makes the mail, with its two forms from `text` and `html`; `transport` hands it over;
//! `failure` says what went wrong in words. A recipient that is refused costs nobody else the mail.

mod bounded_stream;
mod failure;
mod html;
mod letter;
mod text;
mod transport;
mod words;

use std::time::Duration;

use super::{ATTEMPT, Failure, Network, Receipt};
use crate::config::channels::EmailConfig;
use crate::domain::message::Message;

/// What one attempt may cost.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    time: Duration,
    /// Bytes that the server may send.
    read: usize,
}

impl Bounds {
    const USUAL: Self = Self { time: ATTEMPT, read: bounded_stream::MOST_READ };
}

/// Hands `message` for `to` over to the mail server: one attempt, at most [`ATTEMPT`] long.
///
/// # Errors
/// The server could not be reached or trusted, or did not take the mail.
pub async fn send(
    settings: &EmailConfig,
    network: &Network,
    to: &str,
    message: &Message,
) -> Result<Receipt, Failure> {
    send_within(Bounds::USUAL, settings, network, to, message).await
}

/// The bounds are an argument for the tests of servers that never answer, or never end.
async fn send_within(
    bounds: Bounds,
    settings: &EmailConfig,
    network: &Network,
    to: &str,
    message: &Message,
) -> Result<Receipt, Failure> {
    let letter = letter::write(&settings.from, to, message)?;
    transport::deliver(bounds, settings, network, to, &letter).await?;
    Ok(Receipt::default())
}

#[cfg(test)]
mod tests;
