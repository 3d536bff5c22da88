//! Mail.

/// An address.
///
/// # Errors
/// It is none.
pub fn mailbox(text: &str) -> Result<lettre::message::Mailbox, String> {
    text.parse().map_err(|_| "is no address".to_owned())
}
