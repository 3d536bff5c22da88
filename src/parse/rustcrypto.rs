//! The signatures that `ring` does not check: other hashes, salts, sizes and curves. Only public keys
//! are used, and their sizes are bounded by whoever calls.

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::{BoxedUint, PublicKey};
use sha2::digest::FixedOutputReset;
use sha2::digest::const_oid::AssociatedOid;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::algorithm::{Curve, Hash};

/// What is said of a signature; `None` where the hash is not supported.
type Verification = Option<bool>;

/// The digits of an RSA key, big-endian.
pub(super) struct RsaKey<'a> {
    pub(super) modulus: &'a [u8],
    pub(super) exponent: &'a [u8],
}

/// Whether `key` has made it, by PKCS #1 v1.5.
pub(super) fn pkcs1(
    key: &RsaKey<'_>,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Verification {
    match hash {
        Hash::Sha1 => None,
        Hash::Sha224 => Some(key.pkcs1::<Sha224>(message, signature)),
        Hash::Sha256 => Some(key.pkcs1::<Sha256>(message, signature)),
        Hash::Sha384 => Some(key.pkcs1::<Sha384>(message, signature)),
        Hash::Sha512 => Some(key.pkcs1::<Sha512>(message, signature)),
    }
}

/// Whether `key` has made it, by PSS with one hash for message and mask, and a salt of so many bytes.
pub(super) fn pss(
    key: &RsaKey<'_>,
    hash: Hash,
    salt: usize,
    message: &[u8],
    signature: &[u8],
) -> Verification {
    match hash {
        Hash::Sha1 => None,
        Hash::Sha224 => Some(key.pss::<Sha224>(salt, message, signature)),
        Hash::Sha256 => Some(key.pss::<Sha256>(salt, message, signature)),
        Hash::Sha384 => Some(key.pss::<Sha384>(salt, message, signature)),
        Hash::Sha512 => Some(key.pss::<Sha512>(salt, message, signature)),
    }
}

/// Whether the key at `point` has made it.
pub(super) fn ecdsa(
    curve: Curve,
    point: &[u8],
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Verification {
    let sum = sum(hash, message)?;
    macro_rules! is_good {
        ($curve:ident, $bytes:literal) => {{
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(point);
            let signature = $curve::ecdsa::Signature::from_der(signature);
            match (key, signature) {
                (Ok(key), Ok(signature)) => {
                    key.verify_prehash(&padded(&sum, $bytes), &signature).is_ok()
                }
                _ => false,
            }
        }};
    }
    Some(match curve {
        Curve::P256 => is_good!(p256, 32),
        Curve::P384 => is_good!(p384, 48),
        Curve::P521 => is_good!(p521, 66),
    })
}

fn sum(hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
    match hash {
        Hash::Sha1 => None,
        Hash::Sha224 => Some(Sha224::digest(message).to_vec()),
        Hash::Sha256 => Some(Sha256::digest(message).to_vec()),
        Hash::Sha384 => Some(Sha384::digest(message).to_vec()),
        Hash::Sha512 => Some(Sha512::digest(message).to_vec()),
    }
}

/// The same number in at least so many bytes: the library refuses sums shorter than half the field.
fn padded(sum: &[u8], bytes: usize) -> Vec<u8> {
    let mut padded = vec![0; bytes.saturating_sub(sum.len())];
    padded.extend_from_slice(sum);
    padded
}

impl RsaKey<'_> {
    /// Sizes that are taken.
    pub(super) const BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

    fn key(&self) -> Option<PublicKey> {
        let [modulus, exponent] =
            [self.modulus, self.exponent].map(BoxedUint::from_be_slice_vartime);
        PublicKey::new_with_size_limits(modulus, exponent, Self::BITS).ok()
    }

    fn pkcs1<D: Digest + AssociatedOid>(&self, message: &[u8], signature: &[u8]) -> bool {
        let scheme = Pkcs1v15Sign::new::<D>();
        self.key().is_some_and(|key| key.verify(scheme, &D::digest(message), signature).is_ok())
    }

    fn pss<D: Digest + FixedOutputReset>(
        &self,
        salt: usize,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let scheme = Pss::<D>::new_with_salt(salt);
        self.key().is_some_and(|key| key.verify(scheme, &D::digest(message), signature).is_ok())
    }
}
