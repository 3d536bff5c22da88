//! Any bytes as a certificate file: PEM, DER, signatures.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use certwatch::domain::model::Certificate;
use certwatch::parse::x509::{self, Authority, Issuers};
use certwatch::parse::{form, pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = form(bytes);
    let path: Arc<Path> = Path::new("/ca.crt").into();
    let mut ders: Vec<Vec<u8>> =
        pem::certificates(bytes).into_iter().flatten().map(|block| block.der).collect();
    ders.push(bytes.to_vec());
    let issuers = Issuers::default();
    let anchors = x509::anchors(&path, false, &ders);
    let _ = x509::with_intermediates(&anchors, ders.iter().map(Vec::as_slice));
    for der in &ders {
        for trusted in [false, true] {
            let Ok(certificate) =
                x509::read(der, trusted, Authority::Named(&path, &anchors), &issuers)
            else {
                continue;
            };
            look_at(&certificate);
            assert!(x509::read(der, trusted, Authority::Beside(&anchors), &issuers).is_ok());
        }
    }
});

/// What every report does with the facts.
fn look_at(certificate: &Certificate) {
    let _ = (
        certificate.subject.to_string(),
        certificate.issuer.to_string(),
        certificate.serial_decimal(),
    );
    let _ = (
        certificate.not_after.to_string(),
        certificate.not_before.date(),
        certificate.lifetime().to_string(),
    );
}
