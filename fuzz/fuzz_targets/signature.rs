//! Any bytes as a certificate, checked against CAs whose private keys nobody has: none has signed it.

#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use certwatch::domain::model::Signer;
use certwatch::parse::pem;
use certwatch::parse::x509::{self, Anchor, Authority, Issuers};
use libfuzzer_sys::fuzz_target;

/// CN=kubernetes with keys of RSA, P-256, P-384, P-521 and Ed25519.
static CAS: LazyLock<(Vec<Vec<u8>>, Vec<Anchor>)> = LazyLock::new(|| {
    let path: Arc<Path> = Path::new("/ca.crt").into();
    let ders: Vec<Vec<u8>> = pem::certificates(include_bytes!("signature.pem"))
        .into_iter()
        .flatten()
        .map(|block| block.der)
        .collect();
    let anchors = x509::anchors(&path, false, &ders);
    assert_eq!(anchors.len(), 5);
    (ders, anchors)
});

fuzz_target!(|bytes: &[u8]| {
    let (ders, anchors) = &*CAS;
    let path: Arc<Path> = Path::new("/ca.crt").into();
    let chained = x509::with_intermediates(anchors, [bytes].into_iter());
    for anchors in [anchors, &chained] {
        let authority = Authority::Named(&path, anchors);
        let Ok(certificate) = x509::read(bytes, false, authority, &Issuers::default()) else {
            return;
        };
        // Each has signed itself.
        let is_one_of_them = ders.iter().any(|der| x509::sha256(der) == certificate.sha256);
        let is_verified = matches!(certificate.signer, Signer::Verified(_));
        assert!(!is_verified || is_one_of_them, "{:?}", certificate.signer);
    }
});
