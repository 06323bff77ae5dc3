//! gRPC, and nothing but gRPC: the only file that names tonic's server.
//!
//! It turns a stream of wire messages into a stream of checked ones, hands both directions to
//! [`serve::serve`], and maps refusals to status codes. It knows nothing of
//! sockets: a test hands in one end of a pipe.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use setpoint_proto::convert;
use setpoint_proto::message::ToSdk;
use setpoint_proto::rpc::{ClientMessage, ServerMessage, Tuning, TuningServer};
use setpoint_proto::{bounds, v1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::control::Shared;
use crate::metrics::Metrics;
use crate::sessions::Registry;
use crate::sessions::refusal::{Cause, Refusal};
use crate::sessions::serve::{self, Heard};

pub mod accept;
pub mod connection;
mod operators;
pub mod rounds;
#[cfg(test)]
mod tests;

use connection::{Connection, Link};
use operators::Operators;

/// Streams of one connection; an SDK needs one.
const STREAMS_PER_CONNECTION: u32 = 8;
/// Bytes that a stream may have on the way before we have read them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const HEADERS_BYTES: u32 = 8 * 1024;
/// How often the other end has to prove that it is alive, and how long it may take: generous, because a process that
/// collects garbage or is being debugged has not gone away.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(20);

/// Serves the connections that come in until `stop` is ready, then until the open ones have ended.
///
/// # Errors
/// When tonic gives up, which it does not over a single connection.
pub async fn serve<IO, S>(
    incoming: S,
    shared: Shared,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Stream<Item = Connection<IO>>,
{
    let (registry, metrics) = (shared.registry.clone(), shared.metrics.clone());
    let service = Service { registry, metrics, operators: Operators::new(shared) };
    let service = TuningServer::new(service).max_decoding_message_size(bounds::MESSAGE_BYTES);
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(HEADERS_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WITHIN))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming.map(Ok::<_, std::convert::Infallible>), stop)
        .await
}

impl<IO> Connected for Connection<IO> {
    type ConnectInfo = Link;

    fn connect_info(&self) -> Link {
        self.link()
    }
}

struct Service {
    registry: Registry,
    metrics: Metrics,
    operators: Operators,
}

impl Service {
    /// The connection of a request, if its other end may be here.
    fn link<T>(&self, request: &Request<T>) -> Result<Link, Status> {
        let link = request.extensions().get::<Link>().cloned();
        let link = link.ok_or_else(|| Status::internal("the connection has no peer"))?;
        if link.is_allowed() {
            return Ok(link);
        }
        let peer = link.peer();
        let text = format!("neither user {} nor group {} of the peer is allowed", peer.uid, peer.gid);
        let refusal = Refusal::new(Cause::Peer, text);
        self.registry.note_refused(&refusal);
        Err(status(&refusal))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Tuning for Service {
    type SessionStream = Answers<ServerMessage>;
    type ExplainStream = Answers<v1::Decision>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let link = self.link(&request)?;
        let (said, to_say) = mpsc::channel(1);
        let heard = Box::pin(heard(request.into_inner(), self.metrics.clone()));
        let registry = self.registry.clone();
        tokio::spawn(serve::serve(registry, heard, said, move || link.engage()));
        let answers = ReceiverStream::new(to_say).map(|word: Result<ToSdk, Refusal>| match word {
            Ok(word) => Ok(convert::encode_to_sdk(&word)),
            Err(refusal) => Err(status(&refusal)),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn snapshot(
        &self,
        request: Request<v1::SnapshotRequest>,
    ) -> Result<Response<v1::SnapshotResponse>, Status> {
        self.link(&request)?;
        self.operators.snapshot(request.get_ref()).map(Response::new)
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<Self::ExplainStream>, Status> {
        let link = self.link(&request)?;
        let said = self.operators.explain(request.into_inner(), move || link.engage())?;
        Ok(Response::new(Box::pin(ReceiverStream::new(said))))
    }
}

/// The client's messages, checked. Ends when the client is gone; messages of an unknown kind are left out (R6).
fn heard(wire: Streaming<ClientMessage>, metrics: Metrics) -> impl Stream<Item = Heard> {
    wire.map(|message| message.map_err(|status| from_transport(&status)))
        .take_while(|message| !matches!(message, Err(None)))
        .filter_map(move |message| match message {
            Err(refusal) => refusal.map(Err),
            Ok(message) => match convert::to_sidecar(message) {
                Ok(message) => Some(Ok(message)),
                Err(bad) if bad.is_unknown_message() => {
                    metrics.unknown_message();
                    None
                }
                Err(bad) => Some(Err(Refusal::new(Cause::Malformed, bad.to_string()))),
            },
        })
}

/// What a broken stream means; `None`: the client has gone.
fn from_transport(status: &Status) -> Option<Refusal> {
    match status.code() {
        Code::OutOfRange => {
            let text = format!("message: longer than {} bytes", bounds::MESSAGE_BYTES);
            Some(Refusal::new(Cause::TooLarge, text))
        }
        Code::Internal | Code::Unimplemented => {
            Some(Refusal::new(Cause::Malformed, format!("message: {}", status.message())))
        }
        _ => None,
    }
}

fn status(refusal: &Refusal) -> Status {
    let code = match refusal.cause {
        Cause::Peer => Code::PermissionDenied,
        Cause::HelloMissing => Code::DeadlineExceeded,
        Cause::HelloOrder | Cause::Malformed => Code::InvalidArgument,
        Cause::Protocol | Cause::Incarnation => Code::FailedPrecondition,
        Cause::Replaced => Code::Aborted,
        Cause::Draining => Code::Unavailable,
        Cause::Sessions
        | Cause::Connections
        | Cause::TooLarge
        | Cause::Knobs
        | Cause::Flood
        | Cause::SlowReader => Code::ResourceExhausted,
    };
    Status::new(code, refusal.text.clone())
}
