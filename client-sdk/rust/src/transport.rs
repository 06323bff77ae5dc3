//! The wire under a session: the only place of the SDK that names the gRPC library.
//!
//! A [`Wire`] is one connection and carries one stream. There is no reconnecting in here and no state worth keeping: what
//! breaks is dropped, and the session starts anew. Everything is bounded: the time to connect, the size of a message, and
//! the messages that wait to be sent.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use setpoint_proto::bounds::MESSAGE_BYTES;
use setpoint_proto::convert::{self, BadField};
use setpoint_proto::message::{Ack, ToSdk, ToSidecar};
use setpoint_proto::rpc::{ClientMessage, ServerMessage, TuningClient};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// Messages that may wait to be sent; more are dropped or kept by the session as it sees fit.
const OUTGOING: usize = 8;
const CONNECT: Duration = Duration::from_secs(2);
/// A connection that has been silent for so long is asked whether it is still there. On a unix socket it always is, but a
/// network can drop one without a word.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);
/// A unix socket has no name; HTTP/2 wants one.
const AUTHORITY: &str = "http://setpoint.local";

/// Opens byte streams to the sidecar.
pub(crate) trait Dial: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects once.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// The socket file of a sidecar.
#[derive(Debug, Clone)]
pub(crate) struct UnixSocket(pub(crate) std::path::PathBuf);

impl Dial for UnixSocket {
    type Io = tokio::net::UnixStream;

    async fn dial(&self) -> io::Result<Self::Io> {
        tokio::net::UnixStream::connect(&self.0).await
    }
}

/// Why there is no connection, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The sidecar does not want this process, or speaks another protocol: it will hardly change its mind.
    #[error("the sidecar refuses this process: {0}")]
    Denied(String),
    /// Anything else.
    #[error("{0}")]
    Lost(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        let text = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => Self::Denied(text),
            _ => Self::Lost(text),
        }
    }
}

/// A connection without its stream.
#[derive(Debug)]
pub(crate) struct Wire(TuningClient<Channel>);

impl Wire {
    /// Connects.
    pub(crate) async fn connect<D: Dial>(dial: D) -> Result<Self, Broken> {
        let connector = tower::service_fn(move |_| {
            let dial = dial.clone();
            async move { dial.dial().await.map(TokioIo::new) }
        });
        let endpoint =
            Endpoint::from_static(AUTHORITY).http2_keep_alive_interval(PING_EVERY).keep_alive_timeout(PONG);
        let channel = tokio::time::timeout(CONNECT, endpoint.connect_with_connector(connector))
            .await
            .map_err(|_| Broken::TimedOut(CONNECT))?
            .map_err(|error| Broken::Lost(innermost(&error)))?;
        let client = TuningClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        Ok(Self(client))
    }

    /// Opens the stream and says the first message.
    pub(crate) async fn open(mut self, first: &ToSidecar) -> Result<Link, Broken> {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        outgoing.try_send(convert::encode_to_sidecar(first)).expect("the queue is new and has room");
        let incoming = self.0.session(ReceiverStream::new(queue)).await?.into_inner();
        Ok(Link { outgoing, incoming })
    }
}

/// The cause at the end of the chain, which is the one that helps: the outer ones say "transport error".
fn innermost(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Link {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: Streaming<ServerMessage>,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A sound message.
    Message(ToSdk),
    /// One that breaks the contract, and the answer that a frame still gets.
    Bad(BadField, Option<Ack>),
    /// The end of the stream.
    Broken(Broken),
}

impl Link {
    /// Queues a message. False when the queue is full or the stream has ended; then nothing was queued.
    pub(crate) fn send(&self, message: &ToSidecar) -> bool {
        self.outgoing.try_reserve().map(|slot| slot.send(convert::encode_to_sidecar(message))).is_ok()
    }

    /// The next message. May be dropped and called again at any time without losing one.
    pub(crate) async fn hear(&mut self) -> Heard {
        match self.incoming.message().await {
            Ok(Some(message)) => {
                let refusal = convert::refusal(&message);
                match convert::to_sdk(message) {
                    Ok(message) => Heard::Message(message),
                    Err(bad) => Heard::Bad(bad, refusal),
                }
            }
            Ok(None) => Heard::Broken(Broken::Lost("the sidecar ended the stream".to_owned())),
            Err(status) => Heard::Broken(status.into()),
        }
    }
}
