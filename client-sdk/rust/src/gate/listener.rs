//! tokio's `TcpListener` behind a gate.
//!
//! | when the gate is full | a newcomer | good for | at what price |
//! |---|---|---|---|
//! | [`WhenFull::Wait`] | waits in the kernel's accept queue, and is served when a place becomes free | short peaks; clients that reconnect at once would only make it worse | the queue is short and first come first served: who waits longest is served although it may have gone, and when it overflows the kernel drops handshakes in silence, which a client takes for a slow network |
//! | [`WhenFull::Close`] | is accepted and closed at once, with a reset | clients and load balancers that go elsewhere | an accept and a close for each attempt |

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::{ConnectionGate, GateGuard};

/// What becomes of newcomers while the gate is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// They wait in the kernel's queue.
    #[default]
    Wait,
    /// They are accepted and closed at once.
    Close,
}

/// A listener that lets no more connections in than its gate allows. (Feature `listener`.)
///
/// The connection's place is freed when the [`GatedStream`] is dropped. While it waits for a newcomer it holds a place for it.
#[derive(Debug)]
pub struct GatedListener {
    listener: TcpListener,
    gate: ConnectionGate,
    when_full: WhenFull,
}

impl GatedListener {
    /// Puts `listener` behind `gate`. Several listeners may share a gate.
    pub fn new(listener: TcpListener, gate: ConnectionGate) -> Self {
        Self { listener, gate, when_full: WhenFull::default() }
    }

    /// What becomes of newcomers while the gate is full. Default: they wait.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// The next connection that there is a place for. Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    /// Those of [`TcpListener::accept`]. Some of them pass (no descriptor left), so wait a moment before the next attempt.
    pub async fn accept(&self) -> io::Result<(GatedStream<TcpStream>, SocketAddr)> {
        match self.when_full {
            WhenFull::Wait => {
                let guard = self.gate.enter().await;
                let (stream, peer) = self.listener.accept().await?;
                Ok((GatedStream { stream, guard }, peer))
            }
            WhenFull::Close => loop {
                let (stream, peer) = self.listener.accept().await?;
                match self.gate.try_enter() {
                    Ok(guard) => return Ok((GatedStream { stream, guard }, peer)),
                    // With a reset, so that nothing of it stays behind in this kernel. Where that fails, it is closed.
                    Err(_) => _ = stream.set_zero_linger(),
                }
            },
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// That of [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection and its place.
#[derive(Debug)]
pub struct GatedStream<S> {
    stream: S,
    guard: GateGuard,
}

impl<S> GatedStream<S> {
    /// A connection with its place, for listeners of another kind.
    pub fn new(stream: S, guard: GateGuard) -> Self {
        Self { stream, guard }
    }

    /// The connection.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The connection and its place, apart. The place is to be kept as long as the connection.
    pub fn into_parts(self) -> (S, GateGuard) {
        (self.stream, self.guard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GatedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GatedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
