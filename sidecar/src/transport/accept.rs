//! From a listening unix socket to connections with their limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::connection::{Allowed, Connection, Peer};
use super::rounds::{Rounds, Stream};
use crate::metrics::Metrics;
use crate::sessions::MAX_SESSIONS;
use crate::sessions::refusal::Cause;

/// Connections at once: one per session, and some for those that come and go.
pub const MAX_CONNECTIONS: usize = MAX_SESSIONS + 16;
/// What makes accepting fail (no descriptors left) does not go away at once.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Accepts until the receiver is dropped. Who comes above the limit is let go at once: hanging in a queue would look like
/// a sidecar that hangs.
pub async fn accept(
    listener: UnixListener,
    allowed: Allowed,
    metrics: Metrics,
    rounds: Rounds,
    accepted: mpsc::Sender<Connection<Stream>>,
) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = match next(&listener, &accepted).await {
            Ok(Some(next)) => next,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            metrics.refused(Cause::Connections);
            continue;
        };
        let stream = rounds.stream(stream);
        if accepted.send(Connection::new(stream, peer, &allowed, Some(permit))).await.is_err() {
            return;
        }
    }
}

/// The next connection and who it is from; `None` when nobody waits for it any more.
async fn next(
    listener: &UnixListener,
    accepted: &mpsc::Sender<Connection<Stream>>,
) -> io::Result<Option<(UnixStream, Peer)>> {
    tokio::select! {
        () = accepted.closed() => Ok(None),
        stream = listener.accept() => {
            let (stream, _) = stream?;
            let peer = stream.peer_cred()?;
            Ok(Some((stream, Peer { uid: peer.uid(), gid: peer.gid() })))
        }
    }
}
