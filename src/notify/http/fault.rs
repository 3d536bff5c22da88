//! Why no answer came, in own words: for somebody who runs a channel.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError as Certificate};

use super::proxy::Via;
use super::{Endpoint, Failure};
use crate::http::{Error, Refused};
use crate::notify::tls::is_about_time;

/// What is said of every redirect. Where to is not said: it may hold the secret.
pub(super) const REDIRECT: &str =
    "answered with a redirect, which certwatch does not follow: set the final URL";

const CLOSED: &str = "closed the connection before it had answered";
const NO_HTTP: &str = "did not respond as an HTTP server";
const NO_ANSWER: &str = "timed out";
const BROKEN: &str = "broke off the TLS handshake";
const UNREACHABLE: &str = "cannot be reached";

/// What is known of an attempt that failed.
pub(super) struct FailedAttempt<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) via: Option<&'a Via>,
    /// With a client certificate.
    pub(super) presents: bool,
}

impl FailedAttempt<'_> {
    /// The failure of an attempt that ended with `error`.
    pub(super) fn explain(&self, error: &Error) -> Failure {
        let Some(via) = self.via else { return self.of(self.endpoint, error) };
        let host = &via.hop.proxy.host;
        let endpoint = match via.hop.is_passed() {
            true => self.endpoint.through(host),
            false => self.endpoint.behind(host),
        };
        match error {
            Error::Proxy(Refused::Status(status)) => via.refusal(self.endpoint, *status),
            Error::Proxy(Refused::NoHttp) => endpoint.transient("did not respond as an HTTP proxy"),
            Error::Proxy(Refused::Closed) => endpoint.transient(CLOSED),
            _ => self.of(&endpoint, error),
        }
    }

    fn of(&self, endpoint: &Endpoint, error: &Error) -> Failure {
        match error {
            Error::Io(error) => self.io(endpoint, error),
            Error::Tls(error) => self.tls(endpoint, error),
            Error::Timeout(_) => endpoint.transient(NO_ANSWER),
            Error::UnknownHost => endpoint.transient("has a name that cannot be resolved"),
            Error::NotHttp => endpoint.transient(NO_HTTP),
            Error::InvalidRequest => endpoint
                .permanent("cannot be asked: its URL or its secret contains characters that HTTP does not allow"),
            Error::ServerName => {
                endpoint.permanent("has a name that is not valid for a certificate")
            }
            Error::Proxy(_) | Error::Unreachable => endpoint.transient(UNREACHABLE),
        }
    }

    fn io(&self, endpoint: &Endpoint, error: &io::Error) -> Failure {
        let failure = plain(endpoint, error);
        // A server that refuses it may be gone before its alert has come.
        let is_closed = self.presents && failure.reason.ends_with(CLOSED);
        let hint = if is_closed { "; does it accept the client certificate?" } else { "" };
        Failure { reason: failure.reason + hint, ..failure }
    }

    fn tls(&self, endpoint: &Endpoint, error: &rustls::Error) -> Failure {
        match error {
            // A renewal there, or a clock put right here, ends it without a word to us.
            rustls::Error::InvalidCertificate(why) if is_about_time(why) => {
                endpoint.transient(certificate(why))
            }
            rustls::Error::InvalidCertificate(why) => endpoint.permanent(certificate(why)),
            rustls::Error::InvalidMessage(_) => {
                endpoint.permanent("does not speak TLS on this port")
            }
            rustls::Error::PeerIncompatible(_) => {
                endpoint.permanent("speaks neither TLS 1.2 nor TLS 1.3")
            }
            rustls::Error::AlertReceived(alert) => self.alert(endpoint, *alert),
            _ => endpoint.transient(BROKEN),
        }
    }

    /// What the server thinks of the client certificate.
    fn alert(&self, endpoint: &Endpoint, alert: AlertDescription) -> Failure {
        use AlertDescription as Alert;
        match alert {
            Alert::CertificateRequired | Alert::HandshakeFailure if !self.presents => {
                endpoint.permanent("broke off the TLS handshake: it may require a client certificate, see \
                                    client-cert")
            }
            // A pair that is put in place mends these, and nobody tells us.
            Alert::CertificateExpired => endpoint.transient(
                "refuses the client certificate, since it has expired: replace it, if the clock there is right",
            ),
            Alert::BadCertificate
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate
            | Alert::DecryptError
            | Alert::AccessDenied
                if self.presents =>
            {
                endpoint.transient("refuses the client certificate: is it signed by its CA, for clients?")
            }
            _ => endpoint.transient(BROKEN),
        }
    }
}

fn plain(endpoint: &Endpoint, error: &io::Error) -> Failure {
    // The standard library has no kind for it.
    if error.to_string().starts_with("failed to lookup address") {
        return endpoint.transient("has a name that cannot be resolved: is DNS working?");
    }
    endpoint.transient(match error.kind() {
        ErrorKind::ConnectionRefused => "refuses the connection: is it running?",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => NO_ANSWER,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "cannot be reached: there is no route to it"
        }
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => CLOSED,
        ErrorKind::PermissionDenied => "cannot be reached: blocked by a firewall or the unit",
        ErrorKind::InvalidData | ErrorKind::InvalidInput => NO_HTTP,
        _ => UNREACHABLE,
    })
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
            "has an invalid certificate: give it one signed by a CA, and set alerts.ca-file to that CA"
        }
    }
}
