//! The connection to the mail server, with a bound on what it may send.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Far above all replies to one mail, certificates included. lettre reads a line whole before it
/// looks at its length, so that one without an end would fill the memory, and reads all lines anew
/// with every further one of a reply.
pub(super) const MOST_READ: usize = 64 << 10;

/// A stream that breaks off a server that talks without end.
#[derive(Debug)]
pub(super) struct BoundedStream<S> {
    stream: S,
    peer: SocketAddr,
    left: usize,
    at_once: usize,
}

impl<S> BoundedStream<S> {
    /// One that reads at most `most` bytes.
    pub(super) fn new(stream: S, peer: SocketAddr, most: usize) -> Self {
        Self { stream, peer, left: most, at_once: usize::MAX }
    }

    /// One that is read byte by byte. So nothing is read beyond the reply to STARTTLS, and what
    /// somebody put in behind it in clear text can never pass for a reply that came through TLS
    /// (CVE-2011-0411 and its kin).
    pub(super) fn before_tls(stream: S, peer: SocketAddr, most: usize) -> Self {
        Self { at_once: 1, ..Self::new(stream, peer, most) }
    }
}

impl<S> AsyncTokioStream for BoundedStream<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.at_once.min(self.left).min(buffer.remaining());
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let count = part.filled().len();
        buffer.advance(count);
        self.left -= count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
