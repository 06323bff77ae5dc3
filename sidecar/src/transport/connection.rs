//! One connection and what it may do: who is at the other end, and for how long it may idle.
//!
//! The idle limit sits in the byte stream itself, below HTTP/2, so that it also ends a connection that never speaks HTTP/2
//! at all.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// A connection without a session is closed after this long.
pub const IDLE_FOR: Duration = Duration::from_secs(5);

/// Who may connect. The socket's mode already keeps strangers out; this also covers those that the mode lets in, and it is
/// the only thing that counts for root.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Users.
    pub uids: Vec<u32>,
    /// Groups.
    pub gids: Vec<u32>,
}

impl Allowed {
    /// This process's own user and group.
    pub fn own() -> Self {
        Self {
            uids: vec![rustix::process::geteuid().as_raw()],
            gids: vec![rustix::process::getegid().as_raw()],
        }
    }

    /// Whether this peer may connect: its user or its group is on a list. The pid is of no use: across pid namespaces it
    /// is 0.
    pub fn covers(&self, peer: Peer) -> bool {
        self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid)
    }
}

/// The other end, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// What a request may know of its connection.
#[derive(Debug, Clone)]
pub struct Link {
    peer: Peer,
    allowed: bool,
    sessions: Arc<AtomicUsize>,
}

impl Link {
    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether it may have a session.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Keeps the connection from idling out until the result is dropped.
    pub fn engage(self) -> Engaged {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        Engaged(self.sessions)
    }
}

/// A session on the connection.
#[derive(Debug)]
pub struct Engaged(Arc<AtomicUsize>);

impl Drop for Engaged {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection with its limits.
#[derive(Debug)]
pub struct Connection<IO> {
    io: IO,
    link: Link,
    look_again: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<IO> Connection<IO> {
    /// A connection from `peer`. It gives `permit` back when it ends.
    pub fn new(io: IO, peer: Peer, allowed: &Allowed, permit: Option<OwnedSemaphorePermit>) -> Self {
        let link = Link { peer, allowed: allowed.covers(peer), sessions: Arc::default() };
        Self { io, link, look_again: Box::pin(tokio::time::sleep(IDLE_FOR)), _permit: permit }
    }

    /// What requests may know of it.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Ready with an error when the connection has idled for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.look_again.as_mut().poll(cx).is_ready() {
            if self.link.sessions.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no session"));
            }
            self.look_again.as_mut().reset(Instant::now() + IDLE_FOR);
        }
        Poll::Pending
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_idle(cx) {
            return Poll::Ready(Err(error));
        }
        pin!(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        pin!(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
