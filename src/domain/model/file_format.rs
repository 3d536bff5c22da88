//! What files beside certificates are.

/// What a file is that certwatch recognizes and does not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileFormat {
    /// A certificate revocation list.
    Crl,
    /// A private key behind a password.
    EncryptedKey,
    /// A Java keystore of the second kind.
    Jceks,
    /// A Java keystore.
    Jks,
    /// Parameters of Diffie-Hellman, DSA or an elliptic curve.
    Parameters,
    /// Keys, messages and signatures of PGP.
    Pgp,
    /// A PKCS #12 keystore: `.p12`, `.pfx`.
    Pkcs12,
    /// A PKCS #7 bundle: `.p7b`, `.p7c`.
    Pkcs7,
    /// A private key.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A certificate signing request.
    Request,
    /// A key for SSH, private or public.
    SshKey,
    /// Text in UTF-16, as PowerShell writes it.
    Utf16,
}

impl FileFormat {
    /// Its name, with the article.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crl => "a certificate revocation list",
            Self::EncryptedKey => "an encrypted private key",
            Self::Jceks => "a Java keystore (JCEKS)",
            Self::Jks => "a Java keystore (JKS)",
            Self::Parameters => "cryptographic parameters",
            Self::Pgp => "PGP data",
            Self::Pkcs12 => "a PKCS #12 keystore",
            Self::Pkcs7 => "a PKCS #7 bundle",
            Self::PrivateKey => "a private key",
            Self::PublicKey => "a public key",
            Self::Request => "a certificate signing request",
            Self::SshKey => "an SSH key",
            Self::Utf16 => "text in UTF-16",
        }
    }

    /// True if there may be certificates in it.
    pub(crate) fn is_container(self) -> bool {
        match self {
            Self::Jceks | Self::Jks | Self::Pkcs12 | Self::Pkcs7 | Self::Utf16 => true,
            Self::Crl
            | Self::EncryptedKey
            | Self::Parameters
            | Self::Pgp
            | Self::PrivateKey
            | Self::PublicKey
            | Self::Request
            | Self::SshKey => false,
        }
    }

    /// True for what lies beside certificates, and ends with none of them.
    pub(crate) fn is_companion(self) -> bool {
        matches!(
            self,
            Self::EncryptedKey
                | Self::Parameters
                | Self::PrivateKey
                | Self::PublicKey
                | Self::Request
                | Self::SshKey
        )
    }

    /// The stable name for machines.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Jceks | Self::Jks | Self::Pkcs12 => "keystore",
            Self::Crl | Self::Pgp | Self::Pkcs7 | Self::Request | Self::Utf16 => {
                "unsupported_format"
            }
            Self::EncryptedKey
            | Self::Parameters
            | Self::PrivateKey
            | Self::PublicKey
            | Self::SshKey => "no_certificate_found",
        }
    }
}
