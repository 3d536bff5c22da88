//! Why no answer came, in own words: what the library says can quote the URL.

use std::io::{self, ErrorKind};

use rustls::CertificateError as Certificate;

use super::{Failure, Peer};
use crate::notify::tls::is_about_time;

/// What is said of every redirect. Where to is not said: it may hold the secret.
pub(super) const REDIRECT: &str =
    "answered with a redirect, which certwatch does not follow: set the final URL";

const CLOSED: &str = "closed the connection before it had answered";
const NO_HTTP: &str = "did not answer as an HTTP server";
const NO_ANSWER: &str = "gave no answer in time";
const UNREACHABLE: &str = "cannot be reached";

/// The failure of an attempt that ended with `error`.
pub(super) fn explain(peer: &Peer, error: &ureq::Error) -> Failure {
    use ureq::Error;
    match error {
        Error::Io(error) => io(peer, error),
        Error::Rustls(error) => tls(peer, error),
        Error::Timeout(_) => peer.transient(NO_ANSWER),
        Error::HostNotFound => peer.transient("has a name that cannot be resolved"),
        Error::RedirectFailed | Error::TooManyRedirects => peer.permanent(REDIRECT),
        Error::Protocol(_) | Error::LargeResponseHeader(..) => peer.transient(NO_HTTP),
        Error::BadUri(_) | Error::Http(_) => {
            peer.permanent("cannot be asked: its URL or its secret holds what HTTP does not allow")
        }
        Error::Tls(_) => peer.permanent("has a name that no certificate can be for"),
        _ => peer.transient(UNREACHABLE),
    }
}

fn io(peer: &Peer, error: &io::Error) -> Failure {
    if let Some(error) = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
        return tls(peer, error);
    }
    // The standard library has no kind for it.
    if error.to_string().starts_with("failed to lookup address") {
        return peer.transient("has a name that cannot be resolved: is DNS working?");
    }
    peer.transient(match error.kind() {
        ErrorKind::ConnectionRefused => "refuses the connection: is it running?",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => NO_ANSWER,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "cannot be reached: there is no route to it"
        }
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => CLOSED,
        ErrorKind::PermissionDenied => "cannot be reached: a firewall or the unit forbids it",
        ErrorKind::InvalidData | ErrorKind::InvalidInput => NO_HTTP,
        _ => UNREACHABLE,
    })
}

fn tls(peer: &Peer, error: &rustls::Error) -> Failure {
    match error {
        // A renewal there, or a clock put right here, ends it without a word to us.
        rustls::Error::InvalidCertificate(why) if is_about_time(why) => {
            peer.transient(certificate(why))
        }
        rustls::Error::InvalidCertificate(why) => peer.permanent(certificate(why)),
        rustls::Error::InvalidMessage(_) => peer.permanent("does not speak TLS on this port"),
        rustls::Error::PeerIncompatible(_) => peer.permanent("speaks neither TLS 1.2 nor TLS 1.3"),
        _ => peer.transient("broke off the TLS handshake"),
    }
}

fn certificate(error: &Certificate) -> &'static str {
    match error {
        // A CA of the right name and another key is no less unknown.
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "has a certificate of a CA that is not trusted: set alerts.ca-file to that CA"
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "has a certificate for another name: use the name that is in it"
        }
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "has a certificate that has expired: renew it there"
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "has a certificate that is not valid yet: is this node's clock right?"
        }
        Certificate::Revoked => "has a certificate that was revoked",
        // A self-signed certificate that calls itself a CA is the usual case.
        _ => {
            "has a certificate that cannot be accepted: give it one that a CA has signed, and set \
             alerts.ca-file to that CA"
        }
    }
}
