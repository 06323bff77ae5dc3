//! Reading connections in rounds, one before each tick.
//!
//! Each report that is read when it comes wakes the thread, and on a busy machine a wake-up with its cold caches takes several times
//! as long as what there is to do: with two services, two thirds of the sidecar's CPU time. But nobody looks at a report before
//! the next tick, so nothing is lost by reading it then: the kernel keeps it meanwhile. The loop calls a round right before it
//! looks, and at least once in [`EVERY`].
//!
//! | a connection is | read | because |
//! |---|---|---|
//! | younger than [`PROMPT_FOR`] | when something comes | the session begins, with questions and answers in turn |
//! | older | in rounds | there are only reports, beats and acks |
//!
//! The age of a report counts from the round: it is up to 100 ms older, where nothing goes stale in less than two seconds. An ack is known
//! to the tick that follows it, as it would be anyway.
//!
//! Writing does not wait, unless the other end does not read. An end of the connection is noticed in the next round.

use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Plain;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

/// The longest time between two rounds; a loop with longer ticks calls some between them.
pub const EVERY: Duration = Duration::from_millis(100);
/// A connection is read promptly for this long.
pub const PROMPT_FOR: Duration = Duration::from_secs(5);

/// Calls rounds. Copies call the same ones.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Arc<Notify>);

impl Rounds {
    /// Calls one, and returns when the connections were read and what came was heard.
    pub async fn call(&self) {
        self.0.notify_waiters();
        // Who yields comes behind everybody who was woken and whom they wake in turn, as long as these are not many: the runtime
        // lets some 60 tasks run before it looks at who has yielded. A stream holds four references and has two tasks.
        for _ in 0..=Arc::strong_count(&self.0) / 100 {
            tokio::task::yield_now().await;
        }
    }

    /// A stream that is read in these rounds, when it is old enough.
    pub fn stream(&self, stream: UnixStream) -> Stream {
        let (read, write) = (self.turn(), self.turn());
        Stream { io: Io::Prompt(stream), prompt_until: Instant::now() + PROMPT_FOR, read, write }
    }

    fn turn(&self) -> Turn {
        Turn {
            rounds: Arc::clone(&self.0),
            next: Box::pin(Arc::clone(&self.0).notified_owned()),
            over: false,
        }
    }
}

/// A connection with its turn in each round.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    prompt_until: Instant,
    read: Turn,
    write: Turn,
}

#[derive(Debug)]
enum Io {
    /// The runtime watches it.
    Prompt(UnixStream),
    /// Nobody does.
    InRounds(Plain),
}

/// Waits for rounds.
#[derive(Debug)]
struct Turn {
    rounds: Arc<Notify>,
    next: Pin<Box<OwnedNotified>>,
    /// It would have blocked in this round.
    over: bool,
}

impl Turn {
    /// Tries it, and again in the next round where that would block.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if self.over {
                // A round that was called since the last one was waited for counts: what came may be younger than the look.
                ready!(self.next.as_mut().poll(cx));
                self.next.set(Arc::clone(&self.rounds).notified_owned());
                self.over = false;
            }
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.over = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Stream {
    /// From now on in rounds, if it is time.
    fn settle(&mut self) -> io::Result<()> {
        let Io::Prompt(stream) = &self.io else { return Ok(()) };
        if Instant::now() < self.prompt_until {
            return Ok(());
        }
        // A second descriptor, since the runtime's own cannot be taken out of a reference; the first one is closed.
        let plain = Plain::from(std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?);
        self.io = Io::InRounds(plain);
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.settle()?;
        match &mut this.io {
            Io::Prompt(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::InRounds(stream) => {
                let read = ready!(this.read.poll(cx, || stream.read(buf.initialize_unfilled())))?;
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Prompt(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::InRounds(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.io {
            Io::Prompt(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::InRounds(stream) => this.write.poll(cx, || stream.write_vectored(bufs)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
