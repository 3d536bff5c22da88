//! Mail.

/// An address.
///
/// # Errors
/// It is none.
pub fn mailbox(text: &str) -> Result<lettre::message::Mailbox, String> {
    text.parse().map_err(|_| "is no address".to_owned())
}

/// Sends.
///
/// # Errors
/// Not sent.
pub async fn send(
    _settings: &crate::config::channels::Email,
    _ca_file: Option<&std::path::Path>,
    _to: &str,
    _message: &crate::domain::message::Message,
) -> Result<super::Receipt, super::Failure> {
    Err(super::Failure::permanent("stand-in"))
}
