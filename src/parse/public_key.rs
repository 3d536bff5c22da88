//! What kind of key a certificate is for.

use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use super::algorithm::{Curve, curve};
use crate::domain::renewal::kubeadm_config::KeyAlgorithm;

/// The algorithm of a certificate's key, if it is one of those that kubeadm makes; `None` also for what is no
/// certificate.
pub fn algorithm(der: &[u8]) -> Option<KeyAlgorithm> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = certificate.public_key();
    match key.parsed().ok()? {
        PublicKey::RSA(rsa) => rsa_of(rsa.key_size()),
        PublicKey::EC(_) => match curve(&key.algorithm.parameters.as_ref()?.as_oid().ok()?)? {
            Curve::P256 => Some(KeyAlgorithm::EcdsaP256),
            Curve::P384 => Some(KeyAlgorithm::EcdsaP384),
            Curve::P521 => None,
        },
        _ => None,
    }
}

fn rsa_of(bits: usize) -> Option<KeyAlgorithm> {
    match bits {
        2048 => Some(KeyAlgorithm::Rsa2048),
        3072 => Some(KeyAlgorithm::Rsa3072),
        4096 => Some(KeyAlgorithm::Rsa4096),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    };

    use super::*;

    #[test]
    fn the_key_tells_its_algorithm() {
        for (kind, algorithm) in [
            (&PKCS_ECDSA_P256_SHA256, Some(KeyAlgorithm::EcdsaP256)),
            (&PKCS_ECDSA_P384_SHA384, Some(KeyAlgorithm::EcdsaP384)),
            (&PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(kind).unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            assert_eq!(super::algorithm(certificate.der()), algorithm);
        }
        assert_eq!(algorithm(b"no certificate"), None);
        assert_eq!(rsa_of(2056), None);
    }
}
