//! Why there was no answer.

use std::io;
use std::time::Duration;

use super::tunnel::Refused;

/// Why there was no answer, as a clause. It quotes neither the URL nor a header, since both may be secrets; the
/// library's own text may.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// DNS does not know it.
    #[error("the name of the host cannot be resolved")]
    UnknownHost,
    /// The connection failed.
    #[error(transparent)]
    Io(io::Error),
    /// The handshake failed.
    #[error(transparent)]
    Tls(rustls::Error),
    /// The name of the host cannot be in a certificate.
    #[error("the name of the host is not valid for a certificate")]
    ServerName,
    /// All the time is over.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// What came is not HTTP.
    #[error("it did not respond as an HTTP server")]
    NotHttp,
    /// It was not sent.
    #[error("the URL or a header contains characters that HTTP does not allow")]
    InvalidRequest,
    /// The proxy did not connect.
    #[error("the proxy did not connect: {0}")]
    Proxy(Refused),
    /// Anything else.
    #[error("it cannot be reached")]
    Unreachable,
}

impl Error {
    /// What the library says of a request that had this much time.
    pub(super) fn of(error: ureq::Error, timeout: Duration) -> Self {
        use ureq::Error as Cause;
        match error {
            Cause::Io(error) => Self::of_io(error, timeout),
            Cause::Rustls(error) => Self::Tls(error),
            Cause::Timeout(_) => Self::Timeout(timeout),
            Cause::HostNotFound => Self::UnknownHost,
            Cause::Protocol(_) | Cause::LargeResponseHeader(..) => Self::NotHttp,
            Cause::BadUri(_) | Cause::Http(_) => Self::InvalidRequest,
            Cause::Tls(_) => Self::ServerName,
            Cause::Other(error) => {
                error.downcast().map_or(Self::Unreachable, |refused| Self::Proxy(*refused))
            }
            _ => Self::Unreachable,
        }
    }

    /// TLS and the library hide errors of their own in those of the stream.
    fn of_io(error: io::Error, timeout: Duration) -> Self {
        match error.downcast::<rustls::Error>() {
            Ok(error) => Self::Tls(error),
            Err(error) => match error.downcast::<ureq::Error>() {
                Ok(error) => Self::of(error, timeout),
                Err(error) => Self::Io(error),
            },
        }
    }
}
