//! What a file holds, by its content: anything is called `.pem`.

use crate::domain::model::FileFormat;

use super::kubeconfig::Likeness;
use super::{der, kubeconfig, pem, pem_header, text};

/// What a file holds, by its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// DER that may be certificates.
    Der,
    /// No bytes at all, or white space only.
    Empty,
    /// A kubeconfig, or what looks like one.
    Kubeconfig,
    /// Something that is known, and not read.
    Other {
        /// What it is.
        format: FileFormat,
        /// In DER, where it may be in PEM as well.
        is_der: bool,
    },
    /// PEM with certificates, or with what was to be one.
    Pem,
    /// Something else.
    Unknown,
}

/// How Java's keystores begin.
const MAGIC: [([u8; 4], FileFormat); 2] =
    [([0xfe, 0xed, 0xfe, 0xed], FileFormat::Jks), ([0xce; 4], FileFormat::Jceks)];

/// How lines for `authorized_keys` begin, and SSH's own kind of PEM.
const SSH: [&[u8]; 4] = [b"ssh-", b"ecdsa-sha2-", b"sk-", b"---- BEGIN SSH2 "];

/// Tells the form of a file; the name does not count.
pub fn form(bytes: &[u8]) -> Form {
    let other = |format| Form::Other { format, is_der: false };
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return other(*format);
    }
    if der::is_likely(bytes) {
        let known = der::format(bytes);
        return known.map_or(Form::Der, |format| Form::Other { format, is_der: true });
    }
    let utf16 = text::utf16(bytes);
    let text = utf16.as_ref().map_or(bytes, |text| text.as_bytes());
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let likeness = kubeconfig::likeness(text);
    let is_ssh = || SSH.iter().any(|start| text.trim_ascii_start().starts_with(start));
    if text.iter().all(u8::is_ascii_whitespace) {
        Form::Empty
    } else if likeness == Likeness::Whole {
        Form::Kubeconfig
    } else if !pem::certificates(text).is_empty() || !pem_header::damaged(text).is_empty() {
        if utf16.is_some() { other(FileFormat::Utf16) } else { Form::Pem }
    } else if let Some(format) = pem_header::format(text) {
        other(format)
    } else if is_ssh() {
        other(FileFormat::SshKey)
    } else if likeness == Likeness::Broken {
        Form::Kubeconfig
    } else {
        Form::Unknown
    }
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
        assert_eq!(form(b"01\n"), Form::Unknown);
        assert_eq!(
            form(b"# clusters: and users: of Config\n[Global]\nauth-url=x\n"),
            Form::Unknown
        );
    }

    #[test]
    fn what_is_not_read_has_its_name() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAQID\n-----END {label}-----\n");
        let other = |format| Form::Other { format, is_der: false };
        for (label, format) in [
            ("PKCS7", FileFormat::Pkcs7),
            ("CMS", FileFormat::Pkcs7),
            ("X509 CRL", FileFormat::Crl),
            ("CERTIFICATE REQUEST", FileFormat::Request),
            ("NEW CERTIFICATE REQUEST", FileFormat::Request),
            ("EC PRIVATE KEY", FileFormat::PrivateKey),
            ("ENCRYPTED PRIVATE KEY", FileFormat::EncryptedKey),
            ("OPENSSH PRIVATE KEY", FileFormat::SshKey),
            ("RSA PUBLIC KEY", FileFormat::PublicKey),
            ("PGP PRIVATE KEY BLOCK", FileFormat::Pgp),
            ("DH PARAMETERS", FileFormat::Parameters),
        ] {
            assert_eq!(form(pem(label).as_bytes()), other(format), "{label}");
        }
        assert_eq!(form(b"ssh-ed25519 AAAA me@host\n"), other(FileFormat::SshKey));
        assert_eq!(form(b"\xfe\xed\xfe\xed\0\0\0\x02"), other(FileFormat::Jks));
        let certificate = pem("CERTIFICATE");
        let utf16: Vec<u8> = certificate.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(form(&utf16), other(FileFormat::Utf16));
        // What holds a certificate is judged by it.
        assert_eq!(form((pem("PRIVATE KEY") + &certificate).as_bytes()), Form::Pem);
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n";
        assert_eq!(form(key.as_bytes()), other(FileFormat::EncryptedKey));
    }

    #[test]
    fn a_kubeconfig_is_known_however_it_is_written() {
        for text in [
            "apiVersion: v1\nclusters: []\nkind: Config\n",
            "{\"kind\": \"Config\", \"users\": []}",
            "\n  {\n\t\"users\": [],\n\t\"kind\": \"Config\"}",
            "{kind: Config, users: []}",
            "\"users\": []\n'kind': Config\n",
            "  users: []\n  kind: Config\n",
            "%YAML 1.1\n--- # mine\nusers: []\n",
            "users:\r\n- name: a\r\n",
            "# -----BEGIN CERTIFICATE-----\nusers: []\n",
            "users:\n- name: [\n",
            "x: &a [1]\nusers: *a\n",
        ] {
            assert_eq!(form(text.as_bytes()), Form::Kubeconfig, "{text:?}");
            let with_bom = format!("\u{feff}{text}");
            for text in [text, &with_bom] {
                let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                assert_eq!([form(&little), form(&big)], [Form::Kubeconfig; 2], "{text:?}");
            }
        }
        assert_eq!(form(b"kind: KubeletConfiguration\n"), Form::Unknown);
    }
}
