//! Whether a key has made a signature. Verified, refused and unknown are three results: only the
//! first lets anything be written.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ED25519, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::asn1_rs::{Any, BitString, Tag};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::algorithm::{self, Curve, Hash, Scheme};
use super::rustcrypto::{self, RsaKey};

/// What can be said of a signature and a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The key has made it.
    Verified,
    /// The key has not made it: damaged, another key's, or no key for this algorithm.
    Refused,
    /// It cannot be checked here. The name of the algorithm, or its OID.
    Unchecked(Box<str>),
}

/// Checks the `signature` over `message` with the public `key` of whoever may have made it.
///
/// The work is bounded whatever the bytes are: the sizes of an RSA key are looked at first.
pub(super) fn verify(
    algorithm: &AlgorithmIdentifier<'_>,
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signature: &BitString<'_>,
) -> Verdict {
    let Some(known) = algorithm::find(&algorithm.algorithm) else {
        return Verdict::Unchecked(algorithm.algorithm.to_id_string().into());
    };
    let key_type = &key.algorithm.algorithm;
    if !known.key.fits(key_type, &algorithm.algorithm) {
        return if algorithm::is_known_key(key_type) {
            Verdict::Refused
        } else {
            unchecked(known.name, &format!("a key of type {}", key_type.to_id_string()))
        };
    }
    if signature.unused_bits != 0 || key.subject_public_key.unused_bits != 0 {
        return Verdict::Refused;
    }
    let signed = Signed { name: known.name, message, signature: &signature.data, key };
    match known.scheme {
        None => Verdict::Unchecked(known.name.into()),
        Some(Scheme::Rsa(hash)) if is_null(algorithm) => signed.rsa(hash),
        Some(Scheme::Pss) => signed.pss(algorithm.parameters.as_ref()),
        Some(Scheme::Ecdsa(hash)) if is_null(algorithm) => signed.ecdsa(hash),
        Some(Scheme::Ed25519) if algorithm.parameters.is_none() => signed.ring(&ED25519),
        Some(Scheme::Rsa(_) | Scheme::Ecdsa(_) | Scheme::Ed25519) => Verdict::Refused,
    }
}

/// Parameters are absent, or NULL, which old programs write where nothing should be.
fn is_null(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.parameters.as_ref().is_none_or(|it| it.tag() == Tag::Null && it.data.is_empty())
}

/// `ecdsa-with-SHA256 with a key on 1.3.132.0.10`.
fn unchecked(name: &str, with: &str) -> Verdict {
    Verdict::Unchecked(format!("{name} with {with}").into())
}

/// A signature whose key is of the right type.
struct Signed<'a> {
    name: &'static str,
    message: &'a [u8],
    signature: &'a [u8],
    key: &'a SubjectPublicKeyInfo<'a>,
}

impl Signed<'_> {
    fn ring(&self, algorithm: &'static dyn VerificationAlgorithm) -> Verdict {
        let key = UnparsedPublicKey::new(algorithm, &self.key.subject_public_key.data);
        match key.verify(self.message, self.signature) {
            Ok(()) => Verdict::Verified,
            Err(_) => Verdict::Refused,
        }
    }

    /// PKCS #1 v1.5.
    fn rsa(&self, hash: Hash) -> Verdict {
        let key = match self.rsa_key() {
            Ok(key) => key,
            Err(verdict) => return verdict,
        };
        match (hash, bits(key.modulus)) {
            (Hash::Sha1, 1024..=8192) => self.ring(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            (Hash::Sha256, 1024..=8192) => {
                self.ring(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
            }
            (Hash::Sha384, 2048..=8192) => self.ring(&RSA_PKCS1_2048_8192_SHA384),
            (Hash::Sha512, 1024..=8192) => {
                self.ring(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
            }
            (_, bits) => self
                .answer(rustcrypto::pkcs1(&key, hash, self.message, self.signature), || {
                    format!("a key of {bits} bits")
                }),
        }
    }

    /// RSASSA-PSS (RFC 4055): hash, mask and salt stand in the parameters.
    fn pss(&self, parameters: Option<&Any<'_>>) -> Verdict {
        let Some(pss) = parameters.and_then(Pss::read) else { return Verdict::Refused };
        if self.key.algorithm.algorithm == algorithm::PSS && !pss.fits(&self.key.algorithm) {
            return Verdict::Refused;
        }
        let key = match self.rsa_key() {
            Ok(key) => key,
            Err(verdict) => return verdict,
        };
        let Some(hash) = pss.hash.filter(|hash| pss.mask == Some(*hash)) else {
            return unchecked(self.name, &pss.to_string());
        };
        match ring_pss(hash) {
            Some(ring)
                if pss.salt == hash.bytes() && (2048..=8192).contains(&bits(key.modulus)) =>
            {
                self.ring(ring)
            }
            _ => self.answer(
                rustcrypto::pss(&key, hash, pss.salt, self.message, self.signature),
                || pss.to_string(),
            ),
        }
    }

    fn answer(&self, answer: Option<bool>, with: impl FnOnce() -> String) -> Verdict {
        match answer {
            Some(true) => Verdict::Verified,
            Some(false) => Verdict::Refused,
            None => unchecked(self.name, &with()),
        }
    }

    fn ecdsa(&self, hash: Hash) -> Verdict {
        let Some(curve) = self.key.algorithm.parameters.as_ref().and_then(|it| it.as_oid().ok())
        else {
            return unchecked(self.name, "a key on a curve without a name");
        };
        match (algorithm::curve(&curve), hash) {
            (Some(Curve::P256), Hash::Sha256) => self.ring(&ECDSA_P256_SHA256_ASN1),
            (Some(Curve::P256), Hash::Sha384) => self.ring(&ECDSA_P256_SHA384_ASN1),
            (Some(Curve::P384), Hash::Sha256) => self.ring(&ECDSA_P384_SHA256_ASN1),
            (Some(Curve::P384), Hash::Sha384) => self.ring(&ECDSA_P384_SHA384_ASN1),
            (Some(curve), _) => {
                let point = &self.key.subject_public_key.data;
                let answer = rustcrypto::ecdsa(curve, point, hash, self.message, self.signature);
                self.answer(answer, || format!("a key on {}", curve.name()))
            }
            (None, _) => unchecked(self.name, &format!("a key on curve {}", curve.to_id_string())),
        }
    }

    /// The RSA key, of a size that costs no more than some milliseconds. What cannot be a key has
    /// signed nothing, and with an exponent of 1 anybody could.
    fn rsa_key(&self) -> Result<RsaKey<'_>, Verdict> {
        let bytes = &self.key.subject_public_key.data;
        let Ok((_, key)) = RSAPublicKey::from_der(bytes) else { return Err(Verdict::Refused) };
        let (Some(modulus), Some(exponent)) = (positive(key.modulus), positive(key.exponent))
        else {
            return Err(Verdict::Refused);
        };
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] {
            return Err(Verdict::Refused);
        }
        if exponent.len() > MAX_EXPONENT_BYTES {
            return Err(unchecked(self.name, "a long public exponent"));
        }
        if !RsaKey::BITS.contains(&bits(modulus)) {
            return Err(unchecked(self.name, &format!("a key of {} bits", bits(modulus))));
        }
        Ok(RsaKey { modulus, exponent })
    }
}

/// Longest public exponent of an RSA key that is used; nearly all are 65537.
const MAX_EXPONENT_BYTES: usize = 4;

/// The digits of a DER integer above zero, without leading zeros.
fn positive(digits: &[u8]) -> Option<&[u8]> {
    let start = digits.iter().position(|digit| *digit != 0)?;
    (digits[0] & 0x80 == 0).then_some(&digits[start..])
}

/// How many bits a number without leading zeros has.
fn bits(digits: &[u8]) -> usize {
    let leading = digits.first().map_or(0, |first| first.leading_zeros());
    digits.len() * 8 - usize::try_from(leading).unwrap_or(0)
}

/// The parameters of RSASSA-PSS; a hash that is not known is `None`.
struct Pss {
    hash: Option<Hash>,
    mask: Option<Hash>,
    /// In bytes.
    salt: usize,
}

impl Pss {
    /// `None` if they are damaged, or demand what RFC 4055 forbids.
    fn read(parameters: &Any<'_>) -> Option<Self> {
        let read = RsaSsaPssParams::try_from(parameters).ok()?;
        let mask = read.mask_gen_algorithm().ok()?;
        let is_sound = mask.mgf == algorithm::MGF1 && read.trailer_field() == 1;
        is_sound.then_some(Self {
            hash: algorithm::hash(read.hash_algorithm_oid()),
            mask: algorithm::hash(&mask.hash),
            salt: usize::try_from(read.salt_length()).ok()?,
        })
    }

    /// A key for RSASSA-PSS alone can say which parameters it is for (RFC 4055, 1.2).
    fn fits(&self, key: &AlgorithmIdentifier<'_>) -> bool {
        let Some(parameters) = &key.parameters else { return true };
        Self::read(parameters)
            .is_some_and(|it| it.hash == self.hash && it.mask == self.mask && it.salt <= self.salt)
    }
}

/// `SHA-256, a mask by SHA-1, a salt of 20 bytes`.
impl std::fmt::Display for Pss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |hash: Option<Hash>| hash.map_or("another hash", Hash::name);
        let (hash, mask) = (name(self.hash), name(self.mask));
        write!(f, "{hash}, a mask by {mask}, a salt of {} bytes", self.salt)
    }
}

fn ring_pss(hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    match hash {
        Hash::Sha256 => Some(&RSA_PSS_2048_8192_SHA256),
        Hash::Sha384 => Some(&RSA_PSS_2048_8192_SHA384),
        Hash::Sha512 => Some(&RSA_PSS_2048_8192_SHA512),
        Hash::Sha1 | Hash::Sha224 => None,
    }
}
