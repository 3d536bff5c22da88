//! Mail addresses, as people write them (RFC 5322, without SMTPUTF8).

use lettre::Address;
use lettre::message::Mailbox;

use crate::domain::text::{escape_control, is_unsafe};

/// Reads `ops@example.org` or `Operations <ops@example.org>`.
///
/// # Errors
/// It is neither; the text says what is wrong, in words that go on after the name of a setting.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(is_unsafe) {
        return Err("holds control characters".to_owned());
    }
    let (name, address) = parts(text.trim());
    // Without SMTPUTF8, which few servers have, nothing else can be sent.
    if !address.is_ascii() {
        return Err(format!(
            "{}: only ASCII can stand in an address; write the domain as xn--…",
            escape_control(address)
        ));
    }
    let address: Address = address.parse().map_err(|_| {
        format!("{}: neither `a@example.org` nor `Name <a@example.org>`", escape_control(text))
    })?;
    Ok(Mailbox::new(name, address))
}

/// The name, if there is one, and what should be the address.
fn parts(text: &str) -> (Option<String>, &str) {
    let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'))
    else {
        return (None, text);
    };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    ((!name.is_empty()).then(|| name.to_owned()), address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, String) {
        let mailbox = mailbox(text).unwrap();
        (mailbox.name, mailbox.email.to_string())
    }

    #[test]
    fn with_a_name_and_without() {
        let address = "ops@example.org".to_owned();
        assert_eq!(read(" ops@example.org "), (None, address.clone()));
        assert_eq!(read("<ops@example.org>"), (None, address.clone()));
        let named = (Some("Operations, Köln".to_owned()), address);
        assert_eq!(read("Operations, Köln <ops@example.org>"), named);
        assert_eq!(read("\"Operations, Köln\" <ops@example.org>"), named);
    }

    #[test]
    fn what_is_no_address() {
        for text in ["", "ops", "a@b@c@", "a b@example.org", "a@example.org, b@example.org"] {
            assert!(mailbox(text).unwrap_err().contains("neither"), "{text}");
        }
        for text in ["a <b@example.org> c", "a@example.org> RCPT TO:<b@example.org"] {
            assert!(mailbox(text).unwrap_err().contains("neither"), "{text}");
        }
        for text in ["a\r\nBcc: b@example.org <a@example.org>", "\u{202e}a <a@example.org>"] {
            assert_eq!(mailbox(text).unwrap_err(), "holds control characters");
        }
        assert!(mailbox("ops@köln.example").unwrap_err().contains("xn--"));
    }
}
