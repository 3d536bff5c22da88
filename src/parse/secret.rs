//! A Secret in a file: k3s and RKE2 keep the certificate of their own port in `dynamic-cert.json`.

use serde::Deserialize;

use super::{kubeconfig, yaml};
use crate::domain::model::Reason;

/// Nothing else of it is read: `tls.key` is the key.
#[derive(Deserialize)]
struct TlsData {
    #[serde(rename = "tls.crt")]
    certificate: Option<String>,
}

#[derive(Deserialize)]
struct TlsSecret {
    data: Option<TlsData>,
}

/// The PEM of its certificate.
///
/// # Errors
/// It is no Secret, or has none.
pub(crate) fn certificate(json: &[u8]) -> Result<Vec<u8>, Reason> {
    let secret: TlsSecret = yaml::read(json).map_err(|_| Reason::NoCertificate)?;
    let data = secret.data.and_then(|data| data.certificate).ok_or(Reason::NoCertificate)?;
    kubeconfig::decode(&data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_of_a_secret_is_read_and_its_key_is_not() {
        let json = br#"{"kind":"Secret","data":{"tls.crt":"QUJD","tls.key":"?"},"type":"kubernetes.io/tls"}"#;
        assert_eq!(certificate(json), Ok(b"ABC".to_vec()));
        for none in [&b"{}"[..], b"{\"data\":{}}", b"{\"data\":null}", b"[", b""] {
            assert_eq!(certificate(none), Err(Reason::NoCertificate));
        }
        assert_eq!(certificate(b"{\"data\":{\"tls.crt\":\"?\"}}"), Err(Reason::BadBase64));
    }
}
