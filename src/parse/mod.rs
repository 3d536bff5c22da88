//! Pure parsing: bytes in, observations out. Private keys are stepped over, never decoded.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod algorithm;
mod cgroup;
pub(crate) mod cluster_config;
pub(crate) mod container_log;
pub(crate) mod credential;
pub(crate) mod duration;
pub mod kubeconfig;
pub(crate) mod kubeconfig_document;
pub(crate) mod kubelet;
pub(crate) mod listeners;
pub(crate) mod mailbox;
pub mod manifest;
pub(crate) mod mountinfo;
pub mod pem;
pub mod process;
pub mod public_key;
mod rustcrypto;
pub(crate) mod secret;
mod signature;
pub mod x509;
pub(crate) mod yaml;

/// What a file holds, by its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One DER certificate.
    Der,
    /// No bytes at all, or white space only.
    Empty,
    /// A kubeconfig, or what looks like one.
    Kubeconfig,
    /// At least one PEM block of any kind.
    Pem,
    /// Something else.
    Unknown,
}

/// Tells the form of a file; the name does not count, since anything is called `.pem`.
pub fn form(bytes: &[u8]) -> Form {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.iter().all(u8::is_ascii_whitespace) {
        Form::Empty
    } else if pem::has_block(text) {
        Form::Pem
    } else if text.starts_with(&[0x30]) {
        Form::Der
    } else if kubeconfig::is_likely(text) {
        Form::Kubeconfig
    } else {
        Form::Unknown
    }
}

/// True if `needle` occurs in `haystack`.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_form() {
        assert_eq!(form(b""), Form::Empty);
        assert_eq!(form(b"\xef\xbb\xbf \r\n"), Form::Empty);
        assert_eq!(form(b"text\n  -----BEGIN CERTIFICATE-----\n"), Form::Pem);
        assert_eq!(form(&[0x30, 0x82, 1, 2]), Form::Der);
        assert_eq!(form(b"apiVersion: v1\nclusters: []\nkind: Config\n"), Form::Kubeconfig);
        assert_eq!(form(b"{\"kind\": \"Config\", \"users\": []}"), Form::Kubeconfig);
        assert_eq!(
            form(b"# clusters: and users: of Config\n[Global]\nauth-url=x\n"),
            Form::Unknown
        );
    }
}
