//! The algorithms of signatures by name: RFC 3279, 4055, 5758, 8410, 8692, 9814 and 9881. The names
//! are those of `openssl x509 -text`.

use x509_parser::asn1_rs::{Oid, oid};

/// An algorithm that signs certificates.
pub(super) struct Algorithm {
    oid: Oid<'static>,
    pub(super) name: &'static str,
    /// Whose signatures it makes.
    pub(super) key: KeyType,
    /// How it is checked; `None` for what is known by name only.
    pub(super) scheme: Option<Scheme>,
}

/// How a signature is checked.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    Rsa(Hash),
    Pss,
    Ecdsa(Hash),
    Ed25519,
}

/// Hashes that are used here.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// NIST's curves that are used here.
#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// The type of key that an algorithm needs.
#[derive(Clone, Copy)]
pub(super) enum KeyType {
    Dsa,
    Ec,
    Rsa,
    /// An RSA key, or one that is for RSASSA-PSS alone.
    Pss,
    /// Keys and signatures have one OID.
    Same,
}

const DSA: Oid<'static> = oid!(1.2.840.10040.4.1);
const EC: Oid<'static> = oid!(1.2.840.10045.2.1);
const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);
/// RSASSA-PSS, the key and the signature.
pub(super) const PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);
/// The only mask of RSASSA-PSS.
pub(super) const MGF1: Oid<'static> = oid!(1.2.840.113549.1.1.8);

/// The algorithm with this OID.
pub(super) fn find(oid: &Oid<'_>) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|it| it.oid == *oid)
}

/// True if a key of this type is one that some known algorithm signs with.
pub(super) fn is_known_key(oid: &Oid<'_>) -> bool {
    ALGORITHMS.iter().any(|it| it.key.fits(oid, &it.oid))
}

impl KeyType {
    /// True if a key of the type `key` can make a signature of `algorithm`.
    pub(super) fn fits(self, key: &Oid<'_>, algorithm: &Oid<'_>) -> bool {
        match self {
            Self::Dsa => *key == DSA,
            Self::Ec => *key == EC,
            Self::Rsa => *key == RSA,
            Self::Pss => *key == RSA || *key == PSS,
            Self::Same => key == algorithm,
        }
    }
}

impl Hash {
    /// Length of its sums.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// The hash with this OID.
pub(super) fn hash(oid: &Oid<'_>) -> Option<Hash> {
    match () {
        () if *oid == oid!(1.3.14.3.2.26) => Some(Hash::Sha1),
        () if *oid == oid!(2.16.840.1.101.3.4.2.1) => Some(Hash::Sha256),
        () if *oid == oid!(2.16.840.1.101.3.4.2.2) => Some(Hash::Sha384),
        () if *oid == oid!(2.16.840.1.101.3.4.2.3) => Some(Hash::Sha512),
        () if *oid == oid!(2.16.840.1.101.3.4.2.4) => Some(Hash::Sha224),
        () => None,
    }
}

/// The hash of a signature, if it is one that anybody can forge; by the name that people know.
pub(super) fn weak_hash(signature: &Oid<'_>) -> Option<&'static str> {
    match find(signature)?.name {
        "ecdsa-with-SHA1" | "dsaWithSHA1" | "sha1WithRSA" | "sha1WithRSAEncryption" => {
            Some("SHA-1")
        }
        "md2WithRSAEncryption" => Some("MD2"),
        "md5WithRSAEncryption" => Some("MD5"),
        _ => None,
    }
}

/// A curve that is not used here, but elsewhere.
pub(super) const P224: Oid<'static> = oid!(1.3.132.0.33);

/// The curve with this OID.
pub(super) fn curve(oid: &Oid<'_>) -> Option<Curve> {
    match () {
        () if *oid == oid!(1.2.840.10045.3.1.7) => Some(Curve::P256),
        () if *oid == oid!(1.3.132.0.34) => Some(Curve::P384),
        () if *oid == oid!(1.3.132.0.35) => Some(Curve::P521),
        () => None,
    }
}

impl Curve {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }
}

const fn known(
    oid: Oid<'static>,
    name: &'static str,
    key: KeyType,
    scheme: Option<Scheme>,
) -> Algorithm {
    Algorithm { oid, name, key, scheme }
}

const fn rsa(oid: Oid<'static>, name: &'static str, hash: Option<Hash>) -> Algorithm {
    let scheme = match hash {
        Some(hash) => Some(Scheme::Rsa(hash)),
        None => None,
    };
    known(oid, name, KeyType::Rsa, scheme)
}

const fn ecdsa(oid: Oid<'static>, name: &'static str, hash: Option<Hash>) -> Algorithm {
    let scheme = match hash {
        Some(hash) => Some(Scheme::Ecdsa(hash)),
        None => None,
    };
    known(oid, name, KeyType::Ec, scheme)
}

const fn dsa(oid: Oid<'static>, name: &'static str) -> Algorithm {
    known(oid, name, KeyType::Dsa, None)
}

const fn by_name(oid: Oid<'static>, name: &'static str) -> Algorithm {
    known(oid, name, KeyType::Same, None)
}

/// The ones that are met most come first.
static ALGORITHMS: [Algorithm; 47] = [
    rsa(oid!(1.2.840.113549.1.1.11), "sha256WithRSAEncryption", Some(Hash::Sha256)),
    ecdsa(oid!(1.2.840.10045.4.3.2), "ecdsa-with-SHA256", Some(Hash::Sha256)),
    ecdsa(oid!(1.2.840.10045.4.3.3), "ecdsa-with-SHA384", Some(Hash::Sha384)),
    rsa(oid!(1.2.840.113549.1.1.12), "sha384WithRSAEncryption", Some(Hash::Sha384)),
    rsa(oid!(1.2.840.113549.1.1.13), "sha512WithRSAEncryption", Some(Hash::Sha512)),
    known(oid!(1.3.101.112), "ED25519", KeyType::Same, Some(Scheme::Ed25519)),
    known(PSS, "rsassaPss", KeyType::Pss, Some(Scheme::Pss)),
    ecdsa(oid!(1.2.840.10045.4.3.4), "ecdsa-with-SHA512", Some(Hash::Sha512)),
    ecdsa(oid!(1.2.840.10045.4.3.1), "ecdsa-with-SHA224", Some(Hash::Sha224)),
    rsa(oid!(1.2.840.113549.1.1.14), "sha224WithRSAEncryption", Some(Hash::Sha224)),
    rsa(oid!(1.2.840.113549.1.1.5), "sha1WithRSAEncryption", Some(Hash::Sha1)),
    rsa(oid!(1.3.14.3.2.29), "sha1WithRSA", Some(Hash::Sha1)),
    rsa(oid!(1.2.840.113549.1.1.2), "md2WithRSAEncryption", None),
    rsa(oid!(1.2.840.113549.1.1.4), "md5WithRSAEncryption", None),
    rsa(oid!(1.2.840.113549.1.1.15), "sha512-224WithRSAEncryption", None),
    rsa(oid!(1.2.840.113549.1.1.16), "sha512-256WithRSAEncryption", None),
    rsa(oid!(2.16.840.1.101.3.4.3.13), "RSA-SHA3-224", None),
    rsa(oid!(2.16.840.1.101.3.4.3.14), "RSA-SHA3-256", None),
    rsa(oid!(2.16.840.1.101.3.4.3.15), "RSA-SHA3-384", None),
    rsa(oid!(2.16.840.1.101.3.4.3.16), "RSA-SHA3-512", None),
    ecdsa(oid!(1.2.840.10045.4.1), "ecdsa-with-SHA1", None),
    ecdsa(oid!(2.16.840.1.101.3.4.3.9), "ecdsa_with_SHA3-224", None),
    ecdsa(oid!(2.16.840.1.101.3.4.3.10), "ecdsa_with_SHA3-256", None),
    ecdsa(oid!(2.16.840.1.101.3.4.3.11), "ecdsa_with_SHA3-384", None),
    ecdsa(oid!(2.16.840.1.101.3.4.3.12), "ecdsa_with_SHA3-512", None),
    ecdsa(oid!(1.2.156.10197.1.501), "SM2-with-SM3", None),
    dsa(oid!(1.2.840.10040.4.3), "dsaWithSHA1"),
    dsa(oid!(2.16.840.1.101.3.4.3.1), "dsa_with_SHA224"),
    dsa(oid!(2.16.840.1.101.3.4.3.2), "dsa_with_SHA256"),
    dsa(oid!(2.16.840.1.101.3.4.3.3), "dsa_with_SHA384"),
    dsa(oid!(2.16.840.1.101.3.4.3.4), "dsa_with_SHA512"),
    by_name(oid!(1.3.101.113), "ED448"),
    by_name(oid!(2.16.840.1.101.3.4.3.17), "ML-DSA-44"),
    by_name(oid!(2.16.840.1.101.3.4.3.18), "ML-DSA-65"),
    by_name(oid!(2.16.840.1.101.3.4.3.19), "ML-DSA-87"),
    by_name(oid!(2.16.840.1.101.3.4.3.20), "SLH-DSA-SHA2-128s"),
    by_name(oid!(2.16.840.1.101.3.4.3.21), "SLH-DSA-SHA2-128f"),
    by_name(oid!(2.16.840.1.101.3.4.3.22), "SLH-DSA-SHA2-192s"),
    by_name(oid!(2.16.840.1.101.3.4.3.23), "SLH-DSA-SHA2-192f"),
    by_name(oid!(2.16.840.1.101.3.4.3.24), "SLH-DSA-SHA2-256s"),
    by_name(oid!(2.16.840.1.101.3.4.3.25), "SLH-DSA-SHA2-256f"),
    by_name(oid!(2.16.840.1.101.3.4.3.26), "SLH-DSA-SHAKE-128s"),
    by_name(oid!(2.16.840.1.101.3.4.3.27), "SLH-DSA-SHAKE-128f"),
    by_name(oid!(2.16.840.1.101.3.4.3.28), "SLH-DSA-SHAKE-192s"),
    by_name(oid!(2.16.840.1.101.3.4.3.29), "SLH-DSA-SHAKE-192f"),
    by_name(oid!(2.16.840.1.101.3.4.3.30), "SLH-DSA-SHAKE-256s"),
    by_name(oid!(2.16.840.1.101.3.4.3.31), "SLH-DSA-SHAKE-256f"),
];
